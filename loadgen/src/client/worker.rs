//! One client thread.

use std::num::NonZeroU64;
use std::sync::mpsc::Sender;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::{self, Errno};
use rustix::thread::set_current_timer_slack;

use super::body_check::Bodies;
use super::idle::Idle;
use super::pace::Pace;
use super::place::{Phase, Place};
use super::tally::{Failure, Tally, WindowPart};
use super::timeline::{Timeline, WindowOfThread};
use super::timers::Timers;
use super::witness::Witness;
use super::{Published, Setup};
use crate::machine::CpuTime;
use crate::paths::Chooser;
use crate::response::HeadReader;
use crate::schedule::Schedule;
use crate::seed::{self, Purpose};
use crate::{Errors, Histogram, IdleConnections, Method};

/// How much is read at once where the bytes are looked at.
pub(super) const PIECE: usize = 64 * 1024;
/// How much of a body is passed over at once. The kernel drops it, these bytes are never touched.
pub(super) const LEAP: usize = 1024 * 1024;
/// How many connections one `epoll_wait` may report.
pub(super) const BATCH: usize = 512;
/// How often a thread looks at what depends on time alone, in nanoseconds.
const TICK_NS: u64 = 10_000_000;
/// How often late requests are looked for, at least and at most, in nanoseconds.
const TIMEOUT_CHECKS_NS: (u64, u64) = (1_000_000, 100_000_000);
/// How long a thread looks for responses that nobody asked for after its end, in nanoseconds: for as long as requests are
/// under way, but not longer than this, and then for a moment.
const AFTERMATH_NS: u64 = 100_000_000;
const MOMENT_NS: u64 = 2_000_000;

/// One client thread and its connections.
pub(crate) struct Worker<'a> {
    pub(super) setup: &'a Setup<'a>,
    published: &'a Published,
    pub(super) epoll: rustix::fd::OwnedFd,
    pub(super) places: Vec<Place>,
    pub(super) idle: Idle,
    pub(super) witness: Witness,
    pub(super) heads: HeadReader,
    pub(super) buffer: Vec<u8>,
    /// Several requests that are to be written at once.
    pub(super) outgoing: Vec<u8>,
    /// Places with more to read, of which no event will tell.
    pub(super) unfinished: Vec<usize>,
    pub(super) timers: Timers,
    chance: fastrand::Rng,
    pub(super) chooser: Chooser,
    /// Nothing in a closed loop.
    pub(super) pace: Option<Pace>,
    thread: usize,
    /// Nothing where bodies are not compared.
    pub(super) bodies: Option<Bodies>,
    /// How many requests may still be begun, the plan's whole number being dealt out among the threads.
    pub(super) remaining: u64,
    /// Requests that wait for their response.
    pub(super) under_way: u64,
    /// Places that open a connection for a request which the open loop has given them.
    pub(super) awaiting: u64,
    pub(super) state: State,
    pub(super) tally: Tally,
    /// Nothing before the warm-up is over.
    timeline: Option<Timeline>,
    measure_from: u64,
    end: u64,
    next_tick: u64,
    next_timeout_check: u64,
    reports: Sender<WindowOfThread>,
}

/// Whether requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not yet: the connections are being opened.
    Opening,
    Loading,
    /// No more: it is only looked what else comes.
    Over,
}

/// What a thread found out.
pub(crate) struct WorkerRecord {
    pub(crate) tally: Tally,
    pub(crate) in_flight: Histogram,
    pub(crate) unsent: Histogram,
    /// Complete responses of each of its connections.
    pub(crate) served: Vec<u64>,
    pub(crate) idle: IdleConnections,
    pub(crate) windows: Vec<WindowPart>,
    pub(crate) rates: Vec<u64>,
    /// When it began and ended to measure, on the setup's clock.
    pub(crate) measured_from: u64,
    pub(crate) measured_to: u64,
    pub(crate) cpu: CpuTime,
}

/// A thread's share of what is dealt out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) thread: usize,
    pub(crate) connections: usize,
    pub(crate) idle_connections: usize,
    pub(crate) requests: Option<u64>,
}

