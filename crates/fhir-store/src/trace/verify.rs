//! Does the trace still hold all that was written?

mod journal;

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::PgConnection;
use diesel::connection::Connection;
use diesel::sqlite::SqliteConnection;
use fhir_model::Instant;
use fhir_search::ValueHasher;
use fhir_security::seal::SealPublicKey;

use super::chain::{self, Hash};
use super::connection::{CutTuple, OpeningTuple, SealTuple, TraceConnection, TraceTuple};
use super::find::{Known, stored};
use super::strand::LINE_BITS;
use super::{TracePosition, TraceSettings};
use crate::core::{IDENTITY, Identity};
use crate::error::StoreError;
use crate::sql::{Bind, Sql};
use crate::url::DatabaseUrl;
use journal::Journal;

/// Rows that are looked at in one go.
const CHUNK: usize = 2_000;

/// So many faults are told; the others are counted.
const TOLD: usize = 100;

/// What is wrong with the trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceFault {
    /// Rows are gone.
    #[error("strand {strand}: rows after {after} and before {before} are missing")]
    Missing {
        /// The strand.
        strand: i64,
        /// The last row before the gap.
        after: i64,
        /// The first row behind it.
        before: i64,
    },
    /// A row is not what was written, or not where.
    #[error("strand {}, {}: the row was changed", .0.strand, .0.at.rfc3339())]
    Changed(TracePosition),
    /// Who asked is gone or was changed.
    #[error("strand {}, {}: who asked is missing or was changed", .0.strand, .0.at.rfc3339())]
    Actor(TracePosition),
    /// The row would not be found by all it is to be found by.
    #[error("strand {}, {}: {} keys of the row are missing", .0.strand, .0.at.rfc3339(), .1)]
    Keys(TracePosition, usize),
    /// A seal is not what was signed, or not of the key of its opening.
    #[error("strand {}, {}: the seal does not hold", .0.strand, .0.at.rfc3339())]
    Seal(TracePosition),
    /// There is a seal and no row under it.
    #[error("strand {}, {}: the sealed row is missing", .0.strand, .0.at.rfc3339())]
    Sealed(TracePosition),
    /// Another strand's seal knew of more rows than there are.
    #[error("strand {strand}: {known} rows were there, {found} are left")]
    Cut {
        /// The strand.
        strand: i64,
        /// How many rows there were.
        known: i64,
        /// How many there are.
        found: i64,
    },
    /// The journal of rows on their way into the database is not as it was left, or one that was
    /// not lies beside it under another name.
    #[error("the journal of the trace: {0}")]
    Journal(&'static str),
    /// The mark of a removal by age does not hold.
    #[error("strand {0}: the mark of the removal of old rows does not hold")]
    Removal(i64),
    /// An opening of the database is gone, was changed, or was signed with a key that nobody
    /// vouches for.
    #[error("opening {0}: {1}")]
    Opening(i64, &'static str),
    /// The head that an earlier verification found is not in the chain.
    #[error("strand {0}: row {1} of an earlier verification is missing or was changed")]
    Earlier(i64, i64),
}

/// The last row of a strand: what a later verification can be asked to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHead {
    /// The strand.
    pub strand: i64,
    /// The number of its last row.
    pub sequence: i64,
    /// The hash of that row.
    pub hash: [u8; 32],
}

/// What a verification came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceReport {
    /// Rows that were looked at.
    pub rows: u64,
    /// Seals that were looked at.
    pub seals: u64,
    /// Rows behind the last seal of their strand: chained, not signed yet.
    pub unsealed: u64,
    /// Strands from which rows were removed by age.
    pub cut_strands: u64,
    /// When the first and the last row were written.
    pub span: Option<(Instant, Instant)>,
    /// Keys that signed, in the order of their openings, each once.
    pub keys: Vec<[u8; 32]>,
    /// The ends of the strands.
    pub heads: Vec<TraceHead>,
    /// The first faults.
    pub faults: Vec<TraceFault>,
    /// All faults.
    pub fault_count: u64,
}

