//! The gate and the proof that somebody passed it.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::Instant;

use crate::trace::{Part, PartOf};
use crate::{
    Ask, Concealed, Decision, Disclosure, Interaction, Limit, Personal, Policy, Reach, Refusal,
    Rights, Stance, Words,
};

/// Proof that the policy allowed one interaction; made by [`gate`] and by nothing else.
#[derive(Clone, Debug)]
pub struct Permit {
    interaction: Interaction,
    resource_type: Option<ResourceType>,
    reach: Arc<Reach>,
    sees_all: bool,
    trace: PartOf,
    /// What is decided for each person, where the caller is held to that.
    personal: Option<Personal>,
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn interaction(&self) -> Interaction {
        self.interaction
    }

    /// The type it was allowed for; none means over all types.
    #[must_use]
    pub fn resource_type(&self) -> Option<ResourceType> {
        self.resource_type
    }

    /// What may be seen of a type under this permit.
    ///
    /// Of the type that was asked for (of every type, where none was): what the interaction's own
    /// right shows. Of other types, which includes and chains lead to: what read or search show.
    #[must_use]
    pub fn sees(&self, resource_type: ResourceType) -> Limit {
        if self.sees_all {
            return Limit::Everything;
        }
        let is_asked = self.resource_type.is_none_or(|asked| asked == resource_type);
        let rights = if is_asked { self.interaction.seeing() } else { SEEING };
        self.held(resource_type, rights, SEEING)
    }

    /// What the reach gives by some rights, cut by what was decided for persons by others.
    fn held(&self, resource_type: ResourceType, rights: Rights, personal: Rights) -> Limit {
        let limit = self.reach.of(resource_type, rights);
        match &self.personal {
            Some(decided) if limit != Limit::Nothing => {
                limit.and(decided.limit(resource_type, personal))
            }
            _ => limit,
        }
    }

    /// What is decided for persons; none where the policy alone says what is seen.
    #[must_use]
    pub fn personal(&self) -> Option<&Personal> {
        self.personal.as_ref()
    }

    /// Where it is noted what the caller sees under this permit.
    #[must_use]
    pub fn trace(&self) -> &PartOf {
        &self.trace
    }

    /// Whether nothing is hidden from the caller.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.sees_all
    }

    /// What may be done with a type by one of these rights.
    #[must_use]
    pub fn reaches(&self, resource_type: ResourceType, rights: Rights) -> Limit {
        self.held(resource_type, rights, rights)
    }

    /// What is hidden of resources of a type that bear a label, although they may be seen.
    #[must_use]
    pub fn concealed(&self, resource_type: ResourceType) -> &[Concealed] {
        self.reach.concealed(resource_type)
    }

    /// What is hidden of resources of any type.
    pub fn all_concealed(&self) -> impl Iterator<Item = (ResourceType, &Concealed)> {
        self.reach.all_concealed()
    }

    /// Whether parts of resources are hidden from the caller.
    #[must_use]
    pub fn conceals_some(&self) -> bool {
        self.reach.all_concealed().next().is_some()
    }

    /// Whether everything may be done with everything.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.sees_all
            && [Rights::CREATE, Rights::UPDATE, Rights::DELETE]
                .into_iter()
                .all(|right| self.reach.is_everything(right))
    }
}

/// The rights that show resources.
const SEEING: Rights = Rights::READ.and(Rights::SEARCH);

impl Interaction {
    /// The rights by which the interaction shows resources.
    const fn seeing(self) -> Rights {
        match self {
            Self::Read | Self::VRead | Self::HistoryInstance => Rights::READ,
            Self::SearchType | Self::SearchSystem | Self::HistoryType | Self::HistorySystem => {
                Rights::SEARCH
            }
            Self::Update
            | Self::Patch
            | Self::Delete
            | Self::Create
            | Self::Capabilities
            | Self::Transaction
            | Self::Batch
            | Self::Operation => SEEING,
        }
    }
}

/// Asks the policy once.
///
/// # Errors
/// The policy's refusal.
pub fn gate(policy: &dyn Policy, ask: &Ask<'_>) -> Result<Permit, Refusal> {
    let (interaction, resource_type) = (ask.interaction, ask.resource_type);
    // Everybody may know what the server can do: that is no access.
    let trace = if interaction == Interaction::Capabilities {
        PartOf::default()
    } else {
        ask.record.part(|| Part {
            operation: ask.operation.map(|operation| operation.name.to_owned()),
            ..Part::new(Some(interaction), resource_type)
        })
    };
    match policy.decide(ask) {
        Decision::Allow(reach) => {
            let sees_all = reach.sees_all();
            Ok(Permit { interaction, resource_type, reach, sees_all, trace, personal: None })
        }
        Decision::Refuse(refusal) => {
            trace.refused();
            Err(refusal)
        }
    }
}

/// What callers are held to beside the policy.
pub struct Holding<'a> {
    /// What decides about persons.
    pub disclosure: &'a Arc<dyn Disclosure>,
    /// What its conditions are made of.
    pub words: &'a dyn Fn() -> Arc<dyn Words + Send + Sync>,
    /// The present.
    pub now: Instant,
}

/// Asks the policy, and holds the permit to decisions about persons where they concern the caller.
///
/// # Errors
/// The policy's refusal, or the one that awaits the caller whoever the person is.
pub fn gate_held(
    policy: &dyn Policy,
    ask: &Ask<'_>,
    holding: Option<&Holding<'_>>,
) -> Result<Permit, Refusal> {
    let permit = gate(policy, ask)?;
    let Some(Holding { disclosure, words, now }) = holding else { return Ok(permit) };
    if ask.interaction == Interaction::Capabilities {
        return Ok(permit);
    }
    match disclosure.stance(ask.caller) {
        Stance::Free => Ok(permit),
        Stance::Refused(refusal) => {
            permit.trace.refused();
            Err(refusal)
        }
        Stance::Held => {
            let personal = Personal::new(Arc::clone(disclosure), words(), ask.caller.clone(), *now);
            Ok(Permit { personal: Some(personal), sees_all: false, ..permit })
        }
    }
}
