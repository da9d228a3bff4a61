//! Does a server notice that a document has changed which it has served under load?
//!
//! A run that is to show this has a copy of the document root in its own folder, so that no file of anybody else's is ever
//! written. After the load, the document that was asked for is replaced (a rename, as editors and deployments do it) with other
//! bytes of the same length, and the same process is asked for it on new connections, until it answers with the new bytes for
//! good, or with the old ones after the limit.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use reports::freshness::{Freshness, STALE_LIMIT, STALE_TOLERANCE};

use crate::check::{self, Request};

/// How long it takes with a server that looks at its files once a second.
pub const USUAL_TIME: Duration = Duration::from_millis(1200);
/// A longer document is not asked for again and again, in bytes.
pub const LONGEST: u64 = 64 * 1024;
/// A larger root, in bytes, or one with more files and folders is not copied.
const LARGEST_COPY: u64 = 16 << 20;
const MOST_ENTRIES: usize = 2000;
/// Time between two requests.
const BETWEEN: Duration = Duration::from_millis(10);
/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// When a server is given up that does not answer.
const GIVEN_UP: f64 = 5.0;
/// So many answers in a row have to be the new document, and so many for each worker, which may have a cache of its own.
const IN_A_ROW: u32 = 16;
const PER_WORKER: u32 = 3;
/// How old the files of a copy are: a server that tells versions apart by whole seconds shall see the change.
const AGE: Duration = Duration::from_secs(3600);

/// Makes a copy of a document root at `to`. Its files are linked where they are the bench's own, else copied. `None` where the
/// root is too large, has more in it than plain files and folders, or where a server that runs as another user can read the
/// root and could not read the copy.
#[must_use]
pub fn copy(root: &Path, to: &Path, is_ours: bool) -> Option<PathBuf> {
    // From the file system's root on: a server is started in a folder of its own.
    let to = &fs::canonicalize(to.parent()?).ok()?.join(to.file_name()?);
    if is_open_to_all(root) && !is_open_to_all(to.parent()?) {
        return None;
    }
    let mut room = Room { bytes: LARGEST_COPY, entries: MOST_ENTRIES };
    if populate(root, to, is_ours, &mut room).is_err() {
        // What is left of it is removed with the run's other files.
        return None;
    }
    Some(to.to_path_buf())
}

/// Whether a document is one that can be changed to see whether that is noticed.
#[must_use]
pub fn is_suitable(document: &Path) -> bool {
    fs::symlink_metadata(document).is_ok_and(|data| data.is_file() && (1..=LONGEST).contains(&data.len()))
}

/// Changes a document, asks a server with so many workers for it, and changes it back. `None` where the server does not
/// answer with this document in the first place, or not at all.
#[must_use]
pub fn ask(document: &Path, request: Request<'_>, status: u16, workers: u32) -> Option<Freshness> {
    let answer = || check::look(request, status, ANSWER_LIMIT);
    let old = fs::read(document).ok()?;
    if answer().ok()? != old {
        return None;
    }
    let new: Vec<u8> = old.iter().map(|byte| byte ^ 1).collect();
    replace(document, &new).ok()?;
    let seen = wait_for(&new, answer, IN_A_ROW.max(workers.saturating_mul(PER_WORKER)));
    // Where that fails, the check before the next trial tells.
    let _ = replace(document, &old);
    seen
}

/// Asks until so many answers in a row are the new document, or one is still another after the limit.
fn wait_for(new: &[u8], answer: impl Fn() -> Result<Vec<u8>, String>, needed: u32) -> Option<Freshness> {
    let changed = Instant::now();
    let (mut in_a_row, mut fresh_from) = (0, 0.0);
    loop {
        // The clock is read before the request is sent: however late the answer comes, the server had this long.
        let asked_at = changed.elapsed().as_secs_f64();
        match answer() {
            Ok(body) if body == new => {
                if in_a_row == 0 {
                    fresh_from = asked_at;
                }
                in_a_row += 1;
                if in_a_row >= needed {
                    return Some(Freshness::Fresh { after_seconds: fresh_from });
                }
            }
            Ok(_) if asked_at > STALE_LIMIT + STALE_TOLERANCE => {
                return Some(Freshness::Stale { after_seconds: asked_at });
            }
            Ok(_) => in_a_row = 0,
            Err(_) if asked_at > GIVEN_UP => return None,
            Err(_) => {}
        }
        thread::sleep(BETWEEN);
    }
}

/// Whether any user may go through all the folders on the way to this one and into it.
fn is_open_to_all(folder: &Path) -> bool {
    folder.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0))
}

/// Puts the new bytes in the place of a file, which stays as it was for whoever has it open.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::set_permissions(&beside, fs::metadata(file)?.permissions())?;
    fs::rename(&beside, file)
}

/// How much may still be put into a root.
struct Room {
    bytes: u64,
    entries: usize,
}

