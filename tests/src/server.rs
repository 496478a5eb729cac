//! The built program, started over a database of its own and stopped with the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Client, binary, postgres};

/// How long a server may take to answer its first request, in a debug build on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file in the server's folder.
    Sqlite,
    /// A database of its own in the throw-away cluster of the test process.
    Postgres,
}

/// What is special about a server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More arguments after `kantele serve`.
    pub arguments: Vec<String>,
    /// More environment.
    pub environment: Vec<(String, String)>,
    /// A program, with its arguments, that starts the server instead of the test (a tracer).
    pub wrapper: Vec<String>,
}

/// A running server, or one between a stop and the next start.
#[derive(Debug)]
pub struct TestServer {
    child: Option<Child>,
    port: u16,
    database: String,
    options: Options,
    client: Client,
    folder: TempDir,
}

/// Runs a test once for each back end that this machine has.
pub fn on_each_backend(test: impl Fn(TestServer)) {
    on_each_backend_with(&Options::default(), test);
}

/// The same, with servers that are special in some way.
pub fn on_each_backend_with(options: &Options, test: impl Fn(TestServer)) {
    println!("on SQLite");
    test(TestServer::start_with(Backend::Sqlite, options.clone()));
    if postgres::is_present() {
        println!("on PostgreSQL");
        test(TestServer::start_with(Backend::Postgres, options.clone()));
    }
}

/// Runs a test once for each back end that this machine has, which starts its own servers.
pub fn on_each_backend_present(test: impl Fn(Backend)) {
    test(Backend::Sqlite);
    if postgres::is_present() {
        test(Backend::Postgres);
    }
}

impl TestServer {
    /// Starts a server over an empty database.
    pub fn start(backend: Backend) -> Self {
        Self::start_with(backend, Options::default())
    }

    /// Starts a server with special arguments, environment or wrapper.
    pub fn start_with(backend: Backend, options: Options) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = match backend {
            Backend::Sqlite => format!("sqlite:{}", folder.path().join("data.sqlite").display()),
            Backend::Postgres => postgres::new_database(),
        };
        let client = Client::new("");
        let mut server = Self { child: None, port: 0, database, options, client, folder };
        server.start_again();
        server
    }

    /// Starts the program over the same database, on another port, after a stop or a kill.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = File::options().create(true).append(true).open(self.log()).expect("a log file");
        let said = self.log_text().len();
        let mut command = match self.options.wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary::kantele());
                command
            }
            None => Command::new(binary::kantele()),
        };
        command
            .arg("serve")
            .args(["--listen", "127.0.0.1:0"])
            .args(["--database", &self.database])
            .args(&self.options.arguments)
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let child = command.spawn().expect("kantele starts");
        self.child = Some(child);
        self.wait_until_ready(said);
    }

    /// Waits for the line that names the address, among what was said since the start.
    fn wait_until_ready(&mut self, said: usize) {
        let begin = Instant::now();
        while begin.elapsed() < START_TIMEOUT {
            let child = self.child.as_mut().expect("the server was started");
            if let Some(status) = child.try_wait().expect("the child is ours") {
                panic!("kantele stopped at its start ({status}):\n{}", self.log_text());
            }
            if let Some(port) = self.log_text().get(said..).and_then(announced_port) {
                self.port = port;
                self.client = Client::new(&format!("http://127.0.0.1:{port}/fhir"));
                // Over TLS the line is all there is to see from here.
                if self.log_text().get(said..).is_some_and(|said| said.contains("on http://")) {
                    self.client.get("//health/ready").expecting(200);
                }
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("kantele did not become ready:\n{}", self.log_text());
    }

    /// Sets a variable of the environment for the next start.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.options.environment.retain(|(own, _)| own != name);
        self.options.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A client for the server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The port that the server listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value for `--database`.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The folder that the server was started in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Everything that the server has said.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("kantele.log")
    }

    /// Ends the server at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("the child is ours");
        child.wait().expect("the child is ours");
    }

    /// Asks the server to stop, as an init system does, and waits for it.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        let mut child = self.child.take().expect("the server runs");
        child.wait().expect("the child is ours")
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.process_id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().expect("kill starts");
        assert!(status.success(), "kill -s {name} {id}");
    }

    /// Runs another command of the program (`load`, `check`) over this server's database.
    pub fn run(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(binary::kantele())
            .args(arguments)
            .args(["--database", &self.database])
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .expect("kantele starts")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// The port in the complete line `listening on http://127.0.0.1:PORT/fhir`, or of https.
fn announced_port(said: &str) -> Option<u16> {
    let rest = said.split_once("listening on http")?.1;
    let rest = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://127.0.0.1:")?;
    let (port, _) = rest.split_once('\n')?.0.split_once('/')?;
    port.parse().ok()
}
