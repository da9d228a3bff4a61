//! What a run is going to do: every measurement, their order in each round, and how long it will take.

use std::num::NonZeroU32;
use std::time::Duration;

use reports::record::{self, Varies};

use crate::ceiling;
use crate::duration::Span;
use crate::experiment::{Experiment, Part};
use crate::measurement::Measurement;
use crate::servers::{Server, Servers, UnknownServer};
use crate::staleness;
use crate::suite::{Configuration, Load, Schedule, Workload};
use crate::system_calls;

/// What each round takes to write its provisional report.
const PER_ROUND: Duration = Duration::from_millis(500);

/// What the command line changes.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The servers that take part, by name, in this order.
    pub only: Option<Vec<String>>,
    /// Rounds.
    pub rounds: Option<NonZeroU32>,
    /// Measured time of a measurement in a round.
    pub duration: Option<Span>,
    /// Open connections.
    pub connections: Option<NonZeroU32>,
}

/// One question of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name of the suite that asks it.
    pub suite: String,
    /// The question.
    pub question: String,
    /// What changes from measurement to measurement beside the server.
    pub varies: Varies,
}

/// What a run is going to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The experiment's name.
    pub name: String,
    /// Its question.
    pub question: String,
    /// The questions of its suites.
    pub questions: Vec<Question>,
    /// Passes over all measurements.
    pub rounds: NonZeroU32,
    /// How long the run may take, repeats of noisy turns included.
    pub budget: Duration,
    /// Whether it must not take longer even if its planned rounds do; else it is only repeats that the budget limits.
    pub is_limited: bool,
    /// The seed of the orders and of each round's arrivals, paths and samples.
    pub seed: u64,
    /// Every measurement, in the order of the suites.
    pub measurements: Vec<Measurement>,
    /// Servers that are named and that are not installed here, each with the program that is missing.
    pub missing: Vec<(String, String)>,
    /// Servers that cannot do what a suite asks of them, a sentence each.
    pub left_out: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A server that nobody knows.
    #[error(transparent)]
    UnknownServer(#[from] UnknownServer),
    /// Every server is missing, or no configuration is for any of them.
    #[error("there is nothing to measure: {reason}")]
    Nothing {
        /// Why.
        reason: String,
    },
    /// More threads than connections.
    #[error("{threads} client threads cannot share {connections} connections; name at least one for each")]
    TooFewConnections {
        /// The suite's threads.
        threads: NonZeroU32,
        /// The connections.
        connections: NonZeroU32,
    },
}

impl Plan {
    /// Puts an experiment, its servers and the command line together.
    ///
    /// # Errors
    /// [`PlanError`] when they do not fit or nothing is left to do.
    pub fn new(experiment: &Experiment, servers: &Servers, changes: &Changes, seed: u64) -> Result<Self, PlanError> {
        let mut plan = Self {
            name: experiment.name.clone(),
            question: experiment.question.clone(),
            questions: Vec::new(),
            rounds: changes.rounds.unwrap_or(experiment.rounds),
            budget: Duration::ZERO,
            is_limited: false,
            seed,
            measurements: Vec::new(),
            missing: Vec::new(),
            left_out: Vec::new(),
        };
        let mut patience = Duration::ZERO;
        for part in &experiment.parts {
            plan.add(part, servers, changes)?;
            patience += part.suite.schedule(part.form).patience.0;
        }
        if plan.measurements.is_empty() {
            let reason = match (plan.missing.first(), plan.left_out.first()) {
                (Some((name, program)), _) => format!("{name} needs {program}, which is not installed"),
                (None, Some(sentence)) => sentence.clone(),
                (None, None) => "no configuration of the suite is for any of the chosen servers".to_owned(),
            };
            return Err(PlanError::Nothing { reason });
        }
        // What the command line lengthens is given its time.
        let needed = plan.total_time();
        let limit = experiment.budget.filter(|budget| *budget >= needed);
        plan.is_limited = limit.is_some();
        plan.budget = limit.unwrap_or(needed + patience);
        Ok(plan)
    }

