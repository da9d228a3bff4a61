//! Servers that misbehave.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loadgen::validity::Complaint;
use loadgen::{Errors, Expect, ExpectedLength, Phase, Plan, Progress};

use crate::figures::check_figures;
use crate::server::{Server, ok, read_request, run, run_for, run_while};
use crate::verdict::assert_told;

#[test]
fn a_good_server_makes_no_errors() {
    let server = Server::answering(|_| Some(ok("hello")));
    let mut plan = server.plan();
    plan.expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(5)), ..Expect::default() };
    let outcome = run(&plan);
    assert!(outcome.responses >= 4, "{outcome:#?}");
    assert_eq!((outcome.errors.total(), outcome.unexpected.responses), (0, 0));
    assert_eq!((outcome.connections.opened, outcome.connections.never_served), (4, 0));
    assert_eq!(outcome.connections.closed_by_server, 0);
    assert_eq!(outcome.bytes_read, outcome.responses * ok("hello").len() as u64);
    assert_eq!(server.accepted(), 4);
    assert!(!outcome.stopped_early && outcome.elapsed_ns >= 300_000_000);
    // Where the client slept through the end, the last window is long.
    let (_, windows) = outcome.windows.split_last().unwrap();
    assert!(windows.iter().all(|window| window.length_ns == 50_000_000 && window.steal_ns.is_some()));
    assert!(outcome.cpu_ns() > 0 && outcome.threads.iter().all(|t| t.cpu_user_ns + t.cpu_system_ns == t.cpu_ns));
    // Little's law: in a closed loop, rate x latency is the number of connections.
    let little = outcome.responses_per_second() * outcome.latency.mean().unwrap() / 1e9;
    assert!((2.0..=4.2).contains(&little), "{little}");
}

#[test]
fn connections_are_dealt_out_with_their_remainder() {
    let server = Server::answering(|_| Some(ok("hello")));
    let mut plan = server.plan();
    (plan.connections, plan.threads) = (8, 3);
    // As many that each connection has its turn, however long that takes.
    (plan.requests, plan.duration_ms) = (Some(24), 60_000);
    let outcome = run(&plan);
    let shares: Vec<usize> = outcome.threads.iter().map(|thread| thread.connections).collect();
    assert_eq!(shares, [3, 3, 2]);
    assert_eq!(outcome.connections.never_served, 0);
}

#[test]
fn a_server_that_hangs_is_timed_out_and_nobody_is_served() {
    let server = Server::answering(|_| {
        thread::sleep(Duration::from_secs(60));
        None
    });
    let mut plan = server.plan();
    plan.timeout_ms = 100;
    plan.duration_ms = 450;
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.connections.never_served), (0, 4));
    // Four connections, each given up at least once in the time for four.
    assert!((4..=16).contains(&outcome.errors.timed_out), "{:?}", outcome.errors);
    // A client without a CPU may find a connection late, too, that was established in time.
    assert_eq!(outcome.errors.total(), outcome.errors.timed_out + outcome.errors.connect_timed_out);
    assert!(outcome.timed_out.minimum().unwrap() >= 100_000_000);
    assert!(outcome.in_flight.count() <= 4 && outcome.latency.is_empty());
}

#[test]
fn what_is_unanswered_at_the_end_is_counted_with_its_age() {
    let server = Server::answering(|_| {
        thread::sleep(Duration::from_secs(60));
        None
    });
    let outcome = run(&server.plan());
    assert_eq!((outcome.requests, outcome.responses, outcome.errors.total()), (4, 0, 0));
    assert_eq!(outcome.in_flight.count(), 4);
    assert!(outcome.in_flight.minimum().unwrap() > 200_000_000);
}

#[test]
fn a_server_that_never_accepts_ends_in_time_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = Plan::new(format!("http://{}", listener.local_addr().unwrap()));
    (plan.duration_ms, plan.timeout_ms) = (300, 100);
    let outcome = run(&plan);
    assert_eq!(outcome.responses, 0);
    assert!(outcome.errors.timed_out > 0);
}

#[test]
fn a_refused_connection_is_tried_again_but_not_hammered() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut plan = Plan::new(format!("http://{address}"));
    (plan.connections, plan.threads, plan.duration_ms) = (4, 2, 500);
    let outcome = run(&plan);
    assert_eq!((outcome.requests, outcome.connections.opened), (0, 0));
    assert_eq!(outcome.errors.total(), outcome.errors.refused);
    // 1 + 2 + 4 + ... + 64 ms and then every 100 ms make about eleven attempts of each.
    assert!((4..=60).contains(&outcome.errors.refused), "{}", outcome.errors.refused);
    assert_eq!(outcome.connections.never_served, 4);
}

