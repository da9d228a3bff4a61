//! Sizes: `4096`, `8K`, `64M`, `1G`.

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BytesError {
    /// It does not begin with a whole number.
    #[error("\"{0}\" is no size such as 4096, 8K or 64M")]
    Malformed(String),
    /// There is no such unit.
    #[error("there is no unit \"{unit}\" of size in \"{text}\", only K, M and G")]
    Unit {
        /// The whole.
        text: String,
        /// What stands behind the number.
        unit: String,
    },
    /// It does not fit into 64 bits.
    #[error("\"{0}\" is too large")]
    TooLarge(String),
}

/// Reads a whole number with a unit in steps of 1024; `KiB` and `kB` mean the same as `K`.
///
/// # Errors
/// [`BytesError`] quotes the text and says how to write it.
pub fn bytes(text: &str) -> Result<u64, BytesError> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(BytesError::Malformed(text.to_owned()));
    }
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(BytesError::Unit { text: text.to_owned(), unit: unit.to_owned() }),
    };
    let size = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    size.ok_or_else(|| BytesError::TooLarge(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, size) in [
            ("0", 0),
            ("4096", 4096),
            ("8K", 8192),
            ("8KiB", 8192),
            ("1kb", 1024),
            ("2M", 2 << 20),
            ("1G", 1 << 30),
            ("7B", 7),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn all_else_is_refused_with_its_reason() {
        for text in ["", "K", "-1", "+1"] {
            assert_eq!(bytes(text), Err(BytesError::Malformed(text.into())), "{text}");
        }
        for (text, unit) in [("1.5K", ".5K"), ("1T", "T"), ("1ibb", "ibb")] {
            assert_eq!(bytes(text), Err(BytesError::Unit { text: text.into(), unit: unit.into() }), "{text}");
        }
        for text in ["99999999999G", "99999999999999999999999"] {
            assert_eq!(bytes(text), Err(BytesError::TooLarge(text.into())), "{text}");
        }
    }
}
