//! The one writer: a thread that takes what has queued and commits it with one flush.
//!
//! Every answer is sent after the commit that holds it. A statement that fails spoils only its own
//! group: the others are committed again without it.

mod apply;
mod follow;
mod mark;
mod online;
mod purge;
mod trace;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

pub(crate) use apply::Writer;
use diesel::sqlite::SqliteConnection;
use futures_channel::oneshot;

use crate::codec::Packed;
use crate::core::Core;
use crate::error::StoreError;
use crate::settings::StoreSettings;
use crate::write::{Action, WriteFault, WriteGroup, Written};

/// What a group came to: one result an operation.
pub(crate) type Answer = Result<Vec<Result<Written, WriteFault>>, StoreError>;

/// A group on its way, with its bodies compressed by the thread that sent it.
pub(crate) struct Job {
    pub(crate) group: WriteGroup,
    pub(crate) bodies: Vec<Option<Packed>>,
    reply: oneshot::Sender<Answer>,
}

/// Work of the store itself on the writer's connection, with transactions of its own.
pub(crate) type Task = Box<dyn FnOnce(&mut Writer) + Send>;

/// What the writer takes from its queue.
enum Order {
    Write(Box<Job>),
    Run(Task),
}

/// The sending end of the writer.
pub(crate) struct Queue {
    sender: Mutex<Option<SyncSender<Order>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Starts the writer on its connection.
pub(crate) fn start(
    connection: SqliteConnection,
    core: Arc<Core>,
    settings: &StoreSettings,
) -> Result<Queue, StoreError> {
    let (sender, receiver) = sync_channel(settings.queue_length.max(1));
    let mut writer = Writer::new(connection, core)?;
    let most = settings.commit_ops.max(1);
    let thread = std::thread::Builder::new()
        .name("fhir-store-writer".into())
        .spawn(move || run(&mut writer, &receiver, most))
        .map_err(|error| StoreError::Open(error.into()))?;
    Ok(Queue { sender: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
}

impl Queue {
    /// Queues a group; the receiver resolves once it is durable.
    pub(crate) fn send(
        &self,
        core: &Core,
        group: WriteGroup,
    ) -> Result<oneshot::Receiver<Answer>, StoreError> {
        let bodies = group.ops.iter().map(|op| match &op.action {
            Action::Put { body, .. } => Some(core.codec.pack(body)),
            Action::Delete => None,
        });
        let bodies = bodies.collect();
        let (reply, answer) = oneshot::channel();
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = match sender.as_ref() {
            None => return Err(StoreError::Closed),
            Some(sender) => {
                let job = Box::new(Job { group, bodies, reply });
                sender.try_send(Order::Write(job))
            }
        };
        match sent {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Closed),
        }
    }

    /// Runs `work` between two commits and waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let task: Task = Box::new(move |writer| {
            // Whoever asked may have gone away.
            let _ = reply.send(work(writer));
        });
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        sender
            .ok_or(StoreError::Closed)?
            .send(Order::Run(task))
            .map_err(|_gone| StoreError::Closed)?;
        answer.recv().unwrap_or(Err(StoreError::Interrupted))
    }

    /// Queues `work`, to be run between two commits, and does not wait.
    pub(crate) fn send_task(&self, work: Task) -> Result<(), StoreError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(StoreError::Closed)?;
        sender.try_send(Order::Run(work)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    /// Runs `work` between two commits.
    pub(crate) async fn task<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |writer| {
            // Whoever asked may have gone away.
            let _ = reply.send(work(writer));
        });
        self.send_task(task)?;
        answer.await.unwrap_or(Err(StoreError::Interrupted))
    }

    /// Lets the writer finish what has queued, and waits for it.
    pub(crate) fn close(&self) {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the writer of the store ended in a panic");
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(writer: &mut Writer, receiver: &Receiver<Order>, most: usize) {
    while let Some(first) = next_order(writer, receiver) {
        let mut ops = 0;
        let mut jobs = Vec::new();
        let mut task = None;
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Write(job) => {
                    ops = job.group.ops.len().max(1).saturating_add(ops);
                    jobs.push(*job);
                }
                Order::Run(work) => task = Some(work),
            }
            let goes_on = task.is_none() && ops < most;
            next = if goes_on { receiver.try_recv().ok() } else { None };
        }
        // A panic drops the jobs, which tells their senders; the writer itself goes on.
        let done = catch_unwind(AssertUnwindSafe(|| {
            if !jobs.is_empty() {
                commit(writer, jobs);
            }
            if let Some(task) = task {
                task(writer);
            }
        }));
        if done.is_err() {
            tracing::error!("a write group made the writer panic");
            writer.recover();
        }
    }
    writer.finish();
}

/// Waits for work; where nothing comes, what was traced is sealed.
fn next_order(writer: &mut Writer, receiver: &Receiver<Order>) -> Option<Order> {
    if let Some(rest) = writer.until_seal() {
        match receiver.recv_timeout(rest) {
            Ok(order) => return Some(order),
            Err(RecvTimeoutError::Timeout) => writer.seal_now(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    receiver.recv().ok()
}

fn commit(writer: &mut Writer, jobs: Vec<Job>) {
    let core = Arc::clone(writer.core());
    let all = {
        let stamps = jobs.iter().flat_map(|job| &job.group.stamps);
        let _stamped = core.tidings.writing(stamps.copied());
        writer.transaction(|writer| jobs.iter().map(|job| writer.group(job)).collect())
    };
    let error = match all {
        Ok(answers) => {
            let answers: Vec<Answer> = answers;
            for (job, answer) in jobs.into_iter().zip(answers) {
                reply(job, answer);
            }
            return;
        }
        Err(error) => error,
    };
    tracing::warn!(%error, "a commit failed; its groups are committed one by one");
    for job in jobs {
        let answer = {
            let _stamped = core.tidings.writing(job.group.stamps.iter().copied());
            writer.transaction(|writer| writer.group(&job))
        };
        reply(job, answer.unwrap_or_else(Err));
    }
}

/// Whoever sent the job may have gone away; the write stands nevertheless.
fn reply(job: Job, answer: Answer) {
    let _ = job.reply.send(answer);
}
