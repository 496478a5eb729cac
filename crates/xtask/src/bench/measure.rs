//! What a measurement cost, and the median of several.

use std::time::Duration;

use super::client::Taken;
use super::process::Process;

type Error = Box<dyn std::error::Error>;

/// Wall time, and the measured process's own CPU time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// One run of one measurement, per request or resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
}

impl Figure {
    /// A figure for `count` things that cost this much together.
    pub(crate) fn of(cost: Cost, count: usize) -> Self {
        let count = count as f64;
        Self {
            per_second: count / cost.wall.as_secs_f64(),
            cpu_us: cost.cpu.as_secs_f64() * 1e6 / count,
            p50_us: 0,
            p99_us: 0,
        }
    }
}

/// Measures a load on a process; each request counts `things` (the entries of a Bundle).
pub(crate) fn loaded(
    process: &Process,
    things: usize,
    load: impl FnOnce() -> Result<Taken, Error>,
) -> Result<Figure, Error> {
    let before = process.cpu()?;
    let taken = load()?;
    let cost = Cost { wall: taken.wall, cpu: process.cpu()?.saturating_sub(before) };
    let (p50_us, p99_us) = (taken.percentile_us(0.5), taken.percentile_us(0.99));
    Ok(Figure { p50_us, p99_us, ..Figure::of(cost, taken.requests * things) })
}

/// The figure that is in the middle by its CPU time, or by its rate where that is the point.
pub(crate) fn median(mut figures: Vec<Figure>) -> Option<Figure> {
    let middle = figures.len() / 2;
    let mut by = |key: fn(&Figure) -> f64| {
        figures.sort_by(|a, b| key(a).total_cmp(&key(b)));
        figures.get(middle).copied()
    };
    let rate = by(|it| it.per_second)?;
    let cpu = by(|it| it.cpu_us)?;
    Some(Figure { cpu_us: cpu.cpu_us, ..rate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_taken_of_rate_and_cpu_apart() {
        let figure = |per_second, cpu_us| Figure { per_second, cpu_us, p50_us: 0, p99_us: 0 };
        let found = median(vec![figure(1.0, 30.0), figure(9.0, 10.0), figure(5.0, 99.0)]).unwrap();
        assert!((found.per_second - 5.0).abs() < 1e-9 && (found.cpu_us - 30.0).abs() < 1e-9);
        assert!(median(Vec::new()).is_none());
    }
}
