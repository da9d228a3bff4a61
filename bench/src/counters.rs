//! Counters that noise cannot move: what a request costs in instructions, system calls, allocations and bytes, and how large
//! the program is. They are the cause beside an effect: a server that got slower by a few per cent shows here by what.
//!
//! Base and head are counted in turn, in the same minutes, because compilers and C libraries move these figures, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reports::{SystemCalls, words};

use crate::commits::shortened;
use crate::cpus::Division;
use crate::measurement::Measurement;
use crate::ports::Ports;
use crate::recording;
use crate::roots::Roots;
use crate::system_calls;
use crate::valgrind::Tool;

/// How often instructions are counted: runtimes that share out work differ a little from one time to the next, and the
/// range shows by how much.
const PASSES: usize = 3;
/// How long one pass under valgrind may take.
const LIMIT: Duration = Duration::from_secs(60);
/// A difference in system calls for each request that is more than chance.
const CALLS_SEEN: f64 = 0.01;
/// The same of calls that wait, which come in another number each time.
const WAITS_SEEN: f64 = 0.5;
/// Allocations for each request are whole ones; below this, a table grew.
const ALLOCATIONS_SEEN: f64 = 0.01;

/// The programs of one commit, or of the working tree.
#[derive(Clone, Debug)]
pub struct Side {
    /// What it is called: a shortened hash.
    pub name: String,
    /// The programs by their packages.
    pub programs: BTreeMap<String, PathBuf>,
}

/// What was counted of one server.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Instructions in the program for each request, one figure for each pass.
    pub instructions: Vec<f64>,
    /// Blocks of memory that it allocates for each request.
    pub allocations: Option<f64>,
    /// System calls for each request, by name.
    pub calls: Option<SystemCalls>,
    /// Bytes of an answer, its head included.
    pub bytes: Option<f64>,
    /// The length of the program's file, in bytes.
    pub program_bytes: Option<u64>,
    /// Why something was not counted, a sentence each.
    pub problems: BTreeSet<String>,
}

/// Where servers are counted.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The folder that commands are run in.
    pub project: &'a Path,
    /// The document roots.
    pub roots: &'a Roots,
    /// The CPUs of server and client.
    pub division: &'a Division,
    /// A folder for this alone.
    pub scratch: &'a Path,
    /// Becomes true when the reader wants no more.
    pub interrupted: &'a AtomicBool,
}

/// Counts one server on each side, the sides taking turns.
///
/// # Errors
/// Only when files for the server cannot be written, or no port is free.
pub fn count(
    setting: &Setting<'_>,
    measurement: &Measurement,
    sides: &[&Side],
    ports: &mut Ports,
) -> io::Result<Vec<Counters>> {
    let mut counters = vec![Counters::default(); sides.len()];
    for pass in 0..PASSES {
        for (side, counters) in sides.iter().zip(&mut counters) {
            if setting.interrupted.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            let program = measurement.server.package.as_ref().and_then(|package| side.programs.get(package));
            let root = setting.roots.of(&measurement.workload.root);
            let mut prepared = recording::prepare(measurement, program.map(PathBuf::as_path), root, setting.division);
            // Of several connections chance would say how many are ready at a time, and with that how often a loop waits.
            prepared.record.workload.connections = 1;
            let program = program.map(PathBuf::as_path);
            let turn = prepared.turn(measurement, program, setting.project, setting.scratch, setting.interrupted);
            let mut port = || ports.next_free().map_err(io::Error::other);
            match turn.count_by(Tool::Instructions, port()?, LIMIT)? {
                Ok(cost) => {
                    counters.instructions.push(cost.each);
                    counters.bytes = Some(cost.bytes);
                }
                Err(error) => drop(counters.problems.insert(format!("instructions were not counted: {error}"))),
            }
            // The rest is the same every time.
            if pass > 0 {
                continue;
            }
            match turn.count_by(Tool::Allocations, port()?, LIMIT)? {
                Ok(cost) => counters.allocations = Some(cost.each),
                Err(error) => drop(counters.problems.insert(format!("allocations were not counted: {error}"))),
            }
            match turn.count_calls(port()?, system_calls::LIMIT)? {
                Ok(calls) => counters.calls = Some(calls),
                Err(error) => drop(counters.problems.insert(error.to_string())),
            }
            counters.program_bytes = program.and_then(|program| Some(fs::metadata(program).ok()?.len()));
        }
    }
    Ok(counters)
}

