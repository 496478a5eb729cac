//! The parts of an ElementDefinition.
//! Spec: <https://hl7.org/fhir/R4/elementdefinition.html>

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use fhir_model::Value;

use super::read::{Reader, extension, extension_value, extensions, items};

/// Extensions of R4 that change what a part means.
const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";
const MIN_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-minValueSet";
const BEST_PRACTICE: &str =
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";
const BEST_PRACTICE_WHY: &str =
    "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice-explanation";
const ADDITIONAL_BINDING: &str = "http://hl7.org/fhir/tools/StructureDefinition/additional-binding";

/// How often an element may be there at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Max {
    /// So many times.
    Times(u32),
    /// `*`.
    Unbounded,
}

impl Max {
    /// Whether an element may be there that many times.
    #[must_use]
    pub fn allows(self, count: usize) -> bool {
        match self {
            Self::Times(times) => u32::try_from(count).is_ok_and(|count| count <= times),
            Self::Unbounded => true,
        }
    }
}

impl FromStr for Max {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" { Ok(Self::Unbounded) } else { text.parse().map(Self::Times) }
    }
}

impl fmt::Display for Max {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Times(times) => write!(formatter, "{times}"),
            Self::Unbounded => formatter.write_str("*"),
        }
    }
}

/// What the element was where it was first defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base<'a> {
    /// Its path there.
    pub path: Cow<'a, str>,
    /// Its least number there.
    pub min: u32,
    /// Its greatest number there; says whether JSON has an array.
    pub max: Max,
}

/// How the items of an element are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slicing<'a> {
    /// What tells slices apart; none where people must decide.
    pub discriminators: Vec<Discriminator<'a>>,
    /// Whether there may be items in no slice.
    pub rules: SlicingRules,
    /// Whether items must come in the order of the slices.
    pub is_ordered: bool,
    /// Words for people.
    pub description: Option<Cow<'a, str>>,
}

/// One thing that tells slices apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discriminator<'a> {
    /// What is compared.
    pub kind: DiscriminatorKind,
    /// The `FHIRPath` subset that leads to it, `$this` for the item itself.
    pub path: Cow<'a, str>,
}

macro_rules! codes {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant),* }

        impl $name {
            /// The variant of a code.
            #[must_use]
            pub fn named(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The code.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }
        }
    };
}
pub(super) use codes;

codes! {
    /// What a discriminator compares.
    DiscriminatorKind {
        /// A value that is fixed, of a pattern, or out of a required value set.
        Value = "value",
        /// Whether there is something.
        Exists = "exists",
        /// The same as `value` in R4; the name is older.
        Pattern = "pattern",
        /// The type.
        Type = "type",
        /// The profile that it conforms to.
        Profile = "profile",
    }
}

codes! {
    /// Whether there may be items in no slice.
    SlicingRules {
        /// None.
        Closed = "closed",
        /// Anywhere.
        Open = "open",
        /// After those of the slices.
        OpenAtEnd = "openAtEnd",
    }
}

codes! {
    /// How binding a value set is.
    Strength {
        /// Nothing else.
        Required = "required",
        /// Something else only for what it does not have.
        Extensible = "extensible",
        /// It should be used.
        Preferred = "preferred",
        /// It shows what is meant.
        Example = "example",
    }
}

codes! {
    /// Where a referred resource is.
    Aggregation {
        /// In `contained`.
        Contained = "contained",
        /// Anywhere.
        Referenced = "referenced",
        /// In the same Bundle.
        Bundled = "bundled",
    }
}

codes! {
    /// Whether references name a version.
    Versioning {
        /// They may.
        Either = "either",
        /// They must not.
        Independent = "independent",
        /// They must.
        Specific = "specific",
    }
}

codes! {
    /// What breaking a constraint means.
    ConstraintSeverity {
        /// The resource is invalid.
        Error = "error",
        /// Somebody should look.
        Warning = "warning",
    }
}

impl<'a> Slicing<'a> {
    pub(super) fn read(object: Value<'a>, reader: &mut Reader<'_>) -> Self {
        let mut discriminators = Vec::new();
        for (index, each) in items(object, "discriminator").enumerate() {
            let mut below = reader.below("discriminator", index);
            let kind = below.code(each, "type", DiscriminatorKind::named);
            let path = below.required(each, "path");
            discriminators.extend(kind.map(|kind| Discriminator { kind, path }));
        }
        let rules = reader.code(object, "rules", SlicingRules::named);
        Self {
            discriminators,
            // A differential that only adds slices may leave the rules to its base.
            rules: rules.unwrap_or(SlicingRules::Open),
            is_ordered: reader.flag(object, "ordered").unwrap_or_default(),
            description: reader.text(object, "description"),
        }
    }
}

impl<'a> Base<'a> {
    pub(super) fn read(object: Value<'a>, reader: &mut Reader<'_>) -> Self {
        Self {
            path: reader.required(object, "path"),
            min: reader.count(object, "min").unwrap_or_default(),
            max: reader.code(object, "max", |text| text.parse().ok()).unwrap_or(Max::Unbounded),
        }
    }
}

