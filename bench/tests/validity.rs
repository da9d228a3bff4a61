//! Every rule of validity that can be provoked, provoked for real: a server that breaks it is started, checked, loaded,
//! stored and judged. The others (steal, counts that do not add up) are held to stored runs by the tests of `reports`.
//!
//! Other tests may run beside these, and then a round is disturbed. What noise cannot cause has to be found all the same;
//! of the rest nobody knows then whose fault it was, and the row has to say so.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

mod place;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use loadgen::validity::CROWDED_LIMIT;
use otus_bench::cpus::{Cpus, Division};
use reports::Freshness;
use reports::failure::Failure;
use reports::figures::Figures;
use reports::ranking;
use reports::reason::Reason;
use reports::record::Run;
use reports::validity::Standing;

use place::{Ended, Place, measurement, output_of};

/// What is said of a row.
#[derive(Debug)]
struct Judged {
    server: String,
    reasons: Vec<Reason>,
    standing: Standing,
    is_ranked: bool,
}

impl Judged {
    fn names(&self) -> Vec<&'static str> {
        self.reasons.iter().map(Reason::name).collect()
    }

    /// This is among the reasons, and the row is not ranked.
    fn assert_refused_for(&self, name: &str) {
        assert!(Reason::NAMES.contains(&name), "{name} is no rule");
        assert!(self.names().contains(&name) && !self.is_ranked, "{name}: {self:?}");
    }

    /// As above, save where noise hides it.
    fn assert_refused_for_or_noise(&self, name: &str) {
        let is_noise = |reason: &Reason| {
            let is_unknown = matches!(reason, Reason::Failed { failure: Failure::NoCapacity, .. });
            is_unknown || ["disturbed", "throttled", "too noisy"].contains(&reason.name())
        };
        let is_noisy = self.reasons.iter().any(is_noise);
        if is_noisy {
            assert!(!self.is_ranked, "{self:?}");
        } else {
            self.assert_refused_for(name);
        }
    }
}

/// Each row, in the order of the suite.
fn judged(run: &Run) -> Vec<Judged> {
    let tables = ranking::tables(run);
    let judged = |row: &ranking::Row<'_>| Judged {
        server: row.measurement.server.name.clone(),
        reasons: row.validity.reasons.clone(),
        standing: row.standing(),
        is_ranked: row.rank.is_some(),
    };
    tables.iter().flat_map(|table| &table.rows).map(judged).collect()
}

static MACHINE: RwLock<()> = RwLock::new(());

/// For a test that noise could keep from seeing its rule.
fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// For a test of what noise can neither cause nor hide.
fn beside_others() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// What each of these servers does under a load is found, whatever happens beside it, and nothing is said of a good one.
fn assert_blamed(load: &str, good: &str, faults: &[(&str, &str)]) -> Run {
    let mut servers: Vec<(&str, &str)> = faults.iter().map(|&(fault, _)| (fault, fault)).collect();
    servers.push(("good", good));
    let place = Place::new(&servers, 1, "400ms");
    place.replace("suite.toml", "[workload]", &format!("loads = [{{ {load} }}]\n[workload]"));
    // The flags bring the delay to those that should obey it.
    place.replace("servers.toml", "{port}", "{port} {flags}");
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", output_of(&output));
    let run = place.stored();
    let judged = judged(&run);
    let row = |server: &str| judged.iter().find(|row| row.server == server).unwrap();
    for (fault, rule) in faults {
        row(fault).assert_refused_for(rule);
        assert_eq!(row(fault).standing, Standing::Invalid, "{fault}");
    }
    assert_ne!(row("good").standing, Standing::Invalid, "{:?}", row("good"));
    run
}

#[test]
fn a_server_is_blamed_for_wrong_answers() {
    let _beside = beside_others();
    let run = assert_blamed(
        "",
        "none",
        &[
            ("fails-under-load", "wrong status"),
            ("shortens-under-load", "wrong length"),
            ("wrong-bytes", "failed check"),
            ("changes-under-load", "other bytes"),
            ("confuses-types", "other type"),
            ("reads-once", "stale files"),
        ],
    );
    // One wrong answer in 10,000 is found, because all are compared that are as short as this.
    let of_good = measurement(&run, "good").rounds[0].outcome.as_ref().unwrap();
    assert_eq!(of_good.unexpected.bodies_compared, of_good.responses);
    assert!(matches!(measurement(&run, "good").freshness, Some(Freshness::Fresh { .. })));
}

#[test]
fn a_server_is_blamed_for_answers_that_do_not_come() {
    let _beside = beside_others();
    assert_blamed(
        "",
        "none",
        &[
            ("dies-under-load", "failed process"),
            ("cuts-off", "broken answers"),
            ("babbles", "broken answers"),
            ("repeats-itself", "surplus"),
            ("pins-its-worker", "never served"),
            ("hangs-up", "connection errors"),
        ],
    );
}

