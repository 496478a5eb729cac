//! How the work in the background makes way for those who wait for an answer.
//!
//! Whoever is served leaves a mark, and the work looks for one after each of its parts: it rests in
//! proportion to what the part took for as long as there are new marks, and goes on at once where
//! there are none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A rest is taken in parts, after each of which the work looks whether anybody still comes.
const PART: Duration = Duration::from_millis(20);

/// The marks of those who are served, and the share of the time that is left for the work.
#[derive(Debug)]
pub(crate) struct Pace {
    is_serving: AtomicBool,
    /// From 1 to 100.
    percent: u32,
}

impl Pace {
    pub(crate) fn new(percent: u32) -> Self {
        Self { is_serving: AtomicBool::new(false), percent: percent.clamp(1, 100) }
    }

    /// Leaves a mark. It is written only where there is none, so that threads which serve do not
    /// take the cache line from each other.
    pub(crate) fn serve(&self) {
        if !self.is_serving.load(Ordering::Relaxed) {
            self.is_serving.store(true, Ordering::Relaxed);
        }
    }

    /// Rests after a part of the work: `wait` waits for at most so long, and is called again for as
    /// long as somebody is served, until the rest is as long as it has to be. What `wait` gives is
    /// how long it has waited; none ends the rest.
    pub(crate) fn rest(
        &self,
        worked: Duration,
        mut wait: impl FnMut(Duration) -> Option<Duration>,
    ) {
        let mut left = self.rest_after(worked);
        while !left.is_zero() && self.is_serving.swap(false, Ordering::Relaxed) {
            let Some(waited) = wait(left.min(PART)) else { return };
            left = left.saturating_sub(waited);
        }
    }

    /// The longest rest after work of so long.
    fn rest_after(&self, worked: Duration) -> Duration {
        worked.saturating_mul(100_u32.saturating_sub(self.percent)) / self.percent.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rests after `worked`; somebody is served before and in each of the first `served` parts.
    /// Gives how long was rested.
    fn rested(pace: &Pace, worked: Duration, served: usize) -> Duration {
        let (mut all, mut parts) = (Duration::ZERO, 0);
        pace.rest(worked, |part| {
            all += part;
            parts += 1;
            if parts < served {
                pace.serve();
            }
            Some(part)
        });
        all
    }

    #[test]
    fn work_goes_on_at_once_while_nobody_is_served() {
        let pace = Pace::new(25);
        assert_eq!(rested(&pace, Duration::from_secs(60), 0), Duration::ZERO);
    }

    #[test]
    fn work_has_its_share_while_somebody_is_served() {
        let worked = Duration::from_millis(50);
        for (percent, rest) in [(25, 150), (50, 50), (10, 450), (100, 0)] {
            let pace = Pace::new(percent);
            pace.serve();
            assert_eq!(rested(&pace, worked, usize::MAX), Duration::from_millis(rest), "{percent}");
        }
    }

    #[test]
    fn a_rest_ends_when_nobody_comes_any_more() {
        let pace = Pace::new(25);
        pace.serve();
        assert_eq!(rested(&pace, Duration::from_secs(60), 3), PART * 3);
    }

    #[test]
    fn a_rest_ends_when_the_work_has_to() {
        let pace = Pace::new(1);
        pace.serve();
        let mut parts = 0;
        pace.rest(Duration::from_secs(60), |_| {
            parts += 1;
            pace.serve();
            None
        });
        assert_eq!(parts, 1);
    }
}
