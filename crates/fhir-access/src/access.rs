//! The policy of a server that asks who is asking: scopes, cut by rules.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use fhir_definitions::ResourceType;

use crate::reach::RIGHTS;
use crate::{
    Ask, Caller, CallerKind, Concealed, Context, Decision, Effect, Explanation, Grant, Interaction,
    Label, Limit, Operation, Policy, Reach, Refusal, Rights, Rule, Touches, Words,
};

/// What scopes are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScopeUse {
    /// A caller reaches nothing without them.
    #[default]
    Needed,
    /// They are passed over: the rules alone say what a caller reaches.
    Ignored,
}

/// What the operator chose about access.
#[derive(Clone, Debug, Default)]
pub struct AccessSettings {
    /// What scopes are worth.
    pub scopes: ScopeUse,
    /// Types outside of the compartment of a patient that `patient/` scopes show nevertheless,
    /// such as the organisations and professionals that its resources refer to.
    pub shared_types: Vec<ResourceType>,
    /// The rules. Where there are some, what none of them allows is denied. Where there are none,
    /// scopes alone decide.
    pub rules: Vec<Rule>,
    /// What is hidden of resources that bear a security label, and from whom.
    pub labels: Vec<Label>,
    /// Whether resources with the code [`RULE_CODE`] are rules: then only administrators, and whom
    /// a rule names, write them.
    pub has_stored_rules: bool,
}

/// System and code of the `Basic` resources that carry rules.
pub const RULE_CODE: (&str, &str) = ("urn:kantele:CodeSystem:carrier", "access-rule");

/// Decides by scopes and rules, which may be replaced while it is asked.
#[derive(Debug)]
pub struct AccessPolicy {
    current: RwLock<Arc<Current>>,
    everything: Arc<Reach>,
    nothing: Arc<Reach>,
}

/// What holds until it is replaced.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) settings: AccessSettings,
    generation: u64,
}

impl Current {
    fn new(settings: AccessSettings) -> Arc<Self> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { settings, generation })
    }
}

impl AccessPolicy {
    /// A policy of these settings. What callers reach is worked out once for each of them and
    /// kept with them until the settings are replaced.
    #[must_use]
    pub fn new(settings: AccessSettings) -> Self {
        let current = RwLock::new(Current::new(settings));
        let (everything, nothing) =
            (Arc::new(Reach::everything().settled()), Arc::new(Reach::default()));
        Self { current, everything, nothing }
    }

    /// Puts other settings in force, for every question from now on.
    pub fn replace(&self, settings: AccessSettings) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current::new(settings);
    }

    /// What a question comes to, and why.
    #[must_use]
    pub fn explain(&self, ask: &Ask<'_>) -> Explanation {
        self.current().explain(self, ask)
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How far a caller reaches.
    #[must_use]
    pub fn reach(&self, caller: &Caller, words: &dyn Words) -> Arc<Reach> {
        self.reach_by(&self.current(), caller, words)
    }

    fn reach_by(&self, current: &Current, caller: &Caller, words: &dyn Words) -> Arc<Reach> {
        if caller.kind() == CallerKind::Everyone {
            return Arc::clone(&self.everything);
        }
        caller.reach((current.generation, words.generation()), || {
            let asking = Asking { settings: &current.settings, caller, words };
            let mut reach = Reach::default();
            for of in ResourceType::all() {
                for right in RIGHTS {
                    reach.set(of, right, &asking.limit(of, right));
                }
                for concealed in asking.concealed(of) {
                    reach.conceal(of, concealed);
                }
            }
            reach.settled()
        })
    }
}

impl Current {
    /// What the rules say of an operation by name.
    fn named(&self, caller: &Caller, operation: &str) -> Option<Effect> {
        let rules = self.settings.rules.iter();
        let about = rules.filter(|rule| rule.names(operation) && rule.is_about(caller));
        about.map(Rule::effect).max_by_key(|effect| *effect == Effect::Deny)
    }

