//! Files that change while they are served, and a document root that does.
//!
//! Two promises. What a client is told about a response stays true: the bytes that come are bytes of one open file, as
//! many as were announced, or the connection ends early. And what changes is served changed, once the lifetime of the
//! cache is over.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant, SystemTime};

use harness::{Client, Model, PATIENCE, Response, Root, Server, Start, Unanswered, eventually, request};

harness::under_every_model!(
    cuts_a_response_off_when_its_file_is_truncated,
    finishes_a_response_whose_file_is_replaced_or_removed,
    sends_no_more_than_was_announced_when_a_file_grows,
    finishes_a_response_from_the_cache_whatever_becomes_of_the_file,
    serves_what_changed_within_the_lifetime_of_the_cache,
    sees_a_file_that_was_replaced_without_a_trace_in_its_times,
    follows_permissions_as_they_change,
    survives_the_end_of_its_root,
    looks_at_the_disk_each_time_without_a_cache,
);

/// Longer than what the sockets of both sides buffer, and than what is cached: it is sent in parts.
const COLD: usize = 8 << 20;
/// Short enough to be cached, and still longer than what a client with a small window and its server buffer.
const HOT: usize = 1 << 20;
/// The lifetime of the cache, unless a flag says otherwise, and what a busy machine may add to it.
const LIFETIME: Duration = Duration::from_secs(1);

fn start(model: Model, root: &Root) -> Start {
    Server::of(model).workers(4).root(root)
}

/// A client with a small window that has asked for `target`: the answer is on its way, and most of it waits.
#[track_caller]
fn half_way(server: &Server, target: &str) -> Client {
    let mut client = Client::with_small_window(server.address());
    client.send(request("GET", target, &["Connection: close"])).waits_for_bytes();
    client
}

/// The body that came until the end of the connection, and that end.
#[track_caller]
fn body(mut client: Client) -> (Vec<u8>, Unanswered) {
    let (mut bytes, end) = client.collect(PATIENCE);
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head at least");
    assert!(bytes.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&bytes[..head]));
    (bytes.split_off(head + 4), end)
}

/// Panics unless all of `content` comes, and then the end.
#[track_caller]
fn assert_whole(client: Client, content: &[u8]) {
    let (body, end) = body(client);
    assert!(matches!(end, Unanswered::Closed(_)), "{end}");
    assert!(body == content, "{} bytes, of which not all are the file's {}", body.len(), content.len());
}

/// Bytes that tell where they are from.
fn content(mark: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| if at % 64 == 0 { mark } else { b'a' + (at / 64 % 26) as u8 }).collect()
}

fn cuts_a_response_off_when_its_file_is_truncated(model: Model) {
    let whole = content(b'1', COLD);
    let root = Root::with_index("index").file("cold.bin", &whole);
    let server = start(model, &root).start();
    for left in [COLD / 2, 0] {
        root.write("cold.bin", &whole);
        let client = half_way(&server, "/cold.bin");
        let file = File::options().write(true).open(root.path().join("cold.bin")).expect("our own file");
        file.set_len(left as u64).expect("a shorter file");
        let (body, end) = body(client);
        assert!(matches!(end, Unanswered::Closed(_) | Unanswered::Reset(_)), "{end}");
        assert!(body.len() < COLD, "{} bytes came of a file that lost its end", body.len());
        assert!(whole.starts_with(&body), "{} bytes, not all of them the file's", body.len());
    }
    assert_eq!(server.get("/").expect(200).text(), "index");
}

fn finishes_a_response_whose_file_is_replaced_or_removed(model: Model) {
    let (old, new) = (content(b'1', COLD), content(b'2', COLD));
    let root = Root::new().file("replaced.bin", &old).file("removed.bin", &old);
    let server = start(model, &root).start();
    let clients = ["/replaced.bin", "/removed.bin"].map(|target| half_way(&server, target));
    root.write("../new.bin", &new);
    fs::rename(root.outside().join("new.bin"), root.path().join("replaced.bin")).expect("our own files");
    fs::remove_file(root.path().join("removed.bin")).expect("our own file");
    for client in clients {
        assert_whole(client, &old);
    }
    assert!(server.get("/replaced.bin").expect(200).body == new, "not the new file");
    server.get("/removed.bin").expect(404);
}

