//! Whatever comes in: no panic, a place for every fault, and what is accepted survives its body.
//!
//! `KANTELE_TEST_SEED` and `KANTELE_TEST_MUTATIONS` choose other and more mutations of the committed
//! examples than the quick default.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: a panic is how it fails"
)]

use std::path::Path;

use fhir_model::{
    Body, Id, Instant, Limits, Resource, ResourceKey, VersionId, check, difference, json,
};
use proptest::prelude::*;

/// xorshift64*: small, seeded, the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % sides.max(1)
    }
}

const TOKENS: [&str; 34] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "-0",
    "1e999",
    "1.50",
    "\"\"",
    "{}",
    "[]",
    "[null]",
    "\\u0000",
    "\\ud800",
    "\u{FFFF}",
    "\u{FEFF}",
    "<script>",
    "&nbsp;",
    "</div>",
    "\"resourceType\":\"Patient\",",
    "\"id\":\"a\",",
    "\"_id\":{\"id\":\"a\"},",
    "\"contained\":[{}],",
    "\"meta\":{\"versionId\":\"9\"},",
    "\"extension\":[{\"url\":\"a\",\"valueCode\":\"b\"}],",
    "\n",
    "\"valueString\":\"x\",",
    "4294967297",
    "2000-02-30",
];

fn mutated(source: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut out = source.to_vec();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(out.len() + 1);
        let end = (at + dice.roll(24)).min(out.len());
        match dice.roll(7) {
            0 => out.truncate(at),
            1 => drop(out.drain(at..end)),
            2 => {
                let copy = out[at..end].to_vec();
                let to = dice.roll(out.len() + 1);
                out.splice(to..to, copy);
            }
            3 if at < out.len() => out[at] = u8::try_from(dice.roll(256)).unwrap(),
            _ => {
                let token = TOKENS[dice.roll(TOKENS.len())];
                let to = if dice.roll(2) == 0 { at } else { end };
                out.splice(at..to, token.bytes());
            }
        }
    }
    out
}

/// Holds one body to everything that must be true of any; whether it was accepted.
fn judge(source: &[u8]) -> bool {
    let limits = Limits::default();
    match Resource::from_json(source.to_vec(), &limits) {
        Ok(resource) => {
            assert_survives(&resource);
            true
        }
        Err(failure) => {
            assert!(failure.status() == 400, "{failure}");
            assert!(!failure.issues.is_empty() && failure.issues.len() <= check::MAX_FAULTS);
            for issue in &failure.issues {
                assert!(issue.line.is_some() && issue.column.is_some(), "{failure}");
            }
            // What tells the refusal is JSON and FHIR itself.
            Resource::from_json(failure.outcome_json(), &limits).unwrap();
            let _ = Resource::trusted(source.to_vec());
            false
        }
    }
}

fn assert_survives(resource: &Resource) {
    let limits = Limits { max_depth: 65, ..Limits::default() };
    let id = resource.id().unwrap_or_else(|| "x".parse::<Id>().unwrap());
    let key = ResourceKey::new(resource.resource_type(), id);
    let body = Body::from_view(resource.view(), None);
    let again = body.to_resource(&key).unwrap();
    assert_eq!(Body::from_view(again.view(), None), body);
    let same = Body::from_view(resource.view(), Some(&|_link, _text| None));
    assert_eq!(same, body, "a walk that replaces nothing changes something");
    let mut reply = Vec::new();
    body.write_json(&key, Some(VersionId(7)), Some(Instant(0)), &mut reply);
    let reply = Resource::from_json(reply, &limits).unwrap();
    assert_eq!(Body::from_view(reply.view(), None), body);
    let indented = json::pretty(resource.source().as_bytes());
    assert_eq!(json::minified(&indented), json::minified(resource.source().as_bytes()));
    let indented = Resource::from_json(indented, &limits).unwrap();
    assert_eq!(difference(indented.view().value, resource.view().value), None);
    assert_eq!(Body::from_view(indented.view(), None), body);
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn mutated_examples_are_accepted_whole_or_refused_with_a_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/examples");
    let mut paths: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    let examples: Vec<_> = paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .map(|source| json::minified(&source))
        .filter(|source| source.len() < 20_000)
        .collect();
    assert!(!examples.is_empty());
    for example in &examples {
        assert!(judge(example), "{}", String::from_utf8_lossy(example));
    }
    let seed = setting("KANTELE_TEST_SEED", 1);
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let cases = setting("KANTELE_TEST_MUTATIONS", 20_000);
    let mut accepted = 0;
    for _ in 0..cases {
        let example = &examples[dice.roll(examples.len())];
        accepted += u64::from(judge(&mutated(example, &mut dice)));
    }
    println!("seed {seed}: {accepted} of {cases} mutations were still resources");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(source in proptest::collection::vec(any::<u8>(), 0..200)) {
        judge(&source);
        let _ = Resource::from_xml(&source, &Limits::default());
        let _ = json::pretty(&source);
        let _ = json::minified(&source);
    }

    #[test]
    fn arbitrary_tokens_never_panic(picks in proptest::collection::vec(0..TOKENS.len(), 0..60)) {
        let source: String = picks.iter().map(|pick| TOKENS[*pick]).collect();
        judge(source.as_bytes());
        let inside = format!("{{\"resourceType\":\"Patient\",{source}}}");
        judge(inside.as_bytes());
    }

    #[test]
    fn any_text_survives_in_a_string(text in "\\PC{1,40}") {
        let mut source = b"{\"resourceType\":\"Patient\",\"name\":[{\"text\":".to_vec();
        json::write_string(&text, &mut source);
        source.extend_from_slice(b"}]}");
        let resource = Resource::from_json(source, &Limits::default()).unwrap();
        let name = resource.view().at(&["name"]).unwrap().items().next().unwrap();
        prop_assert_eq!(name.get("text").unwrap().text().unwrap(), text);
        assert_survives(&resource);
    }

    #[test]
    fn any_narrative_text_never_panics(inner in "[a-z<>/&;'\"= !\\[\\]#-]{0,80}") {
        let mut source =
            b"{\"resourceType\":\"Patient\",\"text\":{\"status\":\"generated\",\"div\":".to_vec();
        let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        json::write_string(&div, &mut source);
        source.extend_from_slice(b"}}");
        judge(&source);
    }
}
