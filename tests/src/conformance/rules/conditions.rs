//! Conditional requests.

use crate::conformance::{Ask, Case, Expect, ask, get, head, is, is_one_of, rule, under};

/// When `/file.txt` was last modified, in the three forms that a date has (RFC 9110, section 5.6.7).
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const FORMS: [(&str, &str); 3] =
    [("IMF-fixdate", THEN), ("RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT"), ("asctime", "Sun Nov  6 08:49:37 1994")];
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// What looks like a date and is none.
const NO_DATES: [&str; 16] = [
    "",
    "yesterday",
    "0",
    "784111777",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 31 Feb 2021 08:49:37 GMT",
    "Sun, 06 Non 2022 08:49:37 GMT",
    "Sun, 06 Nov 2022 24:49:37 GMT",
    "Sun, 06 Nov 2022 08:60:37 GMT",
    "sun, 06 nov 2022 08:49:37 gmt",
    "Sun, 06 Nov 2022 08:49:37 GMT, Sun, 06 Nov 2022 08:49:37 GMT",
];

fn given(field: impl AsRef<str>) -> Ask {
    get("/file.txt").with(field.as_ref())
}

fn whole() -> Expect {
    is(200).file("file.txt").kept()
}

fn failed() -> Expect {
    is(412).page().kept()
}

fn unmodified() -> Expect {
    is(304).has("ETag").kept()
}

