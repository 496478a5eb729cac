//! Reads the artefact: zstd over lines of tab-separated fields, see `data/README.md`.
//!
//! The text is leaked once, so every name in [`Definitions`] borrows it and decoding allocates
//! little but the lists.

use std::str::Split;

use crate::definition::{
    ChoiceGroup, CodeSet, CodeSystemCodes, CompartmentDefinition, CompartmentMember, Definitions,
    ElementDefinition, OperationDefinition, OperationLevels, OperationParameter, Primitive,
    SearchComponent, SearchParameterDefinition, SearchParameterKind, TypeDefinition, TypeIndex,
    TypeKind, ValueType, XmlForm,
};

/// The artefact is not what this code reads: the recipe and the reader have parted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// zstd refused the bytes.
    #[error("the definitions are not zstd")]
    Compression,
    /// A line has another form than expected.
    #[error("line {0} of the definitions is not understood")]
    Line(usize),
}

/// Decompresses and reads an artefact that `cargo xtask definitions` wrote.
///
/// # Errors
/// `DecodeError` where the bytes have another form.
pub fn decode(artefact: &[u8]) -> Result<Definitions, DecodeError> {
    let text = zstd::decode_all(artefact)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(DecodeError::Compression)?;
    let text: &'static str = Box::leak(text.into_boxed_str());
    let mut definitions = Definitions::default();
    for (position, line) in text.lines().enumerate() {
        let mut fields = Fields(line.split('\t'));
        read_line(&mut definitions, &mut fields).ok_or(DecodeError::Line(position + 1))?;
    }
    for (position, definition) in definitions.types.iter_mut().enumerate() {
        definition.build_table();
        let index = u16::try_from(position).map_err(|_over| DecodeError::Line(0))?;
        definitions.names.insert(definition.name, TypeIndex(index));
    }
    Ok(definitions)
}

struct Fields(Split<'static, char>);

impl Fields {
    fn text(&mut self) -> Option<&'static str> {
        self.0.next()
    }

    fn optional(&mut self) -> Option<Option<&'static str>> {
        self.text().map(|text| (!text.is_empty()).then_some(text))
    }

    fn list(&mut self) -> Option<Vec<&'static str>> {
        self.text().map(|text| text.split(' ').filter(|item| !item.is_empty()).collect())
    }

    fn number(&mut self) -> Option<u16> {
        self.text()?.parse().ok()
    }

    fn optional_number(&mut self) -> Option<Option<u16>> {
        match self.optional()? {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        }
    }
}

fn read_line(definitions: &mut Definitions, fields: &mut Fields) -> Option<()> {
    match fields.text()? {
        "T" => definitions.types.push(read_type(fields)?),
        "G" => definitions.types.last_mut()?.groups.push(read_group(fields)?),
        "E" => definitions.types.last_mut()?.elements.push(read_element(fields)?),
        "P" => definitions.search_parameters.push(read_search_parameter(fields)?),
        "C" => definitions.search_parameters.last_mut()?.components.push(read_component(fields)?),
        "M" => definitions.compartments.push(read_compartment(fields)?),
        "m" => definitions.compartments.last_mut()?.members.push(read_member(fields)?),
        "O" => definitions.operations.push(read_operation(fields)?),
        "o" => definitions.operations.last_mut()?.parameters.push(read_parameter(fields)?),
        "V" => definitions
            .code_sets
            .push(CodeSet { url: fields.text()?, systems: Vec::with_capacity(1) }),
        "v" => definitions
            .code_sets
            .last_mut()?
            .systems
            .push(CodeSystemCodes { system: fields.text()?, codes: fields.list()? }),
        _ => return None,
    }
    Some(())
}

fn read_type(fields: &mut Fields) -> Option<TypeDefinition> {
    Some(TypeDefinition {
        name: fields.text()?,
        kind: match fields.text()? {
            "R" => TypeKind::Resource,
            "C" => TypeKind::Complex,
            "B" => TypeKind::Backbone,
            _ => return None,
        },
        elements: Vec::with_capacity(usize::from(fields.number()?)),
        groups: Vec::new(),
        table: Vec::new(),
        required: [0; 4],
    })
}

fn read_group(fields: &mut Fields) -> Option<ChoiceGroup> {
    Some(ChoiceGroup { name: fields.text()?, min: fields.number()? })
}

fn read_element(fields: &mut Fields) -> Option<ElementDefinition> {
    let (key, value, min, flags) =
        (fields.text()?, fields.text()?, fields.number()?, fields.text()?);
    Some(ElementDefinition {
        key,
        value: read_value(value)?,
        min,
        repeats: flags.contains('*'),
        group: fields.optional()?.map(str::parse).transpose().ok()?,
        is_summary: flags.contains('s'),
        is_modifier: flags.contains('m'),
        xml: if flags.contains('a') {
            XmlForm::Attribute
        } else if flags.contains('x') {
            XmlForm::Xhtml
        } else {
            XmlForm::Element
        },
        targets: fields.list()?,
        required_codes: fields.optional_number()?,
    })
}

fn read_value(text: &str) -> Option<ValueType> {
    if text == "Resource" {
        return Some(ValueType::Resource);
    }
    Some(match text.strip_prefix('@') {
        Some(index) => ValueType::Complex(TypeIndex(index.parse().ok()?)),
        None => ValueType::Primitive(Primitive::named(text)?),
    })
}

fn read_search_parameter(fields: &mut Fields) -> Option<SearchParameterDefinition> {
    use SearchParameterKind as K;
    Some(SearchParameterDefinition {
        url: fields.text()?,
        code: fields.text()?,
        kind: match fields.text()? {
            "number" => K::Number,
            "date" => K::Date,
            "string" => K::String,
            "token" => K::Token,
            "reference" => K::Reference,
            "composite" => K::Composite,
            "quantity" => K::Quantity,
            "uri" => K::Uri,
            "special" => K::Special,
            _ => return None,
        },
        base: fields.list()?,
        targets: fields.list()?,
        expression: fields.optional()?,
        components: Vec::new(),
    })
}

fn read_component(fields: &mut Fields) -> Option<SearchComponent> {
    Some(SearchComponent { definition: fields.text()?, expression: fields.text()? })
}

fn read_compartment(fields: &mut Fields) -> Option<CompartmentDefinition> {
    Some(CompartmentDefinition { url: fields.text()?, code: fields.text()?, members: Vec::new() })
}

fn read_member(fields: &mut Fields) -> Option<CompartmentMember> {
    Some(CompartmentMember { resource_type: fields.text()?, parameters: fields.list()? })
}

fn read_operation(fields: &mut Fields) -> Option<OperationDefinition> {
    let (url, code, flags) = (fields.text()?, fields.text()?, fields.text()?);
    Some(OperationDefinition {
        url,
        code,
        resource: fields.list()?,
        levels: OperationLevels {
            system: flags.contains('s'),
            type_level: flags.contains('t'),
            instance: flags.contains('i'),
        },
        affects_state: flags.contains('!'),
        parameters: Vec::new(),
    })
}

fn read_parameter(fields: &mut Fields) -> Option<OperationParameter> {
    Some(OperationParameter {
        name: fields.text()?,
        is_input: fields.text()? == "in",
        min: fields.number()?,
        max: fields.text()?,
        value_type: fields.optional()?,
    })
}

impl Primitive {
    /// The primitive of this name: `positiveInt`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|primitive| primitive.name() == name)
    }
}
