//! Parts of files.

use crate::conformance::{Ask, Case, Expect, ask, get, head, is, rule, under};

const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const FILE: &str = "file.txt";

/// Bytes of `huge.bin`.
const HUGE: u64 = crate::conformance::site::HUGE;
const FOUR_GIB: u64 = 4 << 30;

/// A request for a range of `/file.txt`, which has 36 bytes.
fn range(value: &str) -> Ask {
    range_of("/file.txt", value)
}

fn range_of(target: &str, value: &str) -> Ask {
    get(target).with(format!("Range: {value}"))
}

fn part(first: u64, last: u64) -> Expect {
    is(206).part(FILE, first..=last).kept()
}

fn whole() -> Expect {
    is(200).file(FILE).lacks("Content-Range").kept()
}

fn unsatisfiable() -> Expect {
    is(416).field("Content-Range", "bytes */36").page().kept()
}

pub(super) fn rules() -> Vec<Case> {
    let of = |name: &'static str, value: &str, first: u64, last: u64| {
        rule(format!("{value} of {name}"), range_of(&format!("/{name}"), value), is(206).part(name, first..=last).kept())
    };
    let huge = |value: String, first: u64, last: u64| of("huge.bin", &value, first, last);
    [
        under("9110 §14.1.2", "ranges", vec![
            rule("first to last", range("bytes=0-4"), part(0, 4)),
            rule("in the middle", range("bytes=10-19"), part(10, 19)),
            rule("one byte", range("bytes=0-0"), part(0, 0)),
            rule("the last byte", range("bytes=35-35"), part(35, 35)),
            rule("from a byte on", range("bytes=30-"), part(30, 35)),
            rule("from the last byte on", range("bytes=35-"), part(35, 35)),
            rule("from the first byte on", range("bytes=0-"), part(0, 35)),
            rule("all that there is", range("bytes=0-35"), part(0, 35)),
            rule("a last byte beyond the end is the end", range("bytes=30-99"), part(30, 35)),
            rule("a last byte just beyond the end is the end", range("bytes=0-36"), part(0, 35)),
            rule("the last five bytes", range("bytes=-5"), part(31, 35)),
            rule("the last one", range("bytes=-1"), part(35, 35)),
            rule("as many last bytes as there are", range("bytes=-36"), part(0, 35)),
            rule("more last bytes than there are", range("bytes=-99"), part(0, 35)),
            rule("zeros before the digits", range("bytes=000-0004"), part(0, 4)),
            rule("digits without end in the last byte", range("bytes=30-99999999999999999999999999"), part(30, 35)),
            rule("digits without end in a suffix", range("bytes=-99999999999999999999999999"), part(0, 35)),
            rule("a last byte that is one more than 64 bits hold", range("bytes=0-18446744073709551616"), part(0, 35)),
            rule("a last byte that is all that 64 bits hold", range("bytes=0-18446744073709551615"), part(0, 35)),
            rule("more zeros than any number has", range("bytes=00000000000000000000000000000001-4"), part(1, 4)),
        ]),
        under("9110 §15.5.17", "ranges", vec![
            rule("from the end on", range("bytes=36-"), unsatisfiable()),
            rule("from beyond the end on", range("bytes=99-"), unsatisfiable()),
            rule("beyond the end", range("bytes=36-40"), unsatisfiable()),
            rule("the last zero bytes", range("bytes=-0"), unsatisfiable()),
            rule("digits without end in the first byte", range("bytes=99999999999999999999999999-"), unsatisfiable()),
            rule("a first byte that is all that 64 bits hold", range("bytes=18446744073709551615-"), unsatisfiable()),
            rule("a first byte that is one more than 64 bits hold", range("bytes=18446744073709551616-"), unsatisfiable()),
            rule("a first byte that is all that 63 bits hold", range("bytes=9223372036854775807-9223372036854775807"), unsatisfiable()),
            rule("of an empty file", range_of("/empty.txt", "bytes=0-"), is(416).field("Content-Range", "bytes */0").page().kept()),
            rule("the first byte of an empty file", range_of("/empty.txt", "bytes=0-0"), is(416).field("Content-Range", "bytes */0").kept()),
            rule("the last zero bytes of an empty file", range_of("/empty.txt", "bytes=-0"), is(416).field("Content-Range", "bytes */0").kept()),
        ]),
        under("house", "ranges", vec![
            rule("what is accepted is told with a part", range("bytes=0-4"), part(0, 4).field("Accept-Ranges", "bytes")),
            rule("the last bytes of an empty file are all of it", range_of("/empty.txt", "bytes=-5"), is(200).file("empty.txt").kept()),
        ]),
        under("9110 §15.3.7", "ranges", vec![
            rule("the type and the validators are told", range("bytes=0-4"), part(0, 4).field("Content-Type", "text/plain").field("Last-Modified", THEN).has("ETag")),
            rule("the length is that of the part", range("bytes=10-12"), part(10, 12).field("Content-Length", "3").text("abc")),
            rule("the tag is that of the whole", range("bytes=0-4").with("If-Match: {etag}"), part(0, 4).strong_tag()),
        ]),
        under("9110 §14.2", "ranges", vec![
            rule("are for GET alone: HEAD", head("/file.txt").with("Range: bytes=0-4"), is(200).field("Content-Length", "36").lacks("Content-Range").kept()),
            rule("that cannot be are for GET alone, too: HEAD", head("/file.txt").with("Range: bytes=99-"), is(200).field("Content-Length", "36").lacks("Content-Range").kept()),
            rule("are for GET alone: POST", ask("POST", "/file.txt").with("Range: bytes=0-4"), is(405)),
            rule("of what is absent", range_of("/absent", "bytes=0-4"), is(404).lacks("Content-Range")),
            rule("of a redirect", range_of("/docs", "bytes=0-4"), is(301).lacks("Content-Range")),
            rule("of what is bad", range_of("/%zz", "bytes=0-4"), is(400).lacks("Content-Range")),
            rule("of an index", range_of("/", "bytes=0-8"), is(206).part("index.html", 0..=8)),
            rule("of what a link leads to", range_of("/near", "bytes=0-4"), is(206).part(FILE, 0..=4)),
            rule("several, one after the other", range("bytes=0-4"), part(0, 4)).then(range("bytes=5-9"), part(5, 9)).then(get("/file.txt"), whole()),
            rule("several in one write", range("bytes=0-4"), part(0, 4))
                .then(range_of("/medium.bin", "bytes=100-"), is(206).part("medium.bin", 100..=69_999))
                .then(range("bytes=99-"), unsatisfiable())
                .then(range_of("/huge.bin", "bytes=-7"), is(206).part("huge.bin", HUGE - 7..=HUGE - 1))
                .then(range("bytes=-5"), part(31, 35))
                .in_one_write(),
            rule("and then the connection ends", range_of("/medium.bin", "bytes=1-65000").with("Connection: close"), is(206).part("medium.bin", 1..=65_000).closed()),
        ]),
        under("9110 §14.4", "ranges", vec![
            of("medium.bin", "bytes=0-16383", 0, 16_383),
            of("medium.bin", "bytes=0-16384", 0, 16_384),
            of("medium.bin", "bytes=1-16385", 1, 16_385),
            of("medium.bin", "bytes=65535-65536", 65_535, 65_536),
            of("medium.bin", "bytes=-1", 69_999, 69_999),
            of("medium.bin", "bytes=1-", 1, 69_999),
            of("large.bin", "bytes=0-0", 0, 0),
            of("large.bin", "bytes=1-2999998", 1, 2_999_998),
            of("large.bin", "bytes=1048575-1048577", 1_048_575, 1_048_577),
            of("large.bin", "bytes=-100000", 2_900_000, 2_999_999),
            of("large.bin", "bytes=2999999-", 2_999_999, 2_999_999),
        ]),
        under("9110 §14.4", "ranges past four GiB", vec![
            huge("bytes=0-12".into(), 0, 12),
            huge("bytes=2147483640-2147483655".into(), 2_147_483_640, 2_147_483_655),
            huge(format!("bytes={}-{}", FOUR_GIB - 7, FOUR_GIB + 6), FOUR_GIB - 7, FOUR_GIB + 6),
            huge(format!("bytes={FOUR_GIB}-{FOUR_GIB}"), FOUR_GIB, FOUR_GIB),
            huge(format!("bytes={}-", HUGE - 7), HUGE - 7, HUGE - 1),
            huge(format!("bytes={}-{HUGE}", HUGE - 100), HUGE - 100, HUGE - 1),
            huge("bytes=-7".into(), HUGE - 7, HUGE - 1),
            huge("bytes=-2000".into(), HUGE - 2000, HUGE - 1),
            rule("from the end on", range_of("/huge.bin", &format!("bytes={HUGE}-")), is(416).field("Content-Range", format!("bytes */{HUGE}")).kept()),
        ]),
    ]
    .concat()
}

