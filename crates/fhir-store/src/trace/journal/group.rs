//! Groups of rows as bytes.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::chain::{self, ActorDigest, Hash};
use super::super::strand::Link;
use super::{ALIGN, Owner};

const MARK: [u8; 4] = *b"KTrG";

/// What comes before the part that is checked: mark, length, check.
const FRONT: usize = 16;

/// Writes one group.
pub(crate) struct GroupWriter {
    bytes: Vec<u8>,
    end: Hash,
}

/// Where the hash of the last row stands.
const END: std::ops::Range<usize> = FRONT + 48..FRONT + 80;

impl GroupWriter {
    /// An empty group, whose first row follows the one with this number and hash.
    pub(crate) fn begin(mut bytes: Vec<u8>, strand: i64, last: i64, before: &Hash) -> Self {
        bytes.clear();
        bytes.extend_from_slice(&MARK);
        bytes.extend_from_slice(&[0; FRONT - MARK.len()]);
        bytes.extend_from_slice(&strand.to_be_bytes());
        bytes.extend_from_slice(&last.saturating_add(1).to_be_bytes());
        bytes.extend_from_slice(before);
        bytes.extend_from_slice(before);
        Self { bytes, end: *before }
    }

    /// Adds a row, which follows the last one; with its actor where a reader would not know it.
    pub(crate) fn push(&mut self, link: &Link, with_actor: bool) {
        let actor: &[u8] = if with_actor { &link.actor_body } else { &[] };
        let out = &mut self.bytes;
        out.extend_from_slice(&link.at.to_be_bytes());
        out.extend_from_slice(&link.actor);
        measured(out, actor.len());
        out.extend_from_slice(actor);
        measured(out, link.keys.len());
        link.keys.iter().for_each(|key| out.extend_from_slice(&key.to_be_bytes()));
        measured(out, link.body.len());
        out.extend_from_slice(&link.body);
        self.end = link.hash;
    }

    /// The whole group.
    pub(crate) fn finish(mut self, owner: &Owner) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len().saturating_sub(FRONT)).unwrap_or(u32::MAX);
        if let Some(place) = self.bytes.get_mut(END) {
            place.copy_from_slice(&self.end);
        }
        let check = self.bytes.get(FRONT..).map(|rest| chain::check(&owner.key, rest));
        if let (Some(place), Some(check)) = (self.bytes.get_mut(4..FRONT), check) {
            let (for_length, for_check) = place.split_at_mut(4);
            for_length.copy_from_slice(&length.to_be_bytes());
            for_check.copy_from_slice(&check);
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        self.bytes
    }
}

fn measured(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// A group that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) strand: i64,
    /// The number of the first row.
    pub(crate) first: i64,
    before: Hash,
    end: Hash,
    rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    at: i64,
    actor: ActorDigest,
    /// Empty where an earlier group of the half has it.
    actor_body: Vec<u8>,
    keys: Vec<i64>,
    body: Vec<u8>,
}

/// Actors of a journal.
pub(crate) type Actors = HashMap<ActorDigest, Arc<[u8]>>;

impl Group {
    /// The group at the beginning of these bytes, with the bytes that it takes.
    pub(super) fn read(bytes: &[u8], owner: &Owner) -> Option<(Self, usize)> {
        let rest = bytes.strip_prefix(&MARK)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (check, rest) = rest.split_first_chunk::<8>()?;
        let rest = rest.get(..length)?;
        if chain::check(&owner.key, rest) != *check {
            return None;
        }
        let (strand, rest) = number(rest)?;
        let (first, rest) = number(rest)?;
        let (before, rest) = rest.split_first_chunk::<32>()?;
        let (end, mut rest) = rest.split_first_chunk::<32>()?;
        let mut rows = Vec::new();
        while !rest.is_empty() {
            let (row, behind) = Row::read(rest)?;
            rows.push(row);
            rest = behind;
        }
        let taken = FRONT.checked_add(length)?.next_multiple_of(ALIGN);
        Some((Self { strand, first, before: *before, end: *end, rows }, taken))
    }

