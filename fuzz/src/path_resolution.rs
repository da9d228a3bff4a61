//! Raw request targets against a document root on the disk and its model in memory.
//!
//! The input is a script of lines. A line is a raw request target, looked up; or one of two changes of the tree, which
//! are undone in the end: `!` and two bytes swap what is at two places (a rename, an exchange, a removal, an
//! appearance, another document root), `=` and two bytes write another content into a file. Bytes from 0x80 up stand
//! for words of the tree and of its language, so that a few bytes lead deep into it; 0x7f lets the next byte stand for
//! itself.
//!
//! Properties:
//!
//! - What `Target::parse` and `Site::open` find together (this file with this content, a directory, nothing,
//!   forbidden) is what the model predicts, whether the kernel resolves the name or the walk. What can be said without
//!   waiting for the disk is the same.
//! - Every name at all, also one that no target can lead to (`a//../b/.`), is the same file to `openat2`, to the walk
//!   and to the model.
//! - Nothing outside of the root is ever found: not the secrets beside it, by whatever link.
//! - After any change of the tree, a site with a cache of lifetime zero tells the new state at once.

use crate::{
    tree::{Node, Nowhere, Place, Tree, directory, file, link, locked, unreadable},
    words::expand,
};
use protocol::Target;
use rustix::{
    fs::{FileType, OFlags, fstat},
    thread::{CapabilitySet, capabilities, set_capabilities},
};
use site::{Error, Found, Metadata, Options, Site, fuzzing};
use std::{
    cell::RefCell,
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// The folder around the document root: what is in `root` may be served, nothing else.
fn folder() -> Node {
    let root = directory([
        ("index.html", file("the index of the root")),
        ("a", file("a")),
        ("long", file(&"a file that stays on the disk ".repeat(9))),
        ("empty", file("")),
        (".hidden", file("a hidden file")),
        ("...", file("a name of three dots")),
        ("back\\slash", file("a name with a backslash")),
        ("per%63ent", file("a name with an escape in it")),
        ("with space\n", file("a name with white space")),
        ("caf\u{e9}", file("a name beyond ASCII")),
        (NAME_OF_255, file("the longest name")),
        ("unreadable", unreadable("SECRET")),
        ("fifo", Node::Fifo),
        ("locked", locked([("a", file("SECRET")), ("index.html", file("SECRET"))])),
        ("to-locked", link("locked/")),
        ("through-locked", link("locked/../a")),
        (
            "d",
            directory([
                ("index.html", file("the index of d")),
                ("a", file("a in d")),
                (".hidden", directory([("index.html", file("an index in a hidden directory"))])),
                ("up", link("..")),
                ("here", link(".")),
                ("far", link("../../secret")),
                ("aside", link("../e/./index.html")),
                ("e", directory([("a", file("a in e in d")), ("up", link("../up")), ("index.html", link("../a"))])),
            ]),
        ),
        ("e", directory([("index.html", directory([("a", file("a in a directory called index.html"))]))])),
        ("none", directory([])),
        ("to-a", link("a")),
        ("to-a-directory", link("d")),
        ("to-a-directory-with-slash", link("d//e/")),
        ("to-a-file-with-slash", link("a/")),
        ("to-a-file-with-dot", link("a/.")),
        ("through-a-file", link("a/../d/a")),
        ("through-nothing", link("nothing/../a")),
        ("to-hidden", link(".hidden")),
        ("to-fifo", link("fifo")),
        ("roundabout", link("d/here/./up/d//e/../a")),
        ("dangling", link("nothing")),
        ("loop", link("loop")),
        ("loop-a", link("d/up/loop-b")),
        ("loop-b", link("loop-a")),
        ("twice", link("d/up/d/up")),
        ("often", link("twice/twice/twice/twice")),
        ("too-often", link("often/often/often/often/a")),
        ("out", link("..")),
        ("outside", link("../secret")),
        ("out-and-in", link("../root/a")),
        ("to-sibling", link("../root-of-others/secret")),
        ("absolute", link("/etc/passwd")),
        ("absolute-root", link("/")),
        ("process", link("/proc/self/root/etc/passwd")),
    ]);
    // What can come into the root by a swap.
    let attic = directory([
        ("file", file("a file from the attic")),
        ("directory", directory([("a", file("a from the attic")), ("index.html", file("an index from the attic"))])),
        ("link-up", link("..")),
        ("link-a", link("a")),
        ("link-e", link("d/e")),
        ("link-out", link("../secret")),
        ("link-far-out", link("../../root-of-others/secret")),
    ]);
    let others = directory([("secret", file("SECRET of others")), ("a", file("SECRET of others"))]);
    directory([("root", root), ("attic", attic), ("root-of-others", others), ("secret", file("SECRET"))])
}

const NAME_OF_255: &str = match std::str::from_utf8(&[b'n'; 255]) {
    Ok(name) => name,
    Err(_) => "",
};

/// Names that nothing has at first.
const VACANT: [&[&str]; 5] =
    [&["root", "nothing"], &["root", "d", "nothing"], &["root", "e", "a"], &["attic", "a"], &["attic", "nothing"]];

/// The language of paths, beside the names in the tree.
const WORDS: &str = "/.. /. / // ../ ./ .. %2e /%2E%2e %2F %5c %00 %25 % %61 %0a %20 ? ?a=/../ # http://host \
                     /index.html /a /d /e /a/ /here /up /%64 \\";

/// What is kept beside a file: its last name and its length.
type Rendered = (Vec<u8>, u64);

/// The tree, and the sites that serve it.
struct World {
    tree: Tree,
    places: Vec<Box<Place>>,
    words: Vec<Vec<u8>>,
    ways: fuzzing::Ways,
    /// With the kernel's resolution, hidden files not served; with the walk, hidden files served.
    sites: [(Site<Rendered>, bool); 2],
    _folder: tempfile::TempDir,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// Checks all properties with the script that `data` is.
pub fn check(data: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        for line in data.split(|&byte| byte == b'\n') {
            match *line {
                [b'!', one, other] => {
                    let (one, other) = (world.place(one), world.place(other));
                    let with_root = one.len() == 1 || other.len() == 1;
                    if !with_root || world.tree.has_directory(&one) && world.tree.has_directory(&other) {
                        world.tree.swap(&one, &other);
                    }
                }
                [b'=', which, content] => {
                    let place = world.place(which);
                    let new = format!("written {content}").repeat(1 + usize::from(content % 8));
                    world.tree.write(&place, new.as_bytes());
                }
                _ => world.look_up(&expand(line, &world.words)),
            }
        }
        world.tree.restore();
    });
}

