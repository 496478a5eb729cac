//! Which values a data type gives to a parameter of a kind, as the table of the specification
//! says, and how they are read.
//! Spec: <https://hl7.org/fhir/R4/search.html#ptypes>
//!
//! Decisions where the specification leaves room:
//! - `Range` gives its two ends to numbers and quantities, each as a point.
//! - `SampledData` gives its origin, `Timing` the stretch from its first to its last known instant.
//! - The code of a unit and its text for people both name it where a search says no system; they
//!   are taken as they stand, since UCUM is case-sensitive. A currency is a unit of ISO 4217.
//! - A number parameter takes values without their units.
//! - Names and addresses give every part, and a family name each of its words as well.

use fhir_definitions::Primitive;
use fhir_model::Value;
use fhir_model::decimal::Decimal;

use super::builder::Builder;
use crate::hash::NONE;
use crate::rows::{
    DateRow, LONG_SPAN_US, NumberRow, OPEN_END_US, OPEN_START_US, ReferenceRow, StringRow,
    TokenRow, UnitRow, UriRow,
};
use crate::{ParameterKind, fold};

/// The system of UCUM units.
const UCUM: &str = "http://unitsofmeasure.org";

/// How to read one data type for one kind of parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extract {
    /// A string, code, uri or boolean as a code without a system.
    TokenPrimitive,
    TokenCoding,
    TokenConcept,
    TokenIdentifier,
    TokenContact,
    /// `true` unless the value is `false`.
    TokenExistence,
    Reference,
    ReferenceUrl,
    /// A whole resource inside this one.
    ReferenceResource,
    DatePoint,
    DatePeriod,
    DateTiming,
    Number,
    /// The ends of a range without their units.
    NumberRange,
    /// A number in the place of a quantity.
    QuantityNumber,
    Range,
    Quantity,
    Money,
    SampledData,
    String,
    StringName,
    /// `HumanName.family`: its words stand as well.
    StringFamily,
    StringAddress,
    StringConcept,
    Uri,
    Canonical,
    /// The composite at this position.
    Composite(u32),
    /// Whose data the resource is, the lower the better.
    Person(i32),
}

/// The extractor for a primitive, none where the kind cannot read it.
pub(crate) fn of_primitive(kind: ParameterKind, primitive: Primitive) -> Option<Extract> {
    use Primitive as P;
    match kind {
        ParameterKind::Token => match primitive {
            P::Boolean
            | P::Code
            | P::String
            | P::Id
            | P::Uri
            | P::Url
            | P::Canonical
            | P::Oid
            | P::Uuid
            | P::Markdown
            | P::Integer
            | P::PositiveInt
            | P::UnsignedInt => Some(Extract::TokenPrimitive),
            P::Decimal
            | P::Base64Binary
            | P::Date
            | P::DateTime
            | P::Time
            | P::Instant
            | P::Xhtml => None,
        },
        ParameterKind::Reference => {
            matches!(primitive, P::Canonical | P::Uri | P::Url | P::Oid | P::Uuid)
                .then_some(Extract::ReferenceUrl)
        }
        ParameterKind::Date => {
            matches!(primitive, P::Date | P::DateTime | P::Instant).then_some(Extract::DatePoint)
        }
        ParameterKind::Number => is_number(primitive).then_some(Extract::Number),
        ParameterKind::Quantity => is_number(primitive).then_some(Extract::QuantityNumber),
        ParameterKind::String => matches!(primitive, P::String | P::Markdown | P::Code | P::Id)
            .then_some(Extract::String),
        ParameterKind::Uri if primitive == P::Canonical => Some(Extract::Canonical),
        ParameterKind::Uri => {
            matches!(primitive, P::Uri | P::Url | P::Oid | P::Uuid).then_some(Extract::Uri)
        }
        ParameterKind::Composite | ParameterKind::Special => None,
    }
}

const fn is_number(primitive: Primitive) -> bool {
    matches!(
        primitive,
        Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt | Primitive::Decimal
    )
}

