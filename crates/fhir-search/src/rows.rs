//! Index rows: what a resource puts into the tables that searches read.
//!
//! Rows are deduplicated and in the order of their tables' keys. Times are microseconds since
//! 1970-01-01T00:00Z; ranges are half open.

use crate::ParameterId;

/// Ranges longer than this (25 hours: a day of the clock change) stand under the parameter's
/// second number, [`crate::ParameterId::long`], so that a search for short ones is bounded.
pub const LONG_SPAN_US: i64 = 25 * 3_600 * 1_000_000;

/// Start of a range whose start is not known: 0001-01-01T00:00Z.
pub const OPEN_START_US: i64 = -62_135_596_800_000_000;

/// End of a range whose end is not known: 10000-01-01T00:00Z.
pub const OPEN_END_US: i64 = 253_402_300_800_000_000;

/// A code: one row answers `code`, `|code` and `system|code`. Under a reference parameter stand
/// the identifiers of its references (`:identifier`), under the number of
/// [`crate::Registry::contained`] that a resource of that type is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRow {
    /// The parameter.
    pub p: i32,
    /// Hash of the folded code; 0 for "an identifier of this system", 1 for "inside".
    pub code: i64,
    /// Hash of the system, 0 without one; that of its required binding for a plain code.
    pub sys: i64,
}

/// The texts behind the hashes of a code, once per database: for `system|` and for displaying.
/// Values of identifiers never stand here: what all resources share must not name a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodingRow {
    /// Hash of the system, 0 without one.
    pub sys: i64,
    /// Hash of the folded code.
    pub code: i64,
    /// The system.
    pub system: String,
    /// The code as it stood where it was first seen.
    pub value: String,
}

/// A reference, by the hash of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceRow {
    /// The parameter.
    pub p: i32,
    /// Hash of `Type/id`, of the URL, or of `url|version` (see [`crate::ValueHasher`]).
    pub target: i64,
}

/// A date, instant or period as a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateRow {
    /// The parameter, or minus the parameter for ranges over [`LONG_SPAN_US`].
    pub p: i32,
    /// First instant.
    pub lo: i64,
    /// First instant after the range.
    pub hi: i64,
}

/// A number or a quantity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumberRow {
    /// The parameter.
    pub p: i32,
    /// [`UnitRow::unit`]; 0 for a number and for a quantity without a unit.
    pub unit: i64,
    /// The exact decimal; byte order is numeric order.
    pub v: Vec<u8>,
}

/// A unit that quantities of a parameter have, once per database: every way to name it leads to
/// the rows of `number` and `composite_number`, which hold it once. A quantity parameter's rows
/// without a unit have one of these too, all zeros, so that these rows are all units there are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitRow {
    /// The parameter, a composite one too.
    pub p: i32,
    /// Hash of the other three (see [`crate::ValueHasher::unit`]).
    pub unit: i64,
    /// Hash of the code's system, 0 without one.
    pub sys: i64,
    /// Hash of the code as it stands, 0 without one.
    pub code: i64,
    /// Hash of the unit's text for people, 0 without one.
    pub text: i64,
    /// The code as it stands where its system is UCUM, for conversions; else empty.
    pub ucum: String,
}

/// A string that searches match from its start: values of string parameters, and under a token
/// parameter the texts and displays of its codes (`:text`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StringRow {
    /// The parameter.
    pub p: i32,
    /// Case, accents and white space folded.
    pub folded: String,
    /// Hash of the text as it stands ([`crate::ValueHasher::exact`]); 0 where this is not a whole
    /// value but a word of one, and for the texts of codes, which are not asked for as they stand.
    /// A word that is a whole value too stands once, as that.
    pub exact: i32,
}

/// A point on the earth in units of 10 cm from its centre, as integers: both databases and the
/// indexer compare distances alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceRow {
    /// The parameter.
    pub p: i32,
    /// Towards latitude 0, longitude 0.
    pub x: i64,
    /// Towards latitude 0, longitude 90 east.
    pub y: i64,
    /// Towards the north pole.
    pub z: i64,
}

impl PlaceRow {
    /// Whether the straight line between both is at most `chord` long.
    #[must_use]
    pub const fn is_within(&self, other: &Self, chord: i64) -> bool {
        let (x, y, z) = (self.x - other.x, self.y - other.y, self.z - other.z);
        x * x + y * y + z * z <= chord * chord
    }
}

/// The words of a resource for full-text search, folded, with one space between; empty where
/// full text is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRow {
    /// Of the narrative.
    pub narrative: String,
    /// Of all strings, the narrative's words too.
    pub content: String,
}

/// A URI as it stands; under a reference parameter the canonicals it reads, for `:below`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UriRow {
    /// The parameter.
    pub p: i32,
    /// The whole URI, case kept.
    pub text: String,
}

/// Two tokens, or a reference and a token, of one element. Under a token parameter the types of
/// its identifiers with their values (`:of-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompositeTokenRow {
    /// The composite parameter.
    pub p: i32,
    /// First code's hash, or the target's hash where the first component is a reference.
    pub code: i64,
    /// First system, 0 for none and for references.
    pub sys: i64,
    /// Second code's hash, or the target's hash.
    pub code2: i64,
    /// Second system, 0 for none and for references.
    pub sys2: i64,
}

/// A token and a quantity, or a token and two numbers, of one element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompositeNumberRow {
    /// The composite parameter.
    pub p: i32,
    /// The code's hash.
    pub code: i64,
    /// The system's hash, 0 for none.
    pub sys: i64,
    /// As [`NumberRow::unit`].
    pub unit: i64,
    /// The first number.
    pub v: Vec<u8>,
    /// The second number; empty where the composite has only one.
    pub v2: Vec<u8>,
}

