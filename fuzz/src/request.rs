//! Any bytes as the head of a request, cut in any way.
//!
//! The first byte chooses the limits and the second one the cuts; the head follows.
//!
//! Properties:
//!
//! - Cut into pieces, the head is judged as it is whole; at the latest when its last line has ended.
//! - A judgement does not depend on what follows. An accepted head is not accepted one byte earlier.
//! - The limits hold to the byte: no more than they allow is waited for or accepted.
//! - Line and target are parts of the input, the length lies within it.
//! - Where `httparse` reads a whole request, with its own grammar for request lines, it finds the same target and the
//!   same length; and it reads whatever is accepted here.
//! - Acceptance, status, keep-alive and body are what a naive reading says: line by line, field by field.

use protocol::{Limits, Status, fuzzing::Head, fuzzing::parse};

/// Checks all properties with the head that `data` holds.
pub fn check(data: &[u8]) {
    let [which, cuts, rest @ ..] = data else { return };
    let limits = match which % 3 {
        0 => Limits { request_line: 64, header_bytes: 2048 },
        1 => Limits { request_line: 24, header_bytes: 64 },
        _ => Limits::default(),
    };
    let blank = rest.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
    let input = &rest[blank..];
    if input.is_empty() {
        return;
    }

    let whole = parse(input, &mut 0, &limits);
    in_pieces(input, *cuts, &limits, &whole);
    match &whole {
        Ok(Some(head)) => {
            let length = head.length();
            assert!(length <= input.len());
            assert!(input.starts_with(head.line()) && head.line().len() <= limits.request_line);
            assert!(head.line().windows(head.target().len()).any(|window| window == head.target()));
            assert!(length - head.line().len() <= limits.header_bytes + 2);
            assert_eq!(parse(&input[..length], &mut 0, &limits), whole);
            assert_eq!(parse(&input[..length - 1], &mut 0, &limits), Ok(None));
        }
        Ok(None) => check_limits(input, &limits),
        Err(_) => {
            let longer = [input, b"\nX: y\r\n\r\n"].concat();
            assert_eq!(parse(&longer, &mut 0, &limits), whole);
        }
    }
    compare_with_httparse(input, &whole);
    if let Some(expected) = judge_naively(input, &limits) {
        let told = whole.as_ref().map(|head| head.as_ref().map(Summary::of)).map_err(|&status| status);
        assert_eq!(told, expected.map(Some));
    }
}

/// No more is waited for than the limits allow.
fn check_limits(waiting: &[u8], limits: &Limits) {
    match waiting.iter().position(|&byte| byte == b'\n') {
        Some(line_end) => assert!(waiting.len() - line_end - 1 <= limits.header_bytes),
        None => assert!(waiting.strip_suffix(b"\r").unwrap_or(waiting).len() <= limits.request_line),
    }
}

type Judgement<'i> = Result<Option<Head<'i>>, Status>;

fn in_pieces(input: &[u8], cuts: u8, limits: &Limits, whole: &Judgement) {
    let mut state = u32::from(cuts);
    let (mut end, mut scanned) = (0, 0);
    while end < input.len() {
        // Byte by byte, or in steps of any length up to a bound that is the same for one input.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let step = if cuts == 0 { 1 } else { (state >> 16) as usize % (8 + usize::from(cuts)) };
        end = (end + step.max(1)).min(input.len());
        let judged = parse(&input[..end], &mut scanned, limits);
        if judged != Ok(None) {
            assert_eq!(&judged, whole);
            return;
        }
        check_limits(&input[..end], limits);
    }
    if whole != &Ok(None) {
        // A line that did not end yet may be wrong already, but nobody looked at it again.
        let ended = [input, b"\n"].concat();
        assert_eq!(&parse(&ended, &mut scanned, limits), whole);
    }
}

fn compare_with_httparse(input: &[u8], whole: &Judgement) {
    let mut headers = [httparse::EMPTY_HEADER; Limits::FIELDS];
    let mut request = httparse::Request::new(&mut headers);
    let theirs = request.parse(input);
    match (whole, theirs) {
        (Ok(Some(head)), Ok(httparse::Status::Complete(length))) => {
            assert_eq!(head.length(), length);
            assert_eq!(head.target(), request.path.unwrap_or_default().as_bytes());
        }
        // It knows no higher minor versions, which a server has to treat as 1.1 (RFC 9110, section 2.5).
        (Ok(Some(head)), Err(httparse::Error::Version)) => assert!(matches!(head.line().last(), Some(b'2'..=b'9'))),
        // Nor targets that are not UTF-8; names of files need not be.
        (Ok(Some(head)), Err(httparse::Error::Token)) => assert!(std::str::from_utf8(head.target()).is_err()),
        (Ok(Some(head)), theirs) => panic!("{theirs:?} but {head:?}"),
        _ => {}
    }
}

/// What a head means, apart from its text.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    reads: bool,
    keep_alive: bool,
    dropped_body: Option<u64>,
    length: usize,
}

