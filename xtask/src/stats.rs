//! Numbers of repeated measurements.

/// What many runs of one thing took, in the unit they were measured in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => None,
            n if n % 2 == 0 => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
            _ => Some(sorted[middle]),
        }
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.sorted().first().copied()
    }

    /// Nine in ten were not above this (nearest rank).
    pub(crate) fn p90(&self) -> Option<f64> {
        let sorted = self.sorted();
        let rank = (sorted.len() * 9).div_ceil(10);
        sorted.get(rank.checked_sub(1)?).copied()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values = self.0.clone();
        values.sort_by(f64::total_cmp);
        values
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    fn of(values: &[f64]) -> Sample {
        Sample(values.to_vec())
    }

    #[test]
    fn the_middle_and_the_tail_of_a_sample() {
        let ten = of(&[5.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 100.0]);
        assert_eq!(ten.median(), Some(5.5));
        assert_eq!(ten.min(), Some(1.0));
        assert_eq!(ten.p90(), Some(9.0));
        assert_eq!(of(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(of(&[]).p90(), None);
    }
}
