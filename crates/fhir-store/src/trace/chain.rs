//! Hashes and signed texts. Numbers are big-endian, 8 bytes each; lengths come before what they
//! measure, so that no two different rows give one text.

use fhir_model::VersionId;
use sha2::{Digest, Sha256};

use super::TracedWrite;
use crate::write::Change;

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// The first half of the SHA-256 of an actor.
pub(crate) type ActorDigest = [u8; 16];

/// Microseconds of a "month" of 30 days.
const MONTH_US: i64 = 30 * 24 * 3_600 * 1_000_000;

/// The number of the month in which an instant lies: actors are kept once for each.
pub(crate) const fn month(at: i64) -> i64 {
    at.div_euclid(MONTH_US)
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The secret of a seal key of a database that was given none.
pub(crate) fn derived(secret: &[u8; 32]) -> Hash {
    hash(&[b"trace seal key", secret])
}

/// What the journal of a database with this secret begins with.
pub(crate) fn journal_mark(secret: &[u8; 32]) -> Hash {
    hash(&[b"trace journal of", secret])
}

/// The key of the checks in that journal.
pub(crate) fn journal_key(secret: &[u8; 32]) -> Hash {
    hash(&[b"trace journal key", secret])
}

/// What tells that bytes of a journal are whole and its own.
pub(crate) fn check(key: &Hash, bytes: &[u8]) -> [u8; 8] {
    let hash = hash(&[key, bytes]);
    hash.first_chunk().copied().unwrap_or_default()
}

pub(crate) fn actor(body: &[u8]) -> ActorDigest {
    let hash = hash(&[b"trace actor", body]);
    let mut digest = ActorDigest::default();
    for (to, from) in digest.iter_mut().zip(hash) {
        *to = from;
    }
    digest
}

/// What comes before the first row of a strand.
pub(crate) fn start(strand: i64) -> Hash {
    hash(&[b"trace strand", &strand.to_be_bytes()])
}

/// The hash of a row that follows `before`.
pub(crate) fn link(
    before: &Hash,
    (strand, seq, at): (i64, i64, i64),
    actor: &[u8],
    body: &[u8],
) -> Hash {
    let numbers = [strand.to_be_bytes(), seq.to_be_bytes(), at.to_be_bytes()].concat();
    hash(&[before, &numbers, actor, body])
}

/// The text under which an opening puts its signature.
pub(crate) fn opening(opening: i64, at: i64, key: &[u8], before: &[u8]) -> Hash {
    hash(&[b"trace opening", &opening.to_be_bytes(), &at.to_be_bytes(), key, before])
}

/// The text of a seal: the row that it is under, when it was made, and how far other strands of
/// the opening were.
pub(crate) fn seal(
    (strand, seq, at): (i64, i64, i64),
    made: i64,
    row: &[u8],
    heads: &[u8],
) -> Hash {
    let numbers = [strand, seq, at, made].map(i64::to_be_bytes).concat();
    hash(&[b"trace seal", &numbers, row, heads])
}

/// The text of a cut: the last row of a strand that was removed.
pub(crate) fn cut((strand, seq, at): (i64, i64, i64), row: &[u8]) -> Hash {
    hash(&[b"trace cut", &[strand, seq, at].map(i64::to_be_bytes).concat(), row])
}

/// `strand, seq` pairs as bytes.
pub(crate) fn heads(heads: &[(i64, i64)]) -> Vec<u8> {
    heads
        .iter()
        .flat_map(|(strand, seq)| [strand.to_be_bytes(), seq.to_be_bytes()].concat())
        .collect()
}

/// The pairs that [`heads`] wrote.
pub(crate) fn read_heads(bytes: &[u8]) -> Vec<(i64, i64)> {
    let (numbers, _) = bytes.as_chunks::<8>();
    let numbers: Vec<i64> = numbers.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect();
    let (pairs, _) = numbers.as_chunks::<2>();
    pairs.iter().map(|[strand, seq]| (*strand, *seq)).collect()
}

/// A row's body with what the operations came to: the length of the body, the body, and for each
/// operation a byte and a version.
pub(crate) fn encode(body: &[u8], written: &[TracedWrite]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 4 + written.len() * 9);
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(body);
    for one in written {
        out.push(number(one.change));
        out.extend_from_slice(&one.version.0.to_be_bytes());
    }
    out
}

/// What [`encode`] wrote; none where the bytes are others.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Vec<u8>, Vec<TracedWrite>)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let (entries, rest) = rest.as_chunks::<9>();
    if !rest.is_empty() {
        return None;
    }
    let written = entries.iter().map(|[mark, version @ ..]| {
        let version = VersionId(i64::from_be_bytes(*version));
        Some(TracedWrite { change: change(*mark)?, version })
    });
    Some((body.to_vec(), written.collect::<Option<_>>()?))
}

const CHANGES: [Option<Change>; 7] = [
    None,
    Some(Change::Created),
    Some(Change::Updated),
    Some(Change::Unchanged),
    Some(Change::Deleted),
    Some(Change::NothingToDelete),
    Some(Change::Existing),
];

fn number(change: Option<Change>) -> u8 {
    let at = CHANGES.iter().position(|known| *known == change);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}

fn change(number: u8) -> Option<Option<Change>> {
    CHANGES.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_operations_came_to_stands_behind_the_body() {
        let written: Vec<TracedWrite> = CHANGES
            .iter()
            .zip(0..)
            .map(|(change, version)| TracedWrite { change: *change, version: VersionId(version) })
            .collect();
        for (body, written) in [(&b"abc"[..], &written[..]), (b"", &[]), (b"x", &written[..1])] {
            assert_eq!(decode(&encode(body, written)).unwrap(), (body.to_vec(), written.to_vec()));
        }
        for broken in [&b""[..], b"\0\0\0", b"\0\0\0\x02x", b"\0\0\0\0\x07\0\0\0\0\0\0\0\0"] {
            assert!(decode(broken).is_none(), "{broken:?}");
        }
    }

    #[test]
    fn heads_come_back() {
        let pairs = [(65_537, 1), (65_538, i64::MAX)];
        assert_eq!(read_heads(&heads(&pairs)), pairs);
        assert_eq!(read_heads(&[]), []);
    }
}