impl Counters {
    /// The least and the most instructions of all passes.
    fn range(&self) -> Option<(f64, f64)> {
        let least = self.instructions.iter().copied().reduce(f64::min)?;
        Some((least, self.instructions.iter().copied().fold(least, f64::max)))
    }

    /// The pass in the middle.
    fn median(&self) -> Option<f64> {
        reports::statistics::median(&self.instructions)
    }

    /// The figures in words: `3,412 instructions, 2.25 system calls (1 recvfrom, ...), 0 allocations, 855 bytes`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if let (Some(median), Some((least, most))) = (self.median(), self.range()) {
            parts.push(format!(
                "{} instructions ({} to {})",
                words::figure(median),
                words::figure(least),
                words::figure(most)
            ));
        }
        if let Some(calls) = &self.calls {
            let named: Vec<String> = calls
                .by_name()
                .into_iter()
                .filter(|(_, each)| *each >= CALLS_SEEN)
                .map(|(name, each)| format!("{each:.2} {name}"))
                .collect();
            parts.push(format!("{:.2} system calls ({})", calls.per_request(), named.join(", ")));
        }
        // A block fewer in the longer pass is chance, and no request gives memory back that it did not take.
        parts.extend(self.allocations.map(|each| format!("{:.2} allocations", each.max(0.0))));
        parts.extend(self.bytes.map(|bytes| format!("{bytes:.0} bytes received")));
        parts.extend(self.program_bytes.map(|bytes| format!("a program of {}", words::bytes(bytes))));
        parts.join(", ")
    }

    /// What changed from `base` to this, in words; nothing if nothing was seen to change.
    #[must_use]
    pub fn changes_from(&self, base: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        changes.extend(self.instructions_from(base));
        if let (Some(before), Some(after)) = (&base.calls, &self.calls) {
            let (before, after) = (before.by_name(), after.by_name());
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let each = |calls: &BTreeMap<String, f64>, name: &String| calls.get(name).copied().unwrap_or(0.0);
            for name in names {
                let change = each(&after, name) - each(&before, name);
                // How often a loop waits depends on how many are ready, and differs from pass to pass.
                let is_wait = ["wait", "poll", "select", "futex", "yield"].iter().any(|wait| name.contains(wait));
                if change.abs() >= if is_wait { WAITS_SEEN } else { CALLS_SEEN } {
                    changes.push(format!("{change:+.2} {name}"));
                }
            }
        }
        if let (Some(before), Some(after)) = (base.allocations, self.allocations)
            && (after - before).abs() >= ALLOCATIONS_SEEN
        {
            changes.push(format!("{:+.2} allocations", after - before));
        }
        if let (Some(before), Some(after)) = (base.bytes, self.bytes)
            && (after - before).abs() >= 0.5
        {
            changes.push(format!("{:+.0} bytes of an answer", after - before));
        }
        if let (Some(before), Some(after)) = (base.program_bytes, self.program_bytes)
            && before != after
        {
            let more = if after > before { "larger" } else { "smaller" };
            changes.push(format!("a program that is {} {more}", words::bytes(before.abs_diff(after))));
        }
        changes
    }

    /// A change that is larger than what the passes of one side differ by.
    fn instructions_from(&self, base: &Self) -> Option<String> {
        let (before, after) = (base.range()?, self.range()?);
        if after.0 <= before.1 && before.0 <= after.1 {
            return None;
        }
        let (old, new) = (base.median()?, self.median()?);
        Some(format!(
            "{:+.0} instructions ({} to {}, {:+.1} %)",
            new - old,
            words::figure(old),
            words::figure(new),
            100.0 * (new / old - 1.0),
        ))
    }
}

