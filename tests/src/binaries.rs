//! The programs under test, built once per test run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use escargot::CargoBuild;
use escargot::format::Message;

type Built = LazyLock<BTreeMap<String, PathBuf>>;

/// `cargo test` builds no binaries of other packages, and what lies in `target/` may be of yesterday: so each test program asks
/// cargo, once. When nothing changed, that costs a fraction of a second. In groups, because one cargo call for four
/// servers is faster than four, and a broken bench should not keep the servers from being tested.
static SERVERS: Built =
    LazyLock::new(|| build(&["otus-thread-per-connection", "otus-thread-pool", "otus-epoll", "otus-async"]));
static LOADGEN: Built = LazyLock::new(|| build(&["otus-loadgen"]));
static BENCH: Built = LazyLock::new(|| build(&["otus-bench"]));

/// The path of the freshly built program called `name`: a server by its model's name, `loadgen` or `bench`.
pub fn binary(name: &str) -> &'static Path {
    let group = match name {
        "loadgen" => &LOADGEN,
        "bench" => &BENCH,
        _ => &SERVERS,
    };
    group.get(name).unwrap_or_else(|| panic!("the workspace builds no program called {name}"))
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The document root that ships.
pub fn www() -> PathBuf {
    workspace().join("www")
}

fn build(packages: &[&str]) -> BTreeMap<String, PathBuf> {
    let mut cargo = CargoBuild::new().manifest_path(workspace().join("Cargo.toml")).bins();
    if !cfg!(debug_assertions) {
        cargo = cargo.release();
    }
    for package in packages {
        cargo = cargo.arg("--package").arg(package);
    }
    let messages = cargo.exec().unwrap_or_else(|error| panic!("cargo cannot build {packages:?}: {error}"));
    let mut built = BTreeMap::new();
    for message in messages {
        let message = message.unwrap_or_else(|error| panic!("{packages:?} do not build: {error}"));
        let message = message.decode().expect("cargo's messages are JSON of a known shape");
        if let Message::CompilerArtifact(artifact) = message
            && let Some(executable) = artifact.executable
        {
            built.insert(artifact.target.name.into_owned(), executable.into_owned());
        }
    }
    built
}
