//! What a writer asks for and what it gets: groups of operations with their preconditions.

use std::sync::Arc;

use fhir_definitions::ResourceType;
use fhir_model::{Body, Instant, ResourceKey, VersionId};
use fhir_search::{IndexRows, Predicate, SearchQuery};

use crate::guard::{Guard, Objection};
use crate::mark::{OnceMark, PastMark};
use crate::read::Method;
use crate::trace::TraceRow;

/// Operations that are handed to the store together.
///
/// All become durable with the same flush. When `atomic`, the first fault undoes the whole group.
#[derive(Clone, Debug, Default)]
pub struct WriteGroup {
    /// The operations, applied in this order.
    pub ops: Vec<WriteOp>,
    /// Whether one fault undoes everything.
    pub atomic: bool,
    /// What must still hold at the commit; a mismatch refuses the whole group as
    /// `StoreError::Refused` with `WriteFault::Stale`, and the caller resolves again.
    pub expect: Vec<Expectation>,
    /// What judges the group inside the commit; `WriteFault::Objected` is what it refuses with.
    pub guard: Option<Arc<dyn Guard>>,
    /// A mark of a loader that commits with the operations.
    pub journal: Option<JournalRow>,
    /// What the access leaves in the trace, in the same commit; nothing where the group is refused
    /// as a whole.
    pub trace: Option<TraceRow>,
    /// Values that the written resources have, to be found by when they are gone.
    pub past: Vec<PastMark>,
    /// The name of the request: where it was done before, the group is refused as a whole with
    /// `WriteFault::Repeated`.
    pub once: Option<Box<OnceMark>>,
    /// Hashes of what the group changes, as [`crate::Tidings`] counts them.
    pub stamps: Vec<i64>,
}

/// One operation on one resource.
#[derive(Clone, Debug)]
pub struct WriteOp {
    /// Which resource.
    pub key: ResourceKey,
    /// What to do.
    pub action: Action,
    /// What must hold at the commit.
    pub preconditions: Preconditions,
}

/// What an operation does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Create the resource or give it a new version.
    Put {
        /// The stored form.
        body: Arc<Body>,
        /// What the indexer made of the same resource.
        rows: Box<IndexRows>,
        /// How the client sent it: `Post` or `Put`.
        method: Method,
    },
    /// Delete the resource; the delete is a version of its own.
    Delete,
}

/// What must hold inside the commit for an operation to go on.
#[derive(Clone, Debug, Default)]
pub struct Preconditions {
    /// `If-Match`: the current version must be one of these.
    pub if_match: Option<Vec<VersionId>>,
    /// `If-Match: *`: the resource must exist (a deleted one does not).
    pub if_exists: bool,
    /// `If-None-Match: *`: the resource must not exist (a deleted one does not).
    pub if_absent: bool,
    /// `If-None-Exist`: when one resource matches, nothing is written and the answer is
    /// `Change::Existing`; when several match, `WriteFault::MultipleMatches`.
    pub unless_exists: Option<SearchQuery>,
    /// What the resource refers to: all of it must be there once the operation, or the whole
    /// atomic group, is done.
    pub targets: Vec<ReferenceTarget>,
    /// How far the writer reaches: what stands there already and what is written must satisfy all
    /// of these. None reaches everything.
    pub bounds: Option<Arc<[Predicate]>>,
    /// No live resource may refer to the deleted one once the operation, or the whole atomic
    /// group, is done.
    pub unreferenced: bool,
}

/// A reference of a resource to another one of this store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReferenceTarget {
    /// What is referred to: it must live.
    pub key: ResourceKey,
    /// The version, where one is named: then that version must exist and have a body, whatever
    /// became of the resource since.
    pub version: Option<VersionId>,
    /// FHIRPath of the reference, for the one who is told.
    pub place: String,
}

/// A reference that may not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenReference {
    /// FHIRPath of the reference.
    pub place: String,
    /// What is wrong with it.
    pub told: String,
}

/// Who refers to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrers {
    /// How many resources of each type.
    pub by_type: Vec<(ResourceType, u64)>,
    /// Whether counting ended before all were seen.
    pub has_more: bool,
}

/// A conditional reference or match that was resolved before the commit.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The criteria.
    pub query: SearchQuery,
    /// The only match, or `None` where nothing may match.
    pub found: Option<ResourceKey>,
}

/// A loader's mark: this position of this file is in the database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JournalRow {
    /// What identifies the file to the loader.
    pub file: String,
    /// The position inside the file, as the loader counts.
    pub position: i64,
}

/// What an operation came to.
#[derive(Clone, Debug)]
pub struct Written {
    /// The resource; for `Change::Existing` the one that matched.
    pub key: ResourceKey,
    /// What happened.
    pub change: Change,
    /// The current version; 0 where nothing ever was (`Change::NothingToDelete`).
    pub version: VersionId,
    /// When that version came to be.
    pub updated: Instant,
    /// The body that is now current; `None` after a delete and for `Change::Existing`.
    pub body: Option<Arc<Body>>,
}

/// What happened to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It did not exist, or was deleted, and now exists.
    Created,
    /// It has a new version.
    Updated,
    /// The body equals the current one: no new version.
    Unchanged,
    /// It was deleted.
    Deleted,
    /// It was deleted already, or never was.
    NothingToDelete,
    /// `If-None-Exist` found a resource, which was left alone.
    Existing,
}

impl Change {
    /// Whether something new was written.
    #[must_use]
    pub const fn is_write(self) -> bool {
        matches!(self, Self::Created | Self::Updated | Self::Deleted)
    }
}

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteFault {
    /// `If-Match` names other versions than the current one.
    #[error("the resource is not at the version that the request expects")]
    VersionMismatch {
        /// The current version, or `None` where the resource does not exist.
        current: Option<VersionId>,
    },
    /// The criteria of a conditional create match this many resources (counted up to two).
    #[error("the criteria match more than one resource")]
    MultipleMatches(usize),
    /// `If-None-Match: *` and the resource exists.
    #[error("the resource exists already")]
    AlreadyExists {
        /// Its version.
        current: VersionId,
    },
    /// The resource refers to what is not there, or as it may not.
    #[error("a reference of the resource may not stand")]
    BrokenReferences(Vec<BrokenReference>),
    /// Other resources refer to the one that was to be deleted.
    #[error("other resources refer to the resource")]
    Referenced(Referrers),
    /// The resource is there, and the writer may not touch it.
    #[error("the resource is beyond the writer's reach")]
    Hidden,
    /// The identity is in use by what the writer doesn't see: whatever that is.
    #[error("the identity is in use")]
    Taken,
    /// What is to be written is not what the writer may write.
    #[error("what is to be written is beyond the writer's reach")]
    OutOfBounds,
    /// The guard of the group refuses it.
    #[error("the group breaks a promise that its guard keeps")]
    Objected(Objection),
    /// An expectation no longer holds: resolve again and retry.
    #[error("what was found before the commit has changed")]
    Stale,
    /// The request was done before.
    #[error("the request was done before")]
    Repeated,
    /// The database refused this operation alone; the others of the group stand.
    #[error("the database refused the operation")]
    Failed,
}
