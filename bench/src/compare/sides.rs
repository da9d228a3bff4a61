//! The two commits of a comparison, built, and the servers that both of them have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use reports::comparison::Side;

use super::LOADGEN;
use crate::command::{REPOSITORY, Values};
use crate::commits::{self, BuildError};
use crate::measurement::Measurement;
use crate::servers::Server;
use crate::trees::Trees;

/// The package whose program is the load generator.
pub const GENERATOR: &str = "otus-loadgen";

/// One commit, built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The commit as a comparison's record has it.
    pub side: Side,
    /// Programs of the packages that it has.
    pub programs: BTreeMap<String, PathBuf>,
    /// Flags for its servers beyond those of the suite.
    pub flags: Vec<String>,
}

/// Both commits, built, and what takes part.
#[derive(Debug)]
pub struct Sides {
    /// What there was before.
    pub base: Built,
    /// What changed it.
    pub head: Built,
    /// The measurements that both sides can take and that may differ.
    pub measurements: Vec<Measurement>,
    /// Whether the load generators of both sides differ.
    pub has_generators: bool,
    /// What does not take part because it is the same on both sides.
    pub identical: Vec<String>,
    /// What else does not take part.
    pub left_out: Vec<LeftOut>,
    /// The checkouts of both, where servers are run in them.
    pub trees: Option<Trees>,
    /// The names of the servers that are run in the checkout of their commit.
    pub in_checkouts: BTreeSet<String>,
}

/// What does not take part in a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What and why, in a sentence.
    pub reason: String,
    /// Whether the base does not have it, so that it could not be compared.
    pub is_new: bool,
}

/// Why a server does not take part.
enum Absence {
    Identical,
    New(String),
    Other(String),
}

