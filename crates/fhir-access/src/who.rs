//! Whom a rule or a label is about.

use serde::Deserialize;

use crate::{Caller, CallerKind, Identifier};

/// Callers, as a file describes them. A list that is empty asks nothing; of one that isn't, any
/// word will do. Identifiers are written as `system|value`, or as a value alone for any system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhoText {
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
}

/// Callers whose kinds are known to be kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Who {
    text: WhoText,
    kinds: Vec<CallerKind>,
}

impl TryFrom<WhoText> for Who {
    /// The word that is no kind of caller.
    type Error = String;

    fn try_from(text: WhoText) -> Result<Self, String> {
        let kind = |word: &String| CallerKind::of(word).ok_or_else(|| word.clone());
        let kinds = text.kind.iter().map(kind).collect::<Result<_, _>>()?;
        Ok(Self { text, kinds })
    }
}

impl Who {
    /// Whether this caller is meant.
    pub(crate) fn is(&self, caller: &Caller) -> bool {
        self.differs_in(caller).is_none()
    }

    /// The first key in which the caller is another.
    pub(crate) fn differs_in(&self, caller: &Caller) -> Option<&'static str> {
        let (text, claims) = (&self.text, caller.claims());
        let word = |asked: &[String], own: &Option<String>| {
            asked.is_empty() || own.as_ref().is_some_and(|own| asked.contains(own))
        };
        let identifier = |asked: &[String], own: &Option<Identifier>| {
            asked.is_empty()
                || own.as_ref().is_some_and(|own| asked.iter().any(|asked| is_named(asked, own)))
        };
        let found = [
            ("kind", self.kinds.is_empty() || self.kinds.contains(&caller.kind())),
            ("issuer", word(&text.issuer, &claims.issuer)),
            ("client", word(&text.client, &claims.client)),
            ("role", word(&text.role, &claims.role)),
            ("purpose", word(&text.purpose, &claims.purpose)),
            ("organisation", identifier(&text.organisation, &claims.organisation)),
            ("unit", identifier(&text.unit, &claims.unit)),
            ("register", identifier(&text.register, &claims.register)),
        ];
        found.into_iter().find(|(_, is)| !is).map(|(key, _)| key)
    }
}

/// Whether an identifier is the one that a file writes as `system|value` or as a value alone.
fn is_named(asked: &str, own: &Identifier) -> bool {
    match asked.rsplit_once('|') {
        Some((system, value)) => own.system == system && own.value == value,
        None => own.value == asked,
    }
}
