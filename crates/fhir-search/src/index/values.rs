//! Values of one parameter as texts, read again where the rows hold hashes only: references for
//! includes, codes and references for `_sort`.

use fhir_definitions::ResourceType;
use fhir_model::{ResourceView, Value};

use super::Indexer;
use super::extract::{Extract, text_at};
use super::trie::{Leaf, Visit};
use crate::reference::{ReferenceValue, Target};
use crate::{SearchParameter, fold};

impl Indexer {
    /// The references that a parameter reads in a resource, for includes. Contained ones and
    /// those without a literal reference are left out.
    #[must_use]
    pub fn references(
        &self,
        view: ResourceView<'_>,
        parameter: &SearchParameter,
    ) -> Vec<ReferenceValue> {
        let mut values = Vec::new();
        self.visit(view, parameter, &mut |leaf: &Leaf, value: Value<'_>| {
            let target = target_text(leaf.extract, value);
            let target =
                target.as_deref().and_then(|text| Target::read(text, self.base())?.to_value());
            values.extend(target.filter(|target| !values.contains(target)));
        });
        values
    }

    /// The texts by which `_sort` puts a resource in order: folded codes and identifier values
    /// of a token parameter, references of a reference parameter without their versions
    /// (`Type/id` for those of this server). In the order of the document, doubles too; none for
    /// parameters of other kinds, whose rows have their values.
    #[must_use]
    pub fn sort_texts(&self, view: ResourceView<'_>, parameter: &SearchParameter) -> Vec<String> {
        let mut texts = Vec::new();
        self.visit(view, parameter, &mut |leaf: &Leaf, value: Value<'_>| {
            self.sort_texts_of(leaf.extract, value, &mut texts);
        });
        let is_existence = |leaf: &Leaf| leaf.p == parameter.id.0;
        let trie = self.of(view.resource_type).map(|own| &own.trie);
        if texts.is_empty() && trie.is_some_and(|trie| trie.existences.iter().any(is_existence)) {
            texts.push("false".to_owned());
        }
        texts
    }

    fn sort_texts_of(&self, extract: Extract, value: Value<'_>, texts: &mut Vec<String>) {
        let mut code = |text: Option<std::borrow::Cow<'_, str>>| {
            texts.extend(text.map(|text| fold::string(&text)).filter(|text| !text.is_empty()));
        };
        match extract {
            Extract::TokenPrimitive | Extract::TokenCode(_) => {
                code(value.text().or_else(|| value.literal().map(Into::into)));
            }
            Extract::TokenCoding => code(text_at(value, "code")),
            Extract::TokenConcept => {
                for coding in value.get("coding").into_iter().flat_map(Value::items) {
                    code(text_at(coding, "code"));
                }
            }
            Extract::TokenIdentifier | Extract::TokenContact => code(text_at(value, "value")),
            Extract::TokenExistence | Extract::TokenTruth => {
                let truth = if value.literal() == Some("false") { "false" } else { "true" };
                code(Some(truth.into()));
            }
            Extract::ReferenceResource => {
                let key = ResourceView::of(value).and_then(ResourceView::key);
                texts.extend(key.map(|key| key.to_string()));
            }
            Extract::Reference | Extract::ReferenceUrl => {
                let text = target_text(extract, value);
                let target = text.as_deref().and_then(|text| Target::read(text, self.base()));
                match target {
                    Some(Target::Local(resource_type, id)) => {
                        texts.push(format!("{resource_type}/{id}"));
                    }
                    Some(Target::Url(url, _)) => texts.push(url.to_owned()),
                    Some(Target::Contained(_)) | None => {}
                }
            }
            Extract::DatePoint
            | Extract::DatePeriod
            | Extract::DateTiming
            | Extract::Number
            | Extract::NumberRange
            | Extract::QuantityNumber
            | Extract::Range
            | Extract::Quantity
            | Extract::Money
            | Extract::SampledData
            | Extract::String
            | Extract::StringName
            | Extract::StringFamily
            | Extract::StringAddress
            | Extract::StringConcept
            | Extract::Uri
            | Extract::Canonical
            | Extract::Place
            | Extract::Composite(_)
            | Extract::Person(_)
            | Extract::Contained => {}
        }
    }

    /// Visits the values of one parameter.
    fn visit(
        &self,
        view: ResourceView<'_>,
        parameter: &SearchParameter,
        found: &mut dyn FnMut(&Leaf, Value<'_>),
    ) {
        let mut visitor = OneParameter { p: parameter.id.0, base: self.base(), found };
        if let Some(own) = self.of(view.resource_type) {
            own.trie.walk(0, view.value, &mut visitor);
            for evaluated in own.evaluated.iter().filter(|each| each.is_of(parameter.id)) {
                evaluated.visit(view, &self.zone, &mut visitor);
            }
        }
    }
}

/// The text of a reference or canonical; a resource inside another has none.
fn target_text(extract: Extract, value: Value<'_>) -> Option<std::borrow::Cow<'_, str>> {
    if extract == Extract::Reference { text_at(value, "reference") } else { value.text() }
}

struct OneParameter<'a, 'f> {
    p: i32,
    base: Option<&'a str>,
    found: &'f mut dyn FnMut(&Leaf, Value<'_>),
}

impl Visit for OneParameter<'_, '_> {
    fn leaf(&mut self, leaf: &Leaf, value: Value<'_>) {
        if leaf.p == self.p {
            (self.found)(leaf, value);
        }
    }

    fn target_type(&mut self, reference: Value<'_>) -> Option<ResourceType> {
        let text = text_at(reference, "reference").or_else(|| reference.text());
        let named = text.and_then(|text| Target::read(&text, self.base)?.named_type());
        named.or_else(|| text_at(reference, "type")?.parse().ok())
    }
}
