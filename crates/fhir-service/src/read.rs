//! From the text of a file to a [`Service`]: everything that is wrong with it, with its place.

mod rules;
mod table;

use fhir_definitions::ResourceType;
use fhir_model::FailureKind;
use regex_lite::Regex;

use crate::errors::{Code, Errors};
use crate::kinds::kind_named;
use crate::path::Path;
use crate::service::{
    Companion, Direct, IdsFrom, Parameter, RequestIds, RuleIds, Service, Shape, SignatureUse,
    TypeUse, Verb,
};
use crate::text;

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct Fault {
    /// Where: `line 12`, or the table, as `type[0].interactions`.
    pub place: String,
    /// What.
    pub why: String,
}

/// Reads a service file.
///
/// # Errors
/// All faults at once, where the text is TOML of the right shape; otherwise the first, with its
/// line. Keys that nobody knows are faults.
pub fn read(text: &str) -> Result<Service, Vec<Fault>> {
    let file: text::File = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        vec![Fault { place: format!("line {line}"), why: error.message().to_owned() }]
    })?;
    let mut reading = Reading { faults: Vec::new() };
    let service = reading.service(file);
    match service {
        Some(service) if reading.faults.is_empty() => Ok(service),
        _ => Err(reading.faults),
    }
}

struct Reading {
    faults: Vec<Fault>,
}

impl Reading {
    fn fault(&mut self, place: impl Into<String>, why: impl Into<String>) {
        self.faults.push(Fault { place: place.into(), why: why.into() });
    }

    fn path(&mut self, place: &str, text: &str) -> Option<Path> {
        Path::read(text).map_err(|why| self.fault(place, why)).ok()
    }

    fn regex(&mut self, place: &str, text: Option<&str>) -> Option<Regex> {
        let text = text?;
        // A form is of the whole value.
        let whole = format!("^(?:{text})$");
        Regex::new(&whole).map_err(|error| self.fault(place, format!("is no form: {error}"))).ok()
    }

    fn resource_type(&mut self, place: &str, name: &str) -> Option<ResourceType> {
        let found = ResourceType::named(name);
        if found.is_none() {
            self.fault(place, format!("`{name}` is no resource type of R4"));
        }
        found
    }

    fn kind(&mut self, place: &str, word: &str) -> Option<FailureKind> {
        let found = kind_named(word);
        if found.is_none() {
            self.fault(place, format!("`{word}` is no kind of failure"));
        }
        found
    }

    fn service(&mut self, file: text::File) -> Option<Service> {
        let mut checks = Vec::new();
        let is_path = file.base.starts_with('/')
            && !file.base.ends_with('/')
            && file.base.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
        if !is_path || file.base.len() < 2 {
            self.fault("base", "is an absolute path without a slash at its end: /services/one");
        }
        if file.name.is_empty() {
            self.fault("name", "is empty");
        }
        let requests = RequestIds {
            own: match file.requests.ids.as_str() {
                "" | "echoed" => false,
                "own" => true,
                _ => {
                    self.fault("requests.ids", "is echoed or own");
                    false
                }
            },
            repeated: file.requests.repeated,
        };
        let holds_references = match file.references.as_str() {
            "" | "free" => false,
            "local" => true,
            _ => {
                self.fault("references", "is free or local");
                false
            }
        };
        let errors = self.errors(file.errors, &mut checks);
        let headers = self.headers(file.headers, &mut checks);
        let claims = self.claims(file.claims, &mut checks);
        let types = self.types(file.types);
        let shape = file.transaction.and_then(|it| self.shape(it, &mut checks));
        for profile in &file.reserved {
            if !types.iter().any(|each| each.profiles.contains(profile)) {
                self.fault("reserved", format!("no [[type]] has the profile {profile}"));
            }
        }
        let parameters = self.parameters(file.parameters, &mut checks);
        let rules = self.rules(file.rules, &mut checks);
        let stored = self.stored(file.stored, &mut checks);
        let uniques = self.uniques(file.uniques, &mut checks);
        let sames = self.sames(file.sames, &mut checks);
        let starts = self.starts(file.starts, &mut checks);
        let post_only = file.search.by_post_only.then(|| file.search.rule.clone());
        checks.extend(post_only.iter().map(|id| (id.clone(), String::new())));
        checks.extend(file.search.unknown_rule.iter().map(|id| (id.clone(), String::new())));
        for check in file.checks {
            if check.text.is_empty() {
                self.fault(format!("check {}", check.id), "says what it is about in `text`");
            }
            checks.push((check.id, check.source));
        }
        Some(Service {
            name: file.name,
            title: file.title,
            base: file.base,
            about: file.about,
            capability_statement: file.capability_statement,
            search_parameters: file.search_parameters,
            reserved: file.reserved,
            holds_references,
            requests,
            types,
            shape,
            post_only,
            unknown_rule: file.search.unknown_rule,
            parameters,
            uniques,
            sames,
            headers,
            claims,
            rules,
            stored,
            errors,
            starts,
            checks: merged(checks),
        })
    }

