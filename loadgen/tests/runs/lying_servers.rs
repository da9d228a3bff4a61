//! Servers that are honest but for some responses. They count these, and the generator has to come to the same numbers.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use loadgen::validity::Complaint;
use loadgen::{Errors, ExpectedLength, Outcome, Plan};
use rustix::net::sockopt::set_socket_linger;

use crate::connection::Connection;
use crate::server::{Server, milliseconds, ok, run, run_while};
use crate::verdict::assert_told;

/// How many requests a run has, and how many of them are lied to.
const REQUESTS: u64 = 400;
const LIES: u64 = 40;

/// A server that lies to every tenth request, counted over all connections.
struct Liar {
    server: Server,
    lies: Arc<AtomicU64>,
}

impl Liar {
    /// `lie` takes the place of an honest answer and says whether the connection goes on.
    fn new(lie: impl Fn(&mut Connection) -> bool + Send + Sync + 'static) -> Self {
        let (asked, lies) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
        let told = Arc::clone(&lies);
        let server = Server::talking(move |connection, _| {
            while connection.next_request().is_some() {
                let goes_on = if asked.fetch_add(1, Ordering::SeqCst) % (REQUESTS / LIES) == REQUESTS / LIES - 1 {
                    told.fetch_add(1, Ordering::SeqCst);
                    lie(connection)
                } else {
                    connection.write(&ok("0123456789"))
                };
                if !goes_on {
                    return;
                }
            }
        });
        Self { server, lies }
    }

    /// A plan that ends with its requests. However busy the machine is, honest answers are in time.
    fn plan(&self) -> Plan {
        let mut plan = self.server.plan();
        (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(REQUESTS), 60_000, 30_000);
        plan
    }

    /// What the plan leads to: all of its requests were answered or have failed, and as many as planned were lied to.
    fn run(&self, plan: &Plan) -> Outcome {
        let outcome = run(plan);
        assert_eq!((outcome.requests, outcome.in_flight.count()), (plan.requests.unwrap(), 0));
        assert_eq!(self.lies.load(Ordering::SeqCst), LIES);
        assert!(!outcome.stopped_early);
        outcome
    }
}

/// Runs against a server whose lies are failed requests of this kind, and of no other.
#[track_caller]
fn assert_failures(lie: impl Fn(&mut Connection) -> bool + Send + Sync + 'static, expected: &Errors) -> Outcome {
    let liar = Liar::new(lie);
    let outcome = liar.run(&liar.plan());
    assert_eq!((&outcome.errors, outcome.responses), (expected, REQUESTS - LIES));
    assert_eq!(outcome.unexpected.responses, 0);
    outcome
}

#[test]
fn responses_that_are_cut_off_are_truncated() {
    let lies = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012345678",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
    ];
    for lie in lies {
        let cut_off = move |connection: &mut Connection| {
            connection.write(lie.as_bytes());
            false
        };
        let outcome = assert_failures(cut_off, &Errors { truncated: LIES, ..Errors::default() });
        let is_meant = |complaint: &_| *complaint == Complaint::Broken { truncated: LIES, malformed: 0 };
        assert_told(&outcome, is_meant, "  errors          40 cut off in the response\n");
    }
}

#[test]
fn responses_that_are_no_http_are_malformed() {
    let expected = Errors { malformed: LIES, ..Errors::default() };
    let outcome = assert_failures(|connection| connection.write(b"HTTP/1.1 2OO OK\r\n\r\n"), &expected);
    let is_meant = |complaint: &_| *complaint == Complaint::Broken { truncated: 0, malformed: LIES };
    assert_told(&outcome, is_meant, "  errors          40 malformed\n");
}

#[test]
fn connections_that_are_reset_are_counted() {
    let reset = |connection: &mut Connection| {
        set_socket_linger(&connection.stream, Some(Duration::ZERO)).unwrap();
        false
    };
    let outcome = assert_failures(reset, &Errors { reset: LIES, ..Errors::default() });
    let is_meant =
        |complaint: &_| matches!(complaint, Complaint::ConnectionErrors { errors, .. } if errors.reset == LIES);
    assert_told(&outcome, is_meant, "  errors          40 reset\n");
}

