use protocol::Moment;
use std::time::{Instant, SystemTime};

/// Reads both clocks, once per wake-up.
#[derive(Debug)]
pub struct Clock {
    moment: Moment,
}

impl Clock {
    /// A clock that was read just now.
    #[must_use]
    pub fn new() -> Self {
        Self { moment: Moment::new(Instant::now(), SystemTime::now()) }
    }

    /// Reads the clocks again.
    pub fn read(&mut self) -> &Moment {
        self.moment.refresh(Instant::now(), SystemTime::now());
        &self.moment
    }

    /// What was read last.
    #[must_use]
    pub fn moment(&self) -> &Moment {
        &self.moment
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