/// The extractor for a data type by its name, none where the kind cannot read it.
pub(crate) fn of_type(kind: ParameterKind, name: &str) -> Option<Extract> {
    let extract = match (kind, name) {
        (ParameterKind::Token, "Coding") => Extract::TokenCoding,
        (ParameterKind::Token, "CodeableConcept") => Extract::TokenConcept,
        (ParameterKind::Token, "Identifier") => Extract::TokenIdentifier,
        (ParameterKind::Token, "ContactPoint") => Extract::TokenContact,
        (ParameterKind::Reference, "Reference") => Extract::Reference,
        (ParameterKind::Date, "Period") => Extract::DatePeriod,
        (ParameterKind::Date, "Timing") => Extract::DateTiming,
        (ParameterKind::Number, "Range") => Extract::NumberRange,
        (ParameterKind::Quantity, "Range") => Extract::Range,
        (
            ParameterKind::Quantity,
            "Quantity" | "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity"
            | "MoneyQuantity",
        ) => Extract::Quantity,
        (ParameterKind::Quantity, "Money") => Extract::Money,
        (ParameterKind::Quantity, "SampledData") => Extract::SampledData,
        (ParameterKind::String, "HumanName") => Extract::StringName,
        (ParameterKind::String, "Address") => Extract::StringAddress,
        (ParameterKind::String, "CodeableConcept") => Extract::StringConcept,
        _ => return None,
    };
    Some(extract)
}

