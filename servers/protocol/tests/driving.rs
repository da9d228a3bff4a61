//! The connection under drivers that cut its input and its output in every possible way, with no socket at all.
#![allow(missing_docs, reason = "a test binary has no readers of its documentation")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod driver;

use driver::{ON_DISK_LENGTH, OnDisk, Root, Writing, all_at_once, byte_on_disk, get, statuses, talk, write};
use proptest::prelude::*;
use protocol::{Connection, Limits, Outbox, Settings, Want};
use std::{sync::Arc, time::Duration};

#[test]
fn a_whole_response_is_in_one_piece() {
    let sent = all_at_once(&Settings::default(), get("/small.html").as_bytes());
    let expected = "HTTP/1.1 200 OK\r\nServer: OTUServer\r\nDate: Fri, 15 Jan 2027 08:00:00 GMT\r\n\
                    Connection: keep-alive\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\nETag: \"d-0\"\r\n\
                    Accept-Ranges: bytes\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<p>small</p>\n";
    assert_eq!(String::from_utf8(sent).unwrap(), expected);
}

#[test]
fn pipelined_requests_are_answered_in_order_and_bodies_are_whole() {
    let paths = ["/small.html", "/none", "/dir", "/disk.bin", "/secret", "/large.bin", "/a%2fb", "/small.html"];
    let sent = all_at_once(&Settings::default(), paths.map(get).concat().as_bytes());
    assert_eq!(statuses(&sent), [200, 404, 301, 200, 403, 200, 404, 200]);
    let on_disk: Vec<u8> = (0..ON_DISK_LENGTH).map(byte_on_disk).collect();
    assert!(sent.windows(on_disk.len()).any(|window| window == on_disk));
    assert!(String::from_utf8_lossy(&sent).contains("\r\nLocation: /dir/\r\n"));
}

#[test]
fn bodies_are_dropped_and_never_taken_for_requests() {
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\nGET /secret HTTP/1.1\r\nHost: x\r\n\r\n..";
    let sent = all_at_once(&Settings::default(), format!("{post}{}", get("/small.html")).as_bytes());
    assert_eq!(statuses(&sent), [405, 200]);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let sent = all_at_once(&Settings::default(), format!("{chunked}{}", get("/small.html")).as_bytes());
    assert_eq!(statuses(&sent), [405]);
    assert!(String::from_utf8_lossy(&sent).contains("\r\nConnection: close\r\n"));
    assert!(String::from_utf8_lossy(&sent).contains("\r\nAllow: GET, HEAD\r\n"));
}

#[test]
fn a_server_that_lacks_something_says_when_to_come_again_and_closes() {
    let sent = all_at_once(&Settings::default(), ["/small.html", "/busy", "/small.html"].map(get).concat().as_bytes());
    assert_eq!(statuses(&sent), [200, 503]);
    let text = String::from_utf8_lossy(&sent);
    assert!(text.contains("\r\nRetry-After: 1\r\n") && text.contains("\r\nConnection: close\r\n"), "{text}");
}

#[test]
fn heads_have_no_body() {
    let head = |path: &str| format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let sent = all_at_once(&Settings::default(), ["/small.html", "/none", "/disk.bin"].map(head).concat().as_bytes());
    let text = String::from_utf8(sent).unwrap();
    assert_eq!(text.matches("HTTP/1.1 ").count(), 3);
    assert!(text.ends_with("\r\n\r\n") && !text.contains('<'), "{text}");
    assert!(text.contains("Content-Length: 70000"));
    let bad = all_at_once(&Settings::default(), b"HEAD / HTTP/1.1\r\nHost : x\r\n\r\n");
    assert!(bad.starts_with(b"HTTP/1.1 400 ") && bad.ends_with(b"\r\n\r\n"));
}

#[test]
fn nothing_is_answered_to_nothing() {
    for silence in ["", "\n", "\r\n\r\n\n"] {
        assert!(all_at_once(&Settings::default(), silence.as_bytes()).is_empty());
    }
    assert_eq!(statuses(&all_at_once(&Settings::default(), b"GET / HTT")), [400]);
}

