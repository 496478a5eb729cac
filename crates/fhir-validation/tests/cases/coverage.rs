//! Every rule of the packages in `profiles/` has a case that breaks it, or a reason why there is none.
//!
//! A rule is shown by a case when the case no longer finds what it says once the rule is taken out
//! of its definition. Names of rules in expectations would prove less: a smallest and a largest
//! number of items have one name, and what an extension or a base asks is told under another.
//!
//! `conformance/unbroken-rules.json` lists the others, by reason. Reasons that follow from the
//! definitions are held against them here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fhir_model::{Resource, ResourceType};
use fhir_structure::make_snapshot;
use fhir_validation::Validator;
use serde::Deserialize;
use serde_json::Value;

use crate::case::{Case, File, conformance, folder};
use crate::definitions::{Definitions, packaged};
use crate::rules::{Rule, json_of, rules, without};
use crate::{resource, run_with};

/// The reasons that are held against the definitions.
const PROVED: [&str; 6] =
    ["restated", "unreachable", "tells-slice", "named-by-slice", "names-extension", "known-by-url"];

/// Why some rules have no case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[expect(dead_code, reason = "for the reader of the file")]
    why: String,
    /// By definition: element and aspect.
    rules: BTreeMap<String, BTreeSet<String>>,
}

/// A case, and what of the packages it has to do with.
struct Known<'f> {
    file: &'f File,
    case: &'f Case,
    resource: Resource,
    /// Definitions that its resource or its profiles name.
    names: BTreeSet<&'f str>,
}

/// All definitions of the packages, and all cases.
struct Whole<'f> {
    definitions: BTreeMap<&'f str, Value>,
    /// What each definition is named by, directly or not, itself included.
    users: BTreeMap<&'f str, BTreeSet<&'f str>>,
    cases: Vec<Known<'f>>,
}

/// The definition without what is said about its own making.
fn plain(json: &Value) -> Value {
    let mut plain = json.clone();
    for element in plain["differential"]["element"].as_array_mut().into_iter().flatten() {
        element.as_object_mut().unwrap().remove("extension");
    }
    plain.as_object_mut().unwrap().remove("extension");
    plain
}

/// Which definitions name each one, until nothing more is found.
fn users<'d>(definitions: &BTreeMap<&'d str, Value>) -> BTreeMap<&'d str, BTreeSet<&'d str>> {
    let quoted = |url: &str| format!("\"{url}\"");
    let texts: Vec<(&str, String)> =
        definitions.iter().map(|(url, json)| (*url, plain(json).to_string())).collect();
    let mut direct: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for url in definitions.keys() {
        let naming = texts.iter().filter(|(_, text)| text.contains(&quoted(url)));
        direct.insert(url, naming.map(|(user, _)| *user).collect());
    }
    let mut all = BTreeMap::new();
    for url in definitions.keys() {
        let (mut found, mut open) = (BTreeSet::from([*url]), vec![*url]);
        while let Some(next) = open.pop() {
            open.extend(direct[next].iter().filter(|user| found.insert(user)));
        }
        all.insert(*url, found);
    }
    all
}