fn sends_no_more_than_was_announced_when_a_file_grows(model: Model) {
    let old = content(b'1', COLD);
    let root = Root::new().file("cold.bin", &old);
    let server = start(model, &root).start();
    let mut client = Client::with_small_window(server.address());
    client.send([request("GET", "/cold.bin", &[]), request("GET", "/cold.bin", &[])].concat());
    client.waits_for_bytes();
    let mut file = File::options().append(true).open(root.path().join("cold.bin")).expect("our own file");
    file.write_all(&content(b'2', 1000)).expect("room on the disk");
    assert!(client.response().expect(200).body == old, "not what the file was when it was asked for");
    // The second request was read, perhaps, before the file grew; its answer is whole in any case.
    let length = client.response().expect(200).body.len();
    assert!([COLD, COLD + 1000].contains(&length), "{length} bytes");
    assert_eq!(server.get("/cold.bin").expect(200).body.len(), COLD + 1000);
}

fn finishes_a_response_from_the_cache_whatever_becomes_of_the_file(model: Model) {
    let old = content(b'1', HOT);
    let root = Root::new().file("a.bin", &old).file("b.bin", &old).file("c.bin", &old);
    let server = start(model, &root).start();
    let clients = ["/a.bin", "/b.bin", "/c.bin"].map(|target| half_way(&server, target));
    File::options().write(true).open(root.path().join("a.bin")).expect("our own file").set_len(10).expect("shorter");
    root.write("b.bin", content(b'2', HOT));
    fs::remove_file(root.path().join("c.bin")).expect("our own file");
    for client in clients {
        assert_whole(client, &old);
    }
}

/// Asks until `is_new` holds of the answer; panics unless that is within the lifetime of the cache.
#[track_caller]
fn changes_in_time(server: &Server, target: &str, is_new: impl Fn(&Response) -> bool) -> Response {
    let changed = Instant::now();
    let mut last = None;
    let seen = eventually(LIFETIME * 4, || {
        let response = server.get(target);
        let new = is_new(&response);
        last = Some(response);
        new
    });
    let last = last.expect("it was asked once at least");
    assert!(seen, "{target} is still {} {:?} after {:?}", last.status, last.text(), changed.elapsed());
    last
}

fn serves_what_changed_within_the_lifetime_of_the_cache(model: Model) {
    let root = Root::with_index("old index").file("page.html", "old page").file("gone.html", "gone").directory("new");
    let server = start(model, &root).start();
    let old = server.get("/page.html").expect(200);
    for target in ["/", "/gone.html"] {
        server.get(target).expect(200);
    }
    for target in ["/new/", "/new.html"] {
        server.get(target).expect(404);
    }
    root.write("index.html", "new index");
    // Of the same length, so that only the times tell.
    root.write("page.html", "new page");
    fs::remove_file(root.path().join("gone.html")).expect("our own file");
    root.write("new/index.html", "new directory");
    root.write("new.html", "new file");
    let new = changes_in_time(&server, "/page.html", |response| response.text() == "new page");
    assert_ne!(new.header("ETag"), old.header("ETag"));
    assert_ne!(new.header("ETag"), "");
    changes_in_time(&server, "/", |response| response.text() == "new index");
    changes_in_time(&server, "/gone.html", |response| response.status == 404);
    changes_in_time(&server, "/new/", |response| response.status == 200 && response.text() == "new directory");
    changes_in_time(&server, "/new.html", |response| response.status == 200 && response.text() == "new file");
    // And a file that becomes a directory, and the other way round.
    fs::remove_file(root.path().join("page.html")).expect("our own file");
    root.write("page.html/index.html", "a directory now");
    fs::remove_dir_all(root.path().join("new")).expect("our own directory");
    root.write("new", "a file now");
    changes_in_time(&server, "/page.html", |response| response.status == 301);
    changes_in_time(&server, "/page.html/", |response| response.status == 200 && response.text() == "a directory now");
    changes_in_time(&server, "/new", |response| response.status == 200 && response.text() == "a file now");
    changes_in_time(&server, "/new/", |response| response.status == 404);
}

