//! The living example: every command of docs/demo.md, as a reader would type it, comes to what the
//! page says below it.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kantele_tests::{Backend, binary, on_each_backend_present, postgres, repository};

/// The heading after which the demo is not running any more.
const STOPPED: &str = "## When it has stopped";
/// Printed by the shell before each command.
const MARK: &str = "=-=-= command ";
/// How long a debug build may take to fill the store on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// A command with what it comes to.
struct Step {
    command: String,
    status: Option<String>,
    seen: Vec<String>,
    unseen: Vec<String>,
    is_after: bool,
}

#[test]
fn the_demo_does_what_its_page_says() {
    let steps = page();
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        // Past the harness, which keeps what is printed to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the demo's page, curl is absent.");
        return;
    }
    on_each_backend_present(|backend| {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = Demo::start(backend, folder.path());
        let mut faults = demo.run(&steps, false);
        demo.stop();
        faults.extend(demo.run(&steps, true));
        println!("{} commands on {backend:?}", steps.len());
        assert!(faults.is_empty(), "{} fail:\n{}", faults.len(), faults.join("\n\n"));
    });
}

#[test]
fn the_demo_leaves_alone_what_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "mine").unwrap();
    let path = folder.path().display().to_string();
    let demo = |more: &[&str]| {
        let output = Command::new(binary::kantele())
            .args(["demo", "--listen", "127.0.0.1:0"])
            .args(more)
            .current_dir(repository(""))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(demo(&["--folder", &path]).contains("is not empty"));
    assert_eq!(std::fs::read_to_string(folder.path().join("thesis.txt")).unwrap(), "mine");
    let new = folder.path().join("new").display().to_string();
    let elsewhere = format!("sqlite:{path}/other.sqlite");
    assert!(demo(&["--folder", &new, "--database", &elsewhere]).contains("in its folder"));
    assert!(!folder.path().join("other.sqlite").exists());
    let issuer = "access.issuers=https://idp.example.org=https://idp.example.org/keys";
    assert!(demo(&["--folder", &new, "--set", issuer]).contains("leave them"));
    assert!(demo(&["--folder", &new, "--set", "access.mode=open"]).contains("access.mode"));
    let proxied = ["--folder", &new, "--trusted-proxy", "10.0.0.0/8"];
    assert!(demo(&proxied).contains("loopback"));
}

#[test]
fn the_readme_walks_along_the_page() {
    let text = |name: &str| std::fs::read_to_string(repository("").join(name)).unwrap();
    let (readme, page) = (text("README.md"), text("docs/demo.md"));
    let walk = readme.split_once("## A living example").expect("the README has the chapter").1;
    let walk = walk.split_once("\n## ").expect("another chapter follows").0;
    let commands: Vec<&str> = walk.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        assert!(page.contains(command), "the page has no `{command}`");
    }
}

/// The commands of the page, in their order.
fn page() -> Vec<Step> {
    let text = std::fs::read_to_string(repository("").join("docs/demo.md")).unwrap();
    let (before, after) = text.split_once(STOPPED).expect("the page has its last chapter");
    let mut steps = steps(before, false);
    steps.extend(self::steps(after, true));
    assert!(steps.len() > 40, "the page has {} commands", steps.len());
    steps
}

fn steps(text: &str, is_after: bool) -> Vec<Step> {
    text.split("```sh\n")
        .skip(1)
        .map(|rest| {
            let (command, rest) = rest.split_once("```\n").expect("a block ends");
            let said = rest.trim_start().strip_prefix("You see: ");
            let said = said.unwrap_or_else(|| panic!("nobody says what is seen of {command}"));
            let said = said.split_once("\n").map_or(said, |(line, _)| line);
            let status = said.split("**").nth(1).map(str::to_owned);
            let (mut seen, mut unseen) = (Vec::new(), Vec::new());
            let parts: Vec<&str> = said.split('`').collect();
            for pair in parts.chunks_exact(2) {
                let list = if pair[0].ends_with("not ") { &mut unseen } else { &mut seen };
                list.push(pair[1].to_owned());
            }
            assert!(status.is_some() || !seen.is_empty(), "{command} comes to nothing");
            Step { command: command.to_owned(), status, seen, unseen, is_after }
        })
        .collect()
}

impl Step {
    fn judge(&self, output: &str) -> Result<(), String> {
        let wrong = |why: String| Err(format!("{}{why}, in:\n{output}", self.command));
        if let Some(status) = &self.status {
            let begin = format!("HTTP/1.1 {status} ");
            if !output.starts_with(&begin) {
                return wrong(format!("expected {status}"));
            }
        }
        if let Some(text) = self.seen.iter().find(|text| !output.contains(text.as_str())) {
            return wrong(format!("not seen: {text}"));
        }
        if let Some(text) = self.unseen.iter().find(|text| output.contains(text.as_str())) {
            return wrong(format!("seen: {text}"));
        }
        Ok(())
    }
}

struct Demo<'a> {
    child: Child,
    folder: &'a Path,
}

impl<'a> Demo<'a> {
    fn start(backend: Backend, folder: &'a Path) -> Self {
        let log = folder.join("kantele.log");
        let out = File::create(&log).unwrap();
        let mut command = Command::new(binary::kantele());
        command.args(["demo", "--listen", "127.0.0.1:0"]).args([
            "--set",
            &format!("packages.folders={}", repository("").join("profiles").display()),
        ]);
        if backend == Backend::Postgres {
            command.args(["--database", &postgres::new_database()]);
        }
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        let mut demo = Self { child: command.spawn().expect("kantele starts"), folder };
        let begin = Instant::now();
        loop {
            let said = std::fs::read_to_string(&log).unwrap();
            if said.contains("The demo is ready") {
                println!("filled on {backend:?} after {:?}", begin.elapsed());
                return demo;
            }
            let ended = demo.child.try_wait().unwrap();
            assert!(ended.is_none() && begin.elapsed() < START_TIMEOUT, "no demo:\n{said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs the commands of one half of the page in one shell; gives what did not come as said.
    fn run(&self, steps: &[Step], is_after: bool) -> Vec<String> {
        let steps: Vec<&Step> = steps.iter().filter(|step| step.is_after == is_after).collect();
        let mut script = String::from(". data/demo/env.sh\n");
        for step in &steps {
            script.push_str(&format!("echo\necho '{MARK}'\n{}\n", step.command));
        }
        let mut shell = Command::new("sh")
            .current_dir(self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("sh starts");
        shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shell.wait_with_output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let parts: Vec<&str> = output.split(&format!("\n{MARK}\n")).skip(1).collect();
        assert_eq!(parts.len(), steps.len(), "the shell stopped early:\n{output}");
        steps.iter().zip(parts).filter_map(|(step, output)| step.judge(output).err()).collect()
    }

    fn stop(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Demo<'_> {
    fn drop(&mut self) {
        // Has no effect on one that was stopped.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