#[test]
fn empty_lines_before_a_request_have_an_end() {
    let limit = Limits::default().request_line;
    for line in ["\r\n", "\n"] {
        let lines = |bytes: usize| line.repeat(bytes / line.len());
        let allowed = [lines(limit), get("/small.html"), lines(limit), get("/small.html")].concat();
        assert_eq!(statuses(&all_at_once(&Settings::default(), allowed.as_bytes())), [200, 200]);
        let endless = [get("/small.html"), lines(limit + 2), get("/small.html")].concat();
        assert_eq!(statuses(&all_at_once(&Settings::default(), endless.as_bytes())), [200, 400]);
        // In one piece with what comes behind or not, the answer is the same.
        let head = format!("{}HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", lines(limit + 2));
        let whole = all_at_once(&Settings::default(), head.as_bytes());
        assert_eq!(whole, all_at_once(&Settings::default(), lines(limit + 2).as_bytes()));
    }
}

#[test]
fn one_request_a_connection_if_told_so() {
    let settings = Settings { keep_alive: false, ..Settings::default() };
    let sent = all_at_once(&settings, get("/small.html").repeat(3).as_bytes());
    assert_eq!(statuses(&sent), [200]);
}

/// A connection on a clock that the test moves by hand.
struct Held {
    root: Root,
    connection: Connection,
    outbox: Outbox<OnDisk>,
}

impl Held {
    fn new(settings: Settings) -> Self {
        let root = Root::new();
        let connection = Connection::new(Arc::new(settings), &root.at);
        Self { root, connection, outbox: Outbox::default() }
    }

    /// Feeds `input` at a time after the accept; returns what is wanted in the end and what was sent.
    fn at(&mut self, seconds: f64, input: &[u8]) -> (Want, String) {
        let now = self.root.later(Duration::from_secs_f64(seconds));
        let mut buffer = self.connection.take_kept();
        buffer.extend_from_slice(input);
        let (mut unread, mut sent) = (buffer.as_slice(), Vec::new());
        loop {
            match self.connection.advance(&mut unread, &mut self.outbox, &now) {
                Want::Lookup => self.root.serve(&mut self.connection, &mut self.outbox, &now),
                Want::Write => {
                    let before = sent.len();
                    write(&mut self.outbox, usize::MAX, &mut sent);
                    self.connection.progressed((sent.len() - before) as u64, &now);
                }
                Want::HalfClose => sent.extend_from_slice(b"[half-close]"),
                want => {
                    self.connection.keep(unread);
                    return (want, String::from_utf8_lossy(&sent).into_owned());
                }
            }
        }
    }

    fn deadline_in(&self) -> f64 {
        let deadline = self.connection.deadline().expect("a deadline");
        deadline.duration_since(self.root.at.monotonic()).as_secs_f64()
    }
}

#[test]
fn a_head_that_trickles_in_does_not_extend_its_deadline() {
    let mut held = Held::new(Settings::default());
    assert_eq!(held.at(0.0, b"").0, Want::Read);
    for second in 1..10 {
        assert_eq!(held.at(f64::from(second), b"G").0, Want::Read);
        assert!((held.deadline_in() - 10.0).abs() < 1e-6);
    }
    let (want, sent) = held.at(10.0, b"");
    assert_eq!(want, Want::Read, "it lingers: the client may still be sending");
    assert!(sent.starts_with("HTTP/1.1 408 ") && sent.ends_with("[half-close]"), "{sent}");
    assert_eq!(held.at(12.0, b"more").0, Want::Close);
}

#[test]
fn a_silent_client_is_closed_without_a_word() {
    let mut held = Held::new(Settings::default());
    assert_eq!(held.at(9.9, b"\r\n"), (Want::Read, String::new()));
    assert_eq!(held.at(10.0, b""), (Want::Close, String::new()));
}

#[test]
fn a_kept_connection_may_idle_and_then_has_a_new_deadline() {
    let mut held = Held::new(Settings::default());
    let (want, sent) = held.at(1.0, get("/small.html").as_bytes());
    assert!(want == Want::Read && sent.starts_with("HTTP/1.1 200 "));
    assert!(held.connection.is_idle());
    assert!((held.deadline_in() - 61.0).abs() < 1e-6);
    assert_eq!(held.at(50.0, b"GET ").0, Want::Read);
    assert!((held.deadline_in() - 60.0).abs() < 1e-6);
    assert!(held.at(55.0, b"/ HTTP/1.1\r\nHost: x\r\n\r\n").1.starts_with("HTTP/1.1 404 "));
    assert_eq!(held.at(114.9, b"").0, Want::Read);
    assert_eq!(held.at(115.0, b""), (Want::Close, String::new()));
}

