//! The disk: whoever asks for what is not in memory waits, and nobody else does.
//!
//! The disk is slow in pretence: strace holds up the calls that open or read a certain file. It cannot tell the calls that
//! may wait from those that must not (it holds up `openat2` whether or not `RESOLVE_CACHED` is said). So where opening is
//! to be slow, `openat2` is refused, and the calls of the walk in its place are held up.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Model, Response, Root, Server, Start, request, under_strace, wait_until};
use rustix::fs::{FsWord, statfs};

harness::under_every_model!(
    others_are_served_while_one_file_is_opened,
    others_are_served_while_one_file_is_read,
    a_disk_slower_than_the_deadlines_is_not_the_clients_fault,
    sends_64_mebibytes_from_the_disk,
    many_wait_at_once,
    who_hangs_up_while_waiting_harms_nobody,
    stopping_waits_for_the_disk,
    only_threads_that_may_wait_do,
    who_cannot_tell_counts_as_one_who_waits,
    a_tree_that_never_rests_is_served,
);

/// In these models one thread serves many connections, so it must not wait for one of them.
fn is_event_driven(model: Model) -> bool {
    matches!(model, Model::Epoll | Model::Async)
}

/// One worker more than may be waiting.
fn start(model: Model, root: &Root) -> Start {
    Server::of(model).workers(if is_event_driven(model) { 1 } else { 2 }).root(root)
}

/// Bytes that are different at every place and for every seed.
fn content(seed: u64, length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|number| (number * 31 + seed * 1_000_003).to_le_bytes()).take(length).collect()
}

/// Opening any file called `slow.txt` takes four calls, and each of them so long.
fn slow_to_open(delay: Duration) -> Option<Vec<OsString>> {
    let inject = format!("--inject=openat:delay_enter={}", delay.as_micros());
    under_strace([
        "--trace=openat,openat2",
        "--trace-path=slow.txt",
        "--inject=openat2:error=ENOSYS",
        &inject,
        "--output=/dev/null",
    ])
}

/// Whether there is a disk that could be waited for. Where temporary files live in memory (tmpfs), the test is skipped,
/// and says so.
fn is_on_a_disk(root: &Root) -> bool {
    /// statfs(2), section "File system types".
    const TMPFS_MAGIC: FsWord = 0x0102_1994;
    let is_on_a_disk = statfs(root.path()).expect("a directory of ours").f_type != TMPFS_MAGIC;
    if !is_on_a_disk {
        // Not by eprintln!, which the test runner keeps to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "skipped: temporary files are on no disk");
    }
    is_on_a_disk
}

/// Each call that reads the file and may wait takes so long.
fn slow_to_read(root: &Root, name: &str, delay: Duration) -> Option<Vec<OsString>> {
    if !is_on_a_disk(root) {
        return None;
    }
    let inject = format!("--inject=pread64:delay_enter={}", delay.as_micros());
    let path = format!("--trace-path={}", root.path().join(name).display());
    under_strace(["--trace=pread64", &path, &inject, "--output=/dev/null"])
}

/// Plays a scene in which a disk is as many times slower as it is told, and which says whether others were served while
/// one waited for it. On a busy machine they may be late for no fault of the server, and what the kernel was told to
/// forget may be there all the same: then it is played again with a slower disk.
#[track_caller]
fn others_are_in_time(scene: impl Fn(u32) -> bool) {
    assert!([1, 1, 3, 3, 9].into_iter().any(scene), "others waited for the disk, or nobody did");
}

fn others_are_served(server: &Server) {
    for number in 0..10 {
        assert_eq!(server.get("/hot.txt").expect(200).text(), "hot");
        assert_eq!(server.get(&format!("/{number}.txt")).expect(200).text(), number.to_string());
    }
}

/// A file that is hot, ten that were never asked for, and the slow one.
fn site(slow: &str, content: &[u8]) -> Root {
    let root = Root::with_index("index").file("hot.txt", "hot").file(slow, content);
    for number in 0..10 {
        root.write(&format!("{number}.txt"), number.to_string());
    }
    root
}

