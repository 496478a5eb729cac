//! Rows of the trace that stand alone: flushed to the journal by a thread of its own, many at
//! once, and moved into the database by the writer, very many at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_channel::oneshot;

use super::writer::{Queue, Writer};
use crate::core::Core;
use crate::error::StoreError;
use crate::trace::TraceRow;
use crate::trace::chain::{self, ActorDigest};
use crate::trace::journal::{GroupWriter, JournalFile, MOST_BYTES, Owner, path};
use crate::trace::strand::{Link, Strand};

/// Rows with more bytes in a part go another way.
pub(crate) const MOST_LENGTH: usize = 64 << 10;

/// Rows stay in the journal so long at most, while the database takes them.
const MOVE_EVERY: Duration = Duration::from_secs(1);

/// So many rows are moved by one commit, and as soon as there are so many. Writes wait meanwhile
/// (some 30 ms); but each commit makes all readers forget their pages.
const MOVED_AT_ONCE: usize = 4_000;

/// So many actors are remembered; then the memory starts afresh.
const MOST_ACTORS: usize = 1 << 12;

type Reply = oneshot::Sender<Result<(), StoreError>>;

/// The sending end of the journal.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    /// Started by the first row.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread, who sends rows, and the writer have in common.
struct Shared {
    core: Arc<Core>,
    path: PathBuf,
    state: Mutex<State>,
    /// Wakes the thread.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<(TraceRow, Reply)>,
    /// Groups that are flushed and not in the database yet, in order.
    flushed: VecDeque<Arc<Vec<Link>>>,
    flushed_rows: usize,
    /// When `flushed` was last begun.
    since: Option<Instant>,
    /// The number of the last row that is in the database.
    moved: i64,
    is_moving: bool,
    /// How often moving has failed since it last went well.
    failures: u32,
    /// Whether the thread waits to be woken.
    is_idle: bool,
    is_closed: bool,
}

impl State {
    fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal {
    pub(crate) fn new(database: &Path, core: &Arc<Core>, queue: &Arc<Queue>) -> Self {
        let shared = Shared {
            core: Arc::clone(core),
            path: path(database),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self { shared: Arc::new(shared), queue: Arc::clone(queue), thread: Mutex::new(None) }
    }

    /// Queues a row; the receiver resolves once it is durable.
    pub(crate) fn add(
        &self,
        row: TraceRow,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.shared.state();
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        if state.waiting.len() >= self.shared.core.settings.queue_length.max(1) {
            return Err(StoreError::Busy);
        }
        state.waiting.push((row, reply));
        let is_first = state.waiting.len() == 1;
        let wakes = mem::take(&mut state.is_idle);
        drop(state);
        if wakes {
            self.shared.changed.notify_one();
        } else if is_first && let Err(error) = self.start() {
            self.shared.state().waiting.clear();
            return Err(error);
        }
        Ok(answer)
    }

    fn start(&self) -> Result<(), StoreError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let flusher = Flusher::new(&self.shared, &self.queue);
            let started = std::thread::Builder::new()
                .name("fhir-store-trace".into())
                .spawn(move || flusher.run_guarded())
                .map_err(|error| StoreError::Open(error.into()))?;
            *thread = Some(started);
        }
        Ok(())
    }

    /// Work for the writer that moves what is flushed now; none where there is nothing.
    pub(crate) fn settling(
        &self,
    ) -> Option<impl FnOnce(&mut Writer) -> Result<(), StoreError> + Send + use<>> {
        let last = self.shared.state().flushed.back()?.last()?.seq;
        let shared = Arc::clone(&self.shared);
        Some(move |writer: &mut Writer| {
            while shared.state().moved < last {
                shared.move_some(writer)?;
            }
            Ok(())
        })
    }