impl TraceReport {
    fn tell(&mut self, fault: TraceFault) {
        self.fault_count = self.fault_count.saturating_add(1);
        if self.faults.len() < TOLD {
            self.faults.push(fault);
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.fault_count == 0
    }
}

/// Goes through the whole trace of a database, which a server may have open.
///
/// `trusted` are public keys whose seals count beside those of the key in the settings (from
/// before the key was changed). `earlier` are heads of an earlier verification.
///
/// # Errors
/// `Open` and `Database` where the database cannot be read.
pub fn verify(
    url: &DatabaseUrl,
    settings: &TraceSettings,
    trusted: &[[u8; 32]],
    earlier: &[TraceHead],
) -> Result<TraceReport, StoreError> {
    let open = |error: diesel::ConnectionError| StoreError::Open(error.into());
    match url {
        DatabaseUrl::Sqlite(file) => {
            let path = file.to_str().unwrap_or_default();
            let uri = format!("file:{}?mode=ro", path.replace('%', "%25").replace('?', "%3f"));
            let mut connection = SqliteConnection::establish(&uri).map_err(open)?;
            let identity = identity(&mut connection)?;
            // Before the database: what comes into it meanwhile stands in both.
            let journal = Journal::read(file, &identity)?;
            // One snapshot for all: rows that are added meanwhile are not seen.
            connection.transaction(|connection| {
                Walk::new(connection, settings, &identity, trusted, earlier)?.run(journal)
            })
        }
        DatabaseUrl::Postgres(text) => {
            let mut connection = PgConnection::establish(text).map_err(open)?;
            let identity = identity(&mut connection)?;
            connection.build_transaction().read_only().repeatable_read().run(|connection| {
                let journal = Journal::default();
                Walk::new(connection, settings, &identity, trusted, earlier)?.run(journal)
            })
        }
    }
}

fn identity<C: TraceConnection>(connection: &mut C) -> Result<Identity, StoreError> {
    let mut sql = Sql::new("SELECT value FROM setting WHERE name = ");
    sql.bind(Bind::Text(IDENTITY.to_owned()));
    let bytes = connection.blobs(&sql)?.into_iter().next().unwrap_or_default();
    let damaged = || StoreError::Damaged("the identity of the database".into());
    Identity::from_bytes(&bytes).ok_or_else(damaged)
}

/// Where a strand is.
#[derive(Clone, Copy)]
struct State {
    seq: i64,
    hash: Hash,
    sealed: i64,
}

struct Walk<'a, C> {
    connection: &'a mut C,
    settings: &'a TraceSettings,
    hasher: ValueHasher,
    /// Keys that are vouched for.
    trusted: Vec<[u8; 32]>,
    earlier: HashMap<(i64, i64), [u8; 32]>,
    keys: HashMap<i64, SealPublicKey>,
    states: BTreeMap<i64, State>,
    /// How far strands were, as seals of others say.
    known: BTreeMap<i64, i64>,
    report: TraceReport,
}

impl<'a, C: TraceConnection> Walk<'a, C> {
    fn new(
        connection: &'a mut C,
        settings: &'a TraceSettings,
        identity: &Identity,
        trusted: &[[u8; 32]],
        earlier: &[TraceHead],
    ) -> Result<Self, StoreError> {
        let mut trusted = trusted.to_vec();
        let own = settings.public_key(&identity.secret)?.to_bytes().unwrap_or_default();
        trusted.extend(<[u8; 32]>::try_from(own.as_slice()).ok());
        let earlier =
            earlier.iter().map(|head| ((head.strand, head.sequence), head.hash)).collect();
        Ok(Self {
            connection,
            settings,
            hasher: ValueHasher::new(&identity.hash_key),
            trusted,
            earlier,
            keys: HashMap::new(),
            states: BTreeMap::new(),
            known: BTreeMap::new(),
            report: TraceReport::default(),
        })
    }

    fn run(mut self, journal: Journal) -> Result<TraceReport, StoreError> {
        self.openings()?;
        self.cuts()?;
        let mut after = (i64::MIN, i64::MIN);
        let mut actors = Known::default();
        loop {
            let mut sql = Sql::new(
                "SELECT at, strand, seq, actor, body, hash FROM trace WHERE (at, strand) > (",
            );
            sql.integer(after.0).push(", ").integer(after.1).push(") ORDER BY at, strand");
            sql.limit(i64::try_from(CHUNK).unwrap_or(i64::MAX));
            let rows = self.connection.rows(&sql)?;
            let end = match rows.last() {
                Some(last) if rows.len() == CHUNK => (last.0, last.1),
                _ => (i64::MAX, i64::MAX),
            };
            self.chunk(rows, (after, end), &mut actors)?;
            if end == (i64::MAX, i64::MAX) {
                break;
            }
            after = end;
        }
        self.journal(journal, &mut actors)?;
        self.end();
        Ok(self.report)
    }

