//! Random numbers that are the same for ever: splitmix64, written out here because no library
//! promises the stream of its generators from version to version.

/// A stream of numbers.
pub(crate) struct Random(u64);

impl Random {
    /// The stream of one resource.
    pub(crate) fn new(seed: u64, resource_type: &str, number: u64) -> Self {
        let mix = |state: u64, word: u64| Self(state ^ word).next();
        let named = resource_type.bytes().fold(seed, |state, byte| mix(state, u64::from(byte)));
        Self(mix(named, number))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `limit`, which isn't zero.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of a hundred cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One item of a list that isn't empty.
    pub(crate) fn pick<T: Copy + Default>(&mut self, list: &[T]) -> T {
        let count = u64::try_from(list.len()).unwrap_or(1);
        let at = usize::try_from(self.below(count)).unwrap_or_default();
        list.get(at).copied().unwrap_or_default()
    }

    /// Around the middle of a range more often than at its ends.
    pub(crate) fn bell(&mut self, low: u64, high: u64) -> u64 {
        (self.between(low, high) + self.between(low, high) + self.between(low, high)) / 3
    }
}
