//! Rules of access that are resources: `Basic` with the code [`fhir_access::RULE_CODE`] and one
//! extension that holds the keys of the rule, each as often as it has values.
//!
//! They are ordinary resources with history and trace. Who may write them is the policy's affair;
//! here they are read, and refused where they say what nobody understands. When they come into
//! force is up to the server, which asks [`App::stored_rules`].

use fhir_access::trace::Record;
use fhir_access::{Caller, Effect, Interaction, InvalidRule, RULE_CODE, Rule, RuleText, Words};
use fhir_definitions::ResourceType;
use fhir_model::{
    Failure, FailureKind, Issue, IssueType, Resource, ResourceKey, ResourceView, Value,
};

use crate::app::App;
use crate::request::{Preferences, Request};
use crate::sight::of_type;

/// URL of the extension that holds a rule.
const EXTENSION: &str = "urn:kantele:StructureDefinition:access-rule";

/// More than this nobody wrote by hand; each caller's reach is worked out from all of them.
const MOST: usize = 10_000;

impl App {
    /// The rules that are stored now, in the order of their rows.
    ///
    /// # Errors
    /// The store's failures, and `InvalidResource` where one of them cannot be read: it came by
    /// another way than a checked write.
    pub async fn stored_rules(&self) -> Result<Vec<Rule>, Failure> {
        let caller = Caller::everyone();
        let (prefer, record) = (Preferences::default(), Record::default());
        let request = Request { caller, base: String::new(), prefer, record };
        let permit = self.gate(&request, Interaction::SearchType, Some(ResourceType::BASIC))?;
        let (system, code) = RULE_CODE;
        let pairs = [("code".to_owned(), format!("{system}|{code}"))];
        let Some(predicates) = self.conditions(ResourceType::BASIC, &pairs) else {
            return Err(Failure::new(FailureKind::Bug, "Basic cannot be searched by code"));
        };
        let (found, is_all) = self
            .read(&permit, move |sight| {
                let mut found: Vec<(ResourceKey, Result<Rule, Vec<Issue>>)> = Vec::new();
                let query = of_type(ResourceType::BASIC, predicates);
                let is_all = sight.each(&query, MOST, |key, resource: &Resource| {
                    found.push((key, read(resource.view())));
                })?;
                Ok((found, is_all))
            })
            .await?;
        if !is_all {
            let text = format!("there are more than {MOST} rules");
            return Err(Failure::new(FailureKind::TooCostly, text));
        }
        let mut rules = Vec::with_capacity(found.len());
        for (key, rule) in found {
            rules.push(rule.map_err(|mut issues| {
                for issue in &mut issues {
                    issue.diagnostics = format!("{key}: {}", issue.diagnostics);
                }
                Failure::with_issues(FailureKind::InvalidResource, issues)
            })?);
        }
        Ok(rules)
    }
}

/// Checks a resource that is about to be written, where it is a rule.
///
/// # Errors
/// `InvalidResource` with all that is wrong with the rule.
pub(crate) fn check(app: &App, view: ResourceView<'_>) -> Result<(), Failure> {
    if !app.settings().stored_rules || !is_rule(view) {
        return Ok(());
    }
    let refused = |issues| Failure::with_issues(FailureKind::InvalidResource, issues);
    let rule = read(view).map_err(refused)?;
    if rule.is_understood(app) {
        return Ok(());
    }
    let text = "expected a FHIR search that each type of the rule understands, and that needs no \
                lookup of value sets or lists";
    let place = place(view, None);
    Err(refused(vec![Issue::error(IssueType::NotSupported, text).at(place)]))
}

fn is_rule(view: ResourceView<'_>) -> bool {
    if view.resource_type != ResourceType::BASIC {
        return false;
    }
    let (system, code) = RULE_CODE;
    let codings = view.at(&["code", "coding"]).into_iter().flat_map(Value::items);
    // Codes are found without regard to case, and by a search for the code alone.
    codings.into_iter().any(|coding| {
        let is = |name: &str, expected: &str| {
            let text = coding.get(name).and_then(Value::text);
            text.is_some_and(|text| text.eq_ignore_ascii_case(expected))
        };
        is("code", code) && is("system", system)
    })
}

/// The extensions of the rule with their place.
fn parts(view: ResourceView<'_>) -> Vec<(String, Value<'_>)> {
    let mut found = Vec::new();
    let outer = view.value.get("extension").into_iter().flat_map(Value::items);
    for (at, one) in outer.enumerate() {
        if one.get("url").and_then(Value::text).as_deref() != Some(EXTENSION) {
            continue;
        }
        let inner = one.get("extension").into_iter().flat_map(Value::items);
        for (inside, part) in inner.enumerate() {
            found.push((format!("Basic.extension[{at}].extension[{inside}]"), part));
        }
    }
    found
}

