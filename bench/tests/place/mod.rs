//! What the tests share that let the whole bench run: a place for it, and what it left there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use reports::Store;
use reports::record::{Measurement, Run};

/// A folder with a document root, a suite and servers, and runs in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With these servers, each a name and the fault that it is started with.
    pub(crate) fn new(servers: &[(&str, &str)], rounds: u32, duration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("index.html"), "<!doctype html><title>Here</title><p>This is what is served.").unwrap();
        let names: Vec<String> = servers.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let suite = format!(
            "question = \"Who fails, and how?\"\nservers = [{}]\n\
             [workload]\nroot = {root:?}\npath = \"/\"\ncontent_type = \"text/html\"\nconnections = 4\n\
             [schedule]\nrounds = {rounds}\nduration = \"{duration}\"\nwarm_up = \"100ms\"\n\
             [[configurations]]\nworkers = [1]\naccess_log = false\n",
            names.join(", "),
        );
        let entry = |(name, fault): &(&str, &str)| {
            format!(
                "[[server]]\nname = \"{name}\"\nmodel = \"a thread for each connection\"\nworkers = false\n\
                 start_limit = \"2s\"\ncommand = \"'{}' {fault} {{root}}/index.html {{port}}\"\n\n",
                env!("CARGO_BIN_EXE_faulty-server"),
            )
        };
        fs::write(folder.path().join("suite.toml"), suite).unwrap();
        fs::write(folder.path().join("servers.toml"), servers.iter().map(entry).collect::<String>()).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = bench();
        command
            .args(["--suite", "suite.toml", "--servers", "servers.toml", "--out", "runs"])
            .args(more)
            .current_dir(self.path());
        command
    }

    pub(crate) fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    pub(crate) fn latest(&self) -> PathBuf {
        self.path().join("runs/latest")
    }

    /// Writes `new` where a file of the place says `old`.
    pub(crate) fn replace(&self, file: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.path().join(file)).unwrap();
        assert!(text.contains(old), "{old:?} is not in {text}");
        fs::write(self.path().join(file), text.replace(old, new)).unwrap();
    }

    pub(crate) fn stored(&self) -> Run {
        Store::open(&self.latest()).unwrap().load().unwrap()
    }
}

pub(crate) fn bench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.stdin(Stdio::null());
    command
}

pub(crate) fn output_of(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn measurement<'a>(run: &'a Run, name: &str) -> &'a Measurement {
    run.measurements.iter().find(|one| one.server.name == name).unwrap_or_else(|| panic!("no row for {name}"))
}

/// A process that ends with its test.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
