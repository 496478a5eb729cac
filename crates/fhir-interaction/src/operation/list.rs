//! What an operation is, and what is derived from the list of all of them.

use std::collections::HashMap;
use std::sync::LazyLock;

use fhir_access::Touches;
use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, write};

use super::definition::{Definition, Parameter};
use super::table::OPERATIONS;
use super::{Run, Site};

/// One operation: its definition with the code that answers it.
#[derive(Debug)]
pub struct Operation {
    /// With its `$`.
    pub(super) name: &'static str,
    /// What a caller must be allowed for it.
    pub(super) touches: Touches,
    pub(super) definition: Definition,
    pub(super) levels: Levels,
    /// The types it is for; all where the list is empty.
    pub(super) types: &'static [ResourceType],
    pub(super) methods: Methods,
    pub(super) others: Others,
    pub(super) run: Run,
}

/// Where an operation may be called.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four places, each of which is there or not")]
pub(super) struct Levels {
    pub(super) system: bool,
    pub(super) of_type: bool,
    pub(super) instance: bool,
    pub(super) version: bool,
}

/// Where below the path of a type an operation may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// `/Patient/$name`
    pub on_type: bool,
    /// `/Patient/1/$name`
    pub on_instance: bool,
    /// `/Patient/1/_history/2/$name`
    pub on_version: bool,
}

impl Levels {
    pub(super) const NOWHERE: Self =
        Self { system: false, of_type: false, instance: false, version: false };
    pub(super) const SYSTEM: Self = Self { system: true, ..Self::NOWHERE };
    pub(super) const TYPE: Self = Self { of_type: true, ..Self::NOWHERE };
    pub(super) const INSTANCE: Self = Self { instance: true, ..Self::NOWHERE };
}

/// How an operation may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Methods {
    /// It changes nothing: by GET or by POST.
    Any,
    /// It changes something: by POST alone.
    Post,
    /// It changes the resource that it is called on: by POST alone, and with `If-Match`.
    Change,
    /// By POST it may change something, by GET it only tells.
    PostAndGet,
}

/// What becomes of parameters that the definition doesn't declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// They are refused.
    Refused,
    /// These names are taken too.
    Taken(&'static [&'static str]),
    /// They are parameters of a search.
    Searched,
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.definition.url() == other.definition.url()
    }
}

impl Eq for Operation {}

impl Operation {
    /// The name with its `$`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it takes the parameters of a search.
    pub(super) fn is_search(&self) -> bool {
        matches!(self.others, Others::Searched)
    }

    /// What the gate is to know of it.
    pub(super) fn asked(&self) -> fhir_access::Operation<'static> {
        fhir_access::Operation { name: self.name, touches: self.touches }
    }

    /// Canonical URL of its OperationDefinition.
    #[must_use]
    pub fn definition(&self) -> &'static str {
        self.definition.url()
    }

    /// Whether GET may call it.
    #[must_use]
    pub fn answers_get(&self) -> bool {
        !matches!(self.methods, Methods::Post | Methods::Change)
    }

    /// Whether it may change what is stored.
    #[must_use]
    pub fn affects_state(&self) -> bool {
        self.methods != Methods::Any
    }

    /// Whether a version may be named on which the call depends.
    pub(super) fn takes_conditions(&self) -> bool {
        self.methods == Methods::Change
    }

    /// Whether it may be called on the system.
    #[must_use]
    pub fn on_system(&self) -> bool {
        self.levels.system
    }

    /// Whether it may be called on this type or on its instances.
    #[must_use]
    pub fn on_type(&self, resource_type: ResourceType) -> bool {
        let levels = self.levels;
        (levels.of_type || levels.instance || levels.version) && self.is_for(resource_type)
    }

    /// Where below the path of this type it may be called.
    #[must_use]
    pub fn places_of(&self, resource_type: ResourceType) -> Places {
        let Levels { of_type, instance, version, .. } =
            if self.is_for(resource_type) { self.levels } else { Levels::NOWHERE };
        Places { on_type: of_type, on_instance: instance, on_version: version }
    }

    /// The names of the parameters that it takes.
    #[must_use]
    pub fn inputs_by_name(&self) -> Vec<&'static str> {
        self.inputs().iter().map(|input| input.name).collect()
    }

    /// The types it is for; all where there are none.
    pub(super) fn types(&self) -> &'static [ResourceType] {
        self.types
    }

    /// Whether it may be called on the system, on a type, on an instance.
    pub(super) fn levels(&self) -> (bool, bool, bool) {
        (self.levels.system, self.levels.of_type, self.levels.instance)
    }

    fn is_for(&self, resource_type: ResourceType) -> bool {
        self.types.is_empty() || self.types.contains(&resource_type)
    }

    fn is_at(&self, site: &Site) -> bool {
        let has_level = match site {
            Site::System => self.levels.system,
            Site::Type(_) => self.levels.of_type,
            Site::Instance(_) => self.levels.instance,
            Site::Version(..) => self.levels.version,
        };
        has_level && site.resource_type().is_none_or(|of| self.is_for(of))
    }

    /// The places where it may be called, in words.
    fn places(&self) -> Vec<String> {
        let of = match self.types {
            [] => "[type]".to_owned(),
            types => types.iter().map(|of| of.as_str()).collect::<Vec<_>>().join("|"),
        };
        let name = self.name;
        let places = [
            (self.levels.system, format!("/{name}")),
            (self.levels.of_type, format!("/{of}/{name}")),
            (self.levels.instance, format!("/{of}/[id]/{name}")),
            (self.levels.version, format!("/{of}/[id]/_history/[version]/{name}")),
        ];
        places.into_iter().filter(|(is_there, _)| *is_there).map(|(_, place)| place).collect()
    }

    /// The parameters that it takes.
    pub(super) fn inputs(&self) -> &'static [Parameter] {
        /// By the canonical of the definition; read from it once.
        static INPUTS: LazyLock<HashMap<&str, Vec<Parameter>>> = LazyLock::new(|| {
            let inputs = |operation: &Operation| {
                let parameters = operation.definition.parameters().into_iter();
                parameters.filter(|parameter| parameter.is_input).collect()
            };
            let each = OPERATIONS.iter();
            each.map(|operation| (operation.definition.url(), inputs(operation))).collect()
        });
        INPUTS.get(self.definition.url()).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The operation of this name at a place.