/// A token and a date of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompositeDateRow {
    /// The composite parameter (never negative: spans of all lengths stand together).
    pub p: i32,
    /// The code's hash.
    pub code: i64,
    /// The system's hash, 0 for none.
    pub sys: i64,
    /// First instant.
    pub lo: i64,
    /// First instant after the range.
    pub hi: i64,
}

/// A token and a string of one element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompositeStringRow {
    /// The composite parameter.
    pub p: i32,
    /// The code's hash.
    pub code: i64,
    /// The system's hash, 0 for none.
    pub sys: i64,
    /// The folded string.
    pub folded: String,
}

/// A code of a resource beside one of its dates, the main ones of its type
/// ([`crate::Indexer::main_code`], [`crate::Indexer::main_date`]): whoever asks for a code in a
/// stretch of time finds it in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeDateRow {
    /// The parameter of the code, or minus the parameter for ranges over [`LONG_SPAN_US`].
    pub p: i32,
    /// Hash of the folded code.
    pub code: i64,
    /// First instant of the date; [`MANY_DATES`] under minus the parameter stands for all dates
    /// of a resource that has too many.
    pub lo: i64,
}

/// Stands where a resource has more pairs of codes and dates than are written down.
pub const MANY_DATES: i64 = i64::MIN;

/// What rights are decided by: one row a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRow {
    /// Whose data it is: hash of `Patient/id` or of an identity's `system|value`; the resource's
    /// own `Type/id` where it belongs to nobody.
    pub person: i64,
    /// Each parameter that names the subject (`subject`, `patient` and the like) and that the
    /// resource has a value for gives one reference, which is to this person.
    pub is_sole_subject: bool,
    /// Hashes of `system|code` of `meta.security`, ascending.
    pub labels: Vec<i64>,
}

/// All index rows of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRows {
    /// Tokens.
    pub token: Vec<TokenRow>,
    /// Texts of the tokens that have a system.
    pub coding: Vec<CodingRow>,
    /// References.
    pub reference: Vec<ReferenceRow>,
    /// Dates.
    pub date: Vec<DateRow>,
    /// Numbers and quantities.
    pub number: Vec<NumberRow>,
    /// The units of the quantities, those of composites too.
    pub unit: Vec<UnitRow>,
    /// Strings.
    pub string: Vec<StringRow>,
    /// Places.
    pub place: Vec<PlaceRow>,
    /// URIs.
    pub uri: Vec<UriRow>,
    /// Composites of two tokens or of a reference and a token.
    pub composite_token: Vec<CompositeTokenRow>,
    /// Composites with numbers or quantities.
    pub composite_number: Vec<CompositeNumberRow>,
    /// Composites with a date.
    pub composite_date: Vec<CompositeDateRow>,
    /// Composites with a string.
    pub composite_string: Vec<CompositeStringRow>,
    /// Codes with dates.
    pub code_date: Vec<CodeDateRow>,
    /// Whose data it is.
    pub access: AccessRow,
    /// The range of the type's main date ([`crate::Indexer::main_date`]), where the resource has
    /// exactly one.
    pub main_date: Option<(i64, i64)>,
    /// Unit and value of the type's main number ([`crate::Indexer::main_number`]), where the
    /// resource has exactly one: columns `unit` and `v` of [`NumberRow`].
    pub main_number: Option<(i64, Vec<u8>)>,
    /// The parameters that the resource has a value for, ascending, whether it gave rows or not.
    pub present: Vec<ParameterId>,
    /// The words.
    pub text: TextRow,
    /// Which indexer made the rows ([`crate::Indexer::with_generation`]).
    pub generation: u64,
}

impl IndexRows {
    /// How many rows there are, the access row apart.
    #[must_use]
    pub fn count(&self) -> usize {
        self.token.len()
            + self.coding.len()
            + self.reference.len()
            + self.date.len()
            + self.number.len()
            + self.unit.len()
            + self.string.len()
            + self.place.len()
            + self.uri.len()
            + self.composite_token.len()
            + self.composite_number.len()
            + self.composite_date.len()
            + self.composite_string.len()
            + self.code_date.len()
    }

    /// Whether the resource has a value for a parameter.
    #[must_use]
    pub fn has(&self, parameter: ParameterId) -> bool {
        self.present.binary_search(&parameter).is_ok()
    }

    /// Brings every table into key order without doubles.
    pub fn settle(&mut self) {
        settle(&mut self.token);
        self.coding.sort_unstable_by_key(|row| (row.sys, row.code));
        self.coding.dedup_by_key(|row| (row.sys, row.code));

        settle(&mut self.reference);
        settle(&mut self.date);
        settle(&mut self.number);
        settle(&mut self.unit);
        settle_strings(&mut self.string);
        settle(&mut self.place);
        settle(&mut self.present);
        settle(&mut self.uri);
        settle(&mut self.composite_token);
        settle(&mut self.composite_number);
        settle(&mut self.composite_date);
        settle(&mut self.composite_string);
        settle(&mut self.code_date);
        settle(&mut self.access.labels);
    }
}

/// A word that is also a whole value stands as that.
fn settle_strings(rows: &mut Vec<StringRow>) {
    rows.sort_unstable_by(|one, other| {
        let text = (one.p, &one.folded).cmp(&(other.p, &other.folded));
        text.then_with(|| (one.exact == 0, one.exact).cmp(&(other.exact == 0, other.exact)))
    });
    rows.dedup_by(|later, kept| {
        let is_told = later.exact == 0 || later.exact == kept.exact;
        is_told && later.p == kept.p && later.folded == kept.folded
    });
}

fn settle<T: Ord>(rows: &mut Vec<T>) {
    rows.sort_unstable();
    rows.dedup();
}
