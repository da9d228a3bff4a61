//! What can go wrong with a server as a process, and how it is told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::words;

/// What went wrong with the server as a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Failure {
    /// The program could not be started at all.
    NotStarted {
        /// Why, by the system or by the server's build.
        error: String,
    },
    /// The program ran, but did not accept a connection in time.
    NeverListened {
        /// How long it was waited for, in seconds.
        waited_seconds: f64,
        /// The end of what it wrote on standard error.
        standard_error: String,
    },
    /// The program ended before it was told to.
    Died {
        /// What it was being used for.
        during: Phase,
        /// Its exit status, if it exited.
        status: Option<i32>,
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// The end of what it wrote on standard error.
        standard_error: String,
    },
    /// The first process ended without an error while others that it had started went on, as daemons do.
    WentToBackground {
        /// What it was being used for.
        during: Phase,
        /// The program that was started.
        program: String,
    },
    /// The program accepted connections, but stopped answering.
    Hung {
        /// What it was being used for.
        during: Phase,
        /// How long it was waited for, in seconds.
        waited_seconds: f64,
    },
    /// The program did not end within its time when it was told to, and was killed.
    NotStopped {
        /// How long it was waited for, in seconds.
        waited_seconds: f64,
    },
    /// The load was to be a share of what the server carries, and no trial of it directly before was quiet enough to show that.
    NoCapacity,
    /// The load generator could not do its work.
    Generator {
        /// Why.
        error: String,
    },
}

/// The parts of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting until it accepts.
    Start,
    /// Comparing the file that comes back.
    Check,
    /// Load that is not measured.
    WarmUp,
    /// Load that is measured.
    Measuring,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { error } => write!(
                out,
                "The server could not be started ({}): install or build it, and look at its command line.",
                last_line(error),
            ),
            Self::NeverListened { waited_seconds, standard_error } => write!(
                out,
                "The server accepted no connection within {}{}: start it by hand with the command of this row.",
                words::seconds(*waited_seconds),
                last_words(standard_error),
            ),
            Self::Died { during, status, signal, standard_error } => {
                let how = match (status, signal) {
                    (_, Some(signal)) => format!(" by signal {signal}"),
                    (Some(status), None) => format!(" with exit status {status}"),
                    (None, None) => String::new(),
                };
                write!(
                    out,
                    "The server died{how} {}{}: start it by hand with the command of this row.",
                    during.clause(),
                    last_words(standard_error),
                )
            }
            Self::WentToBackground { during, program } => write!(
                out,
                "The server went to the background {}: its first process ({program}) ended with exit status 0 and left \
                 others behind; run it in the foreground (nginx: daemon off, lighttpd: -D, Apache httpd: -DFOREGROUND).",
                during.clause(),
            ),
            Self::Hung { during, waited_seconds } => write!(
                out,
                "The server stopped answering {}, and {} did not help: start it by hand and see where it waits.",
                during.clause(),
                words::seconds(*waited_seconds),
            ),
            Self::NotStopped { waited_seconds } => write!(
                out,
                "The server did not end within {} of being told to, and was killed.",
                words::seconds(*waited_seconds),
            ),
            Self::NoCapacity => out.write_str(
                "The capacity of which a share was to be offered is not known: in each of several trials directly before, \
                 steal or other processes disturbed the closed loop; run it again in a quieter hour.",
            ),
            Self::Generator { error } => write!(
                out,
                "The load generator could not do its work ({}): nothing is known of the server.",
                last_line(error),
            ),
        }
    }
}

impl Phase {
    fn clause(self) -> &'static str {
        match self {
            Self::Start => "before it accepted a connection",
            Self::Check => "while its answers were checked",
            Self::WarmUp => "while it was warmed up",
            Self::Measuring => "while it was measured",
        }
    }
}

/// The last line with something on it, shortened to what fits a sentence.
pub(crate) fn last_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason given");
    let line = line.trim_end_matches('.').replace(char::is_control, " ");
    if line.chars().count() > LONGEST { format!("{}…", line.chars().take(LONGEST).collect::<String>()) } else { line }
}

fn last_words(standard_error: &str) -> String {
    if standard_error.trim().is_empty() {
        String::new()
    } else {
        format!(" (its last words: {})", last_line(standard_error))
    }
}
