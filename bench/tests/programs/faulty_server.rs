//! A server that fails in the way it is told to: `faulty-server FAULT FILE PORT`. The tests measure it.
#![forbid(unsafe_code)]
#![expect(clippy::print_stderr, reason = "only tests read it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, exit};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Requests that the check before the measuring makes, each on its own connection; the probe whether the server listens
/// makes none.
const CHECKED: u64 = 2;
/// Answers after which a server that dies under load dies, and one that changes its file does.
const ENOUGH: u64 = 200;
/// Of so many answers, servers that fail now and then fail at one.
const NOW_AND_THEN: u64 = 50;
/// How long a server that delays its answers does.
const DELAY: Duration = Duration::from_millis(20);
/// How long under load a server that loses one request answers all.
const CAREFUL: Duration = Duration::from_millis(250);
/// How long a server that tires stays fresh under load, ...
const FRESH: Duration = Duration::from_millis(1500);
/// ... and how long each of its answers takes from then on.
const TIRED: Duration = Duration::from_millis(1);
/// How long an impatient server waits for the next request.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a process lives that its server left in the background, at most.
const LIFE_IN_BACKGROUND: Duration = Duration::from_secs(120);

struct Server {
    fault: String,
    file: String,
    body: Vec<u8>,
    answered: AtomicU64,
    loaded_since: OnceLock<Instant>,
    has_lost_one: AtomicBool,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    // Further words are flags of suites, which it does not obey.
    let [_, fault, file, port, ..] = words.as_slice() else {
        eprintln!("usage: faulty-server FAULT FILE PORT");
        exit(2);
    };
    match fault.as_str() {
        "crashes-at-start" => {
            eprintln!("the configuration is upside down");
            exit(3);
        }
        "never-listens" => loop {
            thread::park();
        },
        // Its mask is what it likes, whatever it was given.
        "pins-itself" => {
            let mut everywhere = rustix::thread::CpuSet::new();
            (0..rustix::thread::CpuSet::MAX_CPU).for_each(|cpu| everywhere.set(cpu));
            let _ = rustix::thread::sched_setaffinity(None, &everywhere);
        }
        "forks-twice" => {
            // The shell ends at once and leaves its child without a parent, and so does this process then.
            start_in_background("is-in-background", file, port);
            exit(0);
        }
        "keeps-a-worker" => start_in_background("is-a-worker", file, port),
        "is-in-background" | "is-a-worker" => {
            // Away from the process group and the session of the server that it belongs to.
            let _ = rustix::process::setsid();
            // A test that fails must leave nothing behind for long.
            thread::spawn(|| {
                thread::sleep(LIFE_IN_BACKGROUND);
                exit(0);
            });
            if fault == "is-a-worker" {
                loop {
                    thread::park();
                }
            }
        }
        "lets-another-listen" => let_another_listen(file, port),
        "is-another" => {
            let leader = words.get(4).cloned().unwrap_or_default();
            thread::spawn(move || {
                while std::path::Path::new(&format!("/proc/{leader}/exe")).exists() {
                    thread::sleep(Duration::from_millis(20));
                }
                exit(0);
            });
        }
        "ignores-sigterm" => {
            // Whatever the flag says, nobody asks it.
            let _ = signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::new(AtomicBool::new(false)));
        }
        _ => {}
    }
    let body = std::fs::read(file).unwrap_or_default();
    let port = port.parse().unwrap_or(0);
    let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) else {
        eprintln!("cannot listen on port {port}");
        exit(1);
    };
    let server = Arc::new(Server {
        fault: fault.clone(),
        file: file.clone(),
        body,
        answered: AtomicU64::new(0),
        loaded_since: OnceLock::new(),
        has_lost_one: AtomicBool::new(false),
    });
    if fault == "never-accepts" {
        loop {
            thread::park();
        }
    }
    for stream in listener.incoming().flatten() {
        // The trap of a pool whose workers belong to connections: one worker, and the others wait for ever.
        if fault == "pins-its-worker" {
            server.serve(stream);
            continue;
        }
        let server = Arc::clone(&server);
        thread::spawn(move || server.serve(stream));
    }
}

/// Starts this program again, as a process that has no parent any more when this returns.
fn start_in_background(fault: &str, file: &str, port: &str) {
    let own = std::env::current_exe().unwrap_or_default();
    let mut shell = Command::new("sh");
    let _ = shell.args(["-c", "\"$0\" \"$1\" \"$2\" \"$3\" &"]).arg(own).args([fault, file, port]).status();
}