/// Another file under the same name, as long as the old one and with its time of modification: `cp --preserve` and then
/// `mv`, as installers do.
fn sees_a_file_that_was_replaced_without_a_trace_in_its_times(model: Model) {
    let root = Root::new().file("page.html", "one").file("big.bin", content(b'1', COLD / 4));
    let server = start(model, &root).start();
    let time = SystemTime::now() - Duration::from_secs(3600);
    let (page, big) = (root.path().join("page.html"), root.path().join("big.bin"));
    let set_time = |path: &std::path::Path| {
        let file = File::options().write(true).open(path).expect("our own file");
        file.set_times(FileTimes::new().set_modified(time)).expect("our own file");
    };
    set_time(&page);
    set_time(&big);
    changes_in_time(&server, "/page.html", |response| response.text() == "one");
    let targets = ["/page.html", "/big.bin"];
    let tag = |target: &str| server.get(target).expect(200).field("ETag").expect("one").expect("a tag").to_owned();
    let tags = targets.map(tag);
    for (name, path, bytes) in [("a", &page, b"two".to_vec()), ("b", &big, content(b'2', COLD / 4))] {
        let new = root.outside().join(name);
        fs::write(&new, bytes).expect("a file of our own");
        set_time(&new);
        fs::rename(&new, path).expect("our own files");
    }
    changes_in_time(&server, "/page.html", |response| response.text() == "two");
    assert!(server.get("/big.bin").expect(200).body == content(b'2', COLD / 4), "not the new file");
    // Nor does anybody take them for what they were: no 304, and no part of another file.
    for (target, old) in targets.iter().zip(tags) {
        let ask = |fields: &[&str]| server.connect().send(request("GET", target, fields)).response();
        ask(&[&format!("If-None-Match: {old}")]).expect(200);
        ask(&["Range: bytes=0-1", &format!("If-Range: {old}")]).expect(200);
    }
}

fn follows_permissions_as_they_change(model: Model) {
    let root = Root::with_index("index").file("page.html", "page").file("deep/page.html", "deep");
    let Some(start) = start(model, &root).unprivileged(&root) else { return };
    let server = start.start();
    let set_mode = |name: &str, mode: u32| {
        fs::set_permissions(root.path().join(name), fs::Permissions::from_mode(mode)).expect("our own file");
    };
    let targets = ["/page.html", "/deep/page.html"];
    for (file, directory, status) in [(0o644, 0o755, 200), (0o000, 0o000, 403), (0o644, 0o755, 200)] {
        set_mode("page.html", file);
        set_mode("deep", directory);
        for target in targets {
            changes_in_time(&server, target, |response| response.status == status);
        }
    }
    set_mode("", 0o000);
    changes_in_time(&server, "/page.html", |response| response.status == 403);
    set_mode("", 0o755);
    changes_in_time(&server, "/page.html", |response| response.status == 200);
}

/// `rm -rf` and a new build, or one directory that takes the place of another: what is served afterwards is what lies
/// there then.
fn survives_the_end_of_its_root(model: Model) {
    let root = Root::with_index("first").file("cold.bin", content(b'1', COLD));
    let mut server = start(model, &root).start();
    assert_eq!(server.get("/").expect(200).text(), "first");
    let client = half_way(&server, "/cold.bin");

    // It vanishes.
    fs::remove_dir_all(root.path()).expect("our own directory");
    changes_in_time(&server, "/", |response| response.status == 404);
    server.get("/cold.bin").expect(404);
    assert_whole(client, &content(b'1', COLD));

    // It is there again.
    root.write("index.html", "second");
    changes_in_time(&server, "/", |response| response.status == 200 && response.text() == "second");

    // Another takes its place.
    root.write("../next/index.html", "third");
    fs::rename(root.path(), root.outside().join("previous")).expect("our own directories");
    fs::rename(root.outside().join("next"), root.path()).expect("our own directories");
    changes_in_time(&server, "/", |response| response.status == 200 && response.text() == "third");
    assert!(server.runs());
    assert_eq!(server.errors(), "");
}

fn looks_at_the_disk_each_time_without_a_cache(model: Model) {
    let root = Root::new().file("page.html", "0");
    let server = start(model, &root).flags(["--cache-ttl", "0"]).start();
    let mut client = server.connect();
    for number in 0..50 {
        root.write("page.html", number.to_string());
        assert_eq!(client.get("/page.html").expect(200).text(), number.to_string());
    }
    fs::remove_file(root.path().join("page.html")).expect("our own file");
    client.get("/page.html").expect(404);
}
