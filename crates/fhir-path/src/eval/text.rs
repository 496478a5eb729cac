//! Functions of strings. Positions count characters.
//!
//! Spec: <http://hl7.org/fhirpath/N1/#string-manipulation>

use std::borrow::Cow;

use regex_lite::{Regex, RegexBuilder};

use super::filter::only;
use super::{Call, Evaluator, Outcome, truth};
use crate::error::EvalFault;
use crate::item::Item;

/// Bytes that a compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The input as a text.
fn input<'a>(call: &Call<'_, 'a>) -> Result<Option<Cow<'a, str>>, EvalFault> {
    let Some(item) = only(call)? else { return Ok(None) };
    let wrong = EvalFault::WrongType { operation: call.name, expected: "a string" };
    let plain = item.plain();
    if let Some(text) = plain.text() {
        return Ok(Some(text));
    }
    match item.node() {
        // R4's own invariants ask dates and numbers for their text; an element with nothing but
        // extensions has none.
        Some(node) if node.type_of().definition().is_none() => Ok(plain.to_text()),
        Some(_) | None => Err(wrong),
    }
}

fn string<'a>(text: impl Into<Cow<'a, str>>) -> Outcome<'a> {
    Ok(vec![Item::String(text.into())])
}

fn integer<'a>(value: usize) -> Outcome<'a> {
    Ok(i64::try_from(value).map(Item::Integer).into_iter().collect())
}

/// Two texts, where both are there.
pub(super) type Pair<'a> = Option<(Cow<'a, str>, Cow<'a, str>)>;

/// Input and first argument.
pub(super) fn both<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: &Call<'_, 'a>,
) -> Result<Pair<'a>, EvalFault> {
    let text = input(call)?;
    Ok(text.zip(evaluator.text_argument(call, 0)?))
}

fn position<'a>(text: &str, at: Option<usize>) -> Outcome<'a> {
    let before = at.map(|at| text.get(..at).unwrap_or_default().chars().count());
    match before {
        Some(count) => integer(count),
        None => Ok(vec![Item::Integer(-1)]),
    }
}

pub(super) fn index_of<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    match both(evaluator, &call)? {
        Some((text, part)) => position(&text, text.find(&*part)),
        None => Ok(Vec::new()),
    }
}

pub(super) fn last_index_of<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    match both(evaluator, &call)? {
        Some((text, part)) => position(&text, text.rfind(&*part)),
        None => Ok(Vec::new()),
    }
}

pub(super) fn substring<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let start = evaluator.integer_argument(&call, 0)?;
    let (Some(text), Some(start)) = (input(&call)?, start) else { return Ok(Vec::new()) };
    let Ok(start) = usize::try_from(start) else { return Ok(Vec::new()) };
    if start >= text.chars().count() {
        return Ok(Vec::new());
    }
    let length = evaluator.integer_argument(&call, 1)?;
    let length = length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(0));
    string(text.chars().skip(start).take(length).collect::<String>())
}

fn test<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: &Call<'_, 'a>,
    holds: fn(&str, &str) -> bool,
) -> Outcome<'a> {
    Ok(truth(both(evaluator, call)?.map(|(text, part)| holds(&text, &part))))
}

pub(super) fn starts_with<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    test(evaluator, &call, |text, part| text.starts_with(part))
}

pub(super) fn ends_with<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    test(evaluator, &call, |text, part| text.ends_with(part))
}

pub(super) fn contains<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    test(evaluator, &call, |text, part| text.contains(part))
}

fn map<'a>(call: &Call<'_, 'a>, change: fn(&str) -> String) -> Outcome<'a> {
    match input(call)? {
        Some(text) => string(change(&text)),
        None => Ok(Vec::new()),
    }
}

pub(super) fn upper<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    map(&call, str::to_uppercase)
}

pub(super) fn lower<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    map(&call, str::to_lowercase)
}

pub(super) fn trim<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    map(&call, |text| text.trim().to_owned())
}

pub(super) fn replace<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let with = evaluator.text_argument(&call, 1)?;
    let (Some((text, part)), Some(with)) = (both(evaluator, &call)?, with) else {
        return Ok(Vec::new());
    };
    // Each character may grow into a whole replacement.
    evaluator.spend(text.len().saturating_mul(with.len()) / 16)?;
    string(text.replace(&*part, &with))
}

impl Evaluator<'_, '_> {
    /// The compiled pattern; compiling and matching both take steps.
    fn pattern(&self, pattern: &str, text: &str, call: &Call<'_, '_>) -> Result<Regex, EvalFault> {
        self.spend(1 + pattern.len() / 16 + text.len() / 256)?;
        let mut known = self.patterns.borrow_mut();
        if let Some(regex) = known.get(pattern) {
            return Ok(regex.clone());
        }
        let compiled = RegexBuilder::new(pattern)
            .dot_matches_new_line(true)
            .size_limit(MAX_PATTERN_BYTES)
            .build();
        let regex = compiled.or(Err(EvalFault::Pattern { operation: call.name }))?;
        known.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

pub(super) fn matches<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some((text, pattern)) = both(evaluator, &call)? else { return Ok(Vec::new()) };
    let regex = evaluator.pattern(&pattern, &text, &call)?;
    Ok(truth(Some(regex.is_match(&text))))
}

pub(super) fn matches_full<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some((text, pattern)) = both(evaluator, &call)? else { return Ok(Vec::new()) };
    let regex = evaluator.pattern(&format!("^(?:{pattern})$"), &text, &call)?;
    Ok(truth(Some(regex.is_match(&text))))
}

pub(super) fn replace_matches<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: Call<'_, 'a>,
) -> Outcome<'a> {
    let with = evaluator.text_argument(&call, 1)?;
    let (Some((text, pattern)), Some(with)) = (both(evaluator, &call)?, with) else {
        return Ok(Vec::new());
    };
    let regex = evaluator.pattern(&pattern, &text, &call)?;
    evaluator.spend(text.len().saturating_mul(with.len()) / 16)?;
    string(regex.replace_all(&text, &*with).into_owned())
}

pub(super) fn length<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    match input(&call)? {
        Some(text) => integer(text.chars().count()),
        None => Ok(Vec::new()),
    }
}

pub(super) fn to_chars<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(text) = input(&call)? else { return Ok(Vec::new()) };
    evaluator.spend(text.len())?;
    Ok(text.chars().map(|letter| Item::String(Cow::Owned(letter.to_string()))).collect())
}

pub(super) fn split<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some((text, separator)) = both(evaluator, &call)? else { return Ok(Vec::new()) };
    evaluator.spend(text.len())?;
    let parts = text.split(&*separator);
    Ok(parts.map(|part| Item::String(Cow::Owned(part.to_owned()))).collect())
}

pub(super) fn join<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let separator = evaluator.text_argument(&call, 0)?.unwrap_or_default();
    let texts: Vec<_> = call.input.iter().filter_map(Item::text).collect();
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    let joined = texts.join(&*separator);
    evaluator.spend(joined.len() / 16)?;
    string(joined)
}
