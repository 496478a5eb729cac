//! What a server that ended without a word left in its journal.

use std::collections::BTreeSet;
use std::path::Path;

use diesel::result::{DatabaseErrorKind, Error};
use diesel::sqlite::SqliteConnection;

use super::super::connection::TraceConnection;
use super::super::strand::{LINE_BITS, Link};
use super::{Content, Owner, path, read};
use crate::error::StoreError;
use crate::sql::Sql;

/// Brings the rows of a journal into their database, and removes it. One with which something is
/// wrong is kept under another name, for verification to tell, with what can be read of it in the
/// database all the same.
pub(crate) fn recover(
    connection: &mut SqliteConnection,
    database: &Path,
    secret: &[u8; 32],
) -> Result<(), StoreError> {
    let open = |error: std::io::Error| StoreError::Open(error.into());
    let place = path(database);
    let Some(content) = read(&place, &Owner::new(secret)).map_err(open)? else { return Ok(()) };
    let taken = connection.immediate_transaction(|connection| take(connection, &content));
    let is_whole = match taken {
        Ok((rows, is_whole)) => {
            if rows > 0 {
                tracing::info!(rows, "the journal of the trace was brought into the database");
            }
            is_whole && !content.is_strange
        }
        // Its rows contradict those of the database.
        Err(StoreError::Database(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _))) => {
            false
        }
        Err(error) => return Err(error),
    };
    if is_whole {
        return std::fs::remove_file(&place).map_err(open);
    }
    let kept = (0..).map(|number| aside(&place, number)).find(|kept| !kept.exists());
    if let Some(kept) = kept {
        std::fs::rename(&place, &kept).map_err(open)?;
        tracing::error!(kept = %kept.display(), "the journal of the trace is damaged");
    }
    Ok(())
}

fn aside(journal: &Path, number: u32) -> std::path::PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(format!(".damaged-{number}"));
    name.into()
}

/// Whether a damaged journal was kept under another name.
pub(crate) fn set_aside(database: &Path) -> bool {
    aside(&path(database), 0).exists()
}

/// Adds what is not in the database; gives the number of rows, and whether that was all.
fn take(connection: &mut SqliteConnection, content: &Content) -> Result<(usize, bool), StoreError> {
    let mut openings = Sql::new("SELECT opening, at, key, signature FROM trace_opening");
    let openings = connection.openings(openings.push(" ORDER BY opening"))?;
    let strands: BTreeSet<i64> = content.groups.iter().map(|group| group.strand).collect();
    let (mut rows, mut is_whole) = (0, true);
    for strand in strands {
        let opening = openings.iter().find(|(opening, ..)| *opening == strand >> LINE_BITS);
        let Some((_, since, ..)) = opening else {
            is_whole = false;
            continue;
        };
        let mut last = last_row(connection, strand, *since)?;
        for group in content.groups.iter().filter(|group| group.strand == strand) {
            if group.behind() <= last.saturating_add(1) {
                continue;
            }
            is_whole &= group.first <= last.saturating_add(1);
            let links = group.links(&content.actors);
            let fresh: Vec<&Link> = links.iter().filter(|link| link.seq > last).collect();
            let actors: Vec<&Link> =
                fresh.iter().copied().filter(|link| !link.actor_body.is_empty()).collect();
            connection.add(&fresh, &actors)?;
            rows += fresh.len();
            last = group.behind().saturating_sub(1);
        }
    }
    Ok((rows, is_whole))
}

/// The number of the last row of a strand that came into the database, 0 for none. Its opening was
/// at `since`.
fn last_row(connection: &mut SqliteConnection, strand: i64, since: i64) -> Result<i64, StoreError> {
    let mut sql = Sql::new("SELECT at, strand, seq FROM trace WHERE at >= ");
    sql.integer(since).push(" AND strand = ").integer(strand);
    sql.push(" ORDER BY at DESC LIMIT 1");
    let row = connection.triples(&sql)?.into_iter().next().map(|(.., seq)| seq);
    let mut sql = Sql::new("SELECT at, strand, seq FROM trace_cut WHERE strand = ");
    let cut = connection.triples(sql.integer(strand))?.into_iter().next().map(|(.., seq)| seq);
    Ok(row.max(cut).unwrap_or(0))
}
