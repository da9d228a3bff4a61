//! A suite: a question, the workload that asks it, and the configurations that answer it.

mod schedule;
mod workload;

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use reports::record::Varies;
use reports::words::there_are;
use serde::Deserialize;
use toml::Spanned;

pub use schedule::{Form, Schedule};
pub use workload::{Load, MADE, MixOfFiles, Offer, OfferError, Root, ServerCpus, Workload};

use crate::toml_file::{TomlFile, TomlFileError};

/// A suite, as its file says it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What the suite wants to know, in one sentence.
    pub question: String,
    /// What changes from measurement to measurement beside the server.
    #[serde(default = "workers")]
    pub varies: Varies,
    /// The names of the servers that take part unless others are asked for.
    pub servers: Vec<String>,
    /// The server of the A/A control, which is measured twice in its first configuration.
    pub twin: Option<String>,
    /// What the client does.
    pub workload: Workload,
    /// What it does otherwise, load by load; the workload alone if there are none.
    #[serde(default)]
    pub loads: Vec<Load>,
    /// How often and how long.
    pub schedule: Schedule,
    /// How often and how long as a part of a larger experiment; as the schedule says without it.
    pub short: Option<Schedule>,
    /// How often and how long in miniature.
    #[serde(default = "Schedule::miniature")]
    pub quick: Schedule,
    /// How the servers are started.
    pub configurations: Vec<Configuration>,
}

/// A way to start servers; each number of workers is a configuration of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Numbers of workers, for servers that have a number to choose.
    pub workers: Vec<NonZeroU32>,
    /// Whether an access log is written.
    pub access_log: bool,
    /// What takes the place of `{flags}` in a server's command.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The servers that are started so, where not all of the suite's are.
    pub only: Option<Vec<String>>,
    /// The servers that are not, where most are.
    #[serde(default)]
    pub except: Vec<String>,
}

/// There is no such suite.
#[derive(Debug, thiserror::Error)]
#[error("there is no suite \"{name}\" in {}; {}; --suite FILE takes any other", folder.display(), there_are(known))]
pub struct UnknownSuite {
    /// What was asked for.
    pub name: String,
    /// Where it was looked for.
    pub folder: PathBuf,
    /// What there is.
    pub known: Vec<String>,
}

impl Suite {
    /// Reads a suite.
    ///
    /// # Errors
    /// [`TomlFileError`] with the file and the line of what is wrong.
    pub fn read(path: &Path) -> Result<Self, TomlFileError> {
        let file = TomlFile::read(path)?;
        let lists: Lists = file.parse()?;
        for (list, name) in [(&lists.servers, "servers"), (&lists.configurations, "configurations")] {
            if let Some(list) =
                list.as_ref().filter(|list| matches!(list.get_ref(), toml::Value::Array(items) if items.is_empty()))
            {
                return Err(
                    file.problem_with(list, format!("the list of {name} is empty, so there is nothing to measure"))
                );
            }
        }
        let mut suite: Self = file.parse()?;
        suite.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(suite)
    }
}

/// The parts of a suite whose emptiness is told with its line.
#[derive(Deserialize)]
struct Lists {
    servers: Option<Spanned<toml::Value>>,
    configurations: Option<Spanned<toml::Value>>,
}

/// The file of the suite of this name in a folder of suites.
///
/// # Errors
/// [`UnknownSuite`], with the names that there are.
pub fn find(name: &str, folder: &Path) -> Result<PathBuf, UnknownSuite> {
    let path = folder.join(format!("{name}.toml"));
    if !name.contains('/') && path.is_file() {
        return Ok(path);
    }
    let known = all(folder).iter().filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect();
    Err(UnknownSuite { name: name.to_owned(), folder: folder.to_path_buf(), known })
}

/// The files of all suites in a folder, in alphabetical order.
#[must_use]
pub fn all(folder: &Path) -> Vec<PathBuf> {
    let mut suites: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    suites.sort();
    suites
}

