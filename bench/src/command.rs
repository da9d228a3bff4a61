//! Command lines with placeholders, as `bench/servers.toml` writes them.

use std::collections::BTreeMap;
use std::fmt;

/// The names that may stand in braces.
pub const PLACEHOLDERS: [&str; 11] =
    ["port", "workers", "root", "repo", "cpus", "log", "flags", "program", "requires", "scratch", "config"];
/// Stands for the folder in which commands are run: the root of a repository or of a checkout.
pub const REPOSITORY: &str = "repo";

/// A command line that is not yet filled in: words, parted by spaces, with placeholders in braces. A word with spaces
/// stands in single or double quotes. No shell reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
}

/// What the placeholders stand for. `{log}` and `{flags}` may stand for several words or for none.
pub type Values = BTreeMap<&'static str, Vec<String>>;

/// Why a text is not a command line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// No word at all.
    #[error("the command is empty")]
    Empty,
    /// A quotation mark without its partner.
    #[error("a quotation mark in the command is not closed")]
    OpenQuote,
    /// A placeholder that does not exist.
    #[error("{{{0}}} is no placeholder; there are {known}", known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", "))]
    UnknownPlaceholder(String),
}

impl Command {
    /// A command of these very words, without placeholders.
    #[must_use]
    pub fn literally(words: &[&str]) -> Self {
        Self { words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    /// Reads a command line.
    ///
    /// # Errors
    /// [`CommandError`] for an empty one, an open quotation mark or a placeholder that does not exist.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let words = split(text)?;
        if words.is_empty() {
            return Err(CommandError::Empty);
        }
        for word in &words {
            if let Some(unknown) = placeholders(word).find(|name| !PLACEHOLDERS.contains(name)) {
                return Err(CommandError::UnknownPlaceholder(unknown.to_owned()));
            }
        }
        Ok(Self { words })
    }

    /// Does the placeholder occur?
    #[must_use]
    pub fn mentions(&self, placeholder: &str) -> bool {
        self.words.iter().any(|word| placeholders(word).any(|name| name == placeholder))
    }

    /// The first placeholder that is not `allowed`.
    #[must_use]
    pub fn other_than(&self, allowed: &str) -> Option<&str> {
        self.words.iter().flat_map(|word| placeholders(word)).find(|name| *name != allowed)
    }

    /// The paths below the repository that the words may name: what follows `{repo}/`, else a whole word.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let begin = format!("{{{REPOSITORY}}}");
        self.words.iter().map(move |word| match word.split_once(&begin) {
            Some((_, path)) => path.trim_start_matches('/'),
            None => word.as_str(),
        })
    }

    /// The words with the placeholders filled in; one without a value stays as it is. A word that is nothing but a
    /// placeholder becomes as many words as its value has.
    #[must_use]
    pub fn fill(&self, values: &Values) -> Vec<String> {
        let mut filled = Vec::with_capacity(self.words.len());
        for word in &self.words {
            let alone = word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match alone.and_then(|name| values.get(name)) {
                Some(value) => filled.extend(value.iter().cloned()),
                None => filled.push(fill_text(word, values)),
            }
        }
        filled
    }
}

impl fmt::Display for Command {
    /// The words as they were read, with their placeholders.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.words.join(" "))
    }
}

/// Fills the placeholders of a whole text in, such as a configuration file's. Braces with anything else inside stay as
/// they are, because other notations use them.
#[must_use]
pub fn fill_text(text: &str, values: &Values) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, from_open) = rest.split_at(open);
        filled.push_str(before);
        let value = from_open[1..].find('}').and_then(|close| {
            let value = values.get(&from_open[1..=close])?;
            Some((value.join(" "), &from_open[close + 2..]))
        });
        match value {
            Some((value, after)) => {
                filled.push_str(&value);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = &from_open[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// The names in braces: lower-case letters only, so that `{}` or JSON in an argument is left alone.
fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(name)
    })
}

fn split(text: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(mark) if c == mark => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(CommandError::OpenQuote);
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let of = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Values::from([
            ("port", of(&["8080"])),
            ("root", of(&["a folder/www"])),
            ("flags", of(&["--keep-alive", "pinned"])),
            ("log", of(&[])),
        ])
    }

    fn filled(text: &str) -> Vec<String> {
        Command::parse(text).unwrap().fill(&values())
    }

    #[test]
    fn words_are_parted_before_they_are_filled_in() {
        assert_eq!(
            filled("epoll -r {root} {log} {flags} {port}"),
            ["epoll", "-r", "a folder/www", "--keep-alive", "pinned", "8080"]
        );
        assert_eq!(
            filled("serve --bind=127.0.0.1:{port} '{workers} x'"),
            ["serve", "--bind=127.0.0.1:8080", "{workers} x"]
        );
    }

    #[test]
    fn quotation_marks_keep_spaces_and_may_be_empty() {
        assert_eq!(filled("a 'b c' \"d 'e'\" '' f' 'g"), ["a", "b c", "d 'e'", "", "f g"]);
    }

    #[test]
    fn what_is_not_a_command_is_told() {
        assert_eq!(Command::parse("  "), Err(CommandError::Empty));
        assert_eq!(Command::parse("a 'b"), Err(CommandError::OpenQuote));
        let error = Command::parse("server --port {prot}").unwrap_err().to_string();
        assert!(error.contains("{prot}") && error.contains("{port}"), "{error}");
        assert!(Command::parse("server '{\"json\": {}}'").is_ok());
    }

    #[test]
    fn a_configuration_file_keeps_its_own_braces() {
        let text = "events { worker_connections 9; } http { listen 127.0.0.1:{port}; {unknown} } {";
        assert_eq!(fill_text(text, &values()), text.replace("{port}", "8080"));
    }

    #[test]
    fn paths_begin_in_the_repository() {
        let command = Command::parse("python3 {repo}/server.py lib/a --config={repo}/b.conf {port}").unwrap();
        assert_eq!(command.paths().collect::<Vec<_>>(), ["python3", "server.py", "lib/a", "b.conf", "{port}"]);
        assert_eq!(command.other_than("repo"), Some("port"));
        assert_eq!(Command::parse("make -C {repo}").unwrap().other_than("repo"), None);
    }

    #[test]
    fn mentions_are_found_anywhere_in_a_word() {
        let command = Command::parse("server --listen=:{port}").unwrap();
        assert!(command.mentions("port") && !command.mentions("workers"));
    }
}
