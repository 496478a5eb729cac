//! Sizes of long legs, kept in memory: counting them costs a millisecond or so, and they change
//! slowly.
//!
//! A size is kept for as long as the number of live resources stays within an eighth of what it
//! was. Nothing of it is written down: a statistic that is lost is counted again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::plan::Size;

/// More sizes are forgotten, all at once.
const KEPT: usize = 10_000;

/// The sizes of one database.
#[derive(Default)]
pub(crate) struct Statistics {
    sizes: Mutex<HashMap<u64, (u64, Size)>>,
}

impl Statistics {
    /// The size that was kept under a number when about so many resources lived.
    pub(crate) fn get(&self, digest: u64, total: u64) -> Option<Size> {
        let sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        let (then, size) = sizes.get(&digest)?;
        (then.abs_diff(total) <= then / 8).then_some(*size)
    }

    /// Keeps a size.
    pub(crate) fn keep(&self, digest: u64, total: u64, size: Size) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if sizes.len() >= KEPT {
            sizes.clear();
        }
        sizes.insert(digest, (total, size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_kept_while_the_store_has_about_as_many() {
        let statistics = Statistics::default();
        let size = Size { rows: 70, is_at_least: false };
        statistics.keep(1, 800, size);
        assert_eq!(statistics.get(1, 900), Some(size));
        assert_eq!(statistics.get(1, 901), None);
        assert_eq!(statistics.get(2, 800), None);
    }
}
