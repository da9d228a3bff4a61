//! Bodies that are compared with what they should be.

use std::fs;
use std::path::PathBuf;

use loadgen::validity::{Caveat, Complaint, caveats};
use loadgen::{Difference, ExpectedBody, ExpectedLength, Method, Outcome, Plan};
use tempfile::TempDir;

use crate::connection::Connection;
use crate::server::{Server, ok, run};
use crate::verdict::{assert_nothing_told, assert_told};

const BODY: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
const WRONG: &str = "0123456789abcdefghijKlmnopqrstuvwxyz";

/// A file with the right body, and its folder.
fn model() -> (PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("some")).unwrap();
    let file = folder.path().join("some/path");
    fs::write(&file, BODY).unwrap();
    (file, folder)
}

/// A plan of 200 requests on one connection.
fn plan(server: &Server, body: ExpectedBody) -> Plan {
    let mut plan = server.plan();
    (plan.connections, plan.threads) = (1, 1);
    (plan.requests, plan.duration_ms, plan.timeout_ms) = (Some(200), 60_000, 30_000);
    plan.expect.body = Some(body);
    plan
}

/// A server that answers every tenth request of a connection with what is wrong, the others with what is right.
fn server(right: Vec<u8>, wrong: Vec<u8>) -> Server {
    Server::answering(move |number| Some(if number % 10 == 9 { wrong.clone() } else { right.clone() }))
}

#[track_caller]
fn assert_right(outcome: &Outcome) {
    assert_eq!((outcome.responses, outcome.errors.total(), outcome.unexpected.responses), (200, 0, 0), "{outcome:#?}");
    assert_eq!(outcome.unexpected.bodies_compared, 200);
    assert_nothing_told(outcome);
}

#[test]
fn another_type_under_load_is_counted() {
    let typed =
        |content_type: &str| format!("HTTP/1.1 200 OK\r\n{content_type}Content-Length: 36\r\n\r\n{BODY}").into_bytes();
    let right = typed("Content-Type: text/html; charset=utf-8\r\n");
    for wrong in [typed("Content-Type: text/plain\r\n"), typed("")] {
        let server = server(right.clone(), wrong);
        let mut plan = plan(&server, ExpectedBody::LikeFirst);
        let outcome = run(&plan);
        assert_eq!(outcome.unexpected.responses, 0, "no type is expected");
        plan.expect.content_type = Some("text/html".to_owned());
        let outcome = run(&plan);
        assert_eq!((outcome.unexpected.content_type, outcome.unexpected.responses), (20, 20), "{outcome:#?}");
        assert_told(
            &outcome,
            |complaint| matches!(complaint, Complaint::UnexpectedType { count: 20, .. }),
            "20 of 200 responses had another Content-Type than text/html",
        );
    }
}

#[test]
fn one_wrong_body_in_ten_thousand_is_found_where_all_are_compared() {
    let (file, _folder) = model();
    let server = Server::answering(|number| Some(ok(if number == 7_000 { WRONG } else { BODY })));
    let mut plan = plan(&server, ExpectedBody::File(file));
    plan.requests = Some(10_000);
    let outcome = run(&plan);
    assert_eq!((outcome.unexpected.bodies_compared, outcome.unexpected.body), (10_000, 1), "{outcome:#?}");
}

#[test]
fn one_wrong_byte_is_found_and_named() {
    let (file, folder) = model();
    let whole = |body: &str| ok(body);
    let chunked = |body: &str| {
        let (first, second) = body.split_at(10);
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{first}\r\n1a\r\n{second}\r\n0\r\n\r\n")
            .into_bytes()
    };
    for (expected, response) in [
        (ExpectedBody::File(file.clone()), whole as fn(&str) -> Vec<u8>),
        (ExpectedBody::File(file), chunked),
        (ExpectedBody::File(folder.path().to_owned()), whole),
        (ExpectedBody::LikeFirst, whole),
        (ExpectedBody::LikeFirst, chunked),
    ] {
        let server = server(response(BODY), response(WRONG));
        let outcome = run(&plan(&server, expected));
        let unexpected = &outcome.unexpected;
        assert_eq!((unexpected.responses, unexpected.body, unexpected.bodies_compared), (20, 20, 200));
        assert_eq!((unexpected.status, unexpected.length, outcome.errors.total()), (0, 0, 0));
        let difference = Difference { path: "/some/path".into(), offset: 20, expected: b'k', found: b'K' };
        assert_eq!(unexpected.first_difference, Some(difference.clone()));
        let meant = Complaint::UnexpectedBody { count: 20, compared: 200, difference: Some(difference) };
        let is_meant = |complaint: &_| *complaint == meant;
        assert_told(&outcome, is_meant, "  difference      first in /some/path at offset 20: 4b instead of 6b\n");
        assert_told(
            &outcome,
            is_meant,
            "20 of 200 responses (0 with another status, 0 with another length, 20 with other",
        );
    }
}

#[test]
fn a_body_is_the_same_however_it_is_sent() {
    let (file, _folder) = model();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                   a;x=y\r\n0123456789\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nTrailer: x\r\n\r\n";
    let interim = format!(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}",
        String::from_utf8(ok(BODY)).unwrap()
    );
    let old = format!("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 36\r\n\r\n{BODY}");
    for text in [chunked.to_owned(), interim, old] {
        // In one piece, and cut at odd places.
        for size in [text.len(), 7] {
            let text = text.clone();
            let server = Server::talking(move |connection, _| {
                while connection.next_request().is_some()
                    && text.as_bytes().chunks(size).all(|piece| connection.write(piece))
                {}
            });
            let mut plan = plan(&server, ExpectedBody::File(file.clone()));
            plan.expect.length = Some(ExpectedLength::Exactly(BODY.len() as u64));
            assert_right(&run(&plan));
        }
    }
}

