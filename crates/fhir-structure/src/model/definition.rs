//! A StructureDefinition.
//! Spec: <https://hl7.org/fhir/R4/structuredefinition.html>

use std::borrow::Cow;

use fhir_model::{Issue, IssueType, ResourceView, Value};

use super::element::ElementDefinition;
use super::parts::codes;
use super::read::{Reader, extension_value, extensions, items};

const IMPOSE_PROFILE: &str =
    "http://hl7.org/fhir/StructureDefinition/structuredefinition-imposeProfile";

codes! {
    /// What a definition defines.
    Kind {
        /// A primitive type.
        PrimitiveType = "primitive-type",
        /// A data type of several elements, an extension included.
        ComplexType = "complex-type",
        /// A resource.
        Resource = "resource",
        /// Something that is no FHIR resource.
        Logical = "logical",
    }
}

codes! {
    /// What a definition does with its base.
    Derivation {
        /// A new type that adds elements.
        Specialization = "specialization",
        /// A profile that narrows.
        Constraint = "constraint",
    }
}

codes! {
    /// How the place of an extension is said.
    ContextKind {
        /// By `FHIRPath` on the resource.
        FhirPath = "fhirpath",
        /// By the id of an element.
        Element = "element",
        /// By the URL of an extension.
        Extension = "extension",
    }
}

/// Where an extension may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// How it is said.
    pub kind: ContextKind,
    /// `Patient.name`, `Element`, a URL, an expression.
    pub expression: Cow<'a, str>,
}

/// The head of a StructureDefinition, borrowed from its resource; its elements are read when
/// they are asked for.
#[derive(Clone, Debug)]
pub struct StructureDefinition<'a> {
    /// The JSON object, for what has no field here.
    pub json: Value<'a>,
    /// Its canonical URL.
    pub url: Cow<'a, str>,
    /// Its version.
    pub version: Option<Cow<'a, str>>,
    /// Its name for programs.
    pub name: Option<Cow<'a, str>>,
    /// What it defines.
    pub kind: Kind,
    /// Whether nothing can be only this.
    pub is_abstract: bool,
    /// The type that it defines or constrains: `Patient`, `Extension`; a URL with logical models.
    pub type_name: Cow<'a, str>,
    /// The canonical of what it stands on.
    pub base: Option<Cow<'a, str>>,
    /// What it does with its base.
    pub derivation: Option<Derivation>,
    /// Where an extension may be.
    pub contexts: Vec<Context<'a>>,
    /// `FHIRPath` that must hold where an extension is.
    pub context_invariants: Vec<Cow<'a, str>>,
    /// Profiles that whatever conforms to this must conform to as well.
    pub imposes: Vec<Cow<'a, str>>,
}

impl<'a> StructureDefinition<'a> {
    /// Reads the head.
    ///
    /// # Errors
    /// The faults, each with its place, where it is no StructureDefinition or has no `url`, `kind`
    /// or `type`.
    pub fn read(resource: ResourceView<'a>) -> Result<Self, Vec<Issue>> {
        if resource.resource_type.as_str() != "StructureDefinition" {
            let text = format!("expected a StructureDefinition, not {}", resource.resource_type);
            return Err(vec![Issue::error(IssueType::Structure, text)]);
        }
        let json = resource.value;
        let mut faults = Vec::new();
        let mut reader = Reader { place: "StructureDefinition".to_owned(), faults: &mut faults };
        let kind = reader.code(json, "kind", Kind::named);
        if kind.is_none() && json.get("kind").is_none() {
            reader.fault("kind", "expected a value");
        }
        let mut contexts = Vec::new();
        for (index, each) in items(json, "context").enumerate() {
            let mut below = reader.below("context", index);
            let kind = below.code(each, "type", ContextKind::named);
            let expression = below.required(each, "expression");
            contexts.extend(kind.map(|kind| Context { kind, expression }));
        }
        let definition = Self {
            json,
            url: reader.required(json, "url"),
            version: reader.text(json, "version"),
            name: reader.text(json, "name"),
            kind: kind.unwrap_or(Kind::Logical),
            is_abstract: reader.flag(json, "abstract").unwrap_or_default(),
            type_name: reader.required(json, "type"),
            base: reader.text(json, "baseDefinition"),
            derivation: reader.code(json, "derivation", Derivation::named),
            contexts,
            context_invariants: reader.texts(json, "contextInvariant"),
            imposes: extensions(json, IMPOSE_PROFILE)
                .filter_map(extension_value)
                .filter_map(Value::text)
                .collect(),
        };
        if faults.is_empty() { Ok(definition) } else { Err(faults) }
    }