#[test]
fn connections_that_are_closed_instead_of_an_answer_are_counted() {
    let outcome = assert_failures(|_| false, &Errors { closed_early: LIES, ..Errors::default() });
    let is_meant =
        |complaint: &_| matches!(complaint, Complaint::ConnectionErrors { errors, .. } if errors.closed_early == LIES);
    assert_told(&outcome, is_meant, "  errors          40 closed before the response\n");
}

#[test]
fn more_than_was_asked_for_is_surplus_and_costs_no_response() {
    let doubled = [ok("0123456789"), ok("0123456789")].concat();
    let longer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789\n".to_vec();
    for lie in [doubled, longer] {
        let liar = Liar::new(move |connection| connection.write(&lie));
        let outcome = liar.run(&liar.plan());
        assert_eq!(outcome.errors, Errors { surplus: LIES, ..Errors::default() });
        assert_eq!((outcome.responses, outcome.unexpected.responses), (REQUESTS, 0));
        let is_meant = |complaint: &_| *complaint == Complaint::Surplus { connections: LIES };
        assert_told(&outcome, is_meant, "  errors          40 connections with bytes that nobody asked for\n");
    }
}

#[test]
fn a_connection_for_few_requests_shows_what_is_behind_the_last_of_them() {
    let server = Server::talking(|connection, _| {
        while connection.next_request().is_some() && connection.write(&[ok("hello"), ok("again")].concat()) {}
    });
    let mut plan = server.plan();
    (plan.requests_per_connection, plan.requests) = (Some(1), Some(40));
    let outcome = run(&plan);
    assert_eq!(outcome.errors, Errors { surplus: 40, ..Errors::default() });
    assert_told(
        &outcome,
        |complaint| *complaint == Complaint::Surplus { connections: 40 },
        "40 connections with bytes",
    );
}

#[test]
fn what_comes_after_the_client_has_left_a_connection_is_seen_on_one_of_them() {
    let server = Server::talking(|connection, _| {
        if connection.next_request().is_some() && connection.write(&ok("hello")) {
            thread::sleep(Duration::from_millis(20));
            connection.write(&ok("again"));
        }
    });
    let mut plan = server.plan();
    (plan.requests_per_connection, plan.duration_ms, plan.timeout_ms) = (Some(1), 60_000, 30_000);
    let outcome = run_while(&plan, |progress| progress.errors == 0);
    let surplus = outcome.errors.surplus;
    // It is not the end of the run that shows it.
    assert!(outcome.stopped_early && surplus > 0 && outcome.errors.total() == surplus, "{outcome:#?}");
    let is_meant = |complaint: &_| *complaint == Complaint::Surplus { connections: surplus };
    assert_told(&outcome, is_meant, &format!("{surplus} connection"));
}

