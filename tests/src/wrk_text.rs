//! The text that wrk prints, read strictly: every line in its place, every column at its width.

/// The columns `Avg`, `Stdev`, `Max` and `+/- Stdev` of one quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The mean: seconds, or requests per second.
    pub mean: f64,
    /// The standard deviation, in the same unit.
    pub deviation: f64,
    /// The largest sample, in the same unit.
    pub maximum: f64,
    /// The share within one standard deviation of the mean, in percent.
    pub within_deviation: f64,
}

/// What `--latency` adds, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Distribution {
    pub p50: f64,
    pub p75: f64,
    pub p90: f64,
    pub p99: f64,
}

/// The line of socket errors, which is absent when there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are wrk's")]
pub struct SocketErrors {
    pub connect: u64,
    pub read: u64,
    pub write: u64,
    pub timeout: u64,
}

/// One run of wrk.
#[derive(Debug, Clone, PartialEq)]
pub struct WrkText {
    /// The URL as wrk repeats it.
    pub url: String,
    /// The time asked for, in seconds.
    pub duration: f64,
    /// Client threads.
    pub threads: u64,
    /// Connections over all threads.
    pub connections: u64,
    /// Latency in seconds.
    pub latency: Row,
    /// Requests per second of a thread.
    pub rate: Row,
    /// Percentiles, with `--latency`.
    pub distribution: Option<Distribution>,
    /// Complete requests.
    pub requests: u64,
    /// The time that the run took, in seconds.
    pub elapsed: f64,
    /// Bytes that arrived.
    pub bytes: f64,
    /// Zero where wrk says nothing.
    pub socket_errors: SocketErrors,
    /// Responses with a status above 399; zero where wrk says nothing.
    pub not_2xx_or_3xx: u64,
    /// Requests per second over the whole run.
    pub requests_per_second: f64,
    /// Bytes per second over the whole run.
    pub bytes_per_second: f64,
}

impl WrkText {
    /// Reads the text; what follows its last line `Transfer/sec` is not looked at.
    ///
    /// # Errors
    /// With the line that is not what wrk would have printed there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = Lines { left: text.lines().peekable() };
        let (duration, url) = lines.next("a line `Running`", |line| {
            let (duration, url) = line.strip_prefix("Running ")?.split_once(" test @ ")?;
            Some((time(duration)?, url.to_owned()))
        })?;
        let (threads, connections) = lines.next("threads and connections", |line| {
            let (threads, connections) = line.strip_prefix("  ")?.split_once(" threads and ")?;
            Some((count(threads)?, count(connections.strip_suffix(" connections")?)?))
        })?;
        lines.next("the heads of the columns", |line| {
            (line == "  Thread Stats   Avg      Stdev     Max   +/- Stdev").then_some(())
        })?;
        let latency = lines.next("the row `Latency`", |line| row(line, "    Latency   ", time))?;
        let rate = lines.next("the row `Req/Sec`", |line| row(line, "    Req/Sec   ", metric))?;
        let distribution = if lines.is_next("  Latency Distribution") {
            lines.next("the heading", Some)?;
            let mut percentile =
                |label: &str| lines.next(label, |line| field(line.strip_prefix(label)?, 10).and_then(padded(time)));
            Some(Distribution {
                p50: percentile("     50%")?,
                p75: percentile("     75%")?,
                p90: percentile("     90%")?,
                p99: percentile("     99%")?,
            })
        } else {
            None
        };
        let (requests, elapsed, bytes) = lines.next("the totals", |line| {
            let (requests, rest) = line.strip_prefix("  ")?.split_once(" requests in ")?;
            let (elapsed, bytes) = rest.split_once(", ")?;
            Some((count(requests)?, time(elapsed)?, binary(bytes.strip_suffix("B read")?)?))
        })?;
        let socket_errors = if lines.is_next("  Socket errors: ") {
            lines.next("socket errors", errors)?
        } else {
            SocketErrors::default()
        };
        let label = "  Non-2xx or 3xx responses: ";
        let not_2xx_or_3xx =
            if lines.is_next(label) { lines.next("a count", |line| count(line.strip_prefix(label)?))? } else { 0 };
        let requests_per_second = lines.next("the line `Requests/sec`", |line| {
            let value = line.strip_prefix("Requests/sec: ")?;
            (value.len() >= 9).then(|| value.trim_start().parse().ok())?
        })?;
        let bytes_per_second = lines.next("the line `Transfer/sec`", |line| {
            let value = line.strip_prefix("Transfer/sec: ")?.strip_suffix('B')?;
            field(value, 10).and_then(|value| binary(value.trim()))
        })?;
        Ok(Self {
            url,
            duration,
            threads,
            connections,
            latency,
            rate,
            distribution,
            requests,
            elapsed,
            bytes,
            socket_errors,
            not_2xx_or_3xx,
            requests_per_second,
            bytes_per_second,
        })
    }
}

impl SocketErrors {
    /// Whether these errors are only what a fair pool with more clients than workers cannot help: it ends a connection that
    /// idles when somebody else waits, and once in a while a request is on its way there (RFC 9112, section 9.5).
    pub fn are_only_closed_while_idle(self, requests: u64) -> bool {
        let others = Self { read: 0, ..self };
        others == Self::default() && self.read <= requests / 50
    }
}

struct Lines<'a> {
    left: std::iter::Peekable<std::str::Lines<'a>>,
}

impl<'a> Lines<'a> {
    fn is_next(&mut self, start: &str) -> bool {
        self.left.peek().is_some_and(|line| line.starts_with(start))
    }

