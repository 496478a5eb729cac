//! What a validation finds.

use fhir_model::Severity;

/// The kind of rule that a finding is about; each has passing and failing cases in
/// `conformance/validation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuleKind {
    /// Fewer or more values than allowed.
    Cardinality,
    /// A type that the element does not take.
    Type,
    /// A value that breaks the form of its primitive type, or its longest length.
    Primitive,
    /// `fixed[x]`.
    Fixed,
    /// `pattern[x]`.
    Pattern,
    /// An item that is in no slice of a closed slicing, in the wrong order, or whose slice cannot
    /// be told.
    Slicing,
    /// `minValue[x]`, `maxValue[x]`, `maxLength`.
    Bounds,
    /// A code that the value set does not have, or that nobody can look up.
    Binding,
    /// A constraint.
    Invariant,
    /// A Reference or canonical that leads to the wrong thing or nowhere.
    Reference,
    /// An extension that is unknown, out of place or a modifier.
    Extension,
    /// Rules of Bundles.
    Bundle,
    /// A QuestionnaireResponse that does not answer its Questionnaire.
    Questionnaire,
    /// A profile that is not here, or that cannot be compiled.
    Profile,
    /// The budget is used up.
    Budget,
}

impl RuleKind {
    /// All kinds, in their order.
    pub const ALL: &[Self] = &[
        Self::Cardinality,
        Self::Type,
        Self::Primitive,
        Self::Fixed,
        Self::Pattern,
        Self::Slicing,
        Self::Bounds,
        Self::Binding,
        Self::Invariant,
        Self::Reference,
        Self::Extension,
        Self::Bundle,
        Self::Questionnaire,
        Self::Profile,
        Self::Budget,
    ];

    /// The name in cases and logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Cardinality => "cardinality",
            Self::Type => "type",
            Self::Primitive => "primitive",
            Self::Fixed => "fixed",
            Self::Pattern => "pattern",
            Self::Slicing => "slicing",
            Self::Bounds => "bounds",
            Self::Binding => "binding",
            Self::Invariant => "invariant",
            Self::Reference => "reference",
            Self::Extension => "extension",
            Self::Bundle => "bundle",
            Self::Questionnaire => "questionnaire",
            Self::Profile => "profile",
            Self::Budget => "budget",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Errors make the resource invalid.
    pub severity: Severity,
    /// The kind of rule.
    pub kind: RuleKind,
    /// FHIRPath of the place, with indices: `Patient.name[0].given[1]`.
    pub expression: String,
    /// The rule: key of the invariant, or `url#Element.path` of the profile that asks.
    pub rule: String,
    /// What was found and what was expected; never a value that may identify a person.
    pub text: String,
}

/// All findings of one validation, in document order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is worse than a warning.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_error = |each: &Finding| matches!(each.severity, Severity::Error | Severity::Fatal);
        !self.findings.iter().any(is_error)
    }
}
