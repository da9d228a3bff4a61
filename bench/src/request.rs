//! What to run, as it was asked for: it becomes the command that repeats a run, and is read from there again when a run
//! is resumed.

use std::env;

use clap::Parser as _;

use crate::cli::{Action, CommandLine, RunOptions, SuiteCommandLine};

/// The start of the command where cargo runs the bench, by the alias of this workspace.
const BY_CARGO: [&str; 2] = ["cargo", "suite"];
/// The start of the command where it is run by itself.
const BY_ITSELF: [&str; 1] = ["bench"];

/// A suite and how to run it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The suite by its name or its file; the whole experiment, or the one of `--suite`, where none is named.
    pub named: Option<String>,
    /// How to run it.
    pub options: RunOptions,
}

impl Request {
    /// Understands the words of a suite, as [`Action::Suite`] has them.
    ///
    /// # Errors
    /// Clap's, with the usage in it.
    pub fn of_suite<W>(words: impl IntoIterator<Item = W>) -> Result<Self, clap::Error>
    where
        W: Into<std::ffi::OsString> + Clone,
    {
        let words = [BY_ITSELF[0].into()].into_iter().chain(words.into_iter().map(Into::into));
        let SuiteCommandLine { name, options } = SuiteCommandLine::try_parse_from(words)?;
        Ok(Self { named: Some(name), options })
    }

    /// The command that repeats it with this seed.
    #[must_use]
    pub fn to_command(&self, seed: u64) -> Vec<String> {
        let start: &[&str] = if env::var_os("CARGO").is_some() { &BY_CARGO } else { &BY_ITSELF };
        let mut command: Vec<String> = start.iter().map(|&word| word.to_owned()).collect();
        if self.options.suite.is_none() {
            command.push(self.named.as_deref().unwrap_or("all").to_owned());
        }
        command.extend(self.options.to_words());
        command.extend(["--seed".to_owned(), seed.to_string()]);
        command
    }

    /// The request that such a command came from; `None` if it is no such command.
    #[must_use]
    pub fn of_command(command: &[String]) -> Option<Self> {
        let words = [&BY_CARGO[..], &BY_ITSELF].iter().find_map(|start| {
            let (before, words) = command.split_at_checked(start.len())?;
            (before == *start).then_some(words)
        })?;
        let line =
            CommandLine::try_parse_from([BY_ITSELF[0]].into_iter().chain(words.iter().map(String::as_str))).ok()?;
        match line.action {
            Some(Action::All(options)) => Some(Self { named: None, options }),
            Some(Action::Suite(words)) => Self::of_suite(words).ok(),
            None if line.options.suite.is_some() => Some(Self { named: None, options: line.options }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(words: &[&str]) -> Vec<String> {
        let command: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let request = Request::of_command(&command).unwrap_or_else(|| panic!("{words:?} was not understood"));
        let seed = request.options.seed.unwrap();
        let start = if command[0] == "cargo" { 2 } else { 1 };
        // Which start it gets depends on who runs this test.
        let written = request.to_command(seed);
        let written_start = if written[0] == "cargo" { 2 } else { 1 };
        [&command[..start], &written[written_start..]].concat()
    }

    #[test]
    fn a_command_comes_back_as_it_was() {
        for words in [
            &["cargo", "suite", "all", "--quick", "--seed", "7"][..],
            &["bench", "wrk", "--only", "epoll,async", "--rounds", "2", "--seed", "1"],
            &["bench", "--suite", "a file.toml", "--servers", "b.toml", "--out", "c", "--seed", "1"],
            &[
                "bench",
                "x/y.toml",
                "--duration",
                "1500ms",
                "--connections",
                "9",
                "--cpus",
                "0:1",
                "--root",
                "r",
                "--seed",
                "2",
            ],
        ] {
            assert_eq!(again(words), words);
        }
    }

    #[test]
    fn other_commands_are_none_of_ours() {
        for words in [
            &["bench", "list"][..],
            &["bench"],
            &["wrk", "-c", "5"],
            &["cargo", "bench-all"],
            &[],
            &["bench", "wrk", "--nonsense"],
        ] {
            let command: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert!(Request::of_command(&command).is_none(), "{words:?}");
        }
    }
}