    fn allows(&self, ask: &Ask<'_>, reach: &Reach) -> bool {
        let is_known = ask.caller.kind() != CallerKind::Unknown;
        let reaches = |rights: Rights| match ask.resource_type {
            Some(of) => reach.of(of, rights) != Limit::Nothing,
            None => reach.is_anything(rights),
        };
        let seeing = Rights::READ.and(Rights::SEARCH);
        match ask.interaction {
            Interaction::Capabilities => true,
            Interaction::Read | Interaction::VRead | Interaction::HistoryInstance => {
                reaches(Rights::READ)
            }
            Interaction::SearchType
            | Interaction::SearchSystem
            | Interaction::HistoryType
            | Interaction::HistorySystem => reaches(Rights::SEARCH),
            Interaction::Create => reaches(Rights::CREATE),
            Interaction::Update | Interaction::Patch => reaches(Rights::UPDATE),
            Interaction::Delete => reaches(Rights::DELETE),
            // Their entries ask for themselves.
            Interaction::Transaction | Interaction::Batch => reach.is_anything(Rights::ALL),
            Interaction::Operation => {
                let Some(Operation { name, touches }) = ask.operation else { return false };
                match (self.named(ask.caller, name), touches) {
                    (Some(Effect::Deny), _) => false,
                    (_, Touches::Nothing) => is_known,
                    (_, Touches::Resources) => reaches(seeing),
                    (_, Touches::Changes) => reaches(Rights::UPDATE),
                    (Some(Effect::Allow), Touches::Service) => true,
                    (None, Touches::Service) => ask.caller.kind() == CallerKind::Administrator,
                }
            }
        }
    }
}

impl Policy for AccessPolicy {
    fn decide(&self, ask: &Ask<'_>) -> Decision {
        if ask.caller.kind() == CallerKind::Everyone {
            return Decision::Allow(Arc::clone(&self.everything));
        }
        let current = self.current();
        let reach = self.reach_by(&current, ask.caller, ask.words);
        if !current.allows(ask, &reach) {
            let is_unknown = ask.caller.kind() == CallerKind::Unknown;
            return Decision::Refuse(if is_unknown {
                Refusal::Unauthenticated
            } else {
                Refusal::Forbidden
            });
        }
        // Who runs the service sees all of it, where an operation is about the service itself.
        let is_service = ask.operation.is_some_and(|asked| asked.touches == Touches::Service);
        Decision::Allow(match (ask.interaction, is_service) {
            (Interaction::Capabilities, _) => Arc::clone(&self.nothing),
            (_, true) => Arc::clone(&self.everything),
            (_, false) => reach,
        })
    }
}

/// What one caller's reach is worked out from.
pub(crate) struct Asking<'a> {
    pub(crate) settings: &'a AccessSettings,
    pub(crate) caller: &'a Caller,
    pub(crate) words: &'a dyn Words,
}

