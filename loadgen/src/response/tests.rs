use proptest::prelude::*;

use super::*;

/// What becomes of a connection's whole input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Response(Response),
    Incomplete,
    Malformed,
    End(End),
}

/// Reads `input` cut at `cuts`, leaving out what may be left out when `skip` is set, and then the end when `closed` is set.
fn read_cut(method: Method, input: &[u8], cuts: &[usize], skip: bool, closed: bool) -> Fate {
    let mut heads = HeadReader::default();
    let mut reader = ResponseReader::new(method);
    let mut positions: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    positions.extend([0, input.len()]);
    positions.sort_unstable();
    positions.dedup();
    let mut fate = Fate::Incomplete;
    for pair in positions.windows(2) {
        let mut piece = &input[pair[0]..pair[1]];
        if fate != Fate::Incomplete {
            // More after the end is what the driver would meet with its next read.
            return Fate::Malformed;
        }
        if skip {
            let skipped = reader.skippable().min(piece.len() as u64);
            reader.skip(skipped);
            piece = &piece[skipped as usize..];
            if piece.is_empty() {
                continue;
            }
        }
        fate = match reader.receive(&mut heads, piece) {
            Step::Incomplete => Fate::Incomplete,
            Step::Complete(response) => Fate::Response(response),
            Step::Malformed => return Fate::Malformed,
        };
    }
    if closed && fate == Fate::Incomplete {
        fate = Fate::End(reader.end());
    }
    fate
}

fn read(text: &str) -> Fate {
    read_cut(Method::Get, text.as_bytes(), &[], false, false)
}

fn response(status: u16, length: u64, persistent: bool) -> Fate {
    Fate::Response(Response { status, length, persistent })
}

#[test]
fn a_length_a_coding_and_nothing() {
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), response(200, 3, true));
    assert_eq!(read("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), response(404, 0, true));
    assert_eq!(
        read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        response(200, 2, false)
    );
}

#[test]
fn no_body_after_204_304_and_head() {
    assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), response(204, 0, true));
    assert_eq!(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 612\r\n\r\n"), response(304, 0, true));
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n";
    assert_eq!(read_cut(Method::Head, text, &[], false, false), response(200, 0, true));
    let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read_cut(Method::Head, text, &[], false, false), response(200, 0, true));
}

#[test]
fn interim_responses_are_passed_over() {
    let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let text = format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(read(&text), response(200, 1, true));
    assert_eq!(read("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Fate::Malformed);
}

#[test]
fn a_body_until_the_end() {
    let closed = |text: &str| read_cut(Method::Get, text.as_bytes(), &[], false, true);
    assert_eq!(
        closed("HTTP/1.0 200 OK\r\n\r\nabcd"),
        Fate::End(End::Complete(Response { status: 200, length: 4, persistent: false }))
    );
    assert_eq!(closed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd"), Fate::End(End::Truncated));
    assert_eq!(closed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"), Fate::End(End::Truncated));
    assert_eq!(closed("HTTP/1.1 2"), Fate::End(End::Truncated));
    assert_eq!(closed(""), Fate::End(End::Nothing));
}

#[test]
fn more_than_was_asked_for_is_not_accepted() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    assert_eq!(read(&format!("{one}b")), Fate::Malformed);
    assert_eq!(read(&format!("{one}{one}")), Fate::Malformed);
    assert_eq!(read("HTTP/1.1 304 Not Modified\r\n\r\nabc"), Fate::Malformed);
    assert_eq!(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n"), Fate::Malformed);
}

#[test]
fn the_next_response_may_differ_from_the_last() {
    let mut heads = HeadReader::default();
    let mut reader = ResponseReader::new(Method::Get);
    for (text, status, length) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: a\r\n\r\nab", 200, 2),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: a\r\n\r\ncd", 200, 2),
        ("HTTP/1.1 200 OK\r\nDate: b\r\nContent-Length: 3\r\n\r\nabc", 200, 3),
        ("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 404, 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: a\r\n\r\nab", 200, 2),
    ] {
        let expected = Step::Complete(Response { status, length, persistent: true });
        assert_eq!(reader.receive(&mut heads, text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn a_failure_can_be_forgotten() {
    let mut heads = HeadReader::default();
    let mut reader = ResponseReader::new(Method::Get);
    for broken in ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "nonsense"] {
        reader.receive(&mut heads, broken.as_bytes());
        reader.reset();
        let step = reader.receive(&mut heads, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
        assert_eq!(step, Step::Complete(Response { status: 200, length: 1, persistent: true }), "{broken}");
    }
}

#[test]
fn a_head_that_trickles_in_is_searched_once() {
    // With a search from the start for every byte this would be 60,000^2 / 2 comparisons.
    let text = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "\nY: y".repeat(200));
    let long = text.replace("Y: y", &format!("Y: {}", "y".repeat(250)));
    let started = std::time::Instant::now();
    let every: Vec<usize> = (0..long.len()).collect();
    assert_eq!(read_cut(Method::Get, long.as_bytes(), &every, false, false), response(200, 0, true));
    assert!(started.elapsed().as_secs() < 5);
}

/// Texts that are responses, nearly so, or several at once.
fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof!["HTTP/1\\.[01] (200|204|304|404|100|103|500) [A-Za-z ]{0,5}"];
    let field = prop_oneof![
        "Content-Length: [0-9]{1,2}",
        Just("Transfer-Encoding: chunked".to_owned()),
        "Connection: (close|keep-alive)",
        "[A-Za-z-]{1,8}: [a-z ]{0,12}",
    ];
    let body = prop_oneof!["[a-z]{0,99}", "([1-9]\r\n[a-z]{1,9}\r\n){0,3}0\r\n\r\n"];
    let one = (status, proptest::collection::vec(field, 0..4), body).prop_map(|(status, fields, body)| {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        format!("{status}\r\n{fields}\r\n{body}").into_bytes()
    });
    let fitting = "[a-z]{0,300}"
        .prop_map(|body| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes());
    prop_oneof![
        one.clone(),
        fitting,
        (one.clone(), one).prop_map(|(first, second)| [first, second].concat()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn however_the_input_is_cut_it_means_the_same(
        input in any_input(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        skip: bool,
        closed: bool,
        head: bool,
    ) {
        let method = if head { Method::Head } else { Method::Get };
        let whole = read_cut(method, &input, &[], false, closed);
        prop_assert_eq!(&read_cut(method, &input, &cuts, skip, closed), &whole);
        let every: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(&read_cut(method, &input, &every, skip, closed), &whole);
    }

    #[test]
    fn a_response_is_never_longer_than_its_input(input in any_input()) {
        if let Fate::Response(response) = read_cut(Method::Get, &input, &[], false, true) {
            prop_assert!(response.length <= input.len() as u64);
        }
    }
}
