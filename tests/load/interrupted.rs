//! A load that is killed, again and again, ends as one that was left alone.
//!
//! `KANTELE_TEST_LOAD_KILLS` (5) and `KANTELE_TEST_SEED` (1) scale it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kantele_tests::{Backend, TestServer, binary, on_each_backend, scale};

use crate::snapshot::{difference, examples_text, snapshot};

#[test]
fn a_killed_load_goes_on_to_the_same_end() {
    on_each_backend(|mut server| {
        let begin = Instant::now();
        server.stop();
        let kills = scale("KANTELE_TEST_LOAD_KILLS", 5);
        // How long an undisturbed load takes here, into a database of its own.
        let mut calm = TestServer::start(Backend::Sqlite);
        calm.stop();
        let started = Instant::now();
        assert!(matches!(calm.run(&["load", &examples_text()]).status.code(), Some(0 | 1)));
        let whole = started.elapsed();
        calm.start_again();
        let mut cut = 0;
        for number in 0..kills {
            let part = whole.mul_f64(pseudo_random(number));
            cut += u64::from(killed_after(&server, part));
        }
        let last = server.run(&["load", &examples_text()]);
        assert!(matches!(last.status.code(), Some(0 | 1)));
        server.start_again();
        let (calm, killed) = (snapshot(calm.client()), snapshot(server.client()));
        assert_eq!(difference(&calm, &killed), None);
        println!("{cut} of {kills} loads cut, {} versions, {:?}", killed.len(), begin.elapsed());
    });
}

/// Starts a load and kills it after `part`; false when it was through before.
fn killed_after(server: &TestServer, part: Duration) -> bool {
    let mut child = Command::new(binary::kantele())
        .args(["load", &examples_text(), "--database", server.database()])
        .current_dir(server.folder())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(part);
    let is_through = child.try_wait().unwrap().is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    !is_through
}

/// Between 0 and 1, from the seed.
fn pseudo_random(number: u64) -> f64 {
    let mixed = (scale("KANTELE_TEST_SEED", 1) + number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    f64::from((mixed >> 40) as u32) / f64::from(1 << 24)
}
