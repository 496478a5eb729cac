//! The journal: on SQLite, rows of the trace that belong to no write are flushed here first, and
//! come into the database many at once.
//!
//! A file beside the database, of a fixed size, so that a flush changes nothing but its bytes. It
//! begins with a page that says whose it is. Two halves follow, each filled with groups from its
//! beginning; a half is filled again once all its rows are in the database. A group is one write
//! and one flush:
//!
//! ```text
//! mark, length of what follows the check, check (8 bytes)
//! strand, first number, hash before the first row, hash of the last row
//! for each row: time, digest of the actor, actor, keys, body
//! ```
//!
//! Groups begin at multiples of 64 bytes. Rows are links of the trace's own chain already: one that
//! came into the database is known by its number, so that none comes twice, and a group that is
//! missing between others leaves a gap that [`super::verify`] tells. The check is made with a key
//! of the database: only the last group, which nobody was told of yet, can be cut short.

mod file;
mod group;
mod recover;

use std::path::{Path, PathBuf};

pub(crate) use file::{Content, JournalFile, read};
pub(crate) use group::GroupWriter;
pub(crate) use recover::{recover, set_aside};

use super::chain;

/// Bytes of a half.
const HALF: usize = 8 << 20;
/// Bytes before the first half.
const HEAD: usize = 4_096;
/// Groups begin at multiples of this.
const ALIGN: usize = 64;
/// What a group is closed at.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// The journal of a database.
pub(crate) fn path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".trace");
    name.into()
}

/// What makes a journal one of its database.
#[derive(Clone)]
pub(crate) struct Owner {
    /// Stands in the first page.
    mark: chain::Hash,
    /// Goes into the check of each group.
    key: chain::Hash,
}

impl Owner {
    /// Of the database with this secret.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self { mark: chain::journal_mark(secret), key: chain::journal_key(secret) }
    }
}
