//! Whether a shape costs what it may.

use super::Line;
use super::round::Round;
use super::shapes::Bound;

/// What a shape that an index answers may take at p99, in microseconds.
const INDEX_P99_US: u64 = 5_000;
/// How much the median of such a shape may grow from the smallest size to the largest.
const INDEX_RATIO: f64 = 1.5;
/// Entries of a full page.
const FULL: f64 = 20.0;
/// Noise that is allowed to a shape which may grow with the rows it touches.
const SLACK: f64 = 1.25;

/// What is said of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// By the clock it misses, by the CPU time of the server it does not: the machine is busy.
    Busy(String),
    Miss(String),
    /// Nothing was measured.
    Refused,
}

/// How often larger the median of the largest size is than that of the smallest.
pub(crate) fn ratio(rounds: &[Round]) -> Option<f64> {
    let (first, last) = (rounds.first()?, rounds.last()?);
    (first.median_us > 0).then(|| last.median_us as f64 / first.median_us as f64)
}

/// The same of the CPU time, which other work on the machine does not change.
pub(crate) fn cpu_ratio(rounds: &[Round]) -> Option<f64> {
    let (first, last) = (rounds.first()?, rounds.last()?);
    (first.cpu_us > 0).then(|| last.cpu_us as f64 / first.cpu_us as f64)
}

/// Judges a shape; `sizes` are those of the populations, in the order of its rounds.
pub(crate) fn verdict(line: &Line, sizes: &[u64]) -> Verdict {
    if line.rounds.iter().any(|round| round.refused.is_some()) {
        return Verdict::Refused;
    }
    let (Some(last), Some(ratio)) = (line.rounds.last(), ratio(&line.rounds)) else {
        return Verdict::Refused;
    };
    let (clock, cpu) = (last.p99_us, last.cpu_p99_us);
    let cpu_ratio = cpu_ratio(&line.rounds).unwrap_or(ratio);
    let (mut faults, mut is_slow) = (Vec::new(), false);
    match line.shape.bound {
        // A page that is not full has seen all that matches: it may grow as that does, until it is
        // full, but has to stay as quick.
        Bound::Index if is_short(&line.rounds) => {
            let allowed = growth(&line.rounds, sizes).max(INDEX_RATIO);
            if clock >= INDEX_P99_US {
                faults.push(format!("p99 ({cpu} us of CPU)"));
                is_slow |= cpu >= INDEX_P99_US;
            }
            if ratio > allowed * SLACK {
                faults.push(format!("grows over {allowed:.1} (CPU {cpu_ratio:.1})"));
                is_slow |= cpu_ratio > allowed * SLACK;
            }
        }
        Bound::Index => {
            if clock >= INDEX_P99_US {
                faults.push(format!("p99 ({cpu} us of CPU)"));
                is_slow |= cpu >= INDEX_P99_US;
            }
            if ratio > INDEX_RATIO {
                faults.push(format!("ratio {ratio:.1} (CPU {cpu_ratio:.1})"));
                is_slow |= cpu_ratio > INDEX_RATIO;
            }
        }
        Bound::Matches => {
            let allowed = growth(&line.rounds, sizes);
            if ratio > allowed * SLACK && last.over_budget == 0 {
                faults.push(format!("grows over {allowed:.1} (CPU {cpu_ratio:.1})"));
                is_slow |= cpu_ratio > allowed * SLACK;
            }
        }
    }
    match (faults.is_empty(), is_slow) {
        (true, _) => Verdict::Pass,
        (false, false) => Verdict::Busy(faults.join(", ")),
        (false, true) => Verdict::Miss(faults.join(", ")),
    }
}

/// Whether pages are not full at the smallest size, and fuller at the largest.
fn is_short(rounds: &[Round]) -> bool {
    match (rounds.first(), rounds.last()) {
        (Some(first), Some(last)) => {
            first.entries < FULL - 0.5 && last.entries > first.entries + 0.5
        }
        _ => false,
    }
}

