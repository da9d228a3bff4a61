//! From a request target to a file: escapes, dots, redirects, and all the ways out of the root that are none.

use std::os::unix::net::UnixListener;

use harness::{Model, Root, Server, tool};

harness::under_every_model!(
    decodes_names_once,
    serves_odd_names,
    removes_dot_segments,
    refuses_bad_escapes,
    never_leaves_the_root,
    redirects_a_directory_to_its_slash,
    follows_links_that_stay_inside,
    serves_files_and_nothing_else,
    hides_dot_files,
    tells_what_it_may_not_read,
);

fn decodes_names_once(model: Model) {
    let root = Root::new()
        .file("with space.txt", "space")
        .file("100%.txt", "percent")
        .file("%41.txt", "escaped escape")
        .file("a+b.txt", "plus")
        .file("a?b#c.txt", "marks")
        .file("gr\u{fc}n.txt", "umlaut")
        .file("A.txt", "plain");
    let server = Server::of(model).root(&root).start();
    for (target, content) in [
        ("/with%20space.txt", "space"),
        ("/100%25.txt", "percent"),
        ("/%2541.txt", "escaped escape"),
        ("/%41.txt", "plain"),
        ("/%41%2e%74%78%74", "plain"),
        ("/a+b.txt", "plus"),
        ("/a%2Bb.txt", "plus"),
        ("/a%3Fb%23c.txt", "marks"),
        ("/gr%C3%BCn.txt", "umlaut"),
        ("/gr%c3%bcn.txt", "umlaut"),
        ("/A.txt?with=query&and=%zz", "plain"),
        ("/A.txt?", "plain"),
        ("/A.txt?/../..", "plain"),
    ] {
        let response = server.get(target);
        assert_eq!((response.status, response.text()), (200, content), "{target}");
    }
}

fn serves_odd_names(model: Model) {
    let root = Root::new()
        .file("several.dots.in.it.html", "dots")
        .file("trailing.", "trailing dot")
        .file("..two", "two dots")
        .file("back\\slash", "backslash")
        .file("~tilde", "tilde")
        .file("a:b", "colon")
        .file("deep/space d/x y.txt", "deep");
    let server = Server::of(model).root(&root).flags(["--hidden"]).start();
    for (target, content) in [
        ("/several.dots.in.it.html", "dots"),
        ("/trailing.", "trailing dot"),
        ("/..two", "two dots"),
        ("/back\\slash", "backslash"),
        ("/back%5Cslash", "backslash"),
        ("/~tilde", "tilde"),
        ("/a:b", "colon"),
        ("/deep/space%20d/x%20y.txt", "deep"),
    ] {
        let response = server.get(target);
        assert_eq!((response.status, response.text()), (200, content), "{target}");
    }
}

fn removes_dot_segments(model: Model) {
    let root = Root::new().file("a/b/c.txt", "c").file("a/d.txt", "d");
    let server = Server::of(model).root(&root).start();
    for (target, content) in [
        ("/a/./b/c.txt", "c"),
        ("/a/b/../d.txt", "d"),
        ("/a/b/%2e%2E/d.txt", "d"),
        ("/./a/d.txt", "d"),
        ("/a/nowhere/../d.txt", "d"),
        ("/a/b/../../a/./b/../b/c.txt", "c"),
    ] {
        let response = server.get(target);
        assert_eq!((response.status, response.text()), (200, content), "{target}");
    }
    for target in ["/a/d.txt/.", "/a/d.txt/..", "/a/d.txt/../d.txt/", "/a%2Fd.txt", "/a%2fb%2fc.txt", "/a\\d.txt"] {
        server.get(target).expect(404);
    }
}

fn refuses_bad_escapes(model: Model) {
    let server = Server::of(model).start();
    for target in ["/%", "/%2", "/%zz", "/index.html%", "/%-1", "/%00", "/index.html%00", "/%0", "/% 20"] {
        server.get(target).expect(400);
    }
}

fn never_leaves_the_root(model: Model) {
    let root =
        Root::with_index("inside").file("../secret", "SECRET").file("../root-too/secret", "SECRET").directory("a");
    let server = Server::of(model).root(&root).flags(["--hidden"]).start();
    for target in [
        "/../secret",
        "/..",
        "/../",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/..%2fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/a/..%2f..%2fsecret",
        "/.%2e/secret",
        "/../root-too/secret",
        "/../root/index.html",
        "//../secret",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/../../../../../../../../etc/passwd",
        "//etc/passwd",
        "/%2fetc/passwd",
        "http://localhost/../secret",
        "/%252e%252e/secret",
        "/..;/secret",
        "/a/b/../../../secret",
    ] {
        let response = server.get(target);
        assert!([400, 403, 404].contains(&response.status), "{target}: {}", response.status);
        assert!(!response.text().contains("SECRET") && !response.text().contains("root:"), "{target}");
    }
}

