use crate::{
    Entry, Error,
    beneath::{Beneath, Waiting, is_not_a_directory},
    cache::Cache,
    disk::{cannot_tell, is_without_disk},
    stamp::Stamp,
};
use rustix::{
    fs::{FileType, OFlags, Stat, fstat},
    io::{Errno, ReadWriteFlags, pread, preadv2},
};
use std::{
    borrow::Cow,
    fs::File,
    io::{ErrorKind, IoSliceMut},
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// What is served when a directory is asked for.
const INDEX: &[u8] = b"index.html";

/// How a document root is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether names that start with a dot exist.
    pub hidden: bool,
    /// How many bytes of memory the cache may take.
    pub cache_bytes: u64,
    /// How long a cached file is served without a look at the disk. Zero looks each time.
    pub cache_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { hidden: false, cache_bytes: 64 * 1024 * 1024, cache_lifetime: Duration::from_secs(1) }
    }
}

/// A document root. `R` is what the caller renders for each file, kept beside the file in the cache.
#[derive(Debug)]
pub struct Site<R> {
    pub(crate) root: Beneath,
    hidden: bool,
    cache: Cache<R>,
}

/// What a name stands for.
#[derive(Debug)]
pub enum Found<R> {
    /// A file that is in memory.
    Hot(Arc<Entry<R>>),
    /// A file that is too long for that: an open descriptor of it.
    Cold {
        /// What the caller rendered for it.
        rendered: R,
        /// The file, positioned at its start.
        file: File,
    },
    /// A directory that was asked for by the name of a file.
    Directory,
}

/// What is known of a file when it is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Metadata<'a> {
    /// The last segment of its name; of an index, the name of the index.
    pub name: &'a [u8],
    /// Bytes in it.
    pub length: u64,
    /// When its bytes last changed, by what anybody may have set.
    pub modified: SystemTime,
    /// What tells this state of the file from all others of the name: letters, digits and a few signs, none of them a quotation
    /// mark.
    pub version: &'a str,
}

impl<R> Site<R> {
    /// Opens the document root.
    ///
    /// # Errors
    /// [`Error::Root`] if there is no such directory.
    pub fn new(root: &Path, options: Options) -> Result<Self, Error> {
        let beneath = Beneath::new(root).map_err(|errno| {
            let source = if is_not_a_directory(root) { Errno::NOTDIR } else { errno };
            Error::Root { path: root.to_owned(), source: source.into() }
        })?;
        Ok(Self {
            root: beneath,
            hidden: options.hidden,
            cache: Cache::new(options.cache_bytes, options.cache_lifetime),
        })
    }

    /// What the cache knows of a name; never blocks on the disk. `name` is relative to the root, without slashes at
    /// its ends and without `.`, `..` or empty segments; `directory` tells that only a directory will do, and means
    /// its index.
    pub fn lookup(&self, name: &[u8], directory: bool, now: Instant) -> Option<Arc<Entry<R>>> {
        self.cache.fresh(name, directory, now)
    }

    /// What the disk knows of a name, or what the cache has learnt of it since it was looked up; may block. `render`
    /// is called for a file that the cache does not hold.
    ///
    /// # Errors
    /// [`Error`] says why there is nothing to serve.
    pub fn open(
        &self,
        name: &[u8],
        directory: bool,
        now: Instant,
        render: impl Fn(&Metadata) -> R,
    ) -> Result<Found<R>, Error> {
        match self.cache.young(name, directory, now) {
            Some(entry) => Ok(Found::Hot(entry)),
            None => self.look(name, directory, now, render, Waiting::Allowed),
        }
    }

    /// The same if it is to be had without waiting for the disk, which is so when the kernel has the name in its cache
    /// of directories and the bytes in its cache of pages; nothing if it is not.
    ///
    /// "Without waiting" is what the kernel promises for `RESOLVE_CACHED` (openat2(2)) and `RWF_NOWAIT` (preadv2(2)).
    /// Where it does not know these, or the file system does not (such as overlayfs), there is nothing.
    pub fn open_at_once(
        &self,
        name: &[u8],
        directory: bool,
        now: Instant,
        render: impl Fn(&Metadata) -> R,
    ) -> Option<Result<Found<R>, Error>> {
        match self.look(name, directory, now, render, Waiting::Refused) {
            Err(Error::Failed(error)) if error.kind() == ErrorKind::WouldBlock => None,
            found => Some(found),
        }
    }

