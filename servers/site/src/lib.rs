//! The document root of a file server: opening beneath it, metadata, a bounded cache of hot files. No HTTP.
//!
//! A [`Site`] answers three questions about a name. [`lookup`](Site::lookup) never blocks: it knows only what the cache
//! holds and what was checked against the disk within the cache's lifetime. [`open_at_once`](Site::open_at_once) asks
//! the kernel, and gets no answer where that would have to wait for the disk. [`open`](Site::open) may wait; a
//! concurrency model decides where that happens.
//!
//! # Layers of defence, and what each costs
//!
//! 1. Names are bytes relative to the root. Hidden ones are refused by looking at them: no system call.
//! 2. The kernel resolves the name beneath the root (`openat2` with `RESOLVE_BENEATH`), so that neither `..` nor a
//!    symbolic link leads out, whatever happens to the tree meanwhile. Where the call is refused, a walk from
//!    descriptor to descriptor does the same with one call for each segment.
//! 3. A name is opened as a mere place first (`O_PATH`) and looked at: only a regular file is then opened for
//!    reading, so that no device is ever touched and no FIFO waits for a writer. Two calls more, on a cache miss only.
//! 4. Length, time and bytes of a document come from one open file, and are read again if they did not fit together.
//!
//! ```
//! use site::{Found, Options, Site};
//! use std::time::Instant;
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("hello.txt"), "Hello!\n")?;
//! # let root = folder.path();
//! let site = Site::<String>::new(root, Options::default())?;
//! assert!(site.lookup(b"hello.txt", false, Instant::now()).is_none(), "not asked for before");
//!
//! let found = site.open(b"hello.txt", false, Instant::now(), |file| format!("{} bytes", file.length))?;
//! let Found::Hot(entry) = found else { panic!("a small file is kept in memory") };
//! assert_eq!((&*entry.content, entry.rendered.as_str()), (&b"Hello!\n"[..], "7 bytes"));
//!
//! assert!(site.lookup(b"hello.txt", false, Instant::now()).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod beneath;
mod cache;
mod disk;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod site;
mod stamp;

pub use cache::Entry;
pub use disk::{cannot_tell, is_without_disk};
pub use error::Error;
pub use site::{Found, Metadata, Options, Site};
