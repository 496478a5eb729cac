//! Whether the words of resources are indexed, as a database keeps it.
//!
//! The setting decides when a database is opened. Where it turns full text off, the words go;
//! where it turns it on again, the words of what is there already are indexed in the background,
//! and until they all are no search asks for them.

use fhir_definitions::ResourceType;
use fhir_search::FullText;

use crate::core::FULL_TEXT;
use crate::sql::{Bind, Sql};

/// How far the words of a database are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTextStatus {
    /// Whether `_text` and `_content` are answered.
    pub state: FullText,
    /// Resources that the work in hand has gone through.
    pub done: u64,
    /// Resources in all; both are 0 where nothing is in hand.
    pub total: u64,
}

/// What stands in the table `setting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Off,
    Live,
    /// Everything before this row of this type has its words.
    Building {
        base: u16,
        after: i64,
    },
}

impl Kept {
    /// What a database has when it is opened, of what it had (none for a fresh one).
    pub(crate) const fn opened(stored: Option<Self>, is_wanted: bool) -> Self {
        match (stored, is_wanted) {
            (_, false) => Self::Off,
            (None | Some(Self::Live), true) => Self::Live,
            (Some(Self::Off), true) => Self::Building { base: 0, after: i64::MIN },
            (Some(Self::Building { base, after }), true) => Self::Building { base, after },
        }
    }

    pub(crate) const fn state(self) -> FullText {
        match self {
            Self::Off => FullText::Off,
            Self::Live => FullText::Live,
            Self::Building { .. } => FullText::Building,
        }
    }

    /// The place after a row of a type.
    pub(crate) fn after(base: ResourceType, after: i64) -> Self {
        Self::Building { base: base.index(), after }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Off => vec![0],
            Self::Live => vec![1],
            Self::Building { base, after } => {
                [[2].as_slice(), &base.to_be_bytes(), &after.to_be_bytes()].concat()
            }
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::Off),
            [1] => Some(Self::Live),
            [2, place @ ..] => {
                let (base, after) = place.split_first_chunk()?;
                let base = u16::from_be_bytes(*base);
                Some(Self::Building { base, after: i64::from_be_bytes(after.try_into().ok()?) })
            }
            _ => None,
        }
    }

    /// The statement that keeps it.
    pub(crate) fn put(self) -> Sql {
        let mut sql = Sql::new("UPDATE setting SET value = ");
        sql.bind(Bind::Bytes(self.to_bytes())).push(" WHERE name = ");
        sql.bind(Bind::Text(FULL_TEXT.to_owned()));
        sql
    }

    /// The statement that reads it.
    pub(crate) fn get() -> Sql {
        let mut sql = Sql::new("SELECT value FROM setting WHERE name = ");
        sql.bind(Bind::Text(FULL_TEXT.to_owned()));
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        for kept in [Kept::Off, Kept::Live, Kept::Building { base: 140, after: -3 }] {
            assert_eq!(Kept::from_bytes(&kept.to_bytes()), Some(kept));
        }
        for bytes in [&[][..], &[3], &[2, 0], &[1, 1]] {
            assert_eq!(Kept::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn words_are_built_only_where_they_were_off() {
        let begun = Kept::Building { base: 7, after: 9 };
        assert_eq!(Kept::opened(None, true), Kept::Live);
        assert_eq!(Kept::opened(Some(Kept::Live), true), Kept::Live);
        assert_eq!(Kept::opened(Some(begun), true), begun);
        assert_eq!(Kept::opened(Some(Kept::Off), true).state(), FullText::Building);
        assert_eq!(Kept::opened(Some(begun), false), Kept::Off);
    }
}
