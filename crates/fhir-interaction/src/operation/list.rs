//! All operations, and what is derived from the list.

use std::future::ready;

use fhir_definitions::ResourceType;
use fhir_model::{Failure, FailureKind, write};

use super::definition::{Definition, Parameter};
use super::{
    Run, Site, closure, convert, definition as own, document, everything, expand, fhirpath, lastn,
    lookup, meta, package, purge, search_parameter, snapshot, stats, translate, validate,
    validate_code, value_sets,
};
use crate::cursor;

/// One operation: its definition with the code that answers it.
#[derive(Debug)]
pub struct Operation {
    /// With its `$`.
    pub(super) name: &'static str,
    pub(super) definition: Definition,
    levels: Levels,
    /// The types it is for; all where the list is empty.
    types: &'static [ResourceType],
    methods: Methods,
    pub(super) others: Others,
    pub(super) run: Run,
}

/// Where an operation may be called.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four places, each of which is there or not")]
struct Levels {
    system: bool,
    of_type: bool,
    instance: bool,
    version: bool,
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

const NOWHERE: Levels = Levels { system: false, of_type: false, instance: false, version: false };
const SYSTEM: Levels = Levels { system: true, ..NOWHERE };
const TYPE: Levels = Levels { of_type: true, ..NOWHERE };
const INSTANCE: Levels = Levels { instance: true, ..NOWHERE };

/// How an operation may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Methods {
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
            if self.is_for(resource_type) { self.levels } else { NOWHERE };
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
    pub(super) fn inputs(&self) -> Vec<Parameter> {
        let parameters = self.definition.parameters();
        parameters.into_iter().filter(|parameter| parameter.is_input).collect()
    }
}