impl World {
    fn new() -> Self {
        // The superuser reads what is closed to others: not in this thread.
        if let Ok(mut sets) = capabilities(None) {
            sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, sets).expect("fewer capabilities");
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let tree = Tree::new(self::folder(), folder.path());
        let root = folder.path().join("root");
        let mut places = tree.model.places();
        places.retain(|place| place.len() > 1 && matches!(&*place[0], b"root" | b"attic"));
        // The root itself may be exchanged for another directory.
        places.push([b"root".to_vec()].into());
        places.extend(VACANT.map(|place| place.iter().map(|name| name.as_bytes().to_vec()).collect()));

        let mut words: Vec<Vec<u8>> = WORDS.split(' ').map(|word| word.into()).collect();
        // Four of these are nearly as long as a name may be.
        words.push(b"/".repeat(1023));
        words.push([NAME_OF_255.as_bytes(), b"n"].concat());
        for name in places.iter().filter_map(|place| place.last()) {
            if !words.contains(name) {
                words.push(name.clone());
            }
        }
        assert!(words.len() <= 128, "a byte for each word");

        // Files longer than an eighth of the cache stay on the disk; some dozen of the others fill it.
        let options = |hidden| Options { hidden, cache_bytes: 8 * 1024, cache_lifetime: Duration::ZERO };
        let site = |hidden| Site::new(&root, options(hidden)).expect("a site");
        let sites = [(site(false), false), (site(true), true)];
        fuzzing::walk_only(&sites[1].0);
        let ways = fuzzing::Ways::new(&root).expect("the root");
        Self { tree, places, words, ways, sites, _folder: folder }
    }

    fn place(&self, byte: u8) -> Box<Place> {
        self.places[usize::from(byte) % self.places.len()].clone()
    }

    fn root(&self) -> &Node {
        self.tree.model.resolve(b"root").expect("the root")
    }

    fn look_up(&self, raw: &[u8]) {
        let start = raw.iter().position(|&byte| byte != b'/').unwrap_or(raw.len());
        let name = &raw[start..];
        if !name.is_empty() && !name.contains(&0) {
            self.open_in_both_ways(name);
        }
        if let Ok(target) = Target::parse(raw) {
            for (site, hidden) in &self.sites {
                self.open_in(site, *hidden, &target);
            }
        }
    }

