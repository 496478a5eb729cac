//! From claims to a caller, by a table. Which claim means what is data, never code: services
//! differ, and not all of them publish their list.

use std::path::Path;

use fhir_access::{Caller, CallerKind, Claims, Identifier, LaunchContext, Scopes};
use fhir_model::{ResourceKey, ResourceType};
use fhir_security::certificate::Certificate;
use serde_json::{Map, Value};

use crate::Error;

/// The rows that always stand last.
const USUAL: &str = include_str!("claims.toml");

/// What a row may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Issuer,
    Subject,
    Client,
    Token,
    Person,
    Represented,
    FhirUser,
    Organisation,
    Unit,
    Register,
    RegisterType,
    RegisterSpecifier,
    Role,
    Purpose,
    Relationship,
    Authentication,
    Relation,
    Kind,
    Scope,
    Patient,
    Encounter,
}

const FIELDS: [(&str, Field); 21] = [
    ("issuer", Field::Issuer),
    ("subject", Field::Subject),
    ("client", Field::Client),
    ("token", Field::Token),
    ("person", Field::Person),
    ("represented", Field::Represented),
    ("fhir_user", Field::FhirUser),
    ("organisation", Field::Organisation),
    ("unit", Field::Unit),
    ("register", Field::Register),
    ("register_type", Field::RegisterType),
    ("register_specifier", Field::RegisterSpecifier),
    ("role", Field::Role),
    ("purpose", Field::Purpose),
    ("relationship", Field::Relationship),
    ("authentication", Field::Authentication),
    ("relation", Field::Relation),
    ("kind", Field::Kind),
    ("scope", Field::Scope),
    ("patient", Field::Patient),
    ("encounter", Field::Encounter),
];

/// One row: what is looked at, and what it becomes.
#[derive(Clone, Debug)]
struct Row {
    /// A JSON pointer.
    from: String,
    to: Field,
    /// Patterns with what they become; empty where the value is taken as it is.
    values: Vec<(String, String)>,
    /// The system of an identifier.
    system: String,
    /// Taken off the front of the value.
    strip: String,
    /// Only for tokens of this issuer.
    issuer: Option<String>,
}

/// The table.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    claims: Vec<Row>,
    certificates: Vec<Row>,
    /// What absolute references to this server start with.
    bases: Vec<String>,
    /// How many rows of claims stand last because they always do.
    usual: usize,
}

impl Mapping {
    /// The usual rows behind those of `file`.
    ///
    /// # Errors
    /// Where the file cannot be read or a row says something unknown.
    pub(crate) fn read(file: Option<&Path>, bases: Vec<String>) -> Result<Self, Error> {
        let mut mapping = Self { claims: Vec::new(), certificates: Vec::new(), bases, usual: 0 };
        if let Some(path) = file {
            let shown = path.display();
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
            mapping.add(&text).map_err(|why| format!("{shown}: {why}"))?;
        }
        let own = mapping.claims.len();
        mapping.add(USUAL)?;
        mapping.usual = mapping.claims.len() - own;
        Ok(mapping)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().map_err(|error| format!("no TOML: {error}"))?;
        for (name, rows) in &table {
            let list = match name.as_str() {
                "claim" => &mut self.claims,
                "certificate" => &mut self.certificates,
                _ => return Err(format!("no table `{name}`: there are claim and certificate")),
            };
            let rows = rows.as_array().ok_or_else(|| format!("`{name}` must be [[{name}]]"))?;
            for row in rows {
                list.push(Row::read(row.as_table().ok_or("a row is no table")?)?);
            }
        }
        Ok(())
    }

    /// Lets the claim `kind` of this issuer say what kind of caller somebody is, unless the file says
    /// otherwise: for the development server, whose users have one by its settings.
    pub(crate) fn believe_kinds_of(&mut self, issuer: &str) {
        let row = Row {
            from: "/kind".to_owned(),
            to: Field::Kind,
            values: Vec::new(),
            system: String::new(),
            strip: String::new(),
            issuer: Some(issuer.to_owned()),
        };
        // Behind the rows of the file, before the usual ones.
        let usual = self.claims.len().saturating_sub(self.usual);
        self.claims.insert(usual, row);
    }

