//! The removal of old rows, which is the only one.

use std::collections::BTreeMap;

use fhir_search::ValueHasher;
use fhir_security::seal::SealKey;

use super::connection::TraceConnection;
use super::find::{Known, stored};
use super::{KeysOf, TraceRemoval, chain, strand};
use crate::error::StoreError;
use crate::sql::{Bind, Sql};

/// Rows that one commit removes.
const CHUNK: usize = 2_000;

/// Removes the oldest rows from before an instant, as many as one commit takes; false once there
/// are no more. Where a strand was cut is signed, so that what is left still verifies.
pub(crate) fn step<C: TraceConnection>(
    connection: &mut C,
    (key, keys_of, hasher): (&SealKey, KeysOf, &ValueHasher),
    before: i64,
    removal: &mut TraceRemoval,
) -> Result<bool, StoreError> {
    let mut sql = Sql::new("SELECT at, strand, seq, actor, body, hash FROM trace WHERE at < ");
    sql.integer(before).push(" ORDER BY at, strand");
    sql.limit(i64::try_from(CHUNK).unwrap_or(i64::MAX));
    let rows = connection.rows(&sql)?;
    let Some(last) = rows.last().map(|row| (row.0, row.1)) else {
        let mut sql = Sql::new("DELETE FROM trace_actor WHERE month < ");
        let gone = connection.run(sql.integer(chain::month(before)))?;
        removal.actors = removal.actors.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
        return Ok(false);
    };
    let mut ends = BTreeMap::new();
    for (at, strand, seq, _, _, hash) in &rows {
        ends.insert(*strand, (*at, *seq, hash.clone()));
    }
    for (strand, (at, seq, hash)) in ends {
        let signature = strand::signature(key, &chain::cut((strand, seq, at), &hash))?;
        let mut sql = Sql::new("INSERT INTO trace_cut (strand, at, seq, hash, signature) VALUES (");
        sql.integer(strand).push(", ").integer(at).push(", ").integer(seq).push(", ");
        sql.bind(Bind::Bytes(hash)).push(", ").bind(Bind::Bytes(signature));
        sql.push(
            ") ON CONFLICT (strand) DO UPDATE SET at = excluded.at, seq = excluded.seq, \
             hash = excluded.hash, signature = excluded.signature",
        );
        connection.run(&sql)?;
    }
    removal.rows = removal.rows.saturating_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    let mut actors = Known::default();
    for row in rows {
        let (at, strand) = (row.0, row.1);
        let row = stored(connection, row, &mut actors)?;
        for key in keys_of(hasher, &row) {
            let mut sql = Sql::new("DELETE FROM trace_key WHERE key = ");
            sql.integer(key).push(" AND at = ").integer(at).push(" AND strand = ");
            connection.run(sql.integer(strand))?;
        }
    }
    for table in ["trace_seal", "trace"] {
        let mut sql = Sql::new(&format!("DELETE FROM {table} WHERE (at, strand) <= ("));
        connection.run(sql.integer(last.0).push(", ").integer(last.1).push(")"))?;
    }
    Ok(true)
}