    fn errors(&mut self, errors: text::Errors, checks: &mut Vec<(String, String)>) -> Errors {
        let mut without_body = Vec::new();
        for word in &errors.without_body {
            without_body.extend(self.kind("errors.without_body", word));
        }
        let mut codes = Vec::new();
        for (at, code) in errors.codes.into_iter().enumerate() {
            if code.code.is_none() && code.status.is_none() && code.rule.is_none() {
                self.fault(format!("errors.code[{at}]"), "says a code, a status or a rule");
            }
            let display = code.display.unwrap_or_default();
            checks.extend(code.rule.iter().map(|rule| (rule.clone(), code.source.clone())));
            codes.push(Code {
                of: code.of,
                status: code.status,
                code: code.code.map(|code| (code, display)),
                rule: code.rule,
            });
        }
        Errors { system: errors.system, rule_system: errors.rule_system, without_body, codes }
    }

    fn types(&mut self, types: Vec<text::Type>) -> Vec<TypeUse> {
        if types.is_empty() {
            self.fault("type", "a service has at least one [[type]]");
        }
        let mut out = Vec::new();
        for (at, each) in types.into_iter().enumerate() {
            let place = format!("type[{at}]");
            let mut direct = Vec::new();
            for code in &each.interactions {
                match Direct::of(code) {
                    Some(found) => direct.push(found),
                    None => self.fault(&place, format!("`{code}` is no interaction of a type")),
                }
            }
            let mut verbs = Vec::new();
            for code in &each.verbs {
                match Verb::of(code) {
                    Some(found) => verbs.push(found),
                    None => self.fault(&place, format!("`{code}` is none of POST, PUT, DELETE")),
                }
            }
            let ids = match each.ids.as_str() {
                "server" => IdsFrom::Server,
                "client" => IdsFrom::Client,
                _ => {
                    self.fault(&place, "ids come from server or client");
                    IdsFrom::Server
                }
            };
            let purges = match each.deleted.as_str() {
                "" | "kept" => false,
                "purged" => true,
                _ => {
                    self.fault(&place, "what is deleted is kept or purged");
                    false
                }
            };
            let mut history_by = Vec::new();
            for (name, path) in &each.history_by {
                let path = self.path(&format!("{place}.history_by"), path);
                history_by.extend(path.map(|path| (name.clone(), path)));
            }
            let Some(resource_type) = self.resource_type(&place, &each.name) else { continue };
            out.push(TypeUse {
                resource_type,
                direct,
                verbs,
                profiles: each.profiles,
                ids,
                if_match: each.if_match,
                update_creates: each.update_creates,
                purges,
                unheld_on_update: each.unheld_on_update,
                history_by,
            });
        }
        out
    }