    /// Whether a certificate may tell who asks without a token.
    pub(crate) fn knows_certificates(&self) -> bool {
        self.certificates.iter().any(|row| row.to == Field::Kind)
    }

    /// The caller that verified claims describe. The certificate of the connection fills what the
    /// token leaves open, but neither kind, scopes nor context: those are the token's alone.
    pub(crate) fn of_token(
        &self,
        said: &Map<String, Value>,
        certificate: Option<&Certificate>,
    ) -> Caller {
        let said = Value::Object(said.clone());
        let issuer = said.get("iss").and_then(Value::as_str);
        let mut found = Found { bases: &self.bases, ..Found::default() };
        for row in &self.claims {
            if row.issuer.is_none() || row.issuer.as_deref() == issuer {
                found.fill(row, &said);
            }
        }
        if let Some(certificate) = certificate {
            let said = Value::Object(certificate.said().clone());
            let own = [Field::Kind, Field::Scope, Field::Patient, Field::Encounter];
            for row in self.certificates.iter().filter(|row| !own.contains(&row.to)) {
                found.fill(row, &said);
            }
        }
        found.caller(certificate)
    }

    /// The caller that a certificate alone describes.
    pub(crate) fn of_certificate(&self, certificate: &Certificate) -> Caller {
        let said = Value::Object(certificate.said().clone());
        let mut found = Found { bases: &self.bases, ..Found::default() };
        for row in &self.certificates {
            found.fill(row, &said);
        }
        found.caller(Some(certificate))
    }
}

impl Row {
    fn read(table: &toml::Table) -> Result<Self, String> {
        let known = ["from", "to", "values", "system", "strip", "issuer"];
        if let Some(name) = table.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("a row has no `{name}`: there are {}", known.join(", ")));
        }
        let text = |name: &str| match table.get(name) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("`{name}` must be text")),
        };
        let from = text("from")?.ok_or("a row needs `from`")?;
        let to = text("to")?.ok_or("a row needs `to`")?;
        let field = FIELDS.iter().find(|(name, _)| *name == to).map(|(_, field)| *field);
        let to = field.ok_or_else(|| {
            let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            format!("`to` must be one of {}", names.join(", "))
        })?;
        let mut values = Vec::new();
        for (pattern, value) in
            table.get("values").and_then(toml::Value::as_table).into_iter().flatten()
        {
            let value = value.as_str().ok_or("`values` must be texts")?;
            if to == Field::Kind && !is_kind(value) {
                return Err(format!("the kinds of callers are {}", kinds()));
            }
            values.push((pattern.clone(), value.to_owned()));
        }
        // What is told most closely comes first.
        values.sort_by_key(|(pattern, _)| (pattern.contains('*'), usize::MAX - pattern.len()));
        let is_pointer = from.starts_with('/');
        Ok(Self {
            from: if is_pointer { from } else { pointer(&from) },
            to,
            values,
            system: text("system")?.unwrap_or_default(),
            strip: text("strip")?.unwrap_or_default(),
            issuer: text("issuer")?,
        })
    }

    /// The texts at the place that the row looks at, as the table turns them.
    fn value(&self, said: &Value) -> Option<String> {
        let text = match said.pointer(&self.from)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            // Scopes may come as a list; of anything else the first counts.
            Value::Array(list) if self.to == Field::Scope => {
                let words: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                words.join(" ")
            }
            Value::Array(list) => list.first()?.as_str()?.to_owned(),
            Value::Null | Value::Object(_) => return None,
        };
        let text = text.strip_prefix(self.strip.as_str()).unwrap_or(&text);
        if text.is_empty() {
            return None;
        }
        if self.values.is_empty() {
            return Some(text.to_owned());
        }
        let matching = self.values.iter().find(|(pattern, _)| matches(pattern, text));
        matching.map(|(_, value)| value.clone())
    }
}

fn is_kind(word: &str) -> bool {
    CallerKind::of(word).is_some_and(|kind| kind != CallerKind::Everyone)
}

fn kinds() -> String {
    let named = CallerKind::ALL.into_iter().filter(|kind| *kind != CallerKind::Everyone);
    named.map(CallerKind::code).collect::<Vec<_>>().join(", ")
}

