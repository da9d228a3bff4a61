//! A process that uses CPU time as it is told to: `burner hog PERCENT`, `burner packets`, `burner threads`, `burner children`.
//! The last two wait for a line on standard input, and say then in nanoseconds what they used by the clocks of their own.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, clippy::print_stdout, reason = "only a test reads it")]

use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio, exit};
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How often a hog starts to work.
const PERIOD: Duration = Duration::from_millis(20);
/// What a thread uses that ends, and what is used by the one that stays.
const OF_ENDED_THREAD: Duration = Duration::from_millis(150);
const OF_OWN_THREAD: Duration = Duration::from_millis(34);
/// What each child uses that is waited for, and how many there are.
const OF_CHILD: Duration = Duration::from_millis(60);
const CHILDREN: usize = 3;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["hog", percent] => hog(percent.parse().unwrap_or(0)),
        ["packets"] => packets(),
        ["threads"] => {
            wait();
            let begin = used(ClockId::ProcessCPUTime);
            let ended = thread::spawn(|| burn(OF_ENDED_THREAD)).join();
            burn(OF_OWN_THREAD);
            assert!(ended.is_ok(), "a thread panicked");
            println!("{}", (used(ClockId::ProcessCPUTime) - begin).as_nanos());
            sleep();
        }
        ["children"] => {
            wait();
            let begin = used(ClockId::ProcessCPUTime);
            let of_children: u128 = (0..CHILDREN).map(|_| of_child()).sum();
            println!("{}", (used(ClockId::ProcessCPUTime) - begin).as_nanos() + of_children);
            sleep();
        }
        ["child"] => {
            burn(OF_CHILD);
            println!("{}", used(ClockId::ProcessCPUTime).as_nanos());
        }
        _ => {
            eprintln!("usage: burner hog PERCENT | packets | threads | children");
            exit(2);
        }
    }
}

fn used(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Uses so much CPU time in the calling thread, however long that takes.
fn burn(time: Duration) {
    let begin = used(ClockId::ThreadCPUTime);
    while used(ClockId::ThreadCPUTime) < begin + time {}
}

fn hog(percent: u32) -> ! {
    let mut next = Instant::now();
    loop {
        burn(PERIOD * percent / 100);
        // What it could not have in one period it does not ask for in the next.
        next = (next + PERIOD).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Sends packets to itself, whose way through the loopback device is work of a soft interrupt.
fn packets() -> ! {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { exit(1) };
    let is_ready = socket.local_addr().and_then(|own| socket.connect(own)).and_then(|()| socket.set_nonblocking(true));
    if is_ready.is_err() {
        exit(1);
    }
    let mut bytes = [0; 64];
    loop {
        let _ = (socket.send(&bytes), socket.recv(&mut bytes));
    }
}

fn of_child() -> u128 {
    let child =
        std::env::current_exe().and_then(|own| Command::new(own).arg("child").stderr(Stdio::inherit()).output());
    let text = child.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn wait() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn sleep() -> ! {
    loop {
        thread::park();
    }
}