impl<'a> Worker<'a> {
    /// A thread that is to drive its share of the connections.
    pub(crate) fn new(
        setup: &'a Setup<'a>,
        published: &'a Published,
        share: Share,
        reports: Sender<WindowOfThread>,
    ) -> io::Result<Self> {
        let plan = setup.plan;
        let paths = setup.requests.paths();
        // What HEAD brings ends before the body.
        let is_compared = plan.expect.body.is_some() && plan.method != Method::Head;
        Ok(Self {
            setup,
            published,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            places: (0..share.connections).map(|_| Place::new(plan.method, plan.pipeline)).collect(),
            idle: Idle::new(share.idle_connections),
            witness: Witness::default(),
            heads: HeadReader::expecting(plan.expect.content_type.clone()),
            buffer: vec![0; LEAP],
            outgoing: Vec::new(),
            unfinished: Vec::new(),
            timers: Timers::default(),
            chance: seed::of_thread(plan.seed, Purpose::Samples, share.thread),
            chooser: Chooser::new(&plan.paths.order, paths, plan.seed, share.thread),
            pace: None,
            thread: share.thread,
            bodies: is_compared.then(|| Bodies::new(&setup.bodies, paths, &setup.room)),
            remaining: share.requests.unwrap_or(u64::MAX),
            under_way: 0,
            awaiting: 0,
            state: State::Opening,
            tally: Tally::new(&plan.expect, paths, setup.by_window),
            timeline: None,
            measure_from: u64::MAX,
            end: u64::MAX,
            next_tick: 0,
            next_timeout_check: 0,
            reports,
        })
    }

    /// Offers load until the setup's end, until its requests are used up, or until it is stopped.
    pub(crate) fn run(mut self) -> io::Result<WorkerRecord> {
        // Without a slack of its own a thread would sleep up to 50 us too long. If that is refused, the lag tells.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        self.open_all()?;
        let requests = (self.setup.plan.requests.is_some()).then_some(self.remaining);
        let mut now = self.begin();
        let mut events = Vec::with_capacity(BATCH);
        loop {
            if now >= self.next_tick {
                if now >= self.end || self.setup.is_stopped() {
                    break;
                }
                self.tick(now, requests);
            }
            if self.remaining == 0 && self.under_way == 0 {
                break;
            }
            now = self.turn(&mut events, self.next_wake())?;
            self.dispatch(now);
        }
        self.finish(now, requests, &mut events)
    }

    /// Waits for events until `wake` at the latest, and does what they ask for.
    pub(super) fn turn(&mut self, events: &mut Vec<epoll::Event>, wake: u64) -> io::Result<u64> {
        let timeout = timespec(wake.saturating_sub(self.setup.now()));
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        for event in events.drain(..) {
            self.handle(event);
        }
        for index in std::mem::take(&mut self.unfinished) {
            self.read(index);
        }
        let now = self.setup.now();
        self.look_at_places(now);
        Ok(now)
    }

    fn next_wake(&self) -> u64 {
        if !self.unfinished.is_empty() {
            return 0;
        }
        // From so long before a request of the open loop is due the thread only looks, and does not sleep.
        let dispatch = self.next_dispatch().saturating_sub(self.setup.vigil_ns);
        self.next_tick.min(self.timers.next()).min(dispatch)
    }

    // What time brings.

    /// Begins the load, at the same time as the other threads. Returns the time.
    fn begin(&mut self) -> u64 {
        let start = self.setup.start.get().copied().unwrap_or_else(|| self.setup.now());
        self.measure_from = start + self.setup.warmup_ns;
        self.end = self.measure_from + self.setup.duration_ns;
        let plan = self.setup.plan;
        self.state = State::Loading;
        if self.setup.plan.requests.is_some() && self.setup.warmup_ns > 0 {
            // What is sent before measuring does not count.
            self.remaining = u64::MAX;
        }
        if let Some(offered) = plan.load.offered() {
            let schedule = Schedule::new(
                offered,
                start,
                self.setup.warmup_ns,
                self.setup.duration_ns,
                plan.seed,
                self.thread,
                plan.threads,
            );
            let is_alone = plan.start_at_ms.is_none();
            self.pace = Some(Pace::new(if is_alone { schedule } else { schedule.among_others(plan.seed) }));
        }
        let now = self.setup.now();
        for index in 0..self.places.len() {
            match self.places[index].phase {
                Phase::Open | Phase::Vacant => self.go_on(index, self.setup.now()),
                Phase::Pausing | Phase::Connecting => {}
            }
        }
        now
    }

    /// Does what depends on time alone.
    fn tick(&mut self, now: u64, requests: Option<u64>) {
        if self.timeline.is_none() && now >= self.measure_from {
            self.timeline = Some(self.begin_measuring(now, requests));
        }
        if now >= self.next_timeout_check {
            self.give_up_the_late(now);
            self.witness.expire(now);
            self.next_timeout_check =
                now + (self.setup.timeout_ns / 20).clamp(TIMEOUT_CHECKS_NS.0, TIMEOUT_CHECKS_NS.1);
        }
        let mut next_edge = self.measure_from;
        if let Some(timeline) = &mut self.timeline {
            timeline.advance(now, &mut self.tally);
            next_edge = timeline.next_edge();
        }
        let is_idle = self.under_way == 0 && self.awaiting == 0;
        let next_due = self.pace.as_ref().map_or(0, Pace::due);
        self.published.publish(&self.tally, if is_idle { next_due } else { 0 });
        self.next_tick = (now + TICK_NS).min(next_edge).min(self.next_timeout_check).min(self.end);
    }

