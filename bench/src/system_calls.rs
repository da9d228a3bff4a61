//! What a request costs a server in system calls, counted in a pass of its own under strace.
//!
//! One server serves a few requests, then many, and the difference is the cost. A server is started once for both, and
//! serves some requests before: so neither its start and end nor what it does for a first request (opening the file,
//! growing its memory) can come into the count. Each pass opens as many connections, so with kept connections opening
//! and closing them drops out, too; with a connection for each request they are part of the cost. The few are few,
//! rather than half, because calls that wait come in another number in each pass, and a difference of two like numbers
//! says nothing of them.
//!
//! Few connections are open, and strace slows the server, so how many of them are ready at a time is not what it is
//! under load. That decides how often calls are made that wait for several connections at once, such as `epoll_wait`:
//! their share is one of *these* connections, and gets smaller the more are ready. Calls that read, write, accept and
//! close do not depend on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::Load;
use reports::failure::{Failure, Phase};
use reports::system_calls::Pass;
use reports::{NotCounted, SystemCalls};

use crate::process::{Launch, ServerProcess};
use crate::strace::{self, Counts, Trace};

/// Requests that are served before anything is counted.
const WARM_UP: u64 = 200;
/// Requests of the shorter pass.
pub const FEW: u64 = 40;
/// Requests of the longer pass. A call that chance puts into it is then an eight-hundredth of a call for each request.
pub const MANY: u64 = 840;
/// Connections that are open at the same time, unless the workload has fewer.
pub const CONNECTIONS: usize = 4;
/// A server from which no call comes for so long is done with its requests.
const STILL: Duration = Duration::from_millis(50);
/// One that never rests is not waited for.
const LONGEST_REST: Duration = Duration::from_millis(500);
/// What a request may take at least, because each of its calls stops for strace.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(5);
/// What the counting of one server usually takes.
pub const USUAL_TIME: Duration = Duration::from_millis(1500);
/// What it may take. Threads that fight for a lock take long under strace.
pub const LIMIT: Duration = Duration::from_secs(20);
/// How long a server may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// Counts the system calls of the server that `launch` starts on `port`.
///
/// `load` says what the measurement's client does to a port. Of that plan the requests, headers, expectations, CPUs and
/// whether connections are kept are used; there are at most [`CONNECTIONS`] on one thread, in a closed loop. strace's
/// file is written beside the server's standard output, and removed. Everything together ends within `limit` and some
/// seconds for the server to end in; the server is gone afterwards, whatever came of it. Most servers take a second;
/// one of threads that fight for a lock, as Python's, may take twenty.
///
/// # Errors
/// Why they could not be counted, for which the rest of a run need not stop.
pub fn count(
    launch: &Launch<'_>,
    port: u16,
    load: impl Fn(u16) -> loadgen::Plan,
    limit: Duration,
    interrupted: &AtomicBool,
) -> Result<SystemCalls, NotCounted> {
    let begin = Instant::now();
    strace::may_trace(limit)?;
    let file = TraceFile::beside(&launch.standard_output).map_err(unreadable)?;
    let words = strace::words(&file.0, launch.words);
    let mut server = ServerProcess::start(&Launch { words: &words, ..launch.clone() }).map_err(not_served)?;
    let mut plan = load(port);
    plan.connections = plan.connections.min(CONNECTIONS);
    let passes = Passes { plan, begin, limit, interrupted };
    let counted = passes.count(&mut server, port, &file.0);
    // It was counted while it served: how it ends is told by the turn that measures it.
    let _ = server.stop(STOP_LIMIT);
    counted
}

/// The passes over one server.
struct Passes<'a> {
    plan: loadgen::Plan,
    begin: Instant,
    limit: Duration,
    interrupted: &'a AtomicBool,
}

impl Passes<'_> {
    fn count(&self, server: &mut ServerProcess, port: u16, file: &Path) -> Result<SystemCalls, NotCounted> {
        server.wait_until_it_listens(port, self.left(), self.interrupted).map_err(|failure| self.reason(failure))?;
        let mut trace = Trace::open(file).map_err(unreadable)?;
        let before = self.serve(server, WARM_UP, &mut trace)?;
        let between = self.serve(server, FEW, &mut trace)?;
        let after = self.serve(server, MANY, &mut trace)?;
        let connections = self.plan.connections as u64;
        let few = Pass { requests: FEW, calls: strace::since(&before, &between) };
        let many = Pass { requests: MANY, calls: strace::since(&between, &after) };
        SystemCalls { connections, few, many }.plausible()
    }

    /// Has so many requests served and returns the calls until then.
    fn serve(&self, server: &mut ServerProcess, requests: u64, trace: &mut Trace) -> Result<Counts, NotCounted> {
        let plan = counted_load(self.plan.clone(), requests, self.left(), SHORTEST_TIMEOUT);
        let outcome = loadgen::run(&plan, &mut |_: &loadgen::Progress| {}, self.interrupted);
        if let Some(death) = server.death(Phase::Measuring) {
            return Err(self.reason(death));
        }
        let outcome = outcome.map_err(|error| self.reason(Failure::Generator { error: error.to_string() }))?;
        let answered = outcome.responses.saturating_sub(outcome.unexpected.responses);
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(NotCounted::Interrupted);
        }
        if answered < requests {
            return Err(NotCounted::Unanswered { requests, answered, limit_seconds: self.limit.as_secs_f64() });
        }
        let rest = Instant::now();
        loop {
            thread::sleep(STILL);
            if !trace.read_on().map_err(unreadable)? || rest.elapsed() >= LONGEST_REST {
                return Ok(trace.counts());
            }
        }
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.begin.elapsed())
    }

    /// A server that an interrupted wait gave up has not failed.
    fn reason(&self, failure: Failure) -> NotCounted {
        if self.interrupted.load(Ordering::Relaxed) { NotCounted::Interrupted } else { not_served(failure) }
    }
}

/// The load of a server that is counted: so many requests from one thread in a closed loop, each with the time that it needs
/// under a tool.
pub(crate) fn counted_load(
    mut plan: loadgen::Plan,
    requests: u64,
    limit: Duration,
    shortest_timeout: Duration,
) -> loadgen::Plan {
    plan.threads = 1;
    plan.load = Load::Closed;
    plan.idle_connections = 0;
    plan.warmup_ms = 0;
    plan.requests = Some(requests);
    plan.duration_ms = milliseconds(limit);
    plan.timeout_ms = plan.timeout_ms.max(milliseconds(shortest_timeout));
    plan
}

/// The file that strace writes to. Dropping it removes it.
struct TraceFile(PathBuf);

impl TraceFile {
    /// strace runs in the server's folder, so the path is made absolute.
    fn beside(file: &Path) -> std::io::Result<Self> {
        let path = std::path::absolute(file.with_file_name("system-calls.strace"))?;
        // strace opens it before the server starts, but who waits for the server only sees that.
        fs::write(&path, "").map(|()| Self(path))
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        // It stays in the scratch folder, which is removed as a whole.
        let _ = fs::remove_file(&self.0);
    }
}

fn not_served(failure: Failure) -> NotCounted {
    NotCounted::NotServed { failure }
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes its errors by value")]
fn unreadable(error: std::io::Error) -> NotCounted {
    NotCounted::Unreadable { error: error.to_string() }
}

/// At least 1, which is the least that a plan takes.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
