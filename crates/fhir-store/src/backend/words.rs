//! Words for full-text search in the form that each database takes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use fhir_search::TextRow;

/// PostgreSQL keeps positions up to this one.
const MAX_POSITION: usize = 16_383;
/// PostgreSQL keeps so many positions of a word.
const MAX_POSITIONS: usize = 255;
/// PostgreSQL takes no longer word, in bytes.
const MAX_WORD: usize = 2_046;
/// PostgreSQL takes no larger vector than 1 MiB; the rest is for its own bookkeeping.
const MAX_VECTOR: usize = 900_000;
/// Stands between words that no phrase spans; words are letters and digits.
const BREAK: &str = "|";

/// Whether there is anything to be found.
pub(crate) fn is_empty(text: &TextRow) -> bool {
    text.narrative.is_empty() && text.content.is_empty()
}

/// The words outside the narrative, with [`BREAK`] where it was among them: what stood before it and
/// behind it is no phrase.
pub(crate) fn outside(text: &TextRow) -> Cow<'_, str> {
    let TextRow { narrative, content } = text;
    if narrative.is_empty() {
        return Cow::Borrowed(content);
    }
    let is_whole = |before: &str, after: &str| {
        (before.is_empty() || before.ends_with(' ')) && (after.is_empty() || after.starts_with(' '))
    };
    let parted = content
        .match_indices(narrative.as_str())
        .filter_map(|(at, found)| {
            let (before, rest) = content.split_at_checked(at)?;
            Some((before, rest.strip_prefix(found)?))
        })
        .find(|(before, after)| is_whole(before, after));
    match parted.map(|(before, after)| (before.trim_end(), after.trim_start())) {
        None => Cow::Borrowed(content),
        Some((before, "")) => Cow::Borrowed(before),
        Some(("", after)) => Cow::Borrowed(after),
        Some((before, after)) => Cow::Owned(format!("{before} {BREAK} {after}")),
    }
}

/// The text of a `tsvector`: the narrative's words with weight A before all others. What is beyond
/// PostgreSQL's limits is left out: a position over 16,383 or a word's 256th can only be missed by
/// a phrase, and what comes after some 900 KB of different words is not found.
pub(crate) fn vector(text: &TextRow) -> String {
    let mut places: BTreeMap<&str, Vec<(usize, bool)>> = BTreeMap::new();
    let mut bytes = 0_usize;
    let mut position = 0;
    let outside = outside(text);
    for (part, is_narrative) in [(text.narrative.as_str(), true), (outside.as_ref(), false)] {
        for word in part.split(' ').filter(|word| !word.is_empty()) {
            position = MAX_POSITION.min(position + 1);
            if word == BREAK || word.len() > MAX_WORD {
                continue;
            }
            let is_known = places.contains_key(word);
            bytes = bytes.saturating_add(if is_known { 2 } else { word.len() + 6 });
            if bytes > MAX_VECTOR {
                return written(&places);
            }
            let own = places.entry(word).or_default();
            // The last place is kept for the weight D, which `_content` may need.
            if own.len() < MAX_POSITIONS - usize::from(is_narrative) {
                own.push((position, is_narrative));
            }
        }
        // No phrase spans the narrative and the rest.
        position = MAX_POSITION.min(position + 1);
    }
    written(&places)
}

fn written(places: &BTreeMap<&str, Vec<(usize, bool)>>) -> String {
    let mut out = String::new();
    for (word, own) in places {
        out.push_str(if out.is_empty() { "'" } else { " '" });
        out.push_str(&word.replace('\\', "\\\\").replace('\'', "''"));
        out.push('\'');
        for (at, (position, is_narrative)) in own.iter().enumerate() {
            let between = if at == 0 { ':' } else { ',' };
            let weight = if *is_narrative { "A" } else { "" };
            // Writing to a String does not fail.
            let _ = write!(out, "{between}{position}{weight}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(narrative: &str, content: &str) -> TextRow {
        TextRow { narrative: narrative.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn the_narrative_is_not_repeated() {
        assert_eq!(outside(&text("a b", "a b c")), "c");
        assert_eq!(outside(&text("a b", "c a b")), "c");
        assert_eq!(outside(&text("a b", "a b")), "");
        assert_eq!(outside(&text("a b", "a bc")), "a bc");
        assert_eq!(outside(&text("a b", "ca b a b d")), "ca b | d");
        assert_eq!(outside(&text("", "c")), "c");
    }

    #[test]
    fn a_vector_has_places_and_weights() {
        assert_eq!(vector(&text("b a b", "b a b it's c\\")), r"'a':2A 'b':1A,3A 'c\\':6 'it''s':5");
        assert_eq!(vector(&TextRow::default()), "");
    }

    #[test]
    fn a_vector_stays_within_the_limits() {
        let many = "w ".repeat(40_000);
        let vector = vector(&text(&many, ""));
        assert_eq!(vector.matches(',').count(), MAX_POSITIONS - 2);
    }
}