#[test]
fn an_error_page_is_a_response_and_not_what_was_expected() {
    let liar = Liar::new(|connection| connection.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nOops"));
    let mut plan = liar.plan();
    // Its other length is no second reason.
    plan.expect.length = Some(ExpectedLength::Exactly(10));
    let outcome = liar.run(&plan);
    assert_eq!((outcome.responses, outcome.errors.total()), (REQUESTS, 0));
    assert_eq!((outcome.unexpected.responses, outcome.unexpected.status), (LIES, LIES));
    assert_eq!((outcome.statuses[&200], outcome.statuses[&500], outcome.error_statuses()), (360, LIES, LIES));
    let is_meant =
        |complaint: &_| matches!(complaint, Complaint::UnexpectedStatus { found, .. } if found == &[(500, LIES)]);
    assert_told(&outcome, is_meant, "  statuses        360 x 200, 40 x 500\n");
    let words = "  unexpected      40 of 400 responses (40 with another status, 40 with another length, 0 with other";
    assert_told(&outcome, |complaint| !matches!(complaint, Complaint::UnexpectedLength { .. }), words);
}

#[test]
fn a_body_of_another_length_is_unexpected() {
    for (expected, connections) in [(ExpectedLength::Exactly(10), 4), (ExpectedLength::LikeFirst, 1)] {
        let liar = Liar::new(|connection| connection.write(&ok("012345678")));
        let mut plan = liar.plan();
        // With several connections, the one whose response is the first to be complete might be lied to.
        (plan.connections, plan.threads, plan.expect.length) = (connections, 1, Some(expected));
        let outcome = liar.run(&plan);
        assert_eq!((outcome.responses, outcome.errors.total()), (REQUESTS, 0));
        assert_eq!((outcome.unexpected.responses, outcome.unexpected.length), (LIES, LIES));
        let is_meant =
            |complaint: &_| matches!(complaint, Complaint::UnexpectedLength { count: LIES, responses: REQUESTS, .. });
        assert_told(&outcome, is_meant, "40 of 400 responses (0 with another status, 40 with another length");
    }
}

#[test]
fn requests_that_are_never_answered_enter_the_latency_at_the_time_limit() {
    let liar = Liar::new(|connection| {
        connection.wait_for_the_end();
        false
    });
    let mut plan = liar.plan();
    (plan.requests, plan.timeout_ms) = (Some(100), 250);
    let outcome = run(&plan);
    let silent = liar.lies.load(Ordering::SeqCst);
    // On a busy machine an honest answer may come too late, too.
    let timed_out = outcome.errors.timed_out;
    assert!(silent >= 9 && timed_out >= silent, "{timed_out} of {silent}");
    assert_eq!((outcome.requests, outcome.errors.total(), outcome.responses), (100, timed_out, 100 - timed_out));
    let late = plan.timeout_ms * 1_000_000;
    let all = outcome.latency_with_timeouts();
    assert_eq!(all.count(), 100);
    assert!(all.maximum().unwrap() >= late && all.percentile(100.0 - silent as f64 + 1.0).unwrap() >= late);
    let is_meant = |complaint: &_| {
        let limit_ns = late;
        *complaint == Complaint::TimedOut { count: timed_out, requests: 100, limit_ns }
    };
    let given_up = format!("  given up        {timed_out} requests without a response after 250 ms\n");
    assert_told(&outcome, is_meant, &given_up);
    assert_told(&outcome, is_meant, &format!("the {timed_out} given up as if answered then"));
}

#[test]
fn a_server_that_closes_after_each_response_without_saying_so_is_found_out() {
    let answered = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&answered);
    let server = Server::talking(move |connection, _| {
        if connection.next_request().is_some() && connection.write(&ok("hello")) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut plan = server.plan();
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(REQUESTS), 60_000, 30_000);
    let outcome = run(&plan);
    // The client sees the end in time, or its next request is lost; that is for chance to decide.
    let failed = outcome.errors.of_requests();
    let Errors { closed_early, reset, write, .. } = outcome.errors;
    assert_eq!((failed, outcome.errors.total()), (closed_early + reset + write, failed));
    assert_eq!((outcome.requests, outcome.responses), (REQUESTS, REQUESTS - failed));
    assert_eq!(answered.load(Ordering::SeqCst), outcome.responses);
    // All connections but the last ones have ended in one way or the other.
    let ended = outcome.connections.closed_by_server + failed;
    assert!((outcome.responses - 4..=outcome.responses).contains(&ended), "{outcome:#?}");
}

#[test]
fn a_server_that_closes_upon_the_second_request_fails_every_other_one() {
    let server = Server::talking(|connection, _| {
        let _ = connection.next_request().is_some() && connection.write(&ok("hello"));
        connection.next_request();
    });
    let mut plan = server.plan();
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(REQUESTS), 60_000, 30_000);
    let outcome = run(&plan);
    let failed = outcome.errors.closed_early;
    assert_eq!((outcome.errors.total(), outcome.responses + failed), (failed, REQUESTS));
    // Each of the four connections may have ended with a response.
    assert!((0..=4).contains(&(outcome.responses - failed)), "{outcome:#?}");
    let is_meant = |complaint: &_| match complaint {
        Complaint::ConnectionErrors { errors, .. } => errors.closed_early == failed,
        _ => false,
    };
    assert_told(&outcome, is_meant, &format!("  errors          {failed} closed before the response\n"));
}

#[test]
fn an_answer_before_the_question_is_surplus() {
    let server = Server::talking(|connection, _| {
        connection.write(&ok("early"));
        connection.wait_for_the_end();
    });
    let mut plan = server.plan();
    // What comes behind the first request passes for its answer, so there is time for it to come before. A server that
    // had no CPU in that time gets another chance.
    let mut attempts = (0..5).map(|_| {
        plan.start_at_ms = Some(milliseconds(SystemTime::now()) + 100);
        run_while(&plan, |progress| progress.errors == 0)
    });
    let outcome = attempts.find(|outcome| outcome.errors.surplus > 0).unwrap();
    let surplus = outcome.errors.surplus;
    let is_meant = |complaint: &_| *complaint == Complaint::Surplus { connections: surplus };
    assert_told(&outcome, is_meant, &format!("{surplus} connections with bytes that nobody asked for"));
}

