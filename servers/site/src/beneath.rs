//! Opening a name beneath a directory, never outside of it.

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, open, openat, openat2, readlinkat, stat},
    io::Errno,
};
use std::{
    ffi::OsStr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// A directory that names are opened beneath: the one that is at its path at that time. A site that is built anew may
/// be another directory of the same name, or a symbolic link that leads elsewhere since.
#[derive(Debug)]
pub(crate) struct Beneath {
    path: PathBuf,
    /// Set once the kernel has refused `openat2` of the root itself: old ones do not know it, some sandboxes forbid it.
    pub(crate) walks: AtomicBool,
}

/// Whether a call may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    Allowed,
    /// What would have to wait fails with `EAGAIN`.
    Refused,
}

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Where a name may lead.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
/// How often a resolution is begun anew because the tree was being renamed meanwhile (`EAGAIN`, see openat2(2)).
const ATTEMPTS: usize = 64;
/// As many symbolic links as the kernel follows in one name (see `path_resolution(7)`).
const LINKS: usize = 40;
/// Names are shorter than this.
const PATH_MAX: usize = 4096;

impl Beneath {
    pub(crate) fn new(root: &Path) -> rustix::io::Result<Self> {
        let beneath = Self { path: root.to_owned(), walks: AtomicBool::new(false) };
        beneath.root()?;
        Ok(beneath)
    }

    fn root(&self) -> rustix::io::Result<OwnedFd> {
        open(&self.path, DIRECTORY, Mode::empty())
    }

    /// Opens `name`, which is relative; empty for the root itself.
    pub(crate) fn open(&self, name: &[u8], flags: OFlags, waiting: Waiting) -> rustix::io::Result<OwnedFd> {
        let name = if name.is_empty() { b"." } else { name };
        let flags = flags | OFlags::CLOEXEC;
        if waiting == Waiting::Refused {
            return self.resolve_from_memory(name, flags);
        }
        if !self.walks.load(Ordering::Relaxed) {
            match self.resolve(name, flags) {
                // PERM may also be about this one file, such as an on-access scanner's. Then the walk meets it too, and all
                // other names are still opened by one call.
                Err(Errno::NOSYS | Errno::PERM) => {
                    if let Err(Errno::NOSYS | Errno::PERM) = self.resolve(b".", DIRECTORY) {
                        self.walks.store(true, Ordering::Relaxed);
                    }
                }
                // Each attempt met a rename somewhere in the system. The walk minds none but those on its way.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        self.walk(name, flags)
    }

    /// One system call, if the kernel knows it.
    pub(crate) fn resolve(&self, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let root = self.root()?;
        let mut last = Errno::AGAIN;
        for _ in 0..ATTEMPTS {
            match openat2(&root, name, flags, Mode::empty(), BENEATH) {
                Err(again @ (Errno::AGAIN | Errno::INTR)) => last = again,
                other => return other,
            }
        }
        Err(last)
    }

    /// The same with nothing but what the kernel has in memory of directories and files.
    fn resolve_from_memory(&self, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if self.walks.load(Ordering::Relaxed) {
            return Err(Errno::AGAIN);
        }
        openat2(CWD, &self.path, DIRECTORY, Mode::empty(), ResolveFlags::CACHED)
            .and_then(|root| openat2(root, name, flags, Mode::empty(), BENEATH.union(ResolveFlags::CACHED)))
            .map_err(|errno| match errno {
                // Refused altogether, or not known (INVAL, before Linux 5.12): whoever may wait will see.
                Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::INTR => Errno::AGAIN,
                other => other,
            })
    }

    /// What is at the place of `name`, found without a descriptor. It may wait for the disk, and it follows symbolic links
    /// out of the root: so it can tell only whether a file that was opened beneath the root is still the one of that name.
    pub(crate) fn stat(&self, name: &[u8]) -> rustix::io::Result<Stat> {
        stat(self.path.join(OsStr::from_bytes(name)))
    }

    pub(crate) fn walk(&self, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let root = self.root()?;
        let mut walked = Err(Errno::AGAIN);
        for _ in 0..ATTEMPTS {
            walked = walk(root.as_fd(), name, flags);
            if !matches!(walked, Err(Errno::AGAIN)) {
                break;
            }
        }
        walked
    }
}

/// The same without `openat2`: from descriptor to descriptor, reading each symbolic link itself. `AGAIN` if the file became a
/// link between the look at it and its opening.
fn walk(root: BorrowedFd, name: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    // What the kernel says of longer ones (see `path_resolution(7)`): the terminating NUL counts.
    if name.len() >= PATH_MAX {
        return Err(Errno::NAMETOOLONG);
    }
    let mut todo: Vec<Vec<u8>> = segments(name);
    let mut directories: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    let mut flags = flags | only_directories(name);
    let place = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    while let Some(segment) = todo.pop() {
        let here = directories.last().map_or(root, AsFd::as_fd);
        if segment == b"." || segment == b".." {
            // Also a step that leads nowhere new fails where the others would: at a file, at a closed directory.
            openat(here, c".", place, Mode::empty())?;
            if segment == b".." {
                // One step up from the root is a step outside.
                directories.pop().ok_or(Errno::XDEV)?;
            }
            continue;
        }
        let there = openat(here, segment.as_slice(), place, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&there)?.st_mode) == FileType::Symlink {
            links += 1;
            // Of this very link: another one may have taken its name meanwhile, or a file.
            let link = readlinkat(&there, c"", Vec::new())?.into_bytes();
            if links > LINKS {
                return Err(Errno::LOOP);
            }
            if link.starts_with(b"/") {
                return Err(Errno::XDEV);
            }
            if todo.is_empty() {
                flags |= only_directories(&link);
            }
            todo.extend(segments(&link));
        } else if todo.is_empty() {
            // Not followed, whatever it has become since it was looked at. With `PATH` a link itself would be opened.
            let file = openat(here, segment.as_slice(), flags | OFlags::NOFOLLOW, Mode::empty()).map_err(of_a_link)?;
            let is_link =
                flags.contains(OFlags::PATH) && FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Symlink;
            return if is_link { Err(Errno::AGAIN) } else { Ok(file) };
        } else {
            directories.push(there);
        }
    }
    let here = directories.last().map_or(root, AsFd::as_fd);
    openat(here, c".", flags, Mode::empty())
}

/// What opening says of a link that was no link a moment ago.
fn of_a_link(errno: Errno) -> Errno {
    if errno == Errno::LOOP { Errno::AGAIN } else { errno }
}

/// The steps of a name, the last one first.
fn segments(name: &[u8]) -> Vec<Vec<u8>> {
    let steps = name.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty());
    steps.rev().map(<[u8]>::to_vec).collect()
}

