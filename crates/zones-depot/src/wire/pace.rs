//! Deadlines: absolute ones, and a least rate.

use std::time::{Duration, Instant};

/// When to give up on a peer: at the end of a window in which too little moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    window: Duration,
    least: u64,
    moved: u64,
    ends: Instant,
}

impl Pace {
    /// Everything has to be over in `window`.
    pub(crate) fn absolute(window: Duration) -> Self {
        Self::rate(window, u64::MAX)
    }

    /// `least` bytes in every `window`, or the end.
    pub(crate) fn rate(window: Duration, least: u64) -> Self {
        Self {
            window,
            least,
            moved: 0,
            ends: Instant::now() + window,
        }
    }

    /// `bytes` went over the wire.
    pub(crate) fn moved(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes as u64);
        if self.moved >= self.least {
            self.moved = 0;
            self.ends = Instant::now() + self.window;
        }
    }

    /// How long one may still wait; `None` when the time is over.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.ends.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_does_not_move_the_end_and_a_stream_does() {
        let mut pace = Pace::rate(Duration::from_secs(5), 100);
        let first = pace.ends;
        pace.moved(99);
        assert_eq!(pace.ends, first);
        pace.moved(1);
        assert!(pace.ends > first);
        // What was fast once does not buy time for later.
        pace.moved(1 << 40);
        assert!(
            pace.left()
                .is_some_and(|left| left <= Duration::from_secs(5))
        );
    }

    #[test]
    fn an_absolute_one_ends() {
        let mut pace = Pace::absolute(Duration::ZERO);
        pace.moved(1 << 40);
        assert_eq!(pace.left(), None);
    }
}
