//! Several requests under way on one connection.

use std::fs;
use std::io::Read;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loadgen::text::beyond;
use loadgen::validity::Complaint;
use loadgen::{Errors, ExpectedBody, Outcome, Plan};
use rustix::net::sockopt::set_tcp_cork;
use tempfile::TempDir;

use crate::connection::{Connection, path_of};
use crate::server::{Server, ok, run, run_while};
use crate::verdict::{assert_nothing_told, assert_told};

const PATHS: [&str; 5] = ["/a", "/b", "/c", "/d", "/e"];

/// The body of a path: of another length than those of the others.
fn body(path: &str) -> String {
    let place = PATHS.iter().position(|known| *known == path).unwrap();
    path.repeat(30 * place + 1)
}

fn answer(request: &str) -> Vec<u8> {
    ok(&body(path_of(request)))
}

/// A plan of 403 requests on two connections with up to eight under way, which asks for the paths in turn and compares
/// the bodies: an answer that is taken for another one's has the wrong bytes.
fn plan(server: &Server) -> (Plan, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    PATHS.iter().for_each(|path| fs::write(folder.path().join(&path[1..]), body(path)).unwrap());
    let mut plan = server.plan();
    (plan.connections, plan.threads, plan.pipeline) = (2, 1, 8);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(403), 60_000, 30_000);
    plan.paths.list = PATHS.map(str::to_owned).to_vec();
    plan.expect.body = Some(ExpectedBody::File(folder.path().to_owned()));
    (plan, folder)
}

fn assert_all_are_right(outcome: &Outcome) {
    assert_eq!((outcome.requests, outcome.responses, outcome.errors.total()), (403, 403, 0), "{outcome:#?}");
    assert_eq!((outcome.unexpected.bodies_compared, outcome.unexpected.responses), (403, 0));
    assert_nothing_told(outcome);
}

/// All requests that have come, after waiting for one.
fn requests(connection: &mut Connection) -> Vec<String> {
    let mut requests: Vec<String> = connection.next_request().into_iter().collect();
    requests.extend(std::iter::from_fn(|| connection.take_request()));
    requests
}

/// Waits for so many requests; false if the client goes away before.
fn has_asked(connection: &mut Connection, requests: usize) -> bool {
    (0..requests).all(|_| connection.next_request().is_some())
}

#[test]
fn each_answer_belongs_to_the_oldest_request_however_they_are_written() {
    type Pieces = fn(&[Vec<u8>]) -> Vec<Vec<u8>>;
    // One by one; several in one write; several, cut where they should not be.
    let pieces: [Pieces; 3] = [
        <[Vec<u8>]>::to_vec,
        |answers| vec![answers.concat()],
        |answers| answers.concat().chunks(97).map(<[u8]>::to_vec).collect(),
    ];
    for pieces in pieces {
        let server = Server::talking(move |connection, _| {
            loop {
                let answers: Vec<_> = requests(connection).iter().map(|request| answer(request)).collect();
                if answers.is_empty() || !pieces(&answers).iter().all(|piece| connection.write(piece)) {
                    return;
                }
            }
        });
        let (plan, _folder) = plan(&server);
        assert_all_are_right(&run(&plan));
    }
}

#[test]
fn answers_in_another_order_are_noticed() {
    let server = Server::talking(move |connection, _| {
        while let (Some(first), Some(second)) = (connection.next_request(), connection.next_request()) {
            if !connection.write(&[answer(&second), answer(&first)].concat()) {
                return;
            }
        }
    });
    let (mut plan, _folder) = plan(&server);
    plan.requests = Some(400);
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.errors.total()), (400, 0));
    // In each pair the paths differ, and so do the bytes: the second of each path is its letter.
    let unexpected = &outcome.unexpected;
    assert_eq!((unexpected.body, unexpected.responses, unexpected.bodies_compared), (400, 400, 400));
    let difference = unexpected.first_difference.clone().unwrap();
    assert_eq!(difference.offset, 1);
    assert_eq!(difference.path.as_bytes()[1], difference.expected);
    let is_meant = |complaint: &_| matches!(complaint, Complaint::UnexpectedBody { count: 400, compared: 400, .. });
    assert_told(&outcome, is_meant, &format!("first in {} at offset 1", difference.path));
}

