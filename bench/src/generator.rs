//! A load generator as a program of its own, so that two builds of it can be compared.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::{Outcome, Plan};

/// How much longer than its plan it may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(2);

/// Runs it with the plan's connections, threads, times and CPUs; other parts of a plan it is not told.
///
/// # Errors
/// What went wrong, in words: it cannot be run, does not end in time, fails, or says what is not understood.
pub fn run(program: &Path, plan: &Plan, interrupted: &AtomicBool) -> Result<Outcome, String> {
    let milliseconds = |time: Duration| format!("{}ms", time.as_millis());
    let mut command = Command::new(program);
    command.args(["--connections", &plan.connections.to_string(), "--threads", &plan.threads.to_string()]);
    command.args(["--duration", &milliseconds(plan.duration()), "--warmup", &milliseconds(plan.warmup())]);
    if let Some(cpus) = &plan.cpus {
        command.args(["--cpus", &reports::words::cpus(cpus)]);
    }
    if let Some(start) = plan.start_at_ms {
        command.args(["--start-at", &format!("{:.3}", start as f64 / 1e3)]);
    }
    command.args(["--json", "-", &plan.url]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = program.display();
    let mut child = command.spawn().map_err(|error| format!("{name} cannot be run: {error}"))?;
    let mut output = child.stdout.take().ok_or_else(|| format!("{name} has no standard output"))?;
    let mut errors = child.stderr.take().ok_or_else(|| format!("{name} has no standard error"))?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        output.read_to_end(&mut text).map(|_| text)
    });
    // The text for people goes there, too; a failure is told first.
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).lines().next().map(str::to_owned))
    });
    let end = Instant::now() + plan.warmup() + plan.duration() + PATIENCE;
    let status = loop {
        match child.try_wait().map_err(|error| format!("{name}: {error}"))? {
            Some(status) => break status,
            None if Instant::now() < end && !interrupted.load(Ordering::Relaxed) => thread::sleep(POLL),
            None => {
                // It is the last that is wanted of it, however it ends.
                let _ = child.kill();
                break child.wait().map_err(|error| format!("{name}: {error}"))?;
            }
        }
    };
    let text = reader.join().ok().and_then(Result::ok).unwrap_or_default();
    if !status.success() {
        let said = complaints.join().ok().and_then(Result::ok).flatten().unwrap_or_default();
        return Err(format!("{name} failed ({status}): {said}"));
    }
    serde_json::from_slice(&text).map_err(|error| format!("what {name} measured is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_generator_is_told() {
        let plan = Plan { duration_ms: 1, ..Plan::new("http://127.0.0.1:1/") };
        let run = |program: &str| run(Path::new(program), &plan, &AtomicBool::new(false)).unwrap_err();
        assert!(run("/no/such/generator").contains("cannot be run"));
        assert!(run("false").contains("failed"));
        assert!(run("true").contains("is not understood"));
    }
}