/// How much the rows touched grow, or the store where the server doesn't tell the rows.
fn growth(rounds: &[Round], sizes: &[u64]) -> f64 {
    let touched = |round: Option<&Round>| round.and_then(|round| round.touched);
    if let (Some(first), Some(last)) = (touched(rounds.first()), touched(rounds.last()))
        && first > 0.0
    {
        return (last / first).max(1.0);
    }
    match (sizes.first(), sizes.last()) {
        (Some(first), Some(last)) if *first > 0 => *last as f64 / *first as f64,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes::SHAPES;
    use super::*;

    /// Rounds of which the CPU time is what the clock says.
    fn line(bound: Bound, medians: [u64; 2], p99_us: u64, touched: Option<[f64; 2]>) -> Line {
        let shape = SHAPES.iter().find(|shape| shape.bound == bound).unwrap();
        let round = |at: usize| Round {
            median_us: medians[at],
            cpu_us: medians[at],
            p99_us,
            cpu_p99_us: p99_us,
            touched: touched.map(|touched| touched[at]),
            ..Round::default()
        };
        Line { shape, rounds: vec![round(0), round(1)] }
    }

    #[test]
    fn an_index_must_be_quick_and_hardly_grow() {
        let of = |medians, p99| verdict(&line(Bound::Index, medians, p99, None), &[1, 10]);
        let miss = |why: &str| Verdict::Miss(why.to_owned());
        assert_eq!(of([100, 150], 4_999), Verdict::Pass);
        assert_eq!(of([100, 151], 4_999), miss("ratio 1.5 (CPU 1.5)"));
        assert_eq!(of([100, 160], 5_000), miss("p99 (5000 us of CPU), ratio 1.6 (CPU 1.6)"));
    }

    #[test]
    fn a_page_that_fills_up_may_grow_with_the_rows_touched() {
        let mut line = line(Bound::Index, [100, 400], 4_000, Some([10.0, 40.0]));
        assert!(matches!(verdict(&line, &[1, 10]), Verdict::Miss(_)));
        (line.rounds[0].entries, line.rounds[1].entries) = (5.0, 19.0);
        assert_eq!(verdict(&line, &[1, 10]), Verdict::Pass);
        line.rounds[1].p99_us = 6_000;
        line.rounds[1].cpu_p99_us = 6_000;
        assert!(matches!(verdict(&line, &[1, 10]), Verdict::Miss(_)));
    }

    #[test]
    fn a_busy_machine_is_no_fault_of_the_server() {
        let mut line = line(Bound::Index, [100, 900], 9_000, None);
        for round in &mut line.rounds {
            (round.cpu_us, round.cpu_p99_us) = (90, 300);
        }
        let why = "p99 (300 us of CPU), ratio 9.0 (CPU 1.0)";
        assert_eq!(verdict(&line, &[1, 10]), Verdict::Busy(why.to_owned()));
        line.rounds[1].cpu_us = 180;
        assert!(matches!(verdict(&line, &[1, 10]), Verdict::Miss(_)));
    }

    #[test]
    fn matches_may_grow_with_the_rows_touched() {
        let of =
            |medians, touched| verdict(&line(Bound::Matches, medians, 900_000, touched), &[1, 10]);
        assert_eq!(of([100, 1_100], None), Verdict::Pass);
        assert_eq!(of([100, 1_100], Some([5.0, 50.0])), Verdict::Pass);
        assert!(matches!(of([100, 1_100], Some([5.0, 10.0])), Verdict::Miss(_)));
    }

    #[test]
    fn what_is_refused_is_not_judged() {
        let mut line = line(Bound::Index, [1, 1], 1, None);
        line.rounds[1].refused = Some("400".to_owned());
        assert_eq!(verdict(&line, &[1, 10]), Verdict::Refused);
    }
}