/// A type that the element may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRef<'a> {
    /// The name of a type (`HumanName`), the URL of a logical model, or
    /// `http://hl7.org/fhirpath/System.String` for what is no element at all: ids, `url` of
    /// extensions and values of primitives.
    pub code: Cow<'a, str>,
    /// The FHIR type of a value with a `System` code (`string`, `uri`, `id`).
    pub fhir_type: Option<Cow<'a, str>>,
    /// The form of its text, as the extension says for values of primitives.
    pub regex: Option<Cow<'a, str>>,
    /// One of them must be conformed to.
    pub profiles: Vec<Cow<'a, str>>,
    /// What a Reference or canonical leads to must conform to one of them.
    pub target_profiles: Vec<Cow<'a, str>>,
    /// Where what is referred to may be; empty means anywhere.
    pub aggregation: Vec<Aggregation>,
    /// Whether references name a version.
    pub versioning: Option<Versioning>,
}

impl<'a> TypeRef<'a> {
    /// The FHIR type: the code, or what the extension says for a `System` code.
    #[must_use]
    pub fn name(&self) -> &str {
        self.fhir_type.as_deref().unwrap_or(&self.code)
    }

    pub(super) fn read(object: Value<'a>, reader: &mut Reader<'_>) -> Self {
        let mut aggregation = Vec::new();
        for code in reader.texts(object, "aggregation") {
            match Aggregation::named(&code) {
                Some(each) => aggregation.push(each),
                None => reader.fault("aggregation", "expected contained, referenced or bundled"),
            }
        }
        // Older tools put the extension on the code.
        let on_code = || object.get("_code").and_then(|code| extension(code, FHIR_TYPE));
        let fhir_type = extension(object, FHIR_TYPE).or_else(on_code);
        Self {
            code: reader.required(object, "code"),
            fhir_type: fhir_type.and_then(Value::text),
            regex: extension(object, REGEX).and_then(Value::text),
            profiles: reader.texts(object, "profile"),
            target_profiles: reader.texts(object, "targetProfile"),
            aggregation,
            versioning: reader.code(object, "versioning", Versioning::named),
        }
    }
}

/// A rule in `FHIRPath`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint<'a> {
    /// What it is called: `ele-1`.
    pub key: Cow<'a, str>,
    /// What breaking it means.
    pub severity: ConstraintSeverity,
    /// What it says, for people.
    pub human: Cow<'a, str>,
    /// What it says, for programs. A few have only XPath.
    pub expression: Option<Cow<'a, str>>,
    /// The definition that it comes from.
    pub source: Option<Cow<'a, str>>,
    /// Whether it is marked as best practice.
    pub is_best_practice: bool,
    /// Why it is best practice.
    pub best_practice_explanation: Option<Cow<'a, str>>,
}

impl<'a> Constraint<'a> {
    pub(super) fn read(object: Value<'a>, reader: &mut Reader<'_>) -> Self {
        let severity = reader.code(object, "severity", ConstraintSeverity::named);
        let best_practice = extension(object, BEST_PRACTICE);
        Self {
            key: reader.required(object, "key"),
            severity: severity.unwrap_or(ConstraintSeverity::Error),
            human: reader.text(object, "human").unwrap_or_default(),
            expression: reader.text(object, "expression"),
            source: reader.text(object, "source"),
            is_best_practice: best_practice.and_then(Value::literal) == Some("true"),
            best_practice_explanation: extension(object, BEST_PRACTICE_WHY).and_then(Value::text),
        }
    }
}

/// The value set that codes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// How binding it is.
    pub strength: Strength,
    /// Its canonical; some examples have none.
    pub value_set: Option<Cow<'a, str>>,
    /// The value set that every code must be in, though the strength is weaker.
    pub max_value_set: Option<Cow<'a, str>>,
    /// The value set whose codes systems must be able to handle.
    pub min_value_set: Option<Cow<'a, str>>,
    /// Value sets beside it, by extension.
    pub additional: Vec<AdditionalBinding<'a>>,
}

/// A value set beside that of a binding.
/// Spec: <https://build.fhir.org/ig/FHIR/fhir-tools-ig/StructureDefinition-additional-binding.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdditionalBinding<'a> {
    /// `required`, `extensible`, `candidate`, `preferred`, `current`, `maximum`, `minimum`,
    /// `ui`, `starter`, `component`.
    pub purpose: Cow<'a, str>,
    /// The canonical of the value set.
    pub value_set: Cow<'a, str>,
    /// Whether one repeat has to have a code of it, not all.
    pub is_any: bool,
}

impl<'a> Binding<'a> {
    pub(super) fn read(object: Value<'a>, reader: &mut Reader<'_>) -> Self {
        let strength = reader.code(object, "strength", Strength::named);
        Self {
            strength: strength.unwrap_or(Strength::Example),
            value_set: reader.text(object, "valueSet"),
            max_value_set: extension(object, MAX_VALUE_SET).and_then(Value::text),
            min_value_set: extension(object, MIN_VALUE_SET).and_then(Value::text),
            additional: extensions(object, ADDITIONAL_BINDING)
                .filter_map(AdditionalBinding::read)
                .collect(),
        }
    }
}

impl<'a> AdditionalBinding<'a> {
    fn read(whole: Value<'a>) -> Option<Self> {
        let part = |url| extensions(whole, url).next().and_then(extension_value);
        Some(Self {
            purpose: part("purpose")?.text()?,
            value_set: part("valueSet")?.text()?,
            is_any: part("any").and_then(Value::literal) == Some("true"),
        })
    }
}
