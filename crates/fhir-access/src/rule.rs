//! Rules of access beyond scopes: who may do what with which resources.

use fhir_definitions::ResourceType;
use fhir_model::ResourceKey;
use serde::Deserialize;

use crate::who::{Who, WhoText};
use crate::{Caller, CallerKind, Claims, Identifier, LaunchContext, Rights, Scopes, Words};

/// What a rule does where it applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It adds to what callers reach.
    #[default]
    Allow,
    /// It takes away, whatever else allows.
    Deny,
}

/// One rule, as its file has it. A list that is empty asks nothing; of one that isn't, any word
/// will do. Identifiers are written as `system|value`, or as a value alone for any system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleText {
    /// What the rule is called where it is told of.
    pub name: String,
    /// What it does.
    pub effect: Effect,
    /// Kinds of callers ([`CallerKind::code`]).
    pub kind: Vec<String>,
    /// Issuers of the token.
    pub issuer: Vec<String>,
    /// Client programs.
    pub client: Vec<String>,
    /// Organisations that ask.
    pub organisation: Vec<String>,
    /// Service units.
    pub unit: Vec<String>,
    /// Registers that are acted for.
    pub register: Vec<String>,
    /// Roles.
    pub role: Vec<String>,
    /// Purposes of use.
    pub purpose: Vec<String>,
    /// Resource types; none: all.
    pub types: Vec<String>,
    /// Letters of `cruds`; empty: all five.
    pub rights: String,
    /// Operations that are allowed or denied by name (`$purge`); these only, where the rule names
    /// no types and no rights.
    pub operations: Vec<String>,
    /// Whether the rule lets callers write the rules that are stored, or keeps them from it.
    pub writes_rules: bool,
    /// A FHIR search that the resources satisfy (`status=booked&actor.identifier={organisation}`).
    /// Words in braces stand for what is known of the caller: `person`, `represented`,
    /// `fhir_user`, `organisation`, `unit`, `register`, `patient`. Where one isn't known, the rule
    /// doesn't apply.
    #[serde(rename = "where")]
    pub condition: String,
}

/// A rule that was read and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: RuleText,
    who: Who,
    types: Vec<ResourceType>,
    rights: Rights,
    condition: Vec<(String, String)>,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// It has no name.
    #[error("a rule has no name")]
    Name,
    /// A word that is none of those that may stand there.
    #[error("rule `{rule}`: `{word}` is no {what}")]
    Word {
        /// The rule.
        rule: String,
        /// What was found.
        word: String,
        /// What was expected.
        what: &'static str,
    },
}

impl TryFrom<RuleText> for Rule {
    type Error = InvalidRule;

    fn try_from(text: RuleText) -> Result<Self, InvalidRule> {
        if text.name.is_empty() {
            return Err(InvalidRule::Name);
        }
        let bad = |word: &str, what| InvalidRule::Word {
            rule: text.name.clone(),
            word: word.to_owned(),
            what,
        };
        let who = text.who().try_into().map_err(|word: String| bad(&word, "kind of caller"))?;
        let of = |word: &String| word.parse().map_err(|_unknown| bad(word, "resource type"));
        let types = text.types.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        let rights = match text.rights.as_str() {
            "" if types.is_empty() && text.is_about_no_resources() => Rights::default(),
            "" => Rights::ALL,
            letters => Rights::parse(letters).ok_or_else(|| bad(letters, "list of rights"))?,
        };
        if let Some(word) = text.operations.iter().find(|name| !name.starts_with('$')) {
            return Err(bad(word, "name of an operation"));
        }
        let condition = match text.condition.as_str() {
            "" => Vec::new(),
            search => crate::scope::pairs(search).ok_or_else(|| bad(search, "FHIR search"))?,
        };
        for (_, value) in &condition {
            if let Some(word) = placeholders(value).find(|word| !KNOWN.contains(word)) {
                return Err(bad(word, "word for something known of the caller"));
            }
        }
        Ok(Self { who, types, rights, condition, text })
    }
}

impl RuleText {
    fn who(&self) -> WhoText {
        WhoText {
            kind: self.kind.clone(),
            issuer: self.issuer.clone(),
            client: self.client.clone(),
            organisation: self.organisation.clone(),
            unit: self.unit.clone(),
            register: self.register.clone(),
            role: self.role.clone(),
            purpose: self.purpose.clone(),
        }
    }

