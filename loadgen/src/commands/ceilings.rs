//! The ceilings of this generator that were measured on this machine, kept in a file between runs.

use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;

use loadgen::{Ceiling, Plan, Shape};
use serde::{Deserialize, Serialize};

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Ceilings {
    ceilings: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    machine: Machine,
    ceiling: Ceiling,
}

/// What makes a ceiling useless when it changes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Machine {
    cpu_model: String,
    cpus: usize,
    kernel: String,
    program: String,
}

impl Machine {
    fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let information = read("/proc/cpuinfo");
        let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            cpu_model: model.map(|(_, name)| name.trim().to_owned()).unwrap_or_default(),
            cpus: information.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// The file, in the user's folder for what can be made again.
fn file() -> Option<PathBuf> {
    let absolute = |variable: &str| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(folder.join("otus-loadgen").join("ceilings.json"))
}

/// What is kept in the file; nothing if there is none or it cannot be read, for it can be measured again.
fn read() -> Ceilings {
    let text = file().and_then(|file| fs::read_to_string(file).ok());
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// The ceiling of runs of this shape on this machine, if it was measured.
pub(super) fn find(plan: &Plan) -> Option<Ceiling> {
    let (shape, machine) = (Shape::of(plan), Machine::this());
    let fits = |entry: &Entry| entry.ceiling.shape == shape && entry.machine == machine;
    read().ceilings.into_iter().find(fits).map(|entry| entry.ceiling)
}

/// Keeps a ceiling, in the place of an older one for the same shape, and says where.
pub(super) fn keep(ceiling: &Ceiling) -> io::Result<PathBuf> {
    let file =
        file().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "neither XDG_CACHE_HOME nor HOME is set"))?;
    let machine = Machine::this();
    let mut all = read();
    all.ceilings.retain(|entry| entry.machine == machine && entry.ceiling.shape != ceiling.shape);
    all.ceilings.push(Entry { machine, ceiling: ceiling.clone() });
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    // In one step, so that a run that begins meanwhile reads all or nothing of it.
    let new = file.with_extension(format!("{}", std::process::id()));
    fs::write(&new, serde_json::to_vec_pretty(&all)?)?;
    fs::rename(&new, &file)?;
    Ok(file)
}
