//! Measures what hostile clients cost the servers, and what a good client notices of them; prints Markdown.
//!
//! For each model: the memory and the threads of ten thousand idle connections, and the latencies of a good client in
//! calm and during each attack. The figures of docs/hostile-clients.md are made by this program, in its release build.
#![forbid(unsafe_code)]

use std::fs::File;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use harness::{Attack, GoodClient, Latencies, Model, Root, Server, eventually, scaled};
use loadgen::console;

/// The servers under siege: memory of idle connections, and a good client's latencies during each attack
#[derive(Debug, Parser)]
struct Options {
    /// How long the good client measures in calm and during each attack, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many idle connections
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Only this model; may be given several times
    #[arg(long, value_name = "MODEL")]
    only: Vec<String>,
    /// Workers, where the model has any
    #[arg(short, long, default_value_t = 4)]
    workers: u32,
}

const PAGE: usize = 612;
/// What a good client waits for an answer, and a server for an attack to be in place.
const PATIENCE: Duration = Duration::from_secs(10);

/// One model's column.
struct Column {
    model: Model,
    idle: Idle,
    /// Kept and fresh, in calm and during each attack.
    visits: Vec<(String, Latencies, Latencies)>,
}

struct Idle {
    asked: usize,
    held: usize,
    resident_before: u64,
    resident: u64,
    threads_before: usize,
    threads: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let models: Vec<Model> = Model::ALL
        .into_iter()
        .filter(|model| options.only.is_empty() || options.only.iter().any(|name| name == model.name()))
        .collect();
    let columns: Vec<Column> = models.into_iter().map(|model| besiege(model, &options)).collect();
    console::say(format_args!("{}\n{}\n", idle_table(&columns), latency_table(&columns)));
    console::exit_code("siege", ExitCode::SUCCESS)
}

fn besiege(model: Model, options: &Options) -> Column {
    let root = Root::with_index(&"x".repeat(PAGE));
    let large = File::create(root.path().join("large.bin")).expect("a file in a directory of our own");
    large.set_len(64 << 20).expect("a sparse file");
    let idle = measure_idle(model, &root, options);
    let attacks = [
        Attack::slowloris(scaled(1000)),
        Attack::silence(scaled(1000)),
        Attack::never_reading(scaled(200), "/large.bin"),
        Attack::idle(scaled(options.idle)),
        Attack::garbage(100),
        Attack::aborts(100, "/large.bin"),
        Attack::half_closes(100, "/"),
        Attack::endless_headers(100),
        Attack::endless_request_lines(100),
        Attack::pipelines(4, 10_000),
        Attack::flood(2000),
    ];
    let mut visits = Vec::new();
    for attack in [None].into_iter().chain(attacks.iter().map(Some)) {
        let name =
            attack.map_or("calm".to_owned(), |attack| format!("{}, {}", attack.name, thousands(attack.connections)));
        let (kept, fresh) = visit(model, &root, attack, options);
        console::tell(format_args!("{}: {name}: kept: {kept}; fresh: {fresh}\n", model.name()));
        visits.push((name, kept, fresh));
    }
    Column { model, idle, visits }
}

/// A fresh server for each attack, so that none feels the one before.
fn visit(model: Model, root: &Root, attack: Option<&Attack>, options: &Options) -> (Latencies, Latencies) {
    let mut start = Server::of(model).root(root).workers(options.workers);
    if attack.is_some_and(|attack| attack.name == "flood") {
        start = start.flags(["--max-connections", "1000", "--idle-timeout", "1s"]);
    }
    let server = start.start();
    let mut client = GoodClient::new(server.address(), "/", "x".repeat(PAGE));
    client.visit(Duration::from_millis(200), PATIENCE);
    let attackers = attack.map(|attack| attack.start(server.address()));
    if let Some(attackers) = &attackers {
        attackers.in_place_within(PATIENCE);
    }
    let visits = client.visit(Duration::from_secs(options.seconds), PATIENCE);
    drop(attackers);
    (visits.kept, visits.fresh)
}

fn measure_idle(model: Model, root: &Root, options: &Options) -> Idle {
    let server = Server::of(model).root(root).workers(options.workers).start();
    GoodClient::new(server.address(), "/", "x".repeat(PAGE)).visit(Duration::from_millis(200), PATIENCE);
    let process = server.process();
    let (resident_before, threads_before) = (process.resident_bytes(), process.threads());
    let attack = Attack::idle(scaled(options.idle));
    let attackers = attack.start(server.address());
    let begun = Instant::now();
    eventually(PATIENCE * 2, || attackers.answered() == attack.connections);
    // In a pool those who are told to go do so a moment after their answer.
    eventually(PATIENCE, || model != Model::ThreadPool || attackers.open() <= options.workers as usize);
    let idle = Idle {
        asked: attack.connections,
        held: attackers.open(),
        resident_before,
        resident: process.resident_bytes(),
        threads_before,
        threads: process.threads(),
    };
    console::tell(format_args!(
        "{}: {} of {} idle after {:.1?}\n",
        model.name(),
        idle.held,
        idle.asked,
        begun.elapsed(),
    ));
    idle
}

fn idle_table(columns: &[Column]) -> String {
    let mut text = String::from(
        "| model | idle connections kept | memory before | memory with them | for each | threads for each |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    for Column { model, idle, .. } in columns {
        let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        let more = idle.resident.saturating_sub(idle.resident_before);
        let (each, threads) = if idle.held * 2 < idle.asked {
            ("–".to_owned(), "–".to_owned())
        } else {
            let threads = (idle.threads - idle.threads_before) as f64 / idle.held as f64;
            (format!("{:.1} KiB", more as f64 / 1024.0 / idle.held as f64), format!("{threads:.0}"))
        };
        text.push_str(&format!(
            "| {} | {} of {} | {} | {} | {each} | {threads} |\n",
            model.name(),
            thousands(idle.held),
            thousands(idle.asked),
            mebibytes(idle.resident_before),
            mebibytes(idle.resident),
        ));
    }
    text
}

fn latency_table(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.model.name()).collect();
    let mut text = format!("| | connection | {} |\n|---|---|{}\n", names.join(" | "), "--:|".repeat(names.len()));
    let rows = columns.first().map_or(0, |column| column.visits.len());
    for row in 0..rows {
        for kept in [true, false] {
            let name = if kept { &columns[0].visits[row].0 } else { "" };
            text.push_str(&format!("| {name} | {} |", if kept { "kept" } else { "fresh" }));
            for column in columns {
                let (_, on_kept, on_fresh) = &column.visits[row];
                text.push_str(&format!(" {} |", cell(if kept { on_kept } else { on_fresh })));
            }
            text.push('\n');
        }
    }
    text
}

/// `10,000`
fn thousands(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", thousands(number / 1000), number % 1000) }
}

/// `0.12 / 0.80 ms`: the median and the 99th percentile.
fn cell(latencies: &Latencies) -> String {
    let milliseconds = |time: Duration| {
        let time = time.as_secs_f64() * 1000.0;
        if time < 10.0 { format!("{time:.2}") } else { format!("{time:.0}") }
    };
    let (served, unserved) = (latencies.served(), latencies.unserved());
    match (latencies.median(), latencies.percentile(99)) {
        (Some(median), Some(ninety_nine)) => {
            let times = format!("{} / {} ms", milliseconds(median), milliseconds(ninety_nine));
            if unserved == 0 { times } else { format!("{times}, {unserved} of {} not served", served + unserved) }
        }
        _ if unserved > 0 => format!("none of {unserved} served"),
        _ => "not kept".to_owned(),
    }
}
