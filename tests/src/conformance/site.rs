//! The files that the rules speak of.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use crate::root::Root;

/// What is asked for to see whether a connection really goes on.
pub const FOLLOW_UP: &str = "follow-up.txt";

/// The moment of the examples in RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`; five nanoseconds later is when
/// the files were modified that rules about dates speak of.
const EXAMPLE: Duration = Duration::new(784_111_777, 5);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of `huge.bin`: past four GiB, nearly all of them a hole.
pub(super) const HUGE: u64 = (4 << 30) + 1000;

/// Fills a document root with the files of the suite. Outside of it lies `secret`, which nobody may get.
///
/// | name | what it is for |
/// |---|---|
/// | `file.txt`, `empty.txt` | 36 bytes and none, of 1994 |
/// | `twin.txt` | as long as `file.txt`, written in the same second |
/// | `medium.bin`, `large.bin` | 70,000 bytes and 3,000,000: more than goes into one write, more than is cached |
/// | `huge.bin` | past four GiB, with something to read around the fourth and at the end |
/// | `future.txt`, `ancient.txt` | of next week and of 1969 |
pub fn furnish(root: Root) -> Root {
    let modified = SystemTime::UNIX_EPOCH + EXAMPLE;
    let numbers = |length: usize| (0..length).map(|at| (at % 251) as u8).collect::<Vec<u8>>();
    let root = root
        .file("index.html", "<!DOCTYPE html>\n<title>index</title>\n")
        .file(FOLLOW_UP, "the connection goes on\n")
        .file("smuggled.txt", "smuggled\n")
        .file("../secret", "SECRET\n")
        .file("../root-too/secret", "SECRET\n")
        .file("file.txt", "0123456789abcdefghijklmnopqrstuvwxyz")
        .file("twin.txt", "zyxwvutsrqponmlkjihgfedcba9876543210")
        .file("empty.txt", "")
        .file("medium.bin", numbers(70_000))
        .file("large.bin", numbers(3_000_000))
        .file("huge.bin", "the beginning")
        .stretched("huge.bin", HUGE)
        .file("future.txt", "from next week\n")
        .file("ancient.txt", "from 1969\n")
        .modified("file.txt", modified)
        .modified("twin.txt", modified + Duration::from_nanos(1))
        .modified("empty.txt", modified)
        .modified("medium.bin", modified)
        .modified("future.txt", SystemTime::now() + 7 * DAY)
        .modified("ancient.txt", SystemTime::UNIX_EPOCH - 200 * DAY);
    let huge = File::options().write(true).open(root.path().join("huge.bin")).expect("our own file");
    for (at, text) in [((4 << 30) - 7, &b"around four GiB"[..]), (HUGE - 7, b"the end")] {
        huge.write_all_at(text, at).expect("our own file");
    }
    odd_places(odd_names(root))
}

fn odd_names(root: Root) -> Root {
    [
        ("with space.txt", "space"),
        ("100%.txt", "percent"),
        ("%41.txt", "escaped escape"),
        ("A.txt", "letter"),
        ("a+b.txt", "plus"),
        ("a?b#c.txt", "marks"),
        ("gr\u{fc}n.txt", "umlaut"),
        ("semi;colon", "semicolon"),
        ("a&b=c", "ampersand"),
        ("quote\"'", "quotes"),
        ("<tag>", "tag"),
        ("back\\slash", "backslash"),
        ("~tilde", "tilde"),
        ("a:b", "colon"),
        ("trailing.", "trailing dot"),
        ("two..dots", "two dots"),
        ("line\nfeed", "line feed"),
        ("deep/space d/x y.txt", "deep"),
        ("type.css", "css"),
        ("type.js", "js"),
        ("type.jpg", "jpg"),
        ("type.jpeg", "jpeg"),
        ("type.png", "png"),
        ("type.gif", "gif"),
        ("type.svg", "svg"),
        ("type.webp", "webp"),
        ("type.ico", "ico"),
        ("type.json", "json"),
        ("type.swf", "swf"),
        ("TYPE.HTML", "HTML"),
        ("type.tar.gz", "tar.gz"),
        ("several.dots.in.its.name.css", "dots"),
        ("no extension", "none"),
        ("unheard.of-extension", "unheard"),
        ("png", "no dot"),
        ("folder.html/file", "the folder's extension is not the file's"),
    ]
    .into_iter()
    .fold(root, |root, (name, content)| root.file(name, content))
}

fn odd_places(root: Root) -> Root {
    let absolute = root.path().join("file.txt");
    let root = root
        .file("docs/index.html", "docs")
        .file("docs/page.txt", "page")
        .file("docs/space d/index.html", "spaced")
        .file("example.org/index.html", "not a host")
        .file("a/b/c.txt", "c")
        .file("a/d.txt", "d")
        .file(".hidden", "dot")
        .file(".git/config", "git")
        .file("a/.b/c", "deep dot")
        .file("..two", "two leading dots")
        .directory("empty")
        .directory("index-is-a-directory/index.html")
        .fifo("fifo")
        .fifo("index-is-a-fifo/index.html")
        .link("near", "file.txt")
        .link("chain", "near")
        .link("docs/up", "../file.txt")
        .link("folder", "docs")
        .link("visible", ".git")
        .link("visible.txt", ".hidden")
        .link("index-is-a-link/index.html", "../docs/index.html")
        .link("out", "../secret")
        .link("out-and-in", "../root/file.txt")
        .link("absolute", absolute)
        .link("system", "/etc")
        .link("null", "/dev/null")
        .link("dangling", "nowhere")
        .link("round", "round")
        .link("parent", "..")
        .link("process", "/proc/self/root")
        .link("to-fifo", "fifo");
    drop(UnixListener::bind(root.path().join("socket")).expect("a socket beneath our own directory"));
    root.null_device("device");
    root
}
