//! Throw-away PostgreSQL clusters for tests, made from the binaries that are installed.
//!
//! [`postgres`] gives the cluster of this test process, started at the first call: on a Unix
//! socket in a folder of its own, without fsync, gone when the process ends however it ends. Where
//! no binaries are found, the answer is `None` and a loud line on standard error; with `CI=true`
//! or `KANTELE_REQUIRE_POSTGRES=1` in the environment that is a failure.
#![allow(
    clippy::print_stderr,
    clippy::panic,
    clippy::expect_used,
    reason = "this module serves tests only: it fails as tests do"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use diesel::connection::{Connection, SimpleConnection};
use diesel::pg::PgConnection;

use crate::url::DatabaseUrl;

/// A running cluster.
pub struct Cluster {
    sockets: PathBuf,
    databases: AtomicU32,
}

/// The cluster of this process, or `None` (loudly) where PostgreSQL is not installed.
///
/// # Panics
/// Where PostgreSQL is required by the environment and absent, or does not start.
pub fn postgres() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(start).as_ref()
}

impl Cluster {
    /// A fresh, empty database.
    ///
    /// # Panics
    /// Where the cluster refuses.
    #[must_use]
    pub fn database(&self) -> DatabaseUrl {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let mut connection =
            PgConnection::establish(&self.url("postgres")).expect("the cluster takes connections");
        connection
            .batch_execute(&format!("CREATE DATABASE test{number}"))
            .expect("the cluster makes databases");
        DatabaseUrl::Postgres(self.url(&format!("test{number}")))
    }

    fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?user=kantele&host={}", self.sockets.display())
    }
}

fn start() -> Option<Cluster> {
    let Some(binaries) = binaries() else {
        let is_set = |name: &str, value: &str| std::env::var(name).is_ok_and(|is| is == value);
        let how = "PostgreSQL is not installed (initdb and pg_ctl are neither in PATH nor under \
                   /usr/lib/postgresql): install it, for example with `apt-get install postgresql`";
        assert!(!is_set("CI", "true") && !is_set("KANTELE_REQUIRE_POSTGRES", "1"), "{how}");
        eprintln!("\n*** SKIPPED: tests on PostgreSQL. {how} ***\n");
        return None;
    };
    let folder = std::env::temp_dir().join(format!("kantele-pg-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder can be made");
    let runner = runner(&folder);
    let data = folder.join("data");
    run(&runner, &binaries.join("initdb"), |command| {
        command.arg("-D").arg(&data);
        command.args(["-U", "kantele", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"]);
    });
    let options = format!(
        "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off \
         -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 \
         -c shared_buffers=64MB",
        folder.display()
    );
    run(&runner, &binaries.join("pg_ctl"), |command| {
        command.arg("-D").arg(&data).arg("-l").arg(folder.join("log"));
        command.args(["-w", "-t", "60", "-o", &options, "start"]);
    });
    watch(&runner, &binaries, &folder);
    Some(Cluster { sockets: folder, databases: AtomicU32::new(0) })
}

/// Stops the cluster when this process has ended: the watcher's input closes then.
fn watch(runner: &[String], binaries: &Path, folder: &Path) {
    // A signal to the whole group of the tests must not end the watcher first.
    let script = "trap '' INT TERM HUP; cat >/dev/null; \"$@\" >/dev/null 2>&1; rm -rf \"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(folder).args(runner).arg(binaries.join("pg_ctl"));
    command.arg("-D").arg(folder.join("data")).args(["-m", "immediate", "stop"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let watcher = command.spawn().expect("a shell can be started");
    // The pipe has to stay open for as long as this process lives.
    std::mem::forget(watcher);
}

fn run(runner: &[String], program: &Path, arguments: impl FnOnce(&mut Command)) {
    let mut command = match runner.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    arguments(&mut command);
    // Files, not pipes: the server inherits them and would hold a pipe open.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let status = status.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(status.success(), "{} failed: {status}", program.display());
}

/// PostgreSQL refuses to run as root: the words in front of a command that runs as another user.
fn runner(folder: &Path) -> Vec<String> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root {
        return Vec::new();
    }
    let given = Command::new("chown").arg("postgres").arg(folder).status();
    assert!(given.is_ok_and(|status| status.success()), "no user `postgres` to run the cluster");
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let ways = [
        words("setpriv --reuid=postgres --regid=postgres --clear-groups --"),
        words("runuser -u postgres --"),
    ];
    let works = |way: &Vec<String>| {
        way.split_first().is_some_and(|(first, rest)| {
            let tried = Command::new(first).args(rest).arg("true").stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        })
    };
    ways.into_iter().find(works).expect("setpriv or runuser to leave root with")
}

/// The folder with `initdb` and `pg_ctl`: the newest under /usr/lib/postgresql, or from PATH.
fn binaries() -> Option<PathBuf> {
    let holds_both =
        |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    versions.reverse();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().chain(std::env::split_paths(&path)).find(holds_both)
}
