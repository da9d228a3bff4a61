//! What every web server is asked all day: files, directories, mistakes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Model, PATIENCE, Response, Root, Server, eventually, request, www};

harness::under_every_model!(
    serves_every_file_of_the_site,
    names_the_type_of_every_file,
    serves_an_index_for_a_directory,
    answers_head_like_get_without_the_body,
    keeps_alive,
    closes_when_asked_to,
    speaks_http_1_0,
    treats_a_higher_minor_version_as_1_1,
    refuses_methods_that_change_something,
    does_not_know_other_methods,
    refuses_other_versions,
    refuses_what_is_no_request,
    asks_for_exactly_one_host,
    takes_what_the_grammar_allows,
    refuses_requests_that_are_too_large,
    never_takes_a_body_for_a_request,
    serves_a_changed_file_within_a_second,
    serves_a_new_file_and_misses_a_removed_one,
    survives_a_lone_newline,
);

fn serves_every_file_of_the_site(model: Model) {
    let server = Server::of(model).start();
    let files = files_beneath(&www());
    assert!(files.len() > 10, "the site that ships is gone");
    let mut client = server.connect();
    for file in files {
        let name = file.strip_prefix(www()).expect("found beneath it").to_str().expect("names in ASCII");
        let response = client.get(&format!("/{}", name.replace(' ', "%20"))).expect(200);
        assert!(response.body == fs::read(&file).expect("a file that ships"), "{name} differs");
    }
}

fn names_the_type_of_every_file(model: Model) {
    let types = [
        ("index.html", "text/html"),
        ("style.css", "text/css"),
        ("script.js", "text/javascript"),
        ("picture.jpg", "image/jpeg"),
        ("picture.jpeg", "image/jpeg"),
        ("picture.png", "image/png"),
        ("picture.gif", "image/gif"),
        ("picture.webp", "image/webp"),
        ("picture.svg", "image/svg+xml"),
        ("favicon.ico", "image/x-icon"),
        ("words.txt", "text/plain"),
        ("film.swf", "application/x-shockwave-flash"),
        ("data.json", "application/json"),
        ("LOUD.HTML", "text/html"),
        ("archive.tar.gz", "application/gzip"),
        ("several.dots.in.its.name.css", "text/css"),
        ("no extension", "application/octet-stream"),
        ("unheard.of-extension", "application/octet-stream"),
        ("png", "application/octet-stream"),
    ];
    let root = types.iter().fold(Root::new(), |root, (name, _)| root.file(name, name));
    let server = Server::of(model).root(&root).start();
    let mut client = server.connect();
    for (name, expected) in types {
        let response = client.get(&format!("/{}", name.replace(' ', "%20"))).expect(200);
        assert_eq!(response.header("Content-Type"), expected, "of {name}");
        assert_eq!(response.text(), name);
    }
}

fn serves_an_index_for_a_directory(model: Model) {
    let root = Root::with_index("top").file("deep/er/index.html", "bottom").directory("empty");
    let server = Server::of(model).root(&root).start();
    for (target, content) in [("/", "top"), ("/?a=b", "top"), ("/deep/er/", "bottom"), ("/deep/er/?x/..", "bottom")] {
        let response = server.get(target).expect(200);
        assert_eq!((response.text(), response.header("Content-Type")), (content, "text/html"), "{target}");
    }
    for target in ["/empty/", "/deep/", "/absent", "/absent/", "/index.html/", "/index.html/x"] {
        server.get(target).expect(404);
    }
}

