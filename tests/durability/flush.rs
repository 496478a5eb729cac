//! Each answer to a write comes after the flush of what it acknowledges, seen from outside.
//!
//! A kill does not show a missing flush, since the kernel keeps what was written. So the server
//! runs under strace, and the order of its system calls is read: between the request and its
//! answer there is a write to the database or its log, and after that write a flush of the same
//! file that ended well before the answer was sent. Without strace the test is skipped, loudly.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use kantele_tests::examples::{bundle, entry, patient};
use kantele_tests::{Backend, Client, Options, TestServer, scale};

#[test]
fn every_answer_comes_after_its_flush() {
    let has_strace = Command::new("strace").arg("-V").output().is_ok();
    if !has_strace {
        let mut out = std::io::stderr();
        let _ = writeln!(
            out,
            "SKIPPED: the proof of flushes, for want of strace (apt-get install strace)"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let calls = "trace=pwrite64,pwritev,write,writev,sendto,sendmsg,recvfrom,recvmsg,read,readv,fsync,fdatasync";
    let strace = ["strace", "-D", "-f", "-y", "-s", "24", "-e", calls, "-o"];
    let mut wrapper: Vec<String> = strace.iter().map(|word| (*word).to_owned()).collect();
    wrapper.push(trace.to_string_lossy().into_owned());
    let options = Options { wrapper, ..Options::default() };
    let mut server = TestServer::start_with(Backend::Sqlite, options);
    let writes = scale("KANTELE_TEST_FLUSH_WRITES", 40);
    // One client first: no other write's flush can be mistaken for the right one.
    write(server.client(), writes);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let client = Client::new(server.client().base());
            scope.spawn(move || write(&client, writes / 4));
        }
    });
    server.stop();
    wait_for_the_end(&trace);
    let text = String::from_utf8_lossy(&std::fs::read(&trace).unwrap()).into_owned();
    let answers = check(&text);
    println!("{answers} answers to writes, each after its flush");
    assert!(answers >= 2 * (writes + 8 * (writes / 4)), "only {answers} answers in the trace");
}

/// Creates and transactions in turn.
fn write(client: &Client, count: u64) {
    for _ in 0..count {
        client.post("Patient", &patient("Virtanen")).expecting(201);
        let entries = vec![entry("POST", "Patient", None, Some(patient("Korhonen")))];
        client.post("", &bundle("transaction", entries)).expecting(200);
    }
}

/// The tracer writes on after the traced has ended; its last line tells of the exit.
fn wait_for_the_end(trace: &Path) {
    for _ in 0..1_000 {
        let text = std::fs::read(trace).unwrap_or_default();
        if text.ends_with(b"+++\n") && !text.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the trace does not end");
}

/// A flush: when it began and when it ended.
struct Flush {
    file: String,
    begun: usize,
    ended: usize,
}

/// Checks the order of all calls and gives the number of answers to writes.
fn check(trace: &str) -> u64 {
    // The place in the trace of the last request on each connection.
    let mut requests: BTreeMap<String, usize> = BTreeMap::new();
    let mut pending: BTreeMap<String, (String, String, usize)> = BTreeMap::new();
    let mut writes: Vec<(usize, String)> = Vec::new();
    let mut flushes: Vec<Flush> = Vec::new();
    let mut answers = 0;
    for (at, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        // A call that another thread's call cut in two is whole again in its second half.
        let (call, begun) = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let Some((name, head, begun)) = pending.remove(thread) else { continue };
                assert!(resumed.starts_with(&name), "{line}");
                let tail = resumed.split_once("resumed>").map_or("", |it| it.1);
                (format!("{head}{tail}"), begun)
            }
            None => match rest.strip_suffix("<unfinished ...>") {
                Some(head) => {
                    let name = head.split('(').next().unwrap_or("").to_owned();
                    // A write counts from its begin, an answer too: the earliest moment.
                    note(head, at, &mut writes, &requests, &flushes, &mut answers);
                    pending.insert(thread.to_owned(), (name, head.to_owned(), at));
                    continue;
                }
                None => (rest.to_owned(), at),
            },
        };
        if begun == at {
            note(&call, at, &mut writes, &requests, &flushes, &mut answers);
        }
        let descriptor = descriptor(&call);
        if (call.starts_with("fdatasync") || call.starts_with("fsync")) && call.ends_with("= 0") {
            flushes.push(Flush { file: descriptor.clone(), begun, ended: at });
        }
        if (call.starts_with("recv") || call.starts_with("read")) && call.contains("\"POST /fhir") {
            requests.insert(descriptor, at);
        }
    }
    assert!(!writes.is_empty(), "the trace shows no write to the database");
    answers
}