    /// Whether it speaks of operations or of rules, and of resources only where it names some.
    fn is_about_no_resources(&self) -> bool {
        !self.operations.is_empty() || self.writes_rules
    }
}

impl Rule {
    /// Whether its search can be understood: for each type that it names, or for any type where it
    /// names none.
    #[must_use]
    pub fn is_understood(&self, words: &dyn Words) -> bool {
        let Some(condition) = self.condition(&specimen()) else { return false };
        let is_of = |of: ResourceType| words.conditions(of, &condition).is_some();
        condition.is_empty()
            || match self.types.as_slice() {
                [] => ResourceType::all().any(is_of),
                types => types.iter().copied().all(is_of),
            }
    }
}

/// Somebody of whom everything is known that a rule may name.
fn specimen() -> Caller {
    let identifier = || Some(Identifier { system: "urn:x".to_owned(), value: "x".to_owned() });
    let key = |of| "x".parse().ok().map(|id| ResourceKey::new(of, id));
    let claims = Claims {
        person: identifier(),
        represented: identifier(),
        organisation: identifier(),
        unit: identifier(),
        register: identifier(),
        fhir_user: key(ResourceType::PRACTITIONER),
        ..Claims::default()
    };
    let launch = LaunchContext { patient: key(ResourceType::PATIENT), encounter: None };
    Caller::new(CallerKind::Professional, claims, Scopes::default(), launch)
}

/// What may stand in braces.
const KNOWN: [&str; 7] =
    ["person", "represented", "fhir_user", "organisation", "unit", "register", "patient"];

/// The words in braces.
fn placeholders(value: &str) -> impl Iterator<Item = &str> {
    value.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(word, _)| word))
}

impl Rule {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.text.name
    }

    /// What it does.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.text.effect
    }

    /// The types that it speaks of; none: all.
    #[must_use]
    pub fn types(&self) -> &[ResourceType] {
        &self.types
    }

    /// The rights that it gives or takes.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Whether it names an operation.
    #[must_use]
    pub fn names(&self, operation: &str) -> bool {
        self.text.operations.iter().any(|name| name == operation)
    }

    /// Whether it speaks of who may write rules.
    #[must_use]
    pub fn is_about_rules(&self) -> bool {
        self.text.writes_rules
    }

    /// Whether it is about this caller.
    #[must_use]
    pub fn is_about(&self, caller: &Caller) -> bool {
        self.who.is(caller)
    }

    /// The first thing that keeps it from being about this caller, as its key in the file; none
    /// where it is about them.
    #[must_use]
    pub fn differs_in(&self, caller: &Caller) -> Option<&'static str> {
        self.who.differs_in(caller)
    }

    /// Its search as it was written; empty where it has none.
    #[must_use]
    pub fn search(&self) -> &str {
        &self.text.condition
    }

    /// The search that its resources satisfy, with what is known of the caller put in; none where
    /// something is not known.
    #[must_use]
    pub fn condition(&self, caller: &Caller) -> Option<Vec<(String, String)>> {
        let fill = |(name, value): &(String, String)| Some((name.clone(), filled(value, caller)?));
        self.condition.iter().map(fill).collect()
    }
}

/// A value with its words in braces replaced; none where one isn't known.
fn filled(value: &str, caller: &Caller) -> Option<String> {
    let mut parts = value.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (word, rest) = part.split_once('}')?;
        out.push_str(&known(word, caller)?);
        out.push_str(rest);
    }
    Some(out)
}

fn known(word: &str, caller: &Caller) -> Option<String> {
    let Claims { person, represented, organisation, unit, register, fhir_user, .. } =
        caller.claims();
    let token = |identifier: &Option<Identifier>| {
        let Identifier { system, value } = identifier.as_ref()?;
        let value = escaped(value);
        Some(if system.is_empty() { value } else { format!("{}|{value}", escaped(system)) })
    };
    match word {
        "person" => token(person),
        "represented" => token(represented),
        "organisation" => token(organisation),
        "unit" => token(unit),
        "register" => token(register),
        "fhir_user" => fhir_user.as_ref().map(ToString::to_string),
        "patient" => caller.launch().patient.as_ref().map(ToString::to_string),
        _ => None,
    }
}

/// The value of a search parameter, so that nothing that a token says becomes a second value.
/// Spec: <https://hl7.org/fhir/R4/search.html#escaping>
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | ',' | '$' | '|') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