fn answers_head_like_get_without_the_body(model: Model) {
    let root = Root::with_index("six by").directory("deep").file("large", vec![b'x'; 3 << 20]);
    let server = Server::of(model).root(&root).start();
    for (target, status) in
        [("/", 200), ("/index.html", 200), ("/large", 200), ("/absent", 404), ("/deep", 301), ("/%zz", 400)]
    {
        let get = server.get(target).expect(status);
        let mut client = server.connect();
        client.send(request("HEAD", target, &["Connection: close"]));
        let head = client.response_to_head().expect(status);
        assert_eq!(head.length(), get.length(), "{target}");
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"), "{target}");
        client.closed();
    }
    let mut client = server.connect();
    client.send("HEAD / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response_to_head().expect(200).length(), Some(6));
    client.closed();
}

fn keeps_alive(model: Model) {
    let server = Server::of(model).start();
    let mut client = server.connect();
    for _ in 0..3 {
        assert!(client.get("/").expect(200).keeps_alive());
        assert!(client.get("/absent").expect(404).keeps_alive());
    }
}

fn closes_when_asked_to(model: Model) {
    let server = Server::of(model).start();
    for header in ["Connection: close", "connection: Close", "Connection: x, close", "Connection: keep-alive, close"] {
        let mut client = server.connect();
        assert!(!client.send(request("GET", "/", &[header])).response().expect(200).keeps_alive(), "{header}");
        client.closed();
    }
    let server = Server::of(model).flags(["--keep-alive", "off"]).start();
    let mut client = server.connect();
    assert!(!client.get("/").expect(200).keeps_alive());
    client.closed();
}

fn speaks_http_1_0(model: Model) {
    let server = Server::of(model).start();
    let mut client = server.connect();
    assert!(!client.send("GET / HTTP/1.0\r\n\r\n").response().expect(200).keeps_alive());
    client.closed();

    let mut client = server.connect();
    for _ in 0..3 {
        assert!(client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").response().expect(200).keeps_alive());
    }
    assert!(!client.send("GET / HTTP/1.0\r\n\r\n").response().expect(200).keeps_alive());
    client.closed();
}

fn treats_a_higher_minor_version_as_1_1(model: Model) {
    let server = Server::of(model).start();
    for version in ["HTTP/1.2", "HTTP/1.9"] {
        let request = format!("GET / {version}\r\nHost: localhost\r\n\r\n");
        assert!(server.ask(request).expect(200).keeps_alive(), "{version}");
    }
}

fn refuses_methods_that_change_something(model: Model) {
    let server = Server::of(model).start();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] {
        let response = server.ask(request(method, "/", &[])).expect(405);
        assert_eq!(response.header("Allow"), "GET, HEAD", "{method}");
    }
    assert_eq!(server.ask(request("OPTIONS", "*", &[])).expect(405).header("Allow"), "GET, HEAD");
}

fn does_not_know_other_methods(model: Model) {
    let server = Server::of(model).start();
    for method in ["get", "Get", "BREW", "GETT", "G", "M-SEARCH"] {
        server.ask(request(method, "/", &[])).expect(501);
    }
}

fn refuses_other_versions(model: Model) {
    let server = Server::of(model).start();
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"] {
        server.ask(format!("GET / {version}\r\nHost: localhost\r\n\r\n")).expect(505);
    }
    for version in ["HTTP/1", "HTTP/1.", "HTTP/1.1x", "http/1.1", "HTTP/11", "HTTQ/1.1", "HTTP/1.10", "1.1"] {
        server.ask(format!("GET / {version}\r\nHost: localhost\r\n\r\n")).expect(400);
    }
}

fn refuses_what_is_no_request(model: Model) {
    let server = Server::of(model).start();
    let host = "Host: localhost\r\n";
    for bad in [
        "GET\r\n\r\n".to_owned(),
        "GET /\r\n\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1 \r\n{host}\r\n"),
        format!("GET index.html HTTP/1.1\r\n{host}\r\n"),
        format!("GET * HTTP/1.1\r\n{host}\r\n"),
        format!("G@T / HTTP/1.1\r\n{host}\r\n"),
        format!("GET / HTTP/1.1\r\n{host}no colon\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}Spaced : x\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}: nameless\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X: folded\r\n over two lines\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n {host}\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X: \0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}X: a\rb\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{host}N\u{e4}me: x\r\n\r\n"),
    ] {
        let mut client = server.connect();
        let response = client.send(&bad).response();
        assert_eq!(response.status, 400, "{bad:?}");
        assert!(!response.keeps_alive(), "{bad:?}");
        client.closed();
    }
}

fn asks_for_exactly_one_host(model: Model) {
    let server = Server::of(model).start();
    for hosts in
        ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: user@a\r\n", "Host: a:port\r\n"]
    {
        let response = server.ask(format!("GET / HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(response.status, 400, "{hosts:?}");
    }
    for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]", "[::1]:8080", "a-b.example"] {
        server.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).expect(200);
    }
    server.ask("GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n").expect(200);
    server.ask("GET http://elsewhere.example/style.css?a HTTP/1.1\r\nHost: localhost\r\n\r\n").expect(200);
}

fn takes_what_the_grammar_allows(model: Model) {
    let server = Server::of(model).start();
    for good in [
        "GET / HTTP/1.1\nHost: localhost\n\n",
        "\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: \t localhost \t\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nEmpty:\r\n!#$%&'*+-.^_`|~: odd but a token\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\tb \u{fc}\r\n\r\n",
    ] {
        assert_eq!(server.ask(good).status, 200, "{good:?}");
    }
}