fn others_are_served_while_one_file_is_opened(model: Model) {
    /// Opening a file takes so many calls.
    const CALLS: u32 = 4;
    others_are_in_time(|factor| {
        let delay = factor * Duration::from_millis(350);
        let Some(strace) = slow_to_open(delay) else { return true };
        let root = site("slow.txt", b"slow");
        let server = start(model, &root).wrapper(strace).start();
        server.get("/hot.txt").expect(200);
        let mut slow = server.connect();
        let [hot, cold] = ["/hot.txt", "/slow.txt"].map(|target| request("GET", target, &[]));
        let begun = Instant::now();
        slow.send([&*hot, &*cold, &*hot].concat());
        if is_event_driven(model) {
            // What was answered before goes out before.
            assert_eq!(slow.response().expect(200).text(), "hot");
        }
        others_are_served(&server);
        if begun.elapsed() >= CALLS * delay {
            return false;
        }
        // A pool that somebody waits for lets go of a connection after an answer, and so of what else it asked for.
        let goes_on = |response: &Response| is_event_driven(model) || response.leaves_open();
        if !is_event_driven(model) {
            let first = slow.response().expect(200);
            assert_eq!(first.text(), "hot");
            if !goes_on(&first) {
                return false;
            }
        }
        let late = slow.response().expect(200);
        assert_eq!(late.text(), "slow");
        assert!(begun.elapsed() >= CALLS * delay, "nobody waited for the disk: {:?}", begun.elapsed());
        if goes_on(&late) {
            assert_eq!(slow.response().expect(200).text(), "hot");
        }
        true
    });
}

fn others_are_served_while_one_file_is_read(model: Model) {
    let expected = content(1, 90_000);
    others_are_in_time(|factor| {
        let delay = factor * Duration::from_secs(1);
        let root = site("slow.bin", &expected);
        let Some(strace) = slow_to_read(&root, "slow.bin", delay) else { return true };
        let server = start(model, &root).wrapper(strace).start();
        server.get("/hot.txt").expect(200);
        root.evict("slow.bin");
        let mut slow = server.connect();
        let begun = Instant::now();
        slow.send(request("GET", "/slow.bin", &[]));
        others_are_served(&server);
        if begun.elapsed() >= delay {
            return false;
        }
        let response = slow.response().expect(200);
        let waited = begun.elapsed() >= delay;
        assert_eq!(response.body, expected);
        // A pool tells it to go if somebody waits for its worker at that moment.
        if !response.has("connection") || response.header("connection") != "close" {
            assert_eq!(slow.get("/hot.txt").expect(200).text(), "hot");
        }
        waited
    });
}

/// A file too long for the cache is read in part by part. Threads that send it wait in the call that sends.
fn a_disk_slower_than_the_deadlines_is_not_the_clients_fault(model: Model) {
    /// The first part is read by so many calls.
    const CALLS: u32 = 8;
    if !is_event_driven(model) {
        return;
    }
    let expected = content(2, 600_000);
    others_are_in_time(|factor| {
        let delay = factor * Duration::from_millis(125);
        // A client that is itself kept waiting by a busy machine has more time, too.
        let send_timeout = format!("{}ms", (2 * delay).as_millis());
        let root = site("slow.bin", &expected);
        let Some(strace) = slow_to_read(&root, "slow.bin", delay) else { return true };
        let flags = ["--cache-bytes", "100000", "--send-timeout", &send_timeout];
        let server = start(model, &root).flags(flags).wrapper(strace).start();
        server.get("/hot.txt").expect(200);
        root.evict("slow.bin");
        let (mut slow, mut kept) = (server.connect(), server.connect());
        let begun = Instant::now();
        slow.send(request("GET", "/slow.bin", &[]));
        for _ in 0..20 {
            assert_eq!(kept.get("/hot.txt").expect(200).text(), "hot");
        }
        if begun.elapsed() >= CALLS * delay {
            return false;
        }
        assert_eq!(slow.response().expect(200).body, expected);
        let waited = begun.elapsed() >= CALLS * delay;
        assert_eq!(slow.get("/hot.txt").expect(200).text(), "hot");
        waited
    });
}