pub(super) fn rules() -> Vec<Case> {
    let malformed = ["nope", "\"open", "open\"", "w/\"a\"", "'{etag}'", "\"a\" \"b\"", "W/"];
    let no_match = malformed.map(|tag| rule(format!("{tag:?} is no tag and matches nothing"), given(format!("If-Match: {tag}")), failed()));
    let no_none_match = malformed.map(|tag| rule(format!("{tag:?} is no tag and matches nothing"), given(format!("If-None-Match: {tag}")), whole()));
    let unmodified_of = ["/", "/docs/", "/empty.txt", "/medium.bin", "/large.bin", "/huge.bin", "/near", "/future.txt", "/ancient.txt"]
        .map(|target| rule(format!("of {target}"), get(target).with("If-None-Match: {etag}"), unmodified()));
    [
        under("9110 §13.1.1", "If-Match", vec![
            rule("the tag of the file holds", given("If-Match: {etag}"), whole()),
            rule("another tag does not", given("If-Match: \"other\""), failed()),
            rule("an empty tag does not", given("If-Match: \"\""), failed()),
            rule("any tag will do for *", given("If-Match: *"), whole()),
            rule("compares strongly", given("If-Match: W/{etag}"), failed()),
            rule("a list with the tag holds", given("If-Match: \"a\", {etag}, \"b\""), whole()),
            rule("a list without the tag does not", given("If-Match: \"a\", \"b\", W/{etag}"), failed()),
            rule("a list without spaces", given("If-Match: \"a\",{etag},\"b\""), whole()),
            rule("a list with tabs", given("If-Match:\t\"a\"\t,\t{etag}\t"), whole()),
            rule("a list with empty members", given("If-Match: , ,{etag},,"), whole()),
            rule("a comma in a tag parts nothing", given("If-Match: \"a, b\", {etag}"), whole()),
            rule("a tag in a tag is none", given("If-Match: \"a,{etag},b\""), failed()),
            rule("several lines are one list", given("If-Match: \"a\"").with("If-Match: {etag}"), whole()),
            rule("several lines without the tag", given("If-Match: \"a\"").with("If-Match: \"b\""), failed()),
            rule("bytes above ASCII may be in a tag", given("If-Match: \"\u{fc}\", {etag}"), whole()),
            rule("its name in any case", given("iF-mATCH: \"other\""), failed()),
            rule("for HEAD holds", head("/file.txt").with("If-Match: {etag}"), is(200).field("Content-Length", "36").kept()),
            rule("for HEAD fails without a body", head("/file.txt").with("If-Match: \"other\""), is(412).kept()),
            rule("the tag of another file does not hold", given("If-Match: {etag:/twin.txt}"), failed()),
        ]),
        under("house", "If-Match", no_match.into()),
        under("9110 §13.1.2", "If-None-Match", vec![
            rule("the tag of the file: not modified", given("If-None-Match: {etag}"), unmodified()),
            rule("another tag: the file", given("If-None-Match: \"other\""), whole()),
            rule("compares weakly", given("If-None-Match: W/{etag}"), unmodified()),
            rule("any tag will do for *", given("If-None-Match: *"), unmodified()),
            rule("a list with the tag", given("If-None-Match: \"a\", {etag}, \"b\""), unmodified()),
            rule("a list with the tag, weak among weak ones", given("If-None-Match: W/\"a\", W/{etag}, W/\"b\""), unmodified()),
            rule("a list without the tag", given("If-None-Match: \"a\", \"b\""), whole()),
            rule("a list without spaces", given("If-None-Match: \"a\",{etag},\"b\""), unmodified()),
            rule("a list with tabs", given("If-None-Match:\t\"a\"\t,\t{etag}\t"), unmodified()),
            rule("a list with empty members", given("If-None-Match: , ,{etag},,"), unmodified()),
            rule("a comma in a tag parts nothing", given("If-None-Match: \"a, b\", {etag}"), unmodified()),
            rule("a tag in a tag is none", given("If-None-Match: \"a,{etag},b\""), whole()),
            rule("several lines are one list", given("If-None-Match: \"a\"").with("If-None-Match: {etag}"), unmodified()),
            rule("several lines without the tag", given("If-None-Match: \"a\"").with("If-None-Match: \"b\""), whole()),
            rule("its name in any case", given("if-none-match: {etag}"), unmodified()),
            rule("for HEAD", head("/file.txt").with("If-None-Match: {etag}"), unmodified()),
            rule("for HEAD, another tag", head("/file.txt").with("If-None-Match: \"other\""), is(200).field("Content-Length", "36").kept()),
            rule("in HTTP/1.0", given("If-None-Match: {etag}").version("HTTP/1.0"), is(304).closed()),
            rule("the tag of another file", given("If-None-Match: {etag:/twin.txt}"), whole()),
        ]),
        under("9110 §13.1.2", "If-None-Match", unmodified_of.into()),
        under("house", "If-None-Match", no_none_match.into()),
        under("9110 §15.4.5", "not modified", vec![
            rule("has the validators of the file", given("If-None-Match: {etag}"), unmodified().field("Last-Modified", THEN)),
            rule("has no type", given("If-None-Match: {etag}"), unmodified().lacks("Content-Type")),
            rule("has no length of another body", given("If-None-Match: {etag}"), unmodified().lacks("Content-Length").lacks("Transfer-Encoding")),
            rule("by its date has the validators as well", given(format!("If-Modified-Since: {THEN}")), unmodified().field("Last-Modified", THEN)),
            rule("several in one write", given("If-None-Match: {etag}"), unmodified())
                .then(get("/medium.bin").with("If-None-Match: {etag}"), unmodified())
                .then(get("/file.txt"), whole())
                .in_one_write(),
        ]),
    ]
    .concat()
}