    /// Forgets the warm-up. Requests that are under way count from now on. Without a warm-up there is nothing to forget,
    /// and how the connections were opened belongs to what is told.
    fn begin_measuring(&mut self, now: u64, requests: Option<u64>) -> Timeline {
        if self.setup.warmup_ns > 0 {
            let Errors { surplus, refused, connect_timed_out, connect_other, .. } = self.tally.errors;
            self.tally = Tally::new(&self.setup.plan.expect, self.setup.requests.paths(), self.setup.by_window);
            // Who said something unasked will not say it again, and is not to be believed for that.
            self.tally.errors.surplus = surplus;
            if now < self.measure_from {
                // It was stopped before there was anything to measure: maybe nobody was there.
                self.tally.errors = Errors { surplus, refused, connect_timed_out, connect_other, ..Errors::default() };
            }
            self.tally.requests = self.under_way;
            for place in &mut self.places {
                place.served = 0;
                self.tally.opened += u64::from(place.phase == Phase::Open);
            }
            self.remaining = requests.map_or(u64::MAX, |requests| requests.saturating_sub(self.under_way));
        }
        Timeline::new(now, self.measure_from, self.setup.interval_ns, self.reports.clone())
    }

    /// How long measuring has lasted.
    pub(super) fn measured(&self, now: u64) -> u64 {
        now.saturating_sub(self.measure_from)
    }

    /// Gives up what takes longer than the plan allows.
    pub(super) fn give_up_the_late(&mut self, now: u64) {
        for index in 0..self.places.len() {
            let place = &self.places[index];
            let is_late = |since: u64| now.saturating_sub(since) >= self.setup.timeout_ns;
            match place.phase {
                Phase::Connecting if is_late(place.since) => self.fail(index, Failure::ConnectTimedOut, now),
                Phase::Open if place.under_way.front().is_some_and(|request| is_late(request.sent)) => {
                    self.fail(index, Failure::TimedOut, now);
                }
                _ => {}
            }
        }
    }

    /// Takes a sample of the responses whose bytes are to be compared.
    #[inline]
    pub(super) fn is_in_sample(&mut self) -> bool {
        let share = self.setup.plan.expect.body_share;
        self.bodies.is_some() && (share >= 1.0 || self.chance.f64() < share)
    }

    fn finish(mut self, now: u64, requests: Option<u64>, events: &mut Vec<epoll::Event>) -> io::Result<WorkerRecord> {
        let mut timeline = match self.timeline.take() {
            Some(timeline) => timeline,
            None => self.begin_measuring(now, requests),
        };
        let cpu = timeline.finish(&mut self.tally);
        let mut in_flight = Histogram::new();
        for request in self.places.iter().flat_map(|place| &place.under_way) {
            in_flight.record(now.saturating_sub(request.due));
        }
        self.give_back_the_awaited();
        let unsent = self.pace.as_mut().map(|pace| pace.unsent(now, self.remaining)).unwrap_or_default();
        let served = self.places.iter().map(|place| place.served).collect();
        let surplus_before = self.tally.errors.surplus;
        self.look_at_the_aftermath(now, events)?;
        if let Some(last) = timeline.windows.last_mut() {
            last.errors += self.tally.errors.surplus - surplus_before;
        }
        self.published.publish(&self.tally, 0);
        Ok(WorkerRecord {
            tally: self.tally,
            in_flight,
            unsent,
            served,
            idle: self.idle.counts(),
            windows: timeline.windows,
            rates: timeline.rates,
            measured_from: timeline.begin,
            measured_to: now,
            cpu,
        })
    }

    /// Looks whether more responses come than were asked for. The requests under way are counted as such already, however
    /// they end.
    fn look_at_the_aftermath(&mut self, now: u64, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        self.state = State::Over;
        let deadline = now + AFTERMATH_NS.min(self.setup.timeout_ns);
        let mut now = now;
        while self.under_way > 0 && now < deadline && !self.setup.is_stopped() {
            now = self.turn(events, deadline)?;
        }
        let moment = now + MOMENT_NS;
        while now < moment {
            now = self.turn(events, moment)?;
        }
        Ok(())
    }
}

fn timespec(nanoseconds: u64) -> Timespec {
    Timespec { tv_sec: (nanoseconds / 1_000_000_000) as _, tv_nsec: (nanoseconds % 1_000_000_000) as _ }
}
