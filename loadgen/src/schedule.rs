//! When the requests of an open loop are due: a pure sequence of moments, which no server can delay.

use crate::load::{Arrivals, Offered};
use crate::seed::{self, Purpose};

/// One thread's part of the schedule. All parts together make the schedule of the run.
///
/// Requests are spaced in units of one request: evenly, every `threads`th belonging to this thread, or by a Poisson
/// process of a `threads`th of the rate, for independent processes add up to one. The rate then turns units into
/// time: a request is due when as many units are offered as lie before it.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Requests per nanosecond in the beginning.
    rate: f64,
    /// How much the rate changes in each nanosecond of the measured time.
    slope: f64,
    /// When the schedule begins, on the clock of the run, and the lengths of what comes before the measured time and of
    /// that, in nanoseconds.
    start: u64,
    warmup: f64,
    measured: f64,
    threads: f64,
    /// The units before the next request.
    units: f64,
    /// Chance, for Poisson arrivals.
    chance: Option<fastrand::Rng>,
}

impl Schedule {
    /// The part of `thread` of so many threads. It begins at `start`; `measured` nanoseconds follow `warmup` of them.
    pub(crate) fn new(
        offered: &Offered,
        start: u64,
        warmup: u64,
        measured: u64,
        seed: u64,
        thread: usize,
        threads: usize,
    ) -> Self {
        let rate = offered.rate / 1e9;
        let slope = offered.final_rate.map_or(0.0, |last| (last / 1e9 - rate) / measured.max(1) as f64);
        let mut schedule = Self {
            rate,
            slope,
            start,
            warmup: warmup as f64,
            measured: measured as f64,
            threads: threads as f64,
            units: thread as f64,
            chance: (offered.arrivals == Arrivals::Poisson).then(|| seed::of_thread(seed, Purpose::Arrivals, thread)),
        };
        if schedule.chance.is_some() {
            schedule.units = 0.0;
            schedule.advance();
        }
        schedule
    }

    /// The same part of a generator that begins together with others: where requests are evenly spaced, a share of a gap
    /// later, which the seed decides, so that the generators do not send at the same moments.
    pub(crate) fn among_others(mut self, seed: u64) -> Self {
        if self.chance.is_none() {
            self.units += seed::of_thread(seed, Purpose::Phase, 0).f64();
        }
        self
    }

    /// When the next request is due.
    #[inline]
    pub(crate) fn due(&self) -> u64 {
        // What is beyond all time is never due.
        self.start.saturating_add(self.after_start() as u64)
    }

    fn after_start(&self) -> f64 {
        let before = self.rate * self.warmup;
        if self.slope == 0.0 || self.units <= before {
            return self.units / self.rate;
        }
        // Since the measured time began, rate x t + slope x t^2 / 2 units are offered; this form of the root loses no
        // digits when the slope is small.
        let units = self.units - before;
        let under_the_root = self.rate * self.rate + 2.0 * self.slope * units;
        let since = 2.0 * units / (self.rate + under_the_root.max(0.0).sqrt());
        if under_the_root > 0.0 && since <= self.measured {
            return self.warmup + since;
        }
        // Behind the end of the ramp its last rate stays.
        let last_rate = self.rate + self.slope * self.measured;
        let offered = (self.rate + last_rate) / 2.0 * self.measured;
        self.warmup + self.measured + (units - offered) / last_rate
    }