fn refuses_requests_that_are_too_large(model: Model) {
    let server = Server::of(model).start();
    let target = |length: usize| format!("/?{}", "q".repeat(length));
    server.get(&target(8000)).expect(200);
    server.get(&target(8192)).expect(414);
    server.get(&target(60_000)).expect(414);
    let value = |length: usize| format!("X: {}", "v".repeat(length));
    server.ask(request("GET", "/", &[&value(32_000)])).expect(200);
    server.ask(request("GET", "/", &[&value(33_000)])).expect(431);
    server.ask(request("GET", "/", &[&value(200_000)])).expect(431);
    let fields = |count: usize| request("GET", "/", &vec!["A: b"; count]);
    server.ask(fields(99)).expect(200);
    server.ask(fields(100)).expect(431);

    let server = Server::of(model).flags(["--max-request-line", "100", "--max-header-bytes", "200"]).start();
    server.get(&target(50)).expect(200);
    server.get(&target(100)).expect(414);
    server.ask(request("GET", "/", &[&value(100)])).expect(200);
    server.ask(request("GET", "/", &[&value(200)])).expect(431);
    // Also when its end never comes.
    server.ask("X".repeat(10_000)).expect(414);
    server.ask(format!("GET / HTTP/1.1\r\n{}", "X: y\r\n".repeat(500))).expect(431);
}

fn never_takes_a_body_for_a_request(model: Model) {
    let root = Root::with_index("index").file("smuggled", "smuggled");
    let server = Server::of(model).root(&root).start();
    let inner = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = format!("Content-Length: {}", inner.len());
    for method in ["GET", "POST"] {
        for headers in [
            vec![length.as_str()],
            vec!["Content-Length: 0099999"],
            vec!["Transfer-Encoding: chunked"],
            vec![length.as_str(), "Transfer-Encoding: chunked"],
            vec![length.as_str(), "Content-Length: 0"],
            vec!["Content-Length: +5"],
            vec!["Content-Length: 5 "],
            vec!["Content-Length:"],
            vec!["Transfer-Encoding: identity"],
            vec!["Transfer-Encoding: chunked, gzip"],
        ] {
            let mut client = server.connect();
            client.send(request(method, "/", &headers)).offer(inner).half_close();
            let answers = String::from_utf8_lossy(&client.rest()).into_owned();
            assert!(answers.starts_with("HTTP/1.1 "), "{method} with {headers:?}: {answers:?}");
            assert!(!answers.contains("\r\n\r\nsmuggled"), "{method} with {headers:?}: {answers:?}");
        }
    }
    // A small body of a correct length is dropped, and the connection goes on.
    let mut client = server.connect();
    client.send(request("GET", "/", &["Content-Length: 5"])).send("hello").send(request("GET", "/smuggled", &[]));
    assert_eq!(client.response().expect(200).text(), "index");
    assert_eq!(client.response().expect(200).text(), "smuggled");

    for headers in [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -5", "X: y"],
        ["Content-Length: 5x", "X: y"],
        ["Transfer-Encoding: chunked, chunked", "Content-Length: 0"],
    ] {
        let response = server.ask(request("GET", "/", &headers));
        assert_eq!((response.status, response.keeps_alive()), (400, false), "{headers:?}");
    }
    server.ask(request("GET", "/", &["Transfer-Encoding: sausage, chunked"])).expect(501);
}

fn serves_a_changed_file_within_a_second(model: Model) {
    let root = Root::with_index("old");
    let server = Server::of(model).root(&root).start();
    let mut client = server.connect();
    assert_eq!(client.get("/").expect(200).text(), "old");
    for (text, what) in [("new", "of the same length"), ("of another length", "longer"), ("", "empty")] {
        root.write("index.html", text);
        // A second, and as much again for a machine that is busy.
        let served = eventually(Duration::from_secs(2), || client.get("/").expect(200).text() == text);
        assert!(served, "a file now {what} is still served as it was");
    }

    let server = Server::of(model).root(&root).flags(["--cache-ttl", "0s"]).start();
    let mut client = server.connect();
    for text in ["one", "two, which is longer", "three"] {
        root.write("index.html", text);
        assert_eq!(client.get("/").expect(200).text(), text);
    }
}

fn serves_a_new_file_and_misses_a_removed_one(model: Model) {
    let root = Root::new();
    let server = Server::of(model).root(&root).start();
    server.get("/").expect(404);
    root.write("index.html", "here");
    let status = |response: Response| response.status;
    assert!(eventually(PATIENCE, || status(server.get("/")) == 200));
    fs::remove_file(root.path().join("index.html")).expect("just written");
    assert!(eventually(PATIENCE, || status(server.get("/")) == 404));
}

fn survives_a_lone_newline(model: Model) {
    let server = Server::of(model).workers(1).start();
    for bytes in ["\n", "\r\n", "", "G", "GET / HTTP/1.1\r\nHo"] {
        server.connect().send(bytes);
        server.connect().send(bytes).half_close();
        server.connect().send(bytes).half_close().rest();
    }
    server.get("/").expect(200);
}

fn files_beneath(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory that ships");
    let mut files = BTreeSet::new();
    for entry in entries {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            files.append(&mut files_beneath(&path));
        } else {
            files.insert(path);
        }
    }
    files
}
