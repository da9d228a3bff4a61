//! What a program says to people and to the next program of a pipe.
//!
//! The standard library's print macros panic where nothing can be written, which would end a measurement. Here a reader that
//! went away (`loadgen … | head -1`) ends nothing and is no failure. A write that fails in another way, as on a full disk, is
//! kept until the program ends, which then asks for it by [`exit_code`].
//!
//! Names, paths and complaints may come from files and programs of others, so no text moves a terminal's cursor: what would is
//! replaced on the way out.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// The first write to standard output that failed.
static FAILURE: Mutex<Option<io::Error>> = Mutex::new(None);

/// Writes a text to standard output.
pub fn say(text: impl Display) {
    // What became of it is asked at the end.
    let _ = StandardOutput.write_all(printable(&text.to_string()).as_bytes());
}

/// Writes a text to standard error: how far a program is, or why it ends. Where that cannot be written there is nobody left to
/// tell.
pub fn tell(text: impl Display) {
    let _ = io::stderr().lock().write_all(printable(&text.to_string()).as_bytes());
}

/// Writes a line to standard error in the place of the one before, which had at most `width` characters.
pub fn redraw(line: &str, width: usize) {
    let _ = write!(io::stderr().lock(), "\r{:<width$}", printable(line));
}

/// Without what would move a terminal's cursor, or turn around the order of letters: each such character becomes U+FFFD.
#[must_use]
pub fn printable(text: &str) -> String {
    let is_harmless = |letter: char| match letter {
        '\n' | '\t' => true,
        // Directional formatting characters (Unicode Standard Annex 9).
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        other => !other.is_control(),
    };
    text.chars().map(|letter| if is_harmless(letter) { letter } else { '\u{fffd}' }).collect()
}

/// The exit code of a program that has done its work: its own, unless something could not be written to standard output. That
/// is told, and the code is 2.
#[must_use]
pub fn exit_code(program: &str, code: ExitCode) -> ExitCode {
    let failure = FAILURE.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map_or(code, |error| {
        tell(format!("{program}: cannot write to standard output: {error}; what it was to hold is lost\n"));
        ExitCode::from(2)
    })
}

/// Standard output, for what writes piece by piece. Nothing fails for a reader that went away: the rest is dropped.
#[derive(Clone, Copy, Debug)]
pub struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        // What waits in the standard library's buffer until the program ends is lost in silence if it cannot be written then.
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                let kept = io::Error::new(error.kind(), error.to_string());
                FAILURE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(kept);
                Err(error)
            }
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_letters_around_is_replaced() {
        assert_eq!(printable("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(printable("\u{1b}[2Jx\r\u{7}\u{9b}31m\u{7f}"), "\u{fffd}[2Jx\u{fffd}\u{fffd}\u{fffd}31m\u{fffd}");
        assert_eq!(printable("user\u{202e}nimda"), "user\u{fffd}nimda");
    }
}
