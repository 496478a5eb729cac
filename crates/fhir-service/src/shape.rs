//! Transactions held against the shape of a service: which entries, in which pairs, about whom.

use std::collections::BTreeSet;

use fhir_definitions::ResourceType;
use fhir_model::{FailureKind as K, ResourceView, Value};

use crate::rule::{Facts, Held};
use crate::service::{Companion, IdsFrom, Pair, Service, Shape, TypeUse, Verb};

/// An entry, as far as shapes look at it.
struct Entry<'a> {
    place: String,
    verb: Option<Verb>,
    url: String,
    /// Of the resource, or of the URL.
    resource_type: Option<ResourceType>,
    full_url: String,
    if_match: bool,
    resource: Option<ResourceView<'a>>,
}

impl<'a> Entry<'a> {
    fn read(index: usize, value: Value<'a>) -> Self {
        let request = value.get("request");
        let text = |name: &str| request.and_then(|it| it.get(name)).and_then(Value::text);
        let url = text("url").unwrap_or_default().into_owned();
        let resource = value.get("resource").and_then(ResourceView::of);
        let named = url.split(['/', '?']).next().and_then(ResourceType::named);
        Self {
            place: format!("Bundle.entry[{index}]"),
            verb: text("method").and_then(|method| Verb::of(&method)),
            resource_type: resource.map(|view| view.resource_type).or(named),
            full_url: value.get("fullUrl").and_then(Value::text).unwrap_or_default().into_owned(),
            if_match: text("ifMatch").is_some(),
            url,
            resource,
        }
    }

    fn is_addressed(&self, reference: &str) -> bool {
        !reference.is_empty() && (reference == self.full_url || reference == self.url)
    }

    fn is_new(&self) -> bool {
        self.verb == Some(Verb::Post)
    }
}

fn entries_of(bundle: ResourceView<'_>) -> Vec<Entry<'_>> {
    let values = bundle.value.get("entry").into_iter().flat_map(Value::items);
    values.enumerate().map(|(index, value)| Entry::read(index, value)).collect()
}

impl Service {
    /// Whether signatures in its transactions have to be good, where there is one.
    #[must_use]
    pub fn wants_good_signatures(&self) -> bool {
        let is_checked =
            |shape: &Shape| shape.signature.is_checked() || shape.companion_signature.is_checked();
        self.shape.as_ref().is_some_and(is_checked)
    }

    /// The companions of a transaction whose content comes with them: that of a DELETE does not.
    #[must_use]
    pub fn pairs_of<'a>(&self, bundle: ResourceView<'a>) -> Vec<Pair<'a>> {
        let companion = self.shape.as_ref().and_then(|shape| shape.companion.as_ref());
        let Some(companion) = companion else { return Vec::new() };
        let entries = entries_of(bundle);
        let mut pairs = Vec::new();
        for entry in &entries {
            let of_type = |view: &ResourceView<'a>| view.resource_type == companion.resource_type;
            let Some(view) = entry.resource.filter(of_type) else { continue };
            let targets = companion.target.texts(view, fhir_model::Instant(0));
            let mut contents = entries
                .iter()
                .filter(|content| targets.iter().any(|target| content.is_addressed(target)))
                .filter_map(|content| content.resource);
            let place = format!("{}.resource", entry.place);
            let content = contents.next();
            pairs.extend(content.map(|content| Pair { place, companion: view, content }));
        }
        pairs
    }

    /// Everything that is wrong with a transaction, by shape and rules.
    #[must_use]
    pub fn wrong_transaction(&self, bundle: ResourceView<'_>, facts: &Facts<'_>) -> Vec<Held> {
        let Some(shape) = &self.shape else {
            let text = "this service takes no transactions";
            return vec![Held::new(K::MethodNotAllowed, "transaction", "Bundle", text)];
        };
        let kind = bundle.value.get("type").and_then(Value::text);
        if bundle.resource_type != ResourceType::BUNDLE || kind.as_deref() != Some("transaction") {
            let text = "expected a Bundle of type transaction";
            return vec![Held::new(K::InvalidParameter, &shape.rules.bundle, "Bundle.type", text)];
        }
        let entries = entries_of(bundle);
        let mut wrong = Vec::new();
        for entry in &entries {
            self.entry(shape, entry, &mut wrong);
        }
        pairs(shape, &entries, &mut wrong);
        ids(shape, self, &entries, &mut wrong);
        one_person(shape, &entries, facts, &mut wrong);
        let is_signed = |view: ResourceView<'_>| view.value.get("signature").is_some();
        let rule = &shape.rules.signature;
        if shape.signature.is_needed() && !is_signed(bundle) {
            let text = "the transaction is not signed";
            wrong.push(Held::new(K::BusinessRule, rule, "Bundle.signature", text));
        }
        if shape.companion_signature.is_needed() {
            let unsigned = self.pairs_of(bundle).into_iter().filter(|it| !is_signed(it.companion));
            wrong.extend(unsigned.map(|pair| {
                let text = format!("the {} is not signed", pair.companion.resource_type);
                Held::new(K::BusinessRule, rule, format!("{}.signature", pair.place), text)
            }));
        }
        wrong.extend(self.broken_rules((bundle, bundle), "", facts));
        for entry in &entries {
            if let Some(view) = entry.resource {
                let place = format!("{}.resource", entry.place);
                wrong.extend(self.broken_rules((view, bundle), &place, facts));
            }
        }
        wrong
    }

    /// Type, verb, address and profile of one entry.
    fn entry(&self, shape: &Shape, entry: &Entry<'_>, wrong: &mut Vec<Held>) {
        let rules = &shape.rules;
        let of_type = entry.resource_type.and_then(|each| self.of_type(each));
        let Some(of_type) = of_type else {
            let at = format!("{}.request.url", entry.place);
            wrong.push(Held::new(
                K::NotSupported,
                &rules.entries,
                at,
                "this service has no such type",
            ));
            return;
        };
        let is_companion = shape.companion_type() == Some(of_type.resource_type);
        let Some(verb) = entry.verb.filter(|verb| of_type.verbs.contains(verb)) else {
            let rule = if is_companion { &rules.companion } else { &rules.entries };
            let taken: Vec<&str> = of_type.verbs.iter().map(|verb| verb.code()).collect();
            let text = format!("{} takes {} here", of_type.resource_type, taken.join(", "));
            wrong.push(Held::new(
                K::NotSupported,
                rule,
                format!("{}.request.method", entry.place),
                text,
            ));
            return;
        };
        addressed(shape, entry, (of_type, verb), wrong);
        if let Some(view) = entry.resource {
            let ending = shape.companion.iter().flat_map(|it| &it.ending_profiles);
            let mut among = of_type.profiles.clone();
            if is_companion {
                among.extend(ending.cloned());
            }
            if self.lacks_profile(view, &among) {
                let at = format!("{}.resource.meta.profile", entry.place);
                let text = "meta.profile names a profile of this service";
                wrong.push(Held::new(K::InvalidResource, &rules.profile, at, text));
            }
        }
    }
}

