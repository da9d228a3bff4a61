//! A server in a process of its own, which can be stopped, continued and killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::Plan;
use rustix::process::{Pid, Signal, kill_process};

/// A null server, which ends with its guard.
pub(crate) struct NullServer {
    child: Child,
    url: String,
}

impl NullServer {
    pub(crate) fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        let mut child = command.args(["null-server", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split(' ').nth(2).unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, url }
    }

    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::new(&self.url);
        (plan.connections, plan.threads, plan.interval_ms) = (4, 1, 50);
        plan
    }

    /// Stops the process, and returns when it has stopped.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let (started, file) = (Instant::now(), format!("/proc/{}/stat", self.child.id()));
        // The state stands behind the name, which is in parentheses.
        while !fs::read_to_string(&file).unwrap().contains(") T ") {
            assert!(started.elapsed() < Duration::from_secs(10), "it does not stop");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Lets a stopped process go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
