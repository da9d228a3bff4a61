//! The servers that may take part, ours and anybody's, from a file such as `bench/servers.toml`.

use std::env;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reports::words::there_are;
use serde::Deserialize;
use toml::Spanned;

use crate::command::{Command, REPOSITORY};
use crate::duration::Span;
use crate::running::Address;
use crate::toml_file::{TomlFile, TomlFileError};

/// The name of a server that runs already.
pub const RUNNING: &str = "running";

/// A server that may take part.
#[derive(Clone, Debug)]
pub struct Server {
    /// The name by which suites and `--only` choose it.
    pub name: String,
    /// Its way to share CPUs among connections, in words; its command where the file has none.
    pub model: String,
    /// The folder in which its commands are run, where `{repo}` and relative paths begin. A comparison takes the checkout of
    /// a commit instead.
    pub folder: PathBuf,
    /// The cargo package of that folder that it is built from; a server with one is ours.
    pub package: Option<String>,
    /// The command that builds it, for one that is not ours.
    pub build: Option<Command>,
    /// Programs of which one must be there, the first that is: without any, the server is passed over.
    pub requires: Vec<String>,
    /// Whether it is somebody else's, or no true server: ours are seen beside it.
    pub is_reference: bool,
    /// How it is started.
    pub command: Command,
    /// The text of a configuration file with placeholders; filled in, it lies at `{config}`.
    pub template: Option<String>,
    /// What `{log}` stands for when an access log is wanted.
    pub logged: Option<Command>,
    /// What `{log}` stands for when none is wanted.
    pub quiet: Option<Command>,
    /// Whether it writes an access log when it has no `{log}` to choose by.
    pub always_logs: bool,
    /// Whether it reads its files once and does not look at them again.
    pub preloads: bool,
    /// Whether it has a number of workers to choose.
    pub has_workers: bool,
    /// How long it may take until it accepts.
    pub start_limit: Duration,
    /// Where it runs already; one that does is neither started nor stopped.
    pub running: Option<Address>,
    /// The path that it is asked for, where that differs from the suite's.
    pub path: Option<String>,
    /// The file whose bytes it must answer, where that is not the suite's path below the document root.
    pub expect: Option<PathBuf>,
}

/// Every server that may be named: those of a file in its order, and those of the built-in list if the file was added to it.
#[derive(Clone, Debug)]
pub struct Servers {
    /// The files.
    paths: Vec<PathBuf>,
    all: Vec<Server>,
    /// The number of servers that stand before those of the built-in list; none where nothing was added to that.
    added: usize,
    /// Names of built-in servers in whose place the file has its own.
    replaced: Vec<String>,
}

/// There is no server of this name.
#[derive(Debug, thiserror::Error)]
#[error("no server is named \"{name}\" in {files}; {}", there_are(known))]
pub struct UnknownServer {
    /// The file, or the files.
    pub files: String,
    /// What was asked for.
    pub name: String,
    /// What there is.
    pub known: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    #[serde(rename = "server")]
    servers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    model: Option<String>,
    package: Option<String>,
    build: Option<Spanned<String>>,
    requires: Option<OneOrMore>,
    #[serde(default)]
    reference: bool,
    command: Spanned<String>,
    template: Option<Spanned<PathBuf>>,
    logged: Option<Spanned<String>>,
    quiet: Option<Spanned<String>>,
    #[serde(default)]
    always_logs: bool,
    #[serde(default)]
    preloads: bool,
    #[serde(default = "yes")]
    workers: bool,
    #[serde(default = "ten_seconds")]
    start_limit: Span,
    path: Option<Spanned<String>>,
    expect: Option<PathBuf>,
}

/// A word, or several in their order.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

fn yes() -> bool {
    true
}

fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

impl Servers {
    /// Reads a file of servers whose commands are run in `folder`, from which relative paths in it are taken, too.
    ///
    /// # Errors
    /// [`TomlFileError`] with the file and the line of what is wrong.
    pub fn read(path: &Path, folder: &Path) -> Result<Self, TomlFileError> {
        let file = TomlFile::read(path)?;
        let contents: Contents = file.parse()?;
        let mut all: Vec<Server> = Vec::with_capacity(contents.servers.len());
        for entry in contents.servers {
            if all.iter().any(|server| server.name == *entry.name.get_ref()) {
                return Err(
                    file.problem_with(&entry.name, format!("a second server named \"{}\"", entry.name.get_ref()))
                );
            }
            all.push(entry.check(&file, folder)?);
        }
        Ok(Self { paths: vec![path.to_path_buf()], all, added: 0, replaced: Vec::new() })
    }

