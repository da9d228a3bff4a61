//! Connections on which nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use loadgen::IdleConnections;
use loadgen::validity::Complaint;

use crate::server::{Server, ok, run};
use crate::verdict::{assert_nothing_told, assert_told};

#[test]
fn they_are_opened_and_get_no_byte() {
    let (asked, silent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (talks, ends) = (Arc::clone(&asked), Arc::clone(&silent));
    let server = Server::talking(move |connection, _| {
        let mut number = 0;
        while connection.next_request().is_some() && connection.write(&ok("hello")) {
            number += 1;
        }
        // Here the client has ended the connection.
        let counter = if number > 0 { &talks } else { &ends };
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let mut plan = server.plan();
    plan.idle_connections = 41;
    // More requests than there are connections, so that each of those that may talk does.
    (plan.requests, plan.duration_ms, plan.timeout_ms, plan.pipeline) = (Some(400), 60_000, 30_000, 2);
    let outcome = run(&plan);
    let idle = outcome.idle_connections.unwrap();
    assert_eq!(idle, IdleConnections { planned: 41, opened: 41, ended_by_server: 0 });
    assert_eq!((idle.held(), outcome.responses), (41, 400));
    assert_nothing_told(&outcome);
    for _ in 0..5_000 {
        if asked.load(Ordering::SeqCst) + silent.load(Ordering::SeqCst) == 45 {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((asked.load(Ordering::SeqCst), silent.load(Ordering::SeqCst), server.accepted()), (4, 41, 45));
}

#[test]
fn those_that_the_server_ends_are_counted_and_complained_of() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    // They are opened first, so the first ones are idle.
    let server = Server::start(move |stream, number| {
        if number < 3 {
            drop(stream);
            count.fetch_add(1, Ordering::SeqCst);
            return;
        }
        while count.load(Ordering::SeqCst) < 3 {
            thread::sleep(Duration::from_millis(1));
        }
        let mut connection = crate::connection::Connection::new(stream);
        while connection.next_request().is_some() && connection.write(&ok("hello")) {}
    });
    let mut plan = server.plan();
    (plan.idle_connections, plan.threads) = (10, 1);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(100), 60_000, 30_000);
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.errors.total()), (100, 0));
    let idle = outcome.idle_connections.unwrap();
    assert_eq!(idle, IdleConnections { planned: 10, opened: 10, ended_by_server: 3 });
    let is_meant = |complaint: &_| *complaint == Complaint::IdleLost { not_opened: 0, ended: 3, planned: 10 };
    assert_told(
        &outcome,
        is_meant,
        "  idle            7 of 10 connections held, 0 not opened, 3 ended by the server\n",
    );
}

#[test]
fn those_on_which_the_server_says_something_are_counted_also_when_it_was_before_measuring() {
    for warmup_ms in [0, 50] {
        // Of the idle ones, which are opened first, every second is greeted.
        let server = Server::talking(|connection, number| {
            if number < 10 && number % 2 == 0 {
                connection.write(b"hello, who is there?");
            }
            while connection.next_request().is_some() && connection.write(&ok("hello")) {}
        });
        let mut plan = server.plan();
        (plan.idle_connections, plan.threads, plan.warmup_ms) = (10, 1, warmup_ms);
        plan.duration_ms = 300;
        let outcome = run(&plan);
        assert_eq!(outcome.errors.surplus, 5, "{:?}", outcome.errors);
        assert_eq!(outcome.idle_connections.unwrap().held(), 10);
    }
}

/// What servers say when they have waited for long enough (RFC 9110, section 15.5.9).
const END_OF_WAITING: &[u8] = b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[test]
fn a_408_on_an_idle_connection_is_an_end_by_the_server() {
    let server = Server::talking(|connection, number| {
        if number < 3 {
            connection.write(END_OF_WAITING);
            return;
        }
        while connection.next_request().is_some() && connection.write(&ok("hello")) {}
    });
    let mut plan = server.plan();
    (plan.idle_connections, plan.threads, plan.duration_ms) = (10, 1, 300);
    let outcome = run(&plan);
    assert_eq!(outcome.errors.total(), 0, "{:?}", outcome.errors);
    assert_eq!(outcome.idle_connections.unwrap().ended_by_server, 3);
}

#[test]
fn a_408_on_a_kept_connection_on_which_nothing_is_asked_is_an_end_by_the_server() {
    let server = Server::talking(|connection, _| {
        // After the answer nothing is asked for a while, of which the server has soon enough.
        if connection.next_request().is_some() && connection.write(&ok("hello")) {
            thread::sleep(Duration::from_millis(20));
            connection.write(END_OF_WAITING);
        }
    });
    let mut plan = server.plan();
    (plan.connections, plan.threads, plan.duration_ms) = (1, 1, 900);
    plan.load = loadgen::Load::Open(loadgen::Offered::steady(5.0));
    let outcome = run(&plan);
    assert_eq!((outcome.errors.surplus, outcome.errors.malformed), (0, 0), "{:?}", outcome.errors);
    assert!(outcome.connections.closed_by_server > 0, "{:?}", outcome.connections);
}