#[test]
fn a_client_that_reads_nothing_is_closed_and_one_that_reads_slowly_is_not() {
    let settings = Arc::new(Settings::default());
    let root = Root::new();
    let mut connection = Connection::new(settings, &root.at);
    let mut outbox = Outbox::default();
    let mut input = get("/small.html");
    let mut unread = std::mem::take(&mut input).into_bytes();
    let mut slice = unread.as_slice();
    assert_eq!(connection.advance(&mut slice, &mut outbox, &root.at), Want::Lookup);
    root.serve(&mut connection, &mut outbox, &root.at);
    unread.clear();
    for second in [0, 20, 40, 60] {
        let now = root.later(Duration::from_secs(second));
        assert_eq!(connection.advance(&mut &[][..], &mut outbox, &now), Want::Write);
        outbox.written(1);
        connection.progressed(1, &now);
    }
    assert_eq!(connection.advance(&mut &[][..], &mut outbox, &root.later(Duration::from_secs(89))), Want::Write);
    assert_eq!(connection.advance(&mut &[][..], &mut outbox, &root.later(Duration::from_secs(90))), Want::Close);
}

#[test]
fn a_delayed_response_is_never_early() {
    let mut held = Held::new(Settings { delay: Duration::from_millis(10), ..Settings::default() });
    let start = held.root.at.monotonic();
    let (want, sent) = held.at(1.0, get("/small.html").as_bytes());
    let due = start + Duration::from_millis(1010);
    assert_eq!((want, sent.as_str()), (Want::Wait(due), ""));
    assert_eq!(held.at(1.0099, b""), (Want::Wait(due), String::new()));
    assert!(held.connection.deadline().is_none(), "no deadline of the client's runs while the server waits");
    assert!(held.at(1.01, b"").1.starts_with("HTTP/1.1 200 "));
}

#[test]
fn the_last_response_says_so() {
    let mut held = Held::new(Settings::default());
    held.connection.last_response();
    let (want, sent) = held.at(0.0, get("/small.html").as_bytes());
    assert!(want == Want::Close && sent.contains("\r\nConnection: close\r\n"), "{sent}");

    let mut idle = Held::new(Settings::default());
    idle.at(0.0, get("/small.html").as_bytes());
    idle.connection.last_response();
    assert_eq!(idle.at(0.1, b""), (Want::Close, String::new()));

    let mut within_a_head = Held::new(Settings::default());
    within_a_head.at(0.0, b"GET /small.html HTTP/1.1\r\n");
    within_a_head.connection.last_response();
    assert_eq!(within_a_head.at(0.1, b"").0, Want::Read);
    assert!(within_a_head.at(0.2, b"Host: x\r\n\r\n").1.contains("\r\nConnection: close\r\n"));
}

#[test]
fn a_first_request_that_is_on_its_way_is_waited_for() {
    let mut fresh = Held::new(Settings::default());
    fresh.connection.last_response();
    assert_eq!(fresh.at(0.1, b"").0, Want::Read);
    let (want, sent) = fresh.at(0.2, get("/small.html").as_bytes());
    assert!(want == Want::Close && sent.contains("\r\nConnection: close\r\n"), "{sent}");
}

#[test]
fn a_large_last_response_is_not_cut_off_by_what_its_client_sends_meanwhile() {
    let mut held = Held::new(Settings { keep_alive: false, ..Settings::default() });
    let (want, sent) = held.at(0.0, get("/large.bin").as_bytes());
    assert!(want == Want::Read && sent.ends_with("[half-close]"), "it waits until the client has read all");
    // As long as it goes on sending, it may not have read that this is the end.
    for second in 1..30 {
        assert_eq!(held.at(f64::from(second), get("/small.html").as_bytes()), (Want::Read, String::new()));
        assert!(!held.connection.is_idle() && !held.connection.is_quiet());
    }
    assert_eq!(held.at(29.9, b"").0, Want::Read);
    assert_eq!(held.at(30.0, b"").0, Want::Close);
}