    /// Adds these servers to a built-in list. One that has the name of a built-in server takes its place.
    #[must_use]
    pub fn added_to(mut self, built_in: Self) -> Self {
        self.added = self.all.len();
        for server in built_in.all {
            if self.all.iter().any(|own| own.name == server.name) {
                self.replaced.push(server.name);
            } else {
                self.all.push(server);
            }
        }
        self.paths.extend(built_in.paths);
        self
    }

    /// The servers that were added to the built-in list.
    pub fn added(&self) -> impl Iterator<Item = &Server> {
        self.all.iter().take(self.added)
    }

    /// The servers of the built-in list; all of a file that was not added to it.
    pub fn built_in(&self) -> impl Iterator<Item = &Server> {
        self.all.iter().skip(self.added)
    }

    /// A sentence for each of these names that a file's own server has taken from a built-in one.
    #[must_use]
    pub fn taken_names(&self, names: &[&str]) -> Vec<String> {
        let file = self.paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        let taken = self.replaced.iter().filter(|name| names.contains(&name.as_str()));
        taken.map(|name| format!("{name} is the server of {file} and not the built-in one of that name")).collect()
    }

    /// Adds a server that runs already, under the name [`RUNNING`].
    pub fn add_running(&mut self, address: Address) {
        let url = address.to_string();
        self.all.push(Server {
            name: RUNNING.to_owned(),
            model: format!("the server that answers at {url}"),
            folder: PathBuf::new(),
            package: None,
            build: None,
            requires: Vec::new(),
            is_reference: true,
            command: Command::literally(&[&url]),
            template: None,
            logged: None,
            quiet: None,
            always_logs: false,
            preloads: false,
            has_workers: false,
            start_limit: Duration::ZERO,
            path: Some(address.path.clone()),
            expect: None,
            running: Some(address),
        });
    }

    /// The server of this name.
    ///
    /// # Errors
    /// [`UnknownServer`], with the names that there are.
    pub fn named(&self, name: &str) -> Result<&Server, UnknownServer> {
        self.all.iter().find(|server| server.name == name).ok_or_else(|| UnknownServer {
            files: self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and "),
            name: name.to_owned(),
            known: self.all.iter().map(|server| server.name.clone()).collect(),
        })
    }

