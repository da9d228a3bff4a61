//! The system calls of one request under each model, as `docs/models.md` shows them: taken from a trace and compared
//! with the page. `OTUS_WRITE_DOCS=1` writes them into the page instead.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;

use harness::{Model, Root, Server, request, under_strace, wait_until, workspace};

/// Requests of a trace. What most of them have in common is shown, so that a timer that fires in between does not matter.
const REQUESTS: usize = 20;
const BEGIN: &str = "<!-- system calls -->\n";
const END: &str = "<!-- /system calls -->";

/// A call on a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Call {
    thread: String,
    name: String,
    /// The descriptors among the arguments: one, or those that are polled.
    descriptors: Vec<String>,
    /// The option that is set, or what is done to an epoll.
    what: Option<&'static str>,
    /// What it returned, with the name of the error; nothing while it has not.
    result: Option<String>,
}

#[test]
fn the_page_shows_what_a_request_costs() {
    let mut table = String::from(
        "| model | from one answer to the next on a kept connection | on a connection of its own |\n|---|---|---|\n",
    );
    for model in Model::ALL {
        let Some(kept) = trace(model, true) else { return };
        let Some(fresh) = trace(model, false) else { return };
        let (kept, fresh) = (most_common(kept_requests(&kept)), most_common(fresh_requests(&fresh)));
        writeln!(table, "| {} | {} | {} |", model.name(), shown(&kept), shown(&fresh)).expect("into memory");
    }
    let page = workspace().join("docs/models.md");
    let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let begin = text.find(BEGIN).expect("the page has the mark where the calls begin") + BEGIN.len();
    let end = text.find(END).expect("the page has the mark where the calls end");
    if env::var_os("OTUS_WRITE_DOCS").is_some_and(|value| !value.is_empty()) {
        let written = fs::write(&page, format!("{}{table}{}", &text[..begin], &text[end..]));
        written.unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    } else {
        assert_eq!(&text[begin..end], table, "docs/models.md is out of date; OTUS_WRITE_DOCS=1 writes it anew");
    }
}

/// The calls on descriptors of a server with one worker that is asked for the same small file again and again.
fn trace(model: Model, kept: bool) -> Option<Vec<Call>> {
    let root = Root::new().file("small.txt", "This is small.\n");
    let log = root.outside().join("strace.log");
    let output = format!("--output={}", log.display());
    // The limit holds for lists, too, and two descriptors are polled.
    let wrapper = under_strace(["--trace=%network,%desc", "--string-limit=4", "--signal=none", &output])?;
    let server = Server::of(model).root(&root).workers(1).wrapper(wrapper).start();
    if kept {
        let mut client = server.connect();
        for _ in 0..REQUESTS {
            client.get("/small.txt");
        }
    } else {
        for _ in 0..REQUESTS {
            let mut client = server.connect();
            client.send(request("GET", "/small.txt", &["Connection: close"])).response();
            client.closed();
        }
    }
    let calls = || calls_in(&fs::read_to_string(&log).unwrap_or_default());
    // The last answer may be told of only when the client has it.
    wait_until("strace has told of all answers", || {
        calls().iter().filter(|call| call.name == "sendto" && call.result.is_some()).count() >= REQUESTS
    });
    Some(calls())
}

/// Reads a trace. A call stands where it begins, also when the rest of it is told later.
fn calls_in(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in trace.lines() {
        let Some((thread, told)) = line.split_once(char::is_whitespace) else { continue };
        let told = told.trim_start();
        let result = told
            .rsplit_once(") = ")
            .or_else(|| told.rsplit_once(" = "))
            .map(|(_, result)| result.split(" (").next().unwrap_or(result).trim().to_owned());
        let result = result.filter(|_| !told.ends_with("<unfinished ...>"));
        if let Some(resumed) = told.strip_prefix("<... ") {
            let name = resumed.split(' ').next().unwrap_or_default();
            let begun = calls.iter_mut().rfind(|call| call.thread == thread && call.result.is_none());
            if let Some(begun) = begun.filter(|call| call.name == same_everywhere(name)) {
                begun.result = result;
            }
        } else if let Some((name, arguments)) = told.split_once('(') {
            calls.push(Call {
                thread: thread.to_owned(),
                name: same_everywhere(name).to_owned(),
                descriptors: descriptors(name, arguments),
                what: ["SO_RCVTIMEO", "SO_SNDTIMEO", "TCP_NODELAY", "EPOLL_CTL_ADD", "EPOLL_CTL_DEL"]
                    .into_iter()
                    .find(|what| arguments.contains(what)),
                result,
            });
        }
    }
    calls
}

/// One name for calls that C libraries and processors name differently.
fn same_everywhere(name: &str) -> &str {
    match name {
        "epoll_pwait" | "epoll_pwait2" => "epoll_wait",
        "ppoll" => "poll",
        "accept" => "accept4",
        other => other,
    }
}

