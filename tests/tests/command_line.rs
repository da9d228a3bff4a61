//! What a person at a terminal sees: the first line, the mistakes and their exit codes.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use harness::{Log, Model, PATIENCE, Root, Server, binary, eventually, finish, wait_until};
use socket2::{Domain, Socket, Type};

harness::under_every_model!(
    says_where_it_listens,
    takes_short_flags_and_the_port_it_is_given,
    refuses_a_port_that_somebody_has,
    refuses_a_port_that_another_of_ours_has,
    shares_its_port_with_nobody_or_tells,
    warns_whoever_starts_it_as_root,
    refuses_a_root_that_is_none,
    refuses_wrong_usage,
    refuses_an_address_that_is_not_its_own,
    helps,
);

fn says_where_it_listens(model: Model) {
    for (workers, text) in [(1, "1 worker"), (4, "4 workers")] {
        for log in [Log::Quiet, Log::Collected] {
            let server = Server::of(model).workers(workers).log(log).start();
            let port = server.address().port();
            assert_ne!(port, 0);
            let rest = if model.has_workers() { format!("{}, {text}", model.name()) } else { model.name().to_owned() };
            assert_eq!(server.ready_line(), format!("listening on http://127.0.0.1:{port} ({rest})"));
            server.get("/").expect(200);
        }
    }
}

fn takes_short_flags_and_the_port_it_is_given(model: Model) {
    let root = Root::with_index("index");
    // A free port, given back just now; nobody else is likely to take it in between.
    let port = TcpListener::bind("127.0.0.2:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let server = Server::of(model)
        .root_at(".")
        .port(port)
        .flags(["-a", "127.0.0.2", "-r"])
        .flags([root.path()])
        .flags(if model.has_workers() { vec!["-w", "2", "-q"] } else { vec!["-q"] })
        .log(Log::Collected);
    // The harness says --root first; of a repeated flag the parser may take the last or complain, so build it by hand.
    let mut command = Command::new(binary(model.name()));
    command.args(server.command().get_args().skip(2));
    drop(server);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("it starts");
    let output = child.stdout.take().expect("piped above");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("a first line");
    let result = std::panic::catch_unwind(|| {
        assert!(line.starts_with(&format!("listening on http://127.0.0.2:{port} (")), "{line:?}");
        let mut client = harness::Client::connect(([127, 0, 0, 2], port).into());
        assert_eq!(client.get("/").expect(200).text(), "index");
    });
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// One sentence on standard error, which names the thing; nothing on standard output.
#[track_caller]
fn complains(finished: &harness::Finished, code: i32, about: &str) {
    assert_eq!(finished.code(), code, "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    assert!(finished.stderr.contains(about), "{:?} does not mention {about:?}", finished.stderr);
    assert!(!finished.stderr.contains("panicked"), "{:?}", finished.stderr);
}

fn refuses_a_port_that_somebody_has(model: Model) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it listens").port();
    let finished = Server::of(model).port(port).fail();
    complains(&finished, 1, &port.to_string());
    assert_eq!(finished.stderr.trim_end().lines().count(), 1, "{:?}", finished.stderr);
}

fn refuses_a_port_that_another_of_ours_has(model: Model) {
    for other in Model::ALL {
        let first = Server::of(other).start();
        let port = first.address().port();
        complains(&Server::of(model).port(port).fail(), 1, &port.to_string());
        first.get("/").expect(200);
    }
}

/// The kernel lets listeners of one user share a port if all of them ask for it.
fn shares_its_port_with_nobody_or_tells(model: Model) {
    let join = |address: SocketAddr| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("a socket of our own");
        socket.set_reuse_port(true).expect("a socket of our own");
        socket.bind(&address.into()).and_then(|()| socket.listen(1)).map(|()| socket)
    };
    let alone = Server::of(model).workers(1).start();
    assert_eq!(join(alone.address()).expect_err("the port is taken").kind(), ErrorKind::AddrInUse);
    let server = Server::of(model).workers(2).start();
    match join(server.address()) {
        Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
        Ok(_listener) => wait_until("the server tells of the other listener", || {
            server.errors().contains("another process listens on this port")
        }),
    }
}

fn warns_whoever_starts_it_as_root(model: Model) {
    let server = Server::of(model).start();
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(eventually(if is_root { PATIENCE } else { Duration::ZERO }, || server.warns_of_root()), is_root);
    assert_eq!(server.errors(), "");
}

fn refuses_a_root_that_is_none(model: Model) {
    let root = Root::with_index("index");
    complains(&Server::of(model).root_at("/nowhere/at/all").fail(), 2, "/nowhere/at/all");
    complains(&Server::of(model).root_at(root.path().join("index.html")).fail(), 2, "index.html");
}

fn refuses_wrong_usage(model: Model) {
    for (flags, about) in [
        (&["--no-such-flag"][..], "--no-such-flag"),
        (&["--delay", "soon"], "--delay"),
        (&["--header-timeout=-1s"], "--header-timeout"),
        (&["--idle-timeout", "0"], "--idle-timeout"),
        (&["--keep-alive", "sometimes"], "pinned"),
        (&["--max-connections", "0"], "--max-connections"),
        (&["--max-connections", "many"], "many"),
        (&["--max-request-line", "x"], "--max-request-line"),
        (&["--address", "localhost:80:80"], "localhost:80:80"),
        (&["80", "81"], "81"),
        (&["65536"], "65536"),
    ] {
        complains(&Server::of(model).flags(flags).fail(), 2, about);
    }
    if model.has_workers() {
        for workers in ["0", "many", "1000000000"] {
            complains(&Server::of(model).flags(["-w", workers]).fail(), 2, workers);
        }
    } else {
        complains(&Server::of(model).flags(["-w", "2"]).fail(), 2, "worker");
    }
}

fn refuses_an_address_that_is_not_its_own(model: Model) {
    // From the block for documentation (RFC 5737), which no machine has.
    complains(&Server::of(model).flags(["-a", "192.0.2.1"]).fail(), 1, "192.0.2.1");
}

fn helps(model: Model) {
    let finished = finish(Command::new(binary(model.name())).arg("--help"), PATIENCE).succeeded();
    for flag in [
        "--address",
        "--root",
        "--quiet",
        "--keep-alive",
        "--delay",
        "--hidden",
        "--header-timeout",
        "--idle-timeout",
        "--send-timeout",
        "--grace",
        "--max-request-line",
        "--max-header-bytes",
        "--max-connections",
        "--cache-ttl",
        "--cache-bytes",
        "PORT",
    ] {
        assert!(finished.stdout.contains(flag), "no {flag} in {}", finished.stdout);
    }
}
