use proptest::prelude::*;

use super::*;

/// What becomes of a connection's whole input.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    /// Complete responses with their bodies, as far as they were looked at.
    responses: Vec<(Response, Vec<u8>)>,
    last: Last,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Last {
    /// Nothing is left.
    Nothing,
    Incomplete,
    Malformed,
    End(End),
}

/// Keeps the body.
#[derive(Default)]
struct Kept(Vec<u8>);

impl Body for Kept {
    fn begin(&mut self, _: u16) {
        self.0.clear();
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Reads `input` cut at `cuts`, leaving out what may be left out when `skip` is set, and then the end when `closed` is set.
fn read_cut(method: Method, input: &[u8], cuts: &[usize], skip: bool, closed: bool) -> Fate {
    let mut heads = HeadReader::default();
    let mut reader = ResponseReader::new(method);
    let mut positions: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    positions.extend([0, input.len()]);
    positions.sort_unstable();
    positions.dedup();
    let mut fate = Fate { responses: Vec::new(), last: Last::Nothing };
    let mut body = Kept::default();
    for pair in positions.windows(2) {
        let mut piece = &input[pair[0]..pair[1]];
        while !piece.is_empty() {
            if skip && reader.skippable() > 0 {
                let skipped = reader.skippable().min(piece.len() as u64);
                reader.skip(skipped);
                piece = &piece[skipped as usize..];
                continue;
            }
            match reader.receive(&mut heads, piece, &mut body) {
                Step::Incomplete => {
                    fate.last = Last::Incomplete;
                    break;
                }
                Step::Complete { response, used } => {
                    assert!((1..=piece.len()).contains(&used), "{used} of {}", piece.len());
                    piece = &piece[used..];
                    // Skipped bytes are seen by nobody.
                    fate.responses.push((response, if skip { Vec::new() } else { std::mem::take(&mut body.0) }));
                    fate.last = Last::Nothing;
                }
                Step::Malformed | Step::TooLarge => {
                    fate.last = Last::Malformed;
                    return fate;
                }
            }
        }
    }
    if closed {
        fate.last = Last::End(reader.end());
    }
    fate
}

fn read(text: &str) -> Fate {
    read_cut(Method::Get, text.as_bytes(), &[], false, false)
}

/// One response with this body, and nothing behind it.
fn response(status: u16, body: &str, persistent: bool) -> Fate {
    let response = Response { status, length: body.len() as u64, persistent, has_expected_type: true };
    Fate { responses: vec![(response, body.into())], last: Last::Nothing }
}

/// No response before this.
fn only(last: Last) -> Fate {
    Fate { responses: Vec::new(), last }
}

#[test]
fn a_length_a_coding_and_nothing() {
    assert_eq!(read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"), response(200, "abc", true));
    assert_eq!(read("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), response(404, "", true));
    assert_eq!(
        read(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        ),
        response(200, "abc", false)
    );
}

#[test]
fn no_body_after_204_304_and_head() {
    assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), response(204, "", true));
    assert_eq!(read("HTTP/1.1 304 Not Modified\r\nContent-Length: 612\r\n\r\n"), response(304, "", true));
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 612\r\n\r\n";
    assert_eq!(read_cut(Method::Head, text, &[], false, false), response(200, "", true));
    let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read_cut(Method::Head, text, &[], false, false), response(200, "", true));
}

#[test]
fn interim_responses_are_passed_over() {
    let hints = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    let text = format!("{hints}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na");
    assert_eq!(read(&text), response(200, "a", true));
    assert_eq!(read("HTTP/1.1 101 Switching Protocols\r\n\r\n"), only(Last::Malformed));
}

#[test]
fn a_body_until_the_end() {
    let closed = |text: &str| read_cut(Method::Get, text.as_bytes(), &[], false, true);
    assert_eq!(
        closed("HTTP/1.0 200 OK\r\n\r\nabcd"),
        only(Last::End(End::Complete(Response { status: 200, length: 4, persistent: false, has_expected_type: true })))
    );
    let truncated = only(Last::End(End::Truncated));
    assert_eq!(closed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd"), truncated);
    assert_eq!(closed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"), truncated);
    assert_eq!(closed("HTTP/1.1 2"), truncated);
    assert_eq!(closed(""), only(Last::End(End::Nothing)));
}

#[test]
fn responses_come_one_behind_the_other() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    let another = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbc\r\n0\r\n\r\n";
    let fate = read(&format!("{one}{another}HTTP/1.1 304 Not Modified\r\n\r\n{one}"));
    let bodies: Vec<&[u8]> = fate.responses.iter().map(|(_, body)| body.as_slice()).collect();
    assert_eq!(bodies, [&b"a"[..], b"bc", b"", b"a"]);
    assert_eq!(fate.last, Last::Nothing);
}

#[test]
fn what_lies_behind_a_response_is_no_part_of_it() {
    let one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    for surplus in ["b", "\r\n", "0\r\n\r\n"] {
        let fate = read(&format!("{one}{surplus}"));
        assert_eq!((fate.responses.len(), fate.last), (1, Last::Malformed), "{surplus:?}");
    }
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
        let response = Response { status, length, persistent: true, has_expected_type: true };
        let expected = Step::Complete { response, used: text.len() };
        assert_eq!(reader.receive(&mut heads, text.as_bytes(), &mut ()), expected, "{text}");
    }
}

#[test]
fn a_failure_can_be_forgotten() {
    let mut heads = HeadReader::default();
    let mut reader = ResponseReader::new(Method::Get);
    for broken in ["HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "nonsense"] {
        reader.receive(&mut heads, broken.as_bytes(), &mut ());
        reader.reset();
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
        let response = Response { status: 200, length: 1, persistent: true, has_expected_type: true };
        let step = reader.receive(&mut heads, whole, &mut ());
        assert_eq!(step, Step::Complete { response, used: whole.len() }, "{broken}");
    }
}

#[test]
fn a_head_that_trickles_in_is_searched_once() {
    // With a search from the start for every byte this would be 60,000^2 / 2 comparisons.
    let text = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "\nY: y".repeat(200));
    let long = text.replace("Y: y", &format!("Y: {}", "y".repeat(250)));
    let started = std::time::Instant::now();
    let every: Vec<usize> = (0..long.len()).collect();
    assert_eq!(read_cut(Method::Get, long.as_bytes(), &every, false, false), response(200, "", true));
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
        let whole = read_cut(method, &input, &[], skip, closed);
        prop_assert_eq!(&read_cut(method, &input, &cuts, skip, closed), &whole);
        let every: Vec<usize> = (0..input.len()).collect();
        prop_assert_eq!(&read_cut(method, &input, &every, skip, closed), &whole);
        let looked_at = read_cut(method, &input, &cuts, false, closed);
        let told = |fate: &Fate| fate.responses.iter().map(|(response, _)| *response).collect::<Vec<_>>();
        prop_assert_eq!((told(&whole), whole.last), (told(&looked_at), looked_at.last));
    }

    #[test]
    fn a_body_is_as_long_as_it_is_said_to_be_and_not_longer_than_its_input(input in any_input()) {
        let fate = read_cut(Method::Get, &input, &[], false, false);
        for (response, body) in &fate.responses {
            prop_assert_eq!(response.length, body.len() as u64);
        }
        let all: u64 = fate.responses.iter().map(|(response, _)| response.length).sum();
        prop_assert!(all <= input.len() as u64);
    }
}
