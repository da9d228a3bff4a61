//! The folder of a run: where its record lies, how it is written and how it is found again.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use loadgen::stored_numbers::{self, ImpossibleNumber};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::record::{FORMAT, Run};
use crate::timestamp::Timestamp;

/// The record's file in a run's folder.
pub const RESULTS: &str = "results.json";

/// The same file as `gzip` leaves it, which is read where there is no [`RESULTS`]: a stored run takes a tenth of the room.
pub const COMPRESSED: &str = "results.json.gz";

/// The longest record that is read, in bytes after decompression. The longest run of this project has 9 MB; a file that grows
/// beyond this is no record.
pub const LONGEST_RECORD: u64 = 1 << 30;

/// The link that points to the newest run.
pub const LATEST: &str = "latest";

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

/// Why a run's folder could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation on a file.
    #[error("cannot {action} {}: {source}; look at its permissions and at the space left", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no record at the place.
    #[error("there is no run at {}: name a folder that holds {RESULTS} or {COMPRESSED}, or run the bench first", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The record is longer than any run's.
    #[error(
        "{} is longer than {LONGEST_RECORD} bytes after decompression, so it is no record of a run: name another file",
        path.display()
    )]
    TooLong {
        /// The record's file.
        path: PathBuf,
    },
    /// The compressed record cannot be decompressed.
    #[error("{} is not a complete file of gzip ({source}): restore the file or run again", path.display())]
    NotCompressed {
        /// The record's file.
        path: PathBuf,
        /// Where and why it broke.
        source: io::Error,
    },
    /// The record is of a form that this library does not know.
    #[error(
        "{} has the format {found}, and this version reads format {FORMAT}: use the version that wrote it, or run again",
        path.display()
    )]
    Format {
        /// The record's file.
        path: PathBuf,
        /// The version that it claims.
        found: u64,
    },
    /// A number in the record is none that a run leads to.
    #[error("{} is no record of a run: {source}; restore the file or run again", path.display())]
    Number {
        /// The record's file.
        path: PathBuf,
        /// Which number.
        source: ImpossibleNumber,
    },
    /// The file is not a whole record.
    #[error("{} is not a complete record of a run ({source}): restore the file or run again", path.display())]
    Broken {
        /// The record's file.
        path: PathBuf,
        /// Where and why it broke.
        source: serde_json::Error,
    },
}

/// The only part of a record that every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u64,
}

