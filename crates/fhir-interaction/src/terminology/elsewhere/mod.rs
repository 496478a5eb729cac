//! A terminology server elsewhere, asked where nobody here can tell.
//!
//! Only definitions and codes go there: never a display, a text, a reference or anything else of a
//! resource. What it answers is kept for a while. Where it does not answer, the question stays
//! open, with a reason, and it is left alone for a moment, so that one that is down costs its
//! timeout once and not for every code.

mod cache;
mod question;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fhir_model::{Limits, Resource, rewrite};
use fhir_terminology::{Coded, Fault, Verdict};

use crate::app::App;
use cache::Cache;

pub(crate) use question::{Question, Within, definition};

/// How a terminology server is reached.
pub trait Elsewhere: Send + Sync {
    /// Posts a Parameters resource to a path below the server's root
    /// (`ValueSet/$validate-code`) and gives status and body. It blocks, for no longer than the
    /// implementation's timeout.
    ///
    /// # Errors
    /// Why there was no answer, in words that say nothing of the question.
    fn ask(&self, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>), String>;
}

/// What a server elsewhere is asked about, and how long its answers are good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElsewhereSettings {
    /// How the URLs of the code systems and value sets begin that it answers for.
    pub prefixes: Vec<String>,
    /// The most answers that are kept; 0 keeps none.
    pub cache_entries: usize,
    /// How long an answer is kept.
    pub cache_age: Duration,
    /// How long one request waits for all that it asks.
    pub budget: Duration,
}

/// After a question without an answer it is not asked for this long.
const REST: Duration = Duration::from_secs(10);
/// Questions on their way at once.
const MAX_ASKED: usize = 16;

const NO_ANSWER: &str = "did not answer";
const BUSY: &str = "has too much to answer at once";
const NO_FHIR: &str = "answered what cannot be read";

/// A server elsewhere with what it has answered.
pub(crate) struct External {
    server: Box<dyn Elsewhere>,
    settings: ElsewhereSettings,
    cache: Mutex<Cache>,
    rests_until: Mutex<Option<Instant>>,
    asked: AtomicUsize,
}

/// Its answer; none where it cannot tell either. An error says why there is no answer.
pub(crate) type Reply = Result<Option<Arc<Resource>>, &'static str>;

impl App {
    /// Lets a terminology server elsewhere answer what nobody here can tell. The first one that is
    /// named stays.
    pub fn ask_elsewhere(&self, server: Box<dyn Elsewhere>, settings: ElsewhereSettings) {
        let external = External {
            cache: Mutex::new(Cache::new(settings.cache_entries, settings.cache_age)),
            server,
            settings,
            rests_until: Mutex::default(),
            asked: AtomicUsize::new(0),
        };
        self.knowledge().set_external(Arc::new(external));
    }

    /// How the URLs begin that a server elsewhere is asked about; empty where nobody is asked.
    pub(crate) fn asks_elsewhere_about(&self) -> &[String] {
        self.knowledge().external().map_or(&[], |external| &external.settings.prefixes)
    }

    /// Asks the server elsewhere all that is open, for as long as a request may wait; false where
    /// there is none.
    pub(crate) async fn ask_elsewhere_now(&self, open: Vec<Question>) -> bool {
        match self.knowledge().external() {
            Some(external) => {
                external.ask_all(open).await;
                true
            }
            None => false,
        }
    }

    /// The server elsewhere, where it answers for one of these URLs.
    pub(crate) fn external_for(&self, urls: &[Option<&str>]) -> Option<Arc<External>> {
        let external = self.knowledge().external()?;
        urls.iter().flatten().any(|url| external.answers_for(url)).then(|| Arc::clone(external))
    }
}

impl External {
    fn answers_for(&self, url: &str) -> bool {
        self.settings.prefixes.iter().any(|prefix| url.starts_with(prefix.as_str()))
    }

