//! Why a caller may or may not: what each scope, rule and label gave or took, in words.
//!
//! The decision is the policy's own; the words are made beside it from the same parts.

use std::fmt::Write;

use fhir_definitions::ResourceType;

use crate::access::{Asking, Current};
use crate::reach::RIGHTS;
use crate::{
    Ask, Caller, Context, Decision, Effect, Grant, Interaction, Limit, Policy, Rights, Rule,
};

/// What a question comes to, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the gate lets the question pass.
    pub is_allowed: bool,
    /// What each scope and rule gave or took, one line for each and for each right.
    pub reasons: Vec<Reason>,
    /// What the query is confined to, by right: in the words of FHIR searches, joined by `and`,
    /// `or` and `not`.
    pub limits: Vec<(Rights, String)>,
    /// Where no type is asked for: the types that are reached whole.
    pub whole: Vec<ResourceType>,
    /// Where no type is asked for: the types that are reached in part.
    pub part: Vec<ResourceType>,
}

/// What one scope or rule did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The right that is asked about.
    pub right: Rights,
    /// `scope user/Patient.rs`, `rule "name" (allow)`.
    pub source: String,
    /// What it gave or took, or why it did nothing.
    pub did: String,
}

impl Current {
    pub(crate) fn explain(&self, policy: &dyn Policy, ask: &Ask<'_>) -> Explanation {
        let decision = policy.decide(ask);
        let asking = Asking { settings: &self.settings, caller: ask.caller, words: ask.words };
        let mut found = Explanation {
            is_allowed: matches!(decision, Decision::Allow(_)),
            reasons: Vec::new(),
            limits: Vec::new(),
            whole: Vec::new(),
            part: Vec::new(),
        };
        let rights = asked(ask);
        for right in RIGHTS.into_iter().filter(|right| rights.has(*right)) {
            asking.reasons(ask.resource_type, right, &mut found.reasons);
            if let Some(of) = ask.resource_type {
                found.limits.push((right, asking.limit_text(of, right)));
            }
        }
        if let Some(operation) = ask.operation {
            found.reasons.extend(self.by_name(ask.caller, operation.name));
        }
        if let (Decision::Allow(reach), None) = (&decision, ask.resource_type) {
            for of in ResourceType::all() {
                match reach.of(of, rights) {
                    Limit::Everything => found.whole.push(of),
                    Limit::Such(_) => found.part.push(of),
                    Limit::Nothing => {}
                }
            }
        }
        found
    }

    /// What rules say of an operation by its name.
    fn by_name(&self, caller: &Caller, operation: &str) -> Vec<Reason> {
        let named = self.settings.rules.iter().filter(|rule| rule.names(operation));
        let told = named.map(|rule| {
            let (effect, does) = match rule.effect() {
                Effect::Allow => ("allow", "allows"),
                Effect::Deny => ("deny", "denies"),
            };
            let did = match rule.differs_in(caller) {
                Some(key) => format!("is about others: {key}"),
                None => format!("{does} {operation} by name"),
            };
            let source = format!("rule \"{}\" ({effect})", rule.name());
            Reason { right: Rights::default(), source, did }
        });
        told.collect()
    }
}

/// The rights that an interaction needs one of.
fn asked(ask: &Ask<'_>) -> Rights {
    use crate::Touches;
    match ask.interaction {
        Interaction::Read | Interaction::VRead | Interaction::HistoryInstance => Rights::READ,
        Interaction::SearchType
        | Interaction::SearchSystem
        | Interaction::HistoryType
        | Interaction::HistorySystem => Rights::SEARCH,
        Interaction::Create => Rights::CREATE,
        Interaction::Update | Interaction::Patch => Rights::UPDATE,
        Interaction::Delete => Rights::DELETE,
        Interaction::Transaction | Interaction::Batch => Rights::ALL,
        Interaction::Capabilities => Rights::default(),
        Interaction::Operation => match ask.operation.map(|operation| operation.touches) {
            Some(Touches::Resources) => Rights::READ.and(Rights::SEARCH),
            Some(Touches::Changes) => Rights::UPDATE,
            Some(Touches::Nothing | Touches::Service) | None => Rights::default(),
        },
    }
}