fn sends_64_mebibytes_from_the_disk(model: Model) {
    static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| content(3, 64 << 20));
    let root = site("large.bin", &LARGE);
    let server = start(model, &root).start();
    let mut client = server.connect();
    for _ in 0..2 {
        root.evict("large.bin");
        client.send(request("GET", "/large.bin", &[]));
        assert_eq!(server.get("/hot.txt").expect(200).text(), "hot");
        // Not by assert_eq!, which would print them.
        assert!(client.response().expect(200).body == *LARGE, "other bytes than the file has");
    }
}

/// More at once than there are threads to wait: they take turns, and everybody gets the right file.
fn many_wait_at_once(model: Model) {
    const MANY: usize = 24;
    let Some(strace) = slow_to_open(Duration::from_millis(30)) else { return };
    let root = site("slow.txt", b"slow");
    for number in 0..MANY {
        root.write(&format!("{number}/slow.txt"), format!("slow {number}"));
    }
    let server = start(model, &root).wrapper(strace).start();
    // From here on openat2 counts as refused.
    server.get("/slow.txt").expect(200);
    let mut waiting: Vec<Client> = (0..MANY).map(|_| server.connect()).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        client.send(request("GET", &format!("/{number}/slow.txt"), &["Connection: close"]));
    }
    assert_eq!(server.get("/slow.txt").expect(200).text(), "slow");
    for (number, client) in waiting.iter_mut().enumerate() {
        assert_eq!(client.response().expect(200).text(), format!("slow {number}"));
        client.closed();
    }
}

/// The places of those who have hung up go to others only when nothing can come back for them any more.
fn who_hangs_up_while_waiting_harms_nobody(model: Model) {
    let Some(strace) = slow_to_open(Duration::from_millis(100)) else { return };
    let root = site("slow.txt", b"slow");
    let server = start(model, &root).wrapper(strace).start();
    server.get("/hot.txt").expect(200);
    let descriptors = server.process().descriptors();
    for number in 0..12 {
        let mut client = server.connect();
        client.send(request("GET", "/slow.txt", &[]));
        if number % 2 == 0 {
            client.reset();
        }
    }
    thread::scope(|scope| {
        for number in 0..10 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.connect();
                for _ in 0..20 {
                    // A pool closes when others wait.
                    let response = client.get(&format!("/{number}.txt")).expect(200);
                    assert_eq!(response.text(), number.to_string());
                    if !response.keeps_alive() {
                        client = server.connect();
                    }
                }
                // Whatever was meant for somebody else would be in front of this.
                client.hears_nothing_for(Duration::from_millis(500));
                drop(client);
            });
        }
    });
    assert_eq!(server.get("/slow.txt").expect(200).text(), "slow");
    wait_until("the descriptors are given back", || server.process().descriptors() <= descriptors);
}

fn stopping_waits_for_the_disk(model: Model) {
    let Some(strace) = slow_to_open(Duration::from_millis(200)) else { return };
    let root = site("slow.txt", b"slow");
    let mut server = start(model, &root).wrapper(strace).start();
    server.get("/hot.txt").expect(200);
    let mut client = server.connect();
    client.send(request("GET", "/slow.txt", &[])).hears_nothing_for(Duration::from_millis(150));
    server.terminate();
    assert_eq!(client.response().expect(200).text(), "slow");
    client.closed();
    assert_eq!(server.ends_within(Duration::from_secs(10)).code(), Some(0));
}