    /// The question about a code, where its system is one that the server answers for: what stands
    /// in the place of a code of another system may be somebody's identity code.
    pub(crate) fn about(&self, within: &Within<'_>, coded: &Coded<'_>) -> Option<Question> {
        let system = match within {
            Within::ValueSet(..) => coded.system?,
            Within::CodeSystem(url) => url,
        };
        Question::about(within, coded).filter(|_| self.answers_for(system))
    }

    /// What was answered before; an error where it is not to be asked now.
    pub(crate) fn known(&self, question: &Question) -> Option<Reply> {
        if let Some(kept) = self.kept().get(question.key()) {
            return Some(Ok(kept));
        }
        self.is_resting().then_some(Err(NO_ANSWER))
    }

    /// Asks, unless the answer is known; on a thread where waiting hurts nobody.
    pub(crate) async fn ask(self: &Arc<Self>, question: Question) -> Reply {
        if let Some(known) = self.known(&question) {
            return known;
        }
        let external = Arc::clone(self);
        let asking = tokio::task::spawn_blocking(move || external.ask_now(&question));
        asking.await.unwrap_or(Err(NO_ANSWER))
    }

    /// Asks all that is not known, one after the other, for as long as a request may wait. The
    /// answers are known afterwards.
    pub(crate) async fn ask_all(self: &Arc<Self>, questions: Vec<Question>) {
        let external = Arc::clone(self);
        let asking = tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            for question in &questions {
                if begin.elapsed() > external.settings.budget || external.is_resting() {
                    return;
                }
                if external.known(question).is_none() {
                    // The answer is kept; without one the question stays open.
                    let _kept = external.ask_now(question);
                }
            }
        });
        // A panic in there leaves the questions open.
        let _done = asking.await;
    }

    fn ask_now(&self, question: &Question) -> Reply {
        if self.asked.fetch_add(1, Ordering::AcqRel) >= MAX_ASKED {
            self.asked.fetch_sub(1, Ordering::AcqRel);
            return Err(BUSY);
        }
        let answered = self.server.ask(question.path(), question.body());
        self.asked.fetch_sub(1, Ordering::AcqRel);
        let body = match answered {
            Ok((200, body)) => body,
            // It does not know the value set, the system or the code, or not the operation.
            Ok((400 | 404 | 405 | 410 | 422 | 501, _)) => {
                self.kept().put(question.key(), None);
                return Ok(None);
            }
            Ok((status, _)) => {
                tracing::warn!(status, "the external terminology server failed");
                self.rest();
                return Err(NO_ANSWER);
            }
            Err(error) => {
                tracing::warn!(error, "the external terminology server did not answer");
                self.rest();
                return Err(NO_ANSWER);
            }
        };
        let Ok(resource) = Resource::from_json(body, &Limits::default()) else {
            return Err(NO_FHIR);
        };
        if resource.resource_type() != question.answered_by() {
            return Err(NO_FHIR);
        }
        let resource = Arc::new(resource);
        self.kept().put(question.key(), Some(Arc::clone(&resource)));
        Ok(Some(resource))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self) {
        let mut until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Instant::now().checked_add(REST);
    }

    fn is_resting(&self) -> bool {
        let until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

impl std::fmt::Debug for External {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("External").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What an answer says of a code: a verdict, or still what is missing here; with the reason where
/// there is no answer.
pub(crate) fn verdict(
    reply: Reply,
    within: &Within<'_>,
    coded: &Coded<'_>,
    lack: &Fault,
) -> Result<Verdict, Fault> {
    match reply {
        Ok(answer) => {
            let verdict = answer.and_then(|it| question::verdict(it.view(), within, coded));
            verdict.ok_or_else(|| lack.clone())
        }
        Err(reason) => Err(lack.also_elsewhere(reason)),
    }
}

/// The JSON of an answer that is passed on.
pub(crate) fn passed_on(resource: &Resource) -> Vec<u8> {
    let mut out = Vec::new();
    rewrite::minified(resource.view().value, &mut out);
    out
}
