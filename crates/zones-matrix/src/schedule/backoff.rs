//! How long a retry waits.

use std::time::Duration;

use crate::config::{Backoff, Retries};
use crate::plan::chance;

/// No retry waits longer.
const LONGEST: Duration = Duration::from_secs(300);

/// The delay after `tried` attempts at the cell of an id. With jitter it is between half of the
/// delay and all of it, the same for the same seed.
#[must_use]
pub fn delay(retries: &Retries, tried: u32, seed: u64, id: &str) -> Duration {
    let factor = match retries.backoff {
        Backoff::Fixed => 1,
        Backoff::Exponential => 1u32
            .checked_shl(tried.saturating_sub(1))
            .unwrap_or(u32::MAX),
    };
    let full = retries.delay.saturating_mul(factor).min(LONGEST);
    if !retries.jitter {
        return full;
    }
    let half = full / 2;
    let span = u64::try_from(half.as_micros())
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    full - Duration::from_micros(chance(seed, &format!("{id} {tried}")) % span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn delays_double_up_to_a_limit() {
        let mut retries = Settings::default().retries;
        retries.jitter = false;
        let seconds = |tried| delay(&retries, tried, 1, "a").as_secs();
        assert_eq!(
            [seconds(1), seconds(2), seconds(3), seconds(40)],
            [2, 4, 8, 300]
        );
        retries.backoff = Backoff::Fixed;
        assert_eq!(delay(&retries, 9, 1, "a").as_secs(), 2);
    }

    #[test]
    fn jitter_spreads_and_repeats() {
        let retries = Settings::default().retries;
        let delays: Vec<Duration> = (0..50)
            .map(|n| delay(&retries, 1, 9, &format!("cell{n}")))
            .collect();
        assert!(
            delays
                .iter()
                .all(|d| (1000..=2000).contains(&d.as_millis()))
        );
        let mut different = delays.clone();
        different.sort();
        different.dedup();
        assert!(different.len() > 40);
        assert_eq!(delays[3], delay(&retries, 1, 9, "cell3"));
        assert_ne!(delays[3], delay(&retries, 1, 8, "cell3"));
    }
}
