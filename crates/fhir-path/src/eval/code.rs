//! Functions that write texts in other forms: `encode`, `decode`, `escape` and `unescape`.
//!
//! Spec: <http://hl7.org/fhirpath/#additional-string-functions>

use std::borrow::Cow;
use std::fmt::Write;

use super::{Call, Evaluator, Outcome, text};
use crate::item::Item;

const PLAIN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

type Form = fn(&str, &str) -> Option<String>;

fn written<'a>(evaluator: &Evaluator<'_, 'a>, call: &Call<'_, 'a>, form: Form) -> Outcome<'a> {
    let Some((input, kind)) = text::both(evaluator, call)? else { return Ok(Vec::new()) };
    evaluator.spend(input.len())?;
    let found = form(&input, &kind).map(|text| Item::String(Cow::Owned(text)));
    Ok(found.into_iter().collect())
}

pub(super) fn encode<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    written(evaluator, &call, encoded)
}

pub(super) fn decode<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    written(evaluator, &call, decoded)
}

pub(super) fn escape<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    written(evaluator, &call, escaped)
}

pub(super) fn unescape<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    written(evaluator, &call, unescaped)
}

fn encoded(input: &str, kind: &str) -> Option<String> {
    match kind {
        "hex" => {
            let mut out = String::with_capacity(input.len() * 2);
            for byte in input.bytes() {
                let _ = write!(out, "{byte:02x}");
            }
            Some(out)
        }
        "base64" => Some(base64(input.as_bytes(), PLAIN)),
        "urlbase64" => Some(base64(input.as_bytes(), FOR_URLS)),
        _ => None,
    }
}

fn decoded(input: &str, kind: &str) -> Option<String> {
    let bytes = match kind {
        "hex" => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            let pairs = input.as_bytes().chunks(2).map(|pair| {
                let [high, low] = pair else { return None };
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()
            });
            pairs.collect::<Option<Vec<u8>>>()?
        }
        "base64" => from_base64(input, PLAIN)?,
        "urlbase64" => from_base64(input, FOR_URLS)?,
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0_u8; 4];
        for (place, byte) in group.iter_mut().skip(1).zip(chunk) {
            *place = *byte;
        }
        let bits = u32::from_be_bytes(group);
        for place in 0..4 {
            let letter = usize::try_from(bits >> (18 - 6 * place) & 63).ok();
            let letter = letter.filter(|_| place <= chunk.len());
            let letter = letter.and_then(|letter| alphabet.get(letter)).copied();
            out.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    out
}

fn from_base64(text: &str, alphabet: &[u8; 64]) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=').as_bytes();
    if !text.len().is_multiple_of(4) || letters.len() + 2 < text.len() {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in letters.chunks(4) {
        let mut bits = 0_u32;
        for letter in chunk {
            let value = alphabet.iter().position(|known| known == letter)?;
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let bits = bits << (6 * (4 - chunk.len()));
        out.extend(bits.to_be_bytes().iter().skip(1).take(chunk.len().checked_sub(1)?));
    }
    Some(out)
}

/// What stands for a character in HTML and in JSON.
const HTML: [(&str, char); 4] = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"')];
const JSON: [(&str, char); 7] = [
    ("\\\\", '\\'),
    ("\\\"", '"'),
    ("\\n", '\n'),
    ("\\r", '\r'),
    ("\\t", '\t'),
    ("\\b", '\u{8}'),
    ("\\f", '\u{c}'),
];

fn table(kind: &str) -> Option<&'static [(&'static str, char)]> {
    match kind {
        "html" => Some(&HTML),
        "json" => Some(&JSON),
        _ => None,
    }
}

fn escaped(input: &str, kind: &str) -> Option<String> {
    let table = table(kind)?;
    let mut out = String::with_capacity(input.len());
    for letter in input.chars() {
        match table.iter().find(|(_, plain)| *plain == letter) {
            Some((written, _)) => out.push_str(written),
            None => out.push(letter),
        }
    }
    Some(out)
}

fn unescaped(input: &str, kind: &str) -> Option<String> {
    let table = table(kind)?;
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(letter) = rest.chars().next() {
        let found = table
            .iter()
            .find_map(|(written, plain)| rest.strip_prefix(written).map(|after| (*plain, after)));
        let (letter, after) =
            found.unwrap_or((letter, rest.get(letter.len_utf8()..).unwrap_or_default()));
        out.push(letter);
        rest = after;
    }
    Some(out)
}
