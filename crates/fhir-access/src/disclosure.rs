//! What one person's record shows to a caller, decided from what is stored about that person.
//!
//! A policy says once for a caller how far it reaches. What a person has allowed and denied, and
//! who takes care of them, is said by their own record: so it is asked for once a person and
//! request, in the snapshot that the answer comes from, and becomes conditions of the query like
//! everything else. What is not decided for a person is not seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fhir_definitions::ResourceType;
use fhir_model::{Instant, Resource, ResourceKey, ResourceView};
use fhir_search::{Chain, Match, PatientIdentifier, PatientName, Predicate};

use crate::trace::Relation;
use crate::{Caller, CallerKind, Limit, Refusal, Rights, Words};

/// Decides about the records of persons.
pub trait Disclosure: Send + Sync + fmt::Debug {
    /// How it concerns a caller, before anything is read.
    fn stance(&self, caller: &Caller) -> Stance;

    /// Whether resources of a type are shown by decision only. Others are left to the policy.
    fn governs(&self, of: ResourceType) -> bool;

    /// Types that are shown with what they refer to.
    fn companions(&self) -> &[Companion];

    /// Systems of identifiers by which a person is known whatever Patient resource names them.
    fn person_systems(&self) -> &[String];

    /// What a decision about a person rests on, beside their Patient resources.
    fn wants(&self, caller: &Caller, now: Instant) -> Vec<Wanted>;

    /// Whether resources of a type can be among what a decision rests on.
    fn rests_on(&self, of: ResourceType) -> bool;

    /// The decision.
    fn decide(&self, asked: &Asked<'_>) -> Verdict;

    /// Why a resource is shown or not, in words for who runs the service.
    fn reasons(&self, asked: &Asked<'_>, key: &ResourceKey, view: ResourceView<'_>) -> Vec<String>;

    /// What a resource that the caller writes is marked with where its own `meta.tag` has no mark
    /// of the system: system and code.
    fn marks(&self, caller: &Caller) -> Vec<(String, String)>;

    /// As [`Self::marks`], where a companion that is written in the same commit says it.
    fn marks_by(&self, companion: ResourceView<'_>) -> Vec<(String, String)>;
}

/// How decisions concern a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Not at all: the policy alone decides.
    Free,
    /// What the caller sees of persons is decided for each of them.
    Held,
    /// The caller gets nothing whoever the person is.
    Refused(Refusal),
}

/// "Resources of this type are shown where one of the targets that they refer to by the parameter
/// is shown": metadata of what they are about, such as a Provenance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// The type.
    pub of: ResourceType,
    /// A reference parameter of it.
    pub parameter: String,
    /// Types of the targets that count.
    pub targets: Vec<ResourceType>,
}

/// A search whose findings a decision wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The type.
    pub of: ResourceType,
    /// The parameter that names the person.
    pub person: &'static str,
    /// What else is asked of it.
    pub pairs: Vec<(String, String)>,
    /// So many are enough; none: all are needed.
    pub most: Option<usize>,
}

/// What is known when a decision is made.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// When.
    pub now: Instant,
    /// All names of the person.
    pub names: &'a [PatientName],
    /// Their Patient resources.
    pub patients: &'a [Resource],
    /// What [`Disclosure::wants`] has found, with the keys.
    pub found: &'a [(ResourceKey, Resource)],
}

/// What a decision says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why the caller has no business with the person at all. A request that names the person is
    /// refused with it; otherwise nothing is shown.
    pub refused: Option<&'static str>,
    /// What of the record is shown.
    pub shows: Sieve,
    /// What of the record is written.
    pub writes: Sieve,
    /// How the caller stands to what is shown, for the trace.
    pub relation: Option<Relation>,
}

/// Conditions on the resources of a record, in the words of searches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sieve {
    /// Nothing passes.
    #[default]
    Nothing,
    /// Everything passes.
    Everything,
    /// What a search on its type finds: one parameter with its value.
    Such(String, String),
    /// Resources of these types.
    OfType(Vec<ResourceType>),
    /// This resource.
    Is(ResourceKey),
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// It doesn't hold.
    Not(Box<Self>),
}

