//! Trying a rule on a server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{Ask, Case, Expect, FOLLOW_UP, Group, expect, get};
use crate::client::{Client, request};
use crate::response::{Response, Unanswered};

/// When a deadline of a group that waits for them has certainly been missed.
const LATE: Duration = Duration::from_secs(6);

/// Whether a server keeps a rule; if not, why not.
pub type Verdict = Result<(), String>;

/// Tries rules on one server, one at a time and each on a connection of its own.
#[derive(Debug)]
pub struct Examiner {
    address: SocketAddr,
    site: PathBuf,
    patience: Duration,
    tags: BTreeMap<String, String>,
}

impl Examiner {
    /// For the server at `address`, which serves the suite's site in the directory `site`. A response that takes longer than
    /// `patience` is none.
    pub fn new(address: SocketAddr, site: impl Into<PathBuf>, patience: Duration) -> Self {
        Self { address, site: site.into(), patience, tags: BTreeMap::new() }
    }

    /// Tries all rules of a group, the slow ones side by side.
    pub fn examine(&mut self, group: &Group) -> Vec<Verdict> {
        if !group.slow {
            return group.cases.iter().map(|case| self.judge(case)).collect();
        }
        thread::scope(|scope| {
            let try_alone = |case| {
                let mut examiner = Self::new(self.address, &self.site, self.patience.min(LATE));
                scope.spawn(move || examiner.judge(case))
            };
            let threads: Vec<_> = group.cases.iter().map(try_alone).collect();
            let broken = || Err("the examiner panicked".to_owned());
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| broken())).collect()
        })
    }

    /// Tries one rule.
    ///
    /// # Errors
    /// Why the server does not keep it, with the beginning of what was sent.
    pub fn judge(&mut self, case: &Case) -> Verdict {
        let mut requests = Vec::with_capacity(case.exchanges.len());
        let mut model = None;
        for (ask, expected) in &case.exchanges {
            requests.push(ask.bytes(|target| self.tag(target))?);
            if expected.like_get {
                let get = ask.clone().method("GET").bytes(|target| self.tag(target))?;
                model = Some(self.fetch(&get)?.0);
            }
        }
        let begun = Instant::now();
        let client = Client::try_connect(self.address)?;
        let mut talk = Talk { examiner: self, client, begun, model };
        talk.exchange(case, &requests).map_err(|why| format!("{why} (sent {})", shown(&requests.concat())))
    }

    /// What the server calls itself.
    pub fn software(&self) -> Option<String> {
        let (response, _) = self.fetch(&request("HEAD", "/", &["Connection: close"])).ok()?;
        response.field("Server").ok()?.map(str::to_owned)
    }

    /// The entity tag that the server gives for a target.
    fn tag(&mut self, target: &str) -> Result<String, String> {
        if let Some(tag) = self.tags.get(target) {
            return Ok(tag.clone());
        }
        let (response, mut client) = self.fetch(&request("HEAD", target, &["Connection: close"]))?;
        // The connection is gone before another begins, so that nobody waits for a worker because of it.
        client.until_end(self.patience);
        let tag = response.field("ETag")?.ok_or_else(|| format!("no ETag for {target}, which the request needs"))?;
        self.tags.insert(target.to_owned(), tag.to_owned());
        Ok(tag.to_owned())
    }

    /// The head of a response, and the connection that it came on.
    fn fetch(&self, bytes: &[u8]) -> Result<(Response, Client), String> {
        let mut client = Client::try_connect(self.address)?;
        client.offer(bytes);
        let response =
            client.receive_final(true, self.patience).map_err(|why| format!("{why} (sent {})", shown(bytes)))?;
        Ok((response, client))
    }
}

/// One connection on which a rule is tried.
struct Talk<'e> {
    examiner: &'e Examiner,
    client: Client,
    /// Before the connection, or before the last request that was sent on it.
    begun: Instant,
    /// The response to a GET, where one to a HEAD is compared with it.
    model: Option<Response>,
}