    fn look(
        &self,
        name: &[u8],
        directory: bool,
        now: Instant,
        render: impl Fn(&Metadata) -> R,
        waiting: Waiting,
    ) -> Result<Found<R>, Error> {
        if !self.hidden && name.split(|&byte| byte == b'/').any(|segment| segment.starts_with(b".")) {
            return Err(Error::NotFound);
        }
        let mut found = self.find(name, directory, now, render, waiting);
        if matches!(found, Err(Error::Exhausted(_)))
            && let Some(known) = self.find_unopened(name, directory, now, waiting)
        {
            found = known;
        }
        if matches!(found, Err(Error::NotFound | Error::Forbidden)) {
            self.cache.forget(name, directory);
        }
        found
    }

    fn find(
        &self,
        name: &[u8],
        directory: bool,
        now: Instant,
        render: impl Fn(&Metadata) -> R,
        waiting: Waiting,
    ) -> Result<Found<R>, Error> {
        let path = &*path(name, directory);
        let place = fstat(self.root.open(path, OFlags::PATH, waiting)?)?;
        match FileType::from_raw_mode(place.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory if !directory => return Ok(Found::Directory),
            _ => return Err(Error::NotFound),
        }
        if let Some(entry) = self.cache.confirm(name, directory, &Stamp::of(&place), now) {
            return Ok(Found::Hot(entry));
        }

        let last_segment = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
        let render = |stamp: &Stamp| {
            let (length, modified, version) = (stamp.length, stamp.modified(), &stamp.version());
            render(&Metadata { name: last_segment, length, modified, version })
        };
        // A file that is being written can change between the look at it and the end of reading it.
        const ATTEMPTS: usize = 3;
        for _ in 0..ATTEMPTS {
            let (file, stamp) = self.open_for_reading(path, waiting)?;
            if stamp.length > self.cache.longest() {
                return Ok(Found::Cold { rendered: render(&stamp), file });
            }
            let read = SystemTime::now();
            if let Some(content) = read_whole(&file, &stamp, waiting)? {
                let entry = Arc::new(Entry::new(render(&stamp), content, stamp, read));
                self.cache.insert(name, directory, &entry, now);
                return Ok(Found::Hot(entry));
            }
        }
        let (file, stamp) = self.open_for_reading(path, waiting)?;
        Ok(Found::Cold { rendered: render(&stamp), file })
    }

    /// What the cache holds of a name, if the file at its place is still the same: for the time in which nothing can be
    /// opened. Nothing if the cache does not know the name, or if the file has changed.
    ///
    /// A file that was read so soon after its last change that the next one may have left no trace in its times counts as the
    /// same here. It is read again as soon as it can be opened.
    fn find_unopened(
        &self,
        name: &[u8],
        directory: bool,
        now: Instant,
        waiting: Waiting,
    ) -> Option<Result<Found<R>, Error>> {
        if !self.cache.knows(name, directory) {
            return None;
        }
        if waiting == Waiting::Refused {
            // The look without a descriptor has no way to fail rather than wait.
            return Some(Err(Errno::AGAIN.into()));
        }
        match self.root.stat(&path(name, directory)) {
            Ok(place) => {
                let stamp = Stamp::of(&place);
                let confirmed = self.cache.confirm(name, directory, &stamp, now);
                confirmed.or_else(|| self.cache.unchanged(name, directory, &stamp)).map(|entry| Ok(Found::Hot(entry)))
            }
            Err(errno) => Some(Err(errno.into())),
        }
    }

    fn open_for_reading(&self, path: &[u8], waiting: Waiting) -> Result<(File, Stamp), Error> {
        // NONBLOCK: should the name have become a FIFO since it was looked at, nobody waits for its writer.
        let file: OwnedFd = self.root.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, waiting)?;
        let stat: Stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::NotFound);
        }
        Ok((File::from(file), Stamp::of(&stat)))
    }
}

/// Where a name leads: of a directory to its index.
fn path(name: &[u8], directory: bool) -> Cow<'_, [u8]> {
    match (directory, name.is_empty()) {
        (false, _) => Cow::Borrowed(name),
        (true, true) => Cow::Borrowed(INDEX),
        (true, false) => Cow::Owned([name, INDEX].join(&b'/')),
    }
}