impl Configuration {
    /// Whether a server of this name is started so.
    #[must_use]
    pub fn is_for(&self, server: &str) -> bool {
        let is = |name: &String| name == server;
        self.only.as_ref().is_none_or(|only| only.iter().any(is)) && !self.except.iter().any(is)
    }
}

impl Suite {
    /// How often and how long, in this form.
    #[must_use]
    pub fn schedule(&self, form: Form) -> &Schedule {
        match form {
            Form::Whole => &self.schedule,
            Form::Short => self.short.as_ref().unwrap_or(&self.schedule),
            Form::Quick => &self.quick,
        }
    }
}

fn workers() -> Varies {
    Varies::Workers
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: &str = "question = \"Which?\"\nservers = [\"a\", \"b\"]\n\n\
        [workload]\nroot = \"www\"\npath = \"/\"\nconnections = 100\n\n\
        [schedule]\nrounds = 3\nduration = \"10s\"\nwarm_up = \"1s\"\n\n\
        [[configurations]]\nworkers = [1, 4]\naccess_log = false\n";

    fn read(text: &str) -> Result<Suite, TomlFileError> {
        let path = std::env::temp_dir().join(format!(
            "otus-bench-suite-{}-{:?}.toml",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::write(&path, text).unwrap();
        let suite = Suite::read(&path);
        fs::remove_file(&path).unwrap();
        suite
    }

    #[test]
    fn what_is_not_said_is_as_people_expect() {
        let suite = read(SUITE).unwrap();
        assert!(suite.name.starts_with("otus-bench-suite-"));
        assert!(suite.workload.keep_alive);
        assert_eq!((suite.workload.threads.get(), suite.workload.timeout.0.as_secs()), (1, 2));
        assert_eq!((suite.varies, suite.loads.len()), (Varies::Workers, 0));
        assert_eq!(suite.schedule(Form::Short), suite.schedule(Form::Whole));
        assert_eq!(suite.quick, Schedule::miniature());
        assert_eq!(suite.configurations[0].workers.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (right, wrong, line, word) in [
            ("connections = 100", "conections = 100", "line 7", "unknown field `conections`, expected one of"),
            ("connections = 100", "connections = 0", "line 7", "nonzero"),
            ("path = \"/\"", "path = \"index.html\"", "line 6", "slash"),
            ("path = \"/\"", "path = \"/a b\"", "line 6", "%20"),
            ("path = \"/\"", "path = \"/\"\nheaders = [\"cookie\"]", "line 7", "Name: value"),
            ("path = \"/\"", "path = \"/\"\nheaders = [\"Connection: close\"]", "line 7", "keep_alive"),
            ("path = \"/\"", "path = \"/\"\nheaders = [\"Expect: 100-continue\"]", "line 7", "Expect"),
            ("\"10s\"", "\"10\"", "line 11", "10s for seconds"),
            ("\"10s\"", "\"0s\"", "line 11", "nothing"),
            ("servers = [\"a\", \"b\"]", "servers = []", "line 2", "empty"),
            ("workers = [1, 4]", "workers = [1, 0]", "line 15", "nonzero"),
            ("access_log = false", "", "line 14", "access_log"),
        ] {
            assert!(SUITE.contains(right), "{right}");
            let error = read(&SUITE.replacen(right, wrong, 1)).unwrap_err().to_string();
            assert!(error.contains(&format!(".toml, {line}: ")) && error.contains(word), "{wrong}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn the_suites_that_ship_are_understood() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
        let suites = all(&folder);
        assert!(suites.iter().any(|path| path.ends_with("wrk.toml")));
        for path in suites {
            let suite = Suite::read(&path).unwrap();
            assert!(suite.question.ends_with('?'), "{}: {}", path.display(), suite.question);
        }
    }

    #[test]
    fn an_unknown_suite_is_named_with_those_there_are() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("suites");
        assert_eq!(find("wrk", &folder).unwrap(), folder.join("wrk.toml"));
        let error = find("work", &folder).unwrap_err().to_string();
        assert!(error.contains("\"work\"") && error.contains("wrk"), "{error}");
        assert!(find("../suites/wrk", &folder).is_err());
    }
}
