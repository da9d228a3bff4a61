//! Files that ship, files that come, change and go. What single requests are answered is in `conformance`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Model, PATIENCE, Response, Root, Server, eventually, www};

harness::under_every_model!(
    serves_every_file_of_the_site,
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
