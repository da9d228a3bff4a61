//! The whole bench, in miniature, on servers that fail in all the ways that servers fail.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reports::failure::{Failure, Phase};
use reports::{Counting, NotCounted, Run, Store, certainty, ranking};

use crate::place::{Ended, Place, bench, measurement, output_of};

#[test]
fn what_was_measured_is_stored_and_reported() {
    let place = Place::new(&[("one", "none"), ("twin", "none")], 2, "700ms");
    let output = place.run(&["--seed", "5"]);
    let text = output_of(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("Who fails, and how?")
            && text.contains("2 measurements, 2 rounds")
            && text.contains("700 ms after 100 ms"),
        "{text}"
    );
    let report = String::from_utf8_lossy(&output.stdout).lines().last().unwrap().to_owned();
    assert!(
        report.ends_with("report.html") && fs::metadata(place.path().join(&report)).is_ok_and(|file| file.len() > 1000),
        "{text}"
    );

    let run = place.stored();
    assert!(run.is_finished() && run.seed == 5 && run.rounds_planned == 2);
    assert_eq!(run.command.last().unwrap(), "5");
    let ceiling = run.environment.generator_ceiling.as_ref().unwrap();
    assert!(ceiling.requests_per_second > 100.0);
    assert_eq!(run.measurements.len(), 2);
    for name in ["one", "twin"] {
        let one = measurement(&run, name);
        assert_eq!(one.rounds.len(), 2);
        assert_eq!(one.workload.expected_length, Some(60));
        for round in &one.rounds {
            assert_eq!(round.failure, None);
            assert!(round.check.as_ref().unwrap().passed());
            let outcome = round.outcome.as_ref().unwrap();
            assert!(outcome.responses > 50 && outcome.unexpected.responses == 0, "{outcome:?}");
            assert_eq!(outcome.statuses.keys().collect::<Vec<_>>(), [&200]);
            assert!(round.others.is_some());
            let server = round.server.as_ref().unwrap();
            let measured = outcome.elapsed_ns as f64 / 1e9;
            assert!(measured >= 0.7 && (server.wall_seconds - measured).abs() < 0.01, "{measured} {server:?}");
            assert!(
                server.cpu_seconds() > 0.0 && server.switches() > 0 && server.peak_resident_bytes > 100_000,
                "{server:?}"
            );
            // The acceptor and a thread for each of the four connections.
            assert!(
                server.peak_threads >= 5 && server.peak_descriptors >= 4 && !server.points.is_empty(),
                "{server:?}"
            );
        }
    }
    // The twins did the same work under the same conditions, and differ in their name alone.
    let hashes =
        |name| (measurement(&run, name).workload_hash.clone(), measurement(&run, name).configuration_hash.clone());
    assert_eq!(hashes("one").0, hashes("twin").0);
    assert_ne!(hashes("one").1, hashes("twin").1);
    assert!(!place.latest().join("scratch").exists());
    // Two servers, so two counts; a kept connection costs a read and a write at least.
    for name in ["one", "twin"] {
        match measurement(&run, name).system_calls.as_ref().unwrap() {
            Counting::Counted(calls) => assert!(calls.per_request() >= 2.0, "{calls:?}"),
            Counting::NotCounted(NotCounted::NoStrace | NotCounted::NotPermitted { .. }) => {
                let _ = writeln!(io::stderr(), "skipped: no strace that may trace");
            }
            Counting::NotCounted(other) => panic!("{other}"),
        }
    }

    let relative = ["report", "latest", "--out", "runs", "--relative-to"];
    let told = |server: &str| bench().args(relative).arg(server).current_dir(place.path()).output().unwrap();
    let stranger = told("stranger");
    assert_eq!(stranger.status.code(), Some(2), "{}", output_of(&stranger));
    assert!(output_of(&stranger).contains("no server of this run is called stranger: name one of one and twin"));
    assert!(told("twin").status.success());
    fs::remove_file(place.latest().join("report.html")).unwrap();
    let again = bench().args(["report", "latest", "--out", "runs"]).current_dir(place.path()).output().unwrap();
    assert!(again.status.success() && place.latest().join("report.html").is_file(), "{}", output_of(&again));
}

