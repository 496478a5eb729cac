//! Puts a code system together, concept by concept.

use std::collections::HashMap;
use std::sync::Arc;

use super::body::{ABSTRACT, Body, INACTIVE, NONE, NamedText, PropertyValue, Rows, Span, number};
use super::{CodeSystem, Content, DeclaredProperty, Use, ValueKind};

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

/// What is said of the concept that was added last goes to it.
pub(crate) struct Builder {
    pub(crate) system: CodeSystem,
    body: Body,
    roles: Vec<Option<Role>>,
    names: HashMap<String, u16>,
    languages: HashMap<String, u16>,
    values: Vec<(u32, PropertyValue)>,
    designations: Vec<(u32, NamedText)>,
    /// Parent and child.
    edges: Vec<(u32, u32)>,
}

impl Builder {
    pub(crate) fn new(url: String, content: Content) -> Self {
        let system = CodeSystem {
            url,
            version: None,
            name: None,
            title: None,
            language: None,
            value_set: None,
            is_case_sensitive: None,
            content,
            hierarchy: None,
            properties: Vec::new(),
            supplements: Vec::new(),
            body: Arc::default(),
            added: HashMap::new(),
        };
        Self {
            system,
            body: Body::default(),
            roles: Vec::new(),
            names: HashMap::new(),
            languages: HashMap::new(),
            values: Vec::new(),
            designations: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// Declares a property.
    pub(crate) fn property(&mut self, declared: DeclaredProperty) {
        let is = role(&declared.code, declared.uri.as_deref());
        let name = self.name(&declared.code);
        if let Some(known) = self.roles.get_mut(usize::from(name)) {
            *known = is;
        }
        self.system.properties.push(declared);
    }

    /// Adds a concept below the one at `parent`, and gives its position.
    pub(crate) fn concept(
        &mut self,
        parent: Option<u32>,
        code: &str,
        display: Option<&str>,
    ) -> u32 {
        let at = self.body.len();
        let code = self.push(code);
        let display = self.push(display.unwrap_or_default());
        self.body.codes.push(code);
        self.body.displays.push(display);
        self.body.definitions.push(Span::default());
        self.body.flags.push(0);
        self.edges.extend(parent.map(|parent| (parent, at)));
        at
    }

    /// The position of the concept that was added last.
    fn last(&self) -> u32 {
        self.body.len().saturating_sub(1)
    }

    pub(crate) fn definition(&mut self, text: &str) {
        let span = self.push(text);
        if let Some(last) = self.body.definitions.last_mut() {
            *last = span;
        }
    }

    /// The concept that was added last is retired.
    pub(crate) fn is_inactive(&mut self) {
        self.flag(INACTIVE);
    }

    /// The concept that was added last stands for its group only.
    pub(crate) fn is_abstract(&mut self) {
        self.flag(ABSTRACT);
    }

    /// Says that one concept is directly above another.
    pub(crate) fn edge(&mut self, parent: u32, child: u32) {
        self.edges.push((parent, child));
    }

    fn flag(&mut self, flag: u8) {
        if let Some(last) = self.body.flags.last_mut() {
            *last |= flag;
        }
    }

    pub(crate) fn value(&mut self, code: &str, kind: ValueKind, value: &str) {
        let name = self.name(code);
        match self.roles.get(usize::from(name)).copied().flatten() {
            Some(Role::Inactive) if value == "true" => self.flag(INACTIVE),
            Some(Role::Status) if matches!(value, "retired" | "inactive") => self.flag(INACTIVE),
            Some(Role::NotSelectable) if value == "true" => self.flag(ABSTRACT),
            Some(
                Role::Inactive | Role::Status | Role::NotSelectable | Role::Parent | Role::Child,
            )
            | None => {}
        }
        let text = self.push(value);
        self.values.push((self.last(), PropertyValue { name, kind, text }));
    }

    pub(crate) fn designation(&mut self, language: Option<&str>, usage: Option<Use>, value: &str) {
        let language = language.map_or(NONE, |language| self.language(language));
        let usage = usage.map_or(NONE, |usage| self.usage(usage));
        let text = self.push(value);
        self.designations.push((self.last(), NamedText { language, usage, text }));
    }

    fn push(&mut self, text: &str) -> Span {
        let start = number(self.body.text.len());
        self.body.text.push_str(text);
        Span { start, len: number(text.len()) }
    }

    fn name(&mut self, code: &str) -> u16 {
        if let Some(known) = self.names.get(code) {
            return *known;
        }
        let next = short(self.body.names.len());
        self.body.names.push(code.to_owned());
        self.roles.push(role(code, None));
        self.names.insert(code.to_owned(), next);
        next
    }

    fn language(&mut self, language: &str) -> u16 {
        if let Some(known) = self.languages.get(language) {
            return *known;
        }
        let next = short(self.body.languages.len());
        self.body.languages.push(language.to_owned());
        self.languages.insert(language.to_owned(), next);
        next
    }

    fn usage(&mut self, usage: Use) -> u16 {
        match self.body.uses.iter().position(|known| *known == usage) {
            Some(known) => short(known),
            None => {
                self.body.uses.push(usage);
                short(self.body.uses.len() - 1)
            }
        }
    }

    /// Orders the codes and joins parents and children.
    pub(crate) fn finish(mut self) -> CodeSystem {
        let mut order: Vec<u32> = (0..self.body.len()).collect();
        order.sort_by(|one, other| self.body.code(*one).cmp(self.body.code(*other)));
        self.body.order = order;
        let is_case_sensitive = self.system.is_case_sensitive == Some(true);
        for (at, value) in &self.values {
            let Some(role) = self.roles.get(usize::from(value.name)).copied().flatten() else {
                continue;
            };
            if !matches!(role, Role::Parent | Role::Child) {
                continue;
            }
            let code = self.body.text(value.text);
            let code = code.split(super::concept::BETWEEN).next().unwrap_or(code);
            let other = self.body.exact(code);
            let other = match other {
                None if !is_case_sensitive => self.body.any_case(code),
                other => other,
            };
            if let Some(other) = other {
                let is_child = role == Role::Child;
                self.edges.push(if is_child { (*at, other) } else { (other, *at) });
            }
        }
        self.edges.sort_unstable();
        self.edges.dedup();
        let count = self.body.codes.len();
        self.body.children = Rows::sorted(count, self.edges.iter().copied());
        let mut up: Vec<(u32, u32)> = self.edges.iter().map(|(up, down)| (*down, *up)).collect();
        up.sort_unstable();
        self.body.parents = Rows::sorted(count, up);
        self.body.values = Rows::sorted(count, self.values);
        self.body.designations = Rows::sorted(count, self.designations);
        self.body.text.shrink_to_fit();
        self.system.body = Arc::new(self.body);
        self.system
    }
}

fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(NONE - 1)
}
