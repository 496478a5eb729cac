//! The types that expressions can name, and which of them is a kind of which.
//!
//! Spec: <https://hl7.org/fhir/R4/fhirpath.html#types>

use std::fmt;

use fhir_definitions::{Primitive, ResourceType, TypeDefinition, TypeIndex, TypeKind};

/// The types of FHIRPath itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum SystemType {
    Boolean,
    String,
    Integer,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
}

impl SystemType {
    const ALL: [Self; 8] = [
        Self::Boolean,
        Self::String,
        Self::Integer,
        Self::Decimal,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Quantity,
    ];

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::String => "String",
            Self::Integer => "Integer",
            Self::Decimal => "Decimal",
            Self::Date => "Date",
            Self::DateTime => "DateTime",
            Self::Time => "Time",
            Self::Quantity => "Quantity",
        }
    }
}

/// A type of FHIRPath or of FHIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// A type of the namespace `System`.
    System(SystemType),
    /// A primitive type of FHIR.
    Primitive(Primitive),
    /// A resource type, a data type or a nested type of FHIR.
    Complex(TypeIndex),
    /// `Element`, which every data type is.
    Element,
    /// `BackboneElement`: what has modifier extensions and is no resource.
    BackboneElement,
    /// `Resource`, which every resource is.
    Resource,
    /// `DomainResource`: a resource that can contain others.
    DomainResource,
}

impl Type {
    /// The type of a resource.
    #[must_use]
    pub const fn of_resource(resource_type: ResourceType) -> Self {
        Self::Complex(TypeIndex(resource_type.index()))
    }

    /// The type of FHIR with this name: `Patient`, `HumanName`, `dateTime`, `Patient.contact`,
    /// `DomainResource`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::fhir(name)
    }

    /// The type of FHIR with this name.
    pub(crate) fn fhir(name: &str) -> Option<Self> {
        match name {
            "Element" => Some(Self::Element),
            "BackboneElement" => Some(Self::BackboneElement),
            "Resource" => Some(Self::Resource),
            "DomainResource" => Some(Self::DomainResource),
            "SimpleQuantity" | "MoneyQuantity" => Self::fhir("Quantity"),
            _ => Primitive::ALL
                .into_iter()
                .find(|primitive| primitive.name() == name)
                .map(Self::Primitive)
                .or_else(|| fhir_definitions::r4().type_named(name).map(Self::Complex)),
        }
    }

    fn system(name: &str) -> Option<Self> {
        SystemType::ALL.into_iter().find(|each| each.name() == name).map(Self::System)
    }

    /// The name without its namespace: `Patient`, `dateTime`, `Boolean`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System(system) => system.name(),
            Self::Primitive(primitive) => primitive.name(),
            Self::Complex(index) => fhir_definitions::r4().get(index).name,
            Self::Element => "Element",
            Self::BackboneElement => "BackboneElement",
            Self::Resource => "Resource",
            Self::DomainResource => "DomainResource",
        }
    }

    /// `System` or `FHIR`.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::System(_) => "System",
            Self::Primitive(_)
            | Self::Complex(_)
            | Self::Element
            | Self::BackboneElement
            | Self::Resource
            | Self::DomainResource => "FHIR",
        }
    }

    /// The definition of a type with elements.
    pub(crate) fn definition(self) -> Option<&'static TypeDefinition> {
        let Self::Complex(index) = self else { return None };
        Some(fhir_definitions::r4().get(index))
    }

    /// Whether this is a type of resources.
    #[must_use]
    pub fn is_resource(self) -> bool {
        match self {
            Self::Resource | Self::DomainResource => true,
            Self::Complex(_) => {
                self.definition().is_some_and(|found| found.kind == TypeKind::Resource)
            }
            Self::System(_) | Self::Primitive(_) | Self::Element | Self::BackboneElement => false,
        }
    }

    /// Whether everything of this type is of the type `wanted` too.
    #[must_use]
    pub fn is_a(self, wanted: Self) -> bool {
        if self == wanted {
            return true;
        }
        match wanted {
            Self::System(_) => false,
            Self::Primitive(general) => {
                matches!(self, Self::Primitive(special) if special.parent() == Some(general))
            }
            Self::Complex(_) => {
                wanted.name() == "Quantity"
                    && matches!(self.name(), "Age" | "Count" | "Distance" | "Duration")
            }
            Self::Element => match self {
                Self::Primitive(_) | Self::BackboneElement => true,
                Self::Complex(_) => !self.is_resource(),
                Self::System(_) | Self::Element | Self::Resource | Self::DomainResource => false,
            },
            Self::BackboneElement => !self.is_resource() && self.has("modifierExtension"),
            Self::Resource => self.is_resource(),
            Self::DomainResource => self.is_resource() && self.has("contained"),
        }
    }

    fn has(self, key: &str) -> bool {
        self.definition().is_some_and(|definition| definition.element(key).is_some())
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.namespace(), self.name())
    }
}

/// A type as an expression names it.
///
/// A name without a namespace is one of FHIR before one of FHIRPath, and one of FHIRPath names
/// the primitive of FHIR with such values as well: the invariants of R4 write
/// `answer is Boolean`, and every Quantity is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TypeSpecifier {
    pub(crate) first: Type,
    pub(crate) also: Option<Type>,
}

impl TypeSpecifier {
    pub(crate) fn named(namespace: Option<&str>, name: &str) -> Option<Self> {
        let only = |found| Self { first: found, also: None };
        match namespace {
            Some("FHIR") => Type::fhir(name).map(only),
            Some("System") => Type::system(name).map(only),
            Some(_) => None,
            None => match (Type::fhir(name), Type::system(name)) {
                (Some(first), also) => Some(Self { first, also }),
                (None, Some(first)) => {
                    let (initial, rest) = name.split_at_checked(1)?;
                    let also = Type::fhir(&(initial.to_ascii_lowercase() + rest));
                    Some(Self { first, also })
                }
                (None, None) => None,
            },
        }
    }

    pub(crate) fn takes(self, found: Type) -> bool {
        found.is_a(self.first) || self.also.is_some_and(|also| found.is_a(also))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_kinds_of_others() {
        let is = |one: &str, other: &str| Type::fhir(one).unwrap().is_a(Type::fhir(other).unwrap());
        assert!(is("Patient", "DomainResource") && is("Patient", "Resource"));
        assert!(is("Bundle", "Resource") && !is("Bundle", "DomainResource"));
        assert!(is("code", "string") && !is("string", "code"));
        assert!(is("canonical", "uri") && is("Age", "Quantity") && !is("Quantity", "Age"));
        assert!(is("Patient.contact", "BackboneElement") && !is("HumanName", "BackboneElement"));
        assert!(is("HumanName", "Element") && is("Dosage", "BackboneElement"));
        assert!(!is("Patient", "Element"));
    }

    #[test]
    fn names_without_a_namespace_are_read_kindly() {
        let takes =
            |name: &str, found: Type| TypeSpecifier::named(None, name).unwrap().takes(found);
        assert!(takes("Boolean", Type::Primitive(Primitive::Boolean)));
        assert!(takes("Boolean", Type::System(SystemType::Boolean)));
        assert!(!takes("boolean", Type::System(SystemType::Boolean)));
        assert!(takes("Quantity", Type::System(SystemType::Quantity)));
        let system = TypeSpecifier::named(Some("System"), "Boolean").unwrap();
        assert!(!system.takes(Type::Primitive(Primitive::Boolean)));
        assert!(TypeSpecifier::named(None, "Nothing").is_none());
    }
}
