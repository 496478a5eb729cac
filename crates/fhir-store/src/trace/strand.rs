//! A line of commits with its last hash: what adds rows and seals.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fhir_security::seal::SealKey;

use super::chain::{self, ActorDigest, Hash};
use super::connection::TraceConnection;
use super::{TraceRow, TracedWrite};
use crate::error::StoreError;
use crate::sql::{Bind, Sql};

/// Bits of a strand's number that count within its opening.
pub(crate) const LINE_BITS: u32 = 16;

/// Commits that were under way while another one sealed.
const ADOPTION_SLACK_US: i64 = 60 * 1_000_000;

/// So many known actors are remembered; then the memory starts afresh.
const MAX_ACTORS: usize = 1 << 14;

/// A row that is ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) at: i64,
    pub(crate) strand: i64,
    pub(crate) seq: i64,
    pub(crate) actor: ActorDigest,
    pub(crate) actor_body: Arc<[u8]>,
    pub(crate) body: Vec<u8>,
    pub(crate) hash: Hash,
    pub(crate) keys: Vec<i64>,
}

impl Link {
    pub(crate) const fn month(&self) -> i64 {
        chain::month(self.at)
    }
}

/// The end of a strand. A copy goes into a transaction and takes the place of the original once
/// that is committed.
#[derive(Clone, Debug)]
pub(crate) struct Strand {
    pub(crate) number: i64,
    pub(crate) seq: i64,
    hash: Hash,
    at: i64,
    /// The last row that is sealed.
    sealed: i64,
    /// When the first row came that is not sealed.
    unsealed_since: Option<i64>,
}

impl Strand {
    /// A strand without rows.
    pub(crate) fn new(opening: i64, line: i64) -> Self {
        let number = (opening << LINE_BITS) | line;
        let hash = chain::start(number);
        Self { number, seq: 0, hash, at: 0, sealed: 0, unsealed_since: None }
    }

    /// The next row.
    pub(crate) fn link(&mut self, row: &TraceRow, written: &[TracedWrite], now: i64) -> Link {
        let at = now.max(self.at.saturating_add(1));
        let seq = self.seq.saturating_add(1);
        let actor = chain::actor(&row.actor);
        let body = chain::encode(&row.body, written);
        let hash = chain::link(&self.hash, (self.number, seq, at), &actor, &body);
        (self.at, self.seq, self.hash) = (at, seq, hash);
        self.unsealed_since.get_or_insert(at);
        let (actor_body, keys) = (Arc::clone(&row.actor), row.keys.clone());
        Link { at, strand: self.number, seq, actor, actor_body, body, hash, keys }
    }

    /// The next row, of one that belongs to no write; its actor's digest is known.
    pub(crate) fn link_alone(&mut self, row: TraceRow, actor: ActorDigest, now: i64) -> Link {
        let at = now.max(self.at.saturating_add(1));
        let seq = self.seq.saturating_add(1);
        let body = chain::encode(&row.body, &[]);
        let hash = chain::link(&self.hash, (self.number, seq, at), &actor, &body);
        (self.at, self.seq, self.hash) = (at, seq, hash);
        let TraceRow { actor: actor_body, keys, .. } = row;
        Link { at, strand: self.number, seq, actor, actor_body, body, hash, keys }
    }

    /// A strand whose rows are all later than this.
    pub(crate) const fn since(mut self, at: i64) -> Self {
        self.at = at;
        self
    }

    /// The hash of the last row.
    pub(crate) const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Goes on to where rows that were made elsewhere have taken it.
    pub(crate) fn follow(&mut self, (first, last): (&Link, &Link)) {
        (self.at, self.seq, self.hash) = (last.at, last.seq, last.hash);
        self.unsealed_since.get_or_insert(first.at);
    }

    /// Whether a row has waited for a seal for this long.
    pub(crate) fn is_due(&self, now: i64, every_us: i64) -> bool {
        self.unsealed_since.is_some_and(|since| now.saturating_sub(since) >= every_us)
    }

    /// When the first row came that waits for a seal.
    pub(crate) const fn unsealed_since(&self) -> Option<i64> {
        self.unsealed_since
    }

    pub(crate) const fn is_sealed(&self) -> bool {
        self.unsealed_since.is_none()
    }

    /// Seals the last row; `heads` tells how far other strands of the opening are.
    pub(crate) fn seal<C: TraceConnection>(
        &mut self,
        connection: &mut C,
        key: &SealKey,
        now: i64,
        heads: &[(i64, i64)],
    ) -> Result<(), StoreError> {
        if self.sealed == self.seq {
            return Ok(());
        }
        seal(connection, key, (self.number, self.seq, self.at), &self.hash, now, heads)?;
        self.sealed = self.seq;
        self.unsealed_since = None;
        Ok(())
    }
}