pub(super) fn find(name: &str, site: &Site) -> Result<&'static Operation, Failure> {
    let named = || OPERATIONS.iter().filter(|operation| operation.name == name);
    if let Some(operation) = named().find(|operation| operation.is_at(site)) {
        return Ok(operation);
    }
    let shown: String = name.chars().take(64).collect();
    let text = if named().next().is_none() {
        let hint = fhir_search::hint(name, OPERATIONS.iter().map(|operation| operation.name));
        format!("no operation `{shown}` here{hint}")
    } else {
        let places: Vec<String> = named().flat_map(Operation::places).collect();
        format!("`{shown}` is not called here but as {}", places.join(" or "))
    };
    Err(Failure::new(FailureKind::UnknownOperation, text))
}

/// Writes `,"operation":[…]` for `CapabilityStatement.rest` (no type) or one of its resources;
/// nothing where there is none.
pub(crate) fn write_operations(of: Option<ResourceType>, out: &mut Vec<u8>) {
    let is_there = |operation: &&Operation| match of {
        None => operation.on_system(),
        Some(resource_type) => operation.on_type(resource_type),
    };
    for (at, operation) in OPERATIONS.iter().filter(is_there).enumerate() {
        out.extend_from_slice(if at == 0 { b",\"operation\":[{\"name\":" } else { b",{\"name\":" });
        write::string(operation.name.trim_start_matches('$'), out);
        out.extend_from_slice(b",\"definition\":");
        write::string(operation.definition.url(), out);
        out.push(b'}');
    }
    if OPERATIONS.iter().any(|operation| is_there(&operation)) {
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    use fhir_definitions::r4;

    use super::*;

    #[test]
    fn every_operation_of_the_specification_has_its_definition_and_keeps_to_its_levels() {
        for operation in OPERATIONS {
            let Definition::R4(url) = operation.definition else { continue };
            let found = r4().operations.iter().find(|definition| definition.url == url);
            let found = found.unwrap_or_else(|| panic!("{url} is in the definitions"));
            assert_eq!(operation.name, format!("${}", found.code));
            let (own, levels) = (operation.levels, found.levels);
            assert!(levels.system || !own.system, "{url} on the system");
            assert!(levels.type_level || !own.of_type, "{url} on a type");
            assert!(levels.instance || !(own.instance || own.version), "{url} on an instance");
        }
    }

    #[test]
    fn a_place_without_the_operation_says_where_it_is() {
        let patient = Site::Type(ResourceType::PATIENT);
        let told = |name: &str, site: &Site| find(name, site).unwrap_err().to_string();
        assert!(told("$mets", &patient).contains("did you mean $meta"));
        assert!(told("$meta-add", &patient).contains("/[type]/[id]/$meta-add"));
        assert!(told("$activate", &patient).contains("/SearchParameter/[id]/$activate"));
        assert!(find("$reindex", &Site::System).is_ok());
    }
}