    fn shape(
        &mut self,
        text: text::Transaction,
        checks: &mut Vec<(String, String)>,
    ) -> Option<Shape> {
        let rules = RuleIds {
            companion: text.rules.companion.unwrap_or_else(|| text.rules.entries.clone()),
            ending: text.rules.ending.unwrap_or_else(|| text.rules.pairs.clone()),
            if_match: text.rules.if_match.unwrap_or_else(|| text.rules.entries.clone()),
            person: text.rules.person.unwrap_or_else(|| text.rules.pairs.clone()),
            id: text.rules.id.unwrap_or_else(|| text.rules.entries.clone()),
            bundle: text.rules.bundle,
            entries: text.rules.entries,
            pairs: text.rules.pairs,
            target: text.rules.target,
            profile: text.rules.profile,
            signature: text.rules.signature,
        };
        for id in [
            &rules.bundle,
            &rules.entries,
            &rules.pairs,
            &rules.target,
            &rules.profile,
            &rules.signature,
            &rules.companion,
            &rules.ending,
            &rules.if_match,
            &rules.person,
            &rules.id,
        ] {
            checks.push((id.clone(), String::new()));
        }
        let mut content = Vec::new();
        for name in &text.content {
            content.extend(self.resource_type("transaction.content", name));
        }
        let signature = self.signature("transaction.signature", &text.signature);
        let companion_signature = match &text.companion_signature {
            None => SignatureUse::Ignored,
            Some(word) => self.signature("transaction.companion_signature", word),
        };
        let companion = match &text.companion {
            None => None,
            Some(name) => Some(Companion {
                resource_type: self.resource_type("transaction.companion", name)?,
                target: self.path("transaction.target", &text.target)?,
                ending_profiles: text.ending_profiles,
            }),
        };
        let person = match &text.person {
            None => None,
            Some(path) => Some(self.path("transaction.person", path)?),
        };
        let id_format = self.regex("transaction.id_format", text.id_format.as_deref());
        Some(Shape {
            rules,
            content,
            companion,
            min_pairs: text.min_pairs,
            max_pairs: text.max_pairs,
            person,
            full_url: text.full_url,
            id_format,
            signature,
            companion_signature,
        })
    }

    fn signature(&mut self, place: &str, word: &str) -> SignatureUse {
        match word {
            "required" => SignatureUse::Required,
            "checked" => SignatureUse::Checked,
            "ignored" => SignatureUse::Ignored,
            "present" => SignatureUse::Present,
            _ => {
                self.fault(place, "is required, checked, present or ignored");
                SignatureUse::Ignored
            }
        }
    }

    fn parameters(
        &mut self,
        lines: Vec<text::Parameter>,
        checks: &mut Vec<(String, String)>,
    ) -> Vec<Parameter> {
        let mut out = Vec::new();
        for line in lines {
            let place = format!("parameter {}", line.name);
            let format = self.regex(&place, line.format.as_deref());
            let is_offset = match line.role.as_str() {
                "" => false,
                "offset" => true,
                _ => {
                    self.fault(&place, "its role is offset, or none");
                    false
                }
            };
            let named = line.required.iter().chain(&line.rule);
            checks.extend(named.map(|id| (id.clone(), String::new())));
            let values = line.values.into_iter().map(|(value, pairs)| {
                (value, pairs.into_iter().map(|[name, template]| (name, template)).collect())
            });
            let values = values.collect();
            let names = line.resource_types.iter();
            let of: Vec<_> = names.filter_map(|name| self.resource_type(&place, name)).collect();
            let parameter = Parameter {
                resource_type: ResourceType::BUNDLE,
                name: line.name,
                kind: line.kind,
                history: line.history,
                required: line.required,
                needs: line.needs,
                excludes: line.excludes,
                rule: line.rule,
                repeats: line.repeats,
                format,
                system: line.system,
                overlaps: line.overlaps,
                becomes: line.becomes,
                values,
                always: line.always,
                is_offset,
                about: line.about,
            };
            let own = |resource_type| Parameter { resource_type, ..parameter.clone() };
            out.extend(of.into_iter().map(own));
        }
        out
    }
}

/// Each id once, with the first source that somebody gave it.
fn merged(checks: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for (id, source) in checks {
        match out.iter_mut().find(|(known, _)| *known == id) {
            None => out.push((id, source)),
            Some((_, known)) if known.is_empty() => *known = source,
            Some(_) => {}
        }
    }
    out.sort();
    out
}