#[test]
fn a_client_that_has_all_and_stays_is_not_waited_for_long() {
    let mut held = Held::new(Settings { keep_alive: false, ..Settings::default() });
    held.at(0.0, get("/large.bin").as_bytes());
    assert!(held.connection.is_idle() && held.connection.is_quiet(), "nobody owes it anything");
    assert_eq!(held.at(1.9, b"").0, Want::Read);
    assert_eq!(held.at(2.0, b"").0, Want::Close);
    // A client whose body was not read may be sending it, and is not gone from.
    let mut held = Held::new(Settings::default());
    held.at(0.0, b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc");
    assert!(!held.connection.is_idle() && !held.connection.is_quiet());
    assert_eq!(held.at(1.9, b"more").0, Want::Read);
    assert_eq!(held.at(2.0, b"").0, Want::Close);
}

#[test]
fn empty_lines_in_pieces_do_not_extend_a_deadline() {
    let mut held = Held::new(Settings::default());
    held.at(0.0, get("/small.html").as_bytes());
    for second in 1..30 {
        assert_eq!(held.at(f64::from(second) * 2.0 - 1.0, b"\r").0, Want::Read);
        assert_eq!(held.at(f64::from(second) * 2.0, b"\n").0, Want::Read);
    }
    assert_eq!(held.at(60.0, b"\r"), (Want::Close, String::new()));
}

#[test]
fn a_connection_holds_one_file_open_at_most() {
    let root = Root::new();
    let mut connection = Connection::new(Arc::new(Settings::default()), &root.at);
    let mut outbox = Outbox::default();
    let requests = get("/disk.bin").repeat(40);
    let mut input = requests.as_bytes();
    let mut opened = 0;
    while connection.advance(&mut input, &mut outbox, &root.at) == Want::Lookup {
        root.serve(&mut connection, &mut outbox, &root.at);
        opened += 1;
    }
    assert_eq!(opened, 1);
}

#[test]
fn the_log_tells_what_was_sent() {
    let mut held = Held::new(Settings { log: true, ..Settings::default() });
    held.at(0.0, (get("/small.html") + &get("/none")).as_bytes());
    held.at(0.0, b"nonsense\r\n");
    let told: Vec<_> = std::iter::from_fn(|| held.connection.finished())
        .map(|exchange| {
            (String::from_utf8_lossy(&exchange.request_line).into_owned(), exchange.status, exchange.body_bytes)
        })
        .collect();
    assert_eq!(told[0], ("GET /small.html HTTP/1.1".to_owned(), 200, 13));
    assert_eq!((told[1].0.as_str(), told[1].1), ("GET /none HTTP/1.1", 404));
    assert_eq!((told[2].0.as_str(), told[2].1), ("nonsense", 400));

    let root = Root::new();
    let mut connection = Connection::new(Arc::new(Settings { log: true, ..Settings::default() }), &root.at);
    let mut outbox = Outbox::default();
    let request = get("/disk.bin");
    connection.advance(&mut request.as_bytes(), &mut outbox, &root.at);
    root.serve(&mut connection, &mut outbox, &root.at);
    let head = outbox.slices()[0].len();
    outbox.written(head + 7);
    connection.progressed(head as u64 + 7, &root.at);
    assert_eq!(connection.finished(), None);
    let abandoned: Vec<u64> = connection.abandoned().map(|exchange| exchange.body_bytes).collect();
    assert_eq!(abandoned, [7]);
}

#[test]
fn an_endless_head_is_refused_within_its_limits() {
    for (start, more, expected) in [("GET /", "a", "414"), ("GET / HTTP/1.1\r\nA: ", "b", "431")] {
        let mut held = Held::new(Settings::default());
        held.at(0.0, start.as_bytes());
        let mut fed = 0;
        let sent = loop {
            let (_, sent) = held.at(0.1, more.repeat(1000).as_bytes());
            fed += 1000;
            if !sent.is_empty() {
                break sent;
            }
            assert!(fed <= Limits::default().largest_head(), "{expected}");
        };
        assert!(sent.starts_with(&format!("HTTP/1.1 {expected} ")), "{sent}");
    }
}

/// Requests good and bad, in any order.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        4 => "/(small\\.html|large\\.bin|disk\\.bin|dir|dir\\?q|secret|none|a%2fb|%zz|\\.\\./x)".prop_map(|path| get(&path)),
        1 => "/(small\\.html|none)".prop_map(|path| format!("HEAD {path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")),
        1 => (0_usize..200).prop_map(|length| {
            format!("POST /small.html HTTP/1.1\nHost: x\nContent-Length: {length}\n\n{}", "G".repeat(length))
        }),
        1 => Just("\r\n\n".to_owned()),
        2 => ("/(small\\.html|large\\.bin|disk\\.bin)", conditions()).prop_map(|(path, lines)| {
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")
        }),
        1 => "(GET|HEAD|BREW) /(small\\.html)? HTTP/(1\\.1|1\\.0|2\\.0|1\\.9)\r\n(Host: x\r\n)?(A: b\r\n|A : b\r\n|B\r\n)?\r\n",
        1 => "[ -~]{0,40}\r\n",
        1 => Just("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
    ];
    proptest::collection::vec(one, 0..8).prop_map(|pieces| pieces.concat().into_bytes())
}

