//! How long decoding the artefact and looking up its keys take.

use std::hint::black_box;
use std::time::Instant;

use fhir_definitions::{ARTEFACT, decode, r4};

#[expect(clippy::print_stdout, reason = "a measurement is there to be read")]
fn main() {
    let start = Instant::now();
    let definitions = decode(ARTEFACT);
    println!("first decode: {:?}", start.elapsed());
    drop(definitions);
    let start = Instant::now();
    let _ = black_box(decode(ARTEFACT));
    println!("second decode: {:?}", start.elapsed());
    let start = Instant::now();
    let mut count = 0_u32;
    for _ in 0..100 {
        for definition in &r4().types {
            for element in &definition.elements {
                count += u32::from(definition.element(black_box(element.key)).is_some());
            }
        }
    }
    println!("lookup of a key: {:?} of {count}", start.elapsed() / count.max(1));
}
