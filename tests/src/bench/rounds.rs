//! Rounds: contenders take turns, so that what the machine does meanwhile falls on all of them alike.

use anyhow::Result;

/// What the rounds of one contender gave.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the figure of one round.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle one; of an even number the mean of the middle two.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) } else { at(middle) }
    }

    /// The lowest and the highest.
    pub fn spread(&self) -> (f64, f64) {
        let sorted = self.sorted();
        (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN))
    }

    /// This over another, round by round.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }

    /// This less another, round by round.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours - theirs).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Lets every contender have its turn, round after round; the order turns too, so that none always
/// follows the same one.
pub(super) fn alternate<C>(
    rounds: usize,
    contenders: &mut [C],
    mut turn: impl FnMut(&mut C) -> Result<()>,
) -> Result<()> {
    for round in 0..rounds {
        for step in 0..contenders.len() {
            let index = (round + step) % contenders.len();
            turn(&mut contenders[index])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_spreads_and_ratios() {
        let mut ours = Samples::default();
        for figure in [4.0, 1.0, 3.0, 2.0] {
            ours.push(figure);
        }
        assert!((ours.median() - 2.5).abs() < f64::EPSILON);
        assert_eq!(ours.spread(), (1.0, 4.0));
        let ratios = ours.over(&ours);
        assert_eq!(ratios.spread(), (1.0, 1.0));
    }

    #[test]
    fn everybody_has_as_many_turns() -> Result<()> {
        let mut order = Vec::new();
        alternate(2, &mut ["a", "b"], |name| {
            order.push(*name);
            Ok(())
        })?;
        assert_eq!(order, ["a", "b", "b", "a"]);
        Ok(())
    }
}
