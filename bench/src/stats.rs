//! Medians, and their errors.

/// The value below which so much of `values` lies (0 to 1), by the nearest rank; 0 of none.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values)
}

/// The standard error of the mean of `values`, which are independent of each other.
pub(crate) fn standard_error(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (count(values) - 1.0).max(1.0) / count(values)).sqrt()
}

#[allow(clippy::cast_precision_loss)]
fn count(values: &[f64]) -> f64 {
    values.len().max(1) as f64
}

/// A ratio to a baseline, and its standard error.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    pub(crate) error: f64,
}

/// How many standard errors two runs have to lie apart before one of them is called slower.
const ERRORS: f64 = 4.0;

/// A smaller change is never reported: the places that the linker chooses for code can move a ratio by this much.
const SMALLEST: f64 = 0.05;

impl Ratio {
    /// The ratio of two measurements that were taken side by side, block by block. What slows down a whole block slows
    /// down both.
    pub(crate) fn of(blocks: &[f64], baselines: &[f64]) -> Self {
        let ratios: Vec<_> =
            blocks.iter().zip(baselines).map(|(block, baseline)| block / baseline.max(f64::EPSILON)).collect();
        Self { value: median(&ratios), error: standard_error(&ratios) }
    }

    /// By how much this is more than `before`, as a share of it, when that is beyond the noise of both.
    pub(crate) fn moved(self, before: Self) -> Option<f64> {
        let (change, noise) = (self.value - before.value, self.error.hypot(before.error));
        let share = change / before.value.max(f64::EPSILON);
        (change.abs() > ERRORS * noise && share.abs() > SMALLEST).then_some(share)
    }
}

/// A shuffle that is the same in every run: Fisher and Yates, with xorshift's numbers.
pub(crate) struct Shuffle(u64);

impl Shuffle {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound.max(1)
    }

    /// The numbers below `count` in another order each time, so that a subject does not always follow the same one.
    pub(crate) fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<_> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        for (share, expected) in [(0.0, 1.0), (0.2, 1.0), (0.5, 3.0), (0.9, 5.0), (1.0, 5.0)] {
            assert!((percentile(&values, share) - expected).abs() < f64::EPSILON, "{share}");
        }
        assert!((median(&[]) - 0.0).abs() < f64::EPSILON);
    }

    #[test]
    fn a_slow_block_is_slow_for_the_baseline_too() {
        let ratio = Ratio::of(&[11.0, 22.0, 33.0], &[10.0, 20.0, 30.0]);
        assert!((ratio.value - 1.1).abs() < 1e-9 && ratio.error < 1e-9, "{ratio:?}");
        assert!((standard_error(&[1.0, 3.0]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn only_what_is_beyond_the_noise_has_moved() {
        let ratio = |value, error| Ratio { value, error };
        assert_eq!(ratio(1.10, 0.02).moved(ratio(1.05, 0.02)), None);
        assert_eq!(ratio(1.10, 0.0).moved(ratio(1.09, 0.0)), None);
        let share = ratio(1.20, 0.01).moved(ratio(1.0, 0.01)).unwrap();
        assert!((share - 0.2).abs() < 1e-9);
        assert!(ratio(1.0, 0.01).moved(ratio(1.2, 0.01)).unwrap() < 0.0);
    }

    #[test]
    fn a_shuffle_loses_nobody() {
        let mut shuffle = Shuffle::new();
        let orders = [shuffle.order(20), shuffle.order(20)];
        assert_ne!(orders[0], orders[1]);
        for mut order in orders {
            order.sort_unstable();
            assert_eq!(order, (0..20).collect::<Vec<_>>());
        }
    }
}