#[test]
fn a_run_knows_the_noise_of_those_before_it() {
    let place = Place::new(&[("one", "none")], 2, "600ms");
    place.replace("suite.toml", "servers = [", "twin = \"one\"\nservers = [");
    assert!(place.run(&[]).status.success());
    let first = place.stored();
    assert_eq!((first.noise_before, first.measurements.len()), (None, 2));
    let shown = certainty::twin_noise(&ranking::tables(&first));
    assert!(place.run(&[]).status.success());
    let before = place.stored().noise_before;
    // What noise took has no pairs, and then nothing is known.
    let expected = (shown.pairs > 0).then_some((1, shown.pairs as u64, shown.squares));
    assert_eq!(before.map(|before| (before.runs, before.pairs, before.squares)), expected);
}

#[test]
fn every_failure_gets_its_row_and_the_rest_goes_on() {
    let faults = [
        "crashes-at-start",
        "never-listens",
        "never-accepts",
        "closes",
        "not-found",
        "wrong-bytes",
        "dies-under-load",
        "stops-answering",
        "shortens-under-load",
        "ignores-sigterm",
        "none",
    ];
    let servers: Vec<(&str, &str)> = faults.iter().map(|&fault| (fault, fault)).collect();
    let place = Place::new(&servers, 1, "600ms");
    let output = place.run(&[]);
    let text = output_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");

    let run = place.stored();
    assert!(run.is_finished());
    assert_eq!(run.measurements.len(), faults.len());
    let round = |name: &str| &measurement(&run, name).rounds[0];
    let failure = |name: &str| round(name).failure.clone().unwrap_or_else(|| panic!("{name} did not fail: {text}"));
    let problems = |name: &str| round(name).check.as_ref().unwrap().problems.join("; ");

    let Failure::Died { during: Phase::Start, status: Some(3), standard_error, .. } = failure("crashes-at-start")
    else {
        panic!("{:?}", failure("crashes-at-start"))
    };
    assert_eq!(standard_error, "the configuration is upside down");
    assert!(matches!(failure("never-listens"), Failure::NeverListened { waited_seconds: 2.0, .. }));
    assert!(matches!(failure("never-accepts"), Failure::Hung { during: Phase::Check, .. }));
    assert!(problems("closes").contains("closed after 0 bytes"), "{}", problems("closes"));
    assert_eq!(round("closes").failure, None);
    assert!(problems("not-found").contains("the status is 404, not 200"), "{}", problems("not-found"));
    assert!(problems("wrong-bytes").contains("from byte 0 on"), "{}", problems("wrong-bytes"));
    assert!(
        matches!(failure("dies-under-load"), Failure::Died { status: Some(7), .. }),
        "{:?}",
        failure("dies-under-load")
    );
    assert!(matches!(failure("stops-answering"), Failure::Hung { .. }), "{:?}", failure("stops-answering"));
    let short = round("shortens-under-load").outcome.as_ref().unwrap();
    assert!(short.unexpected.length > 0 && short.unexpected.length == short.responses, "{short:?}");
    assert!(matches!(failure("ignores-sigterm"), Failure::NotStopped { .. }), "{:?}", failure("ignores-sigterm"));
    assert!(round("none").failure.is_none() && round("none").check.as_ref().unwrap().passed());

    // Of a server that is not valid nobody asks what its requests cost.
    assert!(measurement(&run, "not-found").system_calls.is_none() && measurement(&run, "none").system_calls.is_some());

    // What failed is in the report, with its reason, and ranked is what did not.
    let tables = ranking::tables(&run);
    let ranked: Vec<&str> =
        tables.iter().flat_map(|table| table.ranked()).map(|row| row.measurement.server.name.as_str()).collect();
    assert!(ranked.iter().all(|name| ["none", "ignores-sigterm"].contains(name)), "{ranked:?}");
    let report = fs::read_to_string(place.latest().join("report.md")).unwrap();
    for fault in faults {
        assert!(report.contains(fault), "{fault} is missing in {report}");
    }
    assert!(no_server_is_left(&place), "a server outlived its run");
}