#[test]
fn a_server_that_closes_at_once() {
    let server = Server::start(|stream, _| drop(stream));
    let mut plan = server.plan();
    plan.duration_ms = 60_000;
    let outcome = run_while(&plan, |progress| progress.errors < 20);
    let Errors { closed_early, reset, write, .. } = outcome.errors;
    assert_eq!(outcome.errors.total(), closed_early + reset + write);
    // 1 + 2 + 4 + ... + 64 ms and then every 100 ms.
    let most = 4 * (8 + outcome.elapsed_ns / 100_000_000);
    assert!(outcome.errors.total() <= most, "it is hammered: {:?}", outcome.errors);
}

#[test]
fn a_server_that_reads_and_closes() {
    let server = Server::answering(|_| None);
    let outcome = run(&server.plan());
    assert!(outcome.errors.closed_early > 0, "{:?}", outcome.errors);
    assert_eq!((outcome.responses, outcome.errors.total()), (0, outcome.errors.closed_early));
}

#[test]
fn a_response_that_is_cut_off() {
    let server = Server::start(|mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    });
    let outcome = run(&server.plan());
    assert!(outcome.errors.truncated > 0, "{:?}", outcome.errors);
    assert_eq!((outcome.responses, outcome.errors.total()), (0, outcome.errors.truncated));
}

#[test]
fn garbage_is_malformed_at_once() {
    for garbage in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n"] {
        let server = Server::answering(move |_| Some(garbage.into()));
        let outcome = run(&server.plan());
        assert!(outcome.errors.malformed > 0, "{garbage:?}: {:?}", outcome.errors);
        assert_eq!((outcome.responses, outcome.errors.total()), (0, outcome.errors.malformed));
    }
}

#[test]
fn a_head_without_an_end_is_too_large_and_no_other_protocol() {
    let field = format!("X-Padding: {}\r\n", "x".repeat(1000));
    for (fields, end) in [(65, "\r\n"), (200, "\r\n"), (80, "")] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}{end}", field.repeat(fields));
        let server = Server::answering(move |_| Some(head.clone().into()));
        let outcome = run(&server.plan());
        let large = outcome.errors.head_too_large;
        assert!(large > 0, "{fields} fields: {:?}", outcome.errors);
        // The bytes behind the limit may meet a closed connection.
        assert_eq!(
            (outcome.responses, outcome.errors.malformed, outcome.errors.truncated),
            (0, 0, 0),
            "{fields} fields"
        );
        assert_told(&outcome, |complaint| *complaint == Complaint::LargeHeads { count: large }, "longer than 64 KiB");
    }
    let small = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{}\r\n", field.repeat(60));
    let server = Server::answering(move |_| Some(small.clone().into()));
    let outcome = run(&server.plan());
    assert!(outcome.responses > 0 && outcome.errors.head_too_large == 0, "{:?}", outcome.errors);
}

#[test]
fn a_response_with_more_behind_it_is_one_and_the_rest_is_surplus() {
    let server = Server::answering(|_| Some([ok("hello"), ok("again")].concat()));
    let outcome = run_for(20, server.plan());
    // Four of them may be seen only after the end, behind requests that were under way then.
    let surplus = outcome.errors.surplus;
    assert!(surplus >= 20 && (0..=4).contains(&(surplus - outcome.responses)), "{outcome:#?}");
    assert_eq!(outcome.errors.total(), surplus);
}

#[test]
fn a_surprise_behind_a_response_that_fills_the_buffer() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 65480\r\n\r\n";
    let body = "x".repeat(65480);
    let response = format!("{head}{body}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let server = Server::answering(move |_| Some(response.clone().into()));
    let outcome = run(&server.plan());
    assert!(outcome.errors.surplus > 0, "{:?}", outcome.errors);
    assert_eq!(outcome.errors.total(), outcome.errors.surplus);
}

#[test]
fn a_wrong_status_and_a_wrong_length_are_unexpected() {
    let server = Server::answering(|_| Some(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc".to_vec()));
    let mut plan = server.plan();
    plan.expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(612)), ..Expect::default() };
    let outcome = run_for(1, plan);
    assert_eq!(outcome.statuses.keys().collect::<Vec<_>>(), [&404]);
    assert_eq!(outcome.error_statuses(), outcome.responses);
    let unexpected = &outcome.unexpected;
    assert_eq!((unexpected.status, unexpected.length), (outcome.responses, outcome.responses));
    assert_eq!((unexpected.responses, outcome.errors.total()), (outcome.responses, 0));
}

