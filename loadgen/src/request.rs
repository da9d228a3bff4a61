//! The bytes of the request, which are the same every time.

use crate::url::Url;
use crate::{Error, KeepAlive, Method, Plan};

/// Renders the request that `plan` asks for.
pub(crate) fn render(plan: &Plan, url: &Url) -> Result<Vec<u8>, Error> {
    let method = match plan.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
    };
    let given = |name: &str| plan.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("{method} {} HTTP/1.1\r\n", url.target);
    let mut field = |name: &str, value: &str| text.extend([name, ": ", value, "\r\n"]);
    if !given("host") {
        field("Host", &url.authority);
    }
    for (name, value) in &plan.headers {
        check(name, value)?;
        field(name, value);
    }
    if plan.keep_alive == KeepAlive::PerRequest && !given("connection") {
        field("Connection", "close");
    }
    text.push_str("\r\n");
    Ok(text.into_bytes())
}

/// A field that could be taken for something else, or for a body that is never sent, is refused.
fn check(name: &str, value: &str) -> Result<(), Error> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Error::Plan(format!("{name:?} is not the name of a header field")));
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return Err(Error::Plan(format!("the value of the header field {name} holds a control character")));
    }
    if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding") {
        return Err(Error::Plan(format!("the header field {name} announces a body, and requests carry none")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(change: impl FnOnce(&mut Plan)) -> Result<String, Error> {
        let mut plan = Plan::new("http://127.0.0.1:8080/a?b");
        change(&mut plan);
        let url = Url::parse(&plan.url)?;
        render(&plan, &url).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_plain_one_is_the_one_that_wrk_sends() {
        assert_eq!(text(|_| {}).unwrap(), "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
    }

    #[test]
    fn header_fields_keep_their_order_and_may_replace_host() {
        let headers = |plan: &mut Plan| {
            plan.headers = vec![("X-A".into(), "1".into()), ("host".into(), "b".into()), ("X-A".into(), "2".into())];
        };
        assert_eq!(text(headers).unwrap(), "GET /a?b HTTP/1.1\r\nX-A: 1\r\nhost: b\r\nX-A: 2\r\n\r\n");
    }

    #[test]
    fn a_connection_per_request_is_announced_unless_the_plan_says_otherwise() {
        let close = |plan: &mut Plan| plan.keep_alive = KeepAlive::PerRequest;
        assert!(text(close).unwrap().ends_with("\r\nConnection: close\r\n\r\n"));
        let own = text(|plan| {
            close(plan);
            plan.headers = vec![("connection".into(), "Keep-Alive".into())];
        });
        assert!(own.unwrap().ends_with("8080\r\nconnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn head_is_asked_for_by_its_name() {
        assert!(text(|plan| plan.method = Method::Head).unwrap().starts_with("HEAD /a?b HTTP/1.1\r\n"));
    }

    #[test]
    fn fields_that_would_change_the_request_are_refused() {
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\r\nb: y"), ("Content-Length", "3"), ("a:", "x")] {
            let headers = vec![(name.to_owned(), value.to_owned())];
            assert!(matches!(text(|plan| plan.headers = headers), Err(Error::Plan(_))), "{name:?}: {value:?}");
        }
    }
}
