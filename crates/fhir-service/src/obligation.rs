//! Tables of headers and claims: what must be there, what may, what may not, and in which form.

use fhir_access::{Caller, CallerKind, Claims};
use fhir_model::{FailureKind, Issue};
use regex_lite::Regex;

use crate::service::Service;

/// Whether something must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Wherever the condition holds.
    Mandatory,
    Optional,
    Forbidden,
}

/// When a line of a table counts; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct When {
    pub(crate) header: Option<String>,
    pub(crate) claim: Option<Field>,
    pub(crate) kinds: Vec<CallerKind>,
    pub(crate) writes: Option<bool>,
}

/// A line of the table of headers.
#[derive(Clone, Debug)]
pub(crate) struct HeaderRule {
    pub(crate) name: String,
    pub(crate) presence: Presence,
    pub(crate) when: When,
    pub(crate) format: Option<Regex>,
    pub(crate) rule: String,
}

/// A line of the table of claims.
#[derive(Clone, Debug)]
pub(crate) struct ClaimRule {
    pub(crate) field: Field,
    pub(crate) presence: Presence,
    pub(crate) when: When,
    pub(crate) format: Option<Regex>,
    pub(crate) rule: String,
}

/// What is known of a caller, by the words of the settings that fill it from claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Issuer,
    Subject,
    Client,
    Token,
    Person,
    Represented,
    Organisation,
    Unit,
    Register,
    Role,
    Purpose,
    Relationship,
    Authentication,
    Relation,
    Certificate,
}

impl Field {
    const ALL: [(&'static str, Self); 15] = [
        ("issuer", Self::Issuer),
        ("subject", Self::Subject),
        ("client", Self::Client),
        ("token", Self::Token),
        ("person", Self::Person),
        ("represented", Self::Represented),
        ("organisation", Self::Organisation),
        ("unit", Self::Unit),
        ("register", Self::Register),
        ("role", Self::Role),
        ("purpose", Self::Purpose),
        ("relationship", Self::Relationship),
        ("authentication", Self::Authentication),
        ("relation", Self::Relation),
        ("certificate", Self::Certificate),
    ];

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, field)| *field)
    }

    pub(crate) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    /// The value of an identifier, or the text.
    pub(crate) fn value(self, claims: &Claims) -> Option<&str> {
        let identifier = match self {
            Self::Person => &claims.person,
            Self::Represented => &claims.represented,
            Self::Organisation => &claims.organisation,
            Self::Unit => &claims.unit,
            Self::Register => &claims.register,
            Self::Issuer => return claims.issuer.as_deref(),
            Self::Subject => return claims.subject.as_deref(),
            Self::Client => return claims.client.as_deref(),
            Self::Token => return claims.token.as_deref(),
            Self::Role => return claims.role.as_deref(),
            Self::Purpose => return claims.purpose.as_deref(),
            Self::Relationship => return claims.relationship.as_deref(),
            Self::Authentication => return claims.authentication.as_deref(),
            Self::Relation => return claims.relation.as_deref(),
            Self::Certificate => return claims.certificate.as_deref(),
        };
        identifier.as_ref().map(|identifier| identifier.value.as_str())
    }
}

/// What a request shows before its body is read.
pub struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The values of a header; several of one name are several.
    pub header: &'a dyn Fn(&str) -> Vec<String>,
    /// Whether the interaction writes.
    pub writes: bool,
}

impl When {
    fn holds(&self, asked: &Asked<'_>) -> bool {
        let claims = asked.caller.claims();
        let has_header = |name: &String| !(asked.header)(name).is_empty();
        self.header.as_ref().is_none_or(has_header)
            && self.claim.is_none_or(|field| field.value(claims).is_some())
            && (self.kinds.is_empty() || self.kinds.contains(&asked.caller.kind()))
            && self.writes.is_none_or(|writes| writes == asked.writes)
    }
}

impl Service {
    /// What is wrong with the headers of a request.
    #[must_use]
    pub fn wrong_headers(&self, asked: &Asked<'_>) -> Vec<Issue> {
        let mut wrong = Vec::new();
        for line in self.headers.iter().filter(|line| line.when.holds(asked)) {
            let values = (asked.header)(&line.name);
            let told = |text: &str| {
                let text = format!("the header {} {text}", line.name);
                Issue::error(FailureKind::InvalidParameter.answer().1, text)
                    .at(format!("http.{}", line.name))
                    .rule(line.rule.clone())
            };
            match (line.presence, values.as_slice()) {
                (Presence::Mandatory, []) => wrong.push(told("is missing")),
                (Presence::Forbidden, [_, ..]) => wrong.push(told("may not be given")),
                (Presence::Optional, []) | (Presence::Forbidden, []) => {}
                (_, [value]) => {
                    if line.format.as_ref().is_some_and(|form| !form.is_match(value)) {
                        wrong.push(told("does not have the form that is asked for"));
                    }
                }
                (_, [_, _, ..]) => wrong.push(told("is given more than once")),
            }
        }
        wrong
    }

    /// What is wrong with what the token says of the caller.
    #[must_use]
    pub fn wrong_claims(&self, asked: &Asked<'_>) -> Vec<Issue> {
        let claims = asked.caller.claims();
        let mut wrong = Vec::new();
        for line in self.claims.iter().filter(|line| line.when.holds(asked)) {
            let told = |text: &str| {
                let text = format!("the token's {} {text}", line.field.word());
                Issue::error(FailureKind::Forbidden.answer().1, text)
                    .at("http.Authorization")
                    .rule(line.rule.clone())
            };
            match (line.presence, line.field.value(claims)) {
                (Presence::Mandatory, None) => wrong.push(told("is missing")),
                (Presence::Forbidden, Some(_)) => wrong.push(told("may not be given")),
                (Presence::Optional | Presence::Forbidden, None) => {}
                (Presence::Mandatory | Presence::Optional, Some(value)) => {
                    if line.format.as_ref().is_some_and(|form| !form.is_match(value)) {
                        wrong.push(told("does not have the form that is asked for"));
                    }
                }
            }
        }
        wrong
    }
}