    /// Goes on to the request after.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.units += match &mut self.chance {
            None => self.threads,
            // 1 - x is never 0, of which there is no logarithm.
            Some(chance) => -(1.0 - chance.f64()).ln() * self.threads,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// What is due before `end`, over all threads, in order.
    fn due(offered: &Offered, warm_up: u64, measured: u64, threads: usize, end: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for thread in 0..threads {
            let mut schedule = Schedule::new(offered, 0, warm_up, measured, 3, thread, threads);
            while schedule.due() < end {
                all.push(schedule.due());
                schedule.advance();
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn an_even_schedule_is_the_same_for_any_number_of_threads() {
        let one = due(&Offered::steady(1000.0), 0, SECOND, 1, SECOND);
        assert_eq!(one.len(), 1000);
        assert!(one.iter().enumerate().all(|(k, due)| due.abs_diff(k as u64 * 1_000_000) <= 1), "{one:?}");
        let three = due(&Offered::steady(1000.0), 0, SECOND, 3, SECOND);
        assert_eq!(one, three);
    }

    #[test]
    fn a_rate_that_divides_nothing_does_not_drift() {
        let due = due(&Offered::steady(777_777.0), 0, SECOND, 1, 10 * SECOND);
        assert!((7_777_769..=7_777_771).contains(&due.len()), "{}", due.len());
        assert!(due.windows(2).all(|pair| (1285..=1287).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn a_ramp_offers_what_lies_under_its_line() {
        let offered = Offered { final_rate: Some(3000.0), ..Offered::steady(1000.0) };
        let due = due(&offered, SECOND, 4 * SECOND, 2, 7 * SECOND);
        let between = |from: u64, to: u64| due.iter().filter(|&&due| (from..to).contains(&due)).count();
        assert_eq!(between(0, SECOND), 1000);
        // 1000 + 500 t: the seconds offer 1250, 1750, 2250, 2750; then the last rate stays.
        for (second, expected) in [(1u64, 1250), (2, 1750), (3, 2250), (4, 2750), (5, 3000)] {
            let count = between(second * SECOND, (second + 1) * SECOND);
            assert!(count.abs_diff(expected) <= 1, "{count} in second {second}, expected {expected}");
        }
    }

    #[test]
    fn a_ramp_may_lead_down() {
        let offered = Offered { final_rate: Some(100.0), ..Offered::steady(2000.0) };
        let due = due(&offered, 0, 2 * SECOND, 1, 2 * SECOND);
        assert!(due.len().abs_diff(2100) <= 1, "{}", due.len());
        assert!(due.is_sorted());
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_of_their_kind() {
        let offered = Offered { arrivals: Arrivals::Poisson, ..Offered::steady(100_000.0) };
        for threads in [1, 4] {
            let due = due(&offered, 0, SECOND, threads, SECOND);
            // Five standard deviations of a Poisson count are 5 x sqrt(100,000).
            assert!(due.len().abs_diff(100_000) < 1600, "{}", due.len());
            let gaps: Vec<f64> = due.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            // Exponential gaps spread as far as their mean.
            assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{} and {mean}", variance.sqrt());
        }
    }

    /// Of the gaps between the requests of so many generators together, the share that is shorter than `limit`.
    fn short_gaps(arrivals: Arrivals, seeds: &[u64], limit: u64) -> f64 {
        let offered = Offered { arrivals, ..Offered::steady(40.0) };
        let mut all = Vec::new();
        for &seed in seeds {
            for thread in 0..2 {
                let mut part = Schedule::new(&offered, 0, 0, SECOND, seed, thread, 2).among_others(seed);
                while part.due() < 50 * SECOND {
                    all.push(part.due());
                    part.advance();
                }
            }
        }
        all.sort_unstable();
        let gaps: Vec<u64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.iter().filter(|&&gap| gap < limit).count() as f64 / gaps.len() as f64
    }

    #[test]
    fn generators_that_begin_together_do_not_send_in_bursts() {
        const MILLISECOND: u64 = 1_000_000;
        // Three generators of 40 requests per second: of the gaps of a Poisson process of 120, 11.3 % are below 1 ms, which
        // is 45 of 398. Among 6,000 gaps five standard deviations are 2 %.
        let derived: Vec<u64> = (0..3).map(|host| seed::stream(7, &[host])).collect();
        let numbered = [0, 1, 2];
        let drawn = [seed::draw(), seed::draw(), seed::draw()];
        for seeds in [derived.as_slice(), &numbered, &drawn] {
            let share = short_gaps(Arrivals::Poisson, seeds, MILLISECOND);
            assert!((share - 0.113).abs() < 0.025, "{seeds:?}: {share}");
        }
        assert!(short_gaps(Arrivals::Poisson, &[7, 7, 7], MILLISECOND) > 0.6, "the same seed is the same arrivals");
        // Evenly spaced requests keep the distance that the seeds give them, and meet only with the same seed.
        assert!(short_gaps(Arrivals::Uniform, &derived, MILLISECOND / 10) < 0.01);
        assert!(short_gaps(Arrivals::Uniform, &[7, 7, 7], MILLISECOND / 10) > 0.6);
    }

    #[test]
    fn one_generators_threads_are_evenly_spaced_wherever_it_begins() {
        let offered = Offered::steady(1000.0);
        let due = |thread| Schedule::new(&offered, 0, 0, SECOND, 3, thread, 2).among_others(3).due();
        assert!(due(0) < 1_000_000 && (due(1) - due(0)).abs_diff(1_000_000) <= 1);
    }

    #[test]
    fn the_same_seed_gives_the_same_schedule() {
        let offered = Offered { arrivals: Arrivals::Poisson, ..Offered::steady(1000.0) };
        assert_eq!(due(&offered, 0, SECOND, 2, SECOND), due(&offered, 0, SECOND, 2, SECOND));
    }
}
