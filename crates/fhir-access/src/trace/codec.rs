//! Fields as a number, a length and bytes, so that a reader passes over what it does not know.

/// Writes fields one after the other.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.0.push(field);
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, field: u8, text: Option<&str>) {
        if let Some(text) = text {
            self.bytes(field, text.as_bytes());
        }
    }

    pub(super) fn number(&mut self, field: u8, number: i64) {
        let bytes = number.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        self.bytes(field, bytes.get(zeros..).unwrap_or_default());
    }

    /// Two texts in one field.
    pub(super) fn pair(&mut self, field: u8, one: &str, other: &str) {
        let mut inner = Self::default();
        inner.length(one.len());
        inner.0.extend_from_slice(one.as_bytes());
        inner.0.extend_from_slice(other.as_bytes());
        self.bytes(field, &inner.0);
    }

    /// Seven bits a byte, the last one without its high bit.
    fn length(&mut self, mut length: usize) {
        while length >= 0x80 {
            self.0.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
            length >>= 7;
        }
        self.0.push(u8::try_from(length).unwrap_or_default());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Writer`] wrote; ends at the first byte that cannot be right.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (field, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*field, bytes))
    }
}

fn length(mut bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let (byte, rest) = bytes.split_first()?;
        bytes = rest;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((length, bytes));
        }
        shift += 7;
    }
}

pub(super) fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(ToOwned::to_owned)
}

pub(super) fn number(bytes: &[u8]) -> i64 {
    bytes.iter().take(8).fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

pub(super) fn pair(bytes: &[u8]) -> Option<(String, String)> {
    let (length, rest) = length(bytes)?;
    let (one, other) = rest.split_at_checked(length)?;
    Some((text(one)?, text(other)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_in_order() {
        let long = "x".repeat(300);
        let mut writer = Writer::default();
        writer.text(1, Some(&long));
        writer.text(2, None);
        writer.number(3, 0);
        writer.number(3, i64::MAX);
        writer.pair(4, "", "b|c");
        let bytes = writer.finish();
        let found: Vec<_> = Fields(&bytes).collect();
        assert_eq!(found.iter().map(|(field, _)| *field).collect::<Vec<_>>(), [1, 3, 3, 4]);
        assert_eq!(text(found[0].1), Some(long));
        assert_eq!((number(found[1].1), number(found[2].1)), (0, i64::MAX));
        assert_eq!(pair(found[3].1), Some((String::new(), "b|c".to_owned())));
    }

    #[test]
    fn damaged_bytes_end_it() {
        for damaged in
            [&b"\x01"[..], b"\x01\x05abc", b"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(Fields(damaged).count(), 0, "{damaged:?}");
        }
    }
}
