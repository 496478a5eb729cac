//! A list that only grows, whose items stay where they are while others are added.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The first segment holds so many items, each further one twice as many as the one before.
const FIRST: u32 = 16;
const SEGMENTS: usize = 24;

type Segment<T> = Box<[OnceLock<T>]>;

/// Items that are added through a shared reference and never moved or dropped before the list is.
pub(crate) struct Arena<T> {
    segments: [OnceLock<Segment<T>>; SEGMENTS],
    next: AtomicU32,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { segments: [const { OnceLock::new() }; SEGMENTS], next: AtomicU32::new(0) }
    }
}

impl<T> Arena<T> {
    /// Adds an item; its number. `None` where there are more than 200 million.
    pub(crate) fn push(&self, item: T) -> Option<u32> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (segment, at, length) = place(number);
        let items = self.segments.get(segment)?.get_or_init(|| {
            let mut items = Vec::new();
            items.resize_with(length, OnceLock::new);
            items.into_boxed_slice()
        });
        items.get(at)?.set(item).ok()?;
        Some(number)
    }

    /// The item of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        let (segment, at, _) = place(number);
        self.segments.get(segment)?.get()?.get(at)?.get()
    }
}

/// Segment, position in it and its length.
fn place(number: u32) -> (usize, usize, usize) {
    let block = number / FIRST + 1;
    let segment = block.ilog2();
    let first = FIRST * ((1 << segment) - 1);
    (segment as usize, (number - first) as usize, (FIRST as usize) << segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_where_they_are() {
        let arena = Arena::default();
        let first = arena.push("0".to_owned()).unwrap();
        let kept = arena.get(first).unwrap();
        for number in 1..1000_u32 {
            assert_eq!(arena.push(number.to_string()), Some(number));
        }
        assert_eq!(kept, "0");
        assert!((0..1000).all(|number| arena.get(number) == Some(&number.to_string())));
        assert!(arena.get(1000).is_none() && arena.get(u32::MAX).is_none());
    }
}
