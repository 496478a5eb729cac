//! Who asked, as the trace keeps it.

use std::sync::Arc;

use fhir_model::ResourceKey;

use super::codec::{Fields, Writer, pair, text};
use crate::{Caller, CallerKind, Claims, Identifier};

/// How the caller stands to the data: what official statistics and the person concerned ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// Use within the caller's own register.
    Own,
    /// Disclosure from another one's register.
    Other,
    /// In an emergency.
    Emergency,
    /// With a mandate of the person or of the organiser.
    Mandate,
    /// By a right that a law gives.
    Statutory,
    /// The person concerned, or who acts for them.
    Citizen,
    /// An application on behalf of the person.
    App,
    /// Wellbeing data to professionals.
    Wellbeing,
    /// Across a border.
    Crossborder,
    /// Mediation between authorities.
    Mediation,
    /// Secondary use.
    Secondary,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Own,
        Self::Other,
        Self::Emergency,
        Self::Mandate,
        Self::Statutory,
        Self::Citizen,
        Self::App,
        Self::Wellbeing,
        Self::Crossborder,
        Self::Mediation,
        Self::Secondary,
    ];

    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Other => "other",
            Self::Emergency => "emergency",
            Self::Mandate => "mandate",
            Self::Statutory => "statutory",
            Self::Citizen => "citizen",
            Self::App => "app",
            Self::Wellbeing => "wellbeing",
            Self::Crossborder => "crossborder",
            Self::Mediation => "mediation",
            Self::Secondary => "secondary",
        }
    }

    /// The relation with this word.
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.code() == code)
    }

    /// What can be told from the caller alone: what the token states, then an emergency as its
    /// purpose, then who a citizen, a guardian or an app is by being one.
    fn of_caller(caller: &Caller) -> Option<Self> {
        let claims = caller.claims();
        if let Some(stated) = claims.relation.as_deref().and_then(Self::of) {
            return Some(stated);
        }
        if matches!(claims.purpose.as_deref(), Some("ETREAT" | "BTG")) {
            return Some(Self::Emergency);
        }
        match caller.kind() {
            CallerKind::Citizen | CallerKind::Guardian => Some(Self::Citizen),
            CallerKind::App => Some(Self::App),
            CallerKind::Unknown
            | CallerKind::Everyone
            | CallerKind::Professional
            | CallerKind::System
            | CallerKind::Administrator => None,
        }
    }
}

/// A caller in the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actor {
    /// What the caller is in relation to the data.
    pub kind: CallerKind,
    /// What was claimed.
    pub claims: Claims,
    /// How the caller stands to the data, as far as that was known.
    pub relation: Option<Relation>,
}

/// An actor with its bytes, made once for each caller.
#[derive(Debug)]
pub struct KnownActor {
    /// Who it is.
    pub actor: Actor,
    /// [`Actor::encode`] of it.
    pub bytes: Arc<[u8]>,
}

impl KnownActor {
    pub(crate) fn of(caller: &Caller) -> Arc<Self> {
        let actor = Actor::of(caller);
        let bytes = actor.encode().into();
        Arc::new(Self { actor, bytes })
    }
}

impl Actor {
    /// The actor that a caller is.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let (kind, claims) = (caller.kind(), caller.claims().clone());
        Self { kind, claims, relation: Relation::of_caller(caller) }
    }

    /// As bytes; equal actors give equal bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.text(0, Some(self.kind.code()));
        for (field, text) in (1..).zip(texts(&self.claims)) {
            out.text(field, text);
        }
        for (field, identifier) in (32..).zip(identifiers(&self.claims)) {
            if let Some(Identifier { system, value }) = identifier {
                out.pair(field, system, value);
            }
        }
        let user = self.claims.fhir_user.as_ref().map(ResourceKey::to_string);
        out.text(48, user.as_deref());
        out.text(49, self.relation.map(Relation::code));
        out.finish()
    }

    /// What [`Self::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let mut actor = Self::default();
        for (field, bytes) in Fields(bytes) {
            let claims = &mut actor.claims;
            match field {
                0 => {
                    actor.kind =
                        text(bytes).and_then(|code| CallerKind::of(&code)).unwrap_or_default()
                }
                32..48 => {
                    let identifier =
                        pair(bytes).map(|(system, value)| Identifier { system, value });
                    let mut places = identifiers_mut(claims);
                    if let Some(place) = places.get_mut(usize::from(field - 32)) {
                        **place = identifier;
                    }
                }
                48 => claims.fhir_user = text(bytes).and_then(|key| key.parse().ok()),
                49 => actor.relation = text(bytes).and_then(|code| Relation::of(&code)),
                _ => {
                    let mut places = texts_mut(claims);
                    if let Some(place) = places.get_mut(usize::from(field.saturating_sub(1))) {
                        **place = text(bytes);
                    }
                }
            }
        }
        actor
    }
}

