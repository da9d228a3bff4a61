//! Runs as the bench might have stored them, built in code.

use std::collections::BTreeMap;
use std::path::PathBuf;

use loadgen::{Connections, Histogram, Outcome, Plan, ThreadRecord, Window};
use reports::environment::{Commit, GeneratorCeiling, Limits};
use reports::record::{
    Arrival, Configuration, CorrectnessCheck, FORMAT, LogSink, Measurement, Part, Placement, Round, Run, Server,
    ServerKind, Varies, Workload,
};
use reports::sample::{SamplePoint, ServerSample};
use reports::{Environment, Failure, Store, Timestamp};

/// Connections of every measurement here.
pub(crate) const CONNECTIONS: u32 = 100;

/// Windows of every round here: 1 s in pieces of 200 ms.
pub(crate) const WINDOWS: u64 = 5;

/// The length of one of them, in nanoseconds.
pub(crate) const WINDOW_NS: u64 = 200_000_000;

/// The length of the file that everything here asks for.
pub(crate) const LENGTH: u64 = 612;

/// Where a small stored run lies: 32 measurements of five questions out of a real one, their histograms thinned out.
pub(crate) fn small_run_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/small-run")
}

/// That run.
pub(crate) fn small_run() -> Run {
    Store::open(&small_run_folder()).unwrap().load().unwrap()
}

/// The suite with which the models are compared: 17 measurements in three rounds, all of them in order.
pub(crate) fn whole_run() -> Run {
    run(plan(), 3)
}

/// A finished run of these measurements, each with so many rounds.
pub(crate) fn run(measurements: Vec<Measurement>, rounds: u32) -> Run {
    let mut run = Run {
        format: FORMAT,
        id: "20260301T123005Z-wrk".to_owned(),
        suite: "wrk".to_owned(),
        question: "How should a server share its CPUs among 100 connections?".to_owned(),
        started_at: Timestamp::from_unix_milliseconds(1_772_368_205_250),
        finished_at: Some(Timestamp::from_unix_milliseconds(1_772_368_805_250)),
        command: ["cargo", "bench-all", "--seed", "42"].map(str::to_owned).to_vec(),
        seed: 42,
        rounds_planned: rounds,
        budget_seconds: 600.0,
        environment: environment(),
        noise_before: None,
        parts: vec![part("wrk")],
        missing: vec![],
        measurements,
    };
    for (place, measurement) in run.measurements.iter_mut().enumerate() {
        for index in 0..rounds {
            let rate = plausible_rate(measurement) * drift(place, index);
            measurement.rounds.push(round(index, rate));
        }
    }
    run
}

/// A question about workers.
pub(crate) fn part(suite: &str) -> Part {
    let question = "How should a server share its CPUs among 100 connections?".to_owned();
    Part { suite: suite.to_owned(), question, varies: Varies::Workers }
}

/// The 17 measurements of the plan, without a round.
pub(crate) fn plan() -> Vec<Measurement> {
    let mut plan = Vec::new();
    for (name, model) in [
        ("thread-per-connection", "a thread for each connection"),
        ("thread-pool", "a pool of blocking workers"),
        ("epoll", "an event loop for each worker"),
        ("async", "tasks on tokio's workers"),
    ] {
        let workers: &[(Option<u32>, bool)] = if name == "thread-per-connection" {
            &[(None, true), (None, false)]
        } else {
            &[(Some(1), true), (Some(1), false), (Some(4), false), (Some(10), false), (Some(50), false)]
        };
        plan.extend(workers.iter().map(|(workers, log)| measurement(name, model, *workers, *log)));
    }
    plan
}

