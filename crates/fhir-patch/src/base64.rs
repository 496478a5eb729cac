//! Base64 as `base64Binary` has it (RFC 4648, white space allowed), for what comes in a Binary.

/// The bytes; nothing where the text is no base64.
#[must_use]
pub fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0_u32, 0_u32, 0_u32);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'=' => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return None,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(bits.to_be_bytes().get(1..)?);
            (bits, count) = (0, 0);
        }
    }
    match (count, padding) {
        (0, 0) => {}
        (2, 2) => out.push(u8::try_from((bits >> 4) & 0xFF).ok()?),
        (3, 1) => {
            out.push(u8::try_from((bits >> 10) & 0xFF).ok()?);
            out.push(u8::try_from((bits >> 2) & 0xFF).ok()?);
        }
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_its_padding() {
        let text = |text: &str| decoded(text).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text("").as_deref(), Some(""));
        assert_eq!(text("Zg==").as_deref(), Some("f"));
        assert_eq!(text("Zm8=").as_deref(), Some("fo"));
        assert_eq!(text("Zm 9v\nYg==").as_deref(), Some("foob"));
        for bad in ["Z", "Zg=", "Zg", "Z===", "Zg==Zg==", "Z-8=", "===="] {
            assert!(decoded(bad).is_none(), "{bad}");
        }
    }
}