    fn open_in_both_ways(&self, name: &[u8]) {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let expected = self.root().resolve(name).and_then(|node| match node {
            Node::File { readable: false, .. } | Node::Directory { searchable: false, .. } => Err(Nowhere::Forbidden),
            node => Ok(Thing::of_node(node)),
        });
        let by_kernel = self.ways.by_kernel(name, flags).map(Thing::of_descriptor).map_err(reason);
        assert_eq!(by_kernel, expected, "openat2 of {}", name.escape_ascii());
        let by_walking = self.ways.by_walking(name, flags).map(Thing::of_descriptor).map_err(reason);
        assert_eq!(by_walking, expected, "walk to {}", name.escape_ascii());
    }

    fn open_in(&self, site: &Site<Rendered>, hidden: bool, target: &Target) {
        let now = Instant::now();
        let (name, directory) = (target.path(), target.is_directory());
        assert!(site.lookup(name, directory, now).is_none(), "a cache of lifetime zero knows nothing");
        let render = |file: &Metadata| (file.name.to_vec(), file.length);
        let thing = |found: Found<Rendered>| match found {
            Found::Hot(entry) => (Thing::File(entry.content.to_vec()), Some(entry.rendered.clone())),
            Found::Cold { rendered, file } => (Thing::File(read(file)), Some(rendered)),
            Found::Directory => (Thing::Directory, None),
        };
        let predicted = self.predict(name, directory, hidden);
        let at_once = site.open_at_once(name, directory, now, render);
        if let Some(found) = at_once.map(|found| found.map(thing).map_err(reason)) {
            assert_eq!(found, predicted, "{} at once (directory: {directory})", name.escape_ascii());
        }
        let found = site.open(name, directory, now, render).map(thing).map_err(reason);
        assert_eq!(found, predicted, "{} (directory: {directory}, hidden: {hidden})", name.escape_ascii());
    }

    /// What a site answers, by the model: a thing, and its last name and length if it is a file.
    fn predict(&self, name: &[u8], directory: bool, hidden: bool) -> Result<(Thing, Option<Rendered>), Nowhere> {
        let segments: Vec<&[u8]> = name.split(|&byte| byte == b'/').collect();
        if !hidden && segments.iter().any(|segment| segment.first() == Some(&b'.')) {
            return Err(Nowhere::NotFound);
        }
        let path = if directory { [name, b"/index.html"].concat() } else { name.to_vec() };
        let path = path.strip_prefix(b"/").unwrap_or(&path);
        let last = if directory { b"index.html" } else { segments[segments.len() - 1] };
        match self.root().resolve(path)? {
            Node::File { content, readable: true } => {
                Ok((Thing::File(content.clone()), Some((last.to_vec(), content.len() as u64))))
            }
            Node::File { readable: false, .. } => Err(Nowhere::Forbidden),
            Node::Directory { .. } if !directory => Ok((Thing::Directory, None)),
            _ => Err(Nowhere::NotFound),
        }
    }
}

/// What was opened.
#[derive(Debug, PartialEq, Eq)]
enum Thing {
    File(Vec<u8>),
    Directory,
    Fifo,
}

impl Thing {
    fn of_node(node: &Node) -> Self {
        match node {
            Node::File { content, .. } => Self::File(content.clone()),
            Node::Directory { .. } => Self::Directory,
            Node::Link(_) => unreachable!("resolved"),
            Node::Fifo => Self::Fifo,
        }
    }

    fn of_descriptor(descriptor: OwnedFd) -> Self {
        let mode = fstat(&descriptor).expect("an open descriptor").st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File(read(descriptor.into())),
            FileType::Directory => Self::Directory,
            FileType::Fifo => Self::Fifo,
            other => panic!("a {other:?}"),
        }
    }
}

fn read(mut file: File) -> Vec<u8> {
    let mut content = Vec::new();
    file.read_to_end(&mut content).expect("a readable file");
    assert!(!content.starts_with(b"SECRET"), "the secret");
    content
}

fn reason(error: Error) -> Nowhere {
    match error {
        Error::NotFound => Nowhere::NotFound,
        Error::Forbidden => Nowhere::Forbidden,
        other => panic!("{other}"),
    }
}
