//! How long a client may take.

use std::time::Duration;

use crate::conformance::{Case, Setting, get, is, raw, rule, silence, under};

const LIMIT: Duration = Duration::from_millis(600);

pub(super) const SHORT: &[Setting] = &[Setting::HeaderTimeout(LIMIT), Setting::IdleTimeout(LIMIT)];

pub(super) fn rules() -> Vec<Case> {
    let page = || is(200).file("file.txt").kept();
    let late = || is(408).closed().after(LIMIT);
    let half = ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\nX: y"]
        .map(|half| rule(format!("{half:?} is answered when the time is up"), raw(half), late()));
    [
        under("house", "deadlines", half.into()),
        under("house", "deadlines", vec![
            rule("nothing at all is met with silence", raw(""), silence().after(LIMIT)),
            rule("an empty line is met with silence", raw("\r\n"), silence().after(LIMIT)),
            rule("a kept connection that idles is closed in silence", get("/file.txt"), page()).then(raw(""), silence().after(LIMIT)),
            rule("half a second request is answered when the time is up", get("/file.txt"), page()).then(raw("GET / HT"), late()),
            rule("a byte now and then puts nothing off", get("/file.txt").with("X: a long value that takes its time on its way").trickling(LIMIT / 12), is(408).closed().after(LIMIT)),
        ]),
    ]
    .concat()
}
