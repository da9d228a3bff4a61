//! What a waiting reader sees: a bar with the current measurement and the time left, or plain lines where standard error
//! is not a terminal.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadgen::console::{self, printable};

use crate::duration::in_words;

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    /// The bar, or nothing where lines are written instead.
    bar: Option<ProgressBar>,
    turns: u32,
    done: u32,
    /// Turns that were done when this began.
    before: u32,
    planned: Duration,
    begin: Instant,
    current: String,
}

impl Progress {
    /// For a run of so many turns that is planned to take so long, and of which some were done `before`.
    #[must_use]
    pub fn new(turns: u32, before: u32, planned: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(u64::from(turns) * 1000), ProgressDrawTarget::stderr());
            // The template is a constant: if it were wrong, the plain bar would do.
            let style = ProgressStyle::with_template("{bar:24} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar
        });
        Self { bar, turns, done: before, before, planned, begin: Instant::now(), current: String::new() }
    }

    /// One turn more than was planned will be taken.
    pub fn grows(&mut self) {
        self.planned += self.planned / self.turns.max(1);
        self.turns += 1;
        if let Some(bar) = &self.bar {
            bar.inc_length(1000);
        }
    }

    /// A turn begins, in a round counted from 0.
    pub fn begins(&mut self, round: u32, rounds: u32, name: &str) {
        let round = if round < rounds { format!("round {} of {rounds}", round + 1) } else { "once more".to_owned() };
        self.current = printable(&format!("{}{round}: {name}", self.place()));
        self.moves(0.0, None);
    }

    /// A turn is under way, by a share of its time from 0 to 1; `rate` is in responses per second.
    pub fn moves(&self, share: f64, rate: Option<f64>) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(u64::from(self.done) * 1000 + (share.clamp(0.0, 1.0) * 1000.0) as u64);
        let rate = rate.map(|rate| format!(", {} req/s", reports::words::figure(rate))).unwrap_or_default();
        bar.set_message(format!("{}{rate}, {} left", self.current, in_words(self.left(share))));
    }

    /// A turn has ended, with this to say of it.
    pub fn ended(&mut self, result: &str) {
        let line = printable(&format!("{}: {result}", self.current));
        self.done += 1;
        match &self.bar {
            Some(bar) => bar.println(line),
            None => console::tell(format_args!("{line}\n")),
        }
    }

    /// Between the turns, the system calls of a server are counted.
    pub fn counts(&self, name: &str) {
        let line = printable(&format!("counting system calls: {name}"));
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => console::tell(format_args!("{line}\n")),
        }
    }

    /// Nothing more will be shown.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn place(&self) -> String {
        let width = self.turns.to_string().len();
        format!("[{:>width$}/{}] ", self.done + 1, self.turns)
    }

    /// The time left: what the plan says at first, and more and more what the turns before really took.
    fn left(&self, share: f64) -> Duration {
        let now = f64::from(self.done) + share;
        let (done, left) = (now - f64::from(self.before), (f64::from(self.turns) - now).max(0.0));
        let by_plan = self.planned.as_secs_f64() * left / f64::from(self.turns.max(1));
        let by_pace = if done > 0.0 { self.begin.elapsed().as_secs_f64() * left / done } else { by_plan };
        let trust = done / (done + left).max(f64::EPSILON);
        Duration::from_secs_f64(by_plan * (1.0 - trust) + by_pace * trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_shrinks_from_the_plan_to_nothing() {
        let mut progress = Progress::new(10, 0, Duration::from_secs(100));
        assert_eq!(progress.left(0.0), Duration::from_secs(100));
        assert_eq!(Progress::new(10, 4, Duration::from_secs(100)).left(0.0), Duration::from_secs(60));
        progress.done = 10;
        assert_eq!(progress.left(0.0), Duration::ZERO);
        progress.grows();
        assert!(progress.left(0.0) < Duration::from_secs(1), "{:?}", progress.left(0.0));
        assert_eq!(progress.place(), "[11/11] ");
        assert_eq!(Progress::new(17, 0, Duration::ZERO).place(), "[ 1/17] ");
    }
}
