//! Query strings: pairs of names and values in `application/x-www-form-urlencoded`.
//!
//! Used where a query stands outside an HTTP request line (`If-None-Exist`, entries of a Bundle,
//! conditional references) and for writing links.

use fhir_model::write::percent;

/// What FHIR uses a lot and RFC 3986 allows in a query stays readable.
const PLAIN: &[u8] = b":/,$@*";

/// The pairs of a query string, in order; a leading `?` is passed over. Bytes that are no UTF-8
/// after decoding are replaced, and so is U+0000; no value will match them.
#[must_use]
pub fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .strip_prefix('?')
        .unwrap_or(query)
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// The query string of these pairs, without a `?`.
#[must_use]
pub fn query(pairs: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        percent(name, PLAIN, &mut out);
        out.push('=');
        percent(value, PLAIN, &mut out);
    }
    out
}

fn decode(text: &str) -> String {
    if !text.bytes().any(|byte| matches!(byte, 0 | b'%' | b'+')) {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match after.split_first_chunk::<2>().and_then(|(hex, _)| hex_byte(*hex)) {
                Some(decoded) => {
                    out.push(decoded);
                    rest = after.get(2..).unwrap_or_default();
                }
                None => out.push(b'%'),
            },
            other => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_apart_and_together() {
        let text = "?name:exact=V%C3%A4in%C3%B6+O&_count=2&identifier=s%7Cv&flag&=x&bad=%zz%4";
        let expected = [
            ("name:exact", "Väinö O"),
            ("_count", "2"),
            ("identifier", "s|v"),
            ("flag", ""),
            ("", "x"),
            ("bad", "%zz%4"),
        ];
        let found = pairs(text);
        assert_eq!(found.len(), expected.len());
        for ((name, value), (expected_name, expected_value)) in found.iter().zip(expected) {
            assert_eq!((name.as_str(), value.as_str()), (expected_name, expected_value));
        }
        assert_eq!(pairs(&query(&found)), found);
    }
}
