//! Places in walks as bytes, for cursors. The bytes carry no secrets but row numbers and sort
//! values: whoever hands them to clients enciphers them first.

use fhir_model::{Instant, VersionId};

use crate::read::{HistoryPosition, Position, RowKey, SortValue};

impl Position {
    /// The position as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        out.extend_from_slice(&self.row.rid.to_be_bytes());
        out.extend_from_slice(&self.row.dk.to_be_bytes());
        for value in &self.values {
            let (tag, bytes): (u8, &[u8]) = match value {
                SortValue::Absent => (0, &[]),
                SortValue::Integer(number) => (1, &number.to_be_bytes()),
                SortValue::Text(text) => (2, text.as_bytes()),
                SortValue::Bytes(bytes) => (3, bytes),
            };
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.push(tag);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(bytes);
        }
        out
    }

    /// The position that [`Position::to_bytes`] wrote; `None` for any other bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (rid, rest) = integer(bytes)?;
        let (dk, mut rest) = integer(rest)?;
        let mut values = Vec::new();
        while let Some((&tag, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (content, after) = after.split_at_checked(length)?;
            values.push(match tag {
                0 => SortValue::Absent,
                1 => SortValue::Integer(i64::from_be_bytes(content.try_into().ok()?)),
                2 => SortValue::Text(String::from_utf8(content.to_vec()).ok()?),
                3 => SortValue::Bytes(content.to_vec()),
                _ => return None,
            });
            rest = after;
        }
        Some(Self { values, row: RowKey { rid, dk } })
    }
}

impl HistoryPosition {
    /// The position as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.updated.0, self.rid, self.version.0].iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    /// The position that [`HistoryPosition::to_bytes`] wrote; `None` for any other bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (updated, rest) = integer(bytes)?;
        let (rid, rest) = integer(rest)?;
        let (version, rest) = integer(rest)?;
        rest.is_empty().then_some(Self {
            updated: Instant(updated),
            rid,
            version: VersionId(version),
        })
    }
}

fn integer(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    Some((i64::from_be_bytes(*first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_the_round_trip() {
        let position = Position {
            values: vec![
                SortValue::Absent,
                SortValue::Integer(-7),
                SortValue::Text("åland".into()),
                SortValue::Bytes(vec![1, 2]),
            ],
            row: RowKey { rid: 42, dk: 9 },
        };
        let bytes = position.to_bytes();
        assert_eq!(Position::from_bytes(&bytes), Some(position));
        assert_eq!(Position::from_bytes(&bytes[..bytes.len() - 1]), None);
        let place = HistoryPosition { updated: Instant(5), rid: 6, version: VersionId(7) };
        assert_eq!(HistoryPosition::from_bytes(&place.to_bytes()), Some(place));
        assert_eq!(HistoryPosition::from_bytes(b"short"), None);
    }
}