    /// Makes every server one that needs nothing that may be missing here.
    #[cfg(test)]
    pub(crate) fn pretend_installed(&mut self) {
        for server in &mut self.all {
            server.requires.clear();
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Server> {
        self.all.iter()
    }
}

impl Server {
    /// Whether it is one of this project's models.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        !self.is_reference
    }

    /// The program that it needs, if none of those that would do is here.
    #[must_use]
    pub fn is_missing(&self) -> Option<String> {
        (!self.requires.is_empty() && self.required().is_none()).then(|| self.requires.join(" or "))
    }

    /// The first of the programs it needs that is here; none if it needs none, or none is here.
    #[must_use]
    pub fn required(&self) -> Option<&str> {
        self.requires.iter().map(String::as_str).find(|program| is_there(program, &self.folder))
    }

    /// Whether it can be told to write an access log or not.
    #[must_use]
    pub fn can_choose_log(&self) -> bool {
        self.mentions("log")
    }

    /// Whether the place of the repository stands in anything that it is started with.
    #[must_use]
    pub fn mentions_repository(&self) -> bool {
        let of_log = [&self.logged, &self.quiet].into_iter().flatten();
        self.mentions(REPOSITORY) || of_log.into_iter().any(|words| words.mentions(REPOSITORY))
    }

    /// Whether the placeholder stands in its command or in its configuration file.
    #[must_use]
    pub fn mentions(&self, placeholder: &str) -> bool {
        let braced = format!("{{{placeholder}}}");
        self.command.mentions(placeholder) || self.template.as_ref().is_some_and(|text| text.contains(&braced))
    }
}

impl Entry {
    fn check(self, file: &TomlFile, folder: &Path) -> Result<Server, TomlFileError> {
        let command = |text: &Spanned<String>| {
            Command::parse(text.get_ref()).map_err(|error| file.problem_with(text, error.to_string()))
        };
        // Words that take the place of {log} may be none at all.
        let words = |text: &Option<Spanned<String>>| match text {
            Some(text) if !text.get_ref().trim().is_empty() => command(text).map(Some),
            _ => Ok(None),
        };
        let template = match &self.template {
            Some(path) => {
                let text = std::fs::read_to_string(folder.join(path.get_ref())).map_err(|error| {
                    file.problem_with(path, format!("cannot read the template {}: {error}", path.get_ref().display()))
                })?;
                Some(text)
            }
            None => None,
        };
        if let Some(path) = &self.path
            && !path.get_ref().starts_with('/')
        {
            return Err(file.problem_with(path, format!("the path \"{}\" does not begin with a slash", path.get_ref())));
        }
        let server = Server {
            command: command(&self.command)?,
            build: words(&self.build)?,
            logged: words(&self.logged)?,
            quiet: words(&self.quiet)?,
            name: self.name.get_ref().clone(),
            // What is not described is shown as it is started.
            model: self.model.unwrap_or_else(|| self.command.get_ref().clone()),
            requires: match self.requires {
                None => Vec::new(),
                Some(OneOrMore::One(program)) => vec![program],
                Some(OneOrMore::More(programs)) => programs,
            },
            is_reference: self.reference || self.package.is_none(),
            folder: folder.to_path_buf(),
            package: self.package,
            template,
            always_logs: self.always_logs,
            preloads: self.preloads,
            has_workers: self.workers,
            start_limit: self.start_limit.0,
            running: None,
            path: self.path.map(Spanned::into_inner),
            expect: self.expect.map(|path| folder.join(path)),
        };
        let name = &server.name;
        if let (Some(text), Some(other)) =
            (&self.build, server.build.as_ref().and_then(|build| build.other_than(REPOSITORY)))
        {
            let problem = format!("{{{other}}} is not known when \"{name}\" is built; only {{{REPOSITORY}}} is");
            return Err(file.problem_with(text, problem));
        }
        if !server.mentions("port") {
            let problem = format!("the command of \"{name}\" has no {{port}}, so it cannot be told where to listen");
            return Err(file.problem_with(&self.command, problem));
        }
        if server.has_workers && !server.mentions("workers") {
            let problem =
                format!("the command of \"{name}\" has no {{workers}}; add it, or say workers = false if it has none");
            return Err(file.problem_with(&self.command, problem));
        }
        if server.package.is_none() && server.mentions("program") {
            let problem = format!("{{program}} is the program of a package, and \"{name}\" has no package");
            return Err(file.problem_with(&self.command, problem));
        }
        Ok(server)
    }
}

/// Whether a command that is run in this folder would find the program.
fn is_there(program: &str, folder: &Path) -> bool {
    let executable =
        |path: PathBuf| path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        return executable(folder.join(program));
    }
    env::split_paths(&env::var_os("PATH").unwrap_or_default()).any(|folder| executable(folder.join(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Servers, TomlFileError> {
        let folder = env::temp_dir().join(format!(
            "otus-bench-servers-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("servers.toml"), text).unwrap();
        std::fs::write(folder.join("a.conf"), "listen {port}; log {log}; workers {workers};").unwrap();
        let servers = Servers::read(&folder.join("servers.toml"), &folder);
        std::fs::remove_dir_all(&folder).unwrap();
        servers
    }

    fn problem(text: &str) -> String {
        let error = read(text).unwrap_err().to_string();
        error.split_once("servers.toml, ").unwrap_or_else(|| panic!("no file in {error:?}")).1.to_owned()
    }

    #[test]
    fn reads_any_command() {
        let servers = read(
            "[[server]]\nname = \"a\"\nmodel = \"m\"\ncommand = \"a -w {workers} {log} {port}\"\nquiet = \"-q\"\n\
             [[server]]\nname = \"b\"\ncommand = \"b {port}\"\nworkers = false\nalways_logs = true\n\
             [[server]]\nname = \"c\"\nmodel = \"m\"\ncommand = \"c -c {config}\"\ntemplate = \"a.conf\"\nrequires = \"no-such-program\"\n",
        )
        .unwrap();
        let a = servers.named("a").unwrap();
        assert!(a.can_choose_log() && a.has_workers && !a.is_ours() && a.logged.is_none() && a.is_missing().is_none());
        let b = servers.named("b").unwrap();
        assert!(!b.can_choose_log() && !b.has_workers && b.always_logs);
        assert_eq!((a.model.as_str(), b.model.as_str()), ("m", "b {port}"));
        let c = servers.named("c").unwrap();
        assert!(c.can_choose_log() && c.is_missing().as_deref() == Some("no-such-program"));
        let error = servers.named("d").unwrap_err().to_string();
        assert!(error.contains("\"d\"") && error.contains("a, b and c"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let entry = "[[server]]\nname = \"a\"\nmodel = \"m\"\n";
        for (rest, line, word) in [
            ("command = \"a {workers}\"\n", "line 4", "{port}"),
            ("command = \"a {port}\"\n", "line 4", "workers = false"),
            ("command = \"a {prot}\"\n", "line 4", "{prot}"),
            ("command = \"{program} {workers} {port}\"\n", "line 4", "package"),
            ("command = \"a {workers} {port}\"\nbuild = \"make {workers}\"\n", "line 5", "{repo}"),
            ("command = \"a {workers} {port}\"\npath = \"x\"\n", "line 5", "slash"),
            ("command = \"a {workers} {port}\"\ntemplate = \"absent.conf\"\n", "line 5", "absent.conf"),
            ("comand = \"a {port}\"\n", "line 4", "unknown field `comand`, expected one of"),
            ("command = 7\n", "line 4", "string"),
            ("command = \"a\n", "line 4", ""),
            (
                "command = \"a {workers} {port}\"\n\n[[server]]\nname = \"a\"\nmodel = \"\"\ncommand = \"\"\n",
                "line 7",
                "second",
            ),
        ] {
            let problem = problem(&format!("{entry}{rest}"));
            assert!(
                problem.starts_with(line) && problem.contains(word) && !problem.contains('\n'),
                "{rest:?}: {problem}"
            );
        }
    }

    #[test]
    fn servers_of_a_file_come_before_built_in_ones_and_keep_their_names() {
        let entry =
            |name: &str| format!("[[server]]\nname = \"{name}\"\nworkers = false\ncommand = \"{name} {{port}}\"\n");
        let (own, built_in) = ([entry("mine"), entry("both")].concat(), [entry("theirs"), entry("both")].concat());
        let servers = read(&own).unwrap().added_to(read(&built_in.replace("both {port}", "wrong {port}")).unwrap());
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        assert_eq!(names, ["mine", "both", "theirs"]);
        assert_eq!(servers.named("both").unwrap().command, Command::parse("both {port}").unwrap());
        assert_eq!(servers.added().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["mine", "both"]);
        let said = servers.taken_names(&["mine", "both", "theirs"]);
        assert!(said.len() == 1 && said[0].starts_with("both is the server of "), "{said:?}");
        assert!(servers.taken_names(&["mine"]).is_empty());
    }

    #[test]
    fn program_that_is_required_by_a_path_lies_in_the_folder() {
        let servers = read(
            "[[server]]\nname = \"a\"\ncommand = \"{requires} {port}\"\nworkers = false\nrequires = \"./a.conf\"\n\
             [[server]]\nname = \"b\"\ncommand = \"{requires} {port}\"\nworkers = false\nrequires = \"/bin/sh\"\n",
        )
        .unwrap();
        // A file that cannot be executed is none; an absolute path is that from any folder.
        assert!(servers.named("a").unwrap().is_missing().is_some());
        assert_eq!(servers.named("b").unwrap().required(), Some("/bin/sh"));
    }

    #[test]
    fn the_servers_that_ship_are_understood() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let servers = Servers::read(&project.join("bench/servers.toml"), project).unwrap();
        let ours: Vec<&str> =
            servers.iter().filter(|server| server.is_ours()).map(|server| server.name.as_str()).collect();
        assert_eq!(ours, ["thread-per-connection", "thread-pool", "epoll", "async"]);
    }
}
