//! A code system: its concepts, their hierarchy and their properties.

use std::collections::HashSet;

use fhir_model::{ResourceView, Value};

use crate::fault::Fault;

/// How much of a code system its resource holds: `CodeSystem.content`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All codes.
    Complete,
    /// A part of them: `fragment` or `example`.
    Part,
    /// None of them: `not-present`, or a `supplement` to another system.
    Absent,
}

impl Content {
    pub(crate) fn named(text: &str) -> Self {
        match text {
            "complete" => Self::Complete,
            "fragment" | "example" => Self::Part,
            _ => Self::Absent,
        }
    }
}

/// A code system, from a resource or from the embedded definitions.
#[derive(Clone, Debug)]
pub struct CodeSystem {
    /// Canonical URL.
    pub url: String,
    /// Version, where it has one.
    pub version: Option<String>,
    /// Name for computers.
    pub name: Option<String>,
    /// Whether codes that differ in case are different; `None` where it doesn't say.
    pub is_case_sensitive: Option<bool>,
    /// How much of it is here.
    pub content: Content,
    /// `hierarchyMeaning`.
    pub hierarchy: Option<String>,
    concepts: Vec<Concept>,
    /// Positions of the concepts in the order of their codes.
    order: Vec<usize>,
    properties: Vec<String>,
}

/// A concept of a code system.
#[derive(Clone, Debug, Default)]
pub struct Concept {
    /// The code as the system writes it.
    pub code: String,
    /// Name for people.
    pub display: Option<String>,
    /// Whether it stands for its group only.
    pub is_abstract: bool,
    /// Whether it is retired.
    pub is_inactive: bool,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) parents: Vec<usize>,
    pub(crate) children: Vec<usize>,
}

impl Concept {
    /// The values of a property, in the order of the resource.
    pub(crate) fn values<'a>(&'a self, property: &'a str) -> impl Iterator<Item = &'a str> {
        self.properties
            .iter()
            .filter(move |(name, _)| name == property)
            .map(|(_, value)| value.as_str())
    }
}

impl CodeSystem {
    /// A CodeSystem resource; `None` where it has no url.
    pub(crate) fn of(view: ResourceView<'_>) -> Option<Self> {
        let value = view.value;
        let mut builder =
            Builder::new(text(value, "url")?, Content::named(&text(value, "content")?));
        builder.system.version = text(value, "version");
        builder.system.name = text(value, "name");
        builder.system.is_case_sensitive =
            value.get("caseSensitive").and_then(Value::literal).map(|literal| literal == "true");
        builder.system.hierarchy = text(value, "hierarchyMeaning");
        for property in items(value, "property") {
            if let Some(code) = text(property, "code") {
                builder.property(code, text(property, "uri").as_deref());
            }
        }
        add_concepts(&mut builder, value, None);
        Some(builder.finish())
    }

    /// All concepts, in the order of the resource: parents before their nested children.
    #[must_use]
    pub fn concepts(&self) -> &[Concept] {
        &self.concepts
    }

    /// The concept of this code; in any case where the system does not insist on case.
    #[must_use]
    pub fn concept(&self, code: &str) -> Option<&Concept> {
        self.concepts.get(self.position(code)?)
    }

    pub(crate) fn position(&self, code: &str) -> Option<usize> {
        let code_at = |at: &usize| self.concepts.get(*at).map_or("", |it| it.code.as_str());
        if let Ok(found) = self.order.binary_search_by(|at| code_at(at).cmp(code)) {
            return self.order.get(found).copied();
        }
        if self.is_case_sensitive == Some(true) {
            return None;
        }
        let folded = code.to_lowercase();
        self.concepts.iter().position(|concept| concept.code.to_lowercase() == folded)
    }

    /// Whether the system declares a property or a concept has it.
    pub(crate) fn has_property(&self, property: &str) -> bool {
        self.properties.iter().any(|declared| declared == property)
            || self.concepts.iter().any(|concept| concept.values(property).next().is_some())
    }

    /// The concept at a position and all that it subsumes, as marks on all positions.
    pub(crate) fn below(&self, at: usize) -> Result<HashSet<usize>, Fault> {
        self.walk(at, |concept| &concept.children)
    }

    /// The concept at a position and all that subsume it.
    pub(crate) fn above(&self, at: usize) -> Result<HashSet<usize>, Fault> {
        self.walk(at, |concept| &concept.parents)
    }

    /// Positions that a walk reaches; a hierarchy with circles ends as well.
    fn walk(
        &self,
        at: usize,
        next: impl Fn(&Concept) -> &Vec<usize>,
    ) -> Result<HashSet<usize>, Fault> {
        let mut found = HashSet::from([at]);
        let mut open = vec![at];
        while let Some(concept) = open.pop().and_then(|at| self.concepts.get(at)) {
            for other in next(concept) {
                if found.insert(*other) {
                    open.push(*other);
                }
            }
        }
        match self.hierarchy.as_deref() {
            Some(meaning @ ("part-of" | "grouped-by")) if found.len() > 1 => {
                let (system, meaning) = (self.url.clone(), meaning.to_owned());
                Err(Fault::NoSubsumption { system, meaning })
            }
            _ => Ok(found),
        }
    }
}