#[test]
fn a_server_that_trickles_is_too_late() {
    let server = Server::talking(|connection, _| {
        connection.next_request();
        let mut goes_on = connection.write(b"HTTP/1.1 200 OK\r\nX: ");
        while goes_on {
            thread::sleep(Duration::from_millis(20));
            goes_on = connection.write(b"x");
        }
    });
    let mut plan = server.plan();
    (plan.duration_ms, plan.timeout_ms) = (60_000, 100);
    let outcome = run_while(&plan, |progress| progress.errors < 4);
    let timed_out = outcome.errors.timed_out;
    assert!(timed_out >= 4, "{:?}", outcome.errors);
    assert_eq!((outcome.responses, outcome.errors.total()), (0, timed_out));
    let is_meant = |complaint: &_| matches!(complaint, Complaint::TimedOut { count, .. } if *count == timed_out);
    assert_told(&outcome, is_meant, &format!("  errors          {timed_out} timed out\n"));
}

#[test]
fn nobody_there_is_no_response() {
    // No other test uses this address.
    let address = TcpListener::bind("127.0.0.3:0").unwrap().local_addr().unwrap();
    let mut plan = Plan::new(format!("http://{address}"));
    (plan.connections, plan.threads, plan.duration_ms) = (4, 2, 300);
    let outcome = run(&plan);
    let refused = outcome.errors.refused;
    assert_eq!((outcome.requests, outcome.errors.total()), (0, refused));
    let words = format!("  errors          {refused} refused\n");
    assert_told(&outcome, |complaint| matches!(complaint, Complaint::NoResponse { .. }), &words);
    let is_meant = |complaint: &_| match complaint {
        Complaint::NotConnected { errors, attempts } => (errors.refused, *attempts) == (refused, refused),
        _ => false,
    };
    assert_told(&outcome, is_meant, &words);
}

#[test]
fn ninety_of_a_hundred_connections_that_are_starved_are_named() {
    // Ten workers, each of which stays with its connection.
    let served: Arc<[AtomicU64; 10]> = Arc::default();
    let seen = Arc::clone(&served);
    let server = Server::talking(move |connection, number| {
        let Some(served) = seen.get(number) else {
            return thread::sleep(Duration::from_secs(60));
        };
        while connection.next_request().is_some() {
            served.fetch_add(1, Ordering::SeqCst);
            if !connection.write(&ok("hello")) {
                return;
            }
        }
    });
    let mut plan = server.plan();
    (plan.connections, plan.duration_ms, plan.timeout_ms) = (100, 60_000, 60_000);
    // A second request says that the first response has arrived.
    let outcome = run_while(&plan, |_| served.iter().any(|served| served.load(Ordering::SeqCst) < 2));
    assert_eq!((outcome.connections.never_served, outcome.errors.total()), (90, 0));
    assert!(outcome.in_flight.count() >= 90 && outcome.connections.jain < 0.11, "{outcome:#?}");
    let is_meant = |complaint: &_| *complaint == Complaint::NeverServed { connections: 90, of: 100 };
    assert_told(&outcome, is_meant, "  never served    90 of 100 connections\n");
    assert_told(&outcome, is_meant, "90 of 100 connections were never served");
}

#[test]
fn what_comes_behind_a_goodbye_is_noticed_though_nobody_asks_for_more() {
    let goodbye = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let server = Server::talking(move |connection, _| {
        if connection.next_request().is_some() && connection.write(goodbye) {
            // Later than the client could have been deceived about where the response ends.
            thread::sleep(Duration::from_millis(5));
            connection.write(b"and another thing");
            connection.wait_for_the_end();
        }
    });
    let outcome = run(&server.plan());
    // One connection of each thread is watched at a time.
    let surplus = outcome.errors.surplus;
    assert!(surplus > 0 && outcome.errors.total() == surplus, "{outcome:#?}");
    assert_told(&outcome, |complaint| *complaint == Complaint::Surplus { connections: surplus }, "nobody asked for");
}