fn populate(from: &Path, to: &Path, by_links: bool, room: &mut Room) -> io::Result<()> {
    let too_much = || io::Error::new(io::ErrorKind::FileTooLarge, "it is too large to be copied");
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        room.entries = room.entries.checked_sub(1).ok_or_else(too_much)?;
        if kind.is_dir() {
            populate(&entry.path(), &target, by_links, room)?;
        } else if kind.is_file() && by_links {
            fs::hard_link(entry.path(), target)?;
        } else if kind.is_file() {
            room.bytes = room.bytes.checked_sub(entry.metadata()?.len()).ok_or_else(too_much)?;
            fs::copy(entry.path(), &target)?;
            File::open(&target)?.set_modified(SystemTime::now() - AGE)?;
        } else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a folder"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    const OLD: &[u8] = b"the first document";

    /// A document root and a copy of it, the document in the copy, and the folder of both.
    fn copied() -> (PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir_all(root.join("a")).unwrap();
        fs::write(root.join("a/page.html"), OLD).unwrap();
        let copy = copy(&root, &folder.path().join("copy"), false).unwrap();
        (copy.join("a/page.html"), folder)
    }

    /// A server that answers its `number`th request with what `body` says at this moment.
    fn serve(body: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for (number, stream) in (0..).zip(listener.incoming()) {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]);
                let body = body(number);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat());
            }
        });
        port
    }

    fn seen(document: &Path, workers: u32, body: impl Fn(u32) -> Vec<u8> + Send + Sync + 'static) -> Option<Freshness> {
        let request = Request { port: serve(body), path: "/a/page.html", headers: &[], keep_alive: false };
        let seen = ask(document, request, 200, workers);
        assert_eq!(fs::read(document).unwrap(), OLD, "it is changed back");
        seen
    }

    #[test]
    fn a_server_that_reads_the_file_each_time_is_fresh() {
        let (document, folder) = copied();
        let file = document.clone();
        let seen = seen(&document, 1, move |_| fs::read(&file).unwrap());
        assert!(matches!(seen, Some(Freshness::Fresh { .. })), "{seen:?}");
        assert_eq!(fs::read(folder.path().join("www/a/page.html")).unwrap(), OLD, "the original is left alone");
    }

    #[test]
    fn a_server_that_read_the_file_once_is_stale() {
        let (document, _folder) = copied();
        let Some(Freshness::Stale { after_seconds }) = seen(&document, 1, |_| OLD.to_vec()) else {
            panic!("not stale")
        };
        assert!(after_seconds > STALE_LIMIT + STALE_TOLERANCE);
    }

    #[test]
    fn a_server_that_looks_once_in_half_a_second_is_fresh() {
        let (document, _folder) = copied();
        let file = document.clone();
        let cache = Mutex::new((Instant::now(), OLD.to_vec()));
        let seen = seen(&document, 1, move |_| {
            let mut cache = cache.lock().unwrap();
            if cache.0.elapsed() > Duration::from_millis(500) {
                *cache = (Instant::now(), fs::read(&file).unwrap());
            }
            cache.1.clone()
        });
        assert!(matches!(seen, Some(Freshness::Fresh { .. })), "{seen:?}");
    }

    #[test]
    fn one_worker_of_four_that_read_the_file_once_makes_the_server_stale() {
        let (document, _folder) = copied();
        let file = document.clone();
        let seen = seen(
            &document,
            4,
            move |number| {
                if number.is_multiple_of(4) { OLD.to_vec() } else { fs::read(&file).unwrap() }
            },
        );
        assert!(matches!(seen, Some(Freshness::Stale { .. })), "{seen:?}");
    }

    #[test]
    fn of_a_server_with_another_document_nothing_is_known() {
        let (document, _folder) = copied();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let seen = seen(&document, 1, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            b"something else".to_vec()
        });
        assert_eq!((seen, asked.load(Ordering::Relaxed)), (None, 1));
    }

    #[test]
    fn a_root_that_cannot_be_copied_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("large"), vec![0; LONGEST as usize + 1]).unwrap();
        fs::write(root.join("small"), "small").unwrap();
        assert!(is_suitable(&root.join("small")));
        assert!(!is_suitable(&root.join("large")) && !is_suitable(&root.join("absent")) && !is_suitable(&root));
        let linked = copy(&root, &folder.path().join("1"), true).unwrap();
        replace(&linked.join("small"), b"LARGE").unwrap();
        assert_eq!(fs::read(root.join("small")).unwrap(), b"small", "a link is replaced, too");
        // One that everybody may read, to where not everybody may go.
        let private = folder.path().join("private");
        fs::create_dir(&private).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(is_open_to_all(Path::new("/etc")) && !is_open_to_all(&private));
        assert!(copy(Path::new("/etc"), &private.join("2"), false).is_none() && !private.join("2").exists());
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        assert!(copy(&root, &folder.path().join("3"), false).is_none());
    }
}