    /// Flushes what waits, moves everything and removes the file.
    pub(crate) fn close(&self) {
        self.shared.state().is_closed = true;
        self.shared.changed.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        if thread.join().is_err() {
            tracing::error!("the thread of the trace's journal ended in a panic");
        }
        let moved = self.settling().map_or(Ok(()), |settling| self.queue.run(settling));
        let removed = moved.and_then(|()| {
            // Where there was no row there is no file.
            match std::fs::remove_file(&self.shared.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(StoreError::Open(error.into()))
                }
                _ => Ok(()),
            }
        });
        if let Err(error) = removed {
            tracing::warn!(%error, "the journal of the trace stays for the next start");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Moves the oldest groups, on the writer. What fails stays where it is.
    fn move_some(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let mut groups = Vec::new();
        let mut rows = 0;
        for group in &self.state().flushed {
            if rows > 0 && rows + group.len() > MOVED_AT_ONCE {
                break;
            }
            rows += group.len();
            groups.push(Arc::clone(group));
        }
        writer.add_flushed(&groups)?;
        let mut state = self.state();
        state.flushed.drain(..groups.len());
        state.flushed_rows = state.flushed_rows.saturating_sub(rows);
        state.since = (!state.flushed.is_empty()).then(Instant::now);
        state.failures = 0;
        if let Some(last) = groups.last().and_then(|group| group.last()) {
            state.moved = last.seq;
        }
        Ok(())
    }
}

/// Says that nothing is being moved any more, also after a panic.
struct Moving(Arc<Shared>);

impl Drop for Moving {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_moving = false;
        state.is_idle = false;
        drop(state);
        self.0.changed.notify_one();
    }
}

/// What the thread has for itself.
struct Flusher {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    owner: Owner,
    /// None until the first row.
    line: Option<Line>,
    buffer: Vec<u8>,
}

/// The strand of the journal with its file.
struct Line {
    strand: Strand,
    file: JournalFile,
    /// The last number in each half.
    last: [i64; 2],
    /// Actors that stand in the half.
    actors: HashSet<ActorDigest>,
    digests: HashMap<Arc<[u8]>, ActorDigest>,
}

impl Flusher {
    fn new(shared: &Arc<Shared>, queue: &Arc<Queue>) -> Self {
        Self {
            shared: Arc::clone(shared),
            queue: Arc::clone(queue),
            owner: Owner::new(&shared.core.secret),
            line: None,
            buffer: Vec::new(),
        }
    }

