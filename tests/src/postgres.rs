//! A throw-away PostgreSQL cluster for the running test process, from the installed binaries.
//!
//! Nothing is shared with a cluster that the machine may have: its own folder, port and user. It
//! ends with the test process, however that ends: a small shell waits at the end of a pipe that
//! only this process holds. Without the binaries every PostgreSQL half of a test is skipped, and
//! says so where no test harness swallows it.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

struct Cluster {
    programs: PathBuf,
    port: u16,
    /// Its end is the sign to stop.
    _alive: Mutex<ChildStdin>,
}

/// Whether this machine has PostgreSQL's server programs; says so, once, when it has not.
pub fn is_present() -> bool {
    static PRESENT: OnceLock<bool> = OnceLock::new();
    *PRESENT.get_or_init(|| {
        let is_present = programs().is_some();
        if !is_present {
            let mut out = std::io::stderr();
            let _ = writeln!(out, "SKIPPED: everything on PostgreSQL, its programs are absent.");
            let _ = writeln!(out, "  Install them (Debian: apt-get install postgresql), or set");
            let _ = writeln!(out, "  KANTELE_TEST_POSTGRES_BIN to the folder that holds initdb.");
        }
        is_present
    })
}

/// The URL of a new, empty database.
pub fn new_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let cluster = CLUSTER.get_or_init(Cluster::start);
    let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let port = cluster.port.to_string();
    let status = Command::new(cluster.programs.join("createdb"))
        .args(["-h", "127.0.0.1", "-p", &port, "-U", "kantele", "-T", "template0", &name])
        .status()
        .expect("createdb starts");
    assert!(status.success(), "createdb {name}");
    format!("postgres://kantele@127.0.0.1:{port}/{name}")
}

impl Cluster {
    #[expect(clippy::zombie_processes, reason = "the cluster outlives every test; see `watch`")]
    fn start() -> Self {
        let programs = programs().expect("PostgreSQL is present");
        let folder = tempfile::Builder::new().prefix("kantele-pg").tempdir().expect("a folder");
        let folder = folder.keep();
        let data = folder.join("data");
        let owner = owner();
        if let Some(owner) = owner {
            run(Command::new("chown").arg(owner).arg(&folder));
        }
        let mut initdb = as_owner(owner, &programs.join("initdb"), &folder);
        initdb.args([
            "-U",
            "kantele",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        run(initdb.arg(&data).stdout(Stdio::null()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        drop(listener);
        let mut postgres = as_owner(owner, &programs.join("postgres"), &folder);
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]);
        // The tests kill Kantele, never the cluster: no flush is needed here.
        postgres.arg(&folder).args(["-c", "fsync=off", "-c", "max_connections=200"]);
        let log = std::fs::File::create(folder.join("log")).expect("a log file");
        let server = postgres.stdout(Stdio::null()).stderr(log).spawn().expect("postgres starts");
        let alive = watch(&server, &folder);
        let cluster = Self { programs, port, _alive: Mutex::new(alive) };
        cluster.wait();
        cluster
    }

    fn wait(&self) {
        let begin = Instant::now();
        let port = self.port.to_string();
        while begin.elapsed() < Duration::from_secs(60) {
            let mut ask = Command::new(self.programs.join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            if ask.status().is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the throw-away PostgreSQL cluster did not start");
    }
}

/// Stops the cluster and removes its folder once the returned end of the pipe is gone.
fn watch(server: &Child, folder: &Path) -> ChildStdin {
    let script = "cat >/dev/null; kill -QUIT $0; sleep 1; rm -rf \"$1\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, &server.id().to_string()]).arg(folder).stdin(Stdio::piped());
    // A terminal's or a runner's own streams must not be held open by the waiting shell.
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    shell.spawn().expect("sh starts").stdin.take().expect("a piped stdin")
}

/// The user to run PostgreSQL as when the tests run as root, which it refuses.
fn owner() -> Option<&'static str> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout == b"0\n");
    let exists = |name: &str| {
        Command::new("id").arg(name).output().is_ok_and(|output| output.status.success())
    };
    is_root.then(|| if exists("postgres") { "postgres" } else { "nobody" })
}

fn as_owner(owner: Option<&str>, program: &Path, folder: &Path) -> Command {
    let mut command = match owner {
        None => Command::new(program),
        Some(owner) => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={owner}")).arg("--regid").arg(group_of(owner));
            command.arg("--clear-groups").arg(program);
            command
        }
    };
    command.current_dir(folder);
    command
}

fn group_of(owner: &str) -> String {
    let output = Command::new("id").args(["-g", owner]).output().expect("id starts");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn run(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}");
}

/// The folder that holds `initdb` and `postgres`, newest version first.
fn programs() -> Option<PathBuf> {
    let has_server =
        |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    if let Some(folder) = std::env::var_os("KANTELE_TEST_POSTGRES_BIN") {
        return Some(PathBuf::from(folder)).filter(has_server);
    }
    let mut versions: Vec<PathBuf> = Path::new("/usr/lib/postgresql")
        .read_dir()
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = versions.into_iter().rev().chain(std::env::split_paths(&path));
    folders.find(has_server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_is_new_and_answers() {
        if !is_present() {
            return;
        }
        let (first, second) = (new_database(), new_database());
        assert_ne!(first, second);
        for url in [first, second] {
            let psql = programs().expect("it is present").join("psql");
            let mut ask = Command::new(psql);
            let output = ask.args(["-Atc", "select 1 + 1", &url]).output().expect("psql starts");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "2\n");
        }
    }
}
