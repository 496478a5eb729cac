//! `Prefer: respond-async`: work that its client comes back for.
//!
//! The body is read, the request is put in line and answered with 202 and a URL; a few threads of
//! their own run what is in line with the functions of other requests. The URL tells how far it is,
//! and then gives a Bundle of type batch-response whose one entry holds status and answer.
//! All of it lives in the memory of this process: a restart forgets it, and what was written
//! stays written.
//! Spec: <https://hl7.org/fhir/R4/async.html>, <https://hl7.org/fhir/R5/async-bundle.html>

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, Uri};
use actix_web::web::Data;
use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_interaction::Answer;
use fhir_model::{Failure, FailureKind};
use tokio::sync::Notify;

use super::body::{self, Payload};
use super::edge::caught;
use super::exchange::{Exchange, Head};
use super::route::Call;
use super::{State, handler, reply};
use crate::access::is_same;
use crate::config;

/// What the path of asynchronous work starts with, behind the FHIR root.
pub(crate) const PATH: &str = "/_async/";

/// Whether a call is worth waiting for elsewhere: what may take long.
pub(crate) fn may_wait(call: &Call) -> bool {
    matches!(
        call,
        Call::SearchType(_)
            | Call::SearchSystem
            | Call::SearchCompartment(..)
            | Call::HistoryInstance(_)
            | Call::HistoryType(_)
            | Call::HistorySystem
            | Call::Bundle
            | Call::Operation(..)
    )
}

/// A request that was taken in whole.
pub(crate) struct Work {
    call: Call,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    /// Who asked. The token may have expired by the time the work is done.
    caller: Caller,
    /// Goes on where the request ended.
    record: Record,
    body: Vec<u8>,
}

impl Work {
    /// Reads the rest of a request.
    ///
    /// # Errors
    /// As [`body::arrived`].
    pub(crate) async fn take(
        exchange: &Exchange<'_>,
        call: Call,
        payload: Payload,
    ) -> Result<Self, Failure> {
        let body = body::arrived(exchange, payload).await?;
        let head = exchange.head;
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let (headers, caller) = (head.headers.clone(), exchange.caller.clone());
        let record = exchange.record.clone();
        Ok(Self { call, method, uri, headers, peer: head.peer, caller, record, body })
    }

    async fn run(self, state: &State) -> Result<Answer, Failure> {
        let Self { call, method, uri, headers, peer, caller, record, body } = self;
        let head = Head { method: &method, uri: &uri, headers: &headers, peer };
        let exchange = Exchange::open(state, head, (caller, record.clone()), false)?;
        let answered = handler::call(&exchange, call, Payload::Here(body)).await;
        state.app.close(&record, reply::status_of(&answered)).await?;
        answered
    }
}

/// How far work is.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    Waiting,
    /// For so many seconds.
    Running(u64),
    /// The Bundle, which is kept for so many seconds more.
    Done(Arc<Vec<u8>>, u64),
}

struct Job {
    /// Who asked for it, and is the only one to have its result.
    owner: Caller,
    stage: Stage,
    cancelled: Arc<Notify>,
    /// What it holds in memory.
    bytes: usize,
}

enum Stage {
    Waiting(Option<Box<Work>>),
    Running(Instant),
    Done(Arc<Vec<u8>>, Instant),
}

#[derive(Default)]
struct Kept {
    jobs: HashMap<String, Job>,
    /// Ids of those that wait, and of those that are done, oldest first.
    waiting: VecDeque<String>,
    done: VecDeque<String>,
    threads: usize,
    bytes: usize,
}

impl Kept {
    fn remove(&mut self, id: &str) -> Option<Job> {
        let job = self.jobs.remove(id)?;
        self.bytes = self.bytes.saturating_sub(job.bytes);
        self.waiting.retain(|known| known != id);
        self.done.retain(|known| known != id);
        Some(job)
    }
}

/// All asynchronous work of the process.
pub(crate) struct Jobs {
    settings: config::Jobs,
    kept: Mutex<Kept>,
}

impl Jobs {
    pub(crate) fn new(settings: config::Jobs) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// Whether there is any asynchronous work at all.
    pub(crate) fn are_on(&self) -> bool {
        self.settings.max_jobs > 0
    }

