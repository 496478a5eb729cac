//! What every interaction is given and gives back, without a word of HTTP syntax.

use fhir_access::Caller;
use fhir_access::trace::Record;
use fhir_model::{Instant, VersionId};

/// What all interactions know of the request beside its own arguments.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// The absolute FHIR root without a trailing slash, for `fullUrl` and links.
    pub base: String,
    /// What the client prefers.
    pub prefer: Preferences,
    /// What the request leaves in the trace; the one that is off leaves nothing.
    pub record: Record,
}

/// The `Prefer` header. Spec: <https://hl7.org/fhir/R4/http.html#ops>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=`: what a write answers with.
    pub return_: Return,
    /// `handling=lenient`: unknown search parameters are passed over, with a warning.
    pub lenient: bool,
}

/// What a write answers with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Return {
    /// The client doesn't say: single writes answer with the resource, entries of a Bundle without.
    #[default]
    Usual,
    /// No body.
    Minimal,
    /// The resource as stored.
    Representation,
    /// An `OperationOutcome`.
    OperationOutcome,
}

impl Return {
    /// What an entry of a Bundle answers with.
    pub(crate) fn in_bundle(self) -> Self {
        if self == Self::Usual { Self::Minimal } else { self }
    }
}

/// Conditions on the version that a write meets, decided inside its commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`: the current version must be one of these.
    pub if_match: Option<Vec<VersionId>>,
    /// `If-Match: *`: there must be a current version.
    pub if_exists: bool,
    /// `If-None-Match: *`: there must be no current version.
    pub if_absent: bool,
}

/// What the client of a conditional read has seen already.
/// Spec: <https://hl7.org/fhir/R4/http.html#cread>
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `If-None-Match: *`: any version will do.
    pub any: bool,
    /// `If-None-Match`: these versions. Where the header is given, no date counts.
    pub versions: Option<Vec<VersionId>>,
    /// `If-Modified-Since`.
    pub since: Option<Since>,
}

/// When a client last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// A date of HTTP: seconds since 1970.
    Second(i64),
    /// An instant of FHIR (`Bundle.entry.request.ifModifiedSince`).
    Instant(Instant),
}

impl Seen {
    /// Whether this names a version that came to be in the second `modified`.
    pub(crate) fn names(&self, version: VersionId, modified: i64) -> bool {
        match (&self.versions, self.since) {
            _ if self.any => true,
            (Some(versions), _) => versions.contains(&version),
            (None, Some(Since::Second(since))) => modified <= since,
            (None, Some(Since::Instant(since))) => modified < since.seconds(),
            (None, None) => false,
        }
    }
}

/// A successful answer. Failures are [`fhir_model::Failure`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// FHIR JSON, minified.
    pub body: Option<Vec<u8>>,
    /// The version to name in `ETag`.
    pub version: Option<VersionId>,
    /// The time to name in `Last-Modified`.
    pub last_modified: Option<Instant>,
    /// Relative to the FHIR root: `Patient/1/_history/1`.
    pub location: Option<String>,
    /// Relative to the FHIR root: where the state of work is told that goes on after the answer.
    pub content_location: Option<String>,
}

impl Answer {
    /// A 200 with a body and nothing else.
    pub(crate) fn ok(body: Vec<u8>) -> Self {
        Self { status: 200, body: Some(body), ..Self::default() }
    }
}
