//! Bytes that are kept by name beside the resources: imported code systems, closure tables.
//!
//! Whoever writes says which revision was read; where another one has written since, nothing is
//! written. What the bytes mean is others' business.

use crate::error::StoreError;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptKind {
    /// A code system that was imported.
    CodeSystem,
    /// A closure table.
    Closure,
}

impl KeptKind {
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::CodeSystem => 0,
            Self::Closure => 1,
        }
    }
}

/// What is known of kept bytes without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName {
    /// The name.
    pub name: String,
    /// Grows with each write; the first is 1.
    pub revision: i64,
    /// Whatever whoever wrote them wants to know without reading them.
    pub about: String,
}

/// Bytes to be kept.
#[derive(Clone, Debug)]
pub struct NewKept {
    /// What it is.
    pub kind: KeptKind,
    /// Its name.
    pub name: String,
    /// The revision that was read; 0 where there was none.
    pub after: i64,
    /// As in [`KeptName`].
    pub about: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// What a back end does for it.
pub(crate) trait Keeper: Send + Sync + 'static {
    /// All names of a kind, sorted.
    fn kept_names(&self, kind: KeptKind) -> Result<Vec<KeptName>, StoreError>;

    /// Revision and bytes.
    fn kept(&self, kind: KeptKind, name: &str) -> Result<Option<(i64, Vec<u8>)>, StoreError>;

    /// Writes; false where another revision is there by now.
    fn keep(&self, new: NewKept) -> Result<bool, StoreError>;

    /// Removes; false where there was nothing.
    fn drop_kept(&self, kind: KeptKind, name: &str) -> Result<bool, StoreError>;
}