/// The place of the search of a rule, or of the first part that has this word; the place of all of
/// them where there is none.
fn place(view: ResourceView<'_>, word: Option<&str>) -> String {
    let found = parts(view).into_iter().find(|(_, part)| {
        let is_search = part.get("url").and_then(Value::text).as_deref() == Some("where");
        match (word, text(*part)) {
            (None, _) => is_search,
            (Some(word), Some(text)) => text == word || (is_search && text.contains(word)),
            (Some(_), None) => false,
        }
    });
    found.map_or_else(|| "Basic.extension".to_owned(), |(place, _)| place)
}

/// The value of a part, however it is typed.
fn text(part: Value<'_>) -> Option<String> {
    let values = ["valueString", "valueCode", "valueUri", "valueCanonical", "valueMarkdown"];
    let text = values.into_iter().find_map(|name| Some(part.get(name)?.text()?.into_owned()));
    text.or_else(|| String::from_utf8(part.get("valueBoolean")?.raw().to_vec()).ok())
}

/// The rule that a resource holds.
///
/// # Errors
/// Everything that is wrong with it, with its place.
fn read(view: ResourceView<'_>) -> Result<Rule, Vec<Issue>> {
    let mut rule = RuleText::default();
    let mut issues = Vec::new();
    let mut once = Vec::new();
    let parts = parts(view);
    if parts.is_empty() {
        let text = format!("a rule of access stands in an extension {EXTENSION}");
        return Err(vec![Issue::error(IssueType::Required, text).at("Basic.extension")]);
    }
    for (place, part) in parts {
        let key = part.get("url").and_then(Value::text).unwrap_or_default().into_owned();
        let value = text(part).filter(|value| !value.is_empty());
        let Some(value) = value else {
            let text = "expected a value: valueString, valueCode or valueBoolean";
            issues.push(Issue::error(IssueType::Required, text).at(place));
            continue;
        };
        let is_single = ["name", "effect", "rights", "where", "writes_rules"].contains(&&*key);
        if is_single && once.contains(&key) {
            let text = "this key stands once in a rule";
            issues.push(Issue::error(IssueType::Structure, text).at(place.clone()));
        }
        if let Err(expected) = put(&mut rule, &key, value) {
            let text = format!("expected {expected}");
            issues.push(Issue::error(IssueType::Value, text).at(place));
        }
        once.push(key);
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    Rule::try_from(rule).map_err(|fault| {
        let (text, place) = match &fault {
            InvalidRule::Name => ("a rule needs a name".to_owned(), "Basic.extension".to_owned()),
            InvalidRule::Word { word, what, .. } => {
                (format!("expected a {what}"), place(view, Some(word)))
            }
        };
        vec![Issue::error(IssueType::Value, text).at(place)]
    })
}

/// Puts a value under its key.
///
/// # Errors
/// What was expected.
fn put(rule: &mut RuleText, key: &str, value: String) -> Result<(), &'static str> {
    let single = match key {
        "name" => Some(&mut rule.name),
        "rights" => Some(&mut rule.rights),
        "where" => Some(&mut rule.condition),
        _ => None,
    };
    if let Some(single) = single {
        *single = value;
        return Ok(());
    }
    let list = match key {
        "effect" => {
            rule.effect = match value.as_str() {
                "allow" => Effect::Allow,
                "deny" => Effect::Deny,
                _ => return Err("allow or deny"),
            };
            return Ok(());
        }
        "writes_rules" => {
            rule.writes_rules = match value.as_str() {
                "true" => true,
                "false" => false,
                _ => return Err("true or false"),
            };
            return Ok(());
        }
        "kind" => &mut rule.kind,
        "issuer" => &mut rule.issuer,
        "client" => &mut rule.client,
        "organisation" => &mut rule.organisation,
        "unit" => &mut rule.unit,
        "register" => &mut rule.register,
        "role" => &mut rule.role,
        "purpose" => &mut rule.purpose,
        "types" => &mut rule.types,
        "operations" => &mut rule.operations,
        _ => {
            return Err(
                "a key of a rule: name, effect, kind, issuer, client, organisation, unit, \
                        register, role, purpose, types, rights, operations, writes_rules or where",
            );
        }
    };
    list.push(value);
    Ok(())
}