impl Asking<'_> {
    /// What of a type is reached by a right.
    pub(crate) fn limit(&self, of: ResourceType, right: Rights) -> Limit {
        let limit = self.by_scopes(of, right).and(self.by_rules(of, right));
        // Who doesn't see all of a resource would destroy the rest by writing it.
        let destroys = Rights::UPDATE.and(Rights::DELETE).has(right);
        self.labels(of).filter(|label| label.hides_whole() || destroys).fold(
            limit,
            |limit, label| {
                let is_met = label.hides_whole() || self.conceals(label, of);
                if is_met { limit.without(self.denied(of, &[label.search()])) } else { limit }
            },
        )
    }

    /// The labels that hide something of this type from the caller.
    pub(crate) fn labels(&self, of: ResourceType) -> impl Iterator<Item = &Label> {
        let labels = self.settings.labels.iter();
        labels.filter(move |label| label.is_about(of) && !label.spares(self.caller))
    }

    fn conceals(&self, label: &Label, of: ResourceType) -> bool {
        label.concealed(of, Vec::new(), self.words).is_some()
    }

    /// What labels hide of resources of this type.
    fn concealed(&self, of: ResourceType) -> Vec<Concealed> {
        let labels = self.labels(of).filter(|label| !label.hides_whole());
        let concealed = labels.filter_map(|label| {
            // A label that cannot be searched for is borne by everything.
            let labelled = self.words.conditions(of, &[label.search()]).unwrap_or_default();
            label.concealed(of, labelled, self.words)
        });
        concealed.collect()
    }

    pub(crate) fn by_scopes(&self, of: ResourceType, right: Rights) -> Limit {
        if self.settings.scopes == ScopeUse::Ignored {
            return Limit::Everything;
        }
        let grants = self.caller.grants().iter();
        let about = grants.filter(|grant| {
            grant.rights.has(right) && grant.resource_type.is_none_or(|own| own == of)
        });
        about.fold(Limit::Nothing, |limit, grant| limit.or(self.by_grant(grant, of, right)))
    }

    pub(crate) fn by_grant(&self, grant: &Grant, of: ResourceType, right: Rights) -> Limit {
        let restricted = self.such(of, &grant.restriction);
        match grant.context {
            Context::User | Context::System => restricted,
            Context::Patient => restricted.and(self.about_patient(of, right)),
        }
    }

    /// What is in the compartment of the patient in context.
    fn about_patient(&self, of: ResourceType, right: Rights) -> Limit {
        let Some(patient) = &self.caller.launch().patient else { return Limit::Nothing };
        match self.words.compartment(patient, of) {
            Some(members) => Limit::Such(vec![members]),
            None => {
                let is_shared = self.settings.shared_types.contains(&of);
                let shows = Rights::READ.and(Rights::SEARCH).has(right);
                if is_shared && shows { Limit::Everything } else { Limit::Nothing }
            }
        }
    }

    /// What satisfies a search; nothing where the search cannot be understood for the type.
    pub(crate) fn such(&self, of: ResourceType, pairs: &[(String, String)]) -> Limit {
        if pairs.is_empty() {
            return Limit::Everything;
        }
        self.words.conditions(of, pairs).map_or(Limit::Nothing, Limit::Such)
    }

    fn by_rules(&self, of: ResourceType, right: Rights) -> Limit {
        let (allowed, denied) = self.said_by_rules(of, right);
        if of != ResourceType::BASIC || !self.settings.has_stored_rules {
            return allowed.without(denied);
        }
        // Who may write rules gets at them even where a rule went wrong; nobody else may.
        let (system, code) = RULE_CODE;
        let stored_rules = [("code".to_owned(), format!("{system}|{code}"))];
        if self.may_write_rules() {
            return allowed.or(self.such(of, &stored_rules)).without(denied);
        }
        let writes = Rights::CREATE.and(Rights::UPDATE).and(Rights::DELETE).has(right);
        let kept = if writes { self.denied(of, &stored_rules) } else { Limit::Nothing };
        allowed.without(denied.or(kept))
    }

    /// Whether the caller is an administrator, or named by a rule as who writes rules.
    fn may_write_rules(&self) -> bool {
        let rules = self.settings.rules.iter();
        let about = rules.filter(|rule| rule.is_about_rules() && rule.is_about(self.caller));
        let effect = about.map(Rule::effect).max_by_key(|effect| *effect == Effect::Deny);
        match effect {
            Some(Effect::Deny) => false,
            Some(Effect::Allow) => true,
            None => self.caller.kind() == CallerKind::Administrator,
        }
    }

    /// The rules that speak of this to this caller.
    pub(crate) fn rules_about(
        &self,
        of: ResourceType,
        right: Rights,
    ) -> impl Iterator<Item = &Rule> {
        self.settings.rules.iter().filter(move |rule| {
            rule.rights().has(right)
                && (rule.types().is_empty() || rule.types().contains(&of))
                && rule.is_about(self.caller)
        })
    }

    /// What is confined beside scopes and rules, as searches.
    pub(crate) fn own_limits(&self, of: ResourceType, right: Rights) -> Vec<String> {
        let mut all = Vec::new();
        let writes = Rights::CREATE.and(Rights::UPDATE).and(Rights::DELETE).has(right);
        let has_rules = of == ResourceType::BASIC && self.settings.has_stored_rules;
        if has_rules && writes && !self.may_write_rules() {
            let (system, code) = RULE_CODE;
            all.push(format!("not code={system}|{code}"));
        }
        let destroys = Rights::UPDATE.and(Rights::DELETE).has(right);
        for label in self.labels(of) {
            if label.hides_whole() || (destroys && self.conceals(label, of)) {
                let (name, value) = label.search();
                all.push(format!("not {name}={value}"));
            }
        }
        all
    }

    /// What the rules together allow, and what they deny.
    fn said_by_rules(&self, of: ResourceType, right: Rights) -> (Limit, Limit) {
        let (mut allowed, mut denied) = (Limit::Nothing, Limit::Nothing);
        if self.settings.rules.is_empty() && self.settings.scopes == ScopeUse::Needed {
            return (Limit::Everything, Limit::Nothing);
        }
        for rule in self.rules_about(of, right) {
            match (rule.effect(), rule.condition(self.caller)) {
                (Effect::Allow, Some(condition)) => {
                    allowed = allowed.or(self.such(of, &condition));
                }
                (Effect::Allow, None) => {}
                (Effect::Deny, Some(condition)) => {
                    denied = denied.or(self.denied(of, &condition));
                }
                // What a denial rests on isn't known of the caller: nothing is safe to show.
                (Effect::Deny, None) => denied = Limit::Everything,
            }
        }
        (allowed, denied)
    }

    /// What a denial takes away; everything where its search cannot be understood for the type.
    pub(crate) fn denied(&self, of: ResourceType, pairs: &[(String, String)]) -> Limit {
        if pairs.is_empty() {
            return Limit::Everything;
        }
        self.words.conditions(of, pairs).map_or(Limit::Everything, Limit::Such)
    }
}
