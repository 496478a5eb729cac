//! The shapes as a Markdown table.

use super::Line;
use super::round::Round;
use super::shapes::Bound;
use super::verdict::{Verdict, cpu_ratio, ratio, verdict};

/// Prints a table with a few columns for each size, and how many shapes pass.
pub(crate) fn print(sizes: &[u64], lines: &[Line]) {
    let is_told = lines.iter().flat_map(|line| &line.rounds).any(|round| round.touched.is_some());
    let mut head = "| shape | bound |".to_owned();
    for size in sizes {
        let size = short_size(*size);
        head.push_str(&format!(" p50 us {size} | p99 us {size} | CPU us {size} | p99 |"));
        if is_told {
            head.push_str(&format!(" rows {size} |"));
        }
    }
    head.push_str(" ratio | CPU ratio | entries | verdict |");
    println!("{head}");
    let columns = head.matches('|').count() - 4;
    println!("|---|---|{}---|", "---:|".repeat(columns));
    let (mut pass, mut busy, mut miss, mut refused) = (0, 0, 0, 0);
    for line in lines {
        let verdict = verdict(line, sizes);
        match verdict {
            Verdict::Pass => pass += 1,
            Verdict::Busy(_) => busy += 1,
            Verdict::Miss(_) => miss += 1,
            Verdict::Refused => refused += 1,
        }
        println!("{}", row(line, &verdict, is_told));
    }
    println!(
        "\n{} shapes: {pass} PASS, {busy} PASS by CPU time only, {miss} MISS, {refused} refused",
        lines.len()
    );
}

fn row(line: &Line, verdict: &Verdict, is_told: bool) -> String {
    let bound = match line.shape.bound {
        Bound::Index => "index",
        Bound::Matches => "matches",
    };
    let mut row = format!("| {} | {bound} |", line.shape.name);
    for round in &line.rounds {
        if round.refused.is_some() {
            row.push_str(if is_told { " - | - | - | - | - |" } else { " - | - | - | - |" });
            continue;
        }
        let (median, p99) = (round.median_us, round.p99_us);
        row.push_str(&format!(" {median} | {p99} | {} | {} |", round.cpu_us, round.cpu_p99_us));
        if is_told {
            let touched = round.touched.map_or("-".to_owned(), |rows| format!("{rows:.0}"));
            row.push_str(&format!(" {touched} |"));
        }
    }
    let shown = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let (ratio, cpu) = (shown(ratio(&line.rounds)), shown(cpu_ratio(&line.rounds)));
    let entries: Vec<String> =
        line.rounds.iter().map(|round| format!("{:.0}", round.entries)).collect();
    let over: usize = line.rounds.iter().map(|round| round.over_budget).sum();
    let over = if over == 0 { String::new() } else { format!(" ({over} ended at the budget)") };
    let words = match verdict {
        Verdict::Pass => "PASS".to_owned(),
        Verdict::Busy(why) => format!("PASS by CPU; by the clock {why}"),
        Verdict::Miss(why) => format!("**MISS** {why}"),
        Verdict::Refused => {
            line.rounds.iter().find_map(|round| round.refused.clone()).unwrap_or_default()
        }
    };
    row.push_str(&format!(" {ratio} | {cpu} | {} | {words}{over} |", entries.join(" / ")));
    row
}

/// The medians of a shape, for the one who waits.
pub(crate) fn short(rounds: &[Round]) -> String {
    let words: Vec<String> = rounds
        .iter()
        .map(|round| match &round.refused {
            Some(refused) => refused.clone(),
            None => format!("{} us, p99 {}, CPU {}", round.median_us, round.p99_us, round.cpu_us),
        })
        .collect();
    words.join("; ")
}

/// `100k`, `1M`.
fn short_size(size: u64) -> String {
    match size {
        _ if size >= 1_000_000 && size.is_multiple_of(1_000_000) => {
            format!("{}M", size / 1_000_000)
        }
        _ if size >= 1_000 && size.is_multiple_of(1_000) => format!("{}k", size / 1_000),
        _ => size.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_shortly() {
        assert_eq!(
            [100_000, 1_000_000, 1_500].map(short_size),
            ["100k".to_owned(), "1M".to_owned(), "1500".to_owned()]
        );
    }
}
