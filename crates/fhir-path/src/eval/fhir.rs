//! The functions that FHIR R4 adds.
//!
//! Spec: <https://hl7.org/fhir/R4/fhirpath.html#functions>

use fhir_definitions::{Primitive, ResourceType};
use fhir_model::{ResourceView, Value};

use super::filter::only;
use super::{Call, Evaluator, Outcome, single, truth};
use crate::ast::{Expr, Step};
use crate::environment::Resolution;
use crate::error::EvalFault;
use crate::item::Item;
use crate::node::Node;
use crate::types::Type;

/// The extensions of a URL that the items have.
fn extensions<'a>(items: &[Item<'a>], url: &str) -> Vec<Item<'a>> {
    let mut found = Vec::new();
    for node in items.iter().filter_map(Item::node) {
        node.members("extension", &mut found);
    }
    found.retain(|item| {
        item.node().and_then(|node| node.text_at("url")).is_some_and(|found| found == url)
    });
    found
}

pub(super) fn extension<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(url) = evaluator.text_argument(&call, 0)? else { return Ok(Vec::new()) };
    evaluator.spend(call.input.len())?;
    Ok(extensions(&call.input, &url))
}

pub(super) fn has_extension<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(url) = evaluator.text_argument(&call, 0)? else { return Ok(Vec::new()) };
    evaluator.spend(call.input.len())?;
    Ok(truth(Some(!extensions(&call.input, &url).is_empty())))
}

pub(super) fn has_value<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let has_one = match call.input.as_slice() {
        [item] => item.plain().node().is_none(),
        _ => false,
    };
    Ok(truth(Some(has_one)))
}

pub(super) fn get_value<'a>(_: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let value = match call.input.as_slice() {
        [item] => Some(item.plain()).filter(|plain| plain.node().is_none()),
        _ => None,
    };
    Ok(value.into_iter().collect())
}

pub(super) fn resolve<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    evaluator.spend(call.input.len())?;
    Ok(call.input.iter().filter_map(|item| evaluator.resolved(item)).collect())
}

impl<'a> Evaluator<'_, 'a> {
    /// What a Reference, a uri or a text refers to.
    fn resolved(&self, item: &Item<'a>) -> Option<Item<'a>> {
        let reference = item.node().filter(|node| node.type_of().definition().is_some());
        let text = match reference {
            Some(node) => node.text_at("reference"),
            None => item.text(),
        };
        let Some(text) = text else {
            // A logical reference: only its type may be known.
            let named = reference?.text_at("type")?.parse().ok()?;
            return Some(Item::Node(Node::unread(named)));
        };
        if let Some(id) = text.strip_prefix('#') {
            return self.contained(id);
        }
        let root = self.environment.root.and_then(|root| root.as_resource());
        if let Some(view) = root.and_then(|root| in_bundle(root, &text)) {
            return Some(Item::resource(view));
        }
        match self.environment.host.resolve(&text) {
            Resolution::Found(view) => Some(Item::resource(view)),
            Resolution::Missing => None,
            Resolution::Unread => {
                let named = named_type(&text);
                let declared = || reference?.text_at("type")?.parse().ok();
                named.or_else(declared).map(|found| Item::Node(Node::unread(found)))
            }
        }
    }

    /// The resource that `#id` names; `#` alone is what contains the one that refers.
    fn contained(&self, id: &str) -> Option<Item<'a>> {
        let around = [self.environment.root, self.environment.resource];
        let mut views = around.into_iter().flatten().filter_map(|node| node.as_resource());
        if id.is_empty() {
            return views.next().map(Item::resource);
        }
        let has_id = |view: &ResourceView<'a>| {
            view.value.get("id").and_then(Value::text).is_some_and(|found| found == id)
        };
        views.find_map(|view| view.contained().find(has_id)).map(Item::resource)
    }
}

/// The entry of a Bundle that a reference leads to: by its whole URL, or by its end.
fn in_bundle<'a>(root: ResourceView<'a>, reference: &str) -> Option<ResourceView<'a>> {
    if root.resource_type != ResourceType::BUNDLE {
        return None;
    }
    let reference = without_version(reference);
    let entry = root.value.get("entry").into_iter().flat_map(Value::items).find(|entry| {
        entry.get("fullUrl").and_then(Value::text).is_some_and(|url| {
            url == reference || url.strip_suffix(reference).is_some_and(|base| base.ends_with('/'))
        })
    })?;
    ResourceView::of(entry.get("resource")?)
}

fn without_version(reference: &str) -> &str {
    reference.split_once("/_history/").map_or(reference, |(before, _)| before)
}

/// The type that `Patient/1` or `http://server.example/fhir/Patient/1` names.
fn named_type(reference: &str) -> Option<ResourceType> {
    let mut parts = without_version(reference).rsplit('/');
    parts.next().filter(|id| fhir_model::Id::is_valid(id))?;
    ResourceType::named(parts.next()?)
}

pub(super) fn member_of<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let value_set = evaluator.text_argument(&call, 0)?;
    let Some((item, value_set)) = only(&call)?.zip(value_set) else { return Ok(Vec::new()) };
    Ok(truth(evaluator.environment.host.member_of(item, &value_set)))
}

