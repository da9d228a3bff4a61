//! CPU time of processes that are known to have used it: of servers in all their forms, and of others beside them.
//!
//! Other tests may run beside these on the same CPUs. So nothing is compared with what should have been used, only with what
//! the clocks of the processes say that they did use.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use otus_bench::clocks;
use otus_bench::cpus::{Cpus, Division};
use otus_bench::interrupts;
use otus_bench::others::{self, CpuTimes};
use otus_bench::own_group::OwnGroup;
use otus_bench::process_tree::{self, ProcessTree};
use otus_bench::sampler::{Sampler, Subject};
use reports::ServerSample;
use reports::sample::CpuSource;

/// A process that ends with its test.
struct Burner(Child);

impl Burner {
    fn start(words: &[&str], cpus: &Cpus) -> Self {
        let start = || {
            cpus.bind_this_thread().unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_burner"));
            command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
        };
        // What a thread starts inherits the CPUs that it is bound to.
        Self(thread::scope(|scope| scope.spawn(start).join().unwrap()))
    }

    fn id(&self) -> i32 {
        self.0.id().cast_signed()
    }

    /// Lets it do its work, and returns what it says to have used, in seconds.
    fn work(&mut self) -> f64 {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.trim().parse::<f64>().unwrap() / 1e9
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a sampler saw, and what was really used.
fn sampled(mode: &str, has_group: bool) -> Option<(ServerSample, f64)> {
    let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
    let mut burner = Burner::start(&[mode], &division.server);
    let group = if has_group { Some(OwnGroup::of(burner.id())?) } else { None };
    let subject = Subject { tree: ProcessTree::of(burner.id()), port: 1, group: group.as_ref().map(OwnGroup::reader) };
    let sampler = Sampler::start(subject, &division, Arc::new(AtomicBool::new(false)));
    let start = Instant::now();
    let used = burner.work();
    let end = Instant::now();
    let sample = sampler.finish().between(start, end).unwrap();
    drop(burner);
    Some((sample, used))
}

fn assert_is_right(sample: &ServerSample, used: f64) {
    let error = (sample.cpu_seconds() - used).abs();
    // The program itself does a little more than what it looks at: it reads a line and writes one.
    assert!(error <= sample.resolution_seconds() + 0.005, "{used} s were used: {sample:?}");
    // Which part was the kernel's is told from ticks, and may be all of it.
    assert!(sample.cpu_user_seconds >= 0.0 && sample.cpu_system_seconds >= 0.0, "{sample:?}");
}

#[test]
fn a_thread_that_has_ended_is_in_the_time_of_its_server() {
    let (sample, used) = sampled("threads", false).unwrap();
    assert!(used >= 0.184, "{used}");
    assert_eq!(sample.cpu_source, Some(CpuSource::ProcessClocks));
    assert_is_right(&sample, used);
    if let Some((sample, used)) = sampled("threads", true) {
        assert!(matches!(sample.cpu_source, Some(CpuSource::CgroupV1 | CpuSource::CgroupV2)), "{sample:?}");
        assert_is_right(&sample, used);
    }
}

#[test]
fn children_that_were_waited_for_are_in_the_time_of_their_server() {
    let (sample, used) = sampled("children", false).unwrap();
    // They are known in ticks alone, and that is said.
    assert!(sample.resolution_seconds() >= 0.02, "{sample:?}");
    assert!((sample.cpu_seconds() - used).abs() <= sample.resolution_seconds() + 0.02, "{used}: {sample:?}");
    if let Some((sample, used)) = sampled("children", true) {
        // Starting a program is the child's as well, and it looks at its clock before it ends.
        let error = sample.cpu_seconds() - used;
        assert!(
            error > -sample.resolution_seconds() && error < sample.resolution_seconds() + 0.02,
            "{used}: {sample:?}"
        );
    }
}

/// CPU time of all processes but these, in seconds, with that of their children that were waited for.
fn of_all_but(these: &[i32]) -> f64 {
    let ids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let used = |id: i32| {
        let stat = process_tree::process(id)?;
        let children = (stat.children_user_ticks + stat.children_system_ticks) as f64 * clocks::unit_of_proc();
        Some(clocks::of_process(id)? + children)
    };
    ids.filter(|id| !these.contains(id)).filter_map(used).sum()
}

/// Processes that were started since the machine was, and seconds of interrupts.
fn of_the_machine() -> (String, f64) {
    let text = fs::read_to_string("/proc/stat").unwrap();
    let started = text.lines().find(|line| line.starts_with("processes ")).unwrap_or_default().to_owned();
    let cpus: BTreeMap<usize, _> = otus_bench::accounting::CpuTicks::parse(&text);
    let interrupts: u64 = cpus.values().map(|cpu| cpu.interrupts).sum();
    (started, interrupts as f64 * clocks::unit_of_proc())
}

#[test]
fn a_hog_beside_a_server_with_much_network_is_seen_whatever_it_takes() {
    // It takes a while the first time.
    let accounting = interrupts::accounting();
    let division = Division::halves(&Cpus::available().unwrap(), |cpu| cpu);
    let cpu: Cpus = division.server.iter().take(1).collect();
    let division = Division { server: cpu.clone(), client: division.client };
    let server = Burner::start(&["packets"], &cpu);
    for percent in ["10", "20", "30"] {
        let hog = Burner::start(&["hog", percent], &cpu);
        thread::sleep(Duration::from_millis(100));
        let clocks_now = || [server.id(), hog.id()].map(|id| clocks::of_process(id).unwrap());
        let these = [server.id(), hog.id()];
        let (machine, rest, before, at) =
            (of_the_machine(), of_all_but(&these), clocks_now(), CpuTimes::now(&division));
        thread::sleep(Duration::from_millis(1500));
        let (used, after) = (CpuTimes::now(&division).since(&at), clocks_now());
        let (rest, machine_after) = (of_all_but(&these) - rest, of_the_machine());
        let [of_server, of_hog] = [0, 1].map(|place| after[place] - before[place]);
        let found = others::others(&used, of_server, &division);
        let error = others::error(used.at, 1) + used.on_server_cpus.stolen;
        let text = || {
            format!(
                "{accounting:?}, {percent} %: the hog used {of_hog} s, the server {of_server} s: {found:?}, {used:?}"
            )
        };
        // Under other noise there may be more, and never less.
        let found = found.unwrap_or_else(|| panic!("{}", text())).on_server_cpus_seconds;
        assert!(of_hog > 0.0 && found >= of_hog - error, "{}", text());
        // Not more than everybody had, where nobody has come or gone, who would be missed.
        if machine.0 == machine_after.0 {
            let most = of_hog + rest.max(0.0) + (machine_after.1 - machine.1) + error;
            assert!(found <= most, "{}, the rest {rest} s", text());
        }
    }
}
