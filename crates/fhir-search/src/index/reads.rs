//! What the elements of a parameter hold, for the forms of values that only some of them take.

use fhir_definitions::{Definitions, ElementDefinition, Primitive, ValueType};

/// What a parameter reads. Of an expression that the element tables don't explain everything is
/// taken for possible.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reads {
    is_unknown: bool,
    booleans: bool,
    bare_codes: bool,
    identifiers: bool,
    references: bool,
    canonicals: bool,
}

impl Reads {
    pub(crate) fn unknown() -> Self {
        Self { is_unknown: true, ..Self::default() }
    }

    pub(crate) fn add(
        &mut self,
        definitions: &'static Definitions,
        value: ValueType,
        element: Option<&'static ElementDefinition>,
    ) {
        match value {
            ValueType::Primitive(Primitive::Code) => {
                let set = element.and_then(|element| definitions.codes_of(element));
                self.bare_codes |= set.is_none_or(|set| set.systems.is_empty());
            }
            ValueType::Primitive(Primitive::Boolean) => self.booleans = true,
            ValueType::Primitive(Primitive::Canonical | Primitive::Uri) => self.canonicals = true,
            ValueType::Primitive(_) | ValueType::Resource => {}
            ValueType::Complex(index) => match definitions.get(index).name {
                "Identifier" => self.identifiers = true,
                "Reference" => self.references = true,
                _ => {}
            },
        }
    }

    /// Whether booleans are read: their system is never written.
    pub(crate) const fn has_booleans(self) -> bool {
        self.booleans
    }

    /// Whether codes stand in rows without a system, as no binding implies one.
    pub(crate) const fn has_bare_codes(self) -> bool {
        self.bare_codes || self.is_unknown
    }

    /// Whether identifiers are read, whose types can be asked for.
    pub(crate) const fn has_identifiers(self) -> bool {
        self.identifiers || self.is_unknown
    }

    /// Whether References are read, which may have an identifier.
    pub(crate) const fn has_references(self) -> bool {
        self.references || self.is_unknown
    }

    /// Whether canonicals are read.
    pub(crate) const fn has_canonicals(self) -> bool {
        self.canonicals || self.is_unknown
    }
}