impl Whole<'_> {
    /// The cases that may show a rule, the likeliest first.
    fn candidates(&self, rule: &Rule) -> Vec<&Known<'_>> {
        let users = &self.users[rule.url.as_str()];
        let concerned = self.cases.iter().filter(|known| !known.names.is_disjoint(users));
        let mut found: Vec<&Known<'_>> = concerned.collect();
        let key = rule.aspect.strip_prefix("constraint:");
        let ending = format!("#{}", rule.id);
        found.sort_by_key(|known| {
            let likely = |named: &str| named.ends_with(&ending) || key == Some(named);
            !known.case.then.rules().any(likely)
        });
        found
    }

    /// Whether a case fails to find what it says without the rule.
    fn is_shown(&self, rule: &Rule) -> bool {
        let changed = without(&self.definitions[rule.url.as_str()], rule);
        let changed = Resource::trusted(changed.to_string().into_bytes()).unwrap();
        let derived = self.derived(&rule.url);
        let definitions = Arc::new(Definitions::changed(Arc::new(changed), derived));
        let validator = Validator::new(Arc::clone(&definitions) as Arc<_>);
        for known in self.candidates(rule) {
            let run = run_with((known.file, known.case), &known.resource, &definitions, &validator);
            if run.is_err_and(|fault| fault.contains("missing ")) {
                return true;
            }
        }
        false
    }

    /// The definition and those that stand on it.
    fn derived(&self, url: &str) -> BTreeSet<String> {
        let (mut found, mut open) = (BTreeSet::from([url.to_owned()]), vec![url.to_owned()]);
        while let Some(base) = open.pop() {
            let is_on = |json: &Value| json["baseDefinition"] == base.as_str();
            let on = self.definitions.iter().filter(|(_, json)| is_on(json));
            open.extend(
                on.map(|(url, _)| (*url).to_owned()).filter(|url| found.insert(url.clone())),
            );
        }
        found
    }

    /// Whether a reason that follows from the definitions holds for the rule.
    fn holds(&self, reason: &str, rule: &Rule) -> bool {
        let definition = &self.definitions[rule.url.as_str()];
        let snapshot = snapshot(definition);
        let element = |id: &str| {
            let elements = snapshot.as_array().into_iter().flatten();
            elements.clone().find(|element| element["id"] == id)
        };
        match reason {
            "restated" => {
                is_told(rule) && snapshot == self::snapshot(&without(definition, &whole_of(rule)))
            }
            "named-by-slice" => element(&rule.id).is_some_and(|slice| {
                let name = slice["sliceName"].as_str().unwrap_or_default();
                let code = slice["type"][0]["code"].as_str().unwrap_or_default();
                rule.aspect == "type" && name.to_lowercase().ends_with(&code.to_lowercase())
            }),
            "names-extension" => rule.id.ends_with("Extension.url") && rule.aspect == "fixed",
            "known-by-url" => {
                let last = rule.id.rsplit('.').next().unwrap_or_default();
                last.starts_with("extension:") && rule.aspect == "profile"
            }
            "unreachable" => above(&rule.id).iter().any(|id| {
                let unsliced = id.rsplit_once(':').filter(|(_, name)| !name.contains('.'));
                let both = [Some(id.as_str()), unsliced.map(|(path, _)| path)];
                let is_forbidden = |id: &str| element(id).is_some_and(|it| it["max"] == "0");
                // A choice all of whose types are forbidden one by one.
                let slices = id.ends_with("[x]").then(|| format!("{id}:"));
                both.into_iter().flatten().any(is_forbidden)
                    || slices.is_some_and(|slices| {
                        let elements = snapshot.as_array().into_iter().flatten();
                        let ids = elements.filter_map(|each| each["id"].as_str());
                        let mut ids = ids.filter(|id| {
                            id.strip_prefix(&slices).is_some_and(|name| !name.contains('.'))
                        });
                        ids.any(is_forbidden)
                    })
            }),
            "tells-slice" => above(&rule.id).iter().any(|id| {
                let Some((sliced, name)) = id.rsplit_once(':') else { return false };
                let below = rule.id.strip_prefix(id.as_str()).unwrap_or_default();
                let below = below.trim_start_matches('.').replace("[x]", "");
                let told = element(sliced).map(|it| it["slicing"]["discriminator"].clone());
                let paths = told.as_ref().and_then(Value::as_array).into_iter().flatten();
                let mut paths = paths.filter_map(|each| each["path"].as_str());
                !name.contains('.') && paths.any(|path| tells(path, &below))
            }),
            _ => true,
        }
    }
}

