//! The bytes of the requests, rendered once.

use crate::url::Url;
use crate::{Error, Method, Plan, header_field};

/// The requests of a plan, one for each of its paths.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    paths: Vec<String>,
    /// Requests on a connection that is to be kept.
    kept: Vec<Vec<u8>>,
    /// The last requests on their connection, if connections have a last one.
    last: Vec<Vec<u8>>,
}

impl Requests {
    /// Renders what `plan` asks for.
    pub(crate) fn render(plan: &Plan, url: &Url) -> Result<Self, Error> {
        for (name, value) in &plan.headers {
            header_field::check(name, value).map_err(Error::Plan)?;
        }
        if plan.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host")).count() > 1 {
            return Err(Error::Plan("a request has one Host header field, and several are given".to_owned()));
        }
        let paths = match plan.paths.list.as_slice() {
            [] => vec![url.target.clone()],
            paths => paths.to_vec(),
        };
        let render = |is_last: bool| -> Result<Vec<_>, Error> {
            paths.iter().map(|path| render(plan, url, path, is_last)).collect()
        };
        let kept = render(false)?;
        let last = if plan.requests_per_connection.is_some() { render(true)? } else { Vec::new() };
        Ok(Self { paths, kept, last })
    }

    /// How many paths there are.
    pub(crate) fn paths(&self) -> usize {
        self.paths.len()
    }

    /// The path at this place of the list.
    pub(crate) fn path(&self, place: usize) -> &str {
        &self.paths[place]
    }

    /// What to write.
    #[inline]
    pub(crate) fn bytes(&self, path: usize, is_last: bool) -> &[u8] {
        if is_last { &self.last[path] } else { &self.kept[path] }
    }
}

fn render(plan: &Plan, url: &Url, path: &str, is_last: bool) -> Result<Vec<u8>, Error> {
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Error::Plan(format!(
            "the path {path:?} cannot be asked for: it has to begin with a slash, and what is not visible ASCII has to be \
             percent-encoded"
        )));
    }
    let method = match plan.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
    };
    let given = |name: &str| plan.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    let mut field = |name: &str, value: &str| text.extend([name, ": ", value, "\r\n"]);
    if !given("host") {
        field("Host", &url.authority);
    }
    for (name, value) in &plan.headers {
        field(name, value);
    }
    if is_last && !given("connection") {
        field("Connection", "close");
    }
    text.push_str("\r\n");
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(change: impl FnOnce(&mut Plan)) -> Result<Requests, Error> {
        let mut plan = Plan::new("http://127.0.0.1:8080/a?b");
        change(&mut plan);
        let url = Url::parse(&plan.url)?;
        Requests::render(&plan, &url)
    }

    fn text(requests: &Requests, path: usize, is_last: bool) -> &str {
        std::str::from_utf8(requests.bytes(path, is_last)).unwrap()
    }

    #[test]
    fn the_plain_one_is_the_one_that_wrk_sends() {
        let plain = requests(|_| {}).unwrap();
        assert_eq!(text(&plain, 0, false), "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
    }

    #[test]
    fn header_fields_keep_their_order_and_may_replace_host() {
        let headers = |plan: &mut Plan| {
            plan.headers = vec![("X-A".into(), "1".into()), ("host".into(), "b".into()), ("X-A".into(), "2".into())];
        };
        let expected = "GET /a?b HTTP/1.1\r\nX-A: 1\r\nhost: b\r\nX-A: 2\r\n\r\n";
        assert_eq!(text(&requests(headers).unwrap(), 0, false), expected);
    }

    #[test]
    fn the_last_request_of_a_connection_says_so_unless_the_plan_says_something_else() {
        let few = requests(|plan| plan.requests_per_connection = Some(3)).unwrap();
        assert!(text(&few, 0, true).ends_with("\r\nConnection: close\r\n\r\n"));
        assert!(!text(&few, 0, false).contains("Connection"));
        let own = requests(|plan| {
            plan.requests_per_connection = Some(1);
            plan.headers = vec![("connection".into(), "Keep-Alive".into())];
        });
        assert!(text(&own.unwrap(), 0, true).ends_with("8080\r\nconnection: Keep-Alive\r\n\r\n"));
    }

    #[test]
    fn paths_take_the_place_of_the_urls() {
        let several = requests(|plan| plan.paths.list = vec!["/1".into(), "/2%20?x".into()]).unwrap();
        assert_eq!((several.paths(), several.path(1)), (2, "/2%20?x"));
        assert!(text(&several, 1, false).starts_with("GET /2%20?x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"));
        for path in ["", "x", "/a b", "/\u{e9}", "/a#b", "/\r\n"] {
            let refused = requests(|plan| plan.paths.list = vec![path.into()]);
            assert!(matches!(refused, Err(Error::Plan(_))), "{path:?}");
        }
    }

    #[test]
    fn head_is_asked_for_by_its_name() {
        let head = requests(|plan| plan.method = Method::Head).unwrap();
        assert!(text(&head, 0, false).starts_with("HEAD /a?b HTTP/1.1\r\n"));
    }

    #[test]
    fn fields_that_would_change_the_request_are_refused() {
        let host = |value: &str| ("Host".to_owned(), value.to_owned());
        for headers in [vec![("Connection".to_owned(), "close".to_owned())], vec![host("a"), host("b")]] {
            assert!(matches!(requests(|plan| plan.headers = headers.clone()), Err(Error::Plan(_))), "{headers:?}");
        }
    }
}