impl Summary {
    fn of(head: &Head) -> Self {
        let (reads, keep_alive) = (head.reads(), head.keep_alive());
        Self { reads, keep_alive, dropped_body: head.dropped_body(), length: head.length() }
    }
}

/// The judgement of a head that is all there and within the limits of its section.
fn judge_naively(input: &[u8], limits: &Limits) -> Option<Result<Summary, Status>> {
    let mut lines = Vec::new();
    let mut length = 0;
    loop {
        let end = input[length..].iter().position(|&byte| byte == b'\n')?;
        let line = &input[length..length + end];
        length += end + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let (request_line, fields) = lines.split_first()?;
    let section = input[..length].iter().position(|&byte| byte == b'\n').map(|at| length - at - 1)?;
    if request_line.len() <= limits.request_line && section > limits.header_bytes {
        return None;
    }
    Some(judge_lines(request_line, fields, limits).map(|(reads, keep_alive, dropped_body)| Summary {
        reads,
        keep_alive,
        dropped_body,
        length,
    }))
}

fn judge_lines(line: &[u8], fields: &[&[u8]], limits: &Limits) -> Result<(bool, bool, Option<u64>), Status> {
    let bad = Err(Status::BadRequest);
    if line.len() > limits.request_line {
        return Err(Status::UriTooLong);
    }
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = parts.as_slice() else { return bad };
    if !is_token(method) || target.is_empty() || target.iter().any(u8::is_ascii_control) {
        return bad;
    }
    let minor = match version {
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] if version[5] != b'1' => {
            return Err(Status::VersionNotSupported);
        }
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9'] => minor - b'0',
        _ => return bad,
    };

    let mut read: Vec<(String, &[u8])> = Vec::new();
    for field in fields {
        if read.len() == Limits::FIELDS {
            return Err(Status::RequestHeaderFieldsTooLarge);
        }
        let Some(colon) = field.iter().position(|&byte| byte == b':') else { return bad };
        let (name, value) = (&field[..colon], &field[colon + 1..]);
        if !is_token(name) || value.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
            return bad;
        }
        read.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
    }
    let values = |name: &str| read.iter().filter(|(known, _)| known == name).map(|(_, value)| trim(value)).collect();
    let items = |name: &str| -> Vec<String> {
        let values: Vec<&[u8]> = values(name);
        let joined = String::from_utf8_lossy(&values.join(&b',')).to_ascii_lowercase();
        joined.split(',').map(|item| item.trim_matches([' ', '\t']).to_owned()).collect()
    };

    let hosts: Vec<&[u8]> = values("host");
    if hosts.len() > 1 || hosts.is_empty() && minor > 0 || !hosts.iter().all(|host| is_authority(host)) {
        return bad;
    }
    let lengths: Vec<&[u8]> = values("content-length");
    let number = |text: &&[u8]| {
        let digits = text.iter().all(u8::is_ascii_digit);
        String::from_utf8_lossy(text).parse::<u64>().ok().filter(|_| digits)
    };
    let Some(numbers) = lengths.iter().map(number).collect::<Option<Vec<u64>>>() else { return bad };
    if numbers.windows(2).any(|pair| pair[0] != pair[1]) {
        return bad;
    }
    let mut body = Some(numbers.first().copied().unwrap_or(0));
    let codings: Vec<String> = items("transfer-encoding").into_iter().filter(|coding| !coding.is_empty()).collect();
    if !values("transfer-encoding").is_empty() {
        let chunked = codings.iter().filter(|coding| *coding == "chunked").count();
        if !lengths.is_empty() || minor == 0 || chunked != 1 || codings.last().is_none_or(|last| last != "chunked") {
            return bad;
        }
        if codings.len() > 1 {
            return Err(Status::NotImplemented);
        }
        body = None;
    }
    let expects = !values("expect").is_empty();
    let dropped = body.filter(|&length| length == 0 || length <= Limits::DROPPED_BODY && !expects);
    let options = items("connection");
    let says = |option: &str| options.iter().any(|said| said == option);
    let keep_alive = !says("close") && (minor > 0 || says("keep-alive"));
    Ok((matches!(*method, b"GET" | b"HEAD"), keep_alive, dropped))
}

fn is_token(text: &[u8]) -> bool {
    let others = b"!#$%&'*+-.^_`|~";
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || others.contains(byte))
}

fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !b" \t".contains(byte)).map_or(start, |at| at + 1);
    &text[start..end]
}

/// `uri-host [ ":" port ]` (RFC 9110, section 7.2), with `IPvFuture` left out.
fn is_authority(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    assert!(port.len() <= text.len());
    if let Some(literal) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let digit = |character: char| character.is_ascii_hexdigit() || ":.".contains(character);
        return !literal.is_empty() && literal.chars().all(digit);
    }
    let mut pieces = host.split('%');
    let plain = |piece: &str| piece.chars().all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c));
    let escaped = |piece: &str| {
        piece.is_char_boundary(2)
            && piece.len() >= 2
            && piece[..2].chars().all(|c| c.is_ascii_hexdigit())
            && plain(&piece[2..])
    };
    pieces.next().is_some_and(plain) && pieces.all(escaped)
}