/// What was counted of one server, as lines for the reader: of one side, or of a base and a head.
#[must_use]
pub fn describe(server: &str, sides: &[&Side], counters: &[Counters]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    match (sides, counters) {
        ([_], [only]) => _ = writeln!(text, "{server}: {}", only.describe()),
        ([base_side, head_side], [base, head]) => {
            let changes = head.changes_from(base);
            let changes = if changes.is_empty() { "no difference seen".to_owned() } else { changes.join(", ") };
            let _ = writeln!(text, "{server}: {changes}");
            let _ = writeln!(text, "  {}: {}", base_side.name, base.describe());
            let _ = writeln!(text, "  {}: {}", head_side.name, head.describe());
        }
        _ => _ = writeln!(text, "{server}: interrupted"),
    }
    for problem in counters.iter().flat_map(|counters| &counters.problems).collect::<BTreeSet<_>>() {
        let _ = writeln!(text, "  {problem}");
    }
    text
}

/// Whether two sides have the same program for a package, byte for byte.
#[must_use]
pub fn is_identical(package: &str, first: &Side, second: &Side) -> bool {
    let bytes = |side: &Side| side.programs.get(package).and_then(|program| fs::read(program).ok());
    bytes(first).zip(bytes(second)).is_some_and(|(first, second)| first == second)
}

impl Side {
    /// The programs that were built of a commit.
    #[must_use]
    pub fn of(build: &crate::commits::Build) -> Self {
        Self { name: shortened(&build.commit).to_owned(), programs: build.programs.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use reports::system_calls::Pass;

    fn calls(receives: u64) -> SystemCalls {
        let pass = |requests: u64, receives: u64| Pass {
            requests,
            calls: [("recvfrom", receives), ("sendto", requests), ("epoll_wait", requests / 4)]
                .map(|(name, count)| (name.to_owned(), count))
                .into(),
        };
        SystemCalls { connections: 4, few: pass(40, 40), many: pass(840, 40 + receives) }
    }

    fn counters(instructions: &[f64], receives: u64) -> Counters {
        Counters {
            instructions: instructions.to_vec(),
            allocations: Some(0.0),
            calls: Some(calls(receives)),
            bytes: Some(855.0),
            program_bytes: Some(1 << 20),
            ..Counters::default()
        }
    }

    #[test]
    fn what_a_change_costs_is_named() {
        let base = counters(&[3_412.0, 3_414.0, 3_410.0], 800);
        let mut head = counters(&[3_826.0, 3_824.0, 3_822.0], 1_600);
        (head.allocations, head.program_bytes) = (Some(1.0), Some((1 << 20) + 2_048));
        assert_eq!(
            head.changes_from(&base),
            [
                "+412 instructions (3,412 to 3,824, +12.1 %)",
                "+1.00 recvfrom",
                "+1.00 allocations",
                "a program that is 2.00 KiB larger",
            ]
        );
        assert_eq!(
            base.describe(),
            "3,412 instructions (3,410 to 3,414), 2.25 system calls (0.25 epoll_wait, 1.00 recvfrom, 1.00 sendto), 0.00 allocations, 855 bytes received, a program of 1.00 MiB"
        );
    }

    #[test]
    fn ranges_that_meet_are_no_difference() {
        let base = counters(&[6_905.0, 6_980.0, 6_950.0], 800);
        let head = counters(&[6_970.0, 7_010.0, 6_990.0], 803);
        assert_eq!(head.changes_from(&base), [""; 0]);
        assert_eq!(Counters::default().changes_from(&base), [""; 0]);
    }
}