/// Whether the URL fits the verb.
fn addressed(
    shape: &Shape,
    entry: &Entry<'_>,
    (of_type, verb): (&TypeUse, Verb),
    wrong: &mut Vec<Held>,
) {
    let rules = &shape.rules;
    let name = of_type.resource_type.as_str();
    let is_right = match verb {
        Verb::Post => entry.url == name,
        Verb::Put | Verb::Delete => entry
            .url
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|id| !id.is_empty() && !id.contains(['/', '?'])),
    };
    if !is_right {
        let at = format!("{}.request.url", entry.place);
        let text = format!("POST goes to {name}, PUT and DELETE to {name} with an id");
        wrong.push(Held::new(K::InvalidParameter, &rules.entries, at, text));
    }
    if verb == Verb::Put && of_type.if_match && !entry.if_match {
        let at = format!("{}.request.ifMatch", entry.place);
        let text = "an update names the version that it replaces";
        wrong.push(Held::new(K::VersionRequired, &rules.if_match, at, text));
    }
}

impl Shape {
    /// The type that goes with each content.
    #[must_use]
    pub fn companion_type(&self) -> Option<ResourceType> {
        self.companion.as_ref().map(|companion| companion.resource_type)
    }
}

/// Each content has one companion that points at it, and no companion is without.
fn pairs(shape: &Shape, entries: &[Entry<'_>], wrong: &mut Vec<Held>) {
    let is_content =
        |entry: &&Entry<'_>| entry.resource_type.is_some_and(|it| shape.content.contains(&it));
    let contents: Vec<&Entry<'_>> = entries.iter().filter(is_content).collect();
    let rule = &shape.rules.pairs;
    let is_many = shape.max_pairs.is_some_and(|most| contents.len() > most);
    if contents.len() < shape.min_pairs || is_many {
        let most = shape.max_pairs.map_or("more".to_owned(), |most| most.to_string());
        let text =
            format!("expected {} to {most} contents, found {}", shape.min_pairs, contents.len());
        wrong.push(Held::new(K::BusinessRule, rule, "Bundle.entry", text));
    }
    let Some(companion) = &shape.companion else { return };
    let is_one = |entry: &&Entry<'_>| entry.resource_type == Some(companion.resource_type);
    let companions: Vec<&Entry<'_>> = entries.iter().filter(is_one).collect();
    if companions.len() != contents.len() {
        let text = format!(
            "each content has its {}: found {} and {}",
            companion.resource_type,
            contents.len(),
            companions.len()
        );
        wrong.push(Held::new(K::BusinessRule, rule, "Bundle.entry", text));
    }
    let mut met: Vec<usize> = vec![0; contents.len()];
    for entry in &companions {
        let targets =
            entry.resource.map(|view| companion.target.texts(view, fhir_model::Instant(0)));
        let targets = targets.unwrap_or_default();
        let hits: Vec<usize> = contents
            .iter()
            .enumerate()
            .filter(|(_, content)| targets.iter().any(|target| content.is_addressed(target)))
            .map(|(at, _)| at)
            .collect();
        let [hit] = hits.as_slice() else {
            let at = format!("{}.resource.target", entry.place);
            let text = "it points at one content of the same transaction";
            wrong.push(Held::new(K::BusinessRule, &shape.rules.target, at, text));
            continue;
        };
        if let (Some(count), Some(content)) = (met.get_mut(*hit), contents.get(*hit)) {
            *count += 1;
            ending(shape, companion, (entry, content), wrong);
        }
    }
    for (content, count) in contents.iter().zip(met) {
        if count != 1 && !companions.is_empty() {
            let text = format!("one {} points at it, here {count} do", companion.resource_type);
            let place = content.place.clone();
            wrong.push(Held::new(K::BusinessRule, &shape.rules.target, place, text));
        }
    }
}

/// A DELETE goes with the companion of an end, and only it does.
fn ending(
    shape: &Shape,
    companion: &Companion,
    (entry, content): (&Entry<'_>, &Entry<'_>),
    wrong: &mut Vec<Held>,
) {
    if companion.ending_profiles.is_empty() {
        return;
    }
    let profiles = entry.resource.and_then(|view| view.value.get("meta")?.get("profile"));
    let mut profiles = profiles.into_iter().flat_map(Value::items).filter_map(Value::text);
    let tells_end = profiles.any(|profile| {
        let bare = profile.split('|').next().unwrap_or_default();
        companion.ending_profiles.iter().any(|each| each == bare)
    });
    if tells_end != (content.verb == Some(Verb::Delete)) {
        let at = format!("{}.resource.meta.profile", entry.place);
        let text = "a DELETE goes with the profile of an invalidation, and nothing else does";
        wrong.push(Held::new(K::BusinessRule, &shape.rules.ending, at, text));
    }
}

/// Ids that clients give: there, of the right form, told by the full URL, and each once.
fn ids(shape: &Shape, service: &Service, entries: &[Entry<'_>], wrong: &mut Vec<Held>) {
    let rule = &shape.rules.id;
    let mut seen = BTreeSet::new();
    for entry in entries.iter().filter(|entry| entry.is_new()) {
        let Some(view) = entry.resource else { continue };
        let gives = service.of_type(view.resource_type).is_some_and(|it| it.ids == IdsFrom::Client);
        if !gives {
            continue;
        }
        let at = format!("{}.resource.id", entry.place);
        let Some(id) = view.value.get("id").and_then(Value::text) else {
            wrong.push(Held::new(K::BusinessRule, rule, at, "the sender gives the id"));
            continue;
        };
        if shape.id_format.as_ref().is_some_and(|form| !form.is_match(&id)) {
            let text = "the id does not have the form that is asked for";
            wrong.push(Held::new(K::BusinessRule, rule, at.clone(), text));
        }
        if let Some(prefix) = &shape.full_url
            && entry.full_url.strip_prefix(prefix.as_str()) != Some(&*id)
        {
            let at = format!("{}.fullUrl", entry.place);
            let text = format!("the full URL is {prefix} and the id");
            wrong.push(Held::new(K::BusinessRule, rule, at, text));
        }
        if !seen.insert((view.resource_type.as_str(), id.into_owned())) {
            let text = "two resources of the transaction have this id";
            wrong.push(Held::new(K::BusinessRule, rule, at, text));
        }
    }
}

fn one_person(shape: &Shape, entries: &[Entry<'_>], facts: &Facts<'_>, wrong: &mut Vec<Held>) {
    let Some(person) = &shape.person else { return };
    let mut persons = BTreeSet::new();
    for entry in entries {
        let Some(view) = entry.resource.filter(|it| shape.content.contains(&it.resource_type))
        else {
            continue;
        };
        let found = person.texts(view, facts.now);
        if found.is_empty() {
            let text = "it does not tell whose it is";
            let at = format!("{}.resource", entry.place);
            wrong.push(Held::new(K::BusinessRule, &shape.rules.person, at, text));
        }
        persons.extend(found);
    }
    if persons.len() > 1 {
        let text = "all contents of a transaction are about one person";
        wrong.push(Held::new(K::BusinessRule, &shape.rules.person, "Bundle.entry", text));
    }
}
