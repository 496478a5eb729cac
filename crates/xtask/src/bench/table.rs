//! The figures as a Markdown table, and the machine that they were taken on.

use std::process::Command;

use super::measure::Figure;

/// A line of the table: a measurement with the ceilings that it is held against.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) server: Figure,
    /// Name and figure of each ceiling.
    pub(crate) ceilings: Vec<(&'static str, Figure)>,
}

/// Prints the lines.
pub(crate) fn print(lines: &[Line]) {
    println!("| measurement | per second | CPU us each | p50 us | p99 us | of the ceiling |");
    println!("|---|---:|---:|---:|---:|---|");
    for line in lines {
        let ratios: Vec<String> = line
            .ceilings
            .iter()
            .map(|(name, ceiling)| {
                let rate = 100.0 * line.server.per_second / ceiling.per_second;
                let (its_rate, its_cpu) = (ceiling.per_second, ceiling.cpu_us);
                let cpu = line.server.cpu_us / its_cpu;
                format!("{rate:.0} % of {name} ({its_rate:.0}/s, {its_cpu:.1} us: CPU x {cpu:.1})")
            })
            .collect();
        println!(
            "| {} | {:.0} | {:.1} | {} | {} | {} |",
            line.name,
            line.server.per_second,
            line.server.cpu_us,
            line.server.p50_us,
            line.server.p99_us,
            ratios.join("; "),
        );
    }
}

/// Processor, cores, memory, kernel and compiler.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after_colon = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?.to_owned();
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = after_colon(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = after_colon(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let compiler = Command::new("rustc").arg("--version").output();
    let compiler = compiler
        .map_or_else(|_| String::new(), |it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
    format!("{processor}, {cores} cores, {memory}, Linux {kernel}, {compiler}")
}