    fn next<T>(&mut self, expected: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, String> {
        let line = self.left.next().ok_or_else(|| format!("the text ends before {expected}"))?;
        read(line).ok_or_else(|| format!("expected {expected}, got {line:?}"))
    }
}

fn row(line: &str, label: &str, read: impl Fn(&str) -> Option<f64> + Copy) -> Option<Row> {
    let columns = line.strip_prefix(label)?;
    let (mean, columns) = columns.split_at_checked(8)?;
    let (deviation, columns) = columns.split_at_checked(10)?;
    let (maximum, share) = columns.split_at_checked(9)?;
    let share = field(share.strip_suffix('%')?, 8)?.trim().parse().ok()?;
    let read = padded(read);
    Some(Row { mean: read(mean)?, deviation: read(deviation)?, maximum: read(maximum)?, within_deviation: share })
}

/// The field, if it is as wide as it should be.
fn field(text: &str, width: usize) -> Option<&str> {
    (text.len() == width).then_some(text)
}

/// A value in a column: right-aligned, then two blanks less one for each letter of its unit.
fn padded(read: impl Fn(&str) -> Option<f64>) -> impl Fn(&str) -> Option<f64> {
    move |field| {
        let value = field.trim_end();
        let letters = value.bytes().rev().take(2).filter(u8::is_ascii_alphabetic).count();
        (field.len() - value.len() == 2 - letters).then(|| read(value.trim_start()))?
    }
}

fn errors(line: &str) -> Option<SocketErrors> {
    let mut parts = line.strip_prefix("  Socket errors: ")?.split(", ");
    let mut part = |label: &str| count(parts.next()?.strip_prefix(label)?);
    let errors = SocketErrors {
        connect: part("connect ")?,
        read: part("read ")?,
        write: part("write ")?,
        timeout: part("timeout ")?,
    };
    parts.next().is_none().then_some(errors)
}

fn count(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// Seconds of `221.67us`, `4.25ms`, `1.10s`, `2m`.
fn time(text: &str) -> Option<f64> {
    scaled(text, &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)])
}

/// `46.77k` is 46,770.
fn metric(text: &str) -> Option<f64> {
    scaled(text, &[("k", 1e3), ("M", 1e6), ("G", 1e9), ("", 1.0)])
}

/// `41.33M` is 41.33 times 1024 times 1024.
fn binary(text: &str) -> Option<f64> {
    scaled(text, &[("K", 1024.0), ("M", 1_048_576.0), ("G", 1_073_741_824.0), ("", 1.0)])
}

fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).len();
    let (number, unit) = text.split_at(end);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::{Distribution, Row, SocketErrors, WrkText};

    /// What wrk 4.1.0 printed.
    const PLAIN: &str = "\
Running 1s test @ http://127.0.0.1:18999/
  1 threads and 10 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   221.67us  165.70us   4.25ms   97.20%
    Req/Sec    46.77k     6.97k   55.45k    72.73%
  Latency Distribution
     50%  194.00us
     75%  246.00us
     90%  300.00us
     99%  486.00us
  50984 requests in 1.10s, 41.33MB read
Requests/sec:  46344.20
Transfer/sec:     37.57MB
";

    const TROUBLED: &str = "\
Running 30s test @ http://127.0.0.1:8000
  1 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     4.73ms   34.26ms   1.65s    99.46%
    Req/Sec     2.52k   277.33     3.24k    71.33%
  75167 requests in 30.02s, 23.37MB read
  Socket errors: connect 0, read 75167, write 0, timeout 5
  Non-2xx or 3xx responses: 75167
Requests/sec:   2503.74
Transfer/sec:    797.07KB
";

    #[test]
    fn reads_what_wrk_prints() {
        let wrk = WrkText::parse(PLAIN).unwrap();
        assert_eq!((wrk.url.as_str(), wrk.duration), ("http://127.0.0.1:18999/", 1.0));
        assert_eq!((wrk.threads, wrk.connections, wrk.requests), (1, 10, 50984));
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-9, "{a} is not {b}");
        close(wrk.latency.mean, 221.67e-6);
        close(wrk.latency.maximum, 4.25e-3);
        assert_eq!(wrk.rate, Row { mean: 46770.0, deviation: 6970.0, maximum: 55450.0, within_deviation: 72.73 });
        let Distribution { p50, p99, .. } = wrk.distribution.unwrap();
        close(p50, 194e-6);
        close(p99, 486e-6);
        close(wrk.bytes, 41.33 * 1024.0 * 1024.0);
        close(wrk.bytes_per_second, 37.57 * 1024.0 * 1024.0);
        assert_eq!((wrk.requests_per_second, wrk.elapsed), (46344.20, 1.10));
    }

    #[test]
    fn reads_the_lines_that_only_trouble_brings() {
        let wrk = WrkText::parse(TROUBLED).unwrap();
        assert_eq!(wrk.socket_errors, SocketErrors { read: 75167, timeout: 5, ..SocketErrors::default() });
        assert_eq!(wrk.not_2xx_or_3xx, 75167);
        assert_eq!(wrk.distribution, None);
    }

    #[test]
    fn takes_no_column_out_of_place() {
        for (good, bad) in [
            ("    Latency   221.67us", "    Latency  221.67us"),
            ("6.97k   55", "6.97k  55"),
            ("97.20%", "97.2%"),
            ("     50%  194.00us", "     50% 194.00us"),
            ("1 threads", "one threads"),
            ("MB read", "MB"),
            ("Requests/sec:  46344.20", "Requests/sec: 4634.20"),
            ("Transfer/sec:     37.57MB", "Transfer/sec:    37.57MB"),
            ("  Latency Distribution\n", ""),
        ] {
            let text = PLAIN.replace(good, bad);
            assert_ne!(text, PLAIN);
            assert!(WrkText::parse(&text).is_err(), "{bad:?} was taken");
        }
    }
}
