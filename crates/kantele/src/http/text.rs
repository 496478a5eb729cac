//! Percent-encoded text of paths, queries and forms.

use fhir_model::{Failure, FailureKind};

/// Name and value of one parameter, decoded.
pub(crate) type Pair = (String, String);

/// Decodes `%41` and, where `plus_is_space`, `+`.
///
/// # Errors
/// `InvalidParameter` where an escape is broken, the bytes are not UTF-8 or one is 0.
pub(crate) fn decode_percent(text: &str, plus_is_space: bool) -> Result<String, Failure> {
    let is_special = |byte| matches!(byte, 0 | b'%') || (plus_is_space && byte == b'+');
    if !text.bytes().any(is_special) {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = rest.next().and_then(hex).ok_or_else(broken_escape)?;
                let low = rest.next().and_then(hex).ok_or_else(broken_escape)?;
                high << 4 | low
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    match String::from_utf8(bytes) {
        // No FHIR text holds U+0000, and not every database can be asked for it.
        Ok(text) if !text.contains('\0') => Ok(text),
        Ok(_) | Err(_) => {
            let text = "the percent-encoded bytes of the URL or form are not UTF-8, or hold U+0000";
            Err(Failure::new(FailureKind::InvalidParameter, text))
        }
    }
}

/// The pairs of a query string or form, in their order.
///
/// # Errors
/// As [`decode_percent`].
pub(crate) fn pairs(query: &str) -> Result<Vec<Pair>, Failure> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    let decoded = parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Ok((decode_percent(name, true)?, decode_percent(value, true)?))
    });
    decoded.collect()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn broken_escape() -> Failure {
    let text = "a `%` of the URL or form is not followed by two hexadecimal digits";
    Failure::new(FailureKind::InvalidParameter, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_order() {
        let found = pairs("name=M%C3%A4ki+A&&_id=1%2C2&x").unwrap();
        let expected = [("name", "Mäki A"), ("_id", "1,2"), ("x", "")];
        let expected: Vec<Pair> =
            expected.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_escapes_and_foreign_bytes_are_refused() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%C3=1", "a=%00", "a=\0"] {
            assert_eq!(pairs(bad).unwrap_err().kind, FailureKind::InvalidParameter, "{bad}");
        }
    }
}