#[test]
fn a_length_that_changes_is_noticed_when_asked_for() {
    let server = Server::answering(|number| Some(ok(if number % 2 == 0 { "even" } else { "uneven" })));
    let mut plan = server.plan();
    (plan.connections, plan.threads) = (1, 1);
    plan.expect.length = Some(ExpectedLength::LikeFirst);
    let outcome = run(&plan);
    assert_eq!(outcome.unexpected.length, outcome.responses / 2);
}

#[test]
fn headers_and_lengths_may_change_from_response_to_response() {
    let server = Server::answering(|number| {
        let body = "x".repeat(number % 700);
        let length = body.len();
        let text = match number % 5 {
            0 => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nDate: {number}\r\n\r\n{body}"),
            1 => format!("HTTP/1.1 200 Fine\r\nX-Number: {number}\r\ncontent-length:{length}\r\n\r\n{body}"),
            2 => format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n0\r\nTrailer: {number}\r\n\r\n"
            ),
            3 => "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => format!("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: {length}\r\n\r\n{body}"),
        };
        Some(text.into())
    });
    let outcome = run_for(100, server.plan());
    assert_eq!((outcome.errors.total(), outcome.connections.opened), (0, 4));
    assert!(outcome.statuses[&204] > 0);
}

#[test]
fn a_response_in_single_bytes() {
    let server = Server::start(|mut stream, _| {
        let _ = stream.set_nodelay(true);
        while read_request(&mut stream).is_some() {
            for byte in ok("hello") {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
            }
        }
    });
    let mut plan = server.plan();
    plan.expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(5)), ..Expect::default() };
    let outcome = run_for(5, plan);
    assert_eq!((outcome.errors.total(), outcome.unexpected.responses), (0, 0));
}

#[test]
fn a_slow_server_has_its_latency() {
    let server = Server::answering(|_| {
        thread::sleep(Duration::from_millis(40));
        Some(ok("hello"))
    });
    let outcome = run(&server.plan());
    assert!(
        outcome.responses > 0 && outcome.responses <= 4 * outcome.elapsed_ns / 40_000_000 + 4,
        "{}",
        outcome.responses
    );
    assert!(outcome.latency.minimum().unwrap() >= 40_000_000);
}

#[test]
fn a_server_that_closes_after_each_response_makes_no_errors() {
    let close = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let until_close = "HTTP/1.0 200 OK\r\n\r\nhello";
    for text in [close, old, until_close] {
        let server = Server::answering(move |number| (number == 0).then(|| text.into()));
        let server = if text == until_close {
            Server::start(move |mut stream, _| {
                read_request(&mut stream);
                let _ = stream.write_all(text.as_bytes());
            })
        } else {
            server
        };
        let mut plan = server.plan();
        (plan.requests, plan.duration_ms) = (Some(40), 60_000);
        plan.expect = Expect { status: Some(200), length: Some(ExpectedLength::Exactly(5)), ..Expect::default() };
        let outcome = run(&plan);
        assert_eq!((outcome.errors.total(), outcome.unexpected.responses), (0, 0), "{text}");
        assert_eq!(outcome.connections.closed_by_server, outcome.responses, "{text}");
        assert!(outcome.connections.opened >= outcome.responses, "{text}");
        assert_eq!(outcome.connections.never_served, 0);
    }
}

