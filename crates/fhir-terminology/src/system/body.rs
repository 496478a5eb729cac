//! The concepts of a code system in flat arrays: one text for all words, positions into it, and
//! lists of lists as offsets.
//!
//! SNOMED CT's 500,000 concepts fit in some 100 MB that way, and are written and read as they lie.

use std::sync::OnceLock;

/// A piece of the text: where it starts and how many bytes it has. An empty one is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// Items of each concept, in the order of concepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows<T> {
    /// Where the items of each concept end.
    pub(crate) ends: Vec<u32>,
    pub(crate) items: Vec<T>,
}

impl<T> Rows<T> {
    pub(crate) fn of(&self, at: u32) -> &[T] {
        let at = at as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(at).copied().unwrap_or(0);
        self.items.get(start.unwrap_or(0) as usize..end as usize).unwrap_or_default()
    }

    /// From pairs of concept and item, which are sorted by concept.
    pub(crate) fn sorted(count: usize, pairs: impl IntoIterator<Item = (u32, T)>) -> Self {
        let mut rows = Self { ends: Vec::with_capacity(count), items: Vec::new() };
        for (at, item) in pairs {
            while rows.ends.len() < at as usize {
                rows.ends.push(number(rows.items.len()));
            }
            rows.items.push(item);
        }
        while rows.ends.len() < count {
            rows.ends.push(number(rows.items.len()));
        }
        rows
    }
}

/// A value of a property.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PropertyValue {
    /// Which of [`Body::names`].
    pub(crate) name: u16,
    pub(crate) kind: ValueKind,
    pub(crate) text: Span,
}

/// A name in another language or for another use.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NamedText {
    /// Which of [`Body::languages`]; [`NONE`] for none.
    pub(crate) language: u16,
    /// Which of [`Body::uses`]; [`NONE`] for none.
    pub(crate) usage: u16,
    pub(crate) text: Span,
}

pub(crate) const NONE: u16 = u16::MAX;

/// The type of a property's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValueKind {
    /// A code of the same system.
    Code,
    /// A Coding.
    Coding,
    /// A text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A date, perhaps with a time.
    DateTime,
    /// A decimal number.
    Decimal,
}

impl ValueKind {
    const ALL: [Self; 7] = [
        Self::Code,
        Self::Coding,
        Self::String,
        Self::Integer,
        Self::Boolean,
        Self::DateTime,
        Self::Decimal,
    ];

    /// As in `CodeSystem.property.type`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Coding => "Coding",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::DateTime => "dateTime",
            Self::Decimal => "decimal",
        }
    }

    pub(crate) fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Of the member `valueCode` and the like.
    pub(crate) fn of_member(key: &str) -> Option<Self> {
        let name = key.strip_prefix("value")?;
        Self::ALL.into_iter().find(|kind| kind.code().eq_ignore_ascii_case(name))
    }

    pub(crate) fn number(self) -> u8 {
        Self::ALL
            .iter()
            .position(|kind| *kind == self)
            .and_then(|at| at.try_into().ok())
            .unwrap_or(2)
    }

    pub(crate) fn numbered(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// `designation.use`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Its system.
    pub system: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub display: String,
}

pub(crate) const ABSTRACT: u8 = 1;
pub(crate) const INACTIVE: u8 = 2;

/// All concepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub(crate) text: String,
    pub(crate) codes: Vec<Span>,
    pub(crate) displays: Vec<Span>,
    pub(crate) definitions: Vec<Span>,
    /// [`ABSTRACT`] and [`INACTIVE`].
    pub(crate) flags: Vec<u8>,
    /// Positions of the concepts in the order of their codes.
    pub(crate) order: Vec<u32>,
    pub(crate) parents: Rows<u32>,
    pub(crate) children: Rows<u32>,
    pub(crate) values: Rows<PropertyValue>,
    pub(crate) designations: Rows<NamedText>,
    pub(crate) names: Vec<String>,
    pub(crate) languages: Vec<String>,
    pub(crate) uses: Vec<Use>,
    /// Lower-case codes in their order, where case does not count; made when first needed.
    pub(crate) folded: OnceLock<Vec<(Box<str>, u32)>>,
}

impl Body {
    pub(crate) fn text(&self, span: Span) -> &str {
        let start = span.start as usize;
        self.text.get(start..start + span.len as usize).unwrap_or_default()
    }

    pub(crate) fn code(&self, at: u32) -> &str {
        self.codes.get(at as usize).map_or("", |span| self.text(*span))
    }

    pub(crate) fn len(&self) -> u32 {
        number(self.codes.len())
    }

    /// The position of this very code.
    pub(crate) fn exact(&self, code: &str) -> Option<u32> {
        let found = self.order.binary_search_by(|at| self.code(*at).cmp(code)).ok()?;
        self.order.get(found).copied()
    }

    /// The position of this code in whatever case.
    pub(crate) fn any_case(&self, code: &str) -> Option<u32> {
        let folded = self.folded.get_or_init(|| {
            let mut all: Vec<(Box<str>, u32)> =
                (0..self.len()).map(|at| (self.code(at).to_lowercase().into(), at)).collect();
            all.sort();
            all
        });
        let code = code.to_lowercase();
        let found = folded.partition_point(|(each, _)| **each < *code);
        folded.get(found).filter(|(each, _)| **each == *code).map(|(_, at)| *at)
    }
}

/// Marks on concepts, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    words: Vec<u64>,
    count: u32,
}

impl Marks {
    pub(crate) fn none(count: u32) -> Self {
        Self { words: vec![0; (count as usize).div_ceil(64)], count }
    }

    /// Whether it was not set before.
    pub(crate) fn set(&mut self, at: u32) -> bool {
        let bit = 1 << (at % 64);
        match self.words.get_mut((at / 64) as usize) {
            Some(word) if at < self.count => {
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            }
            _ => false,
        }
    }

    pub(crate) fn clear(&mut self, at: u32) {
        if let Some(word) = self.words.get_mut((at / 64) as usize) {
            *word &= !(1 << (at % 64));
        }
    }

    pub(crate) fn has(&self, at: u32) -> bool {
        self.words.get((at / 64) as usize).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.count).filter(|at| self.has(*at))
    }

    pub(crate) fn invert(&mut self) {
        for at in 0..self.count {
            if self.has(at) {
                self.clear(at);
            } else {
                self.set(at);
            }
        }
    }

    pub(crate) fn keep_also_in(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }
}

/// A length as it is written down; bodies of four thousand million bytes are not made.
pub(crate) fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