/// What is to be built.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The repository.
    pub repository: &'a Path,
    /// Where what is built is kept.
    pub kept: &'a Path,
    /// The base, as it was asked for, and its hash.
    pub base: (&'a str, String),
    /// The head.
    pub head: (&'a str, String),
    /// Everything that might take part.
    pub measurements: Vec<Measurement>,
    /// Whether the load generator shall.
    pub generator: bool,
    /// Whether programs that are equal take part all the same.
    pub equals_too: bool,
}

impl Sides {
    /// Builds both sides and finds out what takes part.
    ///
    /// # Errors
    /// [`BuildError`], a sentence each.
    pub fn build(wanted: Wanted<'_>) -> Result<Self, BuildError> {
        let Wanted { repository, kept, base, head, measurements, generator, equals_too } = wanted;
        let mut packages: Vec<&str> = Vec::new();
        let of_servers = measurements.iter().filter_map(|one| one.server.package.as_deref());
        for package in of_servers.chain(generator.then_some(GENERATOR)) {
            if !packages.contains(&package) {
                packages.push(package);
            }
        }
        let build = |(name, commit): &(&str, String)| -> Result<Built, BuildError> {
            let built = if packages.is_empty() {
                commits::Build { commit: commit.clone(), ..commits::Build::default() }
            } else {
                commits::build(repository, kept, commit, &packages)?
            };
            let side = Side { name: (*name).to_owned(), commit: commit.clone(), compiler: built.compiler };
            Ok(Built { side, programs: built.programs, flags: Vec::new() })
        };
        let (of_base, of_head) = (build(&base)?, build(&head)?);
        let checked_out: Vec<&Server> =
            distinct(&measurements).filter(|server| needs_checkout(server, repository)).collect();
        let mut trees = None;
        if !checked_out.is_empty() {
            let trees = &*trees.insert(Trees::new(kept)?);
            let here = Values::from([(REPOSITORY, vec![trees.place().to_string_lossy().into_owned()])]);
            let mut commands: Vec<Vec<String>> = Vec::new();
            for build in checked_out.iter().filter_map(|server| server.build.as_ref()) {
                let words = build.fill(&here);
                if !commands.contains(&words) {
                    commands.push(words);
                }
            }
            trees.build(repository, &base.1, &commands)?;
            trees.build(repository, &head.1, &commands)?;
        }
        let mut sides = Self {
            base: of_base,
            head: of_head,
            measurements: Vec::new(),
            has_generators: false,
            identical: Vec::new(),
            left_out: Vec::new(),
            trees,
            in_checkouts: checked_out.iter().map(|server| server.name.clone()).collect(),
        };
        let mut absent: BTreeMap<&str, Absence> = distinct(&measurements)
            .filter_map(|server| Some((server.name.as_str(), sides.absence(server, equals_too)?)))
            .collect();
        let takes_part = |one: &&Measurement| !absent.contains_key(one.server.name.as_str());
        sides.measurements = measurements.iter().filter(takes_part).cloned().collect();
        if generator {
            match sides.absence_of_package(GENERATOR, equals_too) {
                Some(absence) => drop(absent.insert(LOADGEN, absence)),
                None => sides.has_generators = true,
            }
        }
        for (name, absence) in absent {
            let left_out =
                |reason: String, is_new| LeftOut { reason: format!("{name}: left out, because {reason}"), is_new };
            match absence {
                Absence::Identical => sides.identical.push(name.to_owned()),
                Absence::New(reason) => sides.left_out.push(left_out(reason, true)),
                Absence::Other(reason) => sides.left_out.push(left_out(reason, false)),
            }
        }
        Ok(sides)
    }

    /// Why a server does not take part, if it does not.
    fn absence(&self, server: &Server, equals_too: bool) -> Option<Absence> {
        if let Some(package) = &server.package {
            let is_all = !self.in_checkouts.contains(&server.name);
            let absence = self.absence_of_package(package, equals_too || !is_all);
            if absence.is_some() || is_all {
                return absence;
            }
        }
        let trees = self.trees.as_ref()?;
        let (base, head) = (&self.base.side, &self.head.side);
        let paths: Vec<&str> = server.command.paths().collect();
        let of_head: Vec<&str> = paths.iter().copied().filter(|path| trees.has(&head.commit, path)).collect();
        if of_head.is_empty() && server.build.is_none() && server.package.is_none() {
            let of_base = paths.iter().any(|path| trees.has(&base.commit, path));
            return Some(Absence::Other(if of_base {
                format!("{} does not have it any more.", head.title())
            } else {
                format!(
                    "its command names no file of the repository, such as {{{REPOSITORY}}}/server: {}.",
                    server.command
                )
            }));
        }
        if let Some(new) = of_head.iter().find(|path| !trees.has(&base.commit, path)) {
            return Some(Absence::New(format!("{} has no {new}: it is new.", base.title())));
        }
        // A script may be the same and read others that are not; a compiled program is all there is.
        let program = paths.first().filter(|path| trees.has(&head.commit, path))?;
        let [first, second] = [base, head].map(|side| trees.file(&side.commit, program));
        (!equals_too && is_compiled(&second) && is_same(&first, &second)).then_some(Absence::Identical)
    }

    fn absence_of_package(&self, package: &str, equals_too: bool) -> Option<Absence> {
        match (self.base.programs.get(package), self.head.programs.get(package)) {
            (_, None) => Some(Absence::Other(format!("{} has no package {package}.", self.head.side.title()))),
            (None, Some(_)) => {
                Some(Absence::New(format!("{} has no package {package}: it is new.", self.base.side.title())))
            }
            (Some(base), Some(head)) => (!equals_too && is_same(base, head)).then_some(Absence::Identical),
        }
    }
}

/// Whether a server is run in the checkout of its commit: one that is not the program of a package, and one that takes files
/// of the repository as well.
fn needs_checkout(server: &Server, repository: &Path) -> bool {
    let is_file = |path: &str| !path.is_empty() && Path::new(path).is_relative() && repository.join(path).is_file();
    server.package.is_none() || server.mentions_repository() || server.command.paths().any(is_file)
}

/// The servers of measurements, each once.
fn distinct(measurements: &[Measurement]) -> impl Iterator<Item = &Server> {
    let first =
        |place: usize| !measurements[..place].iter().any(|one| one.server.name == measurements[place].server.name);
    measurements.iter().enumerate().filter(move |(place, _)| first(*place)).map(|(_, one)| &one.server)
}

fn is_same(first: &Path, second: &Path) -> bool {
    fs::read(first).ok().zip(fs::read(second).ok()).is_some_and(|(first, second)| first == second)
}

/// Whether a file is a program for the processor (ELF, elf(5)) and no script.
fn is_compiled(path: &Path) -> bool {
    let mut magic = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}
