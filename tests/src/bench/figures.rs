//! The arithmetic of figures: what counts and times come to in a row. Must never know what was measured.

use std::time::Duration;

/// A count or a number of bytes as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes of a report stay far below 2^52")]
pub(super) const fn as_f64(number: u64) -> f64 {
    number as f64
}

/// A time in milliseconds.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The nearest rank: the smallest time that at least so many percent of all do not exceed.
pub(super) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let times: Vec<_> = (1..=60).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Duration::from_millis(30));
        assert_eq!(percentile(&times, 99), Duration::from_millis(60));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