    /// Adds the measurements of one suite.
    fn add(&mut self, part: &Part, servers: &Servers, changes: &Changes) -> Result<(), PlanError> {
        let suite = &part.suite;
        let schedule = suite.schedule(part.form);
        let mut base = suite.workload.clone();
        base.connections = changes.connections.unwrap_or(base.connections);
        let of_suite = schedule.servers.as_ref().unwrap_or(&suite.servers);
        // Whoever brings servers wants to see them beside those of the suite.
        let added = servers.added().map(|server| &server.name).filter(|_| changes.only.is_none());
        let mut chosen: Vec<&Server> = Vec::new();
        for name in changes.only.as_ref().unwrap_or(of_suite).iter().chain(added) {
            let server = servers.named(name)?;
            // A question about interpreters is none for any other server.
            let is_asked = suite.varies != Varies::Interpreter || suite.servers.contains(name);
            if is_asked && !chosen.iter().any(|other| other.name == server.name) {
                chosen.push(server);
            }
        }
        let first = self.measurements.len();
        let loads = schedule.loads.as_ref().unwrap_or(&suite.loads);
        let alone = [Load::default()];
        for load in if loads.is_empty() { &alone[..] } else { &loads[..] } {
            let workload = base.with(load);
            if workload.threads > workload.connections {
                let (threads, connections) = (workload.threads, workload.connections);
                return Err(PlanError::TooFewConnections { threads, connections });
            }
            for server in
                chosen.iter().filter(|server| load.only.as_ref().is_none_or(|only| only.contains(&server.name)))
            {
                match server.is_missing() {
                    Some(program) => self.miss(&server.name, &program),
                    None => self.add_configurations(part, schedule, changes, server, &workload),
                }
            }
        }
        // Without its access log where it can be, because that is how most of the rows are measured.
        let twins = |one: &&(usize, &Measurement)| Some(&one.1.server.name) == suite.twin.as_ref();
        let candidates = || self.measurements.iter().enumerate().skip(first);
        let twin = candidates().filter(|one| twins(&one)).min_by_key(|(_, one)| one.access_log).map(|(place, _)| place);
        if let Some(place) = twin {
            let twin = Measurement { is_twin: true, ..self.measurements[place].clone() };
            self.measurements.insert(place + 1, twin);
        }
        if self.measurements.len() > first {
            self.questions.push(Question {
                suite: suite.name.clone(),
                question: suite.question.clone(),
                varies: suite.varies,
            });
        }
        Ok(())
    }

    /// The configurations of one server under one workload. What differs only in something that the server cannot choose
    /// is one configuration: a server without workers is not measured once for each number of them.
    fn add_configurations(
        &mut self,
        part: &Part,
        schedule: &Schedule,
        changes: &Changes,
        server: &Server,
        workload: &Workload,
    ) {
        let suite = &part.suite;
        for configuration in &suite.configurations {
            if !configuration.is_for(&server.name) {
                continue;
            }
            let mut flags = configuration.flags.clone();
            if let Some(delay) = workload.delay {
                flags.extend(["--delay".to_owned(), format!("{}ms", delay.0.as_millis())]);
            }
            if !flags.is_empty() && !server.mentions("flags") {
                self.leave_out(format!(
                    "{} is left out of {}: the suite starts it with {}, and its command has no {{flags}} for that.",
                    server.name,
                    suite.name,
                    flags.join(" "),
                ));
                continue;
            }
            let access_log = if server.can_choose_log() { configuration.access_log } else { server.always_logs };
            for workers in workers_of(server, configuration, schedule) {
                let measurement = Measurement {
                    part: suite.name.clone(),
                    server: server.clone(),
                    workers,
                    access_log,
                    flags: flags.clone(),
                    workload: workload.clone(),
                    duration: changes.duration.unwrap_or(schedule.duration).0,
                    warm_up: schedule.warm_up.0,
                    is_twin: false,
                };
                let is_new = !self.measurements.iter().any(|other| other.same_as(&measurement));
                if is_new {
                    self.measurements.push(measurement);
                }
            }
        }
    }

