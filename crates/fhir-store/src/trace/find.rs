//! Rows of the trace, by key and time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fhir_model::Instant;

use super::chain;
use super::connection::{TraceConnection, TraceTuple};
use super::{StoredTrace, TracePosition, TraceWindow};
use crate::error::StoreError;
use crate::sql::{Bind, Sql};

/// The rows of a window, in its order.
pub(crate) fn find<C: TraceConnection>(
    connection: &mut C,
    window: &TraceWindow,
) -> Result<Vec<StoredTrace>, StoreError> {
    let mut found: BTreeMap<(i64, i64), TraceTuple> = BTreeMap::new();
    match &window.keys {
        None => add(connection, window, None, &mut found)?,
        Some(keys) => {
            for key in keys {
                add(connection, window, Some(*key), &mut found)?;
            }
        }
    }
    let mut actors = Known::default();
    let rows: Vec<TraceTuple> = if window.newest_first {
        found.into_values().rev().take(window.limit).collect()
    } else {
        found.into_values().take(window.limit).collect()
    };
    rows.into_iter().map(|row| stored(connection, row, &mut actors)).collect()
}

fn add<C: TraceConnection>(
    connection: &mut C,
    window: &TraceWindow,
    key: Option<i64>,
    found: &mut BTreeMap<(i64, i64), TraceTuple>,
) -> Result<(), StoreError> {
    let mut sql =
        Sql::new("SELECT t.at, t.strand, t.seq, t.actor, t.body, t.hash FROM trace t WHERE ");
    let place = match key {
        None => "t",
        Some(key) => {
            sql = Sql::new(
                "SELECT t.at, t.strand, t.seq, t.actor, t.body, t.hash FROM trace_key k \
                 JOIN trace t ON t.at = k.at AND t.strand = k.strand WHERE k.key = ",
            );
            sql.integer(key).push(" AND ");
            "k"
        }
    };
    let from = window.from.map_or(i64::MIN, |from| from.0);
    let before = window.before.map_or(i64::MAX, |before| before.0);
    sql.push(&format!("{place}.at >= ")).integer(from);
    sql.push(&format!(" AND {place}.at < ")).integer(before);
    if let Some(after) = window.after {
        let than = if window.newest_first { "<" } else { ">" };
        sql.push(&format!(" AND ({place}.at, {place}.strand) {than} ("));
        sql.integer(after.at.0).push(", ").integer(after.strand).push(")");
    }
    let order = if window.newest_first { "DESC" } else { "ASC" };
    sql.push(&format!(" ORDER BY {place}.at {order}, {place}.strand {order}"));
    sql.limit(i64::try_from(window.limit).unwrap_or(i64::MAX));
    found.extend(connection.rows(&sql)?.into_iter().map(|row| ((row.0, row.1), row)));
    Ok(())
}

/// Actors that were read already, by month and digest.
#[derive(Default)]
pub(crate) struct Known(HashMap<(i64, Vec<u8>), Actor>);

/// None where there is none with its digest.
type Actor = Option<Arc<[u8]>>;

impl Known {
    /// The actor of a row; none where there is none with its digest.
    pub(crate) fn actor<C: TraceConnection>(
        &mut self,
        connection: &mut C,
        at: i64,
        digest: &[u8],
    ) -> Result<Option<Arc<[u8]>>, StoreError> {
        let place = (chain::month(at), digest.to_vec());
        if let Some(known) = self.0.get(&place) {
            return Ok(known.clone());
        }
        let mut sql = Sql::new("SELECT body FROM trace_actor WHERE month = ");
        sql.integer(place.0).push(" AND digest = ").bind(Bind::Bytes(digest.to_vec()));
        let found = connection.blobs(&sql)?.into_iter().next().map(Arc::from);
        self.0.insert(place, found.clone());
        Ok(found)
    }
}

/// A row with its actor; one whose body is damaged has an empty one, which verification tells.
pub(crate) fn stored<C: TraceConnection>(
    connection: &mut C,
    (at, strand, sequence, actor, body, _hash): TraceTuple,
    actors: &mut Known,
) -> Result<StoredTrace, StoreError> {
    let actor = actors.actor(connection, at, &actor)?;
    let (body, written) = chain::decode(&body).unwrap_or_default();
    let position = TracePosition { at: Instant(at), strand };
    Ok(StoredTrace { position, sequence, actor, body, written })
}