pub(super) fn dates() -> Vec<Case> {
    let since = |date: &str| given(format!("If-Modified-Since: {date}"));
    let until = |date: &str| given(format!("If-Unmodified-Since: {date}"));
    let forms_since = FORMS.map(|(name, date)| rule(format!("{name} is read"), since(date), unmodified()));
    let forms_until = FORMS.map(|(name, date)| rule(format!("{name} is read"), until(date), whole()));
    let no_since = NO_DATES.map(|date| rule(format!("{date:?} is no date and is ignored"), since(date), whole()));
    // Every one of them would be too early if it were a date, or be taken for one by a careless reader.
    let no_until = NO_DATES.map(|date| date.replace("20", "19").replace("94 ", "93 ")).map(|date| rule(format!("{date:?} is no date and is ignored"), until(&date), whole()));
    [
        under("9110 §13.1.3", "If-Modified-Since", vec![
            rule("the date of the file: not modified", since(THEN), unmodified()),
            rule("a later date: not modified", since(AFTER), unmodified()),
            rule("a date years later: not modified", since("Sat, 07 Nov 2020 08:49:37 GMT"), unmodified()),
            rule("a date in the future: not modified", since("Fri, 31 Dec 9999 23:59:59 GMT"), unmodified()),
            rule("an earlier date: the file", since(BEFORE), whole()),
            rule("the beginning of time: the file", since("Thu, 01 Jan 1970 00:00:00 GMT"), whole()),
            rule("for HEAD", head("/file.txt").with(format!("If-Modified-Since: {THEN}")), unmodified()),
            rule("of a large file", get("/medium.bin").with(format!("If-Modified-Since: {THEN}")), unmodified()),
            rule("white space around it", given(format!("If-Modified-Since:\t {THEN} \t")), unmodified()),
        ]),
        under("house", "If-Modified-Since", vec![
            rule("two lines are no date", since(THEN).with(format!("If-Modified-Since: {THEN}")), whole()),
        ]),
        under("9110 §5.6.7", "If-Modified-Since", forms_since.into()),
        under("9110 §5.6.7", "If-Modified-Since", vec![
            rule("an early RFC 850", since("Sunday, 06-Nov-94 08:49:36 GMT"), whole()),
            rule("an early asctime", since("Sun Nov  6 08:49:36 1994"), whole()),
            rule("asctime with a day of two digits", since("Sat Nov 12 08:49:37 1994"), unmodified()),
            rule("two digits of a year are of the past if they were too far ahead", since("Sunday, 06-Nov-88 08:49:37 GMT"), whole()),
            rule("two digits of a year may be of the future", since("Saturday, 06-Nov-32 08:49:37 GMT"), unmodified()),
            rule("a leap second is a second", since("Sat, 31 Dec 2016 23:59:60 GMT"), unmodified()),
            rule("a leap day is a day", since("Tue, 29 Feb 2000 08:49:37 GMT"), unmodified()),
        ]),
        under("9110 §13.1.3", "If-Modified-Since", no_since.into()),
        under("9110 §13.1.4", "If-Unmodified-Since", vec![
            rule("the date of the file holds", until(THEN), whole()),
            rule("a later date holds", until(AFTER), whole()),
            rule("an earlier date does not", until(BEFORE), failed()),
            rule("the beginning of time does not", until("Thu, 01 Jan 1970 00:00:00 GMT"), failed()),
            rule("for HEAD fails without a body", head("/file.txt").with(format!("If-Unmodified-Since: {BEFORE}")), is(412).kept()),
        ]),
        under("house", "If-Unmodified-Since", vec![
            rule("two lines are no date", until(BEFORE).with(format!("If-Unmodified-Since: {BEFORE}")), whole()),
        ]),
        under("9110 §5.6.7", "If-Unmodified-Since", forms_until.into()),
        under("9110 §5.6.7", "If-Unmodified-Since", vec![
            rule("an early RFC 850", until("Sunday, 06-Nov-94 08:49:36 GMT"), failed()),
            rule("an early asctime", until("Sun Nov  6 08:49:36 1994"), failed()),
        ]),
        under("9110 §13.1.4", "If-Unmodified-Since", no_until.into()),
    ]
    .concat()
}