pub(super) fn sets() -> Vec<Case> {
    let malformed = [
        "bytes", "bytes=", "bytes=-", "bytes=0", "bytes=a-b", "bytes=0-b", "bytes=a-4", "bytes 0-4", "bytes:0-4", "bytes=0-4-5", "bytes=--5", "bytes=+0-4", "bytes=0-+4", "bytes=-+5",
        "bytes=0x0-4", "bytes=0.0-4", "0-4", "=0-4", "bytes=0-4;", "bytes=0-4 5-6", "bytes==0-4", "bytes=,", "bytes=, ,", "bytes=0 - 4", "bytes=0- 4", "bytes=\"0-4\"", "bytes=0-4/36", "bytes=*", "bytes=0-\u{664}",
    ]
    .map(|value| rule(format!("{value:?} is none and is ignored"), range(value), whole()));
    let partly = ["bytes=0-4,x", "bytes=x,0-4", "bytes=0-4,5", "bytes=5-4,0-4", "bytes=0-4,-"].map(|value| rule(format!("{value:?} is none, as one member is none"), range(value), whole()));
    let backwards = ["bytes=5-4", "bytes=35-0", "bytes=99-98", "bytes=1-0", "bytes=99999999999999999999-1"].map(|value| rule(format!("{value:?} ends before it begins and is ignored"), range(value), whole()));
    let units = ["items=0-4", "byte=0-4", "bits=0-4", "none", "x", "bytesx=0-4", "xbytes=0-4", "lines=1-2"].map(|value| rule(format!("{value:?} is in another unit and is ignored"), range(value), whole()));
    let several = ["bytes=0-1,3-4", "bytes=0-4, 10-14", "bytes=0-4,0-4", "bytes=0-,0-", "bytes=0-4,99-", "bytes=-1,0-0", "bytes=0-0,1-1,2-2,3-3"].map(|value| rule(format!("{value:?} gives the whole file"), range(value), whole()));
    let swarm = format!("bytes={}", (0..1000).map(|at| format!("{at}-{at}")).collect::<Vec<_>>().join(","));
    [
        under("house", "range sets", malformed.into()),
        under("house", "range sets", partly.into()),
        under("house", "range sets", backwards.into()),
        under("9110 §14.2", "range sets", units.into()),
        under("9110 §14.1", "range sets", vec![
            rule("the unit is bytes in any case", range("Bytes=0-4"), part(0, 4)),
            rule("the unit is BYTES, too", range("BYTES=0-4"), part(0, 4)),
            rule("the name of the field in any case", get("/file.txt").with("rANGE: bytes=0-4"), part(0, 4)),
        ]),
        under("9110 §5.6.1", "range sets", vec![
            rule("an empty member behind the range", range("bytes=0-4,"), part(0, 4)),
            rule("an empty member before the range", range("bytes=,0-4"), part(0, 4)),
            rule("empty members around the range", range("bytes=, ,0-4 ,\t,"), part(0, 4)),
            rule("white space around the value", get("/file.txt").with("Range:\t bytes=0-4 \t"), part(0, 4)),
        ]),
        under("house", "range sets", several.into()),
        under("9110 §17.15", "range sets", vec![rule("a swarm of ranges gives the whole file", range(&swarm), whole())]),
        under("house", "range sets", vec![
            rule("two lines are no range", range("bytes=0-4").with("Range: bytes=0-4"), whole()),
            rule("two lines that differ are no range", range("bytes=0-4").with("Range: bytes=5-9"), whole()),
            rule("two lines that make a set", range("bytes=0-4").with("Range: 10-14"), whole()),
        ]),
    ]
    .concat()
}