#[test]
fn a_server_is_blamed_for_idle_connections_that_it_ends() {
    let _beside = beside_others();
    let run = assert_blamed("idle = 5", "none", &[("is-impatient", "idle connections lost")]);
    let reasons = judged(&run).into_iter().flat_map(|row| row.reasons);
    let lost = reasons.into_iter().find(|reason| reason.name() == "idle connections lost").unwrap().to_string();
    assert!(lost.starts_with("Of 5 idle connections 0 could not be opened and 5 were"), "{lost}");
}

#[test]
fn a_server_is_blamed_for_a_delay_that_it_does_not_keep() {
    let _beside = beside_others();
    let faults = [("none", "more than the delay allows"), ("hurries", "sooner than the delay")];
    assert_blamed("delay = \"20ms\"", "delays", &faults);
}

#[test]
fn requests_that_are_not_answered_in_time_are_told() {
    let _beside = beside_others();
    let place = Place::new(&[("one", "forgets")], 1, "400ms");
    place.replace("suite.toml", "connections = 4\n", "connections = 4\ntimeout = \"150ms\"\n");
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", output_of(&output));
    let judged = judged(&place.stored());
    judged[0].assert_refused_for("timeouts");
    assert_eq!(judged[0].standing, Standing::Invalid);
}

#[test]
fn a_server_that_says_that_it_preloads_its_files_is_labelled_and_not_refused() {
    let _beside = beside_others();
    let place = Place::new(&[("one", "reads-once")], 1, "300ms");
    place.replace("servers.toml", "workers = false\n", "workers = false\npreloads = true\n");
    place.run(&[]);
    let run = place.stored();
    assert!(run.measurements[0].server.preloads && run.measurements[0].freshness.is_none());
    assert!(!judged(&run)[0].names().contains(&"stale files"));
    let report = fs::read_to_string(place.latest().join("report.md")).unwrap();
    assert!(report.contains("preloads its files"), "{report}");
    assert!(!place.latest().join("roots").exists(), "copies are removed");
}

#[test]
fn no_file_of_the_document_root_is_touched() {
    let _beside = beside_others();
    let place = Place::new(&[("one", "none")], 1, "300ms");
    let index = place.path().join("root/index.html");
    let before = (fs::read(&index).unwrap(), fs::metadata(&index).unwrap().modified().unwrap());
    place.run(&[]);
    assert!(place.stored().measurements[0].freshness.is_some());
    assert_eq!((fs::read(&index).unwrap(), fs::metadata(&index).unwrap().modified().unwrap()), before);
    assert_eq!(fs::read_dir(place.path().join("root")).unwrap().count(), 1);
}

#[test]
fn requests_that_wait_in_vain_at_the_end_are_told() {
    let _alone = alone();
    let place = Place::new(&[("one", "loses-one")], 1, "600ms");
    let output = place.run(&[]);
    let judged = judged(&place.stored());
    judged[0].assert_refused_for_or_noise("stuck requests");
    assert!(!judged[0].names().contains(&"timeouts"), "{}", output_of(&output));
}

#[test]
fn a_file_that_changes_in_mid_run_spoils_its_round_and_the_next() {
    let _beside = beside_others();
    let place = Place::new(&[("one", "changes-its-file")], 2, "400ms");
    let output = place.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", output_of(&output));
    let run = place.stored();
    let judged = judged(&run);
    judged[0].assert_refused_for("other bytes");
    judged[0].assert_refused_for("failed check");
    let checks: Vec<bool> =
        measurement(&run, "one").rounds.iter().map(|round| round.check.as_ref().unwrap().passed()).collect();
    assert_eq!(checks, [true, false]);
}

#[test]
fn a_server_that_tires_in_mid_run_is_not_ranked() {
    let _alone = alone();
    // Long enough for halves that can be compared where some windows are excluded.
    let place = Place::new(&[("one", "tires")], 1, "6s");
    place.run(&[]);
    let run = place.stored();
    let judged = judged(&run);
    let quiet = Figures::of(measurement(&run, "one")).quiet;
    // Windows that are excluded may be those in which it was fresh; then what is left shows as waiting.
    if judged[0].is_ranked || judged[0].names() == ["both idle"] {
        assert!(quiet.set_aside > 0, "{judged:?}, {quiet:?}");
    } else {
        judged[0].assert_refused_for_or_noise("halves differ");
        assert_eq!(judged[0].standing, Standing::TooNoisy, "{judged:?}");
    }
}