#[test]
fn no_process_of_a_server_outlives_its_trial() {
    let place = Place::new(&[("daemon", "forks-twice"), ("parent", "keeps-a-worker")], 2, "400ms");
    let output = place.run(&[]);
    let text = output_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(no_server_is_left(&place), "a process of a server outlived its trial: {text}");

    let run = place.stored();
    for round in &measurement(&run, "daemon").rounds {
        let failure = round.failure.as_ref().unwrap_or_else(|| panic!("it did not fail: {text}")).to_string();
        assert!(failure.contains("went to the background"), "{failure}");
    }
    let tables = ranking::tables(&run);
    let is_ranked =
        |name: &str| tables.iter().flat_map(|table| table.ranked()).any(|row| row.measurement.server.name == name);
    assert!(!is_ranked("daemon"));
    let report = fs::read_to_string(place.latest().join("report.md")).unwrap();
    assert!(report.contains("went to the background") && report.contains("daemon off"), "{report}");

    // A worker in a session of its own is measured with its server: its main thread, and two of the worker.
    for round in &measurement(&run, "parent").rounds {
        assert_eq!(round.failure, None, "{text}");
        let server = round.server.as_ref().unwrap();
        assert_eq!(server.listens, Some(true));
        assert!(server.peak_threads >= 1 + 4 + 2, "{server:?}");
    }
}

#[test]
fn a_root_without_an_index_is_told_and_nothing_is_ranked() {
    let place = Place::new(&[("one", "not-found"), ("two", "not-found")], 1, "300ms");
    fs::remove_file(place.path().join("root/index.html")).unwrap();
    let output = place.run(&[]);
    let text = output_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.to_lowercase().contains("every answer was 404"), "{text}");
    let run = place.stored();
    assert!(ranking::tables(&run).iter().all(|table| table.ranked().is_empty()));
    let report = fs::read_to_string(place.latest().join("report.html")).unwrap();
    assert!(report.to_lowercase().contains("every answer was 404"));
    for one in &run.measurements {
        let outcome = one.rounds[0].outcome.as_ref().unwrap();
        assert_eq!(outcome.statuses.keys().collect::<Vec<_>>(), [&404]);
    }
}

