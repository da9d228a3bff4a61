//! A small file tree twice: as plain data, and on the disk.

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, fs::symlink},
    path::{Path, PathBuf},
};

/// The segments of a name.
pub(crate) type Place = [Vec<u8>];

type Entries = BTreeMap<Vec<u8>, Node>;

/// What stands behind a name.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    File { content: Vec<u8>, readable: bool },
    Directory { entries: Entries, searchable: bool },
    Link(Vec<u8>),
    Fifo,
}

pub(crate) fn file(content: &str) -> Node {
    Node::File { content: content.into(), readable: true }
}

pub(crate) fn unreadable(content: &str) -> Node {
    Node::File { content: content.into(), readable: false }
}

pub(crate) fn directory<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let entries = entries.into_iter().map(|(name, node)| (name.into(), node)).collect();
    Node::Directory { entries, searchable: true }
}

pub(crate) fn locked<const N: usize>(entries: [(&str, Node); N]) -> Node {
    let entries = entries.into_iter().map(|(name, node)| (name.into(), node)).collect();
    Node::Directory { entries, searchable: false }
}

pub(crate) fn link(to: &str) -> Node {
    Node::Link(to.into())
}

/// Why a name leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nowhere {
    /// Nothing is there, or it lies outside, or the way to it is too long.
    NotFound,
    /// A directory on the way, or the file itself, is closed to us.
    Forbidden,
}

/// As long as a name may be for the kernel, and as many links as it follows (see `path_resolution(7)`).
const LONGEST_NAME: usize = 4095;
const MOST_LINKS: usize = 40;

impl Node {
    /// Where `name` leads from this directory, if every step of the way stays beneath it.
    pub(crate) fn resolve(&self, name: &[u8]) -> Result<&Node, Nowhere> {
        if name.len() > LONGEST_NAME {
            return Err(Nowhere::NotFound);
        }
        let mut way = vec![self];
        follow(&mut way, name, &mut 0)?;
        Ok(way[way.len() - 1])
    }

    /// The slot of a name whose way leads through nothing but open directories; links are not followed.
    fn parent_of<'p>(&mut self, place: &'p Place) -> Option<(&mut Entries, &'p [u8])> {
        let (last, way) = place.split_last()?;
        let mut here = self;
        for name in way {
            let Node::Directory { entries, searchable: true } = here else { return None };
            here = entries.get_mut(name)?;
        }
        match here {
            Node::Directory { entries, searchable: true } => Some((entries, last)),
            _ => None,
        }
    }

    /// The names of all nodes beneath this one, each as its segments.
    pub(crate) fn places(&self) -> Vec<Box<Place>> {
        let Node::Directory { entries, .. } = self else { return Vec::new() };
        let mut places = Vec::new();
        for (name, node) in entries {
            places.push([name.clone()].into());
            places.extend(node.places().iter().map(|rest| [std::slice::from_ref(name), &**rest].concat().into()));
        }
        places
    }

    fn build(&self, at: &Path) {
        let mode = |mode| fs::set_permissions(at, fs::Permissions::from_mode(mode)).expect("a mode");
        match self {
            Self::File { content, readable } => {
                fs::write(at, content).expect("a file");
                mode(if *readable { 0o644 } else { 0 });
            }
            Self::Directory { entries, searchable } => {
                fs::create_dir_all(at).expect("a directory");
                for (name, node) in entries {
                    node.build(&at.join(OsStr::from_bytes(name)));
                }
                mode(if *searchable { 0o755 } else { 0 });
            }
            Self::Link(to) => symlink(OsStr::from_bytes(to), at).expect("a link"),
            Self::Fifo => mknodat(CWD, at, FileType::Fifo, Mode::RUSR, 0).expect("a FIFO"),
        }
    }
}