#[test]
fn more_than_a_server_carries_is_not_valid_and_says_so() {
    let _alone = alone();
    let place = Place::new(&[("one", "none")], 1, "600ms");
    // So far above that it is too much, too, where noise let the server seem to carry less than it does.
    place.replace("suite.toml", "[workload]", "loads = [{}, { offered = \"500%\" }]\n[workload]");
    let output = place.run(&[]);
    let judged = judged(&place.stored());
    let [closed, open] = &judged[..] else { panic!("{}", output_of(&output)) };
    let is_late = open.names().contains(&"late schedule") && !open.is_ranked;
    if !is_late {
        open.assert_refused_for_or_noise("overload");
    }
    assert!(!closed.names().iter().any(|name| ["overload", "late schedule"].contains(name)), "{closed:?}");
    // To find out where a server breaks is an answer.
    assert!(output.status.success(), "{}", output_of(&output));
}

/// A process on each of these CPUs that does nothing, as fast as it can.
fn hogs(cpus: &Cpus) -> Vec<Ended> {
    let start = |cpu: usize| {
        // What a thread starts inherits the CPUs that it is bound to.
        [cpu].into_iter().collect::<Cpus>().bind_this_thread().unwrap();
        Ended(Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
    };
    cpus.iter().map(|cpu| thread::scope(|scope| scope.spawn(|| start(cpu)).join().unwrap())).collect()
}

#[test]
fn what_others_disturbed_is_taken_again_while_the_patience_lasts_and_is_not_ranked() {
    let _beside = beside_others();
    let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
    let place = Place::new(&[("one", "none")], 1, "300ms");
    place.replace("suite.toml", "\n[[conf", "\npatience = \"1s\"\n[[conf");
    let beside_the_server = hogs(&division.server);
    let output = place.run(&[]);
    drop(beside_the_server);
    let text = output_of(&output);
    assert!(output.status.success(), "noise is nobody's failure: {text}");
    assert!(text.contains("up to 1 s more") && text.contains("once more: one"), "{text}");
    assert!(text.contains("Other processes took up to"), "{text}");
    let run = place.stored();
    let rounds: Vec<u32> = run.measurements[0].rounds.iter().map(|round| round.index).collect();
    assert!(rounds.len() >= 2 && rounds.len() <= 6, "{rounds:?}");
    assert_eq!(rounds, (0..rounds.len() as u32).collect::<Vec<_>>());
    assert!(run.is_finished() && run.rounds_done() == 1);
    let judged = judged(&run);
    judged[0].assert_refused_for("disturbed");
    assert_eq!(judged[0].standing, Standing::TooNoisy);
}

#[test]
fn a_generator_whose_mask_keeps_it_beside_others_is_not_ranked() {
    let _beside = beside_others();
    let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
    let place = Place::new(&[("one", "none")], 1, "300ms");
    let beside_the_generator = hogs(&division.client);
    let output = place.run(&[]);
    drop(beside_the_generator);
    assert!(output.status.success(), "noise is nobody's failure: {}", output_of(&output));
    let run = place.stored();
    let judged = judged(&run);
    judged[0].assert_refused_for("disturbed");
    assert_eq!(judged[0].standing, Standing::TooNoisy);
    let others = measurement(&run, "one").rounds[0].others.unwrap();
    assert!(others.on_client_cpus_seconds > 0.03, "{others:?}");
}

#[test]
fn a_generator_with_more_threads_than_its_mask_has_cpus_is_not_ranked() {
    let _alone = alone();
    let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
    let (server, client) = (division.server.iter().next().unwrap(), division.client.iter().next().unwrap());
    let place = Place::new(&[("one", "none")], 1, "600ms");
    place.replace("suite.toml", "connections = 4\n", "connections = 16\nthreads = 16\n");
    place.run(&["--cpus", &format!("{server}:{client}")]);
    let run = place.stored();
    let judged = judged(&run);
    // How long the threads wait for their CPU is a matter of how much of it they need beside this server; on one CPU for both,
    // the server is meant to take their time.
    let threads = &measurement(&run, "one").rounds[0].outcome.as_ref().unwrap().threads;
    let are_crowded = threads.iter().any(|thread| thread.waited_ns as f64 > CROWDED_LIMIT * thread.wall_ns as f64);
    if are_crowded && !division.shared() {
        judged[0].assert_refused_for_or_noise("crowded generator");
    } else {
        assert!(!judged[0].names().contains(&"crowded generator"), "{:?}", judged[0]);
    }
}

/// Starts the processes that `lets-another-listen` wants to answer in its place, which end with it.
fn start_what_is_wanted(folder: &Path, has_ended: &AtomicBool) {
    let mut started = Vec::new();
    while !has_ended.load(Ordering::Relaxed) {
        if let Ok(wanted) = fs::read_to_string(folder.join("wanted")) {
            fs::remove_file(folder.join("wanted")).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_faulty-server"));
            started.push(command.arg("is-another").args(wanted.lines()).spawn().unwrap());
        }
        thread::sleep(Duration::from_millis(5));
    }
    for mut process in started {
        process.wait().unwrap();
    }
}

#[test]
fn a_server_that_is_not_where_it_was_put_is_not_ranked() {
    let _beside = beside_others();
    let place =
        Place::new(&[("container", "lets-another-listen"), ("pinned", "pins-itself"), ("good", "none")], 1, "400ms");
    // It listens when this test has seen what it wants.
    place.replace("servers.toml", "\"2s\"", "\"60s\"");
    let has_ended = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        scope.spawn(|| start_what_is_wanted(place.path(), &has_ended));
        let output = place.run(&[]);
        has_ended.store(true, Ordering::Relaxed);
        output
    });
    let run = place.stored();
    let judged = judged(&run);
    let row = |name: &str| judged.iter().find(|row| row.server == name).unwrap();
    row("container").assert_refused_for("foreign listener");
    let [of_container, of_good] = ["container", "good"].map(|name| {
        measurement(&run, name).rounds[0].server.as_ref().unwrap_or_else(|| panic!("{}", output_of(&output)))
    });
    assert_eq!((of_container.listens, of_good.listens), (Some(false), Some(true)));
    assert_eq!(of_good.elsewhere, None);
    assert!(of_good.cpu_source.is_some() && of_good.cpu_resolution_seconds.is_some(), "{of_good:?}");
    // On a machine with one CPU there is no other place to go.
    let cpus = fs::read_to_string("/proc/stat").unwrap().lines().filter(|line| line.starts_with("cpu")).count() - 1;
    if cpus > measurement(&run, "pinned").placement.server_cpus.len() {
        row("pinned").assert_refused_for("other CPUs");
    }
    assert!(run.environment.interrupt_accounting.is_some() && run.environment.split_core.is_some());
}

