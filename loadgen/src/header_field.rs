//! Header fields that a user adds to the requests.

/// Checks that a field can be added to a request without changing what the request and its connection are.
///
/// `Host` may be given, and takes the place of the one from the URL. A `Connection` may say `keep-alive`, which HTTP/1.1 means
/// anyway; it is sent as it was given.
///
/// # Errors
/// Why it cannot, in a sentence: it could be taken for something else (RFC 9110, section 5), or it announces a body, another
/// protocol or the end of the connection, which the client would not keep to.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is not the name of a header field"));
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(format!("the value of the header field {name} holds a control character"));
    }
    match name.to_ascii_lowercase().as_str() {
        "content-length" | "transfer-encoding" => {
            Err(format!("the header field {name} announces a body, and requests carry none"))
        }
        "upgrade" | "http2-settings" => {
            Err(format!("the header field {name} asks for a protocol that is not spoken here"))
        }
        "expect" => Err(format!("the header field {name} asks for a provisional answer, and requests carry no body")),
        "connection" if asks_to_close(name, value) => Err(format!(
            "the header field \"{name}: {value}\" ends the connection after each request: say so by --close or by keep_alive \
             = false instead, and the client does the same"
        )),
        "connection" => match options(value).find(|option| !option.eq_ignore_ascii_case("keep-alive")) {
            Some(option) => {
                Err(format!("the header field {name} may say keep-alive, and nothing is known of {option:?}"))
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Whether this field says that the connection ends with the response (RFC 9112, section 9.6).
#[must_use]
pub fn asks_to_close(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("connection") && options(value).any(|option| option.eq_ignore_ascii_case("close"))
}

/// The options of a `Connection` field.
fn options(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|option| !option.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_would_change_the_request_or_its_connection_are_refused() {
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:", "x"),
            ("a", "x\r\nb: y"),
            ("Content-Length", "3"),
            ("transfer-encoding", "chunked"),
            ("Connection", "close"),
            ("connection", "keep-alive, Close"),
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("Expect", "100-continue"),
        ] {
            assert!(check(name, value).is_err(), "{name:?}: {value:?}");
        }
        for (name, value) in [("Host", "b"), ("Connection", "Keep-Alive"), ("connection", ""), ("X-A", "a\tb")] {
            assert_eq!(check(name, value), Ok(()), "{name:?}: {value:?}");
        }
    }
}
