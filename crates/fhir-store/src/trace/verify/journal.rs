//! The rows that are still in the journal of a SQLite database.

use std::collections::HashSet;
use std::path::Path;

use fhir_model::Instant;

use super::super::connection::TraceConnection;
use super::super::find::Known;
use super::super::journal::{self, Content, Owner};
use super::super::strand::{LINE_BITS, Link};
use super::super::{StoredTrace, TracePosition, chain};
use super::{TraceFault, Walk};
use crate::core::Identity;
use crate::error::StoreError;

/// What lies beside a database.
#[derive(Default)]
pub(super) struct Journal {
    content: Content,
    is_damaged_one_kept: bool,
}

impl Journal {
    pub(super) fn read(database: &Path, identity: &Identity) -> Result<Self, StoreError> {
        let content = journal::read(&journal::path(database), &Owner::new(&identity.secret))
            .map_err(|error| StoreError::Open(error.into()))?;
        let is_damaged_one_kept = journal::set_aside(database);
        Ok(Self { content: content.unwrap_or_default(), is_damaged_one_kept })
    }
}

impl<C: TraceConnection> Walk<'_, C> {
    /// Goes on with what is not in the database yet, where its rows have ended.
    pub(super) fn journal(
        &mut self,
        Journal { content, is_damaged_one_kept }: Journal,
        actors: &mut Known,
    ) -> Result<(), StoreError> {
        if is_damaged_one_kept {
            let said = "a damaged one was found at a start and set aside";
            self.report.tell(TraceFault::Journal(said));
        }
        if content.is_strange {
            self.report.tell(TraceFault::Journal("it is not of this database"));
        }
        for group in &content.groups {
            if !self.keys.contains_key(&(group.strand >> LINE_BITS)) {
                let said = "it tells of an opening that the database does not know";
                self.report.tell(TraceFault::Journal(said));
                continue;
            }
            for link in group.links(&content.actors) {
                let state = self.states.get(&link.strand);
                if state.is_none_or(|state| state.seq < link.seq) {
                    self.link(&link, actors)?;
                }
            }
        }
        Ok(())
    }

    fn link(&mut self, link: &Link, actors: &mut Known) -> Result<(), StoreError> {
        let (actor, body, hash) = (link.actor.to_vec(), link.body.clone(), link.hash.to_vec());
        self.row(&(link.at, link.strand, link.seq, actor, body, hash));
        let position = TracePosition { at: Instant(link.at), strand: link.strand };
        let actor = if link.actor_body.is_empty() {
            actors.actor(self.connection, link.at, &link.actor)?
        } else {
            Some(link.actor_body.clone())
        };
        if actor.as_deref().map(chain::actor) != Some(link.actor) {
            self.report.tell(TraceFault::Actor(position));
        }
        let (body, written) = chain::decode(&link.body).unwrap_or_default();
        let stored = StoredTrace { position, sequence: link.seq, actor, body, written };
        let keys: HashSet<i64> =
            (self.settings.keys_of)(&self.hasher, &stored).into_iter().collect();
        let missing = keys.iter().filter(|key| !link.keys.contains(key)).count();
        if missing > 0 {
            self.report.tell(TraceFault::Keys(position, missing));
        }
        Ok(())
    }
}