/// Another process answers that this one did not start, as that of a container does: the test starts it. It ends when this one
/// does.
fn let_another_listen(file: &str, port: &str) -> ! {
    // Renamed, so that whoever waits for the file reads all of it.
    let _ = std::fs::write("wanted.new", format!("{file}\n{port}\n{}\n", std::process::id()));
    let _ = std::fs::rename("wanted.new", "wanted");
    loop {
        thread::park();
    }
}

impl Server {
    fn serve(&self, stream: TcpStream) {
        if self.fault == "is-impatient" {
            let _ = stream.set_read_timeout(Some(PATIENCE));
        }
        let Ok(mut writer) = stream.try_clone() else { return };
        let mut lines = BufReader::new(stream).lines();
        loop {
            // A request ends with an empty line.
            loop {
                match lines.next() {
                    Some(Ok(line)) if line.is_empty() => break,
                    Some(Ok(_)) => {}
                    _ => return,
                }
            }
            let before = self.answered.fetch_add(1, Ordering::Relaxed);
            if self.fault == "closes" {
                return;
            }
            if self.fault == "stops-answering" && before >= CHECKED {
                thread::sleep(Duration::from_secs(3600));
            }
            let now_and_then = before > CHECKED && before.is_multiple_of(NOW_AND_THEN);
            match self.fault.as_str() {
                "forgets" if now_and_then => continue,
                "loses-one"
                    if self.is_loaded_for(CAREFUL, before) && !self.has_lost_one.swap(true, Ordering::Relaxed) =>
                {
                    continue;
                }
                "hangs-up" if now_and_then => return,
                "babbles" if now_and_then => {
                    let _ = writer.write_all(b"what was the question?\r\n\r\n");
                    return;
                }
                "cuts-off" if now_and_then => {
                    let answer = self.answer(before);
                    let _ = writer.write_all(&answer[..answer.len() - 1]);
                    return;
                }
                "repeats-itself" if now_and_then => {
                    let _ = writer.write_all(&self.answer(before));
                }
                "delays" => thread::sleep(DELAY),
                "hurries" if !now_and_then => thread::sleep(DELAY),
                "tires" if self.is_loaded_for(FRESH, before) => thread::sleep(TIRED),
                "changes-its-file" if before == ENOUGH => {
                    let changed: Vec<u8> = self.body.iter().map(|byte| byte ^ 1).collect();
                    let _ = std::fs::write(&self.file, changed);
                }
                _ => {}
            }
            let answer = self.answer(before);
            // The second piece waits until the first one is acknowledged, for the socket has no TCP_NODELAY.
            let cut = if self.fault == "sends-in-two-pieces" { answer.len() - self.body.len() } else { answer.len() };
            let (head, rest) = answer.split_at(cut);
            if writer.write_all(head).is_err() || (!rest.is_empty() && writer.write_all(rest).is_err()) {
                return;
            }
            if self.fault == "dies-under-load" && before >= ENOUGH {
                eprintln!("out of luck");
                exit(7);
            }
        }
    }

    /// Whether the load has lasted so long.
    fn is_loaded_for(&self, time: Duration, before: u64) -> bool {
        before >= CHECKED && self.loaded_since.get_or_init(Instant::now).elapsed() > time
    }

    fn answer(&self, before: u64) -> Vec<u8> {
        let mut body = match self.fault.as_str() {
            "reads-once" => self.body.clone(),
            _ => std::fs::read(&self.file).unwrap_or_default(),
        };
        let mut status = "200 OK";
        match self.fault.as_str() {
            "fails-under-load" if before >= CHECKED && before.is_multiple_of(NOW_AND_THEN) => {
                (status, body) = ("500 Internal Server Error", b"sorry".to_vec());
            }
            "not-found" => (status, body) = ("404 Not Found", b"nothing here".to_vec()),
            "wrong-bytes" => body.iter_mut().for_each(|byte| *byte ^= 1),
            "changes-under-load" if before >= CHECKED => body.iter_mut().for_each(|byte| *byte ^= 1),
            "shortens-under-load" if before >= CHECKED => body.truncate(body.len() / 2),
            _ => {}
        }
        let length = body.len();
        let content_type = match self.fault.as_str() {
            "confuses-types" if before > CHECKED && before.is_multiple_of(NOW_AND_THEN) => "text/plain",
            _ => "text/html",
        };
        let mut answer =
            format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n")
                .into_bytes();
        answer.append(&mut body);
        answer
    }
}
