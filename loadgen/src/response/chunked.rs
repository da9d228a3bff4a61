//! The chunked transfer coding (RFC 9112, section 7.1): finding its end, counting what it carries.

use super::Body;

/// No line of the coding (a chunk's size with its extensions, a trailer field) may be longer than this.
const LINE_LIMIT: u32 = 8 * 1024;

/// A body in chunks, of which the reader keeps only where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    at: At,
    /// The bytes of the current line so far.
    line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the digits of a chunk's size, of which there were some or none yet.
    Size { size: u64, digits: u8 },
    /// Between the digits and the end of the line.
    Extension { size: u64 },
    /// Behind the CR of a size line.
    SizeEnd { size: u64 },
    /// In a chunk's data.
    Data { remaining: u64 },
    /// Behind a chunk's data.
    DataEnd { after_return: bool },
    /// In the trailer section, at the beginning of a line, which may hold nothing but a CR so far.
    TrailerStart { after_return: bool },
    /// In a trailer field.
    Trailer,
}

/// What a piece of the body led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of the piece belongs to the body, which goes on.
    More,
    /// The body ended behind so many bytes of the piece.
    End(usize),
    /// This is not the coding.
    Malformed,
}

impl Chunked {
    /// Before the first byte of a body.
    pub(super) fn new() -> Self {
        Self { at: At::Size { size: 0, digits: 0 }, line: 0 }
    }

    /// Takes a piece of the body, adds the bytes of data in it to `length` and shows them.
    pub(super) fn receive(&mut self, input: &[u8], length: &mut u64, body: &mut impl Body) -> Progress {
        let mut position = 0;
        while position < input.len() {
            if let At::Data { remaining } = self.at {
                let taken = remaining.min((input.len() - position) as u64);
                body.bytes(&input[position..position + taken as usize]);
                position += taken as usize;
                *length += taken;
                self.at = if taken == remaining {
                    At::DataEnd { after_return: false }
                } else {
                    At::Data { remaining: remaining - taken }
                };
                continue;
            }
            let byte = input[position];
            position += 1;
            self.line += 1;
            if self.line > LINE_LIMIT {
                return Progress::Malformed;
            }
            let Some(next) = self.step(byte) else {
                return Progress::Malformed;
            };
            if byte == b'\n' {
                if matches!(self.at, At::TrailerStart { .. }) {
                    return Progress::End(position);
                }
                self.line = 0;
            }
            self.at = next;
        }
        Progress::More
    }

    /// Where one byte outside of the data leads; `None` when it must not be there.
    fn step(&self, byte: u8) -> Option<At> {
        let behind_the_size = |size| match size {
            0 => At::TrailerStart { after_return: false },
            _ => At::Data { remaining: size },
        };
        match (self.at, byte) {
            (At::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits are all that 64 bits hold.
                let digit = u64::from(char::from(byte).to_digit(16)?);
                (digits < 16).then(|| At::Size { size: size << 4 | digit, digits: digits + 1 })
            }
            (At::Size { digits: 0, .. }, _) => None,
            (At::Size { size, .. } | At::Extension { size }, b'\r') => Some(At::SizeEnd { size }),
            (At::Size { size, .. } | At::Extension { size } | At::SizeEnd { size }, b'\n') => {
                Some(behind_the_size(size))
            }
            (At::Size { size, .. }, b';' | b' ' | b'\t') => Some(At::Extension { size }),
            (At::Size { .. } | At::SizeEnd { .. }, _) => None,
            (At::Extension { size }, _) => Some(At::Extension { size }),
            (At::DataEnd { after_return: false }, b'\r') => Some(At::DataEnd { after_return: true }),
            (At::DataEnd { .. }, b'\n') => Some(At::Size { size: 0, digits: 0 }),
            (At::DataEnd { .. }, _) => None,
            // The line feed here ends the body; `receive` sees to it.
            (At::TrailerStart { .. }, b'\n') => Some(self.at),
            (At::TrailerStart { after_return: false }, b'\r') => Some(At::TrailerStart { after_return: true }),
            (At::TrailerStart { after_return: true }, _) => None,
            (At::Trailer, b'\n') => Some(At::TrailerStart { after_return: false }),
            (At::TrailerStart { .. } | At::Trailer, _) => Some(At::Trailer),
            (At::Data { .. }, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(text: &str) -> (Progress, u64) {
        let mut length = 0;
        let progress = Chunked::new().receive(text.as_bytes(), &mut length, &mut ());
        (progress, length)
    }

    #[test]
    fn bodies_with_all_that_may_be_in_them() {
        for (text, length) in [
            ("0\r\n\r\n", 0),
            ("3\r\nabc\r\n0\r\n\r\n", 3),
            ("3\nabc\n0\n\n", 3),
            ("3;name=value\r\nabc\r\n00\r\n\r\n", 3),
            ("A \r\n0123456789\r\n1\r\nx\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n", 11),
        ] {
            assert_eq!(receive(text), (Progress::End(text.len()), length), "{text:?}");
            let with_more = format!("{text}HTTP/1.1");
            assert_eq!(receive(&with_more), (Progress::End(text.len()), length), "{with_more:?}");
        }
    }

    #[test]
    fn a_body_that_goes_on() {
        assert_eq!(receive("3\r\nab"), (Progress::More, 2));
        assert_eq!(receive("0\r\n"), (Progress::More, 0));
        assert_eq!(receive("ffffffffffffffff\r\nab"), (Progress::More, 2));
    }

    #[test]
    fn what_is_not_the_coding() {
        for text in [
            "x",
            "\r\n",
            "3 3\rx",
            "3\r\nabcd",
            "3\r\nabc\rx",
            "-1\r\n",
            "10000000000000000\r\n",
            "0\r\n\rx",
            &format!("1;{}", "x".repeat(LINE_LIMIT as usize)),
        ] {
            assert_eq!(receive(text).0, Progress::Malformed, "{text:?}");
        }
    }
}
