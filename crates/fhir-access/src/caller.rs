//! The person or system behind a request, as far as policies and the trace must know it.
//!
//! Tokens and certificates are turned into a caller at the edge; nothing here parses them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use fhir_model::ResourceKey;

use crate::trace::KnownActor;
use crate::{Grant, Reach, Scopes};

/// What a caller is in relation to the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallerKind {
    /// Nobody said who it is.
    #[default]
    Unknown,
    /// Everyone in particular: a server without access settings asks nobody.
    Everyone,
    /// A person who looks at their own data.
    Citizen,
    /// A person who acts for somebody else (a guardian, a mandate).
    Guardian,
    /// A professional who uses a system in the course of care.
    Professional,
    /// An application on behalf of a person who isn't there.
    App,
    /// A system that acts on its own account, with no person behind the request.
    System,
    /// Who runs the service: packages, search parameters, purges.
    Administrator,
}

impl CallerKind {
    /// All kinds, as settings and policies name them.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::Everyone,
        Self::Citizen,
        Self::Guardian,
        Self::Professional,
        Self::App,
        Self::System,
        Self::Administrator,
    ];

    /// The word for it in settings, policies and the trace.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Everyone => "everyone",
            Self::Citizen => "citizen",
            Self::Guardian => "guardian",
            Self::Professional => "professional",
            Self::App => "app",
            Self::System => "system",
            Self::Administrator => "administrator",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A logical identifier: of a person, an organisation, a register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier {
    /// `Identifier.system`; empty where the token gave a value alone.
    pub system: String,
    /// `Identifier.value`.
    pub value: String,
}

/// What is known of a caller, all of it claimed by a token or a certificate that was verified.
///
/// Which claim fills which field is a table in the settings, because services differ; a field
/// that no claim fills is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `iss` of the token; none for a certificate alone.
    pub issuer: Option<String>,
    /// `sub` of the token, or the subject of the certificate as the settings name it.
    pub subject: Option<String>,
    /// The client program: `client_id`, `azp`.
    pub client: Option<String>,
    /// `jti` of the token.
    pub token: Option<String>,
    /// The person who asks.
    pub person: Option<Identifier>,
    /// The person for whom a guardian asks, where it isn't the patient in context.
    pub represented: Option<Identifier>,
    /// The FHIR resource of the person who asks (`fhirUser`), on this server.
    pub fhir_user: Option<ResourceKey>,
    /// The organisation that asks.
    pub organisation: Option<Identifier>,
    /// The service unit of the organisation.
    pub unit: Option<Identifier>,
    /// The register (its controller) that is acted for.
    pub register: Option<Identifier>,
    /// The type of that register.
    pub register_type: Option<Identifier>,
    /// Whom that register is about, where its type asks for that.
    pub register_specifier: Option<Identifier>,
    /// The role in which the person acts.
    pub role: Option<String>,
    /// Why the data are asked for.
    pub purpose: Option<String>,
    /// What shows the care or client relationship: a service event, a decision.
    pub relationship: Option<String>,
    /// How the person proved who they are.
    pub authentication: Option<String>,
    /// How the caller stands to the data, where the token states it: a word of
    /// [`crate::trace::Relation`].
    pub relation: Option<String>,
    /// SHA-256 of the client certificate (DER), base64url without padding, as `cnf` has it.
    pub certificate: Option<String>,
}

/// Where a SMART app was launched. Spec:
/// <https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaunchContext {
    /// The patient in whose record `patient/` scopes hold; without one they give nothing.
    pub patient: Option<ResourceKey>,
    /// The encounter of the launch.
    pub encounter: Option<ResourceKey>,
}

/// Who asks. Made at the edge, carried unchanged to the gate; cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: CallerKind,
    claims: Claims,
    scopes: Scopes,
    launch: LaunchContext,
    /// How far the caller reaches, as it was worked out last, and what that rested on.
    reach: Mutex<Option<(ReachKey, Arc<Reach>)>>,
    /// Who this is in the trace, worked out once.
    actor: OnceLock<Arc<KnownActor>>,
}

/// What a reach rests on beside the caller: generations of the rules and of the search parameters.
pub(crate) type ReachKey = (u64, u64);

impl Caller {
    /// The caller of a server that runs without access settings, and the operator at its console.
    #[must_use]
    pub fn everyone() -> Self {
        Self::new(
            CallerKind::Everyone,
            Claims::default(),
            Scopes::default(),
            LaunchContext::default(),
        )
    }

    /// Somebody who said nothing about themselves to a server that wants to know.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new(
            CallerKind::Unknown,
            Claims::default(),
            Scopes::default(),
            LaunchContext::default(),
        )
    }

    /// Somebody whose token or certificate was verified.
    #[must_use]
    pub fn new(kind: CallerKind, claims: Claims, scopes: Scopes, launch: LaunchContext) -> Self {
        let reach = Mutex::new(None);
        let actor = OnceLock::new();
        Self { inner: Arc::new(Inner { kind, claims, scopes, launch, reach, actor }) }
    }

    /// What the caller is in relation to the data.
    #[must_use]
    pub fn kind(&self) -> CallerKind {
        self.inner.kind
    }

    /// What is known of the caller.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.inner.claims
    }

    /// What the token was granted.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.inner.scopes
    }

    /// The grants that speak of resources.
    #[must_use]
    pub fn grants(&self) -> &[Grant] {
        self.inner.scopes.grants()
    }

    /// How far the caller reaches: worked out once for all requests of the same token.
    pub(crate) fn reach(&self, key: ReachKey, work_out: impl FnOnce() -> Reach) -> Arc<Reach> {
        let mut kept = self.inner.reach.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((known, reach)) if *known == key => Arc::clone(reach),
            _ => {
                let reach = Arc::new(work_out());
                *kept = Some((key, Arc::clone(&reach)));
                reach
            }
        }
    }

    /// Who this is in the trace.
    pub(crate) fn trace_actor(&self) -> Arc<KnownActor> {
        Arc::clone(self.inner.actor.get_or_init(|| KnownActor::of(self)))
    }

    /// Where the app was launched.
    #[must_use]
    pub fn launch(&self) -> &LaunchContext {
        &self.inner.launch
    }
}
