//! What the artefact holds: types with their elements, search parameters, compartments,
//! operations and the codes of required bindings.

use crate::ResourceType;

/// Index of a type in [`Definitions::types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeIndex(pub u16);

/// All R4 definitions that the server needs at run time.
#[derive(Debug, Default)]
pub struct Definitions {
    /// The concrete resource types first, at their [`ResourceType`] index; then data types and
    /// backbone types, each after its owner.
    pub types: Vec<TypeDefinition>,
    /// All search parameters of the specification, sorted by URL.
    pub search_parameters: Vec<SearchParameterDefinition>,
    /// The five compartments.
    pub compartments: Vec<CompartmentDefinition>,
    /// The operations of the specification, sorted by URL.
    pub operations: Vec<OperationDefinition>,
    /// The codes of bindings of strength `required`.
    pub code_sets: Vec<CodeSet>,
    pub(crate) names: std::collections::HashMap<&'static str, TypeIndex>,
}

impl Definitions {
    /// The type of this name: `Patient`, `HumanName`, `Patient.contact`.
    #[must_use]
    pub fn type_named(&self, name: &str) -> Option<TypeIndex> {
        self.names.get(name).copied()
    }

    /// The definition of a resource type.
    #[must_use]
    pub fn resource(&self, resource_type: ResourceType) -> &TypeDefinition {
        self.get(TypeIndex(resource_type.index()))
    }

    /// The definition at an index that came from this table.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "indices come from this very table")]
    pub fn get(&self, index: TypeIndex) -> &TypeDefinition {
        &self.types[usize::from(index.0)]
    }

    /// The codes an element is bound to, where the binding is required and its codes are known.
    #[must_use]
    pub fn codes_of(&self, element: &ElementDefinition) -> Option<&CodeSet> {
        self.code_sets.get(usize::from(element.required_codes?))
    }
}

/// What kind of thing a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A resource type.
    Resource,
    /// A data type such as `HumanName`.
    Complex,
    /// A nested type such as `Patient.contact`.
    Backbone,
}

/// A resource type, data type or nested type with its elements.
#[derive(Debug)]
pub struct TypeDefinition {
    /// `Patient`, `HumanName`, `Patient.contact`.
    pub name: &'static str,
    /// What kind of type it is.
    pub kind: TypeKind,
    /// In the order of the specification, inherited elements first; choices are expanded, so that
    /// `value[x]` stands as `valueQuantity`, `valueString` and so on.
    pub elements: Vec<ElementDefinition>,
    /// The choice elements; the elements of a group exclude each other.
    pub groups: Vec<ChoiceGroup>,
    /// Open-addressed table from key hash to element position + 1.
    pub(crate) table: Vec<u16>,
    /// Bits of the elements that must stand.
    pub(crate) required: [u64; 4],
}

/// One `value[x]` of a type.
#[derive(Debug)]
pub struct ChoiceGroup {
    /// The name without `[x]`, as FHIRPath writes it.
    pub name: &'static str,
    /// How many of the group's elements must stand: 0 or 1.
    pub min: u16,
}

/// One key of a JSON object.
#[derive(Debug)]
pub struct ElementDefinition {
    /// The JSON key, for instance `valueQuantity`.
    pub key: &'static str,
    /// What stands there.
    pub value: ValueType,
    /// The least count; 0 for members of a choice group, whose minimum is the group's.
    pub min: u16,
    /// Whether the JSON value is an array.
    pub repeats: bool,
    /// Position in [`TypeDefinition::groups`] for choices.
    pub group: Option<u8>,
    /// Whether `_summary=true` keeps the element.
    pub is_summary: bool,
    /// Whether the element changes the meaning of what contains it.
    pub is_modifier: bool,
    /// How XML writes the element.
    pub xml: XmlForm,
    /// Names of the resource types a `Reference` or `canonical` may point to; empty is any.
    pub targets: Vec<&'static str>,
    /// Index into [`Definitions::code_sets`] for a required binding.
    pub required_codes: Option<u16>,
}

/// How XML writes an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlForm {
    /// As a child element.
    Element,
    /// As an attribute of the parent: `id` of elements, `Extension.url`.
    Attribute,
    /// As the XHTML `div` itself.
    Xhtml,
}

