//! What a run is going to do: every measurement, their order in each round, and how long it will take.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use reports::words;

use crate::ceiling;
use crate::duration::Span;
use crate::servers::{Server, Servers, UnknownServer};
use crate::suite::{Configuration, Schedule, Suite};

/// What each measurement takes beyond its load: starting the server, checking it, and stopping it.
const PER_MEASUREMENT: Duration = Duration::from_millis(60);
/// What each round takes to write its provisional report.
const PER_ROUND: Duration = Duration::from_millis(300);

/// What the command line changes about a suite.
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
    /// Whether the suite's miniature is to be run.
    pub quick: bool,
}

/// A server in one configuration.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// The server.
    pub server: Server,
    /// Its number of workers, if it has one.
    pub workers: Option<NonZeroU32>,
    /// Whether it writes an access log.
    pub access_log: bool,
    /// The suite's flags for it.
    pub flags: Vec<String>,
}

/// What a run is going to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The suite with its workload, as the command line changed it.
    pub suite: Suite,
    /// How often and how long.
    pub schedule: Schedule,
    /// The seed of the orders.
    pub seed: u64,
    /// Every measurement, in the suite's order.
    pub measurements: Vec<Measurement>,
    /// Servers that the suite names and that are not installed here, each with the program that is missing.
    pub missing: Vec<(String, String)>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A server that nobody knows.
    #[error(transparent)]
    UnknownServer(#[from] UnknownServer),
    /// Flags for a server that takes none.
    #[error(
        "the suite starts {server} with the flags \"{flags}\", but its command has no {{flags}}; add it, or say only = [...] in the suite"
    )]
    NoFlags {
        /// The server.
        server: String,
        /// The flags.
        flags: String,
    },
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
    /// Puts a suite, its servers and the command line together.
    ///
    /// # Errors
    /// [`PlanError`] when they do not fit or nothing is left to do.
    pub fn new(mut suite: Suite, servers: &Servers, changes: &Changes, seed: u64) -> Result<Self, PlanError> {
        let mut schedule = if changes.quick { suite.quick } else { suite.schedule };
        schedule.rounds = changes.rounds.unwrap_or(schedule.rounds);
        schedule.duration = changes.duration.unwrap_or(schedule.duration);
        let workload = &mut suite.workload;
        workload.connections = changes.connections.unwrap_or(workload.connections);
        if workload.threads > workload.connections {
            let (threads, connections) = (workload.threads, workload.connections);
            return Err(PlanError::TooFewConnections { threads, connections });
        }

        let mut missing = Vec::new();
        let mut measurements = Vec::new();
        let mut named = BTreeSet::new();
        for name in changes.only.as_ref().unwrap_or(&suite.servers) {
            let server = servers.named(name)?;
            if !named.insert(name) {
                continue;
            }
            match server.is_missing() {
                Some(program) => missing.push((name.clone(), program.to_owned())),
                None => measurements.extend(measurements_of(server, &suite.configurations)?),
            }
        }
        if measurements.is_empty() {
            let reason = match missing.first() {
                Some((name, program)) => format!("{name} needs {program}, which is not installed"),
                None => "no configuration of the suite is for any of the chosen servers".to_owned(),
            };
            return Err(PlanError::Nothing { reason });
        }
        Ok(Self { suite, schedule, seed, measurements, missing })
    }

    /// The order of the measurements in a round, counted from 0: random, and the same again for the same seed.
    #[must_use]
    pub fn order(&self, round: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.measurements.len()).collect();
        // Each round has a generator of its own, so that a resumed or shortened run keeps the orders of the whole one.
        let mut random =
            fastrand::Rng::with_seed(self.seed.wrapping_add(u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        random.shuffle(&mut order);
        order
    }

    /// How long one measurement of one round takes.
    #[must_use]
    pub fn time_per_measurement(&self) -> Duration {
        self.schedule.warm_up.0 + self.schedule.duration.0 + PER_MEASUREMENT
    }

    /// How long the run takes: the generator's ceiling, then all rounds.
    #[must_use]
    pub fn total_time(&self) -> Duration {
        let measurements = u32::try_from(self.measurements.len()).unwrap_or(u32::MAX);
        ceiling::TIME + (self.time_per_measurement() * measurements + PER_ROUND) * self.schedule.rounds.get()
    }
}

