//! Programs that people point at a web server, pointed at each of ours.

use std::env;
use std::process::Command;
use std::time::Duration;

use harness::{Finished, Model, Root, Server, SocketErrors, WrkText, finish, tool, tool_among};

harness::under_every_model!(
    curl_fetches,
    wrk_runs_to_its_end,
    ab_runs_to_its_end,
    ab_runs_to_its_end_with_keep_alive,
    h2load_runs_to_its_end,
    a_browser_shows_the_site,
);

const LIMIT: Duration = Duration::from_secs(60);

fn curl_fetches(model: Model) {
    let root = Root::with_index("index").file("deep/with space.txt", "spaced").directory("none");
    let server = Server::of(model).root(&root).start();
    let curl = |arguments: &[&str], target: &str| -> Option<Finished> {
        let mut curl = tool("curl")?;
        curl.args(["--silent", "--show-error", "--max-time", "20"]).args(arguments).arg(server.url(target));
        Some(finish(&mut curl, LIMIT).succeeded())
    };
    let Some(page) = curl(&[], "/") else { return };
    assert_eq!(page.stdout, "index");
    let stdout = |arguments: &[&str], target: &str| curl(arguments, target).expect("curl was there").stdout;
    assert_eq!(stdout(&["--http1.0"], "/"), "index");
    assert_eq!(stdout(&[], "/deep/with%20space.txt"), "spaced");
    assert_eq!(stdout(&["--write-out", "%{http_code}", "--output", "/dev/null"], "/absent"), "404");
    assert_eq!(stdout(&["--data", "a=b", "--write-out", "%{http_code}", "--output", "/dev/null"], "/"), "405");
    let head = stdout(&["--head"], "/");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nContent-Length: 5\r\n"), "{head}");
    assert!(stdout(&["--location", "--write-out", "%{url_effective}"], "/deep").ends_with("/deep/"));
    // One connection for several files.
    let url = server.url("/");
    let several = stdout(&[&url, &url, "--write-out", " %{num_connects} "], "/");
    assert_eq!(several, "index 1 index 0 index 0 ");
}

/// The first server's benchmark in miniature: 100 connections, one worker.
fn wrk_runs_to_its_end(model: Model) {
    let server = Server::of(model).workers(1).start();
    let Some(mut wrk) = tool("wrk") else { return };
    wrk.args(["-c", "100", "-d", "2s", "-t", "1", "--latency", &server.url("/")]);
    let finished = finish(&mut wrk, LIMIT).succeeded();
    let text = WrkText::parse(&finished.stdout).unwrap_or_else(|why| panic!("{why}\n{}", finished.stdout));
    assert_eq!((text.threads, text.connections, text.not_2xx_or_3xx), (1, 100, 0));
    assert!(text.requests >= 100, "{}", finished.stdout);
    if model == Model::ThreadPool {
        assert!(text.socket_errors.are_only_closed_while_idle(text.requests), "{}", finished.stdout);
    } else {
        assert_eq!(text.socket_errors, SocketErrors::default(), "{}", finished.stdout);
    }
    // Every answer is whole: a head and the 612 bytes of the index.
    let bytes_per_request = text.bytes / text.requests as f64;
    assert!((612.0..1200.0).contains(&bytes_per_request), "{}", finished.stdout);
}

/// As many requests as fit into a test run; all 50,000 where `OTUS_AB_REQUESTS` says so.
fn ab(model: Model, flags: &[&str]) -> Option<String> {
    let server = Server::of(model).start();
    let requests =
        env::var("OTUS_AB_REQUESTS").map_or(5000, |text| text.parse().expect("OTUS_AB_REQUESTS is a number"));
    let mut ab = tool("ab")?;
    ab.args(["-q", "-r", "-n", &requests.to_string(), "-c", "100"]).args(flags).arg(server.url("/"));
    let finished = finish(&mut ab, LIMIT * 2).succeeded();
    let line = |label: &str| {
        let line = finished.stdout.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no {label:?} in {}", finished.stdout)).trim().to_owned()
    };
    assert_eq!(line("Complete requests:"), requests.to_string());
    let failed: u32 = line("Failed requests:").parse().expect("a count of failures");
    // A fair pool ends a connection that idles when somebody waits, and ab counts it if it was just about to ask.
    let excused = if model == Model::ThreadPool && flags.contains(&"-k") { requests / 50 } else { 0 };
    assert!(failed <= excused, "{}", finished.stdout);
    assert_eq!(line("Document Length:"), "612 bytes");
    assert!(!finished.stdout.contains("Non-2xx"), "{}", finished.stdout);
    Some(finished.stdout.clone())
}

fn ab_runs_to_its_end(model: Model) {
    ab(model, &[]);
}

fn ab_runs_to_its_end_with_keep_alive(model: Model) {
    let Some(text) = ab(model, &["-k"]) else { return };
    let kept = text.lines().find_map(|line| line.strip_prefix("Keep-Alive requests:")).map(str::trim);
    let kept: u32 = kept.and_then(|kept| kept.parse().ok()).unwrap_or_else(|| panic!("no count of kept in {text}"));
    // A fair pool with fewer workers than clients keeps hardly any.
    assert!(kept > 0 || model == Model::ThreadPool, "{text}");
}

fn h2load_runs_to_its_end(model: Model) {
    let server = Server::of(model).workers(2).start();
    let Some(mut h2load) = tool("h2load") else { return };
    h2load.args(["--h1", "-n", "5000", "-c", "100", &server.url("/")]);
    let finished = finish(&mut h2load, LIMIT).succeeded();
    let line = |label: &str| {
        let line = finished.stdout.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("no {label:?} in {}", finished.stdout)).to_owned()
    };
    let count = |line: &str, what: &str| -> u32 {
        let part = line.split(", ").find_map(|part| part.trim().strip_suffix(what));
        part.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no {what:?} in {line:?}"))
    };
    let (requests, codes) = (line("requests:"), line("status codes:"));
    let succeeded = count(&requests, "succeeded");
    assert_eq!(
        (count(&requests, "done"), count(&codes, "2xx"), count(&requests, "timeout")),
        (succeeded, succeeded, 0)
    );
    // When a connection ends between two requests, h2load gives up all that were to come on it.
    let least = if model == Model::ThreadPool { 2500 } else { 5000 };
    assert!(succeeded >= least, "{}", finished.stdout);
}

/// The page, its style sheet and its script, which asks the server some twenty times and writes what it measured.
fn a_browser_shows_the_site(model: Model) {
    let server = Server::of(model).log(harness::Log::Collected).start();
    let Some(browser) = tool_among(&["chromium", "chromium-browser", "google-chrome"]) else { return };
    let profile = Root::new();
    let mut command = Command::new(browser.get_program());
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-extensions", "--disable-background-networking", "--no-proxy-server"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=20000", "--dump-dom", &server.url("/")]);
    let finished = finish(&mut command, LIMIT).succeeded();
    assert!(finished.stdout.contains("<title>One site, four servers</title>"), "{finished:?}");
    assert!(finished.stdout.contains("The median of 21 requests from here took"), "{finished:?}");
    for target in ["/", "/style.css", "/round-trip.js", "/images/models.svg"] {
        let asked = format!("\"GET {target} HTTP/1.1\" 200 ");
        harness::wait_until(&format!("{target} is logged"), || {
            server.log_lines().iter().any(|line| line.contains(&asked))
        });
    }
}