fn redirects_a_directory_to_its_slash(model: Model) {
    let root = Root::new()
        .file("docs/index.html", "docs")
        .file("docs/space d/index.html", "spaced")
        .file("example.org/index.html", "not a host")
        .directory("empty");
    let server = Server::of(model).root(&root).start();
    for (target, content) in [
        ("/docs", Some("docs")),
        ("/docs?a=b&c=%20d", Some("docs")),
        ("/docs?", Some("docs")),
        ("/docs/space%20d", Some("spaced")),
        ("//example.org", Some("not a host")),
        ("///example.org?q", Some("not a host")),
        ("/.//example.org", Some("not a host")),
        ("/%2e//example.org", Some("not a host")),
        ("http://localhost//example.org", Some("not a host")),
        ("/empty", None),
    ] {
        let response = server.get(target).expect(301);
        let location = response.header("Location");
        let (path, query) = location.split_once('?').map_or((location, None), |(path, query)| (path, Some(query)));
        assert!(path.ends_with('/') && !path.starts_with("//"), "{target} is sent to {location}");
        assert!(!path.contains([':', ' ', '\\']), "{target} is sent to {location}");
        assert_eq!(query, target.split_once('?').map(|(_, query)| query), "{target} is sent to {location}");
        let next = server.get(&resolve(target, location));
        match content {
            Some(content) => assert_eq!((next.status, next.text()), (200, content), "{target} over {location}"),
            None => assert_eq!(next.status, 404, "{target} over {location}"),
        }
    }
    // A host that sounds like a path, and bytes that would end the header line.
    for target in ["/%5cexample.org", "/docs%0d%0aX: y", "/docs%0D%0ASet-Cookie:a"] {
        let response = server.get(&target.replace(' ', "%20"));
        assert!(!response.has("Location") && !response.has("Set-Cookie"), "{target}");
    }
}

/// Where a browser that asked for `target` goes when it is sent to `location` (RFC 3986, section 5.2).
fn resolve(target: &str, location: &str) -> String {
    if location.starts_with('/') {
        return location.to_owned();
    }
    let path = target.split('?').next().unwrap_or_default();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{directory}/{location}")
}

fn follows_links_that_stay_inside(model: Model) {
    let root = Root::new();
    let absolute = root.path().join("file");
    let root = root
        .file("file", "inside")
        .file("deep/index.html", "deep")
        .file("../secret", "SECRET")
        .link("near", "file")
        .link("deep/up", "../file")
        .link("folder", "deep")
        .link("chain", "near")
        .link("out", "../secret")
        .link("out-and-in", "../root/file")
        .link("absolute", absolute)
        .link("etc", "/etc")
        .link("null", "/dev/null")
        .link("dangling", "nowhere")
        .link("round", "round")
        .link("up", "..")
        .link("self", "/proc/self/root");
    let server = Server::of(model).root(&root).start();
    for (target, content) in [
        ("/near", "inside"),
        ("/deep/up", "inside"),
        ("/folder/", "deep"),
        ("/folder/up", "inside"),
        ("/chain", "inside"),
    ] {
        let response = server.get(target);
        assert_eq!((response.status, response.text()), (200, content), "{target}");
    }
    server.get("/folder").expect(301);
    for target in [
        "/out",
        "/out-and-in",
        "/absolute",
        "/etc",
        "/etc/",
        "/etc/passwd",
        "/null",
        "/dangling",
        "/round",
        "/up",
        "/up/",
        "/up/secret",
        "/self/etc/passwd",
        "/near/",
    ] {
        let response = server.get(target);
        assert_eq!(response.status, 404, "{target}: {}", response.text());
    }
}

fn serves_files_and_nothing_else(model: Model) {
    let root = Root::with_index("index").fifo("fifo").fifo("sub/index.html").link("to-fifo", "fifo");
    let _socket = UnixListener::bind(root.path().join("socket")).expect("a socket beneath our own directory");
    // Without the right to make a device, its name is absent, and the answer is the same.
    root.null_device("device");
    let server = Server::of(model).workers(1).root(&root).start();
    for target in ["/fifo", "/socket", "/to-fifo", "/sub/", "/fifo/", "/device"] {
        server.get(target).expect(404);
        server.get("/").expect(200);
    }
}

fn hides_dot_files(model: Model) {
    let root = Root::with_index("index").file(".secret", "dot").file(".git/config", "git").file("a/.b/c", "deep");
    let server = Server::of(model).root(&root).start();
    for target in ["/.secret", "/%2esecret", "/.git/config", "/.git/", "/.git", "/a/.b/c", "/a/%2Eb/c"] {
        server.get(target).expect(404);
    }
    let server = Server::of(model).root(&root).flags(["--hidden"]).start();
    for (target, content) in [("/.secret", "dot"), ("/%2esecret", "dot"), ("/.git/config", "git"), ("/a/.b/c", "deep")]
    {
        let response = server.get(target);
        assert_eq!((response.status, response.text()), (200, content), "{target}");
    }
}

fn tells_what_it_may_not_read(model: Model) {
    let root = Root::with_index("index").file("closed", "closed").mode("closed", 0o000);
    let root = root.file("locked/inside", "inside").mode("locked", 0o000);
    let mut start = Server::of(model).root(&root);
    // Everything is readable for the superuser, so the server has to be somebody else.
    if rustix::process::geteuid().is_root() {
        let Some(setpriv) = tool("setpriv") else { return };
        start = start.program(Server::copy_program(model, root.outside())).wrapper([
            setpriv.get_program(),
            "--reuid=65534".as_ref(),
            "--regid=65534".as_ref(),
            "--clear-groups".as_ref(),
        ]);
    }
    let server = start.start();
    server.get("/").expect(200);
    server.get("/closed").expect(403);
    server.get("/locked/inside").expect(403);
    server.get("/locked/absent").expect(403);
}
