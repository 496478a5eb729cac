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

use super::amount::ends;
use super::builder::Builder;
use super::string::ADDRESS_PARTS;
use crate::ParameterKind;
use crate::hash::NONE;

/// How to read one data type for one kind of parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extract {
    /// A string, code, uri or boolean as a code without a system.
    TokenPrimitive,
    /// A code with a required binding, by its place in `Definitions::code_sets`: its system is
    /// the binding's.
    TokenCode(u16),
    TokenCoding,
    TokenConcept,
    TokenIdentifier,
    TokenContact,
    /// `true` unless the value is `false`.
    TokenExistence,
    /// `false` where the value is `false`, else `true`.
    TokenTruth,
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
    /// A place on the earth.
    Place,
    /// The composite at this position.
    Composite(u32),
    /// Whose data the resource is, the lower the better.
    Person(i32),
    /// A resource inside this one.
    Contained,
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
        (ParameterKind::Special, "Location.position") => Extract::Place,
        _ => return None,
    };
    Some(extract)
}

impl Builder<'_> {
    /// Adds the rows of one value; what has no usable value adds none.
    pub(crate) fn extract(&mut self, extract: Extract, p: i32, value: Value<'_>) {
        match extract {
            Extract::TokenPrimitive => self.token_primitive(p, value),
            Extract::TokenCode(set) => self.code(p, set, value),
            Extract::TokenCoding => self.coding(p, value),
            Extract::TokenConcept => self.concept(p, value),
            Extract::TokenIdentifier => self.typed_identifier(p, value),
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
            Extract::TokenTruth => {
                let truth = if value.literal() == Some("false") { "false" } else { "true" };
                self.token(p, None, truth);
            }
            Extract::Reference => self.reference(p, value),
            Extract::ReferenceUrl => self.reference_url(p, value),
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
            Extract::Place => self.place(p, value),
            Extract::Composite(at) => self.composite(at, p, value),
            Extract::Contained => self.inner(value),
            Extract::Person(rank) => self.person(rank, value),
        }
    }
}

pub(crate) fn text_at<'a>(value: Value<'a>, key: &str) -> Option<std::borrow::Cow<'a, str>> {
    value.get(key)?.text().filter(|text| !text.is_empty())
}