#[test]
fn a_body_that_ends_with_its_connection_is_complete() {
    let (file, _folder) = model();
    let server = Server::talking(|connection, _| {
        connection.next_request();
        connection.write(b"HTTP/1.1 200 OK\r\n\r\n0123456789");
        connection.write(&BODY.as_bytes()[10..]);
    });
    let outcome = run(&plan(&server, ExpectedBody::File(file)));
    assert_right(&outcome);
    assert_eq!(outcome.connections.closed_by_server, 200);
}

#[test]
fn a_body_that_ends_too_early_with_its_connection_is_found_by_its_length() {
    let (file, _folder) = model();
    // Nothing but the length tells that something is missing.
    let server = Server::talking(|connection, number| {
        connection.next_request();
        let length = if number % 10 == 9 { BODY.len() - 1 } else { BODY.len() };
        connection.write(format!("HTTP/1.1 200 OK\r\n\r\n{}", &BODY[..length]).as_bytes());
    });
    let outcome = run(&plan(&server, ExpectedBody::File(file)));
    assert_eq!((outcome.unexpected.responses, outcome.unexpected.length), (20, 20), "{outcome:#?}");
    let is_meant = |complaint: &_| matches!(complaint, Complaint::UnexpectedLength { count: 20, responses: 200, .. });
    assert_told(&outcome, is_meant, "20 of 200 responses (0 with another status, 20 with another length, 0 with other");
}

#[test]
fn a_body_that_is_always_too_short_or_too_long_is_not_the_one_in_the_file() {
    let (file, _folder) = model();
    for body in ["", &BODY[..35], &format!("{BODY}!")] {
        let server = server(ok(body), ok(body));
        // That the first one had the same length is no excuse.
        for length in [None, Some(ExpectedLength::LikeFirst)] {
            let mut plan = plan(&server, ExpectedBody::File(file.clone()));
            plan.expect.length = length;
            let outcome = run(&plan);
            assert_eq!((outcome.unexpected.responses, outcome.unexpected.length), (200, 200), "{body:?}: {outcome:#?}");
            let is_meant = |complaint: &_| matches!(complaint, Complaint::UnexpectedLength { count: 200, .. });
            assert_told(&outcome, is_meant, "200 of 200 responses (0 with another status, 200 with another length");
        }
    }
}

#[test]
fn an_error_page_is_neither_compared_nor_the_model() {
    let (file, _folder) = model();
    let page = b"HTTP/1.1 503 Later\r\nContent-Length: 36\r\n\r\n....................................".to_vec();
    for expected in [ExpectedBody::File(file), ExpectedBody::LikeFirst] {
        // The very first answer is one, too.
        let (first, right) = (page.clone(), ok(BODY));
        let server =
            Server::answering(move |number| Some(if number % 10 == 0 { first.clone() } else { right.clone() }));
        let outcome = run(&plan(&server, expected));
        let unexpected = &outcome.unexpected;
        assert_eq!((unexpected.status, unexpected.body, unexpected.length), (20, 0, 0), "{outcome:#?}");
        assert_eq!((unexpected.bodies_compared, outcome.statuses[&503]), (180, 20));
        assert_told(
            &outcome,
            |complaint| matches!(complaint, Complaint::UnexpectedStatus { .. }),
            "180 of 200 compared",
        );
    }
}

#[test]
fn a_share_of_the_bodies_is_a_sample_and_the_same_for_the_same_seed() {
    let (file, _folder) = model();
    let server = server(ok(WRONG), ok(WRONG));
    let mut plan = plan(&server, ExpectedBody::File(file));
    plan.expect.body_share = 0.25;
    let first = run(&plan).unexpected;
    // 50 are to be expected, and 5 deviations of that are 31.
    assert!(first.bodies_compared.abs_diff(50) <= 31 && first.body == first.bodies_compared, "{first:?}");
    assert_eq!(run(&plan).unexpected, first);
    plan.expect.body_share = 0.0;
    let outcome = run(&plan);
    assert_eq!((outcome.unexpected.bodies_compared, outcome.unexpected.responses), (0, 0));
    assert!(caveats(&outcome).contains(&Caveat::NoBodyCompared));
}

#[test]
fn a_head_shows_no_body_and_nothing_is_said_to_be_compared() {
    let (file, _folder) = model();
    let server = Server::answering(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 36\r\n\r\n".to_vec()));
    let mut plan = plan(&server, ExpectedBody::File(file));
    plan.method = Method::Head;
    let outcome = run(&plan);
    assert_eq!((outcome.responses, outcome.unexpected.responses), (200, 0));
    assert_eq!(outcome.unexpected.bodies_compared, 0, "{outcome:#?}");
    assert!(caveats(&outcome).contains(&Caveat::NoBodyCompared));
}

#[test]
fn a_model_that_is_cut_off_is_not_learnt() {
    // The first connection ends in the middle of the body that would have been the model.
    let server = Server::talking(|connection: &mut Connection, number| {
        while connection.next_request().is_some() {
            let response = ok(BODY);
            if number == 0 {
                connection.write(&response[..response.len() - 5]);
                return;
            }
            if !connection.write(&response) {
                return;
            }
        }
    });
    let outcome = run(&plan(&server, ExpectedBody::LikeFirst));
    assert_eq!((outcome.errors.truncated, outcome.errors.total(), outcome.responses), (1, 1, 199));
    assert_eq!((outcome.unexpected.bodies_compared, outcome.unexpected.responses), (199, 0));
}