/// What stands at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// A primitive, with an optional `_key` sibling.
    Primitive(Primitive),
    /// An object of that type.
    Complex(TypeIndex),
    /// A whole resource of any type.
    Resource,
}

/// The primitive types of R4. Spec: <https://hl7.org/fhir/R4/datatypes.html#primitive>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum Primitive {
    Boolean,
    Integer,
    UnsignedInt,
    PositiveInt,
    Decimal,
    String,
    Markdown,
    Code,
    Id,
    Uri,
    Url,
    Canonical,
    Oid,
    Uuid,
    Base64Binary,
    Date,
    DateTime,
    Time,
    Instant,
    Xhtml,
}

impl Primitive {
    /// Every primitive type.
    pub const ALL: [Self; 20] = [
        Self::Boolean,
        Self::Integer,
        Self::UnsignedInt,
        Self::PositiveInt,
        Self::Decimal,
        Self::String,
        Self::Markdown,
        Self::Code,
        Self::Id,
        Self::Uri,
        Self::Url,
        Self::Canonical,
        Self::Oid,
        Self::Uuid,
        Self::Base64Binary,
        Self::Date,
        Self::DateTime,
        Self::Time,
        Self::Instant,
        Self::Xhtml,
    ];

    /// The primitive that this one is a kind of: `code` is a `string`.
    /// Spec: <https://hl7.org/fhir/R4/datatypes.html>
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Url | Self::Canonical | Self::Oid | Self::Uuid => Some(Self::Uri),
            Self::Code | Self::Id | Self::Markdown => Some(Self::String),
            Self::UnsignedInt | Self::PositiveInt => Some(Self::Integer),
            Self::Boolean
            | Self::Integer
            | Self::Decimal
            | Self::String
            | Self::Uri
            | Self::Base64Binary
            | Self::Date
            | Self::DateTime
            | Self::Time
            | Self::Instant
            | Self::Xhtml => None,
        }
    }

    /// The name in the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::UnsignedInt => "unsignedInt",
            Self::PositiveInt => "positiveInt",
            Self::Decimal => "decimal",
            Self::String => "string",
            Self::Markdown => "markdown",
            Self::Code => "code",
            Self::Id => "id",
            Self::Uri => "uri",
            Self::Url => "url",
            Self::Canonical => "canonical",
            Self::Oid => "oid",
            Self::Uuid => "uuid",
            Self::Base64Binary => "base64Binary",
            Self::Date => "date",
            Self::DateTime => "dateTime",
            Self::Time => "time",
            Self::Instant => "instant",
            Self::Xhtml => "xhtml",
        }
    }
}

/// The kind of a search parameter. Spec: <https://hl7.org/fhir/R4/search.html#ptypes>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub enum SearchParameterKind {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

/// A SearchParameter of the specification.
#[derive(Debug)]
pub struct SearchParameterDefinition {
    /// Canonical URL.
    pub url: &'static str,
    /// The name in a query.
    pub code: &'static str,
    /// Types it belongs to; `Resource` and `DomainResource` stand for all of theirs.
    pub base: Vec<&'static str>,
    /// The kind of its values.
    pub kind: SearchParameterKind,
    /// FHIRPath of its values; none for `_text`, `_content` and the like.
    pub expression: Option<&'static str>,
    /// Resource types a reference parameter may point to.
    pub targets: Vec<&'static str>,
    /// The parts of a composite.
    pub components: Vec<SearchComponent>,
}

/// One part of a composite search parameter.
#[derive(Debug)]
pub struct SearchComponent {
    /// Canonical URL of the part's own SearchParameter.
    pub definition: &'static str,
    /// FHIRPath relative to each value of the composite's expression.
    pub expression: &'static str,
}

/// A CompartmentDefinition.
#[derive(Debug)]
pub struct CompartmentDefinition {
    /// The resource type whose instances have the compartment: `Patient`.
    pub code: &'static str,
    /// Canonical URL.
    pub url: &'static str,
    /// Member types, each with the codes of the reference parameters that make it a member.
    pub members: Vec<CompartmentMember>,
}

/// A resource type inside a compartment.
#[derive(Debug)]
pub struct CompartmentMember {
    /// The member type.
    pub resource_type: &'static str,
    /// Codes of search parameters; `{def}` is the focal resource itself.
    pub parameters: Vec<&'static str>,
}

