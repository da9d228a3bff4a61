//! A document root of a test's own.

use std::fs;
use std::io::IoSliceMut;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{Advice, CWD, FileType, Mode};
use rustix::io::{ReadWriteFlags, preadv2};
use tempfile::TempDir;

use crate::wait::wait_until;

/// A directory in the system's temporary place, gone when it is dropped. The document root is `root` inside it, so that
/// there is an outside to climb out to.
#[derive(Debug)]
pub struct Root {
    place: PathBuf,
    /// Removes the directory in the end, if it is a temporary one.
    _temporary: Option<TempDir>,
}

impl Default for Root {
    fn default() -> Self {
        Self::new()
    }
}

impl Root {
    /// An empty document root, readable for everybody.
    pub fn new() -> Self {
        let temporary = tempfile::Builder::new().prefix("otus-tests-").tempdir().expect("a temporary directory");
        Self::within(temporary.path().to_owned(), Some(temporary))
    }

    /// An empty document root that stays: `root` inside `directory`, which is made.
    ///
    /// # Errors
    /// When there is something already.
    pub fn lasting(directory: &Path) -> Result<Self, String> {
        let made = fs::create_dir(directory).and_then(|()| directory.canonicalize());
        let place = made.map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        Ok(Self::within(place, None))
    }

    fn within(place: PathBuf, temporary: Option<TempDir>) -> Self {
        let root = Self { place, _temporary: temporary };
        fs::create_dir(root.path()).expect("a fresh directory");
        for directory in [root.outside().to_path_buf(), root.path()] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("our own directory");
        }
        root
    }

    /// A root with an `index.html` of `index` and nothing else.
    pub fn with_index(index: &str) -> Self {
        Self::new().file("index.html", index)
    }

    /// The document root.
    pub fn path(&self) -> PathBuf {
        self.place.join("root")
    }

    /// The directory that holds the document root.
    pub fn outside(&self) -> &Path {
        &self.place
    }

    /// Adds a file, and the directories that it is in. A name that begins with `../` lies outside of the root.
    #[must_use]
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    /// Writes a file like [`Root::file`], also over one that is there.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.ready(name);
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Makes the kernel forget the bytes of a file, so that they have to come from the disk. File systems that live in
    /// memory keep them.
    #[track_caller]
    pub fn evict(&self, name: &str) {
        let path = self.path().join(name);
        let file = fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // What was not written to the disk yet cannot be forgotten, nor what the file system still has in its hands.
        file.sync_all().expect("a file of ours can be written");
        let last = file.metadata().expect("an open file").len().saturating_sub(1);
        wait_until("the kernel forgets a file", || {
            rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("advice is harmless");
            preadv2(&file, &mut [IoSliceMut::new(&mut [0])], last, ReadWriteFlags::NOWAIT).is_err()
        });
        // The look itself may have made the kernel read ahead, and pages on their way cannot be forgotten: so it is told
        // until they have come, and nobody looks again.
        for _ in 0..50 {
            rustix::fs::fadvise(&file, 0, None, Advice::DontNeed).expect("advice is harmless");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Adds an empty directory.
    #[must_use]
    pub fn directory(self, name: &str) -> Self {
        fs::create_dir_all(self.path().join(name)).expect("a directory beneath our own");
        self
    }

    /// Adds a symbolic link with the text `target`.
    #[must_use]
    pub fn link(self, name: &str, target: impl AsRef<Path>) -> Self {
        symlink(target, self.ready(name)).expect("a link beneath our own directory");
        self
    }

    /// Adds a FIFO that nobody writes to.
    #[must_use]
    pub fn fifo(self, name: &str) -> Self {
        rustix::fs::mknodat(CWD, self.ready(name), FileType::Fifo, Mode::from_raw_mode(0o644), 0)
            .expect("a FIFO beneath our own directory");
        self
    }

    /// Adds a device that swallows and gives nothing. That takes the superuser; for others nothing is added.
    pub fn null_device(&self, name: &str) {
        let device = rustix::fs::makedev(1, 3);
        let _ =
            rustix::fs::mknodat(CWD, self.ready(name), FileType::CharacterDevice, Mode::from_raw_mode(0o666), device);
    }

    /// Sets when a file was last modified.
    #[must_use]
    pub fn modified(self, name: &str, time: SystemTime) -> Self {
        let file = fs::File::options().write(true).open(self.path().join(name)).expect("our own file");
        file.set_modified(time).expect("our own file");
        self
    }

    /// Makes a file so many bytes long; what is new of it takes no room on the disk and reads as zeros.
    #[must_use]
    pub fn stretched(self, name: &str, length: u64) -> Self {
        let file = fs::File::options().write(true).open(self.path().join(name)).expect("our own file");
        file.set_len(length).expect("the file system has sparse files");
        self
    }

    /// Sets the permission bits of a file or directory.
    #[must_use]
    pub fn mode(self, name: &str, mode: u32) -> Self {
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).expect("our own file");
        self
    }

    fn ready(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        let parent = path.parent().expect("a name beneath the root has a parent");
        fs::create_dir_all(parent).expect("directories beneath our own");
        path
    }
}