/// Of the threads that serve connections none opens or reads a file, but in ways that do not wait.
fn only_threads_that_may_wait_do(model: Model) {
    if !is_event_driven(model) {
        return;
    }
    let root = site("cold.bin", &content(4, 90_000)).file("large.bin", content(5, 3_000_000));
    if !is_on_a_disk(&root) {
        return;
    }
    let log = root.outside().join("strace.log");
    let output = format!("--output={}", log.display());
    let Some(strace) = under_strace(["--trace=openat,openat2,pread64,read,preadv2,epoll_wait,sendfile", &output])
    else {
        return;
    };
    let mut server = start(model, &root).flags(["--cache-ttl", "0s"]).wrapper(strace).start();
    for target in ["/", "/hot.txt", "/hot.txt", "/cold.bin", "/large.bin", "/none", "/cold.bin", "/large.bin"] {
        for name in ["cold.bin", "large.bin"] {
            root.evict(name);
        }
        server.get(target);
    }
    server.terminate();
    server.ends_within(Duration::from_secs(10));
    let calls = || fs::read_to_string(&log).unwrap_or_default();
    wait_until("strace has written it all", || calls().contains("+++ exited with 0 +++"));
    let calls = calls();
    let calls: Vec<(&str, &str)> = calls.lines().filter_map(|line| line.split_once(char::is_whitespace)).collect();
    let serves = |thread: &str| {
        calls.iter().any(|&(other, call)| other == thread && call.trim_start().starts_with("epoll_wait("))
    };
    let (mut at_once, mut waiting) = (0, 0);
    for (thread, call) in &calls {
        let call = call.trim_start();
        let waits = match call.split('(').next() {
            Some("openat2") => !call.contains("RESOLVE_CACHED"),
            Some("preadv2") => !call.contains("RWF_NOWAIT"),
            // Not the few files that the C library opens for itself.
            Some("openat") => ![r#""/sys/"#, r#""/proc/sys/"#].iter().any(|its| call.contains(its)),
            Some("pread64") => true,
            _ => continue,
        };
        assert!(!(waits && serves(thread)), "a thread that serves made the call {call}");
        at_once += u32::from(!waits);
        waiting += u32::from(waits && call.starts_with("pread64"));
    }
    assert!(at_once > 0 && waiting > 0, "{at_once} calls would not have waited, {waiting} would");
}

/// Where reading without waiting is refused, files are read on the threads that may wait.
fn who_cannot_tell_counts_as_one_who_waits(model: Model) {
    if !is_event_driven(model) {
        return;
    }
    let (short, long) = (content(6, 90_000), content(7, 500_000));
    thread::scope(|scope| {
        for errno in ["ENOSYS", "EINVAL", "EPERM"] {
            let (short, long) = (&short, &long);
            scope.spawn(move || {
                let root = site("short.bin", short).file("long.bin", long);
                if !is_on_a_disk(&root) {
                    return;
                }
                let log = root.outside().join("strace.log");
                let inject = format!("--inject=preadv2:error={errno}");
                let output = format!("--output={}", log.display());
                let Some(strace) = under_strace(["--trace=preadv2,pread64", &inject, &output]) else { return };
                let mut server = start(model, &root).flags(["--cache-bytes", "1m"]).wrapper(strace).start();
                assert!(server.get("/short.bin").expect(200).body == *short, "{errno}: other bytes than the file has");
                assert!(server.get("/long.bin").expect(200).body == *long, "{errno}: other bytes than the file has");
                server.terminate();
                server.ends_within(Duration::from_secs(10));
                let calls = || fs::read_to_string(&log).unwrap_or_default();
                wait_until("strace has written it all", || calls().contains("+++ exited with 0 +++"));
                let read_in =
                    calls().lines().filter(|call| call.contains("pread64(") && call.contains("65536")).count();
                assert!(read_in > 0, "{errno}: no part was read in before it was sent");
            });
        }
    });
}

/// openat2 fails, as often as it is tried, while anything in the system is being renamed.
fn a_tree_that_never_rests_is_served(model: Model) {
    let options = ["--trace=openat2", "--inject=openat2:error=EAGAIN", "--output=/dev/null"];
    let Some(strace) = under_strace(options) else { return };
    let root = Root::with_index("index").file("folder/file.txt", "file");
    let server = start(model, &root).wrapper(strace).start();
    assert_eq!(server.get("/").expect(200).text(), "index");
    assert_eq!(server.get("/folder/file.txt").expect(200).text(), "file");
    server.get("/folder/none.txt").expect(404);
}