/// Goes along `name` from the last directory of `way`, which holds every directory from the root down to here.
fn follow(way: &mut Vec<&Node>, name: &[u8], links: &mut usize) -> Result<(), Nowhere> {
    for segment in name.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty()) {
        let entries = match way[way.len() - 1] {
            Node::Directory { entries, searchable: true } => entries,
            Node::Directory { searchable: false, .. } => return Err(Nowhere::Forbidden),
            _ => return Err(Nowhere::NotFound),
        };
        match segment {
            b"." => {}
            b".." if way.len() == 1 => return Err(Nowhere::NotFound),
            b".." => {
                way.pop();
            }
            name => match entries.get(name).ok_or(Nowhere::NotFound)? {
                Node::Link(to) => {
                    *links += 1;
                    if *links > MOST_LINKS || to.starts_with(b"/") {
                        return Err(Nowhere::NotFound);
                    }
                    follow(way, to, links)?;
                }
                node => way.push(node),
            },
        }
    }
    let only_a_directory_will_do = name.ends_with(b"/");
    match way[way.len() - 1] {
        Node::Directory { .. } => Ok(()),
        _ if only_a_directory_will_do => Err(Nowhere::NotFound),
        _ => Ok(()),
    }
}

/// A tree in a folder, and what is known of it. Every change can be undone.
pub(crate) struct Tree {
    pub(crate) model: Node,
    folder: PathBuf,
    undo: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Swapped(Box<Place>, Box<Place>),
    Written(Box<Place>, Vec<u8>),
}

impl Tree {
    pub(crate) fn new(model: Node, folder: &Path) -> Self {
        model.build(folder);
        Self { model, folder: folder.to_owned(), undo: Vec::new() }
    }

    fn path(&self, place: &Place) -> PathBuf {
        self.folder.join(OsStr::from_bytes(&place.join(&b'/')))
    }

    pub(crate) fn has_directory(&mut self, place: &Place) -> bool {
        let node = self.model.parent_of(place).and_then(|(entries, name)| entries.get(name));
        matches!(node, Some(Node::Directory { searchable: true, .. }))
    }

    /// Lets two places change what is there, be it nothing. Done twice, it was not done at all.
    pub(crate) fn swap(&mut self, one: &Place, other: &Place) {
        if self.exchange(one, other) {
            self.undo.push(Change::Swapped(one.into(), other.into()));
        }
    }

    fn exchange(&mut self, one: &Place, other: &Place) -> bool {
        // A directory cannot move into itself.
        if one.starts_with(other) || other.starts_with(one) {
            return false;
        }
        // Nor can a closed one move at all: its entry `..` would change.
        let mut stays = |place| match self.model.parent_of(place) {
            Some((entries, name)) => matches!(entries.get(name), Some(Node::Directory { searchable: false, .. })),
            None => true,
        };
        if stays(one) || stays(other) {
            return false;
        }
        let mut take = |place: &Place| self.model.parent_of(place).and_then(|(entries, name)| entries.remove(name));
        let (first, second) = (take(one), take(other));
        let (from, to, flags) = match (&first, &second) {
            (Some(_), Some(_)) => (one, other, RenameFlags::EXCHANGE),
            (Some(_), None) => (one, other, RenameFlags::NOREPLACE),
            (None, Some(_)) => (other, one, RenameFlags::NOREPLACE),
            (None, None) => return false,
        };
        renameat_with(CWD, self.path(from), CWD, self.path(to), flags).expect("a rename");
        let mut put = |place: &Place, node: Option<Node>| {
            if let (Some((entries, name)), Some(node)) = (self.model.parent_of(place), node) {
                entries.insert(name.to_vec(), node);
            }
        };
        put(one, second);
        put(other, first);
        true
    }

    /// Writes another content into a file, if a file is there that may be opened.
    pub(crate) fn write(&mut self, place: &Place, new: &[u8]) {
        if let Some(old) = self.overwrite(place, new) {
            self.undo.push(Change::Written(place.into(), old));
        }
    }

    fn overwrite(&mut self, place: &Place, new: &[u8]) -> Option<Vec<u8>> {
        let (entries, name) = self.model.parent_of(place)?;
        let Some(Node::File { content, readable: true }) = entries.get_mut(name) else { return None };
        let old = std::mem::replace(content, new.to_vec());
        // Not by a file that is empty in between: file systems hurry such a one to the disk.
        let mut file = fs::File::options().write(true).open(self.path(place)).expect("a file to write");
        file.write_all(new).and_then(|()| file.set_len(new.len() as u64)).expect("a file to write");
        Some(old)
    }

    /// Makes the tree what it was at first.
    pub(crate) fn restore(&mut self) {
        while let Some(change) = self.undo.pop() {
            match change {
                Change::Swapped(one, other) => assert!(self.exchange(&one, &other)),
                Change::Written(place, content) => assert!(self.overwrite(&place, &content).is_some()),
            }
        }
    }
}
