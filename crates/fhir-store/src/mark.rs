//! Marks: what is remembered in the commit of a group, and found again by a hash.
//!
//! Two kinds share a table. A [`MarkKind::Past`] mark tells that some version of a resource had a
//! value, also when the resource is gone: histories by value are found with it. A
//! [`MarkKind::Once`] mark tells that a request was done and what it came to, so that it is not
//! done again.

use fhir_model::{Instant, ResourceKey, VersionId};

use crate::write::{Change, WriteFault, Written};

/// What a mark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// Some version of a resource had a value.
    Past,
    /// A request was done.
    Once,
}

impl MarkKind {
    pub(crate) const fn number(self) -> i32 {
        match self {
            Self::Past => 0,
            Self::Once => 1,
        }
    }
}

/// Tells that some version of a resource had a value; setting it twice is setting it once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PastMark {
    /// The hash of the value.
    pub hash: i64,
    /// The resource.
    pub key: ResourceKey,
}

/// Tells that a request is done: at most one commit bears the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnceMark {
    /// Who asked and how the request is called: a digest, so that it says nothing.
    pub name: String,
    /// The hash of the name.
    pub hash: i64,
    /// A digest of what was asked, and whatever else the caller wants to have back.
    pub about: String,
    /// Marks that are older than this are forgotten with the next one.
    pub forget_before: Instant,
}

/// A mark that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMark {
    /// The resource of a [`MarkKind::Past`], the name of a [`MarkKind::Once`].
    pub item: String,
    /// When it was set.
    pub at: Instant,
    /// What a [`MarkKind::Once`] remembers.
    pub content: String,
}

/// What a request came to, as its mark remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// As it was given: see [`OnceMark::about`].
    pub about: String,
    /// What each operation came to, without bodies.
    pub written: Vec<Done>,
}

/// What an operation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The resource.
    pub key: ResourceKey,
    /// What happened.
    pub change: Change,
    /// The version.
    pub version: VersionId,
    /// When it came to be.
    pub updated: Instant,
}

const CHANGES: [(&str, Change); 6] = [
    ("created", Change::Created),
    ("updated", Change::Updated),
    ("unchanged", Change::Unchanged),
    ("deleted", Change::Deleted),
    ("nothing", Change::NothingToDelete),
    ("existing", Change::Existing),
];

impl Outcome {
    /// The text of a mark; none where an operation was refused.
    pub(crate) fn write(about: &str, answers: &[Result<Written, WriteFault>]) -> Option<String> {
        let mut out = about.to_owned();
        for answer in answers {
            let written = answer.as_ref().ok()?;
            let word = CHANGES.iter().find(|(_, change)| *change == written.change)?.0;
            let (version, updated) = (written.version, written.updated.0);
            out.push_str(&format!("\n{word} {version} {updated} {}", written.key));
        }
        Some(out)
    }

    /// What a mark remembers; none where it is none of these.
    #[must_use]
    pub fn read(content: &str) -> Option<Self> {
        let mut lines = content.split('\n');
        let about = lines.next()?.to_owned();
        let mut written = Vec::new();
        for line in lines {
            let mut words = line.split(' ');
            let word = words.next()?;
            let change = CHANGES.iter().find(|(name, _)| *name == word)?.1;
            let version = words.next()?.parse().ok()?;
            let updated = Instant(words.next()?.parse().ok()?);
            let key = ResourceKey::from_reference(words.next()?)?;
            written.push(Done { key, change, version, updated });
        }
        Some(Self { about, written })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_comes_back() {
        let key = ResourceKey::from_reference("Basic/a").unwrap();
        let written = |change| {
            Ok(Written {
                key: key.clone(),
                change,
                version: VersionId(3),
                updated: Instant(5),
                body: None,
            })
        };
        let answers: Vec<_> = CHANGES.iter().map(|(_, change)| written(*change)).collect();
        let text = Outcome::write("digest 1,0", &answers).unwrap();
        let found = Outcome::read(&text).unwrap();
        assert_eq!(found.about, "digest 1,0");
        let changes: Vec<Change> = found.written.iter().map(|done| done.change).collect();
        assert_eq!(changes, CHANGES.map(|(_, change)| change));
        assert_eq!(found.written[0].key, key);
        assert_eq!(
            (found.written[0].version, found.written[0].updated),
            (VersionId(3), Instant(5))
        );
        assert_eq!(Outcome::write("x", &[Err(WriteFault::Stale)]), None);
        assert_eq!(Outcome::read("x\nmade 1 2 Basic/a"), None);
    }
}