/// The descriptors that a call is about.
fn descriptors(name: &str, arguments: &str) -> Vec<String> {
    let number = |text: &str| text.trim().chars().take_while(char::is_ascii_digit).collect::<String>();
    match same_everywhere(name) {
        "poll" => arguments.split("fd=").skip(1).map(number).collect(),
        // epoll_ctl(epoll, what, whom, ...)
        "epoll_ctl" => arguments.split(',').nth(2).map(number).into_iter().collect(),
        _ => vec![number(arguments)],
    }
}

/// What each request on the one kept connection took: the calls behind an answer, up to the next one.
fn kept_requests(calls: &[Call]) -> Vec<Vec<String>> {
    let client = client_of(calls);
    let about = |call: &&Call| {
        let waits = call.name == "epoll_wait" && call.result.as_deref().is_some_and(|ready| ready != "0");
        waits || call.descriptors.contains(client)
    };
    let calls: Vec<String> = calls.iter().filter(about).filter_map(said).collect();
    // The first request has the connection's opening with it, and what is behind the last answer serves none.
    calls.split_inclusive(|call| call == "sendto").skip(1).take(REQUESTS - 1).map(<[String]>::to_vec).collect()
}

/// What each connection took, from its accept to its close.
fn fresh_requests(calls: &[Call]) -> Vec<Vec<String>> {
    let begins = calls.iter().enumerate().filter(|(_, call)| call.name == "accept4");
    let accepted = begins.filter_map(|(begin, call)| {
        let client = call.result.as_ref().filter(|result| result.parse::<u32>().is_ok())?;
        let about = calls[begin + 1..].iter().filter(|call| call.descriptors.contains(client));
        let mut served = vec![call.name.clone()];
        for call in about {
            served.extend(said(call));
            if call.name == "close" {
                return Some(served);
            }
        }
        None
    });
    accepted.collect()
}

/// The descriptor that answers go to.
fn client_of(calls: &[Call]) -> &String {
    let answer = calls.iter().find(|call| call.name == "sendto").expect("an answer was sent");
    &answer.descriptors[0]
}

/// A call as the page names it. Nothing for one that found nothing, as an event loop makes it when it looks too early, and
/// for the standard library's look, in debug builds, at whether a descriptor that it closes is open.
fn said(call: &Call) -> Option<String> {
    let in_vain = call.result.as_deref().is_some_and(|result| result.contains("EAGAIN"));
    let in_passing = call.name == "fcntl";
    let what = call.what.map(|what| format!("({what})")).unwrap_or_default();
    (!in_vain && !in_passing).then(|| format!("{}{what}", call.name))
}

/// The calls that most requests took.
#[track_caller]
fn most_common(requests: Vec<Vec<String>>) -> Vec<String> {
    let mut counts: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    let all = requests.len();
    for request in requests {
        *counts.entry(request).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(_, count)| **count);
    let (request, count) = most.unwrap_or_else(|| panic!("no request in the trace"));
    assert!(count * 2 > all, "requests take different calls: {counts:?}");
    request.clone()
}

fn shown(calls: &[String]) -> String {
    calls.iter().map(|call| format!("`{call}`")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_call_that_is_told_in_two_parts_stands_where_it_begins() {
    let calls = calls_in(
        "8 ppoll([{fd=3, events=POLLIN}, {fd=5, events=POLLIN}], 2, NULL, NULL, 8 <unfinished ...>\n\
         9 accept4(4, NULL, NULL, SOCK_CLOEXEC) = 6\n\
         8 <... ppoll resumed>)            = 1 ([{fd=3, revents=POLLIN}])\n\
         8 recvfrom(3, \"\", 99, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)\n\
         8 epoll_ctl(7, EPOLL_CTL_ADD, 3, {events=EPOLLIN}) = 0\n\
         8 --- SIGTERM {si_signo=SIGTERM} ---\n\
         8 recvfrom(3,  <unfinished ...>) = ?\n",
    );
    let told: Vec<_> =
        calls.iter().map(|call| (call.name.as_str(), call.descriptors.join(" "), call.result.as_deref())).collect();
    let expected = [
        ("poll", "3 5".to_owned(), Some("1")),
        ("accept4", "4".to_owned(), Some("6")),
        ("recvfrom", "3".to_owned(), Some("-1 EAGAIN")),
        ("epoll_ctl", "3".to_owned(), Some("0")),
        ("recvfrom", "3".to_owned(), Some("?")),
    ];
    assert_eq!(told, expected);
    let said: Vec<_> = calls.iter().filter_map(said).collect();
    assert_eq!(said, ["poll", "accept4", "epoll_ctl(EPOLL_CTL_ADD)", "recvfrom"]);
}
