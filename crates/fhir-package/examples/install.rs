//! Reads packages and tells what is in them, and how long that took.
#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::path::Path;
use std::time::Instant;

use fhir_package::{INSTALL_LIMITS, Package, Registry};

fn main() {
    let mut installed = Vec::new();
    for source in std::env::args().skip(1) {
        let start = Instant::now();
        match Package::read(Path::new(&source), INSTALL_LIMITS) {
            Err(fault) => println!("{fault}"),
            Ok(package) => {
                let bytes: usize = package.resources.iter().map(|one| one.packed.len()).sum();
                let took = start.elapsed().as_millis();
                println!("{} {took} ms, {bytes} bytes packed, {}", package.id(), package.digest);
                println!("  kept {:?}", package.counts());
                println!("  left out {:?}", package.left_out);
                let lacks = package.resources.iter().filter(|one| one.lacks_snapshot).count();
                println!("  without snapshot {lacks}, more faults {}", package.more_faults);
                for fault in &package.faults {
                    println!("  {} {} {}", fault.file, fault.is_kept, fault.reason);
                }
                installed.push(package.installed());
            }
        }
    }
    let start = Instant::now();
    let registry = Registry::new(installed);
    println!("index of {} packages: {:?}", registry.packages().len(), start.elapsed());
}