impl Measurement {
    /// What distinguishes it from the server's other measurements, for a reader: `4 workers, log`.
    #[must_use]
    pub fn configuration(&self) -> String {
        let workers = self.workers.map(|workers| words::plural(u64::from(workers.get()), "worker"));
        let flags = (!self.flags.is_empty()).then(|| self.flags.join(" "));
        let log = if self.access_log { "log" } else { "quiet" };
        workers.into_iter().chain(flags).chain([log.to_owned()]).collect::<Vec<_>>().join(", ")
    }

    fn same_as(&self, other: &Self) -> bool {
        self.workers == other.workers && self.access_log == other.access_log && self.flags == other.flags
    }
}

/// The configurations of one server. What differs only in something that the server cannot choose is one configuration:
/// a server without workers is not measured once for each number of them.
fn measurements_of(server: &Server, configurations: &[Configuration]) -> Result<Vec<Measurement>, PlanError> {
    let mut measurements: Vec<Measurement> = Vec::new();
    for configuration in configurations {
        if configuration.only.as_ref().is_some_and(|only| !only.contains(&server.name)) {
            continue;
        }
        if !configuration.flags.is_empty() && !server.mentions("flags") {
            return Err(PlanError::NoFlags { server: server.name.clone(), flags: configuration.flags.join(" ") });
        }
        let access_log = if server.can_choose_log() { configuration.access_log } else { server.always_logs };
        let workers: Vec<Option<NonZeroU32>> =
            if server.has_workers { configuration.workers.iter().copied().map(Some).collect() } else { vec![None] };
        for workers in workers {
            let measurement =
                Measurement { server: server.clone(), workers, access_log, flags: configuration.flags.clone() };
            if !measurements.iter().any(|other| other.same_as(&measurement)) {
                measurements.push(measurement);
            }
        }
    }
    Ok(measurements)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    fn shipped() -> (Suite, Servers) {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let suite = Suite::read(&project.join("bench/suites/wrk.toml")).unwrap();
        (suite, Servers::read(&project.join("bench/servers.toml"), project).unwrap())
    }

    fn plan(changes: &Changes, seed: u64) -> Plan {
        let (suite, servers) = shipped();
        Plan::new(suite, &servers, changes, seed).unwrap()
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
    fn the_whole_run_and_its_miniature_keep_within_their_time() {
        let whole = plan(&Changes::default(), 1).total_time();
        assert!(whole > Duration::from_secs(17 * 30) && whole < Duration::from_secs(12 * 60), "{whole:?}");
        let quick = plan(&Changes { quick: true, ..Changes::default() }, 1).total_time();
        assert!(quick < Duration::from_secs(150), "{quick:?}");
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
        assert_eq!((plan.schedule.rounds.get(), plan.suite.workload.connections.get()), (5, 7));
        assert_eq!(plan.time_per_measurement(), Duration::from_secs(2) + PER_MEASUREMENT);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let (suite, servers) = shipped();
        let error = Plan::new(suite.clone(), &servers, &only(&["epol"]), 1).unwrap_err().to_string();
        assert!(error.contains("\"epol\"") && error.contains("epoll, async"), "{error}");

        let mut flagged = suite.clone();
        flagged.configurations[0].flags = vec!["--delay".to_owned(), "10ms".to_owned()];
        let mut lighttpd = servers.named("lighttpd").unwrap().clone();
        lighttpd.requires = None;
        let error = measurements_of(&lighttpd, &flagged.configurations).unwrap_err().to_string();
        assert!(error.contains("lighttpd") && error.contains("--delay 10ms"), "{error}");

        let mut others = suite.clone();
        for configuration in &mut others.configurations {
            configuration.only = Some(vec!["nginx".to_owned()]);
        }
        let error = Plan::new(others, &servers, &only(&["epoll"]), 1).unwrap_err().to_string();
        assert!(error.contains("nothing to measure"), "{error}");

        let mut threads = suite;
        threads.workload.threads = NonZeroU32::new(4).unwrap();
        let few = Changes { connections: NonZeroU32::new(3), ..Changes::default() };
        let error = Plan::new(threads, &servers, &few, 1).unwrap_err().to_string();
        assert!(error.contains("4 client threads") && error.contains("3 connections"), "{error}");
    }

    #[test]
    fn a_server_that_cannot_choose_is_measured_once() {
        let (suite, servers) = shipped();
        let mut lighttpd = servers.named("lighttpd").unwrap().clone();
        lighttpd.requires = None;
        let measurements = measurements_of(&lighttpd, &suite.configurations).unwrap();
        assert_eq!(measurements.iter().map(name).collect::<Vec<_>>(), ["lighttpd: quiet"]);
    }
}