impl Asking<'_> {
    /// One line for each scope, rule and label.
    fn reasons(&self, of: Option<ResourceType>, right: Rights, out: &mut Vec<Reason>) {
        let mut tell = |source: String, did: String| out.push(Reason { right, source, did });
        let scopes = self.caller.scopes();
        for grant in scopes.grants() {
            tell(format!("scope {grant}"), self.by_grant_text(grant, of, right));
        }
        for scope in scopes.others() {
            tell(format!("scope {scope}"), "speaks of no resources".to_owned());
        }
        for (scope, why) in scopes.invalid() {
            tell(format!("scope {scope}"), format!("cannot be read: {why}"));
        }
        for rule in &self.settings.rules {
            let effect = match rule.effect() {
                Effect::Allow => "allow",
                Effect::Deny => "deny",
            };
            let source = format!("rule \"{}\" ({effect})", rule.name());
            tell(source, self.by_rule_text(rule, of, right));
        }
        for label in
            self.settings.labels.iter().filter(|label| of.is_none_or(|of| label.is_about(of)))
        {
            let did = match (label.spares(self.caller), label.hides_whole()) {
                (true, _) => "hides nothing from this caller",
                (false, true) => "hides resources that bear it",
                (false, false) => {
                    "hides elements of resources that bear it, and keeps from writing them"
                }
            };
            tell(format!("label \"{}\"", label.name()), did.to_owned());
        }
    }

    fn by_grant_text(&self, grant: &Grant, of: Option<ResourceType>, right: Rights) -> String {
        if !grant.rights.has(right) {
            return format!("does not give {}", right.letters());
        }
        match (of, grant.resource_type) {
            (Some(of), Some(own)) if own != of => return format!("is about {own}"),
            (Some(of), _) => {
                let limit = self.by_grant(grant, of, right);
                if limit == Limit::Nothing {
                    return self.why_nothing(grant, of);
                }
                if limit == Limit::Everything {
                    return format!("gives all of {of}");
                }
            }
            (None, _) => {}
        }
        format!("gives {}", self.grant_text(grant))
    }

    /// Why a grant gives nothing of a type that it speaks of.
    fn why_nothing(&self, grant: &Grant, of: ResourceType) -> String {
        if self.such(of, &grant.restriction) == Limit::Nothing {
            return format!("gives nothing: its search is not understood for {of}");
        }
        match &self.caller.launch().patient {
            None => "gives nothing: there is no patient in context".to_owned(),
            Some(_) => {
                format!("gives nothing: {of} is in no patient's compartment, and not shared")
            }
        }
    }

    /// What a grant gives, as a search.
    fn grant_text(&self, grant: &Grant) -> String {
        let mut text = search(&grant.restriction);
        if let (Context::Patient, Some(patient)) = (grant.context, &self.caller.launch().patient) {
            if !text.is_empty() {
                text.push_str(" and ");
            }
            let _infallible = write!(text, "in the compartment of {patient}");
        }
        if text.is_empty() { "everything".to_owned() } else { text }
    }

    fn by_rule_text(&self, rule: &Rule, of: Option<ResourceType>, right: Rights) -> String {
        if let Some(key) = rule.differs_in(self.caller) {
            return format!("is about others: {key}");
        }
        if !rule.rights().has(right) {
            return format!("does not speak of {}", right.letters());
        }
        if let Some(of) = of.filter(|of| !is_of(rule, *of)) {
            return format!("does not speak of {of}");
        }
        let does = match rule.effect() {
            Effect::Allow => "gives",
            Effect::Deny => "takes",
        };
        match (rule.condition(self.caller), rule.effect()) {
            (None, Effect::Allow) => {
                "gives nothing: it rests on what is not known of the caller".to_owned()
            }
            (None, Effect::Deny) => {
                "takes everything: it rests on what is not known of the caller".to_owned()
            }
            (Some(pairs), effect) => match (of, effect) {
                _ if pairs.is_empty() => format!("{does} everything"),
                (Some(of), Effect::Allow) if self.such(of, &pairs) == Limit::Nothing => {
                    format!("gives nothing: its search is not understood for {of}")
                }
                (Some(of), Effect::Deny) if self.denied(of, &pairs) == Limit::Everything => {
                    format!("takes everything: its search is not understood for {of}")
                }
                _ => format!("{does} {}", search(&pairs)),
            },
        }
    }

    /// What a query of the type is confined to.
    fn limit_text(&self, of: ResourceType, right: Rights) -> String {
        let limit = self.limit(of, right);
        match limit {
            Limit::Nothing => return "nothing".to_owned(),
            Limit::Everything => return "everything".to_owned(),
            Limit::Such(_) => {}
        }
        let mut all = Vec::new();
        if self.by_scopes(of, right) != Limit::Everything {
            let grants = self.caller.grants().iter();
            let about = grants.filter(|grant| {
                grant.rights.has(right) && grant.resource_type.is_none_or(|own| own == of)
            });
            let useful = about.filter(|grant| self.by_grant(grant, of, right) != Limit::Nothing);
            all.push(either(useful.map(|grant| self.grant_text(grant)).collect()));
        }
        let about: Vec<&Rule> = self.rules_about(of, right).collect();
        let texts = |effect: Effect| -> Vec<String> {
            let those = about.iter().filter(|rule| rule.effect() == effect);
            those.filter_map(|rule| Some(search(&rule.condition(self.caller)?))).collect()
        };
        let allowed = texts(Effect::Allow);
        if !allowed.is_empty() && allowed.iter().all(|text| !text.is_empty()) {
            all.push(either(allowed));
        }
        let denied = texts(Effect::Deny);
        if !denied.is_empty() {
            all.push(format!("not {}", either(denied)));
        }
        all.extend(self.own_limits(of, right));
        if all.is_empty() { "what the rules say".to_owned() } else { all.join(" and ") }
    }
}

fn is_of(rule: &Rule, of: ResourceType) -> bool {
    rule.types().is_empty() || rule.types().contains(&of)
}

fn either(mut texts: Vec<String>) -> String {
    texts.sort();
    texts.dedup();
    match texts.as_slice() {
        [one] => one.clone(),
        several => format!("({})", several.join(" or ")),
    }
}

/// Pairs as a FHIR search.
fn search(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let context = match self.context {
            Context::Patient => "patient",
            Context::User => "user",
            Context::System => "system",
        };
        let of = self.resource_type.map_or("*", ResourceType::as_str);
        write!(f, "{context}/{of}.{}", self.rights.letters())?;
        if self.restriction.is_empty() {
            Ok(())
        } else {
            write!(f, "?{}", search(&self.restriction))
        }
    }
}