/// One measurement without a round.
pub(crate) fn measurement(name: &str, model: &str, workers: Option<u32>, access_log: bool) -> Measurement {
    let mut command = vec![format!("target/release/{name}"), "--root".to_owned(), "www".to_owned()];
    command.extend(workers.iter().flat_map(|workers| ["--workers".to_owned(), workers.to_string()]));
    command.extend((!access_log).then(|| "--quiet".to_owned()));
    command.push("{port}".to_owned());
    Measurement {
        part: "wrk".to_owned(),
        server: Server { name: name.to_owned(), model: model.to_owned(), kind: ServerKind::Ours, preloads: false },
        configuration: Configuration { workers, flags: vec![], command, access_log, log_sink: LogSink::File },
        workload: Workload {
            connections: CONNECTIONS,
            threads: 1,
            duration_seconds: 1.0,
            warm_up_seconds: 0.5,
            timeout_seconds: 2.0,
            arrival: Arrival::Closed,
            keep_alive: true,
            pipeline: 1,
            idle_connections: 0,
            delay_seconds: None,
            company: None,
            path: "/".to_owned(),
            mix: None,
            cold_files: false,
            headers: vec![],
            expected_status: 200,
            expected_length: Some(LENGTH),
        },
        placement: Placement { server_cpus: vec![0], client_cpus: vec![1] },
        is_twin: false,
        configuration_hash: format!("{name}-{workers:?}-{access_log}"),
        workload_hash: "wrk".to_owned(),
        rounds: vec![],
        system_calls: None,
        freshness: None,
    }
}

/// A round in which all went well, at so many responses per second.
pub(crate) fn round(index: u32, rate: f64) -> Round {
    let outcome = outcome(rate);
    Round {
        index,
        position: index,
        started_at: Timestamp::from_unix_milliseconds(1_772_368_205_250 + u64::from(index) * 60_000),
        check: Some(check(200, &[])),
        offered_rate: None,
        capacity: None,
        server: Some(sample(&outcome)),
        outcome: Some(outcome),
        others: None,
        opponent_cpu_seconds: None,
        opponent_generator: None,
        failure: None,
    }
}

/// What the check before the measuring saw.
pub(crate) fn check(status: u16, problems: &[&str]) -> CorrectnessCheck {
    CorrectnessCheck {
        requests: 3,
        status: Some(status),
        length: Some(LENGTH),
        problems: problems.iter().map(|problem| (*problem).to_owned()).collect(),
    }
}

/// What the load generator sees when a server answers so many requests per second, all of them well, for one second.
pub(crate) fn outcome(rate: f64) -> Outcome {
    let per_window = (rate / WINDOWS as f64).round() as u64;
    let responses = per_window * WINDOWS;
    let mut latency = Histogram::new();
    // In a closed loop the mean latency is connections over throughput; some are quicker, few are slow.
    let mean = f64::from(CONNECTIONS) / rate.max(1.0) * 1e9;
    for place in 0..responses {
        let share = match place % 1_000 {
            0..900 => 0.9 + 0.2 * (place % 100) as f64 / 100.0,
            900..999 => 1.0,
            _ => 4.0,
        };
        latency.record((mean * share) as u64);
    }
    let mut in_flight = Histogram::new();
    (0..CONNECTIONS).for_each(|_| in_flight.record(mean as u64 / 2));
    let elapsed_ns = WINDOWS * WINDOW_NS;
    let shares = (0..u64::from(CONNECTIONS))
        .map(|place| responses / u64::from(CONNECTIONS) + u64::from(place < responses % u64::from(CONNECTIONS)));
    // Windows differ while the first two, and all five, come to what they should.
    let (some, few) = (per_window / 30, per_window / 40);
    let (more, fewer) = ([some, 0, few, 0, 0], [0, some, 0, few, 0]);
    Outcome {
        started_at_ms: 1_772_368_206_250,
        elapsed_ns,
        requests: responses + u64::from(CONNECTIONS),
        responses,
        bytes_read: responses * 800,
        statuses: BTreeMap::from([(200, responses)]),
        latency,
        in_flight,
        connections: Connections::new(u64::from(CONNECTIONS), 0, shares.collect()),
        threads: vec![ThreadRecord {
            connections: CONNECTIONS as usize,
            responses,
            wall_ns: elapsed_ns,
            cpu_ns: responses * 6_000,
            cpu: Some(1),
            ..ThreadRecord::default()
        }],
        windows: (0..WINDOWS)
            .map(|place| Window {
                offset_ns: place * WINDOW_NS,
                length_ns: WINDOW_NS,
                responses: per_window + more[place as usize] - fewer[place as usize],
                bytes_read: per_window * 800,
                steal_ns: Some(BTreeMap::new()),
                ..Window::default()
            })
            .collect(),
        ..Outcome::new(Plan::new("http://127.0.0.1:18080/"), "127.0.0.1:18080".to_owned())
    }
}

