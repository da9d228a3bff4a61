//! `docs/results.schema.json` describes what is stored: for anybody who reads it without this library.

use std::fs;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use jsonschema::Validator;
use reports::environment::InterruptAccounting;
use reports::failure::{Failure, Phase};
use reports::record::{Arrival, Company, LogSink, MissingServer, Mix, NoiseBefore, Varies};
use reports::sample::{CpuSource, Elsewhere, Others};
use reports::store::COMPRESSED;
use reports::system_calls::Pass;
use reports::{Counting, Freshness, NotCounted, Run, SystemCalls};
use serde_json::{Value, json};

use crate::fixture::{mixed_run, small_run, small_run_folder, whole_run};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn schema() -> Validator {
    let text = fs::read_to_string(docs().join("results.schema.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn assert_valid(schema: &Validator, record: &Value) {
    let errors: Vec<String> =
        schema.iter_errors(record).take(5).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, [""; 0]);
}

/// A run with everything in it that may be absent or may be one of several things.
fn full_run() -> Run {
    let mut run = mixed_run();
    run.noise_before = Some(NoiseBefore { runs: 2, pairs: 17, squares: 0.1 });
    run.missing = vec![MissingServer { name: "nginx".to_owned(), program: "nginx".to_owned() }];
    let varies = [
        Varies::Workers,
        Varies::Delay,
        Varies::OfferedLoad,
        Varies::Connections,
        Varies::IdleConnections,
        Varies::Files,
        Varies::Company,
        Varies::Pipeline,
        Varies::Interpreter,
    ];
    run.parts = varies.map(|varies| reports::record::Part { varies, ..run.parts[0].clone() }).to_vec();
    let pass = |requests| Pass { requests, calls: [("recvfrom".to_owned(), requests)].into() };
    let counts = [
        Counting::Counted(SystemCalls { connections: 4, few: pass(40), many: pass(840) }),
        Counting::NotCounted(NotCounted::NoStrace),
        Counting::NotCounted(NotCounted::NotPermitted { error: "no".to_owned() }),
        Counting::NotCounted(NotCounted::Unanswered { requests: 40, answered: 3, limit_seconds: 20.0 }),
        Counting::NotCounted(NotCounted::Implausible { few_requests: 40, few: 9, many_requests: 840, many: 8 }),
        Counting::NotCounted(NotCounted::Unreadable { error: "no".to_owned() }),
        Counting::NotCounted(NotCounted::Interrupted),
        Counting::NotCounted(NotCounted::NotServed { failure: Failure::NoCapacity }),
    ];
    for (measurement, counted) in run.measurements.iter_mut().zip(counts) {
        measurement.system_calls = Some(counted);
    }
    let arrivals = [Arrival::Closed, Arrival::Open { rate: 1e4 }, Arrival::OpenShare { share: 0.5 }];
    for (measurement, arrival) in run.measurements.iter_mut().zip(arrivals) {
        measurement.workload.arrival = arrival;
        measurement.rounds.iter_mut().for_each(|round| (round.offered_rate, round.capacity) = (Some(1e4), Some(2e4)));
    }
    let freshness = [Freshness::Fresh { after_seconds: 0.1 }, Freshness::Stale { after_seconds: 1.6 }];
    for (measurement, freshness) in run.measurements.iter_mut().zip(freshness) {
        (measurement.freshness, measurement.server.preloads) = (Some(freshness), true);
    }
    let sinks = [LogSink::File, LogSink::Pipe, LogSink::Null, LogSink::Terminal];
    run.measurements.iter_mut().zip(sinks).for_each(|(measurement, sink)| measurement.configuration.log_sink = sink);
    let readers = Company::SlowReaders { connections: 8, bytes_per_second: 16_384 };
    run.measurements[3].workload.company = Some(readers);
    run.measurements[4].workload.company = Some(Company::SlowHeads { connections: 8 });
    run.measurements[5].workload.mix = Some(Mix { files: 1000, exponent: 1.0, mean_length: 1e4 });
    let failures = [
        Failure::NotStarted { error: "no".to_owned() },
        Failure::Died { during: Phase::WarmUp, status: Some(1), signal: None, standard_error: String::new() },
        Failure::WentToBackground { during: Phase::Check, program: "nginx".to_owned() },
        Failure::Hung { during: Phase::Check, waited_seconds: 5.0 },
        Failure::Generator { error: "no".to_owned() },
        Failure::NoCapacity,
    ];
    for (measurement, failure) in run.measurements.iter_mut().skip(1).zip(failures) {
        if let Some(round) = measurement.rounds.first_mut() {
            round.failure = Some(failure);
            round.others = Some(Others { on_server_cpus_seconds: 0.1, on_client_cpus_seconds: 0.2 });
        }
    }
    let sources = [CpuSource::CgroupV2, CpuSource::CgroupV1, CpuSource::ProcessClocks];
    for (source, round) in sources.into_iter().zip(&mut run.measurements[6].rounds) {
        let sample = round.server.as_mut().unwrap();
        (sample.cpu_source, sample.cpu_resolution_seconds, sample.listens) = (Some(source), Some(0.004), Some(true));
        sample.elsewhere = Some(Elsewhere { threads: 2, cpus: vec![1, 3] });
    }
    run.environment.interrupt_accounting = Some(InterruptAccounting::CountedToTasks);
    run.environment.split_core = Some(true);
    run
}

#[test]
fn whatever_is_stored_is_what_the_schema_describes() {
    let schema = schema();
    for run in [whole_run(), mixed_run(), full_run()] {
        assert_valid(&schema, &serde_json::to_value(&run).unwrap());
    }
}

#[test]
fn what_is_not_a_record_is_refused() {
    let schema = schema();
    let good = serde_json::to_value(whole_run()).unwrap();
    let damaged = |pointer: &str, value: Option<Value>| {
        let mut record = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = record.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => drop(parent.insert(name.to_owned(), value)),
            None => drop(parent.remove(name).unwrap()),
        }
        record
    };
    let round = "/measurements/0/rounds/0";
    for (pointer, value) in [
        ("/seed".to_owned(), None),
        ("/format".to_owned(), Some(json!(2))),
        ("/started_at".to_owned(), Some(json!("yesterday"))),
        ("/measurements/0/workload/arrival".to_owned(), Some(json!({ "loop": "ajar" }))),
        ("/measurements/0/configuration/workers".to_owned(), Some(json!(-1))),
        (format!("{round}/outcome/responses"), Some(json!("many"))),
        (format!("{round}/outcome/latency/hdr_v2_base64"), None),
        (format!("{round}/invented"), Some(json!(1))),
    ] {
        assert!(!schema.is_valid(&damaged(&pointer, value)), "{pointer}");
    }
}

#[test]
fn a_stored_run_can_be_read_and_its_report_be_drawn() {
    let file = fs::File::open(small_run_folder().join(COMPRESSED)).unwrap();
    assert_valid(&schema(), &serde_json::from_reader(GzDecoder::new(file)).unwrap());
    let run = small_run();
    assert!(run.is_finished());
    let drawn = || {
        let folder = tempfile::tempdir().unwrap();
        let written = reports::write_all(&run, folder.path()).unwrap();
        [&written.html, &written.markdown, &written.csv].map(|path| fs::read(path).unwrap())
    };
    assert!(drawn() == drawn(), "a report that is drawn twice is not the same");
}