#[test]
fn a_connection_per_request_is_one() {
    let wrong = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&wrong);
    let server = Server::start(move |mut stream, _| {
        let Some(request) = read_request(&mut stream) else {
            return;
        };
        if !String::from_utf8_lossy(&request).contains("\r\nConnection: close\r\n") {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        let _ = stream.write_all(&ok("hello"));
        if read_request(&mut stream).is_some() {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut plan = server.plan();
    plan.requests_per_connection = Some(1);
    let outcome = run_for(20, plan);
    assert_eq!((outcome.errors.total(), wrong.load(Ordering::SeqCst)), (0, 0));
    assert!(server.accepted() as u64 >= outcome.responses);
    assert!(outcome.connections.responses_per_connection().unwrap() <= 1.0);
}

#[test]
fn a_large_body_is_counted_to_its_last_byte() {
    const LENGTH: usize = 5_000_001;
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes();
    response.resize(response.len() + LENGTH, b'x');
    let whole = response.len() as u64;
    let server = Server::answering(move |_| Some(response.clone()));
    let mut plan = server.plan();
    (plan.connections, plan.threads) = (2, 1);
    plan.expect.length = Some(ExpectedLength::Exactly(LENGTH as u64));
    let outcome = run_for(2, plan);
    assert_eq!((outcome.errors.total(), outcome.unexpected.responses), (0, 0));
    assert!(outcome.bytes_read >= outcome.responses * whole);
    assert!(outcome.bytes_read < (outcome.responses + 2) * whole);
}

#[test]
fn an_endless_body_does_not_keep_the_others_waiting() {
    let asked: Arc<[AtomicUsize; 4]> = Arc::default();
    let seen = Arc::clone(&asked);
    let server = Server::start(move |mut stream, number| {
        while read_request(&mut stream).is_some() {
            seen[number].fetch_add(1, Ordering::SeqCst);
            if number > 0 && stream.write_all(&ok("hello")).is_err() {
                return;
            }
            if number == 0 {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n");
                while stream.write_all(&[0; 1 << 20]).is_ok() {}
            }
        }
    });
    let mut plan = server.plan();
    (plan.threads, plan.duration_ms, plan.timeout_ms) = (1, 60_000, 60_000);
    // A second request says that the first response has arrived.
    let outcome = run_while(&plan, |_| asked[1..].iter().any(|asked| asked.load(Ordering::SeqCst) < 2));
    assert_eq!((outcome.connections.never_served, outcome.in_flight.count()), (1, 4));
    assert_eq!(asked[0].load(Ordering::SeqCst), 1);
}

#[test]
fn connections_that_are_never_served_are_named() {
    // One worker that stays with its connection: the others wait for ever.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while read_request(&mut stream).is_some() && stream.write_all(&ok("hello")).is_ok() {}
        }
    });
    let mut plan = Plan::new(format!("http://{address}"));
    (plan.connections, plan.threads) = (4, 1);
    let outcome = run_for(20, plan);
    assert_eq!(outcome.connections.never_served, 3);
    assert!((outcome.connections.jain - 0.25).abs() < 1e-9);
    assert_eq!(outcome.connections.maximum, outcome.responses);
}

#[test]
fn the_warm_up_is_not_counted() {
    let server = Server::answering(|_| {
        thread::sleep(Duration::from_millis(10));
        Some(ok("hello"))
    });
    let mut plan = server.plan();
    (plan.warmup_ms, plan.duration_ms) = (400, 200);
    let mut phases = Vec::new();
    let outcome =
        loadgen::run(&plan, &mut |progress: &Progress| phases.push(progress.phase), &AtomicBool::new(false)).unwrap();
    check_figures(&outcome);
    // At most 20 responses of each of the four connections, and those under way at the beginning.
    assert!((4..=84).contains(&outcome.responses), "{}", outcome.responses);
    assert!((200_000_000..1_000_000_000).contains(&outcome.elapsed_ns), "{}", outcome.elapsed_ns);
    assert_eq!(outcome.connections.opened, 4);
    assert_eq!((phases.first(), phases.last()), (Some(&Phase::WarmUp), Some(&Phase::Measure)));
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_has() {
    let server = Server::answering(|_| Some(ok("hello")));
    let mut plan = server.plan();
    plan.duration_ms = 60_000;
    let started = Instant::now();
    let outcome = run_while(&plan, |progress| progress.responses == 0 || progress.elapsed < Duration::from_millis(100));
    let elapsed_ns = u64::try_from(started.elapsed().as_nanos()).unwrap();
    assert!(outcome.stopped_early && outcome.responses > 0);
    assert!((100_000_000..elapsed_ns).contains(&outcome.elapsed_ns), "{}", outcome.elapsed_ns);
    assert!(elapsed_ns < 30_000_000_000, "it went on for {elapsed_ns} ns");
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    type Change = fn(&mut Plan);
    let changes: [(Change, &str); 7] = [
        (|plan| plan.connections = 0, "at least one connection"),
        (|plan| plan.connections = 1, "number of connections must be >= threads"),
        (|plan| plan.threads = 0, "at least one thread"),
        (|plan| plan.duration_ms = 0, "at least a millisecond"),
        (|plan| plan.duration_ms = u64::MAX, "a hundred days"),
        (|plan| plan.cpus = Some(vec![]), "the list of CPUs is empty"),
        (|plan| plan.url = "https://127.0.0.1".into(), "https is not spoken here"),
    ];
    for (change, expected) in changes {
        let mut plan = Plan::new("http://127.0.0.1");
        change(&mut plan);
        let error = loadgen::run(&plan, &mut |_: &Progress| (), &AtomicBool::new(false)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_cpu_that_does_not_exist_is_an_error_and_one_that_does_is_used() {
    let server = Server::answering(|_| Some(ok("hello")));
    let mut plan = server.plan();
    plan.cpus = Some(vec![999]);
    let error = loadgen::run(&plan, &mut |_: &Progress| (), &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.contains("cannot run on CPU 999"), "{error}");
    plan.cpus = Some(vec![0]);
    let outcome = run(&plan);
    assert_eq!(outcome.threads.iter().map(|thread| thread.cpu).collect::<Vec<_>>(), [Some(0), Some(0)]);
}
