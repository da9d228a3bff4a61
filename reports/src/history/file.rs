//! The file of a history: read whole, and appended to a line at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use loadgen::stored_numbers::{self, ImpossibleNumber};
use serde::Deserialize;

use super::line::{FORMAT, Line};

/// The runs of a history in the order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// A line for each run.
    pub lines: Vec<Line>,
}

/// Why a history could not be read or added to. Lines are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The system refused an operation on the file.
    #[error("cannot {action} {}: {source}; look at its permissions and at the space left", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such file.
    #[error("there is no history at {}: begin one with --add RUN", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A line is none of a history.
    #[error("line {line} of {} is not a run ({source}): remove the line or restore the file", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Where and why it broke.
        source: serde_json::Error,
    },
    /// A number is none that a run leads to.
    #[error("line {line} of {} is not a run: {source}; remove the line or restore the file", path.display())]
    Number {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Which number.
        source: ImpossibleNumber,
    },
    /// The last line ends in its middle.
    #[error(
        "line {line} of {}, the last one, was not written to its end: remove the line, then add its run again",
        path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A line is of a form that this library does not know.
    #[error(
        "line {line} of {} has the format {found}, and this version reads format {FORMAT}: use the version that wrote it",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The version that it claims.
        found: u64,
    },
    /// A run is there twice.
    #[error("the run {id} is in line {first} of {} and again in line {line}: remove one of them", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// The run.
        id: String,
        /// Its first line.
        first: usize,
        /// Its second line.
        line: usize,
    },
    /// A run is to be added that is there.
    #[error("the run {id} is in line {line} of {} already: add another one, or none", path.display())]
    Known {
        /// The file.
        path: PathBuf,
        /// The run.
        id: String,
        /// Its line.
        line: usize,
    },
}

/// The only part of a line that every version has.
#[derive(Deserialize)]
struct Versioned {
    format: u64,
}

impl History {
    /// Reads a history.
    ///
    /// # Errors
    /// [`HistoryError`]: a line that cannot be read is told and never passed over.
    pub fn read(path: &Path) -> Result<Self, HistoryError> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::in_order(parse(path, &bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(HistoryError::Missing { path: path.to_path_buf() })
            }
            Err(source) => Err(failed("read", path, source)),
        }
    }

    /// Appends a run to a history, which is made if it is not there, and gives it back with the run. The line is
    /// written at once and under a lock, so that two who append at the same time do not get in each other's way, and is
    /// taken back if it does not fit on the disk.
    ///
    /// # Errors
    /// [`HistoryError::Known`] if the run is there; otherwise as for [`read`](Self::read), and if it cannot be written.
    pub fn append(path: &Path, line: Line) -> Result<Self, HistoryError> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(|source| failed("open", path, source))?;
        file.lock().map_err(|source| failed("lock", path, source))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| failed("read", path, source))?;
        let mut lines = parse(path, &bytes)?;
        if let Some((number, known)) = lines.iter().find(|(_, known)| known.id == line.id) {
            return Err(HistoryError::Known { path: path.to_path_buf(), id: known.id.clone(), line: *number });
        }
        // The last line may be whole and only lack its end, as an editor leaves it.
        let mut text = if bytes.is_empty() || bytes.ends_with(b"\n") { Vec::new() } else { vec![b'\n'] };
        serde_json::to_writer(&mut text, &line).map_err(|error| failed("write", path, error.into()))?;
        text.push(b'\n');
        write_at_once(&mut file, &text, bytes.len() as u64).map_err(|source| failed("write", path, source))?;
        lines.push((lines.len() + 1, line));
        Ok(Self::in_order(lines))
    }

    /// The newest run.
    #[must_use]
    pub fn newest(&self) -> Option<&Line> {
        self.lines.last()
    }

    fn in_order(lines: Vec<(usize, Line)>) -> Self {
        let mut lines: Vec<Line> = lines.into_iter().map(|(_, line)| line).collect();
        lines.sort_by_key(|line| line.started_at);
        Self { lines }
    }
}

/// The lines of a file with their numbers. Empty lines are nothing.
fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<(usize, Line)>, HistoryError> {
    let mut lines: Vec<(usize, Line)> = Vec::new();
    let texts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for (number, text) in (1..).zip(&texts).filter(|(_, text)| !text.trim_ascii().is_empty()) {
        // Behind the last line feed there is nothing, or a line without its end.
        let is_last = number == texts.len();
        let line = read_line(path, number, text, is_last)?;
        if let Some((first, known)) = lines.iter().find(|(_, known)| known.id == line.id) {
            let (path, id) = (path.to_path_buf(), known.id.clone());
            return Err(HistoryError::Twice { path, id, first: *first, line: number });
        }
        lines.push((number, line));
    }
    Ok(lines)
}