    fn openings(&mut self) -> Result<(), StoreError> {
        let sql =
            Sql::new("SELECT opening, at, key, signature FROM trace_opening ORDER BY opening");
        let mut before: (i64, Vec<u8>) = (0, Vec::new());
        for (number, at, key, signature) in self.connection.openings(&sql)? {
            if number != before.0 + 1 {
                self.report.tell(TraceFault::Opening(number, "an opening before it is missing"));
            }
            self.opening((number, at, key, signature.clone()), &before.1);
            before = (number, signature);
        }
        Ok(())
    }

    fn opening(&mut self, (number, at, key, signature): OpeningTuple, before: &[u8]) {
        let text = chain::opening(number, at, &key, before);
        let public = SealPublicKey::from_bytes(&key).ok();
        let Some(public) = public.filter(|public| public.holds(&text, &signature)) else {
            self.report.tell(TraceFault::Opening(number, "its signature does not hold"));
            return;
        };
        if let Ok(key) = <[u8; 32]>::try_from(key.as_slice()) {
            if !self.trusted.contains(&key) {
                let said = "it was signed with a key that is not the one in the settings";
                self.report.tell(TraceFault::Opening(number, said));
            }
            if !self.report.keys.contains(&key) {
                self.report.keys.push(key);
            }
        }
        self.keys.insert(number, public);
    }

    fn cuts(&mut self) -> Result<(), StoreError> {
        let sql = Sql::new("SELECT strand, at, seq, hash, signature FROM trace_cut");
        for cut in self.connection.cuts(&sql)? {
            self.cut(cut);
        }
        Ok(())
    }

    fn cut(&mut self, (strand, at, seq, hash, signature): CutTuple) {
        let text = chain::cut((strand, seq, at), &hash);
        let by_any = |key: &[u8; 32]| {
            SealPublicKey::from_bytes(key).is_ok_and(|key| key.holds(&text, &signature))
        };
        let holds = self.trusted.iter().any(by_any);
        match Hash::try_from(hash.as_slice()) {
            Ok(hash) if holds => {
                self.states.insert(strand, State { seq, hash, sealed: seq });
                self.report.cut_strands = self.report.cut_strands.saturating_add(1);
            }
            _ => self.report.tell(TraceFault::Removal(strand)),
        }
    }

    /// Looks at rows with the seals between the places `from` (exclusive) and `to` (inclusive).
    fn chunk(
        &mut self,
        rows: Vec<TraceTuple>,
        (from, to): ((i64, i64), (i64, i64)),
        actors: &mut Known,
    ) -> Result<(), StoreError> {
        let mut sql = Sql::new(
            "SELECT at, strand, seq, hash, made, heads, signature FROM trace_seal \
             WHERE (at, strand) > (",
        );
        sql.integer(from.0).push(", ").integer(from.1).push(") AND (at, strand) <= (");
        sql.integer(to.0).push(", ").integer(to.1).push(")");
        let seals = self.connection.seals(&sql)?;
        let mut seals: HashMap<(i64, i64), SealTuple> =
            seals.into_iter().map(|seal| ((seal.0, seal.1), seal)).collect();
        let mut wanted = Vec::new();
        for row in rows {
            let place = (row.0, row.1);
            let position = TracePosition { at: Instant(place.0), strand: place.1 };
            self.row(&row);
            if let Some(seal) = seals.remove(&place) {
                self.seal(&seal, Some(&row));
            }
            let digest = row.3.clone();
            let stored = stored(self.connection, row, actors)?;
            let is_right = stored.actor.as_deref().map(chain::actor);
            if is_right.is_none_or(|actor| actor.as_slice() != digest) {
                self.report.tell(TraceFault::Actor(position));
            }
            let keys: HashSet<i64> =
                (self.settings.keys_of)(&self.hasher, &stored).into_iter().collect();
            wanted.extend(keys.into_iter().map(|key| (key, place.0, place.1)));
        }
        for seal in seals.into_values() {
            self.seal(&seal, None);
        }
        self.found_by(wanted)
    }