/// What a property says of all code systems, whatever they call it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Parent,
    Child,
    Inactive,
    NotSelectable,
    Status,
}

/// Spec: <https://hl7.org/fhir/R4/codesystem.html#defined-props>
fn role(code: &str, uri: Option<&str>) -> Option<Role> {
    let known = uri.and_then(|uri| uri.strip_prefix("http://hl7.org/fhir/concept-properties#"));
    Some(match known.unwrap_or(code) {
        "parent" | "subsumedBy" => Role::Parent,
        "child" => Role::Child,
        "inactive" => Role::Inactive,
        "notSelectable" | "abstract" => Role::NotSelectable,
        "status" => Role::Status,
        _ => return None,
    })
}

/// Puts a code system together, concept by concept.
pub(crate) struct Builder {
    pub(crate) system: CodeSystem,
    roles: Vec<(String, Role)>,
}

impl Builder {
    pub(crate) fn new(url: String, content: Content) -> Self {
        let system = CodeSystem {
            url,
            version: None,
            name: None,
            is_case_sensitive: None,
            content,
            hierarchy: None,
            concepts: Vec::new(),
            order: Vec::new(),
            properties: Vec::new(),
        };
        Self { system, roles: Vec::new() }
    }

    /// Declares a property.
    pub(crate) fn property(&mut self, code: String, uri: Option<&str>) {
        if let Some(role) = role(&code, uri) {
            self.roles.push((code.clone(), role));
        }
        self.system.properties.push(code);
    }

    /// Adds a concept below the one at `parent`, and gives its position.
    pub(crate) fn concept(
        &mut self,
        parent: Option<usize>,
        code: String,
        display: Option<String>,
        properties: Vec<(String, String)>,
    ) -> usize {
        let mut concept = Concept { code, display, properties, ..Concept::default() };
        for (name, value) in &concept.properties {
            match self.role(name) {
                Some(Role::Inactive) if value == "true" => concept.is_inactive = true,
                Some(Role::Status) if matches!(value.as_str(), "retired" | "inactive") => {
                    concept.is_inactive = true;
                }
                Some(Role::NotSelectable) if value == "true" => concept.is_abstract = true,
                Some(
                    Role::Inactive
                    | Role::Status
                    | Role::NotSelectable
                    | Role::Parent
                    | Role::Child,
                )
                | None => {}
            }
        }
        concept.parents.extend(parent);
        let at = self.system.concepts.len();
        self.system.concepts.push(concept);
        at
    }

    /// Orders the codes and joins parents and children.
    pub(crate) fn finish(mut self) -> CodeSystem {
        let concepts = &self.system.concepts;
        let mut order: Vec<usize> = (0..concepts.len()).collect();
        let code = |at: &usize| concepts.get(*at).map_or("", |it| it.code.as_str());
        order.sort_by(|one, other| code(one).cmp(code(other)));
        self.system.order = order;
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for (at, concept) in self.system.concepts.iter().enumerate() {
            edges.extend(concept.parents.iter().map(|parent| (*parent, at)));
            for (name, value) in &concept.properties {
                let Some(other) = self.hierarchical(name).and_then(|_| self.system.position(value))
                else {
                    continue;
                };
                edges.push(match self.role(name) {
                    Some(Role::Child) => (at, other),
                    _ => (other, at),
                });
            }
        }
        edges.sort_unstable();
        edges.dedup();
        for concept in &mut self.system.concepts {
            concept.parents.clear();
        }
        for (parent, child) in edges {
            if let Some(concept) = self.system.concepts.get_mut(parent) {
                concept.children.push(child);
            }
            if let Some(concept) = self.system.concepts.get_mut(child) {
                concept.parents.push(parent);
            }
        }
        self.system
    }

    fn hierarchical(&self, name: &str) -> Option<Role> {
        self.role(name).filter(|role| matches!(role, Role::Parent | Role::Child))
    }

    fn role(&self, name: &str) -> Option<Role> {
        let declared = self.roles.iter().find(|(code, _)| code == name).map(|(_, role)| *role);
        let is_declared = || self.system.properties.iter().any(|code| code == name);
        declared.or_else(|| if is_declared() { None } else { role(name, None) })
    }
}

fn add_concepts(builder: &mut Builder, owner: Value<'_>, parent: Option<usize>) {
    for concept in items(owner, "concept") {
        let Some(code) = text(concept, "code") else { continue };
        let properties = items(concept, "property").filter_map(property).collect();
        let at = builder.concept(parent, code, text(concept, "display"), properties);
        add_concepts(builder, concept, Some(at));
    }
}

/// Name and value of a property; of a Coding the code.
fn property(property: Value<'_>) -> Option<(String, String)> {
    let name = text(property, "code")?;
    let value = property.members().find(|(key, _)| key.starts_with("value"))?.1;
    let value = value
        .text()
        .map(std::borrow::Cow::into_owned)
        .or_else(|| value.literal().map(str::to_owned))
        .or_else(|| text(value, "code"))?;
    Some((name, value))
}

pub(crate) fn text(value: Value<'_>, key: &str) -> Option<String> {
    value.get(key)?.text().filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
}

pub(crate) fn items<'a>(value: Value<'a>, key: &str) -> impl Iterator<Item = Value<'a>> {
    value.get(key).into_iter().flat_map(Value::items)
}
