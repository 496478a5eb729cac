//! An interaction at a URL of its own, held to the rules of a service and to what is stored.

use std::sync::Arc;

use actix_web::http::header::HeaderName;
use fhir_access::Interaction;
use fhir_interaction::{self as interaction, Answer, Claim};
use fhir_model::{Failure, FailureKind, Resource, ResourceKey, VersionId};
use fhir_service::{Direct, Facts, Held, Service};

use super::super::body::{self, Payload};
use super::super::exchange::Exchange;
use super::super::route::Call;
use super::super::{conditions, handler, once};
use super::{bound, facts, refuse_held, transaction};

/// A write at a URL of its own.
enum Write {
    Create,
    Update(ResourceKey),
    Patch(ResourceKey),
    Delete(ResourceKey),
}

impl Write {
    /// What a call writes; none for one that does not, or not at the URL of one resource.
    fn of(call: &Call) -> Option<Self> {
        match call {
            Call::Create(_) => Some(Self::Create),
            Call::Update(key) => Some(Self::Update(key.clone())),
            Call::Patch(key) => Some(Self::Patch(key.clone())),
            Call::Delete(key) => Some(Self::Delete(key.clone())),
            Call::UpdateWhere(_)
            | Call::PatchWhere(_)
            | Call::DeleteWhere(_)
            | Call::Bundle
            | Call::Capabilities
            | Call::Read(_)
            | Call::Vread(..)
            | Call::HistoryInstance(_)
            | Call::HistoryType(_)
            | Call::HistorySystem
            | Call::SearchType(_)
            | Call::SearchSystem
            | Call::SearchCompartment(..)
            | Call::Operation(..) => None,
        }
    }

    /// By the service's word, and by that of the gate.
    const fn words(&self) -> (Direct, Interaction) {
        match self {
            Self::Create => (Direct::Create, Interaction::Create),
            Self::Update(_) => (Direct::Update, Interaction::Update),
            Self::Patch(_) => (Direct::Patch, Interaction::Patch),
            Self::Delete(_) => (Direct::Delete, Interaction::Delete),
        }
    }

    const fn key(&self) -> Option<&ResourceKey> {
        match self {
            Self::Create => None,
            Self::Update(key) | Self::Patch(key) | Self::Delete(key) => Some(key),
        }
    }
}

/// Does it.
///
/// # Errors
/// What is wrong with it, and what it fails with; nothing is stored then.
pub(super) async fn run(
    service: &Arc<Service>,
    exchange: &mut Exchange<'_>,
    call: Call,
    payload: Payload,
) -> Result<Answer, Failure> {
    let Some(write) = Write::of(&call) else {
        return handler::call(exchange, call, payload).await;
    };
    let payload = if service.requests.repeated {
        once::name(exchange, &service.name, payload).await?
    } else {
        payload
    };
    let bytes = body::arrived(exchange, payload).await?;
    let repeated = interaction::repeated(&exchange.app, &exchange.request()).await?;
    if let Some(answer) = repeated {
        return Ok(answer);
    }
    let after = match write {
        Write::Create | Write::Update(_) => {
            Some(body::resource(exchange, Payload::Here(bytes.clone())).await?)
        }
        Write::Patch(_) | Write::Delete(_) => None,
    };
    let judged = judge(service, exchange, &write, after.as_ref()).await?;
    let mut asked = bound(service, exchange.app.present());
    asked.claims = judged.claims;
    let before = write.key().cloned().zip(judged.version);
    asked.expected.extend(before.clone());
    exchange.app = transaction::rebound(exchange, asked);
    let done =
        once::done_once(exchange, handler::call(exchange, call, Payload::Here(bytes))).await?;
    if let (Write::Delete(_), Some((key, _))) = (&write, &before)
        && service.of_type(key.resource_type).is_some_and(|of_type| of_type.purges)
    {
        interaction::forget(&exchange.app, &exchange.request(), key).await?;
    }
    Ok(done)
}

/// What a write was judged by.
#[derive(Default)]
struct Judged {
    /// The version that stood there.
    version: Option<VersionId>,
    /// What there may be one of.
    claims: Vec<Claim>,
}

/// Holds a write to the rules of the service and to what is stored.
async fn judge(
    service: &Service,
    exchange: &Exchange<'_>,
    write: &Write,
    after: Option<&Resource>,
) -> Result<Judged, Failure> {
    let facts = facts(exchange, write.words().0.code());
    let mut wrong: Vec<Held> = Vec::new();
    let mut judged = Judged::default();
    if let Some(view) = after.map(Resource::view) {
        wrong.extend(service.too_early(view.resource_type, facts.claims, facts.now));
        wrong.extend(service.wrong_resource(view, &facts));
        let (owner, place) = (write.key().cloned(), view.resource_type.as_str());
        judged.claims = transaction::claims_of(service, (view, owner), place, facts.now);
    }
    if let Some(key) = write.key() {
        refuse_cascade(exchange)?;
        let (version, held) = standing(service, exchange, (write, key), after, &facts).await?;
        wrong.extend(held);
        judged.version = version;
    }
    refuse_held(wrong)?;
    Ok(judged)
}

/// What else goes with a resource would not be held to the rules.
fn refuse_cascade(exchange: &Exchange<'_>) -> Result<(), Failure> {
    exchange.refuse_parameters()?;
    if exchange.header(&HeaderName::from_static("x-cascade")).is_some() {
        let text = "a service deletes one resource at a time";
        return Err(Failure::new(FailureKind::NotSupported, text).at("http.X-Cascade"));
    }
    Ok(())
}

/// Holds a change or an end to what it is of: the version that was looked at, and what is wrong.
async fn standing(
    service: &Service,
    exchange: &Exchange<'_>,
    (write, key): (&Write, &ResourceKey),
    after: Option<&Resource>,
    facts: &Facts<'_>,
) -> Result<(Option<VersionId>, Vec<Held>), Failure> {
    let (direct, interaction) = write.words();
    if !service.looks_before(key.resource_type, direct) {
        return Ok((None, Vec::new()));
    }
    let request = exchange.request();
    let found = interaction::replaced(&exchange.app, &request, interaction, key).await?;
    // What is not there is told by the interaction itself.
    let Some((version, before)) = found else { return Ok((None, Vec::new())) };
    let must_name = service.of_type(key.resource_type).is_some_and(|each| each.if_match);
    if must_name && direct == Direct::Update && conditions::of_write(exchange)?.if_match.is_none() {
        let text = "an update names the version that it replaces in If-Match";
        return Err(Failure::new(FailureKind::VersionRequired, text).at("http.If-Match"));
    }
    let mut wrong = service.forbidden_before(before.view(), direct, facts);
    if let (Some(after), Direct::Update) = (after, direct) {
        let (views, place) = ((before.view(), after.view()), key.resource_type.as_str());
        wrong.extend(transaction::differing(service, views, place, facts.now));
    }
    Ok((Some(version), wrong))
}
