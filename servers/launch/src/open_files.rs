//! The descriptors that the process may have open (`RLIMIT_NOFILE`, getrlimit(2)), and how they are divided among
//! connections and files.

use rustix::{
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Raises the limit to what is allowed.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If this is refused, the limit stays what it was, and the bound on connections follows from that.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The limit now in force.
pub(crate) fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current;
    current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX / 2)
}

/// Descriptors that are neither connections, nor files of responses, nor those of workers: standard streams, signals,
/// listeners, the runtime of a model, what was inherited; and two for each of eight threads that look names up, which need
/// the root and the file at the same time.
const OWN: usize = 32;

/// What a model needs descriptors for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// Threads of a fixed number, if the model has any.
    pub(crate) workers: usize,
    /// Descriptors of each of them.
    pub(crate) for_each_worker: usize,
    /// How many files of responses the model can have open at all.
    pub(crate) most_files: usize,
}

/// How many connections may be open at once, and how many files of responses.
///
/// Every connection needs a descriptor for its socket, and one more while it is sent a file that is too long for the
/// cache. Of what is left behind a reserve, two thirds are for sockets and one third is for files. So clients that ask for
/// such files and do not read them hold half of the connections at most: with a file for each, they would hold all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Connections, unless the command line says otherwise.
    pub(crate) connections: usize,
    /// Files of responses.
    pub(crate) files: usize,
    /// Descriptors for both.
    both: usize,
}

impl Shares {
    /// Divides `limit` descriptors.
    pub(crate) fn new(limit: usize, needs: Needs) -> Self {
        let reserve = OWN.saturating_add(needs.workers.saturating_mul(needs.for_each_worker));
        // Of a small limit at least a half.
        let both = limit.saturating_sub(reserve).max(limit / 2).max(2);
        let files = (both / 3).clamp(1, needs.most_files.max(1));
        Self { connections: both - files, files, both }
    }

    /// The same for so many connections: what they leave is for files, and if they leave less, files keep their share.
    pub(crate) fn with_connections(self, connections: usize, needs: Needs) -> Self {
        let files = self.files.max(self.both.saturating_sub(connections)).min(needs.most_files.max(1));
        Self { connections, files, ..self }
    }

    /// Whether there are descriptors for all connections and files at the same time.
    pub(crate) fn fit(self) -> bool {
        self.connections.saturating_add(self.files) <= self.both
    }
}

/// Counts the files that are open to be sent, and bounds their number.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    open: Arc<AtomicUsize>,
    most: usize,
}

impl OpenFiles {
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// Takes over a file that is to be sent.
    ///
    /// # Errors
    /// [`site::Error::Exhausted`] if there are as many as there may be.
    pub(crate) fn add(&self, file: File) -> Result<OpenFile, site::Error> {
        let file = OpenFile { file, open: Arc::clone(&self.open) };
        // The one that is too much is counted until it is dropped, which is now.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(site::Error::Exhausted(Errno::MFILE.into()));
        }
        Ok(file)
    }
}

/// A file that is open to be sent. Only so many may be open at once, so that descriptors are left for connections and for
/// looking names up.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    open: Arc<AtomicUsize>,
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One worker or thread more needs nothing of its own; every connection may have a file open.
    const PLAIN: Needs = Needs { workers: 0, for_each_worker: 0, most_files: usize::MAX };

    fn shares(limit: usize, needs: Needs) -> (usize, usize) {
        let Shares { connections, files, .. } = Shares::new(limit, needs);
        (connections, files)
    }

    #[test]
    fn a_third_of_the_descriptors_behind_the_reserve_is_for_files() {
        assert_eq!(shares(256, PLAIN), (150, 74));
        assert_eq!(shares(1024, PLAIN), (662, 330));
        assert_eq!(shares(20_000, PLAIN), (13_312, 6656));
        let loops = Needs { workers: 4, for_each_worker: 6, ..PLAIN };
        assert_eq!(shares(256, loops), (134, 66), "4 workers with 6 descriptors each");
    }

    #[test]
    fn no_limit_overflows() {
        for limit in [usize::MAX, usize::MAX / 2] {
            let (connections, files) = shares(limit, Needs { workers: 4096, for_each_worker: 6, ..PLAIN });
            assert!(files > 0 && connections > files && connections.checked_add(files).is_some());
        }
        assert_eq!(shares(0, PLAIN), (1, 1));
        assert_eq!(shares(1, Needs { workers: usize::MAX, for_each_worker: 6, most_files: 0 }), (1, 1));
    }

    #[test]
    fn at_least_half_of_a_small_limit_is_used() {
        assert_eq!(shares(40, PLAIN), (14, 6));
        assert_eq!(shares(64, Needs { workers: 8, for_each_worker: 6, ..PLAIN }), (22, 10));
    }

    #[test]
    fn a_model_that_sends_few_files_at_once_leaves_the_rest_to_connections() {
        let pool = Needs { workers: 8, for_each_worker: 2, most_files: 8 };
        assert_eq!(shares(256, pool), (200, 8));
        assert_eq!(shares(256, Needs { workers: 64, for_each_worker: 2, most_files: 64 }), (86, 42));
    }

    #[test]
    fn sockets_files_and_the_reserve_stay_within_the_limit() {
        for limit in (100..3000).step_by(7) {
            for workers in 0..9 {
                let needs = Needs { workers, for_each_worker: 6, ..PLAIN };
                let (connections, files) = shares(limit, needs);
                assert!(connections + files + OWN + workers * 6 <= limit.max(2 * (OWN + workers * 6)));
                assert!(files * 2 <= connections, "{files} files of {connections} connections");
            }
        }
    }

    #[test]
    fn what_few_connections_leave_is_for_files() {
        let shares = Shares::new(256, PLAIN);
        let few = shares.with_connections(50, PLAIN);
        assert_eq!((few.connections, few.files, few.fit()), (50, 174, true));
        let many = shares.with_connections(1000, PLAIN);
        assert_eq!((many.connections, many.files, many.fit()), (1000, 74, false));
        assert!(
            shares.fit() && shares.with_connections(150, PLAIN).fit() && !shares.with_connections(151, PLAIN).fit()
        );
        let pool = Needs { workers: 8, for_each_worker: 2, most_files: 8 };
        assert_eq!(Shares::new(256, pool).with_connections(50, pool).files, 8);
    }

    #[test]
    fn there_are_never_more_files_than_there_may_be() {
        let files = OpenFiles::new(2);
        let open = || files.add(File::open("/dev/null").unwrap());
        let (first, second) = (open(), open());
        assert!(first.is_ok() && second.is_ok());
        for _ in 0..3 {
            assert!(matches!(open(), Err(site::Error::Exhausted(_))));
        }
        drop(first);
        let third = open();
        assert!(third.is_ok() && open().is_err());
    }
}