impl Store {
    /// Makes a new folder `<parent>/<time>-<suite>` for a run that starts now, and points `<parent>/latest` to it. The
    /// folder's name is the run's `id`. A second run within the same second gets a number behind its name.
    ///
    /// # Errors
    /// [`StoreError::File`] if the folder or the link cannot be made.
    pub fn create(parent: &Path, suite: &str, started_at: Timestamp) -> Result<Self, StoreError> {
        fs::create_dir_all(parent).map_err(|source| failed("make", parent, source))?;
        let base = format!("{}-{}", started_at.for_file_name(), file_name(suite));
        let mut name = base.clone();
        let mut next = 2_u32;
        let folder = loop {
            let folder = parent.join(&name);
            match fs::create_dir(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    name = format!("{base}-{next}");
                    next += 1;
                }
                Err(error) => return Err(failed("make", &folder, error)),
            }
        };
        point_to(&parent.join(LATEST), &name)?;
        Ok(Self { folder })
    }

    /// The folder of a run that is there already, by its path or by that of its record, compressed or not.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it holds no record.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = if path.is_file() { path.parent().unwrap_or(Path::new(".")) } else { path };
        if [RESULTS, COMPRESSED].iter().any(|name| folder.join(name).is_file()) {
            Ok(Self { folder: folder.to_path_buf() })
        } else {
            Err(StoreError::Missing { path: path.to_path_buf() })
        }
    }

    /// Where the run lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder's name, which is the run's `id`.
    #[must_use]
    pub fn id(&self) -> String {
        let whole = fs::canonicalize(&self.folder).unwrap_or_else(|_| self.folder.clone());
        whole.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Writes the record, whole or not at all: whoever reads meanwhile sees the former one. Returns its path.
    ///
    /// # Errors
    /// [`StoreError::File`] if it cannot be written.
    pub fn save(&self, run: &Run) -> Result<PathBuf, StoreError> {
        let path = self.folder.join(RESULTS);
        let mut text = serde_json::to_vec(run)
            .map_err(|error| failed("write", &path, io::Error::new(io::ErrorKind::InvalidData, error)))?;
        text.push(b'\n');
        write_whole(&path, &text)?;
        Ok(path)
    }

    /// Reads the record back, from [`RESULTS`], or from [`COMPRESSED`] where that is missing.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Format`], [`StoreError::Broken`] or one of the others, each saying what to do.
    pub fn load(&self) -> Result<Run, StoreError> {
        let (path, text) = self.text()?;
        // The version comes first: a newer record may well not parse, and then its version is the better answer.
        match serde_json::from_slice::<Versioned>(&text) {
            Ok(Versioned { format }) if format == u64::from(FORMAT) => {}
            Ok(Versioned { format }) => {
                return Err(StoreError::Format { path, found: format });
            }
            Err(source) => return Err(StoreError::Broken { path, source }),
        }
        parse(&path, &text)
    }

    /// The record's file and its text.
    fn text(&self) -> Result<(PathBuf, Vec<u8>), StoreError> {
        let path = self.folder.join(RESULTS);
        match fs::read(&path) {
            Ok(text) => return Ok((path, text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path, error)),
        }
        let compressed = self.folder.join(COMPRESSED);
        match fs::read(&compressed) {
            Ok(bytes) => Ok((compressed.clone(), decompressed(&compressed, &bytes, LONGEST_RECORD)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing { path }),
            Err(error) => Err(failed("read", &compressed, error)),
        }
    }
}

/// Reads a record whose version is known, and whose numbers have to be such that a run can lead to them.
///
/// # Errors
/// [`StoreError::Broken`] or [`StoreError::Number`].
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &[u8]) -> Result<T, StoreError> {
    let broken = |source| StoreError::Broken { path: path.to_path_buf(), source };
    let record = serde_json::from_slice(text).map_err(broken)?;
    stored_numbers::check(&record).map_err(|source| StoreError::Number { path: path.to_path_buf(), source })?;
    drop(record);
    serde_json::from_slice(text).map_err(broken)
}

/// What `gzip` made these bytes of, if it is at most so long.
fn decompressed(path: &Path, bytes: &[u8], longest: u64) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(longest + 1).read_to_end(&mut text);
    match read {
        Ok(_) if text.len() as u64 > longest => Err(StoreError::TooLong { path: path.to_path_buf() }),
        Ok(_) => Ok(text),
        Err(source) => Err(StoreError::NotCompressed { path: path.to_path_buf(), source }),
    }
}

/// Writes a file in whole: beside its place first, then renamed into it.
///
/// # Errors
/// [`StoreError::File`] if a step is refused.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(name);
    let written = fs::File::create(&beside).and_then(|mut file| file.write_all(bytes));
    let moved = written.and_then(|()| fs::rename(&beside, path));
    moved.map_err(|source| {
        // The half-written file is of no use; the failure to be told is the first one.
        let _ = fs::remove_file(&beside);
        failed("write", path, source)
    })
}

/// Makes or replaces a link to a neighbour of the same folder.
fn point_to(link: &Path, name: &str) -> Result<(), StoreError> {
    let beside = link.with_file_name(format!("{LATEST}.{}.part", std::process::id()));
    let _ = fs::remove_file(&beside);
    symlink(name, &beside)
        .and_then(|()| fs::rename(&beside, link))
        .map_err(|source| failed("point to the newest run from", link, source))
}

/// A suite's name as part of a file name: letters, digits, dots and hyphens; everything else becomes a hyphen.
fn file_name(suite: &str) -> String {
    let kept = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' }
    };
    suite.chars().map(kept).collect()
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::File { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn what_is_decompressed_has_a_bound() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&[b' '; 10_000]).unwrap();
        let bytes = encoder.finish().unwrap();
        assert!(bytes.len() < 100);
        let read = |longest| decompressed(Path::new(COMPRESSED), &bytes, longest);
        assert_eq!(read(10_000).unwrap().len(), 10_000);
        assert!(matches!(read(9_999).unwrap_err(), StoreError::TooLong { .. }));
    }
}