/// What a server uses that is busy all the time.
pub(crate) fn sample(outcome: &Outcome) -> ServerSample {
    ServerSample {
        wall_seconds: 1.0,
        cpu_user_seconds: 0.27,
        cpu_system_seconds: 0.71,
        voluntary_switches: outcome.responses / 20,
        involuntary_switches: 60,
        peak_resident_bytes: 4 << 20,
        peak_threads: 5,
        peak_descriptors: 112,
        throttled_seconds: Some(0.0),
        points: vec![SamplePoint {
            at_seconds: 1.0,
            cpu_user_seconds: 0.27,
            cpu_system_seconds: 0.71,
            resident_bytes: 4 << 20,
            threads: 5,
            descriptors: 112,
        }],
        ..ServerSample::default()
    }
}

/// A machine with two CPUs, one for each side.
pub(crate) fn environment() -> Environment {
    Environment {
        cpu_model: "Example Processor 9000 <& friends>".to_owned(),
        cpus: 2,
        client_cpus: vec![1],
        server_cpus: vec![0],
        governor: None,
        hypervisor: true,
        memory_bytes: 8 << 30,
        kernel: "Linux 6.8.0".to_owned(),
        limits: Limits { descriptors: 1_048_576, backlog: 4_096, ephemeral_ports: Some((32_768, 60_999)) },
        rustc: Some("rustc 1.95.0".to_owned()),
        commit: Some(Commit { hash: "0123456789abcdef0123456789abcdef01234567".to_owned(), dirty: true }),
        tool_version: "0.1.0".to_owned(),
        interrupt_accounting: None,
        split_core: None,
        generator_ceiling: Some(GeneratorCeiling {
            requests_per_second: 151_234.0,
            requests_per_cpu_second: 158_000.0,
        }),
    }
}

/// What such a server might answer in a second.
fn plausible_rate(measurement: &Measurement) -> f64 {
    let base = match measurement.server.name.as_str() {
        "thread-per-connection" => 61_000.0,
        "thread-pool" => 9_400.0,
        "epoll" => 118_000.0,
        _ => 97_000.0,
    };
    let workers = f64::from(measurement.configuration.workers.unwrap_or(1).max(1));
    let oversubscribed = 1.0 - 0.055 * workers.ln();
    base * oversubscribed * if measurement.configuration.access_log { 0.86 } else { 1.0 }
}

/// Rounds differ by a few per cent: some by the minute, some by themselves.
fn drift(place: usize, index: u32) -> f64 {
    let minute = [1.0, 0.97, 1.02][index as usize % 3];
    let own = (place * 37 + index as usize * 61 + place * index as usize * 17) % 23;
    minute * (1.0 + 0.04 * own as f64 / 23.0)
}

/// The same plan on a bad day: one row of every standing, and one with two reasons.
pub(crate) fn mixed_run() -> Run {
    let mut run = whole_run();
    for round in &mut run.measurements[0].rounds {
        (round.outcome, round.server, round.check) = (None, None, None);
        round.failure = Some(Failure::NeverListened {
            waited_seconds: 5.0,
            standard_error: "thread-per-connection: cannot open <log> & \"more\": permission denied\n".to_owned(),
        });
    }
    for round in &mut run.measurements[3].rounds {
        let outcome = round.outcome.as_mut().unwrap();
        outcome.connections.never_served = 96;
        outcome.errors.timed_out = 96;
        outcome.requests += 96;
    }
    for round in &mut run.measurements[8].rounds {
        for window in round.outcome.as_mut().unwrap().windows.iter_mut().skip(1) {
            window.steal_ns = Some(BTreeMap::from([(0, WINDOW_NS / 3)]));
            window.responses = window.responses * 2 / 3;
        }
    }
    for round in &mut run.measurements[13].rounds {
        let thread = &mut round.outcome.as_mut().unwrap().threads[0];
        thread.cpu_ns = thread.wall_ns;
        round.server.as_mut().unwrap().cpu_system_seconds = 0.4;
    }
    run.measurements[16].rounds.clear();
    run.measurements[16].configuration.flags =
        ["--keep-alive", "pinned", "--a-flag-that-is-much-longer-than-any-label"].map(str::to_owned).to_vec();
    run.finished_at = None;
    run
}