/// The flag for names that end like a directory's: a file will not do.
fn only_directories(name: &[u8]) -> OFlags {
    if name.ends_with(b"/") { OFlags::DIRECTORY } else { OFlags::empty() }
}

/// Whether anything is there at all, for a sentence about a missing root.
pub(crate) fn is_not_a_directory(path: &Path) -> bool {
    openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .and_then(fstat)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    /// A tree with a secret beside it and links of all kinds.
    fn tree() -> (tempfile::TempDir, Beneath) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(root.join("file"), "file").unwrap();
        fs::write(root.join("a/b/deep"), "deep").unwrap();
        for (link, to) in [
            ("inside", "a/b/deep"),
            ("a/up", "../file"),
            ("a/here", "./b/../b"),
            ("outside", "../secret"),
            ("a/far", "../../secret"),
            ("out-and-in", "../root/file"),
            ("loop", "loop"),
            ("dangling", "nothing"),
            ("through-a-file", "file/../file"),
            ("file-with-slash", "file/"),
            ("folder-with-slash", "a//b/"),
        ] {
            symlink(to, root.join(link)).unwrap();
        }
        symlink(folder.path().join("secret"), root.join("absolute")).unwrap();
        symlink(root.join("file"), root.join("absolute-inside")).unwrap();
        let beneath = Beneath::new(&root).unwrap();
        (folder, beneath)
    }

    fn read(fd: OwnedFd) -> String {
        std::io::read_to_string(fs::File::from(fd)).unwrap()
    }

    #[test]
    fn both_ways_open_the_same_and_nothing_outside() {
        let (_folder, beneath) = tree();
        for (name, expected) in [
            ("file", Ok("file")),
            ("a/b/deep", Ok("deep")),
            ("inside", Ok("deep")),
            ("a/up", Ok("file")),
            ("a/here/deep", Ok("deep")),
            ("outside", Err(Errno::XDEV)),
            ("a/far", Err(Errno::XDEV)),
            ("out-and-in", Err(Errno::XDEV)),
            ("absolute", Err(Errno::XDEV)),
            ("absolute-inside", Err(Errno::XDEV)),
            ("loop", Err(Errno::LOOP)),
            ("dangling", Err(Errno::NOENT)),
            ("nothing", Err(Errno::NOENT)),
            ("file/x", Err(Errno::NOTDIR)),
            ("file/", Err(Errno::NOTDIR)),
            ("file/.", Err(Errno::NOTDIR)),
            ("through-a-file", Err(Errno::NOTDIR)),
            ("file-with-slash", Err(Errno::NOTDIR)),
            ("folder-with-slash/deep", Ok("deep")),
            (&("./".repeat(2045) + "/file"), Ok("file")),
            (&("./".repeat(2045) + "//file"), Err(Errno::NAMETOOLONG)),
        ] {
            let expected = expected.map(str::to_owned);
            let resolved = beneath.resolve(name.as_bytes(), OFlags::RDONLY | OFlags::CLOEXEC).map(read);
            assert_eq!(resolved, expected, "openat2 of {name}");
            let walked = beneath.walk(name.as_bytes(), OFlags::RDONLY | OFlags::CLOEXEC).map(read);
            assert_eq!(walked, expected, "walk to {name}");
            // Now the kernel has it all in memory, unless it needs the room; some links it follows only when it may wait.
            let remembered = beneath.resolve_from_memory(name.as_bytes(), OFlags::RDONLY | OFlags::CLOEXEC).map(read);
            assert!(remembered == expected || remembered == Err(Errno::AGAIN), "memory of {name}: {remembered:?}");
        }
    }

    /// A name that is a file and a link in turn always leads to one of them, and another thread sees no moment between.
    #[test]
    fn a_rename_on_its_way_does_not_stop_a_walk() {
        let (folder, beneath) = tree();
        let root = folder.path().join("root");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    fs::write(root.join("next"), "file").unwrap();
                    fs::rename(root.join("next"), root.join("swapped")).unwrap();
                    symlink("a/b/deep", root.join("next")).unwrap();
                    fs::rename(root.join("next"), root.join("swapped")).unwrap();
                }
            });
            while !root.join("swapped").exists() {
                std::thread::yield_now();
            }
            let walked: Vec<_> = (0..20_000)
                .map(|_| beneath.walk(b"swapped", OFlags::RDONLY | OFlags::CLOEXEC).map(read))
                .filter(|content| !matches!(content.as_deref(), Ok("file" | "deep")))
                .collect();
            let looked = |_| {
                let there = beneath.walk(b"swapped", DIRECTORY.difference(OFlags::DIRECTORY)).and_then(fstat);
                there.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
            };
            let all_files = (0..20_000).all(looked);
            is_over.store(true, Ordering::Relaxed);
            assert_eq!(walked, []);
            assert!(all_files, "the link itself was opened");
        });
    }

    /// Refusing one file, as an on-access scanner does, is not refusing the call.
    #[test]
    fn one_file_that_is_refused_does_not_switch_the_call_off() {
        // Nobody but its owner may open a file without changing its time of access; PERM is what others are told (open(2)).
        let as_nobody = || {
            let nobody = rustix::process::Uid::from_raw(65_534);
            if rustix::process::geteuid().is_root() {
                rustix::thread::set_thread_uid(nobody).unwrap();
            }
            let beneath = Beneath::new(Path::new("/etc")).unwrap();
            let refused = beneath.open(b"passwd", OFlags::RDONLY | OFlags::NOATIME, Waiting::Allowed);
            (refused.map(drop), beneath.walks.load(Ordering::Relaxed))
        };
        // The user of one thread, which ends with it.
        let (refused, walks) = std::thread::scope(|scope| scope.spawn(as_nobody).join().unwrap());
        assert_eq!((refused, walks), (Err(Errno::PERM), false));
    }

    #[test]
    fn a_sandbox_that_forbids_the_call_leaves_no_way_without_waiting() {
        let (_folder, beneath) = tree();
        beneath.walks.store(true, Ordering::Relaxed);
        let refused = beneath.open(b"file", OFlags::RDONLY, Waiting::Refused).map(read);
        assert_eq!(refused, Err(Errno::AGAIN));
    }

    #[test]
    fn the_root_is_what_its_path_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let publish = |release: &str| {
            fs::create_dir_all(at(release)).unwrap();
            fs::write(at(release).join("file"), release).unwrap();
            symlink(release, at("next")).unwrap();
            fs::rename(at("next"), at("current")).unwrap();
        };
        publish("one");
        let beneath = Beneath::new(&at("current")).unwrap();
        let content = || {
            let remembered = beneath.open(b"file", OFlags::RDONLY, Waiting::Refused).map(read);
            let content = beneath.open(b"file", OFlags::RDONLY, Waiting::Allowed).map(read);
            assert!(remembered == content || remembered == Err(Errno::AGAIN), "{remembered:?} and not {content:?}");
            content
        };
        assert_eq!(content(), Ok("one".to_owned()));
        publish("two");
        assert_eq!(content(), Ok("two".to_owned()));
        fs::remove_file(at("current")).unwrap();
        assert_eq!(content(), Err(Errno::NOENT));
        publish("three");
        assert_eq!(content(), Ok("three".to_owned()));
    }

    #[test]
    fn the_root_has_a_name_too() {
        let (_folder, beneath) = tree();
        for walks in [false, true] {
            beneath.walks.store(walks, Ordering::Relaxed);
            let root = beneath.open(b"", OFlags::PATH, Waiting::Allowed).unwrap();
            let stat = fstat(root).unwrap();
            assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::Directory);
            assert_eq!(beneath.open(b"a/b/deep", OFlags::RDONLY, Waiting::Allowed).map(read), Ok("deep".to_owned()));
        }
    }
}