/// Notes a write to the database, and checks an answer against what came before it.
fn note(
    call: &str,
    at: usize,
    writes: &mut Vec<(usize, String)>,
    requests: &BTreeMap<String, usize>,
    flushes: &[Flush],
    answers: &mut u64,
) {
    let file = descriptor(call);
    if call.starts_with("pwrite") || (call.starts_with("write") && file.contains(".sqlite")) {
        writes.push((at, file));
        return;
    }
    let is_answer = call.contains("\"HTTP/1.1 201") || call.contains("\"HTTP/1.1 200");
    let (true, Some(&request)) = (is_answer, requests.get(&file)) else { return };
    let is_safe = flushes.iter().rev().take_while(|it| it.ended > request).any(|flush| {
        let wrote =
            |it: &(usize, String)| it.0 > request && it.0 < flush.begun && it.1 == flush.file;
        flush.ended < at && writes.iter().rev().any(wrote)
    });
    assert!(is_safe, "line {}: an answer before its flush: {call}", at + 1);
    *answers += 1;
}

/// The descriptor with its file, as `12</tmp/data.sqlite-wal>`: the first argument.
fn descriptor(call: &str) -> String {
    let arguments = call.split_once('(').map_or("", |it| it.1);
    let end = arguments.find(['>', ',', ')']).unwrap_or(arguments.len());
    arguments.get(..end).unwrap_or("").to_owned()
}

#[cfg(test)]
mod tests {
    use super::check;

    const GOOD: &str = "1 recvfrom(9<socket:[5]>, \"POST /fhir/Patient\"..., 32768, 0) = 500\n\
        2 pwrite64(7</t/d.sqlite-wal>, \"x\", 4096, 0) = 4096\n\
        2 fdatasync(7</t/d.sqlite-wal>) = 0\n\
        1 sendto(9<socket:[5]>, \"HTTP/1.1 201 Created\"..., 300, 0) = 300\n";

    #[test]
    fn the_right_order_passes() {
        assert_eq!(check(GOOD), 1);
    }

    #[test]
    fn an_answer_before_the_end_of_the_flush_is_seen() {
        let cut = GOOD.replace(
            "fdatasync(7</t/d.sqlite-wal>) = 0",
            "fdatasync(7</t/d.sqlite-wal> <unfinished ...>",
        ) + "2 <... fdatasync resumed>) = 0\n";
        assert!(std::panic::catch_unwind(|| check(&cut)).is_err());
    }

    #[test]
    fn a_flush_of_another_file_or_before_the_write_does_not_count() {
        let other = GOOD.replace("fdatasync(7</t/d.sqlite-wal>)", "fdatasync(8</t/other>)");
        assert!(std::panic::catch_unwind(|| check(&other)).is_err());
        let failed =
            GOOD.replace("fdatasync(7</t/d.sqlite-wal>) = 0", "fdatasync(7</t/d>) = -1 EIO");
        assert!(std::panic::catch_unwind(|| check(&failed)).is_err());
        let mut lines: Vec<&str> = GOOD.lines().collect();
        lines.swap(1, 2);
        assert!(std::panic::catch_unwind(|| check(&lines.join("\n"))).is_err());
    }
}
