//! Fuzzes XML, as `kantele_fuzz` says how.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kantele_fuzz::xml(data));