    fn miss(&mut self, name: &str, program: &str) {
        let missing = (name.to_owned(), program.to_owned());
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    fn leave_out(&mut self, sentence: String) {
        if !self.left_out.contains(&sentence) {
            self.left_out.push(sentence);
        }
    }

    /// The names of the servers that are measured or missing.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let measured = self.measurements.iter().map(|one| one.server.name.as_str());
        measured.chain(self.missing.iter().map(|(name, _)| name.as_str())).collect()
    }

    /// The order of the measurements in a round, counted from 0: random, and the same again for the same seed.
    #[must_use]
    pub fn order(&self, round: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.measurements.len()).collect();
        // Each round has a generator of its own, so that a resumed or shortened run keeps the orders of the whole one.
        let seed = self.seed.wrapping_add(u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        fastrand::Rng::with_seed(seed).shuffle(&mut order);
        order
    }

    /// The measurements, by their place, whose servers show what a request costs in system calls: the first of those for
    /// which that is the same.
    #[must_use]
    pub fn counted(&self) -> Vec<usize> {
        let mut counted: Vec<usize> = Vec::new();
        for (place, one) in self.measurements.iter().enumerate() {
            let is_known = counted.iter().any(|known| self.measurements[*known].same_calls_as(one));
            if one.shows_system_calls() && !is_known {
                counted.push(place);
            }
        }
        counted
    }

    /// How long the counting of system calls takes.
    #[must_use]
    pub fn counting_time(&self) -> Duration {
        system_calls::USUAL_TIME * u32::try_from(self.counted().len()).unwrap_or(u32::MAX)
    }

    /// How many configurations of servers are looked at once for whether they notice that a document has changed.
    #[must_use]
    pub fn probed(&self) -> usize {
        let may_be = |one: &Measurement| one.server.running.is_none() && !one.server.preloads;
        let is_new = |place: usize, one: &Measurement| {
            !self.measurements[..place].iter().any(|other| other.same_configuration_as(one))
        };
        self.measurements.iter().enumerate().filter(|(place, one)| may_be(one) && is_new(*place, one)).count()
    }

    /// How long the run takes without repeats: the generator's ceiling, all rounds, one look at each configuration for whether
    /// it notices that a document has changed, and the counting of system calls.
    #[must_use]
    pub fn total_time(&self) -> Duration {
        let round: Duration = self.measurements.iter().map(Measurement::time).sum();
        let probing = staleness::USUAL_TIME * u32::try_from(self.probed()).unwrap_or(u32::MAX);
        ceiling::TIME + (round + PER_ROUND) * self.rounds.get() + probing + self.counting_time()
    }

    /// The time for repeats, if the planned rounds take what they should.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.budget.saturating_sub(self.total_time())
    }
}

impl Question {
    /// The question as a run's record has it.
    #[must_use]
    pub fn to_record(&self) -> record::Part {
        record::Part { suite: self.suite.clone(), question: self.question.clone(), varies: self.varies }
    }
}