/// Field lines that ask for a part of a document, or for none of it.
fn conditions() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        3 => "Range: bytes=[0-9]{0,5}-[0-9]{0,5}\r\n",
        1 => "If-(None-)?Match: (\\*|\"d-0\"|\"x\")\r\n",
        1 => "If-(Unm|M)odified-Since: (Thu, 01 Jan 1970 00:00:00 GMT|Thu, 01 Jan 1971 00:00:00 GMT|then)\r\n",
        1 => "If-Range: (\"d-0\"|W/\"d-0\"|Thu, 01 Jan 1970 00:00:00 GMT)\r\n",
    ];
    proptest::collection::vec(line, 1..4).prop_map(|lines| lines.concat())
}

fn writings() -> impl Strategy<Value = Writing> {
    prop_oneof![
        Just(Writing::Whole),
        proptest::collection::vec(1_usize..5000, 1..5).prop_map(Writing::Short),
        Just(Writing::Owned)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn however_it_is_cut_the_same_bytes_are_sent(
        input in requests(),
        mut cuts in proptest::collection::vec(0_usize..2000, 0..30),
        writing in writings(),
        delay in prop_oneof![Just(0_u64), Just(10)],
        log in any::<bool>(),
    ) {
        cuts.sort_unstable();
        let limits = Limits { request_line: 60, header_bytes: 80 };
        let settings = Settings { limits, ..Settings::default() };
        let whole = all_at_once(&settings, &input);
        let other = Settings { delay: Duration::from_millis(delay), log, ..settings };
        // A wait moves the clock, so the date may move too; nothing else may.
        let cut = talk(&other, &input, &cuts, &writing);
        prop_assert_eq!(without_dates(&cut), without_dates(&whole));
    }

    #[test]
    fn whoever_is_waited_for_has_a_deadline_ahead(
        input in requests(),
        pauses in proptest::collection::vec((1_usize..200, 0.0..40.0), 0..12),
    ) {
        let mut held = Held::new(Settings::default());
        let (mut now, mut rest, mut ended) = (0.0, input.as_slice(), false);
        for (length, pause) in pauses {
            now += pause;
            let (piece, later) = rest.split_at(length.min(rest.len()));
            rest = later;
            let (want, sent) = held.at(now, piece);
            match want {
                Want::Read => prop_assert!(held.deadline_in() > now),
                other => prop_assert_eq!(other, Want::Close),
            }
            prop_assert!(!ended || sent.is_empty(), "after the last response: {}", sent);
            ended |= want == Want::Close || sent.ends_with("[half-close]");
        }
        held.connection.end_of_input();
        prop_assert_eq!(held.at(now, b"").0, Want::Close);
    }

    #[test]
    fn time_within_the_deadlines_changes_nothing_but_dates(
        input in requests(),
        pauses in proptest::collection::vec((1_usize..200, 0.0..1.6), 0..6),
    ) {
        let mut held = Held::new(Settings::default());
        let (mut now, mut rest, mut sent) = (0.0, input.as_slice(), String::new());
        // Ten seconds for a head are the shortest deadline that shows in what is sent.
        for (length, pause) in pauses {
            now += pause;
            let (piece, later) = rest.split_at(length.min(rest.len()));
            rest = later;
            sent += &held.at(now, piece).1;
        }
        sent += &held.at(now, rest).1;
        held.connection.end_of_input();
        sent += &held.at(now, b"").1;
        let whole = all_at_once(&Settings::default(), &input);
        let sent = sent.replace("[half-close]", "");
        let whole = String::from_utf8_lossy(&whole).into_owned();
        prop_assert_eq!(without_dates(sent.as_bytes()), without_dates(whole.as_bytes()));
    }

    #[test]
    fn byte_by_byte_is_no_different(input in requests()) {
        let cuts: Vec<usize> = (1..input.len()).collect();
        let settings = Settings::default();
        prop_assert_eq!(talk(&settings, &input, &cuts, &Writing::Whole), all_at_once(&settings, &input));
    }

    #[test]
    fn no_input_makes_it_panic(input in proptest::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let settings = Settings::default();
        prop_assert_eq!(talk(&settings, &input, &[cut], &Writing::Whole), all_at_once(&settings, &input));
    }
}

fn without_dates(stream: &[u8]) -> Vec<u8> {
    let mut stream = stream.to_vec();
    let dates: Vec<usize> =
        stream.windows(8).enumerate().filter(|(_, window)| window == b"\r\nDate: ").map(|(at, _)| at).collect();
    for at in dates {
        stream[at + 8..at + 37].fill(b'-');
    }
    stream
}