/// Signs the hash of a row.
fn seal<C: TraceConnection>(
    connection: &mut C,
    key: &SealKey,
    (strand, seq, at): (i64, i64, i64),
    hash: &[u8],
    now: i64,
    heads: &[(i64, i64)],
) -> Result<(), StoreError> {
    let heads = chain::heads(heads);
    let text = chain::seal((strand, seq, at), now, hash, &heads);
    let mut sql =
        Sql::new("INSERT INTO trace_seal (at, strand, seq, hash, made, heads, signature) VALUES (");
    sql.integer(at).push(", ").integer(strand).push(", ").integer(seq);
    sql.push(", ").bind(Bind::Bytes(hash.to_vec())).push(", ").integer(now);
    sql.push(", ").bind(Bind::Bytes(heads)).push(", ");
    sql.bind(Bind::Bytes(signature(key, &text)?)).push(") ON CONFLICT DO NOTHING");
    connection.run(&sql)?;
    Ok(())
}

/// Seals what an opening left unsealed that ended without a word. Its strands were sealed at most
/// `every_us` apart, so that little is looked at.
fn adopt<C: TraceConnection>(
    connection: &mut C,
    key: &SealKey,
    (opening, since): (i64, i64),
    now: i64,
    every_us: i64,
) -> Result<(), StoreError> {
    let (first, end) = (opening << LINE_BITS, (opening + 1) << LINE_BITS);
    let mut sql = Sql::new("SELECT at, strand, seq FROM trace_seal WHERE strand >= ");
    sql.integer(first).push(" AND strand < ").integer(end).push(" ORDER BY at DESC LIMIT 1");
    let newest = connection.triples(&sql)?.into_iter().next().map(|(at, ..)| at);
    let slack = every_us.saturating_mul(2).saturating_add(ADOPTION_SLACK_US);
    let from = newest.map_or(since, |at| at.saturating_sub(slack));
    let mut sql = Sql::new("SELECT at, strand, seq, actor, body, hash FROM trace WHERE at >= ");
    sql.integer(from).push(" AND strand >= ").integer(first);
    sql.push(" AND strand < ").integer(end).push(" ORDER BY at, strand");
    let mut ends = BTreeMap::new();
    for (at, strand, seq, _, _, hash) in connection.rows(&sql)? {
        ends.insert(strand, (seq, at, hash));
    }
    for (strand, (seq, at, hash)) in ends {
        seal(connection, key, (strand, seq, at), &hash, now, &[])?;
    }
    Ok(())
}

/// Begins an opening of the database and gives its number.
pub(crate) fn open<C: TraceConnection>(
    connection: &mut C,
    key: &SealKey,
    now: i64,
    every_us: i64,
) -> Result<i64, StoreError> {
    let last = Sql::new(
        "SELECT opening, at, key, signature FROM trace_opening ORDER BY opening DESC LIMIT 1",
    );
    let last = connection.openings(&last)?.into_iter().next();
    let (number, since, before) = match last {
        None => (0, 0, Vec::new()),
        Some((number, since, _, before)) => (number, since, before),
    };
    adopt(connection, key, (number, since), now, every_us)?;
    let number = number.saturating_add(1);
    let public = key.public().and_then(|key| key.to_bytes()).map_err(library)?;
    let text = chain::opening(number, now, &public, &before);
    let mut sql = Sql::new("INSERT INTO trace_opening (opening, at, key, signature) VALUES (");
    sql.integer(number).push(", ").integer(now).push(", ").bind(Bind::Bytes(public));
    sql.push(", ").bind(Bind::Bytes(signature(key, &text)?)).push(")");
    connection.run(&sql)?;
    Ok(number)
}

pub(crate) fn signature(key: &SealKey, text: &Hash) -> Result<Vec<u8>, StoreError> {
    key.seal(text).map_err(library)
}

fn library(error: fhir_security::seal::SealError) -> StoreError {
    StoreError::Open(Box::new(error))
}

/// Actors that are in the database.
#[derive(Debug, Default)]
pub(crate) struct Actors(HashSet<(i64, ActorDigest)>);

impl Actors {
    /// Of these rows one for each actor that is not known to be there.
    pub(crate) fn unknown<'l>(&self, links: &[&'l Link]) -> Vec<&'l Link> {
        let mut fresh = HashSet::new();
        let is_fresh = |link: &&&Link| {
            let actor = (link.month(), link.actor);
            !self.0.contains(&actor) && fresh.insert(actor)
        };
        links.iter().filter(is_fresh).copied().collect()
    }

    /// Remembers actors, by month and digest, that are committed.
    pub(crate) fn learn(&mut self, actors: impl Iterator<Item = (i64, ActorDigest)>) {
        if self.0.len() > MAX_ACTORS {
            self.0.clear();
        }
        self.0.extend(actors);
    }
}