/// `a.b` as a JSON pointer. Identifiers with dots are written as a pointer.
fn pointer(path: &str) -> String {
    let parts = path.split('.').map(|part| part.replace('~', "~0").replace('/', "~1"));
    parts.map(|part| format!("/{part}")).collect()
}

/// Whether `text` is the pattern; `*` at its ends stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(_), Some(_)) if pattern == "*" => true,
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => text == pattern,
    }
}

/// What the rows have given so far; the first value of each field stays.
#[derive(Default)]
struct Found<'a> {
    kind: Option<CallerKind>,
    claims: Claims,
    scope: Option<String>,
    launch: LaunchContext,
    bases: &'a [String],
}

impl Found<'_> {
    fn fill(&mut self, row: &Row, said: &Value) {
        let Some(value) = row.value(said) else { return };
        let identifier = || {
            // A claim may name the system itself, as tokens of search parameters do.
            let (system, value) = match value.split_once('|') {
                Some((system, value)) if row.system.is_empty() => (system, value),
                _ => (row.system.as_str(), value.as_str()),
            };
            Identifier { system: system.to_owned(), value: value.to_owned() }
        };
        let bases = self.bases;
        let claims = &mut self.claims;
        match row.to {
            Field::Issuer => first(&mut claims.issuer, || value.clone()),
            Field::Subject => first(&mut claims.subject, || value.clone()),
            Field::Client => first(&mut claims.client, || value.clone()),
            Field::Token => first(&mut claims.token, || value.clone()),
            Field::Role => first(&mut claims.role, || value.clone()),
            Field::Purpose => first(&mut claims.purpose, || value.clone()),
            Field::Relationship => first(&mut claims.relationship, || value.clone()),
            Field::Authentication => first(&mut claims.authentication, || value.clone()),
            Field::Relation => first(&mut claims.relation, || value.clone()),
            Field::Person => first(&mut claims.person, identifier),
            Field::Represented => first(&mut claims.represented, identifier),
            Field::Organisation => first(&mut claims.organisation, identifier),
            Field::Unit => first(&mut claims.unit, identifier),
            Field::Register => first(&mut claims.register, identifier),
            Field::RegisterType => first(&mut claims.register_type, identifier),
            Field::RegisterSpecifier => first(&mut claims.register_specifier, identifier),
            Field::Scope => first(&mut self.scope, || value.clone()),
            Field::Kind => {
                let kind = CallerKind::of(&value).filter(|kind| is_kind(kind.code()));
                self.kind = self.kind.or(kind);
            }
            Field::FhirUser => {
                claims.fhir_user = claims.fhir_user.take().or_else(|| key(&value, bases, None));
            }
            Field::Patient => {
                let found = || key(&value, bases, Some(ResourceType::PATIENT));
                self.launch.patient = self.launch.patient.take().or_else(found);
            }
            Field::Encounter => {
                let found = || key(&value, bases, Some(ResourceType::ENCOUNTER));
                self.launch.encounter = self.launch.encounter.take().or_else(found);
            }
        }
    }

    fn caller(mut self, certificate: Option<&Certificate>) -> Caller {
        self.claims.certificate =
            certificate.map(|certificate| fhir_security::base64url(certificate.thumbprint()));
        let scopes = self.scope.as_deref().map(Scopes::parse).unwrap_or_default();
        Caller::new(self.kind.unwrap_or_default(), self.claims, scopes, self.launch)
    }
}

fn first<T>(field: &mut Option<T>, value: impl FnOnce() -> T) {
    if field.is_none() {
        *field = Some(value());
    }
}

