//! Tells whether something that was read is still as it was, without reading it again.
//!
//! What somebody knows of a person rests on resources that they have found and on resources that
//! they have not. Both have hashes: of a resource, of the person whom a resource refers to. Every
//! write stamps the hashes that it brings (`WriteGroup::stamps`), before it can be seen and again
//! before anybody is told that it was done. So what was read in a snapshot that was opened after
//! [`Tidings::now`] stands as long as [`Tidings::stand`] says so, and whoever asks that after their
//! own snapshot was opened gets nothing older than what the snapshot shows.
//!
//! This is known of writes through this store alone, not of another process on the same database.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Hashes share a slot where their low bits are equal: what stands may then be taken for changed,
/// never the other way.
const SLOTS: usize = 1 << 18;

/// A write that is under way, in the upper bits of a slot; the lower ones are its last stamp.
const UNDER_WAY: u64 = 1 << 48;

/// When what was last written.
#[derive(Default)]
pub struct Tidings {
    /// The last stamp that was given.
    last: AtomicU64,
    /// Of everything at once.
    all: AtomicU64,
    slots: OnceLock<Box<[AtomicU64]>>,
}

impl Tidings {
    /// The stamp to remember something under that is read in a snapshot opened from now on.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.last.load(SeqCst)
    }

    /// Whether nothing with one of these hashes was written since, or is being written.
    #[must_use]
    pub fn stand(&self, hashes: &[i64], since: u64) -> bool {
        let stands = |slot: &AtomicU64| slot.load(SeqCst) <= since;
        stands(&self.all) && hashes.iter().all(|hash| self.slot(*hash).is_none_or(stands))
    }

    fn slot(&self, hash: i64) -> Option<&AtomicU64> {
        let make = || (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        let mask = SLOTS as u64 - 1;
        self.slots.get_or_init(make).get(usize::try_from(hash.cast_unsigned() & mask).ok()?)
    }

    /// Stamps hashes for as long as they are being written, and once more at the end.
    pub(crate) fn writing<'t>(&'t self, hashes: impl Iterator<Item = i64>) -> Stamped<'t> {
        Stamped::new(self, hashes.filter_map(|hash| self.slot(hash)).collect())
    }

    /// As [`Self::writing`], where it isn't known what is written.
    pub(crate) fn writing_anything(&self) -> Stamped<'_> {
        Stamped::new(self, vec![&self.all])
    }
}

/// A write under way; it ends with this.
pub(crate) struct Stamped<'t> {
    tidings: &'t Tidings,
    slots: Vec<&'t AtomicU64>,
}

impl<'t> Stamped<'t> {
    fn new(tidings: &'t Tidings, slots: Vec<&'t AtomicU64>) -> Self {
        for slot in &slots {
            slot.fetch_add(UNDER_WAY, SeqCst);
        }
        Self { tidings, slots }
    }
}

impl Drop for Stamped<'_> {
    fn drop(&mut self) {
        if self.slots.is_empty() {
            return;
        }
        let stamp = self.tidings.last.fetch_add(1, SeqCst).saturating_add(1);
        for slot in &self.slots {
            let ended = |value: u64| {
                let others = (value / UNDER_WAY).saturating_sub(1) * UNDER_WAY;
                Some(others | stamp.max(value % UNDER_WAY))
            };
            // The closure always gives a value.
            let _ = slot.fetch_update(SeqCst, SeqCst, ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_does_not_stand_until_it_is_read_again() {
        let tidings = Tidings::default();
        let before = tidings.now();
        assert!(tidings.stand(&[7, -7], before));
        let write = tidings.writing([7].into_iter());
        assert!(!tidings.stand(&[7], tidings.now()), "it is under way");
        assert!(tidings.stand(&[-7], before), "another one");
        drop(write);
        assert!(!tidings.stand(&[7], before));
        assert!(tidings.stand(&[7], tidings.now()));
    }

    #[test]
    fn of_two_writes_the_second_end_counts() {
        let tidings = Tidings::default();
        let one = tidings.writing([7, 7].into_iter());
        let other = tidings.writing([7].into_iter());
        drop(one);
        assert!(!tidings.stand(&[7], tidings.now()));
        let between = tidings.now();
        drop(other);
        assert!(!tidings.stand(&[7], between));
        assert!(tidings.stand(&[7], tidings.now()));
    }

    #[test]
    fn what_is_written_of_anything_counts_for_everything() {
        let tidings = Tidings::default();
        let before = tidings.now();
        drop(tidings.writing_anything());
        assert!(!tidings.stand(&[7], before));
        assert!(!tidings.stand(&[], before));
        assert!(tidings.stand(&[7], tidings.now()));
    }
}
