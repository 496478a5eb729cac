//! Full text that is switched off and on.

use fhir_search::{FullText, TextField, TextMatch, TextQuery};
use fhir_search::{Match, Predicate};

use crate::cases;
use crate::world::World;

cases!(
    without_full_text_no_words_are_kept,
    words_that_lacked_are_indexed_later,
    words_that_were_switched_off_are_gone,
    an_indexing_that_was_cut_goes_on,
);

fn patient(n: usize) -> String {
    format!(
        r#"{{"resourceType":"Patient","id":"p{n:04}","text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">moose{}</div>"}}}}"#,
        n % 2
    )
}

fn given(world: &World, numbers: std::ops::Range<usize>) {
    let ops = numbers.map(|n| world.put(&patient(n))).collect();
    world.group(fhir_store::WriteGroup { ops, ..Default::default() }).unwrap();
}

fn state(world: &World) -> FullText {
    world.store.full_text_status().unwrap().state
}

/// Waits until words are answered. The work ends by itself, or with an error in the log.
fn finish(world: &World) {
    while state(world) == FullText::Building {
        std::thread::yield_now();
    }
    assert_eq!(state(world), FullText::Live);
    assert_eq!(world.store.definitions().registry.full_text(), FullText::Live);
}

/// How many have a word, whatever the parser says of that.
fn having(world: &World, word: &str) -> u64 {
    let query = TextQuery::Phrase(vec![word.to_owned()]);
    let text = TextMatch { field: TextField::Narrative, query };
    let mut query = world.query("Patient?");
    query.predicates.push(Predicate { any: vec![Match::Text(text)] });
    world.read(move |reader| reader.count(&query))
}

fn without_full_text_no_words_are_kept(world: &World) {
    let world = world.with(|settings| settings.full_text = false);
    given(&world, 0..4);
    assert_eq!(state(&world), FullText::Off);
    assert_eq!(world.store.definitions().registry.full_text(), FullText::Off);
    assert_eq!(having(&world, "moose1"), 0);
    assert_eq!(world.count("Patient?_id=p0001"), 1);
}

fn words_that_lacked_are_indexed_later(world: &World) {
    let off = world.with(|settings| settings.full_text = false);
    given(&off, 0..900);
    let on = off.with(|settings| settings.full_text = true);
    // Some that the work has not come to, of which one keeps its words.
    given(&on, 900..1000);
    let same = patient(899).replace(r#""id""#, r#""active":true,"id""#);
    on.given(&[&same, r#"{"resourceType":"Patient","id":"p0898"}"#]);
    on.op(on.delete("Patient/p0897"));
    finish(&on);
    assert_eq!(on.count("Patient?_text=moose0"), 499);
    assert_eq!(on.count("Patient?_text=moose1"), 499);
    assert_eq!(on.found("Patient?_text=moose1&_id=p0899"), ["p0899"]);
    on.given(&[r#"{"resourceType":"Patient","id":"p0001"}"#]);
    assert_eq!(on.count("Patient?_content=moose1"), 498);
    assert_eq!(state(&on.sibling()), FullText::Live);
}

fn words_that_were_switched_off_are_gone(world: &World) {
    given(world, 0..10);
    assert_eq!(having(world, "moose1"), 5);
    let off = world.with(|settings| settings.full_text = false);
    assert_eq!(having(&off, "moose1"), 0);
    off.given(&[r#"{"resourceType":"Patient","id":"p0001"}"#]);
    let on = off.sibling();
    finish(&on);
    assert_eq!(on.count("Patient?_text=moose1"), 4);
}

fn an_indexing_that_was_cut_goes_on(world: &World) {
    let off = world.with(|settings| settings.full_text = false);
    given(&off, 0..1200);
    let on = off.sibling();
    let again = on.sibling();
    finish(&again);
    assert_eq!(again.count("Patient?_text=moose1"), 600);
    let status = again.store.full_text_status().unwrap();
    assert_eq!((status.done, status.total), (0, 0));
}