/// An OperationDefinition.
#[derive(Debug)]
pub struct OperationDefinition {
    /// Canonical URL.
    pub url: &'static str,
    /// The name after the `$`.
    pub code: &'static str,
    /// Resource types it works on.
    pub resource: Vec<&'static str>,
    /// Whether it may be called on the system, on a type, on an instance.
    pub levels: OperationLevels,
    /// Whether it may change state, which keeps it from GET.
    pub affects_state: bool,
    /// Its parameters, outermost level.
    pub parameters: Vec<OperationParameter>,
}

/// Where an operation may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct OperationLevels {
    pub system: bool,
    pub type_level: bool,
    pub instance: bool,
}

/// A parameter of an operation.
#[derive(Debug)]
pub struct OperationParameter {
    /// Its name in Parameters or in the query.
    pub name: &'static str,
    /// Whether it is an input (else an output).
    pub is_input: bool,
    /// The least count.
    pub min: u16,
    /// `*` or a number.
    pub max: &'static str,
    /// Name of its type, where it has one.
    pub value_type: Option<&'static str>,
}

/// The codes of a required binding.
#[derive(Debug)]
pub struct CodeSet {
    /// Canonical URL of the value set, without version.
    pub url: &'static str,
    /// Code systems with their codes, both sorted.
    pub systems: Vec<CodeSystemCodes>,
}

/// The codes of one system.
#[derive(Debug)]
pub struct CodeSystemCodes {
    /// Canonical URL of the system.
    pub system: &'static str,
    /// The codes, sorted.
    pub codes: Vec<&'static str>,
}

impl CodeSet {
    /// Whether any of the systems has this code.
    #[must_use]
    pub fn contains(&self, code: &str) -> bool {
        self.systems.iter().any(|each| each.codes.binary_search(&code).is_ok())
    }
}

impl TypeDefinition {
    /// The element of this JSON key.
    #[must_use]
    pub fn element(&self, key: &str) -> Option<&ElementDefinition> {
        self.position(key).and_then(|position| self.elements.get(position))
    }

    /// The position in [`TypeDefinition::elements`] of this JSON key.
    #[must_use]
    pub fn position(&self, key: &str) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut slot = key_hash(key) & mask;
        loop {
            let position = usize::from(*self.table.get(slot)?).checked_sub(1)?;
            if self.elements.get(position)?.key == key {
                return Some(position);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Builds the table behind [`TypeDefinition::element`]: a power of two, at most half full.
    pub(crate) fn build_table(&mut self) {
        let size = (self.elements.len() * 2).next_power_of_two();
        let mut table = vec![0_u16; size];
        for (position, element) in self.elements.iter().enumerate() {
            let mut slot = key_hash(element.key) & (size - 1);
            while table.get(slot).is_some_and(|used| *used != 0) {
                slot = (slot + 1) & (size - 1);
            }
            if let (Some(free), Ok(number)) = (table.get_mut(slot), u16::try_from(position + 1)) {
                *free = number;
            }
        }
        self.table = table;
        for (position, element) in self.elements.iter().enumerate() {
            if let Some(word) = self.required.get_mut(position / 64).filter(|_| element.min > 0) {
                *word |= 1 << (position % 64);
            }
        }
    }

    /// A bit for each element that must stand, by position: 64 to a word. No type has more than
    /// 256 elements.
    #[must_use]
    pub const fn required(&self) -> [u64; 4] {
        self.required
    }
}

/// A cheap hash of a key: its length and its first and last eight bytes tell keys apart.
fn key_hash(key: &str) -> usize {
    let bytes = key.as_bytes();
    let word = |part: Option<&[u8; 8]>| part.map(|part| u64::from_le_bytes(*part));
    let mixed = match (word(bytes.first_chunk()), word(bytes.last_chunk())) {
        (Some(first), Some(last)) => first ^ last.rotate_left(23),
        _ => bytes.iter().fold(0, |mixed, byte| (mixed << 8) | u64::from(*byte)),
    };
    let hash = (mixed ^ ((bytes.len() as u64) << 59)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    usize::try_from(hash >> 40).unwrap_or(0)
}
