//! The programs under test, built once per test run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use escargot::CargoBuild;
use escargot::format::Message;

/// What cargo built, and what it said where it could not build all.
struct Built {
    programs: BTreeMap<String, PathBuf>,
    error: Option<String>,
}

/// `cargo test` builds no binaries of other packages, and what lies in `target/` may be of yesterday: so each test program asks
/// cargo, once. When nothing changed, that costs a fraction of a second. All packages at once, because cargo enables in shared
/// dependencies what any of the named packages wants: for all of them that is what `cargo test --workspace` built already, and
/// for a few of them most crates would be compiled again. A package that does not build keeps only its own tests from running.
static BUILT: LazyLock<Built> = LazyLock::new(build);

/// The path of the freshly built program called `name`: a server by its model's name, `loadgen` or `bench`.
pub fn binary(name: &str) -> &'static Path {
    BUILT.programs.get(name).unwrap_or_else(|| match &BUILT.error {
        Some(error) => panic!("there is no program called {name}, because the workspace does not build: {error}"),
        None => panic!("the workspace builds no program called {name}"),
    })
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The document root that ships.
pub fn www() -> PathBuf {
    workspace().join("www")
}

fn build() -> Built {
    let mut cargo = CargoBuild::new().manifest_path(workspace().join("Cargo.toml")).bins();
    if !cfg!(debug_assertions) {
        cargo = cargo.release();
    }
    let messages = cargo.args(["--workspace", "--keep-going"]).exec();
    let messages = messages.unwrap_or_else(|error| panic!("cargo cannot be started: {error}"));
    let mut built = Built { programs: BTreeMap::new(), error: None };
    for message in messages {
        match message {
            Ok(message) => {
                let message = message.decode().expect("cargo's messages are JSON of a known shape");
                if let Message::CompilerArtifact(artifact) = message
                    && let Some(executable) = artifact.executable
                {
                    built.programs.insert(artifact.target.name.into_owned(), executable.into_owned());
                }
            }
            Err(error) => built.error = Some(error.to_string()),
        }
    }
    built
}