/// The operation of this name at a place.
pub(super) fn find(name: &str, site: &Site) -> Result<&'static Operation, Failure> {
    let named: Vec<_> = OPERATIONS.iter().filter(|operation| operation.name == name).collect();
    if let Some(operation) = named.iter().find(|operation| operation.is_at(site)) {
        return Ok(operation);
    }
    let shown: String = name.chars().take(64).collect();
    let text = if named.is_empty() {
        let hint = fhir_search::hint(name, OPERATIONS.iter().map(|operation| operation.name));
        format!("no operation `{shown}` here{hint}")
    } else {
        let places: Vec<String> = named.iter().flat_map(|operation| operation.places()).collect();
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

/// All operations of the server.
pub static OPERATIONS: &[Operation] = &[
    Operation {
        name: "$validate",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Resource-validate"),
        levels: Levels { of_type: true, ..INSTANCE },
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(validate::validate(call)),
    },
    Operation {
        name: "$validate",
        definition: Definition::Own(&own::VALIDATE),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(validate::validate(call)),
    },
    Operation {
        name: "$snapshot",
        definition: Definition::R4(
            "http://hl7.org/fhir/OperationDefinition/StructureDefinition-snapshot",
        ),
        levels: Levels { of_type: true, ..INSTANCE },
        types: &[ResourceType::STRUCTURE_DEFINITION],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(snapshot::snapshot(call)),
    },
    Operation {
        name: "$meta",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Resource-meta"),
        levels: Levels { instance: true, version: true, of_type: true, system: true },
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(meta::meta(call)),
    },
    Operation {
        name: "$meta-add",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Resource-meta-add"),
        levels: INSTANCE,
        types: &[],
        methods: Methods::Change,
        others: Others::Refused,
        run: |call| Box::pin(meta::add(call)),
    },
    Operation {
        name: "$meta-delete",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete"),
        levels: INSTANCE,
        types: &[],
        methods: Methods::Change,
        others: Others::Refused,
        run: |call| Box::pin(meta::delete(call)),
    },
    Operation {
        name: "$convert",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Resource-convert"),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(ready(convert::convert(&call))),
    },
    Operation {
        name: "$everything",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Patient-everything"),
        levels: INSTANCE,
        types: &[ResourceType::PATIENT],
        methods: Methods::Any,
        others: Others::Taken(&[cursor::PARAMETER]),
        run: |call| Box::pin(everything::everything(call)),
    },
    Operation {
        name: "$everything",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Encounter-everything"),
        levels: INSTANCE,
        types: &[ResourceType::ENCOUNTER],
        methods: Methods::Any,
        others: Others::Taken(&[cursor::PARAMETER]),
        run: |call| Box::pin(everything::everything(call)),
    },
    Operation {
        name: "$lastn",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Observation-lastn"),
        levels: TYPE,
        types: &[ResourceType::OBSERVATION],
        methods: Methods::Any,
        others: Others::Searched,
        run: |call| Box::pin(lastn::lastn(call)),
    },
    Operation {
        name: "$document",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/Composition-document"),
        levels: Levels { of_type: true, ..INSTANCE },
        types: &[ResourceType::COMPOSITION],
        methods: Methods::PostAndGet,
        others: Others::Refused,
        run: |call| Box::pin(document::document(call)),
    },
    Operation {
        name: "$purge",
        definition: Definition::Own(&own::PURGE),
        levels: INSTANCE,
        types: &[],
        methods: Methods::Post,
        others: Others::Refused,
        run: |call| Box::pin(purge::purge(call)),
    },
    Operation {
        name: "$fhirpath",
        definition: Definition::Own(&own::FHIRPATH),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(ready(fhirpath::fhirpath(&call))),
    },
    Operation {
        name: "$kantele-package-install",
        definition: Definition::Own(&own::PACKAGE_INSTALL),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Post,
        others: Others::Refused,
        run: |call| Box::pin(package::install(call)),
    },
    Operation {
        name: "$kantele-package-uninstall",
        definition: Definition::Own(&own::PACKAGE_UNINSTALL),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Post,
        others: Others::Refused,
        run: |call| Box::pin(package::uninstall(call)),
    },
    Operation {
        name: "$kantele-package-list",
        definition: Definition::Own(&own::PACKAGE_LIST),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(ready(Ok(package::list(&call)))),
    },
    Operation {
        name: "$expand",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
        levels: Levels { of_type: true, ..INSTANCE },
        types: validate_code::ON_VALUE_SET,
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(expand::expand(call)),
    },
    Operation {
        name: "$validate-code",
        definition: Definition::R4(
            "http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
        ),
        levels: Levels { of_type: true, ..INSTANCE },
        types: validate_code::ON_VALUE_SET,
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(validate_code::in_value_set(call)),
    },
    Operation {
        name: "$validate-code",
        definition: Definition::R4(
            "http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code",
        ),
        levels: Levels { of_type: true, ..INSTANCE },
        types: validate_code::ON_CODE_SYSTEM,
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(validate_code::in_code_system(call)),
    },
    Operation {
        name: "$lookup",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
        levels: TYPE,
        types: validate_code::ON_CODE_SYSTEM,
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(lookup::lookup(call)),
    },
    Operation {
        name: "$subsumes",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes"),
        levels: Levels { of_type: true, ..INSTANCE },
        types: validate_code::ON_CODE_SYSTEM,
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(lookup::subsumes(call)),
    },
    Operation {
        name: "$translate",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
        levels: Levels { of_type: true, ..INSTANCE },
        types: validate_code::ON_CONCEPT_MAP,
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(translate::translate(call)),
    },
    Operation {
        name: "$closure",
        definition: Definition::R4("http://hl7.org/fhir/OperationDefinition/ConceptMap-closure"),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Post,
        others: Others::Refused,
        run: |call| Box::pin(closure::closure(call)),
    },
    Operation {
        name: "$kantele-value-sets",
        definition: Definition::Own(&own::VALUE_SETS),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(value_sets::value_sets(call)),
    },
    Operation {
        name: "$kantele-stats",
        definition: Definition::Own(&own::STATS),
        levels: SYSTEM,
        types: &[],
        methods: Methods::Any,
        others: Others::Refused,
        run: |call| Box::pin(stats::stats(call)),
    },
    Operation {
        name: "$activate",
        definition: Definition::Own(&own::ACTIVATE),
        levels: INSTANCE,
        types: &[ResourceType::SEARCH_PARAMETER],
        methods: Methods::Post,
        others: Others::Refused,
        run: |call| Box::pin(search_parameter::activate(call)),
    },
    Operation {
        name: "$deactivate",
        definition: Definition::Own(&own::DEACTIVATE),
        levels: INSTANCE,
        types: &[ResourceType::SEARCH_PARAMETER],
        methods: Methods::Post,
        others: Others::Refused,
        run: |call| Box::pin(search_parameter::deactivate(call)),
    },
    Operation {
        name: "$reindex",
        definition: Definition::Own(&own::REINDEX),
        levels: SYSTEM,
        types: &[],
        methods: Methods::PostAndGet,
        others: Others::Refused,
        run: |call| Box::pin(ready(search_parameter::reindex(&call))),
    },
];

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