/// Whether a discriminator's path leads to the element below the slice, or through it.
fn tells(path: &str, below: &str) -> bool {
    let path = path.replace("$this.", "");
    path == "$this"
        || path == below
        || path.strip_prefix(below).is_some_and(|rest| rest.starts_with('.'))
        || below.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a snapshot says the rule; of a context and of an imposed profile it says nothing.
fn is_told(rule: &Rule) -> bool {
    !matches!(rule.aspect.as_str(), "context" | "impose")
}

/// The rule, or for a part of a type all that is said of the type.
fn whole_of(rule: &Rule) -> Rule {
    let is_part = matches!(rule.aspect.as_str(), "target" | "profile" | "aggregation");
    let aspect = if is_part { "type" } else { &rule.aspect };
    Rule { url: rule.url.clone(), id: rule.id.clone(), aspect: aspect.to_owned() }
}

/// The elements of the definition's snapshot.
fn snapshot(definition: &Value) -> Value {
    let resource = Resource::trusted(definition.to_string().into_bytes()).unwrap();
    let made = make_snapshot(&resource, &Definitions::none()).definition.unwrap();
    json_of(&made)["snapshot"]["element"].take()
}

/// The ids of what the element is in, slices apart.
fn above(id: &str) -> Vec<String> {
    let ends = id.char_indices().filter(|(_, letter)| *letter == '.').map(|(at, _)| at);
    ends.filter_map(|at| Some(id.get(..at)?.to_owned())).collect()
}

fn reasons() -> BTreeMap<String, Reason> {
    let text = std::fs::read_to_string(conformance().join("unbroken-rules.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_rule_of_the_packages_has_a_failing_case_or_a_reason() {
    let files: Vec<File> = File::all(&folder());
    let structures =
        packaged().iter().filter(|each| each.resource_type() == ResourceType::STRUCTURE_DEFINITION);
    let jsons: Vec<Value> = structures.map(|each| json_of(each)).collect();
    let url = |json: &'_ Value| json["url"].as_str().unwrap().to_owned();
    let urls: Vec<String> = jsons.iter().map(url).collect();
    let definitions: BTreeMap<&str, Value> =
        urls.iter().map(String::as_str).zip(jsons.iter().cloned()).collect();
    let mut cases = Vec::new();
    for file in &files {
        let failing = |case: &&Case| !case.then.is_word() && case.definitions.is_empty();
        for case in file.cases.iter().filter(failing) {
            let text = format!("{} {:?}", file.resource(case).unwrap(), case.profiles);
            let named = |url: &&&String| text.contains(&format!("\"{url}\""));
            let names = urls.iter().filter(|url| named(&url)).map(String::as_str).collect();
            cases.push(Known { file, case, resource: resource(file, case).unwrap(), names });
        }
    }
    let whole = Whole { users: users(&definitions), definitions, cases };
    let all: Vec<Rule> = jsons.iter().flat_map(rules).collect();
    let reasons = reasons();
    let (next, faults, shown) = (AtomicUsize::new(0), Mutex::new(Vec::new()), AtomicUsize::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(rule) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let fault = judge(&whole, rule, &reasons, &shown);
                    faults.lock().unwrap().extend(fault);
                }
            });
        }
    });
    let mut faults = faults.into_inner().unwrap();
    let named: BTreeSet<String> = all.iter().map(Rule::name).collect();
    for (reason, listed) in &reasons {
        for (url, rules) in &listed.rules {
            let stale = rules.iter().map(|local| format!("{url}#{local}"));
            let stale = stale.filter(|name| !named.contains(name));
            faults.extend(stale.map(|name| format!("{name}: is listed ({reason}) and is no rule")));
        }
    }
    faults.sort();
    let shown = shown.into_inner();
    println!("{} rules, {shown} shown by cases, {} by a reason", all.len(), all.len() - shown);
    assert!(all.len() >= 2000, "only {} rules", all.len());
    assert!(faults.is_empty(), "{} rules:\n{}", faults.len(), faults.join("\n"));
}

/// Whether the reason is given for the rule.
fn lists_as(reason: Option<&Reason>, rule: &Rule) -> bool {
    let rules = reason.and_then(|reason| reason.rules.get(&rule.url));
    rules.is_some_and(|rules| rules.contains(&rule.local()))
}

/// What is wrong with how the rule is accounted for.
fn judge(
    whole: &Whole<'_>,
    rule: &Rule,
    reasons: &BTreeMap<String, Reason>,
    shown: &AtomicUsize,
) -> Option<String> {
    let lists = |(_, reason): &(&String, &Reason)| lists_as(Some(reason), rule);
    let mut listed = reasons.iter().filter(lists).map(|(name, _)| name);
    let name = rule.name();
    // What changes nothing cannot be shown, and need not be tried.
    let is_restated = lists_as(reasons.get("restated"), rule) && whole.holds("restated", rule);
    let is_shown = !is_restated && whole.is_shown(rule);
    shown.fetch_add(usize::from(is_shown), Ordering::Relaxed);
    match (is_shown, listed.next(), listed.next()) {
        (_, Some(first), Some(second)) => {
            Some(format!("{name}: is listed as {first} and {second}"))
        }
        (true, Some(reason), None) => {
            Some(format!("{name}: has a case, and is listed as {reason}"))
        }
        (true, None, _) => None,
        (false, None, _) => {
            let may = PROVED.map(|it| (it, whole.holds(it, rule)));
            let may: Vec<&str> =
                may.iter().filter(|(_, holds)| *holds).map(|(it, _)| *it).collect();
            Some(format!("{name}: no case fails with it, and no reason is listed; may be {may:?}"))
        }
        (false, Some(reason), None) => (!is_restated && !whole.holds(reason, rule))
            .then(|| format!("{name}: is listed as {reason}, which it is not")),
    }
}