fn read_line(path: &Path, line: usize, text: &[u8], is_last: bool) -> Result<Line, HistoryError> {
    let path = path.to_path_buf();
    // The version comes first: a newer line may well not parse, and then its version is the better answer.
    match serde_json::from_slice::<Versioned>(text) {
        Ok(Versioned { format }) if format != u64::from(FORMAT) => {
            Err(HistoryError::Format { path, line, found: format })
        }
        Ok(_) => {
            let broken = |source| HistoryError::Broken { path: path.clone(), line, source };
            let record = serde_json::from_slice(text).map_err(broken)?;
            stored_numbers::check(&record).map_err(|source| HistoryError::Number {
                path: path.clone(),
                line,
                source,
            })?;
            serde_json::from_slice(text).map_err(broken)
        }
        Err(_) if is_last => Err(HistoryError::Torn { path, line }),
        Err(source) => Err(HistoryError::Broken { path, line, source }),
    }
}

/// One write; where the system takes only a part of it, the file gets its former length again.
fn write_at_once(file: &mut File, text: &[u8], length: u64) -> io::Result<()> {
    let written = loop {
        match file.write(text) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if written < text.len() {
        file.set_len(length)?;
        return Err(io::Error::from(io::ErrorKind::StorageFull));
    }
    file.flush()
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> HistoryError {
    HistoryError::File { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::line;
    use super::*;

    use std::fs;

    fn error(path: &Path, text: &[u8]) -> String {
        fs::write(path, text).unwrap();
        History::read(path).unwrap_err().to_string()
    }

    #[test]
    fn what_is_appended_is_read_back_in_the_order_of_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        assert!(History::read(&path).unwrap_err().to_string().starts_with("there is no history at "));
        for run in [3, 1, 2] {
            History::append(&path, line(run, 0.1 + f64::from(run))).unwrap();
        }
        let history = History::read(&path).unwrap();
        assert_eq!(history.lines, [1, 2, 3].map(|run| line(run, 0.1 + f64::from(run))));
        assert_eq!(history.newest(), history.lines.last());
        let known = History::append(&path, line(1, 7.0)).unwrap_err().to_string();
        assert!(known.starts_with("the run run-1 is in line 2 of ") && known.contains(" already"), "{known}");
        assert_eq!(History::read(&path).unwrap(), history);
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let one = serde_json::to_string(&line(1, 1.0)).unwrap();
        let torn = error(&path, format!("{one}\n\n{}", &one[..300]).as_bytes());
        assert!(torn.starts_with("line 3 of ") && torn.contains("was not written to its end"), "{torn}");
        // Nothing is glued to it.
        assert_eq!(History::append(&path, line(2, 1.0)).unwrap_err().to_string(), torn);
        let broken = error(&path, format!("{}\n{one}\n", &one[..300]).as_bytes());
        assert!(broken.starts_with("line 1 of ") && broken.contains("is not a run"), "{broken}");
        let strange = error(&path, b"{\"format\":1}\n");
        assert!(strange.starts_with("line 1 of ") && strange.contains("missing field"), "{strange}");
        let newer = error(&path, format!("{one}\n{{\"format\":2}}\n").as_bytes());
        assert!(newer.starts_with("line 2 of ") && newer.contains("has the format 2"), "{newer}");
        let twice = error(&path, format!("{one}\n{one}\n").as_bytes());
        assert!(twice.contains("run-1 is in line 1 of") && twice.contains("again in line 2"), "{twice}");
        error(&path, b"\xff\xfe\n");
    }

    #[test]
    fn a_whole_last_line_without_its_end_gets_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        fs::write(&path, serde_json::to_string(&line(1, 1.0)).unwrap()).unwrap();
        assert_eq!(History::append(&path, line(2, 1.0)).unwrap().lines.len(), 2);
        assert_eq!(History::read(&path).unwrap().lines.len(), 2);
    }

    #[test]
    fn many_who_append_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || (0..10).for_each(|run| _ = History::append(path, line(10 * writer + run, 1.0))));
            }
        });
        assert_eq!(History::read(&path).unwrap().lines.len(), 40);
    }
}