impl Sieve {
    /// What passes of a type. Where a search cannot be understood for the type, whatever it stands
    /// in shows less.
    #[must_use]
    pub fn limit(&self, of: ResourceType, words: &dyn Words) -> Limit {
        self.limit_or(of, words, Limit::Nothing)
    }

    fn limit_or(&self, of: ResourceType, words: &dyn Words, unknown: Limit) -> Limit {
        match self {
            Self::Nothing => Limit::Nothing,
            Self::Everything => Limit::Everything,
            Self::Such(name, value) => {
                let pairs = [(name.clone(), value.clone())];
                words.conditions(of, &pairs).map_or(unknown, Limit::Such)
            }
            Self::OfType(types) if types.contains(&of) => Limit::Everything,
            Self::OfType(_) => Limit::Nothing,
            Self::Is(key) if key.resource_type == of => {
                Limit::Such(vec![Predicate { any: vec![Match::Keys(Arc::new(vec![key.clone()]))] }])
            }
            Self::Is(_) => Limit::Nothing,
            Self::All(all) => all.iter().fold(Limit::Everything, |limit, each| {
                limit.and(each.limit_or(of, words, unknown.clone()))
            }),
            Self::Any(any) => any.iter().fold(Limit::Nothing, |limit, each| {
                limit.or(each.limit_or(of, words, unknown.clone()))
            }),
            Self::Not(one) => {
                let unknown = match unknown {
                    Limit::Nothing => Limit::Everything,
                    Limit::Everything | Limit::Such(_) => Limit::Nothing,
                };
                Limit::Everything.without(one.limit_or(of, words, unknown))
            }
        }
    }
}

/// A person about whom it was decided.
#[derive(Clone, Debug)]
struct Decided {
    names: Vec<PatientName>,
    /// Hashes of the names, as index rows have them.
    hashes: Arc<Vec<i64>>,
    verdict: Verdict,
}

/// The decisions of one request, shared by all permits of it; narrows what they show.
#[derive(Clone)]
pub struct Personal {
    inner: Arc<Inner>,
}

struct Inner {
    disclosure: Arc<dyn Disclosure>,
    words: Arc<dyn Words + Send + Sync>,
    caller: Caller,
    now: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    decided: Vec<Decided>,
    limits: BTreeMap<(ResourceType, bool), Limit>,
}

impl Personal {
    /// Nobody is decided about yet.
    #[must_use]
    pub fn new(
        disclosure: Arc<dyn Disclosure>,
        words: Arc<dyn Words + Send + Sync>,
        caller: Caller,
        now: Instant,
    ) -> Self {
        let state = Mutex::default();
        Self { inner: Arc::new(Inner { disclosure, words, caller, now, state }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What decides.
    #[must_use]
    pub fn disclosure(&self) -> &dyn Disclosure {
        self.inner.disclosure.as_ref()
    }

    /// What conditions are made of.
    #[must_use]
    pub fn words(&self) -> &dyn Words {
        self.inner.words.as_ref()
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.inner.caller
    }

    /// When.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.now
    }

    /// The refusal that was decided for whom this is a name of; none where nothing was decided.
    #[must_use]
    pub fn known(&self, name: &PatientName) -> Option<Option<&'static str>> {
        let state = self.state();
        let decided = state.decided.iter().find(|decided| decided.names.contains(name))?;
        Some(decided.verdict.refused)
    }

    /// Decides about a person; `hashes` are those of the names. Gives the refusal, if any.
    pub fn decide(&self, asked: &Asked<'_>, hashes: Vec<i64>) -> Option<&'static str> {
        self.take(asked.names, hashes, self.disclosure().decide(asked))
    }

    /// Decides that nothing of a person is shown.
    pub fn refuse(
        &self,
        names: &[PatientName],
        hashes: Vec<i64>,
        why: &'static str,
    ) -> Option<&'static str> {
        self.take(names, hashes, Verdict { refused: Some(why), ..Verdict::default() })
    }

    fn take(
        &self,
        names: &[PatientName],
        hashes: Vec<i64>,
        verdict: Verdict,
    ) -> Option<&'static str> {
        let refused = verdict.refused;
        let mut state = self.state();
        state.decided.push(Decided { names: names.to_vec(), hashes: Arc::new(hashes), verdict });
        state.limits.clear();
        refused
    }

