//! Prints what the first question costs, in time and memory, and what later ones cost.

#![allow(clippy::print_stdout, reason = "an example answers on standard output")]

use std::time::Instant;

use fhir_terminology::{NothingStored, Terminology};

fn main() {
    let terminology = Terminology::embedded();
    let before = resident_kb();
    let start = Instant::now();
    let small = "http://hl7.org/fhir/ValueSet/administrative-gender";
    let is_there = terminology.expand(&mut NothingStored, small).is_ok();
    let first = start.elapsed();
    println!("first question: {first:?}, {} KB more, {is_there}", resident_kb() - before);
    for url in [small, "http://terminology.hl7.org/ValueSet/v3-ActCode", BIG] {
        let start = Instant::now();
        let codes = terminology.expand(&mut NothingStored, url).map_or(0, |codes| codes.len());
        println!("{url}: {codes} codes in {:?}", start.elapsed());
    }
}

const BIG: &str = "http://hl7.org/fhir/ValueSet/c80-doc-typecodes";

/// Resident memory, 0 where the system has no /proc.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
