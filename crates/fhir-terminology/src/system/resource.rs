//! Code systems and their supplements as resources.

use fhir_model::{ResourceView, Value};

use super::concept::BETWEEN;
use super::{Builder, CodeSystem, Content, DeclaredProperty, Use, ValueKind};

impl CodeSystem {
    /// A CodeSystem resource; `None` where it has no url.
    #[must_use]
    pub fn of(view: ResourceView<'_>) -> Option<Self> {
        let value = view.value;
        let content = Content::named(&text(value, "content")?);
        let mut builder = Builder::new(text(value, "url")?, content);
        let system = &mut builder.system;
        system.version = text(value, "version");
        system.name = text(value, "name");
        system.title = text(value, "title");
        system.language = text(value, "language");
        system.value_set = text(value, "valueSet");
        system.is_case_sensitive =
            value.get("caseSensitive").and_then(Value::literal).map(|literal| literal == "true");
        system.hierarchy = text(value, "hierarchyMeaning");
        for property in items(value, "property") {
            if let Some(code) = text(property, "code") {
                builder.property(DeclaredProperty {
                    code,
                    uri: text(property, "uri"),
                    description: text(property, "description"),
                    kind: text(property, "type").and_then(|kind| ValueKind::named(&kind)),
                });
            }
        }
        add_concepts(&mut builder, value, None);
        Some(builder.finish())
    }

    /// This system with what supplements say of its concepts. Those that are for another version
    /// or retired are passed over.
    pub(crate) fn supplemented<'a>(
        mut self,
        supplements: impl Iterator<Item = ResourceView<'a>>,
    ) -> Self {
        for view in supplements {
            let value = view.value;
            let of = text(value, "supplements").unwrap_or_default();
            let version = of.split_once('|').map(|(_, version)| version);
            let is_other = version.is_some() && version != self.version.as_deref();
            if is_other || text(value, "status").as_deref() == Some("retired") {
                continue;
            }
            self.add(value);
            self.supplements.extend(text(value, "url"));
        }
        self
    }

    fn add(&mut self, owner: Value<'_>) {
        for concept in items(owner, "concept") {
            if let Some(at) = text(concept, "code").and_then(|code| self.position(&code)) {
                let added = self.added.entry(at).or_default();
                added.properties.extend(items(concept, "property").filter_map(property));
                added.designations.extend(items(concept, "designation").filter_map(designation));
            }
            self.add(concept);
        }
    }
}

/// Whether a CodeSystem resource only adds to another one.
pub(crate) fn is_supplement(view: ResourceView<'_>) -> bool {
    text(view.value, "content").as_deref() == Some("supplement")
}

fn add_concepts(builder: &mut Builder, owner: Value<'_>, parent: Option<u32>) {
    for concept in items(owner, "concept") {
        let Some(code) = text(concept, "code") else { continue };
        let at = builder.concept(parent, &code, text(concept, "display").as_deref());
        if let Some(definition) = text(concept, "definition") {
            builder.definition(&definition);
        }
        for (name, kind, value) in items(concept, "property").filter_map(property) {
            builder.value(&name, kind, &value);
        }
        for (language, usage, value) in items(concept, "designation").filter_map(designation) {
            builder.designation(language.as_deref(), usage, &value);
        }
        add_concepts(builder, concept, Some(at));
    }
}

/// Name, type and value of a property.
fn property(property: Value<'_>) -> Option<(String, ValueKind, String)> {
    let name = text(property, "code")?;
    let (key, value) = property.members().find(|(key, _)| key.starts_with("value"))?;
    let kind = ValueKind::of_member(&key)?;
    let value = match kind {
        ValueKind::Coding => {
            let part = |key| text(value, key).unwrap_or_default();
            format!(
                "{}{BETWEEN}{}{BETWEEN}{}",
                text(value, "code")?,
                part("system"),
                part("display")
            )
        }
        ValueKind::Code
        | ValueKind::String
        | ValueKind::Integer
        | ValueKind::Boolean
        | ValueKind::DateTime
        | ValueKind::Decimal => value
            .text()
            .map(std::borrow::Cow::into_owned)
            .or_else(|| value.literal().map(str::to_owned))?,
    };
    Some((name, kind, value))
}

/// Language, use and text of a designation.
pub(crate) fn designation(value: Value<'_>) -> Option<(Option<String>, Option<Use>, String)> {
    let usage = value.get("use").map(|usage| {
        let part = |key| text(usage, key).unwrap_or_default();
        Use { system: part("system"), code: part("code"), display: part("display") }
    });
    Some((text(value, "language"), usage, text(value, "value")?))
}

/// A text that is not empty.
pub(crate) fn text(value: Value<'_>, key: &str) -> Option<String> {
    value.get(key)?.text().filter(|text| !text.is_empty()).map(std::borrow::Cow::into_owned)
}

pub(crate) fn items<'a>(value: Value<'a>, key: &str) -> impl Iterator<Item = Value<'a>> {
    value.get(key).into_iter().flat_map(Value::items)
}
