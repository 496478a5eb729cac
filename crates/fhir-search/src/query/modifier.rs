//! What follows the colon of a parameter's name.

use fhir_definitions::ResourceType;

use crate::ParameterKind;

/// The part after the colon in `name:exact=Virtanen`.
/// Spec: <https://hl7.org/fhir/R4/search.html#modifiers>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    Missing,
    Exact,
    Contains,
    Text,
    Not,
    Above,
    Below,
    In,
    NotIn,
    OfType,
    Identifier,
    Type(ResourceType),
}

/// All but the names of types, as they are listed to people.
const NAMED: [(&str, Modifier); 11] = [
    ("missing", Modifier::Missing),
    ("exact", Modifier::Exact),
    ("contains", Modifier::Contains),
    ("text", Modifier::Text),
    ("not", Modifier::Not),
    ("above", Modifier::Above),
    ("below", Modifier::Below),
    ("in", Modifier::In),
    ("not-in", Modifier::NotIn),
    ("of-type", Modifier::OfType),
    ("identifier", Modifier::Identifier),
];

impl Modifier {
    /// The modifier of this text; R4 has no other.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let named = NAMED.iter().find(|(name, _)| *name == text).map(|(_, modifier)| *modifier);
        named.or_else(|| ResourceType::named(text).map(Self::Type))
    }

    /// Whether R4 gives this modifier a meaning on parameters of type `kind`; some parameters of
    /// the kind may still have no use for it.
    pub(crate) const fn applies_to(self, kind: ParameterKind) -> bool {
        use ParameterKind as P;
        match self {
            Self::Missing => !matches!(kind, P::Composite),
            Self::Exact | Self::Contains => matches!(kind, P::String),
            Self::Text => matches!(kind, P::Token | P::String),
            Self::Not | Self::In | Self::NotIn | Self::OfType => matches!(kind, P::Token),
            Self::Above | Self::Below => matches!(kind, P::Token | P::Reference | P::Uri),
            Self::Identifier | Self::Type(_) => matches!(kind, P::Reference),
        }
    }

    /// The modifiers of a kind as the end of a sentence.
    pub(crate) fn listed(kind: ParameterKind) -> String {
        let names = NAMED.iter().filter(|(_, modifier)| modifier.applies_to(kind));
        let mut names: Vec<String> = names.map(|(name, _)| format!(":{name}")).collect();
        if kind == ParameterKind::Reference {
            names.push("the name of a target type, such as :Patient".to_owned());
        }
        match names.as_slice() {
            [] => "; no modifier is supported here".to_owned(),
            [one] => format!("; supported here is {one}"),
            [first @ .., last] => {
                format!("; supported here are {} and {last}", first.join(", "))
            }
        }
    }
}