/// A resource of this server: `Patient/1`, its URL here, or the id alone where the type is known.
fn key(text: &str, bases: &[String], known: Option<ResourceType>) -> Option<ResourceKey> {
    let relative = match text.contains("://") {
        true => {
            bases.iter().find_map(|base| text.strip_prefix(base.as_str())?.strip_prefix('/'))?
        }
        false => text,
    };
    let (resource_type, id) = match (relative.split_once('/'), known) {
        (Some((name, id)), known) => {
            let named = ResourceType::named(name)?;
            (known.is_none_or(|known| known == named).then_some(named)?, id)
        }
        (None, Some(known)) => (known, relative),
        (None, None) => return None,
    };
    Some(ResourceKey { resource_type, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mapping(text: &str) -> Mapping {
        let bases = vec!["https://fhir.example.org/fhir".to_owned()];
        let mut mapping = Mapping { claims: Vec::new(), certificates: Vec::new(), bases, usual: 0 };
        mapping.add(text).unwrap();
        mapping.add(USUAL).unwrap();
        mapping
    }

    fn caller(text: &str, said: &Value) -> Caller {
        mapping(text).of_token(said.as_object().unwrap(), None)
    }

    #[test]
    fn the_usual_claims_make_a_caller() {
        let said = json!({"iss": "https://i", "sub": "s", "azp": "c", "jti": "j", "patient": "p1",
            "scope": "openid patient/Observation.rs", "encounter": "Encounter/e",
            "fhirUser": "https://fhir.example.org/fhir/Practitioner/d"});
        let caller = caller("", &said);
        assert_eq!(caller.kind(), CallerKind::Professional);
        let claims = caller.claims();
        assert_eq!(
            (claims.issuer.as_deref(), claims.client.as_deref()),
            (Some("https://i"), Some("c"))
        );
        assert_eq!(claims.fhir_user.as_ref().unwrap().to_string(), "Practitioner/d");
        assert_eq!(caller.launch().patient.as_ref().unwrap().to_string(), "Patient/p1");
        assert_eq!(caller.launch().encounter.as_ref().unwrap().to_string(), "Encounter/e");
        assert_eq!(caller.grants().len(), 1);
    }

    #[test]
    fn scopes_tell_systems_from_apps_and_nothing_tells_nobody() {
        let kind = |said: &Value| caller("", said).kind();
        assert_eq!(kind(&json!({"scope": "system/*.rs"})), CallerKind::System);
        assert_eq!(kind(&json!({"scp": ["user/*.rs"], "scope": "user/*.rs"})), CallerKind::App);
        assert_eq!(kind(&json!({"fhirUser": "Patient/1"})), CallerKind::Citizen);
        assert_eq!(kind(&json!({"sub": "x"})), CallerKind::Unknown);
        assert_eq!(kind(&json!({"kind": "everyone"})), CallerKind::Unknown);
    }

    #[test]
    fn rows_of_the_file_come_first() {
        let rows = r#"
            [[claim]]
            from = "user.id"
            to = "person"
            system = "urn:oid:1.2.3"
            strip = "urn:"
            [[claim]]
            from = "/https:~1~1x.example.org~1role"
            to = "kind"
            values = { "nurse" = "professional", "admin*" = "administrator" }
            [[claim]]
            from = "unit"
            to = "unit"
            issuer = "https://other"
        "#;
        let said = json!({"iss": "https://i", "user": {"id": "urn:77"}, "unit": "u",
            "https://x.example.org/role": "admin-2", "scope": "system/*.rs"});
        let caller = caller(rows, &said);
        assert_eq!(caller.kind(), CallerKind::Administrator);
        let person = caller.claims().person.as_ref().unwrap();
        assert_eq!((person.system.as_str(), person.value.as_str()), ("urn:oid:1.2.3", "77"));
        assert!(caller.claims().unit.is_none());
    }

    #[test]
    fn references_to_other_servers_are_none_of_ours() {
        for text in
            ["https://else.example.org/fhir/Patient/1", "Practitioner/1", "a/b/c", "a b", ""]
        {
            let caller = caller("", &json!({"patient": text, "scope": "patient/*.rs"}));
            assert!(caller.launch().patient.is_none(), "{text}");
        }
    }

    #[test]
    fn rows_that_say_something_unknown_are_refused() {
        for bad in [
            "[[claims]]\nfrom = \"a\"\nto = \"role\"",
            "[[claim]]\nfrom = \"a\"",
            "[[claim]]\nfrom = \"a\"\nto = \"rolle\"",
            "[[claim]]\nfrom = \"a\"\nto = \"role\"\nvalue = \"x\"",
            "[[claim]]\nfrom = \"a\"\nto = \"kind\"\nvalues = { a = \"everyone\" }",
            "claim = 1",
        ] {
            let mut mapping = mapping("");
            assert!(mapping.add(bad).is_err(), "{bad}");
        }
    }
}