#[test]
fn a_pipeline_is_filled_before_the_first_answer_and_never_holds_more() {
    let came = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&came);
    let server = Server::talking(move |connection, _| {
        while connection.next_request().is_some() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut plan = server.plan();
    (plan.pipeline, plan.duration_ms, plan.timeout_ms) = (8, 60_000, 60_000);
    let mut looked = 0;
    let outcome = run_while(&plan, |_| {
        // Once all are there, it is looked for more.
        looked += u64::from(came.load(Ordering::SeqCst) >= 32);
        looked < 3
    });
    assert_eq!((came.load(Ordering::SeqCst), outcome.requests, outcome.in_flight.count()), (32, 32, 32));
    assert_told(&outcome, |complaint| matches!(complaint, Complaint::NoResponse { .. }), "32 requests unanswered");
}

#[test]
fn a_pipeline_is_filled_again_while_the_next_response_has_not_come_whole() {
    // The rest of the second answer comes only after the third request, and so on: whoever waits for it waits for ever.
    let server = Server::talking(|connection, _| {
        let response = ok("0123456789");
        let (head, tail) = response.split_at(45);
        if connection.next_request().is_none() || connection.next_request().is_none() || !connection.write(&response) {
            return;
        }
        while connection.write(head) && connection.next_request().is_some() && connection.write(tail) {}
    });
    let mut plan = server.plan();
    (plan.pipeline, plan.duration_ms, plan.timeout_ms) = (2, 60_000, 500);
    let outcome = run_while(&plan, |progress| progress.responses < 200 && progress.errors == 0);
    assert_eq!(outcome.errors.total(), 0, "{outcome:#?}");
    assert!(outcome.responses >= 200);
}

#[test]
fn requests_behind_one_that_is_cut_off_are_abandoned() {
    let cut_off = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&cut_off);
    let server = Server::talking(move |connection, _| {
        // The first two are answered, the third one in part; the fourth one waits behind it.
        if !has_asked(connection, 4) {
            return;
        }
        let beginning = &ok("0123456789")[..45];
        if connection.write(&[ok("0123456789"), ok("0123456789"), beginning.to_vec()].concat()) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        // What is not read would make the kernel reset the connection, and take back what was sent.
        let _ = connection.stream.shutdown(Shutdown::Write);
        let _ = connection.stream.read_to_end(&mut Vec::new());
    });
    let mut plan = server.plan();
    (plan.pipeline, plan.duration_ms, plan.timeout_ms) = (4, 60_000, 30_000);
    let outcome = run_while(&plan, |progress| progress.responses < 40);
    let Errors { truncated, abandoned, .. } = outcome.errors;
    assert_eq!(outcome.errors.total(), truncated + abandoned);
    // Two more may have been sent for the two that were answered.
    assert!((truncated..=3 * truncated).contains(&abandoned), "{outcome:#?}");
    let told = cut_off.load(Ordering::SeqCst);
    assert!((told.saturating_sub(4)..=told).contains(&truncated), "{told}: {outcome:#?}");
    assert!((2 * truncated..=2 * told).contains(&outcome.responses), "{told}: {outcome:#?}");
    let is_meant = |complaint: &_| *complaint == Complaint::Broken { truncated, malformed: 0 };
    let words = format!("{truncated} cut off in the response, {abandoned} pipelined behind one that failed\n");
    assert_told(&outcome, is_meant, &words);
}

#[test]
fn nothing_more_is_asked_of_a_connection_that_the_server_has_ended() {
    // Of each eight requests three are answered, and the end comes with the answers in one piece. Whoever asked for
    // more after reading them would lose more than five.
    let server = Server::talking(|connection, _| {
        if !has_asked(connection, 8) {
            return;
        }
        set_tcp_cork(&connection.stream, true).unwrap();
        connection.write(&ok("hello").repeat(3));
        let _ = connection.stream.shutdown(Shutdown::Write);
        connection.wait_for_the_end();
    });
    let mut plan = server.plan();
    (plan.connections, plan.threads, plan.pipeline) = (1, 1, 8);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(80), 60_000, 30_000);
    let outcome = run(&plan);
    assert_eq!((outcome.requests, outcome.responses), (80, 30), "{outcome:#?}");
    assert_eq!(outcome.errors, Errors { closed_early: 10, abandoned: 40, ..Errors::default() });
    let is_meant =
        |complaint: &_| matches!(complaint, Complaint::ConnectionErrors { errors, .. } if errors.closed_early == 10);
    assert_told(&outcome, is_meant, "10 closed before the response, 40 pipelined behind one that failed");
}

#[test]
fn requests_behind_an_announced_close_are_turned_away_which_is_no_fault() {
    // Of each eight requests three are answered, the third one with a goodbye.
    let goodbye = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    let server = Server::talking(|connection, _| {
        if !has_asked(connection, 8) {
            return;
        }
        connection.write(&[ok("hello"), ok("hello"), goodbye.to_vec()].concat());
        let _ = connection.stream.shutdown(Shutdown::Write);
        connection.wait_for_the_end();
    });
    let mut plan = server.plan();
    (plan.connections, plan.threads, plan.pipeline) = (1, 1, 8);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(80), 60_000, 30_000);
    let outcome = run(&plan);
    assert_eq!((outcome.requests, outcome.responses), (80, 30), "{outcome:#?}");
    assert_eq!(outcome.errors, Errors { turned_away: 50, ..Errors::default() });
    assert_eq!((outcome.connections.opened, outcome.connections.closed_by_server), (10, 10));
    assert_nothing_told(&outcome);
    assert!(beyond(&outcome).contains("50 turned away behind an announced close"));
}
