//! What `/metrics` tells: requests by interaction and status, their times, and the process.
//!
//! Prometheus text, atomics only, no label that could carry personal data.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Interactions as they are named in metrics; `other` stands for what was refused before one was
/// known.
const INTERACTIONS: [&str; 15] = [
    "capabilities",
    "read",
    "vread",
    "create",
    "update",
    "delete",
    "history-instance",
    "history-type",
    "history-system",
    "search-type",
    "search-system",
    "bundle",
    "async",
    "operation",
    "other",
];

/// Statuses counted by themselves; the last place takes all others.
const STATUSES: [u16; 24] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 422,
    429, 431, 500, 503, 0,
];

/// Upper bounds of the latency histogram, in microseconds.
const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000, 10_000_000,
];

/// Counters of one interaction.
#[derive(Default)]
struct Row {
    statuses: [AtomicU64; STATUSES.len()],
    times: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// All counters of the process.
#[derive(Default)]
pub(crate) struct Metrics {
    rows: [Row; INTERACTIONS.len()],
}

impl Metrics {
    /// Counts one answered request.
    pub(crate) fn count(&self, interaction: &str, status: u16, took: Duration) {
        let name = if interaction.starts_with('$') { "operation" } else { interaction };
        let place = INTERACTIONS.iter().position(|known| *known == name);
        let Some(row) = self.rows.get(place.unwrap_or(INTERACTIONS.len() - 1)) else { return };
        let place = STATUSES.iter().position(|known| *known == status);
        if let Some(counter) = row.statuses.get(place.unwrap_or(STATUSES.len() - 1)) {
            counter.fetch_add(1, Relaxed);
        }
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.iter().position(|bound| took_us <= *bound);
        if let Some(counter) = row.times.get(bucket.unwrap_or(BOUNDS_US.len())) {
            counter.fetch_add(1, Relaxed);
        }
        row.sum_us.fetch_add(took_us, Relaxed);
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(8_192);
        self.write(&mut out);
        write_process(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        head(out, "kantele_requests_total", "counter", "Answered requests.");
        for (interaction, row) in INTERACTIONS.iter().zip(&self.rows) {
            for (status, counter) in STATUSES.iter().zip(&row.statuses) {
                let count = counter.load(Relaxed);
                if count > 0 {
                    let status = if *status == 0 { "other".to_owned() } else { status.to_string() };
                    let labels = format!("interaction=\"{interaction}\",status=\"{status}\"");
                    line(out, "kantele_requests_total", &labels, count);
                }
            }
        }
        head(out, "kantele_request_seconds", "histogram", "Time from head to answer.");
        for (interaction, row) in INTERACTIONS.iter().zip(&self.rows) {
            row.write_times(out, interaction);
        }
    }
}

impl Row {
    fn write_times(&self, out: &mut String, interaction: &str) {
        let counts: Vec<u64> = self.times.iter().map(|counter| counter.load(Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return;
        }
        let mut so_far = 0;
        for (bound, count) in BOUNDS_US.iter().zip(&counts) {
            so_far += count;
            let labels = format!("interaction=\"{interaction}\",le=\"{}\"", seconds(*bound));
            line(out, "kantele_request_seconds_bucket", &labels, so_far);
        }
        let labels = format!("interaction=\"{interaction}\",le=\"+Inf\"");
        line(out, "kantele_request_seconds_bucket", &labels, all);
        let labels = format!("interaction=\"{interaction}\"");
        let sum = seconds(self.sum_us.load(Relaxed));
        line(out, "kantele_request_seconds_sum", &labels, sum);
        line(out, "kantele_request_seconds_count", &labels, all);
    }
}

/// Writes the two comment lines of a metric.
pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _infallible = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Writes one sample.
pub(crate) fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _infallible = if labels.is_empty() {
        writeln!(out, "{name} {value}")
    } else {
        writeln!(out, "{name}{{{labels}}} {value}")
    };
}

/// Microseconds as a decimal number of seconds.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Processor time and memory of this process, where `/proc` tells them.
fn write_process(out: &mut String) {
    if let Some(ticks) = processor_ticks() {
        head(out, "process_cpu_seconds_total", "counter", "User and system time.");
        // Linux counts in hundredths of a second on every platform that Rust supports.
        line(out, "process_cpu_seconds_total", "", seconds(ticks.saturating_mul(10_000)));
    }
    if let Some(kibibytes) = resident_kibibytes() {
        head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
        line(out, "process_resident_memory_bytes", "", kibibytes.saturating_mul(1_024));
    }
}

fn processor_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold blanks; the counted fields come after it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident_kibibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_interaction_and_status() {
        let metrics = Metrics::default();
        metrics.count("read", 200, Duration::from_micros(80));
        metrics.count("read", 200, Duration::from_micros(300));
        metrics.count("other", 418, Duration::from_secs(60));
        let text = metrics.text();
        for expected in [
            "kantele_requests_total{interaction=\"read\",status=\"200\"} 2\n",
            "kantele_requests_total{interaction=\"other\",status=\"other\"} 1\n",
            "kantele_request_seconds_bucket{interaction=\"read\",le=\"0.0001\"} 1\n",
            "kantele_request_seconds_bucket{interaction=\"read\",le=\"0.0005\"} 2\n",
            "kantele_request_seconds_sum{interaction=\"read\"} 0.00038\n",
            "kantele_request_seconds_bucket{interaction=\"other\",le=\"10\"} 0\n",
            "kantele_request_seconds_count{interaction=\"other\"} 1\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_process_is_described() {
        let text = Metrics::default().text();
        assert!(text.contains("process_resident_memory_bytes ") && text.contains("cpu_seconds"));
    }
}