pub(super) fn order() -> Vec<Case> {
    let since = |date: &str| format!("If-Modified-Since: {date}");
    let until = |date: &str| format!("If-Unmodified-Since: {date}");
    let matches = "If-Match: {etag}";
    let other = "If-Match: \"other\"";
    let known = "If-None-Match: {etag}";
    let unknown = "If-None-Match: \"other\"";
    let each = ["If-Match: \"other\"", "If-Match: *", "If-None-Match: *", &since(AFTER), &until(BEFORE)].map(str::to_owned);
    let ignored = |what: &str, request: Ask, expected: Expect| {
        let ignored = |field: &String| rule(format!("{field} is ignored"), request.clone().with(field), expected.clone());
        under("9110 §13.2.1", what, each.iter().map(ignored).collect())
    };
    [
        under("9110 §13.2.2", "order", vec![
            rule("a false If-Match before a known tag", given(other).with(known), failed()),
            rule("a false If-Match before a date", given(other).with(since(THEN)), failed()),
            rule("a true If-Match and a known tag", given(matches).with(known), unmodified()),
            rule("a true If-Match and an unknown tag", given(matches).with(unknown), whole()),
            rule("a true If-Match and a date", given(matches).with(since(THEN)), unmodified()),
            rule("a true If-Match hides If-Unmodified-Since", given(matches).with(until(BEFORE)), whole()),
            rule("a false If-Match is not helped by If-Unmodified-Since", given(other).with(until(AFTER)), failed()),
            rule("* hides If-Unmodified-Since", given("If-Match: *").with(until(BEFORE)), whole()),
            rule("a true If-Match, a false date, a known tag", given(matches).with(until(BEFORE)).with(known), unmodified()),
            rule("a false If-Unmodified-Since before a known tag", given(until(BEFORE)).with(known), failed()),
            rule("a true If-Unmodified-Since and a known tag", given(until(THEN)).with(known), unmodified()),
            rule("a true If-Unmodified-Since and a date", given(until(THEN)).with(since(THEN)), unmodified()),
            rule("a false If-Unmodified-Since before a date", given(until(BEFORE)).with(since(THEN)), failed()),
            rule("the order of the lines does not matter", given(since(THEN)).with(known).with(until(AFTER)).with(other), failed()),
        ]),
        under("9110 §13.1.3", "order", vec![
            rule("an unknown tag hides If-Modified-Since", given(unknown).with(since(THEN)), whole()),
            rule("an unknown tag hides it in whatever order", given(since(AFTER)).with(unknown), whole()),
            rule("a known tag hides an early date", given(known).with(since(BEFORE)), unmodified()),
            rule("a weak tag hides an early date", given("If-None-Match: W/{etag}").with(since(BEFORE)), unmodified()),
        ]),
        under("house", "order", vec![
            rule("a tag that is none hides If-Modified-Since", given("If-None-Match: nope").with(since(THEN)), whole()),
        ]),
        ignored("what is absent", get("/absent"), is(404)),
        ignored("a redirect", get("/docs"), is(301)),
        ignored("a bad target", get("/%zz"), is(400)),
        ignored("a method that is not allowed", ask("POST", "/file.txt"), is(405)),
        ignored("a method that is not known", ask("BREW", "/file.txt"), is_one_of(&[405, 501])),
        under("9110 §13.2.2", "order", vec![
            rule("a known tag before a range", given(known).with("Range: bytes=0-4"), unmodified().lacks("Content-Range")),
            rule("a known tag before a range that cannot be", given(known).with("Range: bytes=100-"), unmodified()),
            rule("a date before a range", given(since(THEN)).with("Range: bytes=0-4"), unmodified()),
            rule("a false If-Match before a range", given(other).with("Range: bytes=0-4"), failed()),
            rule("a false If-Unmodified-Since before a range", given(until(BEFORE)).with("Range: bytes=0-4"), failed()),
            rule("a true If-Match and a range", given(matches).with("Range: bytes=0-4"), is(206).part("file.txt", 0..=4)),
            rule("an unknown tag and a range", given(unknown).with("Range: bytes=0-4"), is(206).part("file.txt", 0..=4)),
            rule("an early date and a range", given(since(BEFORE)).with("Range: bytes=0-4"), is(206).part("file.txt", 0..=4)),
            rule("a true If-Unmodified-Since and a range", given(until(THEN)).with("Range: bytes=0-4"), is(206).part("file.txt", 0..=4)),
            rule("a true If-Match and a range that cannot be", given(matches).with("Range: bytes=100-"), is(416)),
        ]),
    ]
    .concat()
}