/// The worker counts of a configuration that the schedule takes; none for a server that has no number to choose.
fn workers_of(server: &Server, configuration: &Configuration, schedule: &Schedule) -> Vec<Option<NonZeroU32>> {
    if !server.has_workers {
        return vec![None];
    }
    let is_taken = |workers: &NonZeroU32| schedule.workers.as_ref().is_none_or(|taken| taken.contains(workers));
    configuration.workers.iter().copied().filter(is_taken).map(Some).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    use crate::measurement::{PER_CONNECTION, PER_MEASUREMENT};
    use crate::suite::Suite;

    fn project() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    fn servers() -> Servers {
        Servers::read(&project().join("bench/servers.toml"), project()).unwrap()
    }

    fn suite(name: &str) -> Experiment {
        Experiment::of_suite(Suite::read(&project().join(format!("bench/suites/{name}.toml"))).unwrap(), false)
    }

    fn experiment(name: &str, quick: bool) -> Experiment {
        let path = project().join(format!("bench/experiments/{name}.toml"));
        Experiment::read(&path, &project().join("bench/suites"), quick).unwrap()
    }

    /// The plan of the first benchmark's suite with our models, which need nothing that may be missing.
    fn plan(changes: &Changes, seed: u64) -> Plan {
        let ours = only(&["thread-per-connection", "thread-pool", "epoll", "async"]).only;
        let changes = Changes { only: changes.only.clone().or(ours), ..changes.clone() };
        let mut experiment = suite("wrk");
        experiment.parts[0].suite.twin = None;
        Plan::new(&experiment, &servers(), &changes, seed).unwrap()
    }

    fn name(measurement: &Measurement) -> String {
        format!("{}: {}", measurement.server.name, measurement.configuration())
    }

    fn only(names: &[&str]) -> Changes {
        Changes { only: Some(names.iter().map(|&name| name.to_owned()).collect()), ..Changes::default() }
    }

    #[test]
    fn the_table_of_the_first_benchmark_has_seventeen_rows() {
        let plan = plan(&Changes::default(), 1);
        let names: Vec<String> = plan.measurements.iter().map(name).collect();
        assert_eq!(names.len(), 17);
        assert_eq!(names[..2], ["thread-per-connection: log", "thread-per-connection: quiet"]);
        let workers =
            ["1 worker, log", "1 worker, quiet", "4 workers, quiet", "10 workers, quiet", "50 workers, quiet"];
        assert_eq!(names[7..12], workers.map(|workers| format!("epoll: {workers}")));
    }

    #[test]
    fn the_whole_experiment_keeps_within_its_budget_with_every_server_installed() {
        let mut all = servers();
        all.pretend_installed();
        let whole = Plan::new(&experiment("all", false), &all, &Changes::default(), 1).unwrap();
        // Two minutes at least are left for what is too noisy at first.
        assert!(whole.budget == Duration::from_secs(25 * 60), "{:?}", whole.total_time());
        assert!(whole.total_time() + Duration::from_secs(120) < whole.budget, "{:?}", whole.total_time());
        let quick = Plan::new(&experiment("all", true), &all, &Changes::default(), 1).unwrap();
        assert!(quick.total_time() < Duration::from_secs(240), "{:?}", quick.total_time());
        let full = Plan::new(&experiment("full", false), &all, &Changes::default(), 1).unwrap();
        assert!(full.total_time() < Duration::from_secs(24 * 60 * 60), "{:?}", full.total_time());
    }

    #[test]
    fn a_share_of_a_capacity_is_given_the_time_to_measure_it() {
        let plan = Plan::new(&suite("latency"), &servers(), &only(&["epoll"]), 1).unwrap();
        let time = |offered: &str| {
            let is_so = |one: &&Measurement| one.workload.offered == Some(offered.parse().unwrap());
            plan.measurements.iter().find(is_so).unwrap().time()
        };
        // A third of 5 s and a second of warm-up.
        assert_eq!(time("50%"), time("10k") + Duration::from_secs(5) / 3 + Duration::from_secs(1));
        let total: Duration = plan.measurements.iter().map(Measurement::time).sum();
        assert!(plan.total_time() > total * plan.rounds.get());
        let changes = Changes { duration: Some(Span(Duration::from_millis(300))), ..only(&["epoll"]) };
        let short = Plan::new(&suite("latency"), &servers(), &changes, 1).unwrap();
        assert!(short.measurements.iter().any(|one| one.capacity_duration() == Some(Duration::from_millis(500))));
    }

    #[test]
    fn every_configuration_is_given_the_time_to_see_whether_it_notices_changes() {
        let plan = plan(&Changes::default(), 1);
        assert_eq!(plan.probed(), 17);
        let more = Plan::new(&suite("latency"), &servers(), &only(&["epoll", "limit"]), 1).unwrap();
        assert_eq!(more.probed(), 1, "one configuration under many loads, and a server that preloads its answer");
    }

    #[test]
    fn a_twin_is_the_same_measurement_again() {
        let plan = Plan::new(&suite("wrk"), &servers(), &only(&["async", "epoll"]), 1).unwrap();
        let twins: Vec<usize> =
            (0..plan.measurements.len()).filter(|&place| plan.measurements[place].is_twin).collect();
        assert_eq!(twins.len(), 1);
        let (twin, first) = (&plan.measurements[twins[0]], &plan.measurements[twins[0] - 1]);
        assert!(twin.same_as(first) && !first.is_twin && name(first) == "epoll: 1 worker, quiet");
    }

    #[test]
    fn every_round_has_every_measurement_once_in_an_order_of_its_own() {
        let one = plan(&Changes::default(), 1);
        let orders: Vec<Vec<usize>> = (0..3).map(|round| one.order(round)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..17).collect::<Vec<usize>>());
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2]);
        assert_eq!(orders[1], plan(&Changes::default(), 1).order(1));
        assert_ne!(orders[0], plan(&Changes::default(), 2).order(0));
    }

    #[test]
    fn the_command_line_changes_the_plan() {
        let changes = Changes {
            rounds: NonZeroU32::new(5),
            duration: Some(Span(Duration::from_secs(1))),
            connections: NonZeroU32::new(7),
            ..only(&["async", "epoll", "async"])
        };
        let plan = plan(&changes, 1);
        assert_eq!(plan.measurements.len(), 10);
        assert_eq!(plan.measurements[0].server.name, "async");
        assert_eq!((plan.rounds.get(), plan.measurements[0].workload.connections.get()), (5, 7));
        assert_eq!(plan.measurements[0].time(), Duration::from_millis(1500) + PER_MEASUREMENT + PER_CONNECTION * 7);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let error = Plan::new(&suite("wrk"), &servers(), &only(&["epol"]), 1).unwrap_err().to_string();
        assert!(error.contains("\"epol\"") && error.contains("epoll, async"), "{error}");

        let mut installed = servers();
        installed.pretend_installed();
        let error = Plan::new(&suite("wait"), &installed, &only(&["lighttpd"]), 1).unwrap_err().to_string();
        assert!(error.contains("lighttpd is left out of wait") && error.contains("--delay 10ms"), "{error}");
        let both = Plan::new(&suite("wait"), &installed, &only(&["lighttpd", "epoll"]), 1).unwrap();
        assert!(
            both.left_out[0].contains("lighttpd") && both.measurements.iter().all(|one| one.server.name == "epoll")
        );

        let mut others = suite("wrk");
        for configuration in &mut others.parts[0].suite.configurations {
            configuration.only = Some(vec!["nginx".to_owned()]);
        }
        let error = Plan::new(&others, &servers(), &only(&["epoll"]), 1).unwrap_err().to_string();
        assert!(error.contains("nothing to measure"), "{error}");

        let mut threads = suite("wrk");
        threads.parts[0].suite.workload.threads = NonZeroU32::new(4).unwrap();
        let few = Changes { connections: NonZeroU32::new(3), ..Changes::default() };
        let error = Plan::new(&threads, &servers(), &few, 1).unwrap_err().to_string();
        assert!(error.contains("4 client threads") && error.contains("3 connections"), "{error}");
    }

    #[test]
    fn a_server_that_cannot_choose_is_measured_once() {
        let mut installed = servers();
        installed.pretend_installed();
        let plan = Plan::new(&suite("workers"), &installed, &only(&["lighttpd"]), 1).unwrap();
        assert_eq!(plan.measurements.iter().map(name).collect::<Vec<_>>(), ["lighttpd: quiet"]);
    }

    #[test]
    fn every_suite_that_ships_has_a_plan() {
        let mut installed = servers();
        installed.pretend_installed();
        for path in crate::suite::all(&project().join("bench/suites")) {
            for quick in [false, true] {
                let experiment = Experiment::of_suite(Suite::read(&path).unwrap(), quick);
                let plan = Plan::new(&experiment, &installed, &Changes::default(), 1).unwrap();
                assert!(plan.left_out.is_empty(), "{:?}", plan.left_out);
                assert!(plan.budget >= plan.total_time() && plan.measurements.len() > 1, "{}", path.display());
            }
        }
    }
}