impl Talk<'_> {
    fn exchange(&mut self, case: &Case, requests: &[Vec<u8>]) -> Verdict {
        let half_close = |ask: &Ask| ask.half_close;
        if case.pipelined {
            self.client.offer(requests.concat());
            if case.exchanges.iter().any(|(ask, _)| half_close(ask)) {
                self.client.offer_end();
            }
        }
        let mut open = true;
        for (number, ((ask, expected), bytes)) in case.exchanges.iter().zip(requests).enumerate() {
            let told = |why: String| if number == 0 { why } else { format!("response {}: {why}", number + 1) };
            if !case.pipelined && open {
                if number > 0 && !bytes.is_empty() {
                    self.begun = Instant::now();
                }
                self.send(ask, bytes);
            }
            if expected.is_silence() {
                // What follows a close is left unanswered; the end shows whether it was.
                self.await_end().map_err(told)?;
                open = false;
                self.not_before(expected).map_err(told)?;
                continue;
            }
            if !open {
                return Err(told("the connection was closed before".to_owned()));
            }
            open = self.receive(ask, expected).map_err(told)?;
            self.not_before(expected).map_err(told)?;
        }
        let ended = case.exchanges.iter().any(|(ask, _)| half_close(ask));
        match case.exchanges.last() {
            Some((_, expected)) if expected.is_silence() => Ok(()),
            _ if open && !ended => self.follow_up(),
            _ => self.await_end().map_err(|why| format!("after the response: {why}")),
        }
    }

    fn not_before(&self, expected: &Expect) -> Verdict {
        let waited = self.begun.elapsed();
        if expected.after.is_some_and(|after| waited < after) { Err(format!("came after {waited:?}")) } else { Ok(()) }
    }

    fn send(&mut self, ask: &Ask, bytes: &[u8]) {
        match ask.pause {
            None => {
                self.client.offer(bytes);
            }
            Some(pause) => {
                for byte in bytes {
                    self.client.offer([*byte]);
                    if self.client.has_arrived(pause) {
                        break;
                    }
                }
            }
        }
        if ask.half_close {
            self.client.offer_end();
        }
    }

    /// Reads a response and judges it; says whether the connection is kept.
    fn receive(&mut self, ask: &Ask, expected: &Expect) -> Result<bool, String> {
        let patience = self.examiner.patience;
        let response = self.client.receive_final(ask.is_head(), patience).map_err(|why| why.to_string())?;
        expected.judge(&response, &self.examiner.site)?;
        owes(&response)?;
        if let Some(model) = self.model.as_ref().filter(|_| expected.like_get) {
            same_fields(&response, model)?;
        }
        let kept = response.leaves_open();
        match expected.kept {
            Some(true) if !kept => Err("the response says that the connection is closed".to_owned()),
            Some(false) if kept => Err("the response says that the connection is kept".to_owned()),
            _ => Ok(kept),
        }
    }

    /// The connection is said to be kept: one more request shows it, and that nothing is left over on it.
    fn follow_up(&mut self) -> Verdict {
        let told = |why: String| format!("the connection is said to be kept, and then: {why}");
        let ask = get(format!("/{FOLLOW_UP}")).with("Connection: close");
        let bytes = ask.bytes(|_| Err("no tags here".to_owned()))?;
        self.client.offer(bytes);
        let kept = self.receive(&ask, &expect::is(200).file(FOLLOW_UP)).map_err(told)?;
        if kept {
            return Err(told("a response to Connection: close that does not say so".to_owned()));
        }
        self.await_end().map_err(told)
    }

    fn await_end(&mut self) -> Verdict {
        match self.client.until_end(self.examiner.patience) {
            Unanswered::Closed(0) => Ok(()),
            Unanswered::Closed(bytes) => Err(format!("{bytes} bytes more, {}", self.client.preview())),
            Unanswered::TimedOut(_) => Err("the connection was not closed".to_owned()),
            why => Err(why.to_string()),
        }
    }
}

/// The fields of a response to HEAD are those of one to GET, the date of the moment aside (RFC 9110, section 9.3.2).
fn same_fields(head: &Response, get: &Response) -> Verdict {
    let lines = |response: &Response| -> BTreeSet<String> {
        let told = response.fields().filter(|(name, _)| !name.eq_ignore_ascii_case("Date"));
        told.map(|(name, value)| format!("{name}: {value}")).collect()
    };
    let (head, get) = (lines(head), lines(get));
    let differing: Vec<&String> = head.symmetric_difference(&get).collect();
    if differing.is_empty() { Ok(()) } else { Err(format!("the fields are not those of a GET: {differing:?}")) }
}

/// What every response owes, whatever it was asked for.
fn owes(response: &Response) -> Verdict {
    let date = expect::date(response, "Date")?;
    let now = SystemTime::now();
    let off = now.duration_since(date).unwrap_or_else(|early| early.duration());
    if off > Duration::from_secs(10) {
        return Err(format!("Date is off by {off:?}"));
    }
    if response.has("Content-Length") && response.length().is_none() {
        return Err("Content-Length is no number".to_owned());
    }
    if response.has("Content-Length") && response.has("Transfer-Encoding") {
        return Err("both Content-Length and Transfer-Encoding".to_owned());
    }
    Ok(())
}

/// The beginning of a request, for whoever wants to send it again.
fn shown(bytes: &[u8]) -> String {
    const SHOWN: usize = 300;
    let text = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    let more = bytes.len().saturating_sub(SHOWN);
    if more == 0 { format!("\"{text}\"") } else { format!("\"{text}\" and {more} bytes more") }
}