pub(super) fn if_range() -> Vec<Case> {
    let given = |value: &str| range("bytes=0-4").with(format!("If-Range: {value}"));
    let malformed = ["nope", "", "\"open", "*", "W/", "yesterday", "{etag}, {etag}", "{etag} {etag}", "w/{etag}", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC"]
        .map(|value| rule(format!("{value:?} is neither tag nor date"), given(value), whole()));
    [
        under("9110 §13.1.5", "If-Range", vec![
            rule("the tag of the file: the part", given("{etag}"), part(0, 4)),
            rule("another tag: the whole", given("\"other\""), whole()),
            rule("an empty tag: the whole", given("\"\""), whole()),
            rule("compares strongly", given("W/{etag}"), whole()),
            rule("the tag of another file", given("{etag:/twin.txt}"), whole()),
            rule("the date of the file: the part", given(THEN), part(0, 4)),
            rule("an earlier date: the whole", given("Sun, 06 Nov 1994 08:49:36 GMT"), whole()),
            rule("a later date: the whole", given("Sun, 06 Nov 1994 08:49:38 GMT"), whole()),
            rule("a date in the future: the whole", given("Fri, 31 Dec 9999 23:59:59 GMT"), whole()),
            rule("without a range is ignored", get("/file.txt").with("If-Range: {etag}"), whole()),
            rule("without a range and with another tag is ignored", get("/file.txt").with("If-Range: \"other\""), whole()),
            rule("another tag and a range that cannot be", range("bytes=99-").with("If-Range: \"other\""), whole()),
            rule("the tag and a range that cannot be", range("bytes=99-").with("If-Range: {etag}"), unsatisfiable()),
            rule("the tag and what is no range", range("bytes=x").with("If-Range: {etag}"), whole()),
            rule("the tag and a suffix", range("bytes=-5").with("If-Range: {etag}"), part(31, 35)),
            rule("before the range", get("/file.txt").with("If-Range: {etag}").with("Range: bytes=0-4"), part(0, 4)),
            rule("for HEAD", head("/file.txt").with("Range: bytes=0-4").with("If-Range: {etag}"), is(200).field("Content-Length", "36").lacks("Content-Range").kept()),
            rule("of a large file", range_of("/large.bin", "bytes=5-9").with("If-Range: {etag}"), is(206).part("large.bin", 5..=9)),
            rule("of a large file, another tag", range_of("/large.bin", "bytes=5-9").with("If-Range: \"other\""), is(200).file("large.bin")),
            rule("of a file past four GiB", range_of("/huge.bin", "bytes=-7").with("If-Range: {etag}"), is(206).part("huge.bin", HUGE - 7..=HUGE - 1)),
        ]),
        under("house", "If-Range", vec![
            rule("two lines are neither", given("{etag}").with("If-Range: {etag}"), whole()),
        ]),
        under("9110 §5.6.7", "If-Range", vec![
            rule("the date in the form of RFC 850", given("Sunday, 06-Nov-94 08:49:37 GMT"), part(0, 4)),
            rule("the date in the form of asctime", given("Sun Nov  6 08:49:37 1994"), part(0, 4)),
        ]),
        under("9110 §13.1.5", "If-Range", malformed.into()),
        under("9110 §13.2.2", "If-Range", vec![
            rule("a known tag comes first", given("{etag}").with("If-None-Match: {etag}"), is(304)),
            rule("a false If-Match comes first", given("{etag}").with("If-Match: \"other\""), is(412)),
            rule("a true If-Match and another tag", given("\"other\"").with("If-Match: {etag}"), whole()),
        ]),
    ]
    .concat()
}