/// All bytes of a file, if it has exactly as many as its stamp says and did not change meanwhile.
fn read_whole(file: &File, stamp: &Stamp, mut waiting: Waiting) -> Result<Option<Arc<[u8]>>, Error> {
    let length = usize::try_from(stamp.length).unwrap_or(usize::MAX);
    let mut content = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let (room, offset) = (&mut content[filled..], filled as u64);
        let read = match waiting {
            Waiting::Allowed => pread(file, room, offset),
            Waiting::Refused => preadv2(file, &mut [IoSliceMut::new(room)], offset, ReadWriteFlags::NOWAIT),
        };
        match read {
            Ok(0) => return Ok(None),
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(errno) if waiting == Waiting::Refused && cannot_tell(errno) => {
                if !is_without_disk(file) {
                    return Err(Errno::AGAIN.into());
                }
                waiting = Waiting::Allowed;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    let unchanged = Stamp::of(&fstat(file)?) == *stamp;
    Ok(unchanged.then(|| content.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn site(options: Options) -> (tempfile::TempDir, Site<String>) {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::new(folder.path(), options).unwrap();
        (folder, site)
    }

    fn render(file: &Metadata) -> String {
        format!("{} {}", String::from_utf8_lossy(file.name), file.length)
    }

    /// What is found, in words.
    fn open(site: &Site<String>, name: &str, directory: bool) -> String {
        match site.open(name.as_bytes(), directory, Instant::now(), render) {
            Ok(Found::Hot(entry)) => format!("hot {} {}", entry.rendered, String::from_utf8_lossy(&entry.content)),
            Ok(Found::Cold { rendered, .. }) => format!("cold {rendered}"),
            Ok(Found::Directory) => "directory".to_owned(),
            Err(Error::NotFound) => "not found".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_directories_and_indexes() {
        let (folder, site) = site(Options::default());
        fs::create_dir_all(folder.path().join("with/index.html")).unwrap();
        fs::create_dir_all(folder.path().join("empty")).unwrap();
        fs::write(folder.path().join("index.html"), "home").unwrap();
        fs::write(folder.path().join("a b.txt"), "text").unwrap();
        fs::write(folder.path().join("nothing"), "").unwrap();
        fs::write(folder.path().join(".hidden"), "x").unwrap();
        symlink("index.html", folder.path().join("link.txt")).unwrap();
        for (name, directory, expected) in [
            ("", true, "hot index.html 4 home"),
            ("index.html", false, "hot index.html 4 home"),
            ("index.html", true, "not found"),
            ("a b.txt", false, "hot a b.txt 4 text"),
            ("link.txt", false, "hot link.txt 4 home"),
            ("nothing", false, "hot nothing 0 "),
            ("empty", false, "directory"),
            ("empty", true, "not found"),
            ("with", true, "not found"),
            ("none", false, "not found"),
            (".hidden", false, "not found"),
        ] {
            assert_eq!(open(&site, name, directory), expected, "{name} {directory}");
        }
        let bold = Site::<String>::new(folder.path(), Options { hidden: true, ..Options::default() }).unwrap();
        assert_eq!(open(&bold, ".hidden", false), "hot .hidden 1 x");
    }

    #[test]
    fn what_is_no_regular_file_hangs_nobody() {
        let (folder, site) = site(Options::default());
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        symlink("/dev/zero", folder.path().join("device")).unwrap();
        for name in ["fifo", "socket", "device"] {
            assert_eq!(open(&site, name, false), "not found", "{name}");
        }
    }

    #[test]
    fn a_change_is_seen_after_the_lifetime() {
        let (folder, site) = site(Options { cache_lifetime: Duration::from_secs(1), ..Options::default() });
        let path = folder.path().join("file");
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        fs::write(&path, "one").unwrap();
        site.open(b"file", false, start, render).unwrap();
        // The same length within the same tick of the file system's clock.
        fs::write(&path, "two").unwrap();
        let hit = site.lookup(b"file", false, at(899));
        assert!(hit.is_some_and(|entry| &*entry.content == b"one"));
        assert!(site.lookup(b"file", false, at(1000)).is_none());
        let again = site.open(b"file", false, at(1000), render);
        assert!(matches!(again, Ok(Found::Hot(entry)) if &*entry.content == b"two"));

        fs::remove_file(&path).unwrap();
        assert!(matches!(site.open(b"file", false, at(2000), render), Err(Error::NotFound)));
        assert!(site.lookup(b"file", false, at(2000)).is_none());
    }

    #[test]
    fn an_unchanged_file_is_not_read_again() {
        let (folder, site) = site(Options { cache_lifetime: Duration::ZERO, ..Options::default() });
        let path = folder.path().join("file");
        fs::write(&path, "one").unwrap();
        let old = SystemTime::now() - Duration::from_secs(3600);
        File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        std::thread::sleep(Duration::from_millis(2100));
        let first = site.open(b"file", false, Instant::now(), render);
        let second = site.open(b"file", false, Instant::now(), render);
        match (first, second) {
            (Ok(Found::Hot(first)), Ok(Found::Hot(second))) => assert!(Arc::ptr_eq(&first, &second)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cached_file_is_served_without_a_descriptor_until_it_changes() {
        let (folder, site) = site(Options { cache_lifetime: Duration::ZERO, ..Options::default() });
        let path = folder.path().join("index.html");
        fs::write(&path, "one").unwrap();
        let unopened = |name: &[u8], directory, waiting| {
            let found = site.find_unopened(name, directory, Instant::now(), waiting);
            found.map(|found| match found {
                Ok(Found::Hot(entry)) => String::from_utf8_lossy(&entry.content).into_owned(),
                Ok(other) => panic!("{other:?}"),
                Err(error) => error.to_string(),
            })
        };
        let known = |name: &[u8], directory| unopened(name, directory, Waiting::Allowed);
        assert_eq!(known(b"", true), None, "it was not asked for yet");
        open(&site, "", true);
        assert_eq!(known(b"", true).as_deref(), Some("one"));
        assert_eq!(known(b"index.html", false), None, "another name");
        let refused = unopened(b"", true, Waiting::Refused);
        assert!(refused.is_some_and(|error| error.starts_with("cannot read the file")), "whoever may wait will see");
        fs::write(&path, "and another").unwrap();
        assert_eq!(known(b"", true), None, "it has changed");
        fs::remove_file(&path).unwrap();
        assert_eq!(known(b"", true), Some(Error::NotFound.to_string()));
    }

    /// Makes the kernel forget the bytes of a file that it could read again.
    fn evict(path: &Path) {
        let file = File::open(path).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }

    #[test]
    fn at_once_comes_what_is_in_memory_and_nothing_else() {
        let (folder, site) = site(Options { cache_lifetime: Duration::ZERO, ..Options::default() });
        let path = folder.path().join("file");
        fs::write(&path, vec![b'x'; 300_000]).unwrap();
        let at_once = || site.open_at_once(b"file", false, Instant::now(), render);
        let probe = preadv2(File::open(&path).unwrap(), &mut [IoSliceMut::new(&mut [0])], 0, ReadWriteFlags::NOWAIT);
        if probe == Err(Errno::OPNOTSUPP) {
            // Nobody can tell whether it would have to wait, but in memory it does not.
            assert_eq!(at_once().is_some(), is_without_disk(File::open(&path).unwrap()));
            return;
        }
        // The kernel may be short of memory just now, but not each time.
        let eventually = |expected: &dyn Fn() -> bool| (0..100).any(|_| expected());
        assert!(eventually(&|| matches!(at_once(), Some(Ok(Found::Hot(entry))) if entry.content.len() == 300_000)));
        assert!(eventually(&|| matches!(
            site.open_at_once(b"", false, Instant::now(), render),
            Some(Ok(Found::Directory))
        )));
        assert!(eventually(&|| {
            evict(&path);
            at_once().is_none()
        }));
        assert_eq!(open(&site, "file", false).len(), "hot file 300000 ".len() + 300_000);
    }

    #[test]
    fn who_had_to_wait_for_his_turn_takes_what_was_brought_meanwhile() {
        let (folder, site) = site(Options::default());
        let now = Instant::now();
        fs::write(folder.path().join("file"), "one").unwrap();
        let first = site.open(b"file", false, now, render);
        let second = site.open(b"file", false, now, render);
        match (first, second) {
            (Ok(Found::Hot(first)), Ok(Found::Hot(second))) => assert!(Arc::ptr_eq(&first, &second)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn long_files_stay_on_disk() {
        let (folder, site) = site(Options { cache_bytes: 80_000, ..Options::default() });
        fs::write(folder.path().join("short"), vec![b'x'; 10_000]).unwrap();
        fs::write(folder.path().join("long"), vec![b'x'; 10_001]).unwrap();
        assert!(open(&site, "short", false).starts_with("hot short 10000"));
        assert_eq!(open(&site, "long", false), "cold long 10001");
        assert!(site.lookup(b"long", false, Instant::now()).is_none());
    }

    #[test]
    fn a_missing_root_is_named() {
        let error = Site::<()>::new(Path::new("/nonexistent/www"), Options::default()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/www"), "{error}");
        let error = Site::<()>::new(Path::new("/proc/self/status"), Options::default()).unwrap_err();
        assert!(error.to_string().contains("Not a directory"), "{error}");
    }
}