impl Builder<'_> {
    /// Adds the rows of one value; what has no usable value adds none.
    pub(crate) fn extract(&mut self, extract: Extract, p: i32, value: Value<'_>) {
        match extract {
            Extract::TokenPrimitive => self.token_primitive(p, value),
            Extract::TokenCoding => self.coding(p, value),
            Extract::TokenConcept => {
                for coding in value.get("coding").into_iter().flat_map(Value::items) {
                    self.coding(p, coding);
                }
            }
            Extract::TokenIdentifier => self.identifier(p, value),
            Extract::TokenContact => {
                if let Some(text) = text_at(value, "value") {
                    self.token(p, None, &text);
                }
            }
            Extract::TokenExistence => {
                if value.literal() != Some("false") {
                    self.token(p, None, "true");
                }
            }
            Extract::Reference | Extract::ReferenceUrl => self.reference(p, value),
            Extract::ReferenceResource => self.nested_resource(p, value),
            Extract::DatePoint => self.date(p, self.instants(value)),
            Extract::DatePeriod => self.date(p, self.period(value)),
            Extract::DateTiming => self.timing(p, value),
            Extract::Number => self.number(p, value),
            Extract::NumberRange => {
                for end in ends(value).filter_map(|end| end.get("value")) {
                    self.number(p, end);
                }
            }
            Extract::QuantityNumber => self.amount(p, Some(value), [NONE; 3], None),
            Extract::Range => {
                for end in ends(value) {
                    self.quantity(p, end);
                }
            }
            Extract::Quantity => self.quantity(p, value),
            Extract::Money => self.money(p, value),
            Extract::SampledData => {
                if let Some(origin) = value.get("origin") {
                    self.quantity(p, origin);
                }
            }
            Extract::String => {
                if let Some(text) = value.text() {
                    self.string(p, &text);
                }
            }
            Extract::StringName => self.name(p, value),
            Extract::StringFamily => {
                if let Some(text) = value.text() {
                    self.string(p, &text);
                    self.family_words(p, &text);
                }
            }
            Extract::StringAddress => self.parts(p, value, &ADDRESS_PARTS),
            Extract::StringConcept => self.concept_text(p, value),
            Extract::Uri => {
                if let Some(text) = value.text() {
                    self.uri(p, &text);
                }
            }
            Extract::Canonical => self.canonical(p, value),
            Extract::Composite(at) => self.composite(at, p, value),
            Extract::Person(rank) => self.person(rank, value),
        }
    }

    fn token_primitive(&mut self, p: i32, value: Value<'_>) {
        if let Some(text) = value.text() {
            self.token(p, None, &text);
        } else if let Some(literal) = value.literal() {
            self.token(p, None, literal);
        }
    }

    fn coding(&mut self, p: i32, value: Value<'_>) {
        if let Some(code) = text_at(value, "code") {
            self.token(p, text_at(value, "system").as_deref(), &code);
        }
    }

    /// Identifiers of a system are found by a row without a code. Their texts never stand beside
    /// the codes' in `coding`: nothing there may be about one person.
    fn identifier(&mut self, p: i32, value: Value<'_>) {
        let Some(code) = text_at(value, "value") else { return };
        let code = self.hasher.code(&code);
        let sys = text_at(value, "system").map_or(NONE, |system| self.hasher.hash(&system));
        self.rows.token.push(TokenRow { p, code, sys });
        if sys != NONE {
            self.rows.token.push(TokenRow { p, code: NONE, sys });
        }
    }

    fn reference(&mut self, p: i32, value: Value<'_>) {
        let Some(reading) = self.reading(value) else { return };
        for target in [reading.hash, reading.versioned] {
            if target != NONE {
                self.rows.reference.push(ReferenceRow { p, target });
            }
        }
    }

    /// A resource inside this one stands under its own type and id.
    fn nested_resource(&mut self, p: i32, value: Value<'_>) {
        let (Some(name), Some(id)) = (text_at(value, "resourceType"), text_at(value, "id")) else {
            return;
        };
        if let Ok(resource_type) = name.parse() {
            let target = self.hasher.local(resource_type, &id);
            self.rows.reference.push(ReferenceRow { p, target });
        }
    }

    fn date(&mut self, p: i32, range: Option<(i64, i64)>) {
        let Some((lo, hi)) = range else { return };
        let p = if hi - lo > LONG_SPAN_US { -p } else { p };
        self.rows.date.push(DateRow { p, lo, hi });
    }

    fn instants(&self, value: Value<'_>) -> Option<(i64, i64)> {
        let range = fhir_model::date::instants(&value.text()?, self.zone).ok()?;
        Some((range.start, range.end))
    }

    /// A missing end is open; a period without both has no row. One that ends before it begins
    /// stands for the time between, as if its ends were exchanged.
    fn period(&self, value: Value<'_>) -> Option<(i64, i64)> {
        let start = value.get("start").and_then(|start| self.instants(start));
        let end = value.get("end").and_then(|end| self.instants(end));
        match (start, end) {
            (None, None) => None,
            (Some((lo, first)), None) => Some((lo, OPEN_END_US.max(first))),
            (None, Some((last, hi))) => Some((OPEN_START_US.min(last), hi)),
            (Some((lo, _)), Some((_, hi))) if hi > lo => Some((lo, hi)),
            (Some((_, hi)), Some((lo, _))) => Some((lo, hi)),
        }
    }

    /// Only the outer limits count, whatever the schedule between them.
    fn timing(&mut self, p: i32, value: Value<'_>) {
        let events = value.get("event").into_iter().flat_map(Value::items);
        let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
        let mut limits: Option<(i64, i64)> = bounds.and_then(|bounds| self.period(bounds));
        for (lo, hi) in events.filter_map(|event| self.instants(event)) {
            limits = Some(limits.map_or((lo, hi), |(low, high)| (low.min(lo), high.max(hi))));
        }
        self.date(p, limits);
    }

    fn number(&mut self, p: i32, value: Value<'_>) {
        if let Some(v) = decimal_key(value) {
            self.rows.number.push(NumberRow { p, unit: NONE, v });
        }
    }

    /// A system without a code says nothing of the unit.
    fn quantity(&mut self, p: i32, value: Value<'_>) {
        let hash = |key: &str| text_at(value, key).map_or(NONE, |text| self.hasher.hash(&text));
        let (code, text) = (hash("code"), hash("unit"));
        let sys = if code == NONE { NONE } else { hash("system") };
        let is_ucum = text_at(value, "system").is_some_and(|system| system == UCUM);
        let ucum = if is_ucum { text_at(value, "code") } else { None };
        self.amount(p, value.get("value"), [sys, code, text], ucum.as_deref());
    }

    fn money(&mut self, p: i32, value: Value<'_>) {
        let unit = text_at(value, "currency").map_or([NONE; 3], |currency| {
            [self.hasher.hash("urn:iso:std:iso:4217"), self.hasher.hash(&currency), NONE]
        });
        self.amount(p, value.get("value"), unit, None);
    }

    /// A number with the hashes of its unit's system, code and text.
    fn amount(
        &mut self,
        p: i32,
        value: Option<Value<'_>>,
        [sys, code, text]: [i64; 3],
        ucum: Option<&str>,
    ) {
        let Some(v) = value.and_then(decimal_key) else { return };
        let unit = self.hasher.unit(sys, code, text);
        self.rows.number.push(NumberRow { p, unit, v });
        let ucum = ucum.unwrap_or_default().to_owned();
        self.rows.unit.push(UnitRow { p, unit, sys, code, text, ucum });
    }

    fn string(&mut self, p: i32, text: &str) {
        let folded = fold::string(text);
        if !folded.is_empty() {
            let exact = self.hasher.exact(text);
            self.rows.string.push(StringRow { p, folded, exact });
        }
    }

    fn name(&mut self, p: i32, value: Value<'_>) {
        self.parts(p, value, &NAME_PARTS);
        if let Some(family) = text_at(value, "family") {
            self.family_words(p, &family);
        }
    }

    /// The words of a family name after the first, by white space and hyphens.
    fn family_words(&mut self, p: i32, family: &str) {
        let is_gap = |letter: char| letter.is_whitespace() || letter == '-';
        for word in family.split(is_gap).skip(1) {
            let folded = fold::string(word);
            if !folded.is_empty() {
                self.rows.string.push(StringRow { p, folded, exact: 0 });
            }
        }
    }

    fn parts(&mut self, p: i32, value: Value<'_>, parts: &[&str]) {
        for part in parts.iter().filter_map(|part| value.get(part)).flat_map(Value::items) {
            if let Some(text) = part.text() {
                self.string(p, &text);
            }
        }
    }

    fn concept_text(&mut self, p: i32, value: Value<'_>) {
        self.parts(p, value, &["text"]);
        for coding in value.get("coding").into_iter().flat_map(Value::items) {
            self.parts(p, coding, &["display"]);
        }
    }

    /// A canonical stands with and without its version.
    fn canonical(&mut self, p: i32, value: Value<'_>) {
        let Some(text) = value.text() else { return };
        if let Some((url, _)) = text.split_once('|') {
            self.uri(p, url);
        }
        self.uri(p, &text);
    }

    fn uri(&mut self, p: i32, text: &str) {
        if !text.is_empty() {
            self.rows.uri.push(UriRow { p, text: self.hasher.uri(text).into_owned() });
        }
    }
}

/// Numbers are told apart by about 120 digits: R4 asks for 18, and index entries are short.
const MAX_KEY_BYTES: usize = 64;

const NAME_PARTS: [&str; 5] = ["text", "family", "given", "prefix", "suffix"];
const ADDRESS_PARTS: [&str; 7] =
    ["text", "line", "city", "district", "state", "postalCode", "country"];

pub(crate) fn text_at<'a>(value: Value<'a>, key: &str) -> Option<std::borrow::Cow<'a, str>> {
    value.get(key)?.text().filter(|text| !text.is_empty())
}

/// The ends of a range that are there.
fn ends(range: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    ["low", "high"].into_iter().filter_map(move |end| range.get(end))
}

fn decimal_key(value: Value<'_>) -> Option<Vec<u8>> {
    let mut key = value.literal()?.parse::<Decimal>().ok()?.to_key();
    key.truncate(MAX_KEY_BYTES);
    Some(key)
}
