//! A measured process: its address, the CPU time it has spent, the memory it holds.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

type Error = Box<dyn std::error::Error>;

/// A child process that serves on a port of its own.
pub(crate) struct Process {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a program that says `listening on http://ADDRESS/…` on standard output.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Error> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(output).lines();
        for line in lines.by_ref() {
            let line = line?;
            let Some((_, rest)) = line.split_once("listening on http://") else { continue };
            let address = rest.split('/').next().unwrap_or_default().parse()?;
            // What else it says must not fill the pipe.
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(Self { child, address });
        }
        Err(format!("{command:?} does not say where it listens").into())
    }

    /// The built server over a SQLite file.
    pub(crate) fn server(binary: &Path, database: &Path) -> Result<Self, Error> {
        Self::server_with(binary, database, &[])
    }

    /// The built server over a SQLite file, with settings given as `key=value`.
    pub(crate) fn server_with(
        binary: &Path,
        database: &Path,
        settings: &[&str],
    ) -> Result<Self, Error> {
        Self::server_at(binary, &format!("sqlite:{}", database.display()), settings)
    }

    /// The built server over a database with this URL.
    pub(crate) fn server_at(binary: &Path, url: &str, settings: &[&str]) -> Result<Self, Error> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--database", url]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        Self::start(&mut command)
    }

    /// User and system time so far.
    pub(crate) fn cpu(&self) -> Result<Duration, Error> {
        cpu_of(&self.child.id().to_string())
    }

    /// Time on a processor so far, to the nanosecond; that of threads which have ended is missing.
    pub(crate) fn cpu_of_threads(&self) -> Result<Duration, Error> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let Ok(text) = std::fs::read_to_string(thread?.path().join("schedstat")) else {
                continue;
            };
            nanos += text.split(' ').next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, Error> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no VmRSS")?.parse()?)
    }

    /// Asks it to stop and waits.
    pub(crate) fn stop(mut self) -> Result<(), Error> {
        Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `stop` both calls find nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process (`self` for this one), all its threads together, in steps
/// of ten milliseconds.
pub(crate) fn cpu_of(process: &str) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; the numbers begin after it.
    let rest = stat.rsplit_once(')').ok_or("no bracket in stat")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| -> Result<u64, Error> {
        Ok(fields.get(index).ok_or("a short stat")?.parse()?)
    };
    // Linux counts these in hundredths of a second on every platform it is built for.
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