    /// The number behind the last row.
    pub(crate) fn behind(&self) -> i64 {
        self.first.saturating_add(i64::try_from(self.rows.len()).unwrap_or(i64::MAX))
    }

    /// The actors that stand here.
    pub(crate) fn note_actors(&self, actors: &mut Actors) {
        for row in self.rows.iter().filter(|row| !row.actor_body.is_empty()) {
            actors.entry(row.actor).or_insert_with(|| Arc::from(row.actor_body.as_slice()));
        }
    }

    /// The rows as links of their chain. The hash of the last one is what the group says; where it
    /// follows from the rows, which only an intruder changes, it is the same. An actor that is not
    /// among these is empty.
    pub(crate) fn links(&self, actors: &Actors) -> Vec<Link> {
        let mut hash = self.before;
        let mut links: Vec<Link> = (self.first..)
            .zip(&self.rows)
            .map(|(seq, row)| {
                hash = chain::link(&hash, (self.strand, seq, row.at), &row.actor, &row.body);
                Link {
                    at: row.at,
                    strand: self.strand,
                    seq,
                    actor: row.actor,
                    actor_body: actors.get(&row.actor).cloned().unwrap_or_else(|| Arc::from([])),
                    body: row.body.clone(),
                    hash,
                    keys: row.keys.clone(),
                }
            })
            .collect();
        if let Some(last) = links.last_mut() {
            last.hash = self.end;
        }
        links
    }
}

impl Row {
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (at, rest) = number(bytes)?;
        let (actor, rest) = rest.split_first_chunk()?;
        let (length, rest) = length(rest)?;
        let (actor_body, rest) = rest.split_at_checked(length)?;
        let (count, rest) = self::length(rest)?;
        let (keys, rest) = rest.split_at_checked(count.checked_mul(8)?)?;
        let (length, rest) = self::length(rest)?;
        let (body, rest) = rest.split_at_checked(length)?;
        let (keys, _) = keys.as_chunks::<8>();
        let row = Self {
            at,
            actor: *actor,
            actor_body: actor_body.to_vec(),
            keys: keys.iter().map(|key| i64::from_be_bytes(*key)).collect(),
            body: body.to_vec(),
        };
        Some((row, rest))
    }
}

fn number(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((i64::from_be_bytes(*number), rest))
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(*length)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::super::super::TraceRow;
    use super::super::super::strand::Strand;
    use super::*;

    #[test]
    fn a_group_comes_back_and_a_changed_one_does_not() {
        let owner = Owner::new(&[7; 32]);
        let mut strand = Strand::new(3, 2);
        let mut writer = GroupWriter::begin(Vec::new(), strand.number, strand.seq, strand.hash());
        let mut links = Vec::new();
        for (nth, actor) in (0_u8..).zip(["x", "y", "x"]) {
            let keys = vec![i64::from(nth), i64::MIN];
            let row = TraceRow { actor: Arc::from(actor.as_bytes()), body: vec![nth; 99], keys };
            let link = strand.link(&row, &[], 5);
            writer.push(&link, nth < 2);
            links.push(link);
        }
        let bytes = writer.finish(&owner);
        assert_eq!(bytes.len() % ALIGN, 0);
        let (group, taken) = Group::read(&bytes, &owner).unwrap();
        assert_eq!((taken, group.first, group.behind()), (bytes.len(), 1, 4));
        let mut actors = Actors::new();
        group.note_actors(&mut actors);
        assert_eq!(group.links(&actors), links);
        assert!(Group::read(&bytes, &Owner::new(&[8; 32])).is_none(), "of another database");
        let length = FRONT + 80 + 3 * (8 + 16 + 4 + 4 + 16 + 4 + 103) + 2;
        for at in 0..length {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert!(Group::read(&other, &owner).is_none(), "{at}");
            assert!(Group::read(&bytes[..at], &owner).is_none(), "{at}");
        }
    }
}
