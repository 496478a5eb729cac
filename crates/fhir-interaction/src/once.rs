//! Requests that are done once: what came of one is remembered in the commit of its write, and
//! told again when it comes again.
//!
//! Nothing of bodies is kept: the answer is made anew from the versions that the write gave, so
//! that it is the same as the first time. What was refused is not remembered.

use fhir_access::{Interaction, Permit};
use fhir_model::{Failure, FailureKind, Instant, ResourceKey};
use fhir_store::{Done, MarkKind, OnceMark, Outcome, Written};

use crate::app::App;
use crate::bundle::answer::{self, Told};
use crate::request::{Answer, Request, Return};
use crate::write;

/// How long the name of a request is kept, in microseconds: 24 hours.
const KEPT_US: i64 = 24 * 3600 * 1_000_000;

/// The name of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// A digest of the caller and of what the caller calls the request.
    pub name: String,
    /// A digest of what is asked.
    pub digest: String,
}

impl App {
    /// The mark of a write, whose operations stand for entries `slots` of `total`; for one that
    /// is no Bundle, `total` is 0. None where not each entry has its operation: such a write
    /// cannot be told again.
    pub(crate) fn once_mark(&self, slots: &[usize], total: usize) -> Option<Box<OnceMark>> {
        let once = self.bound()?.once.as_ref()?;
        if total > 0 && slots.len() != total {
            return None;
        }
        let slots: Vec<String> = slots.iter().map(ToString::to_string).collect();
        let about = format!("{} {total} {}", once.digest, slots.join(","));
        let hash = self.hasher().hash(&once.name);
        let forget_before = Instant(self.now().0.saturating_sub(KEPT_US));
        Some(Box::new(OnceMark { name: once.name.clone(), hash, about, forget_before }))
    }
}

/// What came of a request that was done before; none where it was not.
///
/// # Errors
/// `Conflict` where the name stands for another request; what the gate says.
pub async fn repeated(app: &App, request: &Request) -> Result<Option<Answer>, Failure> {
    let Some(once) = app.bound().and_then(|bound| bound.once.clone()) else { return Ok(None) };
    let hash = app.hasher().hash(&once.name);
    let marks = app.look(move |reader| reader.marks(MarkKind::Once, hash)).await?;
    let kept_since = app.now().0.saturating_sub(KEPT_US);
    let mark = marks.into_iter().find(|it| it.item == once.name && it.at.0 >= kept_since);
    let Some(mark) = mark else { return Ok(None) };
    let Some((outcome, (digest, total, slots))) =
        Outcome::read(&mark.content).and_then(|outcome| Some((outcome.clone(), about(&outcome)?)))
    else {
        return Err(Failure::new(FailureKind::Bug, "what came of this request cannot be read"));
    };
    if digest != once.digest {
        let text = "another request was done under this id: each has its own";
        return Err(Failure::new(FailureKind::Conflict, text).at("http.X-Request-Id"));
    }
    let mut told: Vec<Option<Told>> = Vec::new();
    told.resize_with(total, || None);
    let return_ = request.prefer.return_;
    for (done, slot) in outcome.written.into_iter().zip(slots) {
        let interaction = if total > 0 { Interaction::Transaction } else { Interaction::Update };
        let kind = (total == 0).then_some(done.key.resource_type);
        let permit = app.gate(request, interaction, kind)?;
        let return_ = if total > 0 { return_.in_bundle() } else { return_ };
        let written = remembered(app, &permit, done, return_).await?;
        let answered = write::answer(app, &permit, &written, &[], return_).await;
        match told.get_mut(slot) {
            None => return answered.map(Some),
            Some(place) => *place = Some(Told::wrote(answered)),
        }
    }
    let unanswered = || Told::Refused(Failure::new(FailureKind::Bug, "the entry got no answer"));
    let told: Vec<Told> = told.into_iter().map(|told| told.unwrap_or_else(unanswered)).collect();
    Ok(Some(Answer::ok(answer::write("transaction-response", &told))))
}

fn about(outcome: &Outcome) -> Option<(String, usize, Vec<usize>)> {
    let mut words = outcome.about.split(' ');
    let digest = words.next()?.to_owned();
    let total = words.next()?.parse().ok()?;
    let slots: Result<Vec<usize>, _> = words.next()?.split(',').map(str::parse).collect();
    Some((digest, total, slots.ok()?))
}

/// What was written, with the body of that version where the answer needs it.
async fn remembered(
    app: &App,
    permit: &Permit,
    done: Done,
    return_: Return,
) -> Result<Written, Failure> {
    let Done { key, change, version, updated } = done;
    let wants_body = matches!(return_, Return::Usual | Return::Representation);
    let body = if wants_body && version.0 > 0 {
        let wanted: ResourceKey = key.clone();
        let stored = app.read(permit, move |sight| Ok(sight.version(&wanted, version)?)).await?;
        stored.and_then(|stored| stored.body).map(std::sync::Arc::new)
    } else {
        None
    };
    Ok(Written { key, change, version, updated, body })
}
