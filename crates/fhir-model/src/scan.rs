//! Searches in bytes, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes of `word` that are zero; a borrow may mark a byte above a true hit, never
/// below the first one.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// The first place from `at` on with a quote, a backslash or a control character.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let low = word.wrapping_sub(ONES * 0x20) & !word;
        let hits = (zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5C)) | low) & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        at += 1;
    }
    at
}

/// The first place from `at` on with one of two bytes, the length where there is none.
#[inline]
pub(crate) fn find(bytes: &[u8], mut at: usize, one: u8, other: u8) -> usize {
    let (ones, others) = (ONES * u64::from(one), ONES * u64::from(other));
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let hits = (zeros(word ^ ones) | zeros(word ^ others)) & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| *byte != one && *byte != other) {
        at += 1;
    }
    at
}

/// The first place with a space or a control character, the length where there is none.
#[inline]
pub(crate) fn low_end(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let hits = word.wrapping_sub(ONES * 0x21) & !word & HIGH;
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| *byte > b' ') {
        at += 1;
    }
    at
}

/// Whether there is a control character other than tab, line feed and carriage return.
#[inline]
pub(crate) fn has_controls(bytes: &[u8]) -> bool {
    // Without an early end, so that the compiler takes many bytes at once.
    let is_control = |byte: u8| byte < 0x20 && byte != b'\t' && byte != b'\n' && byte != b'\r';
    bytes.iter().fold(false, |found, byte| found | is_control(*byte))
}

/// Whether there is U+FFFE or U+FFFF, which XML cannot carry.
#[inline]
pub(crate) fn has_noncharacter(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = find(bytes, 0, 0xEF, 0xEF);
    while at < bytes.len() {
        if let Some([0xEF, 0xBF, 0xBE | 0xBF]) = bytes.get(at..at + 3) {
            return true;
        }
        at = find(bytes, at + 1, 0xEF, 0xEF);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noncharacters_are_told_from_their_neighbours() {
        assert!(has_noncharacter("äx\u{FFFE}") && has_noncharacter("\u{FF21}\u{FFFF}y"));
        assert!(!has_noncharacter("ä\u{FFFD}\u{FEFF}\u{FF21}") && !has_noncharacter(""));
    }

    #[test]
    fn every_place_is_found() {
        for length in 0..24 {
            for place in 0..length {
                let mut bytes = vec![b'x'; length];
                assert_eq!(plain_end(&bytes, 0), length);
                assert_eq!(low_end(&bytes), length);
                assert_eq!(find(&bytes, 0, b'<', b'&'), length);
                for hit in [b'"', b'\\', 0, 0x1F] {
                    bytes[place] = hit;
                    assert_eq!(plain_end(&bytes, 0), place);
                }
                for hit in [b'<', b'&'] {
                    bytes[place] = hit;
                    assert_eq!(find(&bytes, 0, b'<', b'&'), place);
                }
                for hit in [b' ', 0, 0x1F] {
                    bytes[place] = hit;
                    assert_eq!(low_end(&bytes), place);
                }
                bytes[place] = 0xC3;
                assert_eq!((plain_end(&bytes, 0), low_end(&bytes)), (length, length));
                assert!(!has_controls(&bytes));
                bytes[place] = 1;
                assert!(has_controls(&bytes));
            }
        }
    }
}