/// The order of fields is kept in databases: new ones come last.
fn texts(claims: &Claims) -> [Option<&str>; 10] {
    [
        &claims.issuer,
        &claims.subject,
        &claims.client,
        &claims.token,
        &claims.role,
        &claims.purpose,
        &claims.relationship,
        &claims.authentication,
        &claims.certificate,
        &claims.relation,
    ]
    .map(Option::as_deref)
}

fn texts_mut(claims: &mut Claims) -> [&mut Option<String>; 10] {
    [
        &mut claims.issuer,
        &mut claims.subject,
        &mut claims.client,
        &mut claims.token,
        &mut claims.role,
        &mut claims.purpose,
        &mut claims.relationship,
        &mut claims.authentication,
        &mut claims.certificate,
        &mut claims.relation,
    ]
}

fn identifiers(claims: &Claims) -> [Option<&Identifier>; 7] {
    [
        &claims.person,
        &claims.represented,
        &claims.organisation,
        &claims.unit,
        &claims.register,
        &claims.register_type,
        &claims.register_specifier,
    ]
    .map(Option::as_ref)
}

fn identifiers_mut(claims: &mut Claims) -> [&mut Option<Identifier>; 7] {
    [
        &mut claims.person,
        &mut claims.represented,
        &mut claims.organisation,
        &mut claims.unit,
        &mut claims.register,
        &mut claims.register_type,
        &mut claims.register_specifier,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LaunchContext, Scopes};

    fn identifier(value: &str) -> Option<Identifier> {
        Some(Identifier { system: "urn:oid:1.2.246.21".into(), value: value.into() })
    }

    #[test]
    fn every_claim_comes_back() {
        let text = |text: &str| Some(text.to_owned());
        let claims = Claims {
            issuer: text("https://idp.example.org"),
            subject: text("s"),
            client: text("c"),
            token: text("jti"),
            person: identifier("010190-9999"),
            represented: identifier("010110A999X"),
            fhir_user: "Practitioner/1".parse().ok(),
            organisation: identifier("o"),
            unit: identifier("u"),
            register: identifier("r"),
            register_type: identifier("4"),
            register_specifier: identifier("y"),
            role: text("physician"),
            purpose: text("TREAT"),
            relationship: text("event"),
            authentication: text("card"),
            certificate: text("thumb"),
            relation: text("other"),
        };
        let caller = Caller::new(
            CallerKind::Professional,
            claims,
            Scopes::default(),
            LaunchContext::default(),
        );
        let actor = Actor::of(&caller);
        assert_eq!(actor.relation, Some(Relation::Other));
        assert_eq!(Actor::decode(&actor.encode()), actor);
        let nobody = Actor::of(&Caller::unknown());
        assert_eq!(Actor::decode(&nobody.encode()), nobody);
    }

    #[test]
    fn a_relation_is_told_from_the_caller_where_it_can_be() {
        let relation = |kind, purpose: Option<&str>| {
            let claims = Claims { purpose: purpose.map(ToOwned::to_owned), ..Claims::default() };
            Actor::of(&Caller::new(kind, claims, Scopes::default(), LaunchContext::default()))
                .relation
        };
        assert_eq!(relation(CallerKind::Professional, Some("BTG")), Some(Relation::Emergency));
        assert_eq!(relation(CallerKind::Professional, Some("TREAT")), None);
        assert_eq!(relation(CallerKind::Citizen, None), Some(Relation::Citizen));
        assert_eq!(relation(CallerKind::App, None), Some(Relation::App));
        for one in Relation::ALL {
            assert_eq!(Relation::of(one.code()), Some(one));
        }
    }
}