/// A type's own definition is what everything of the type conforms to.
pub(super) fn conforms_to<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let profile = evaluator.text_argument(&call, 0)?;
    let Some((item, profile)) = only(&call)?.zip(profile) else { return Ok(Vec::new()) };
    let base = profile
        .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
        .and_then(Type::fhir)
        .zip(item.type_of());
    let known = base.map(|(base, own)| own.is_a(base));
    Ok(truth(known.or_else(|| evaluator.environment.host.conforms_to(item, &profile))))
}

fn subsumption<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: &Call<'_, 'a>,
    is_general: bool,
) -> Outcome<'a> {
    let other = evaluator.argument(call, 0)?;
    let Some((item, other)) = only(call)?.zip(single(&other, call.name)?) else {
        return Ok(Vec::new());
    };
    let host = evaluator.environment.host;
    let found = if is_general { host.subsumes(item, other) } else { host.subsumes(other, item) };
    Ok(truth(found))
}

pub(super) fn subsumes<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    subsumption(evaluator, &call, true)
}

pub(super) fn subsumed_by<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    subsumption(evaluator, &call, false)
}

pub(super) fn html_checks<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(item) = only(&call)? else { return Ok(Vec::new()) };
    let is_xhtml = item.type_of() == Some(Type::Primitive(Primitive::Xhtml));
    let text = item.text().filter(|_| is_xhtml);
    Ok(truth(Some(text.is_none_or(|text| evaluator.environment.host.html_checks(&text)))))
}

/// The input as it is, where no element has a modifier extension of another URL than these.
pub(super) fn check_modifiers<'a>(
    evaluator: &Evaluator<'_, 'a>,
    call: Call<'_, 'a>,
) -> Outcome<'a> {
    let mut known = Vec::new();
    for at in 0..call.arguments.len() {
        known.extend(evaluator.text_argument(&call, at)?);
    }
    let mut modifiers = Vec::new();
    for node in call.input.iter().filter_map(Item::node) {
        node.members("modifierExtension", &mut modifiers);
    }
    evaluator.spend(modifiers.len())?;
    for modifier in modifiers.iter().filter_map(Item::node) {
        let url = modifier.text_at("url").unwrap_or_default();
        if !known.contains(&url) {
            let expected = "elements without other modifier extensions";
            return Err(EvalFault::WrongType { operation: call.name, expected });
        }
    }
    Ok(call.input)
}

/// The key of a resource as tables of views have it: `Patient/1`.
///
/// Spec: <https://sql-on-fhir.org/ig/latest/StructureDefinition-ViewDefinition.html>
pub(super) fn resource_key<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    evaluator.spend(call.input.len())?;
    let views = call.input.iter().filter_map(Item::node).filter_map(Node::as_resource);
    let keys = views.filter_map(ResourceView::key);
    Ok(keys.map(|key| Item::String(key.to_string().into())).collect())
}

/// The key that a reference leads to, as [`resource_key`] writes it; only for references to
/// resources of a type where one is named.
pub(super) fn reference_key<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    evaluator.spend(call.input.len())?;
    let wanted = match call.arguments.first() {
        None => None,
        Some(Expr::Name(name)) => Some(name.as_str()),
        Some(Expr::Path(head, steps)) => match (head.as_ref(), steps.as_slice()) {
            (Expr::Name(space), [(_, Step::Member(name))]) if space == "FHIR" => {
                Some(name.as_str())
            }
            _ => return Err(no_type(&call)),
        },
        Some(_) => return Err(no_type(&call)),
    };
    let nodes = call.input.iter().filter_map(Item::node);
    let keys = nodes.filter_map(|node| {
        let reference = node.text_at("reference")?;
        let mut parts = without_version(&reference).rsplit('/');
        let (id, name) = (parts.next()?, parts.next()?);
        let found = ResourceType::named(name).filter(|_| fhir_model::Id::is_valid(id))?;
        let is_wanted = wanted.is_none_or(|wanted| wanted == found.as_str());
        is_wanted.then(|| Item::String(format!("{found}/{id}").into()))
    });
    Ok(keys.collect())
}

fn no_type(call: &Call<'_, '_>) -> EvalFault {
    EvalFault::WrongType { operation: call.name, expected: "the name of a resource type" }
}

/// The elements that are in a slice of a profile, as far as the host knows it.
pub(super) fn slice<'a>(evaluator: &Evaluator<'_, 'a>, call: Call<'_, 'a>) -> Outcome<'a> {
    let structure = evaluator.text_argument(&call, 0)?;
    let name = evaluator.text_argument(&call, 1)?;
    let Some((structure, name)) = structure.zip(name) else { return Ok(Vec::new()) };
    evaluator.spend(call.input.len())?;
    let host = evaluator.environment.host;
    let mut items = call.input;
    items.retain(|item| host.in_slice(item, &structure, &name) == Some(true));
    Ok(items)
}

/// `elementDefinition()` has nothing to give: definitions are tables here, not resources.
pub(super) fn element_definition<'a>(_: &Evaluator<'_, 'a>, _: Call<'_, 'a>) -> Outcome<'a> {
    Ok(Vec::new())
}