#[test]
fn an_interruption_keeps_what_was_measured_and_the_run_can_be_resumed() {
    let place = Place::new(&[("one", "none")], 12, "400ms");
    let mut child = place.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    let stored = || Store::open(&place.latest()).ok().and_then(|store| store.load().ok());
    while stored().is_none_or(|run| run.measurements[0].rounds.len() < 2) {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing was stored");
        thread::sleep(Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    while child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(90), "an interrupted run goes on and on");
        thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    let text = output_of(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(
        text.contains("Interrupted") && text.trim_end().lines().any(|line| line.ends_with("report.html")),
        "{text}"
    );
    let run = place.stored();
    let done = run.measurements[0].rounds.len();
    assert!(!run.is_finished() && done >= 2);
    assert!(place.latest().join("report.html").is_file());
    assert!(no_server_is_left(&place), "a server outlived its run");

    let resume = || bench().args(["resume", &run.id, "--out", "runs"]).current_dir(place.path()).output().unwrap();
    let index = place.path().join("root/index.html");
    let content = fs::read(&index).unwrap();
    fs::write(&index, "something else").unwrap();
    let refused = resume();
    assert_eq!(refused.status.code(), Some(2), "{}", output_of(&refused));
    assert!(output_of(&refused).contains("the served file changed since"), "{}", output_of(&refused));

    fs::write(&index, content).unwrap();
    let output = resume();
    assert!(output.status.success(), "{}", output_of(&output));
    let whole = place.stored();
    assert!(whole.is_finished() && whole.id == run.id);
    assert_eq!(whole.measurements[0].rounds[..done], run.measurements[0].rounds[..]);
    let rounds: Vec<u32> = whole.measurements[0].rounds.iter().map(|round| round.index).collect();
    assert_eq!(rounds, (0..12).collect::<Vec<u32>>());
    assert!(output_of(&resume()).contains("nothing to resume"));
}

#[test]
fn a_run_that_was_killed_ends_with_the_same_measurements_as_an_undisturbed_one() {
    let place = Place::new(&[("one", "none"), ("other", "none")], 4, "300ms");
    let mut child = place.command(&["--seed", "5"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    let stored = || Store::open(&place.latest()).ok().and_then(|store| store.load().ok());
    while stored().is_none_or(|run| run.measurements.iter().map(|one| one.rounds.len()).sum::<usize>() < 3) {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing was stored");
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let begun = place.stored();
    assert!(!begun.is_finished());

    let output = place.run(&["--resume"]);
    assert!(output.status.success(), "{}", output_of(&output));
    assert!(no_server_is_left(&place), "a server outlived its run");
    let whole = place.stored();
    assert!(whole.is_finished() && whole.id == begun.id && whole.seed == 5);
    for (one, before) in whole.measurements.iter().zip(&begun.measurements) {
        let mut rounds: Vec<u32> = one.rounds.iter().map(|round| round.index).collect();
        rounds.sort_unstable();
        assert_eq!(rounds, [0, 1, 2, 3]);
        assert_eq!(one.rounds[..before.rounds.len()], before.rounds[..]);
    }
    // There is nothing left to go on with.
    let output = place.run(&["--resume", "--rounds", "1"]);
    assert!(output.status.success() && place.stored().id != whole.id, "{}", output_of(&output));
}

/// A record is a file that may come from anybody, and names files with commands in them.
#[test]
fn a_record_that_names_other_commands_than_it_was_begun_with_starts_nothing() {
    let place = Place::new(&[("one", "none")], 2, "200ms");
    place.replace("servers.toml", "command = ", "build = \"sh -c 'echo built >> builds'\"\ncommand = ");
    let output = place.run(&[]);
    assert!(output.status.success(), "{}", output_of(&output));
    let builds = || fs::read_to_string(place.path().join("builds")).unwrap_or_default().lines().count();
    assert_eq!(builds(), 1);
    // As if it had been interrupted.
    let store = Store::open(&place.latest()).unwrap();
    let mut run = store.load().unwrap();
    run.finished_at = None;
    run.measurements[0].rounds.truncate(1);
    let servers = fs::read_to_string(place.path().join("servers.toml")).unwrap();
    for (from, to) in [("echo built", "echo attack; echo built"), (" none ", " cuts-off ")] {
        fs::write(place.path().join("others.toml"), servers.replace(from, to)).unwrap();
        let mut foreign = run.clone();
        foreign
            .command
            .iter_mut()
            .filter(|word| *word == "servers.toml")
            .for_each(|word| *word = "others.toml".to_owned());
        assert_ne!(foreign.command, run.command);
        store.save(&foreign).unwrap();
        let resumed = bench().args(["resume", &run.id, "--out", "runs"]).current_dir(place.path()).output().unwrap();
        let text = output_of(&resumed);
        assert_eq!(resumed.status.code(), Some(2), "{text}");
        assert!(
            text.contains("the servers or the served file changed since") && text.contains("others.toml"),
            "{text}"
        );
        assert_eq!(builds(), 1, "{text}");
    }
    store.save(&run).unwrap();
    let resumed = bench().args(["resume", &run.id, "--out", "runs"]).current_dir(place.path()).output().unwrap();
    assert!(resumed.status.success(), "{}", output_of(&resumed));
    assert_eq!(builds(), 2);
    assert_eq!(place.stored().measurements[0].rounds.len(), 2);
}

#[test]
fn rounds_have_arrivals_of_their_own_and_servers_share_them() {
    let place = Place::new(&[("one", "none"), ("other", "none")], 2, "200ms");
    place.replace("suite.toml", "[workload]", "loads = [{ offered = \"200\" }, { offered = \"300\" }]\n[workload]");
    let seeds = |run: &Run| {
        let seed = |load: usize, server: usize, round: u32| {
            let rounds = &run.measurements[2 * load + server].rounds;
            let round = rounds.iter().find(|taken| taken.index == round).unwrap();
            round.outcome.as_ref().unwrap().plan.seed
        };
        let each = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(load, round)| {
            assert_eq!(seed(load, 0, round), seed(load, 1, round), "load {load} in round {round}");
            seed(load, 0, round)
        });
        let distinct: std::collections::BTreeSet<u64> = each.into_iter().collect();
        assert_eq!(distinct.len(), 4, "{each:?}");
        each
    };
    let of = |seed: &str| {
        let output = place.run(&["--seed", seed]);
        assert!(output.status.code().is_some_and(|code| code < 2), "{}", output_of(&output));
        seeds(&place.stored())
    };
    let first = of("5");
    assert_eq!(of("5"), first, "the seed of the run repeats them");
    assert!(of("6").iter().all(|seed| !first.contains(seed)));
}

#[test]
fn every_load_of_a_suite_is_offered_as_it_says() {
    let place = Place::new(&[("one", "none")], 1, "500ms");
    let loads = "loads = [{}, { offered = \"50%\" }, { offered = \"200\" }, { idle = 7 }, { pipeline = 3, connections = 2 }, \
                 { slow_heads = 2 }, { slow_readers = 2 }]\nvaries = \"offered-load\"\n[workload]";
    place.replace("suite.toml", "[workload]", loads);
    let output = place.run(&[]);
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", output_of(&output));
    let run = place.stored();
    let outcome = |place: usize| run.measurements[place].rounds[0].outcome.as_ref().unwrap();
    let rates: Vec<Option<f64>> = run.measurements.iter().map(|one| one.rounds[0].offered_rate).collect();
    // Beside other tests each closed loop may be disturbed, and then there is nothing to take a share of.
    let share = &run.measurements[1].rounds[0];
    match share.capacity {
        Some(capacity) => {
            assert!(capacity >= 1.0 && (rates[1].unwrap() / capacity - 0.5).abs() < 1e-6, "{rates:?}, {capacity}");
            assert_eq!(share.failure, None);
        }
        None => {
            assert_eq!(share.failure, Some(Failure::NoCapacity));
            assert!(share.outcome.is_none() && rates[1].is_none());
        }
    }
    let others = run.measurements.iter().enumerate().filter(|(place, _)| *place != 1);
    assert!(others.flat_map(|(_, one)| &one.rounds).all(|round| round.capacity.is_none()));
    for (place, one) in run.measurements.iter().enumerate().filter(|(place, _)| *place != 1) {
        assert_eq!(one.rounds[0].failure, None, "load {place}");
        assert!(outcome(place).responses > 20, "load {place}: {:?}", outcome(place).errors);
    }
    assert_eq!(rates[2], Some(200.0));
    assert!(rates[0].is_none() && rates[3..].iter().all(Option::is_none));
    assert!(outcome(2).responses < 200, "500 ms at 200 requests per second");
    assert_eq!(outcome(3).plan.idle_connections, 7);
    assert_eq!((outcome(4).plan.pipeline, outcome(4).plan.connections), (3, 2));
    let hashes: std::collections::BTreeSet<&str> =
        run.measurements.iter().map(|one| one.workload_hash.as_str()).collect();
    assert_eq!(hashes.len(), run.measurements.len(), "other loads are other work");
}

/// A server in another language, as somebody might have it.
const SOMEBODYS: &str = "import http.server, sys\n\
    class Handler(http.server.SimpleHTTPRequestHandler):\n    protocol_version = 'HTTP/1.1'\n    log_message = print\n\
    def handler(*words): return Handler(*words, directory=sys.argv[1])\n\
    http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[2])), handler).serve_forever()\n";

#[test]
fn a_server_in_another_language_joins_in_three_lines() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("OTUS_REQUIRE_TOOLS").is_none(), "python3 is required and missing");
        eprintln!("skipped: no python3");
        return;
    }
    let place = Place::new(&[("one", "none")], 1, "400ms");
    fs::write(place.path().join("mine.py"), SOMEBODYS).unwrap();
    let three_lines = "[[server]]\nname = \"mine\"\ncommand = \"python3 mine.py {root} {port}\"\nworkers = false\n";
    fs::write(place.path().join("servers.toml"), three_lines).unwrap();
    let output = place.run(&["--only", "mine"]);
    assert!(output.status.success(), "{}", output_of(&output));
    let run = place.stored();
    let outcome = run.measurements[0].rounds[0].outcome.as_ref().unwrap();
    assert!(outcome.responses > 20 && run.measurements[0].rounds[0].check.as_ref().unwrap().passed());
}

#[test]
fn a_server_that_runs_already_is_measured_where_it_is() {
    let place = Place::new(&[("one", "none")], 1, "400ms");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let index = place.path().join("root/index.html");
    let words = [std::ffi::OsStr::new("none"), index.as_os_str(), port.as_ref()];
    let mut server = Ended(Command::new(env!("CARGO_BIN_EXE_faulty-server")).args(words).spawn().unwrap());
    let url = format!("http://127.0.0.1:{port}/");
    let begin = Instant::now();
    while std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    let output = place.run(&["--url", &url, "--only", "one"]);
    assert!(output.status.success(), "{}", output_of(&output));
    let run = place.stored();
    let names: Vec<&str> = run.measurements.iter().map(|one| one.server.name.as_str()).collect();
    assert_eq!(names, ["running", "one"]);
    let round = &run.measurements[0].rounds[0];
    assert!(round.outcome.as_ref().unwrap().responses > 50 && round.check.as_ref().unwrap().passed());
    assert!(round.server.as_ref().unwrap().cpu_seconds() > 0.0, "its process was not found");
    assert_eq!(server.0.try_wait().unwrap(), None, "it was stopped");
}

#[test]
fn a_dry_run_prints_the_same_plan_for_the_same_seed_and_does_nothing() {
    let place = Place::new(&[("one", "none"), ("two", "none"), ("three", "none"), ("four", "none")], 3, "1s");
    let plan = |seed| {
        let output = place.run(&["--dry-run", "--seed", seed]);
        assert!(output.status.success(), "{}", output_of(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(plan("1"), plan("1"));
    assert_ne!(plan("1"), plan("2").replace("seed 2", "seed 1"));
    assert!(plan("1").contains("about 28 s in all") && plan("1").contains("round 3:"), "{}", plan("1"));
    assert!(!place.path().join("runs").exists());
}

#[test]
fn slips_are_told_in_one_sentence_with_exit_code_2() {
    let place = Place::new(&[("one", "none")], 1, "1s");
    let told = |arguments: &[&str], words: &[&str]| {
        let output = bench().args(arguments).current_dir(place.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?}: {text}");
        text
    };
    let ours = ["--suite", "suite.toml", "--servers", "servers.toml"];
    let with = |more: &[&'static str]| [&ours[..], more].concat();
    let one_line = |text: String| assert_eq!(text.trim_end().lines().count(), 1, "{text}");

    one_line(told(&[], &["bench all"]));
    one_line(told(&["wrong"], &["\"wrong\"", "--suite FILE"]));
    one_line(told(&["absent.toml", "--servers", "servers.toml"], &["absent.toml"]));
    one_line(told(&with(&["--only", "tow"]), &["\"tow\"", "servers.toml", "one"]));
    one_line(told(&with(&["--cpus", "0"]), &["--cpus \"0\"", "colon"]));
    one_line(told(&with(&["--cpus", "0:4095"]), &["4095"]));
    one_line(told(&with(&["--root", "nowhere"]), &["nowhere", "--root"]));
    one_line(told(&["report", "nothing"], &["nothing"]));
    told(&with(&["--rounds", "none"]), &["--rounds"]);
    told(&with(&["--duration", "10"]), &["10s for seconds"]);

    let suite = fs::read_to_string(place.path().join("suite.toml")).unwrap();
    fs::write(place.path().join("broken.toml"), suite.replace("connections", "conections")).unwrap();
    one_line(told(
        &["broken.toml", "--servers", "servers.toml"],
        &["broken.toml, line 7", "conections", "connections"],
    ));
}

#[test]
fn suites_and_servers_are_listed() {
    let output = bench().arg("list").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = output_of(&output);
    assert!(output.status.success(), "{text}");
    for word in ["wrk", "thread-per-connection", "thread-pool", "epoll", "async", "nginx"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

const DRY_RUN: [&str; 5] = ["--suite", "suite.toml", "--servers", "servers.toml", "--dry-run"];

/// A device on which nothing fits (full(4)).
fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[test]
fn output_that_does_not_fit_is_an_error_and_the_measurement_is_kept() {
    let place = Place::new(&[("one", "none")], 1, "300ms");
    for (words, folder) in [(&["list"][..], Path::new(env!("CARGO_MANIFEST_DIR"))), (&DRY_RUN, place.path())] {
        let output = bench().args(words).current_dir(folder).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {errors}");
        assert!(errors.contains("cannot write to standard output: No space left on device"), "{words:?}: {errors}");
    }
    // Progress cannot be told either.
    let output = place.command(&[]).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let run = place.stored();
    assert!(run.is_finished() && run.measurements[0].rounds[0].outcome.is_some());
    assert!(place.latest().join("report.html").is_file());
}

#[test]
fn a_reader_of_the_output_that_goes_away_ends_nothing() {
    let place = Place::new(&[("one", "none")], 2, "300ms");
    // As `2>&1 | head -1` does it.
    let (reader, writer) = io::pipe().unwrap();
    let mut child = place.command(&[]).stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let run = place.stored();
    assert!(run.is_finished() && run.measurements[0].rounds.len() >= 2);

    for (words, folder) in [(&["list"][..], Path::new(env!("CARGO_MANIFEST_DIR"))), (&DRY_RUN, place.path())] {
        let mut command = bench();
        command.args(words).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "{words:?}");
    }
}

/// Whether no process is left that was started to serve from this place.
fn no_server_is_left(place: &Place) -> bool {
    // Servers are given a copy of the document root, below the run's folder.
    let mark = format!("{}/", place.path().display());
    let is_server = |id: &str| {
        let words = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&mark)
    };
    let mut processes =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    !processes.any(|id| id.bytes().all(|byte| byte.is_ascii_digit()) && is_server(&id))
}