    /// Runs until the journal is closed. After a panic nobody knows how far the file is: nothing
    /// is taken any more, and what was flushed stays for the next start.
    fn run_guarded(mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
            tracing::error!("the journal of the trace ended in a panic; start the server again");
            let mut state = self.shared.state();
            state.is_closed = true;
            state.waiting.clear();
        }
    }

    fn run(&mut self) {
        while let Some(mut rows) = self.next_rows() {
            while !rows.is_empty() {
                let behind = rows.split_off(within(&rows));
                let (group, replies) = mem::replace(&mut rows, behind).into_iter().unzip();
                let replies: Vec<Reply> = replies;
                let done = self.flush(group);
                if let Err(error) = &done {
                    tracing::error!(%error, "rows of the trace were not written");
                }
                for reply in replies {
                    // Whoever asked may have gone away.
                    let _ = reply.send(done.as_ref().map_err(|_told| StoreError::Busy).copied());
                }
            }
        }
    }

    /// Waits for rows, and has moved what has to be moved; none once the journal is closed.
    fn next_rows(&self) -> Option<Vec<(TraceRow, Reply)>> {
        let mut state = self.shared.state();
        loop {
            let waits = match state.since {
                Some(_) if state.is_moving => None,
                Some(since) => {
                    let pause = MOVE_EVERY.saturating_mul(state.failures.saturating_add(1).min(30));
                    let rest = pause.saturating_sub(since.elapsed());
                    let is_many = state.flushed_rows >= MOVED_AT_ONCE && state.failures == 0;
                    Some(if is_many { Duration::ZERO } else { rest })
                }
                None => None,
            };
            if waits == Some(Duration::ZERO) {
                state = self.have_moved(state);
            }
            if !state.waiting.is_empty() {
                return Some(mem::take(&mut state.waiting));
            }
            if state.is_closed {
                return None;
            }
            state.is_idle = true;
            let waits = waits.filter(|waits| !waits.is_zero());
            state = match waits {
                None => self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(rest) => {
                    let waited = self.shared.changed.wait_timeout(state, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.is_idle = false;
        }
    }

    /// Asks the writer to move some rows.
    fn have_moved<'s>(&'s self, mut state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        state.is_moving = true;
        state.since = Some(Instant::now());
        drop(state);
        let shared = Arc::clone(&self.shared);
        let moving = Moving(Arc::clone(&shared));
        let sent = self.queue.send_task(Box::new(move |writer| {
            let _moving = moving;
            if let Err(error) = shared.move_some(writer) {
                tracing::error!(%error, "rows of the trace stay in their journal");
                shared.state().fail();
            }
        }));
        let mut state = self.shared.state();
        if sent.is_err() {
            state.fail();
        }
        state
    }

    /// Writes rows as one group and flushes it.
    fn flush(&mut self, rows: Vec<TraceRow>) -> Result<(), StoreError> {
        let now = self.shared.core.now().0;
        let mut line = match self.line.take() {
            Some(line) => line,
            None => self.open()?,
        };
        let flushed = self.append(&mut line, rows, now);
        self.line = Some(line);
        let links = flushed?;
        let mut state = self.shared.state();
        state.flushed_rows += links.len();
        state.flushed.push_back(Arc::new(links));
        state.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn open(&self) -> Result<Line, StoreError> {
        let strand = self.queue.run(Writer::journal_strand)?;
        let file = JournalFile::create(&self.shared.path, &self.owner).map_err(unwritten)?;
        Ok(Line { strand, file, last: [0; 2], actors: HashSet::new(), digests: HashMap::new() })
    }

    fn append(
        &mut self,
        line: &mut Line,
        rows: Vec<TraceRow>,
        now: i64,
    ) -> Result<Vec<Link>, StoreError> {
        let mut strand = line.strand.clone();
        let digests: Vec<ActorDigest> = rows.iter().map(|row| line.digest(&row.actor)).collect();
        let links: Vec<Link> = rows
            .into_iter()
            .zip(digests)
            .map(|(row, actor)| strand.link_alone(row, actor, now))
            .collect();
        let mut fresh = HashSet::new();
        let mut bytes = self.group(line, &links, &mut fresh);
        if !line.file.has_room(bytes.len()) {
            self.wait_for_room(line)?;
            line.file.turn();
            line.actors.clear();
            fresh.clear();
            bytes = self.group(line, &links, &mut fresh);
        }
        let done = line.file.append(&bytes);
        self.buffer = bytes;
        done.map_err(unwritten)?;
        line.actors.extend(fresh);
        line.strand = strand;
        if let Some(last) = line.last.get_mut(line.file.half()) {
            *last = line.strand.seq;
        }
        Ok(links)
    }

    fn group(&mut self, line: &Line, links: &[Link], fresh: &mut HashSet<ActorDigest>) -> Vec<u8> {
        let buffer = mem::take(&mut self.buffer);
        let Strand { number, seq, .. } = line.strand;
        let mut group = GroupWriter::begin(buffer, number, seq, line.strand.hash());
        for link in links {
            let is_new = !line.actors.contains(&link.actor) && fresh.insert(link.actor);
            group.push(link, is_new);
        }
        group.finish(&self.owner)
    }

    /// Waits until the other half's rows are in the database.
    fn wait_for_room(&self, line: &Line) -> Result<(), StoreError> {
        let last = line.last.get(1 - line.file.half()).copied().unwrap_or(0);
        let mut state = self.shared.state();
        let failures = state.failures;
        while state.moved < last {
            if state.failures > failures || state.is_closed {
                return Err(StoreError::Busy);
            }
            if state.is_moving {
                state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                state = self.have_moved(state);
            }
        }
        Ok(())
    }
}

impl Line {
    fn digest(&mut self, actor: &Arc<[u8]>) -> ActorDigest {
        if let Some(known) = self.digests.get(actor) {
            return *known;
        }
        if self.digests.len() >= MOST_ACTORS {
            self.digests.clear();
        }
        let digest = chain::actor(actor);
        self.digests.insert(Arc::clone(actor), digest);
        digest
    }
}

fn unwritten(error: std::io::Error) -> StoreError {
    tracing::error!(%error, "the journal of the trace cannot be written");
    StoreError::Open(error.into())
}

/// How many of the rows one group takes: at least one.
fn within(rows: &[(TraceRow, Reply)]) -> usize {
    let mut bytes = 0_usize;
    let more = rows.iter().take_while(|(row, _)| {
        let length = row.body.len() + row.actor.len() + row.keys.len() * 8 + 64;
        bytes += length;
        bytes <= MOST_BYTES
    });
    more.count().max(1).min(rows.len())
}