#[test]
fn answers_that_wait_for_an_acknowledgement_are_told_from_noise() {
    let _alone = alone();
    // As many connections as there are in the usual suite: the server and its client have little to do all the same.
    let place = Place::new(&[("one", "sends-in-two-pieces")], 1, "900ms");
    place.run(&[]);
    let run = place.stored();
    let judged = judged(&run);
    let round = &measurement(&run, "one").rounds[0];
    let median = round.outcome.as_ref().unwrap().latency.percentile(50.0).unwrap();
    if !(38_000_000..=56_000_000).contains(&median) {
        let _ = writeln!(
            std::io::stderr(),
            "this kernel acknowledges at once: half of the answers came within {median} ns"
        );
        return;
    }
    if measurement(&run, "one").placement.is_shared() {
        // One CPU for both: nobody can tell who waits for whom.
        return;
    }
    judged[0].assert_refused_for_or_noise("both idle");
    if let Some(reason) = judged[0].reasons.iter().find(|reason| reason.name() == "both idle") {
        let sentence = reason.to_string();
        assert!(sentence.contains("Set TCP_NODELAY"), "{sentence}");
        assert_eq!(judged[0].standing, Standing::Invalid);
    }
}

/// A control group that is kept to a tenth of a CPU, and ends with its test. A server meets that however much of the CPU others
/// leave to it.
struct Quota(PathBuf);

impl Quota {
    /// In version 2 of control groups or in version 1; nothing where none may be made.
    fn new() -> Option<Self> {
        let name = format!("otus-test-{}", std::process::id());
        let kinds =
            [("/sys/fs/cgroup", "cpu.max", "10000 100000"), ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "10000")];
        kinds.into_iter().find_map(|(mount, file, limit)| {
            let group = Path::new(mount).join(&name);
            fs::create_dir(&group).ok()?;
            let quota = Self(group);
            // Below a mere folder there are no such files, and they must not be made.
            let is_there = quota.0.join(file).exists() && quota.0.join("cgroup.procs").exists();
            (is_there && fs::write(quota.0.join(file), limit).is_ok()).then_some(quota)
        })
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // A server that has just ended may still be in it.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_server_that_met_a_quota_is_not_ranked() {
    let _alone = alone();
    let Some(quota) = Quota::new() else {
        let _ =
            writeln!(std::io::stderr(), "left out: no control group may be made here, which is no program to install");
        return;
    };
    let place = Place::new(&[("one", "none")], 1, "600ms");
    let into_the_group = format!("command = \"sh -c 'echo $$ > {}/cgroup.procs && exec $0 $@' '", quota.0.display());
    place.replace("servers.toml", "command = \"'", &into_the_group);
    let output = place.run(&[]);
    let judged = judged(&place.stored());
    // Where other processes took the CPUs, too, that is the reason that is told.
    if !judged[0].names().contains(&"disturbed") {
        judged[0].assert_refused_for("throttled");
    }
    assert!(!judged[0].is_ranked);
    assert_eq!(judged[0].standing, Standing::TooNoisy, "{}", output_of(&output));
    assert!(output.status.success(), "a quota is nobody's failure: {}", output_of(&output));
}
