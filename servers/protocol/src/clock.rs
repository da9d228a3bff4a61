use crate::{Moment, Settings};
use std::time::{Duration, Instant};

/// Which deadline of a connection runs, and when it ends.
#[derive(Debug)]
pub(crate) struct Clock {
    phase: Phase,
    deadline: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A head is on its way.
    Header,
    /// Between two requests.
    Idle,
    /// A response is on its way.
    Send,
    /// The client reads what was sent last.
    Linger,
    /// No deadline of the client's runs while the server is at work.
    Work,
}

impl Clock {
    /// At the accept, the time for the first head begins.
    pub(crate) fn new(settings: &Settings, at: &Moment) -> Self {
        Self { phase: Phase::Header, deadline: Some(at.monotonic() + settings.header_timeout) }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Starts the deadline of a phase, unless it is running already: bytes that trickle in extend nothing.
    pub(crate) fn enter(&mut self, phase: Phase, settings: &Settings, at: &Moment) {
        if self.phase != phase {
            self.phase = phase;
            self.restart(settings, at);
        }
    }

    /// Starts the deadline of the running phase anew.
    pub(crate) fn restart(&mut self, settings: &Settings, at: &Moment) {
        let timeout = match self.phase {
            Phase::Header => settings.header_timeout,
            Phase::Idle => settings.idle_timeout,
            Phase::Send => settings.send_timeout,
            Phase::Linger | Phase::Work => {
                self.deadline = None;
                return;
            }
        };
        self.deadline = Some(at.monotonic() + timeout);
    }

    /// Starts the time for a lingering close.
    pub(crate) fn linger(&mut self, time: Duration, at: &Moment) {
        self.phase = Phase::Linger;
        self.deadline = Some(at.monotonic() + time);
    }

    pub(crate) fn has_expired(&self, at: &Moment) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= at.monotonic())
    }
}