    /// The elements of the snapshot; `None` where there is none.
    ///
    /// # Errors
    /// The faults, each with its place: `StructureDefinition.snapshot.element[3].min`.
    #[must_use]
    pub fn snapshot(&self) -> Option<Result<Vec<ElementDefinition<'a>>, Vec<Issue>>> {
        self.elements("snapshot")
    }

    /// The elements of the differential; `None` where there is none.
    ///
    /// # Errors
    /// The faults, each with its place.
    #[must_use]
    pub fn differential(&self) -> Option<Result<Vec<ElementDefinition<'a>>, Vec<Issue>>> {
        self.elements("differential")
    }

    fn elements(&self, list: &str) -> Option<Result<Vec<ElementDefinition<'a>>, Vec<Issue>>> {
        let view = self.json.get(list)?;
        let mut faults = Vec::new();
        let mut elements = Vec::new();
        for (index, each) in items(view, "element").enumerate() {
            let place = format!("StructureDefinition.{list}.element[{index}]");
            elements.push(ElementDefinition::read(each, index, place, &mut faults));
        }
        Some(if faults.is_empty() { Ok(elements) } else { Err(faults) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Max, SlicingRules, Strength};
    use super::*;
    use crate::r4;
    use fhir_model::Resource;

    #[test]
    fn every_embedded_definition_is_read() {
        for head in r4().heads() {
            let resource = r4().find(head.url).unwrap();
            let definition = StructureDefinition::read(resource.view()).unwrap();
            assert_eq!(definition.kind.code(), head.kind);
            assert_eq!(definition.is_abstract, head.is_abstract);
            for list in [definition.snapshot(), definition.differential()].into_iter().flatten() {
                assert!(!list.unwrap().is_empty(), "{}", head.url);
            }
        }
    }

    #[test]
    fn a_snapshot_has_what_validation_asks() {
        let resource = r4().find("http://hl7.org/fhir/StructureDefinition/bodyheight").unwrap();
        let definition = StructureDefinition::read(resource.view()).unwrap();
        assert_eq!(definition.derivation, Some(Derivation::Constraint));
        let elements = definition.snapshot().unwrap().unwrap();
        let of = |id: &str| elements.iter().find(|each| each.id.as_deref() == Some(id)).unwrap();
        let category = of("Observation.category");
        let slicing = category.slicing.as_ref().unwrap();
        assert_eq!(slicing.rules, SlicingRules::Open);
        assert_eq!(slicing.discriminators.len(), 2);
        assert_eq!(category.base.as_ref().unwrap().max, Max::Unbounded);
        let code = of("Observation.category:VSCat.coding.code");
        assert_eq!(code.fixed.as_ref().unwrap().suffix, "Code");
        let status = of("Observation.status").binding.as_ref().unwrap();
        assert_eq!(status.strength, Strength::Required);
        let id = of("Observation.id").types.first().unwrap();
        assert_eq!(
            (id.code.as_ref(), id.name()),
            ("http://hl7.org/fhirpath/System.String", "string")
        );
        assert_eq!(of("Observation.subject").types.first().unwrap().target_profiles.len(), 1);
    }

    #[test]
    fn faults_say_where() {
        let json =
            br#"{"resourceType":"StructureDefinition","url":"u","kind":"resource","type":"T",
            "snapshot":{"element":[{"path":"T"},{"path":"T..a","min":-1,"max":"many",
            "slicing":{"rules":"ajar"},"type":[{}],"binding":{"strength":7}},[]]}}"#;
        let resource = Resource::trusted(json.to_vec()).unwrap();
        let definition = StructureDefinition::read(resource.view()).unwrap();
        let faults = definition.snapshot().unwrap().unwrap_err();
        let places: Vec<&str> =
            faults.iter().filter_map(|fault| fault.expression.as_deref()).collect();
        let element = |text: &str| format!("StructureDefinition.snapshot.element[{text}");
        for place in [
            "1].path",
            "1].min",
            "1].max",
            "1].slicing[0].rules",
            "1].type[0].code",
            "1].binding[0].strength",
            "2].path",
        ] {
            assert!(places.contains(&element(place).as_str()), "{place} in {places:?}");
        }
    }
}
