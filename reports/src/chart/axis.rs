//! Where values lie on a sheet, and at which of them to draw a line.

/// A scale from values to pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    first: i32,
    last: i32,
    logarithmic: bool,
}

impl Axis {
    /// An even scale from 0 to a little above `highest`, between two pixels.
    pub(super) fn from_zero(highest: f64, first: i32, last: i32) -> Self {
        let highest = if highest.is_finite() && highest > 0.0 { highest } else { 1.0 };
        Self { from: 0.0, to: highest * 1.06, first, last, logarithmic: false }
    }

    /// A logarithmic scale that holds `lowest` and `highest`, with the share `room` of it free at both ends.
    pub(super) fn logarithmic(lowest: f64, highest: f64, room: f64, first: i32, last: i32) -> Self {
        let is_usable = |value: f64| value.is_finite() && value > 0.0;
        let lowest = if is_usable(lowest) { lowest } else { 1.0 };
        let highest = if is_usable(highest) { highest.max(lowest) } else { lowest };
        // A single value stands in the middle.
        let free = ((highest / lowest).ln() * room).max(0.2);
        Self { from: lowest.ln() - free, to: highest.ln() + free, first, last, logarithmic: true }
    }

    /// A logarithmic scale from `lowest` to `highest` and nothing beside them, however close they are; a hundredth apart at
    /// least, so that the noise of a quiet series does not fill it.
    pub(super) fn between(lowest: f64, highest: f64, first: i32, last: i32) -> Self {
        let whole = Self::logarithmic(lowest, highest, 0.0, first, last);
        let (from, to) = (whole.from + 0.2, whole.to - 0.2);
        let free = ((0.01 - (to - from)) / 2.0).max(0.0);
        Self { from: from - free, to: to + free, ..whole }
    }

    /// The pixel of a value; what lies off the scale is at its end.
    pub(super) fn pixel(&self, value: f64) -> i32 {
        let place = if self.logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let share = ((place - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        let share = if share.is_nan() { 0.0 } else { share };
        self.first + (share * f64::from(self.last - self.first)).round() as i32
    }

    /// Round values on the scale, about `wanted` of them.
    pub(super) fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.logarithmic { self.logarithmic_ticks(wanted) } else { self.even_ticks(wanted) }
    }

    fn even_ticks(&self, wanted: usize) -> Vec<f64> {
        let rough = self.to / wanted.max(1) as f64;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * decade).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(decade * 10.0);
        (0..=wanted * 2).map(|place| place as f64 * step).take_while(|value| *value <= self.to).collect()
    }

    fn logarithmic_ticks(&self, wanted: usize) -> Vec<f64> {
        let (lowest, highest) = (self.from.exp(), self.to.exp());
        let decades = lowest.log10().floor() as i32..=highest.log10().ceil() as i32;
        let within = |factors: &[f64]| -> Vec<f64> {
            decades
                .clone()
                .flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)))
                .filter(|value| (lowest..=highest).contains(value))
                .collect()
        };
        let fine = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]].map(within);
        let fitting = fine.iter().find(|ticks| ticks.len() <= wanted);
        fitting.or(fine.last()).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_scale_starts_at_nothing_and_leaves_some_room() {
        let axis = Axis::from_zero(100.0, 500, 0);
        assert_eq!((axis.pixel(0.0), axis.pixel(106.0), axis.pixel(53.0)), (500, 0, 250));
        assert_eq!((axis.pixel(-5.0), axis.pixel(1e9), axis.pixel(f64::NAN)), (500, 0, 500));
        assert_eq!(axis.ticks(5), [0.0, 25.0, 50.0, 75.0, 100.0]);
        assert_eq!(axis.ticks(6), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(axis.ticks(2), [0.0, 100.0]);
    }

    #[test]
    fn a_scale_of_nothing_still_has_its_ends() {
        for axis in [Axis::from_zero(0.0, 0, 100), Axis::from_zero(f64::NAN, 0, 100)] {
            assert_eq!(axis.pixel(0.0), 0);
            assert!(axis.ticks(4).len() > 1);
        }
        let single = Axis::logarithmic(7.0, 7.0, 0.1, 0, 100);
        assert_eq!(single.pixel(7.0), 50);
        let none = Axis::logarithmic(f64::INFINITY, 0.0, 0.1, 0, 100);
        assert_eq!(none.pixel(1.0), 50);
    }

    #[test]
    fn a_logarithmic_scale_puts_equal_factors_apart_equally() {
        let axis = Axis::logarithmic(1.0, 100.0, 0.0, 0, 1_000);
        let [one, ten, hundred] = [1.0, 10.0, 100.0].map(|value| axis.pixel(value));
        assert!((ten - one - (hundred - ten)).abs() <= 1, "{one} {ten} {hundred}");
        assert_eq!(axis.ticks(8), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(axis.ticks(4), [1.0, 10.0, 100.0]);
        assert_eq!(axis.pixel(0.0), 0);
    }
}