    /// Whom the caller is or speaks for: the patient in context, the person who asks about
    /// themselves, the person for whom somebody asks.
    #[must_use]
    pub fn own_names(&self) -> Vec<PatientName> {
        let (claims, launch) = (self.caller().claims(), self.caller().launch());
        let patient = launch.patient.iter().chain(&claims.fhir_user);
        let patient = patient.filter(|key| key.resource_type == ResourceType::PATIENT);
        let mut names: Vec<_> = patient.map(|key| PatientName::Resource(key.id.clone())).collect();
        let is_person = self.caller().kind() == CallerKind::Citizen;
        let person = claims.person.as_ref().filter(|_| is_person);
        names.extend(person.into_iter().chain(&claims.represented).map(|identifier| {
            let (system, value) = (identifier.system.clone(), identifier.value.clone());
            PatientName::Identity(PatientIdentifier { system, value })
        }));
        names
    }

    /// How the caller stands to what was decided to be shown, as far as that is known.
    #[must_use]
    pub fn relation(&self) -> Option<Relation> {
        self.state().decided.iter().filter_map(|decided| decided.verdict.relation).max()
    }

    /// What all decisions together show or let be written of a type.
    pub(crate) fn limit(&self, of: ResourceType, rights: Rights) -> Limit {
        if !self.disclosure().governs(of) {
            let mut companions = self.disclosure().companions().iter();
            return match companions.find(|companion| companion.of == of) {
                Some(companion) => self.beside(companion, rights),
                None => Limit::Everything,
            };
        }
        let writes = Rights::CREATE.and(Rights::UPDATE).and(Rights::DELETE);
        let mut limit = Limit::Nothing;
        for (is_asked, is_writing) in [
            (rights.has_any(Rights::READ.and(Rights::SEARCH)), false),
            (rights.has_any(writes), true),
        ] {
            if is_asked {
                limit = limit.or(self.of_decided(of, is_writing));
            }
        }
        limit
    }

    fn of_decided(&self, of: ResourceType, is_writing: bool) -> Limit {
        let mut state = self.state();
        if let Some(limit) = state.limits.get(&(of, is_writing)) {
            return limit.clone();
        }
        let limit = state.decided.iter().fold(Limit::Nothing, |limit, decided| {
            let Verdict { shows, writes, .. } = &decided.verdict;
            let sieve = if is_writing { writes } else { shows };
            let own = Predicate { any: vec![Match::Person(Arc::clone(&decided.hashes))] };
            let passed = sieve.limit(of, self.words());
            limit.or(passed.and(Limit::Such(vec![own])))
        });
        state.limits.insert((of, is_writing), limit.clone());
        limit
    }

    /// What is shown with what it refers to.
    fn beside(&self, companion: &Companion, rights: Rights) -> Limit {
        let mut any = Vec::new();
        for target in &companion.targets {
            let all = match self.limit(*target, rights) {
                Limit::Nothing => continue,
                Limit::Everything => Vec::new(),
                Limit::Such(all) => all,
            };
            let name = format!("{}:{target}._id", companion.parameter);
            let pairs = [(name, "x".to_owned())];
            let chain = self.words().conditions(companion.of, &pairs);
            for predicate in chain.into_iter().flatten() {
                for each in predicate.any {
                    if let Match::Chain(chain) = each {
                        any.push(Match::Chain(Chain { all: all.clone(), ..chain }));
                    }
                }
            }
        }
        if any.is_empty() { Limit::Nothing } else { Limit::Such(vec![Predicate { any }]) }
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Personal")
            .field("disclosure", &self.inner.disclosure)
            .finish_non_exhaustive()
    }
}