    fn row(&mut self, (at, strand, seq, actor, body, hash): &TraceTuple) {
        let position = TracePosition { at: Instant(*at), strand: *strand };
        let fresh = State { seq: 0, hash: chain::start(*strand), sealed: 0 };
        let state = self.states.entry(*strand).or_insert(fresh);
        let (before, expected) = (*state, state.seq.saturating_add(1));
        let link = chain::link(&before.hash, (*strand, *seq, *at), actor, body);
        state.seq = *seq;
        state.hash = Hash::try_from(hash.as_slice()).unwrap_or_default();
        if *seq != expected {
            let fault = TraceFault::Missing { strand: *strand, after: before.seq, before: *seq };
            self.report.tell(fault);
        } else if link.as_slice() != hash.as_slice() {
            self.report.tell(TraceFault::Changed(position));
        }
        if let Some(known) = self.earlier.remove(&(*strand, *seq))
            && known.as_slice() != hash.as_slice()
        {
            self.report.tell(TraceFault::Earlier(*strand, *seq));
        }
        self.report.rows = self.report.rows.saturating_add(1);
        let first = self.report.span.map_or(position.at, |(first, _)| first);
        self.report.span = Some((first, position.at));
    }

    fn seal(&mut self, seal: &SealTuple, row: Option<&TraceTuple>) {
        let (at, strand, seq, hash, made, heads, signature) = seal;
        let position = TracePosition { at: Instant(*at), strand: *strand };
        self.report.seals = self.report.seals.saturating_add(1);
        let text = chain::seal((*strand, *seq, *at), *made, hash, heads);
        // What an opening left unsealed, a later one has sealed, perhaps with another key.
        let own = *strand >> LINE_BITS;
        let holds = |key: &SealPublicKey| key.holds(&text, signature);
        let mut later = self.keys.iter().filter(|(opening, _)| **opening > own);
        let is_known =
            self.keys.get(&own).is_some_and(|key| holds(key) || later.any(|(_, key)| holds(key)));
        if !is_known {
            self.report.tell(TraceFault::Seal(position));
            return;
        }
        for (other, seq) in chain::read_heads(heads) {
            let known = self.known.entry(other).or_default();
            *known = seq.max(*known);
        }
        match row {
            Some(row) if row.2 == *seq && row.5 == *hash => {
                if let Some(state) = self.states.get_mut(strand) {
                    state.sealed = *seq;
                }
            }
            Some(_) => self.report.tell(TraceFault::Seal(position)),
            None => self.report.tell(TraceFault::Sealed(position)),
        }
    }

    /// Tells the rows that are not found by what they should be: `key, at, strand`.
    fn found_by(&mut self, wanted: Vec<(i64, i64, i64)>) -> Result<(), StoreError> {
        let (Some(first), Some(last)) =
            (wanted.iter().map(|(_, at, _)| *at).min(), wanted.iter().map(|(_, at, _)| *at).max())
        else {
            return Ok(());
        };
        let mut keys: Vec<i64> = wanted.iter().map(|(key, ..)| *key).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut sql = Sql::new("SELECT key, at, strand FROM trace_key WHERE key");
        sql.in_list(C::DIALECT, keys);
        sql.push(" AND at >= ").integer(first).push(" AND at <= ").integer(last);
        let found: HashSet<_> = self.connection.triples(&sql)?.into_iter().collect();
        let mut missing: BTreeMap<TracePosition, usize> = BTreeMap::new();
        for triple in wanted.iter().filter(|triple| !found.contains(triple)) {
            let position = TracePosition { at: Instant(triple.1), strand: triple.2 };
            *missing.entry(position).or_default() += 1;
        }
        for (position, count) in missing {
            self.report.tell(TraceFault::Keys(position, count));
        }
        Ok(())
    }

    fn end(&mut self) {
        for (strand, known) in std::mem::take(&mut self.known) {
            let found = self.states.get(&strand).map_or(0, |state| state.seq);
            if found < known {
                self.report.tell(TraceFault::Cut { strand, known, found });
            }
        }
        let mut earlier: Vec<_> = std::mem::take(&mut self.earlier).into_keys().collect();
        earlier.sort_unstable();
        for (strand, seq) in earlier {
            let cut = self.states.get(&strand).is_some_and(|state| state.seq >= seq);
            // What was removed by age was there at its time.
            if !(cut && self.report.cut_strands > 0) {
                self.report.tell(TraceFault::Earlier(strand, seq));
            }
        }
        for (strand, state) in &self.states {
            let behind = state.seq.saturating_sub(state.sealed);
            let behind = u64::try_from(behind).unwrap_or_default();
            self.report.unsealed = self.report.unsealed.saturating_add(behind);
            self.report.heads.push(TraceHead {
                strand: *strand,
                sequence: state.seq,
                hash: state.hash,
            });
        }
    }
}