    /// How many wait, run and are done.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let kept = self.kept();
        let (waiting, done) = (kept.waiting.len(), kept.done.len());
        [waiting, kept.jobs.len().saturating_sub(waiting + done), done]
    }

    /// Puts work in line and gives its id, which nobody can guess.
    ///
    /// # Errors
    /// `Unavailable` where there is too much of it.
    pub(crate) fn submit(state: &Data<State>, work: Work) -> Result<String, Failure> {
        let id = new_id()?;
        let jobs = &state.jobs;
        let mut kept = jobs.kept();
        jobs.expire(&mut kept);
        let unfinished = kept.jobs.len() - kept.done.len();
        let bytes = work.body.len();
        jobs.make_room(&mut kept, bytes);
        if unfinished >= jobs.settings.max_jobs
            || kept.bytes.saturating_add(bytes) > jobs.settings.max_kept_bytes
        {
            return Err(reply::unavailable("too much asynchronous work is waiting; come again"));
        }
        kept.bytes += bytes;
        let owner = work.caller.clone();
        let stage = Stage::Waiting(Some(Box::new(work)));
        let job = Job { owner, stage, cancelled: Arc::default(), bytes };
        kept.jobs.insert(id.clone(), job);
        kept.waiting.push_back(id.clone());
        if kept.threads < jobs.settings.threads {
            let own = state.clone();
            let thread = std::thread::Builder::new().name("kantele-async".to_owned());
            match thread.spawn(move || work_through(&own)) {
                Ok(_) => kept.threads += 1,
                Err(_) if kept.threads > 0 => {}
                Err(_) => {
                    kept.remove(&id);
                    return Err(reply::unavailable("no thread could be started; come again"));
                }
            }
        }
        Ok(id)
    }

    /// How far the work of this caller with this id is; nothing where there is none, or no more.
    pub(crate) fn progress(&self, caller: &Caller, id: &str) -> Option<Progress> {
        let mut kept = self.kept();
        self.expire(&mut kept);
        let job = kept.jobs.get(id).filter(|job| is_same(&job.owner, caller))?;
        Some(match &job.stage {
            Stage::Waiting(_) => Progress::Waiting,
            Stage::Running(since) => Progress::Running(since.elapsed().as_secs()),
            Stage::Done(bundle, at) => {
                let left = self.settings.kept.saturating_sub(at.elapsed());
                Progress::Done(Arc::clone(bundle), left.as_secs())
            }
        })
    }

    /// Ends the work with this id and forgets its result; false where there is none. A write that
    /// was handed to the store may still take effect.
    pub(crate) fn cancel(&self, caller: &Caller, id: &str) -> bool {
        let mut kept = self.kept();
        if !kept.jobs.get(id).is_some_and(|job| is_same(&job.owner, caller)) {
            return false;
        }
        let Some(job) = kept.remove(id) else { return false };
        job.cancelled.notify_one();
        true
    }

    fn next(&self) -> Option<(String, Work, Arc<Notify>)> {
        let mut kept = self.kept();
        while let Some(id) = kept.waiting.pop_front() {
            let Some(job) = kept.jobs.get_mut(&id) else { continue };
            let stage = std::mem::replace(&mut job.stage, Stage::Running(Instant::now()));
            if let Stage::Waiting(Some(work)) = stage {
                return Some((id, *work, Arc::clone(&job.cancelled)));
            }
        }
        kept.threads -= 1;
        None
    }

    fn finish(&self, id: &str, answered: Result<Answer, Failure>) {
        let bundle = fhir_interaction::bundle::of_answers(&[answered]);
        let mut kept = self.kept();
        // Cancelled in the meantime: there is nobody to keep it for.
        let Some(job) = kept.remove(id) else { return };
        self.make_room(&mut kept, bundle.len());
        let has_room = kept.bytes.saturating_add(bundle.len()) <= self.settings.max_kept_bytes;
        let bundle = if has_room {
            bundle
        } else {
            let text = "the result is larger than what is kept for clients that come back";
            let failure = Failure::new(FailureKind::TooCostly, text);
            fhir_interaction::bundle::of_answers(&[Err(failure)])
        };
        let bytes = bundle.len();
        kept.bytes += bytes;
        let stage = Stage::Done(Arc::new(bundle), Instant::now());
        kept.jobs.insert(id.to_owned(), Job { stage, bytes, ..job });
        kept.done.push_back(id.to_owned());
    }

    /// Forgets results, the oldest first, until there is room for so many bytes or none is left.
    fn make_room(&self, kept: &mut Kept, bytes: usize) {
        while kept.bytes.saturating_add(bytes) > self.settings.max_kept_bytes {
            let Some(oldest) = kept.done.front().cloned() else { return };
            kept.remove(&oldest);
        }
    }

    fn expire(&self, kept: &mut Kept) {
        while let Some(oldest) = kept.done.front().cloned() {
            let is_old = kept.jobs.get(&oldest).is_none_or(|job| {
                matches!(&job.stage, Stage::Done(_, at) if at.elapsed() >= self.settings.kept)
            });
            if !is_old {
                return;
            }
            kept.remove(&oldest);
            kept.done.retain(|known| *known != oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what is in line until nothing is.
fn work_through(state: &Data<State>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let unable = || Failure::new(FailureKind::Bug, "the server failed; its log knows why");
    while let Some((id, work, cancelled)) = state.jobs.next() {
        let Ok(runtime) = &runtime else {
            tracing::error!("no runtime for asynchronous work");
            state.jobs.finish(&id, Err(unable()));
            continue;
        };
        let answered = runtime.block_on(async {
            let run = tokio::time::timeout(state.jobs.settings.timeout, work.run(state));
            tokio::select! {
                () = cancelled.notified() => None,
                answered = caught(run) => Some(match answered {
                    Some(Ok(answered)) => answered,
                    Some(Err(_)) => {
                        let text = "the work took longer than work may take";
                        Err(Failure::new(FailureKind::OutOfTime, text))
                    }
                    None => Err(unable()),
                }),
            }
        });
        if let Some(answered) = answered {
            state.jobs.finish(&id, answered);
        }
    }
}

fn new_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes)
        .map_err(|_error| reply::unavailable("no random id could be made; come again"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anybody() -> Caller {
        Caller::everyone()
    }

    fn work(bytes: usize) -> Work {
        Work {
            caller: anybody(),
            record: Record::default(),
            call: Call::SearchSystem,
            method: Method::GET,
            uri: Uri::from_static("/fhir"),
            headers: HeaderMap::new(),
            peer: None,
            body: vec![0; bytes],
        }
    }

    fn put(jobs: &Jobs, id: &str, bytes: usize) {
        let mut kept = jobs.kept();
        let stage = Stage::Waiting(Some(Box::new(work(bytes))));
        kept.jobs.insert(
            id.to_owned(),
            Job { owner: anybody(), stage, cancelled: Arc::default(), bytes },
        );
        kept.waiting.push_back(id.to_owned());
        kept.bytes += bytes;
        kept.threads = 1;
    }

    fn small() -> Jobs {
        Jobs::new(config::Jobs { max_kept_bytes: 600, ..config::Jobs::for_tests() })
    }

    #[test]
    fn work_goes_from_waiting_to_done_and_is_forgotten() {
        let jobs = small();
        put(&jobs, "a", 10);
        assert!(matches!(jobs.progress(&anybody(), "a"), Some(Progress::Waiting)));
        let (id, _, _) = jobs.next().unwrap();
        assert!(matches!(jobs.progress(&anybody(), &id), Some(Progress::Running(_))));
        jobs.finish(&id, Ok(Answer { status: 200, ..Answer::default() }));
        let Some(Progress::Done(bundle, left)) = jobs.progress(&anybody(), "a") else {
            panic!("not done")
        };
        assert!(String::from_utf8_lossy(&bundle).contains("batch-response") && left > 3_000);
        assert_eq!(jobs.counts(), [0, 0, 1]);
        assert!(!jobs.cancel(&Caller::unknown(), "a"));
        assert!(jobs.cancel(&anybody(), "a") && !jobs.cancel(&anybody(), "a"));
        assert!(jobs.progress(&anybody(), "a").is_none());
        assert_eq!(jobs.kept().bytes, 0);
    }

    #[test]
    fn what_is_cancelled_is_not_run_and_keeps_no_result() {
        let jobs = small();
        put(&jobs, "a", 10);
        put(&jobs, "b", 10);
        assert!(jobs.cancel(&anybody(), "a"));
        let (id, _, _) = jobs.next().unwrap();
        assert_eq!(id, "b");
        assert!(jobs.cancel(&anybody(), "b"));
        jobs.finish("b", Ok(Answer::default()));
        assert!(jobs.progress(&anybody(), "b").is_none() && jobs.next().is_none());
        assert_eq!(jobs.kept().threads, 0);
    }

    #[test]
    fn results_are_bounded_and_the_oldest_go_first() {
        let jobs = small();
        let large =
            |size| Answer { status: 200, body: Some(vec![b' '; size]), ..Answer::default() };
        for id in ["a", "b"] {
            put(&jobs, id, 0);
            jobs.next().unwrap();
            jobs.finish(id, Ok(large(300)));
        }
        assert!(jobs.progress(&anybody(), "a").is_none());
        assert!(matches!(jobs.progress(&anybody(), "b"), Some(Progress::Done(..))));
        put(&jobs, "c", 0);
        jobs.next().unwrap();
        jobs.finish("c", Ok(large(5_000)));
        let Some(Progress::Done(bundle, _)) = jobs.progress(&anybody(), "c") else {
            panic!("not done")
        };
        assert!(String::from_utf8_lossy(&bundle).contains("too-costly"));
    }
}
