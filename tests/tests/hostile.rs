//! Hostile clients, and what those who mean well notice of them.
//!
//! Each model is attacked in the same ways while a [`GoodClient`] goes on asking. What it has to get differs by model,
//! and is what the documentation of each model promises:
//!
//! - Event loops and tasks serve it as if nobody else were there, but for the CPU that the attack takes.
//! - A thread for each connection does the same, as long as there are threads.
//! - A pool serves it in its turn: behind all who came before, each of whom holds a worker up to a timeout.
//!
//! Tests run beside each other as far as there are descriptors: a latency is judged beside that of a server that nobody attacks
//! at the same time.

use std::fs::File;
use std::thread;
use std::time::Duration;

use harness::{Attack, Client, GoodClient, Model, PATIENCE, Room, Root, Server, Start};
use harness::{eventually, request, scaled, wait_until};

harness::under_every_model!(
    serves_a_good_client_during_every_attack,
    keeps_ten_thousand_idle_connections,
    answers_ten_thousand_pipelined_requests_exactly,
    recovers_from_a_flood_beyond_the_maximum_of_connections,
    answers_while_descriptors_are_scarce,
    serves_a_good_client_during_every_attack_with_few_descriptors,
    serves_a_good_client_while_others_hold_large_files_open,
    serves_cached_files_without_a_free_descriptor,
    stops_without_a_free_descriptor,
);

const BODY: &str = "a page of some forty bytes, as an example";

/// How long the good client goes on during each attack.
const VISIT: Duration = Duration::from_millis(400);
/// A median above this is no accident of a busy machine.
const SWIFT: Duration = Duration::from_millis(50);
/// Nobody waits so long in a model that is not held up.
const BEARABLE: Duration = Duration::from_secs(5);

/// A small page, and files without bytes on the disk: one larger than all that sockets buffer, one that is not.
fn root() -> Root {
    let root = Root::with_index(BODY);
    for (name, length) in [("large.bin", 64 << 20), ("medium.bin", 2 << 20)] {
        let file = File::create(root.path().join(name)).expect("a file in our own directory");
        file.set_len(length).expect("a sparse file");
    }
    root
}

/// Starts a server that may have 256 descriptors open, whatever the limit of the tests is.
const FEW_DESCRIPTORS: [&str; 4] = ["sh", "-c", "ulimit -n 256; exec \"$@\"", "sh"];

/// A pool has many workers and short timeouts here: each attacker may hold one worker for so long.
const POOL_WORKERS: u32 = 32;
const POOL_TIMEOUTS: [&str; 6] = ["--header-timeout", "200ms", "--idle-timeout", "200ms", "--send-timeout", "200ms"];

fn start(model: Model, root: &Root) -> Start {
    let start = Server::of(model).root(root);
    if model == Model::ThreadPool { start.workers(POOL_WORKERS).flags(POOL_TIMEOUTS) } else { start.workers(2) }
}

/// Descriptors, threads and memory of a server at one moment.
#[derive(Debug, Clone, Copy)]
struct Holdings {
    descriptors: usize,
    threads: usize,
    resident: u64,
}

impl Holdings {
    fn of(server: &Server) -> Self {
        let process = server.process();
        Self { descriptors: process.descriptors(), threads: process.threads(), resident: process.resident_bytes() }
    }
}

/// Panics unless the server has given back, soon, all that attacks took but the memory that is `kept`, and rests.
#[track_caller]
fn assert_recovered(server: &Server, before: Holdings, kept: u64) {
    // A few more threads and descriptors are what a runtime keeps for next time: far fewer than there were connections.
    const KEPT: usize = 24;
    /// What allocators keep: a leak of 4 KiB for each connection of these attacks would be more.
    const GROWTH: u64 = 64 << 20;
    let given_back = eventually(PATIENCE, || {
        let now = Holdings::of(server);
        now.descriptors <= before.descriptors + KEPT && now.threads <= before.threads + KEPT
    });
    let now = Holdings::of(server);
    assert!(given_back, "before: {before:?}, {PATIENCE:?} after: {now:?}");
    assert!(now.resident <= before.resident + GROWTH + kept, "before: {before:?}, after: {now:?}");
    assert_rests(server);
}

/// Panics unless a newcomer gets the file, soon. Not at once: the server learns of clients that have gone one after the
/// other, and until it has let go of enough of them a 503 is the right answer.
#[track_caller]
fn assert_serves_again(server: &Server) {
    let mut status = 0;
    let serves = eventually(PATIENCE, || {
        status = server.get("/").status;
        assert!([200, 503].contains(&status), "{status}");
        status == 200
    });
    assert!(serves, "{PATIENCE:?} after the others have gone the answer is still {status}");
}

/// Panics if the server uses the CPU although nobody asks for anything.
#[track_caller]
fn assert_rests(server: &Server) {
    // Something may still be under way at first; what spins does so for ever.
    const MOST: u64 = 10;
    let mut used = 0;
    for _ in 0..5 {
        let before = server.process().cpu_ticks();
        thread::sleep(Duration::from_secs(1));
        used = server.process().cpu_ticks() - before;
        if used <= MOST {
            return;
        }
    }
    panic!("{used} ticks of CPU within a second in which nobody asked for anything");
}

/// Every attack; `slow` is the number of slow and of silent clients. A pool serves one of them after another, and the good
/// client after all of them, so it gets fewer.
fn attacks(model: Model, slow: usize) -> Vec<Attack> {
    let slow = if model == Model::ThreadPool { 3 * POOL_WORKERS as usize } else { slow };
    // The kernel keeps up to 4 MiB for each, of a memory for TCP that all sockets of the machine share.
    let readers = 2 * POOL_WORKERS as usize;
    vec![
        Attack::slowloris(slow),
        Attack::silence(slow),
        Attack::never_reading(readers, "/large.bin"),
        Attack::garbage(50),
        Attack::aborts(50, "/large.bin"),
        Attack::half_closes(20, "/medium.bin"),
        Attack::endless_headers(50),
        Attack::endless_request_lines(50),
        Attack::pipelines(4, 10_000),
    ]
}

fn serves_a_good_client_during_every_attack(model: Model) {
    let root = root();
    let _room = Room::for_connections(1000);
    let mut server = start(model, &root).start();
    let other = start(model, &root).start();
    let mut client = GoodClient::new(server.address(), "/", BODY);
    let mut undisturbed = GoodClient::new(other.address(), "/", BODY);
    client.visit(VISIT, PATIENCE);
    let before = Holdings::of(&server);
    for attack in attacks(model, scaled(1000)) {
        let attackers = attack.start(server.address());
        assert!(attackers.in_place_within(PATIENCE), "{}: only {:?}", attack.name, attackers.toll());
        assert_served(model, &attack, &mut client, &mut undisturbed);
        let toll = attackers.stop();
        if attack.manner.half_close && model != Model::ThreadPool {
            assert_eq!(toll.fewest, toll.most, "{}: not every answer is whole: {toll:?}", attack.name);
        }
    }
    assert!(server.runs(), "the server died");
    client.visit(Duration::from_millis(50), PATIENCE);
    drop(client);
    assert_recovered(&server, before, 0);
}

/// Panics unless the good client is served as the model promises. How long a response takes on this machine at this moment, a
/// client of another server shows that nobody attacks. The burst with which an attack begins may be felt, so the client visits
/// again before it complains of slowness, but never of silence.
#[track_caller]
fn assert_served(model: Model, attack: &Attack, client: &mut GoodClient, undisturbed: &mut GoodClient) {
    const VISITS: usize = 6;
    let mut seen = Vec::new();
    for _ in 0..VISITS {
        let (during, beside) = thread::scope(|scope| {
            let beside = scope.spawn(|| undisturbed.visit(VISIT, PATIENCE).all());
            (client.visit(VISIT, PATIENCE).all(), beside.join().expect("the other client's visit"))
        });
        let (Some(median), Some(longest)) = (during.median(), during.longest()) else {
            panic!("{}: {during}", attack.name)
        };
        assert_eq!(during.unserved(), 0, "{}: {during}", attack.name);
        let [swift, bearable] = [(SWIFT, beside.median()), (BEARABLE, beside.longest())]
            .map(|(least, usual)| least.max(10 * usual.unwrap_or_default()));
        // In a pool it waits for its turn, which may take as long as `PATIENCE`.
        if model == Model::ThreadPool || median <= swift && longest <= bearable {
            return;
        }
        seen.push(format!("{during}; of a server without attackers: {beside}"));
    }
    panic!("{}: {seen:#?}", attack.name);
}

/// What an idle connection costs differs most between the models. These bounds are generous for a debug build; figures
/// are in docs/hostile-clients.md.
fn keeps_ten_thousand_idle_connections(model: Model) {
    let root = root();
    let _room = Room::for_connections(10_000);
    let workers = if model == Model::ThreadPool { POOL_WORKERS } else { 2 };
    let server = Server::of(model).root(&root).workers(workers).start();
    let other = start(model, &root).start();
    let mut client = GoodClient::new(server.address(), "/", BODY);
    let mut undisturbed = GoodClient::new(other.address(), "/", BODY);
    client.visit(VISIT, PATIENCE);
    let attack = Attack::idle(scaled(10_000));
    let before = Holdings::of(&server);
    let attackers = attack.start(server.address());
    let all_answered = eventually(PATIENCE * 2, || attackers.answered() == attack.connections);
    assert!(all_answered, "{} of {} were answered: {:?}", attackers.answered(), attack.connections, attackers.toll());
    if model == Model::ThreadPool {
        // No worker stays with anybody while others wait: all but the last few are told to go.
        wait_until("the others are told to go", || attackers.open() <= POOL_WORKERS as usize);
    } else {
        assert_eq!(attackers.open(), attack.connections, "somebody was not kept");
        let now = Holdings::of(&server);
        let each = (now.resident - before.resident) / attack.connections as u64;
        let threads = now.threads - before.threads;
        let (most_memory, most_threads) =
            if model == Model::ThreadPerConnection { (96 << 10, attack.connections) } else { (4 << 10, 8) };
        assert!(each <= most_memory && threads <= most_threads, "{each} bytes each, {threads} threads more");
    }
    assert_rests(&server);
    assert_served(model, &attack, &mut client, &mut undisturbed);
    attackers.stop();
    drop(client);
    // What ten thousand threads have used stays with the allocator for the next: 13 KiB each.
    let kept = if model == Model::ThreadPerConnection { 20 << 10 } else { 0 };
    assert_recovered(&server, before, kept * attack.connections as u64);
}

fn answers_ten_thousand_pipelined_requests_exactly(model: Model) {
    const REQUESTS: usize = 10_000;
    let names = ["/one", "/two", "/absent", "/three"];
    let root = Root::new().file("one", "1").file("two", "22".repeat(100)).file("three", "333".repeat(10_000));
    // So many workers that a pool never has a reason to send anybody away.
    let server = Server::of(model).workers(8).root(&root).start();
    let expected = names.map(|name| server.get(name));
    let mut client = server.connect();
    let stream: Vec<u8> = names.iter().cycle().take(REQUESTS).flat_map(|name| request("GET", name, &[])).collect();
    for (number, answer) in client.exchange(&stream, REQUESTS).into_iter().enumerate() {
        let expected = &expected[number % names.len()];
        assert_eq!(answer.status, expected.status, "the answer number {number}");
        assert!(answer.body == expected.body, "the answer number {number}");
    }
    client.half_close().closed();
}

fn recovers_from_a_flood_beyond_the_maximum_of_connections(model: Model) {
    const MAXIMUM: usize = 64;
    const ATTACKERS: usize = 300;
    let root = root();
    let _room = Room::for_connections(ATTACKERS);
    let flags = ["--max-connections", "64", "--idle-timeout", "300ms"];
    let server = Server::of(model).root(&root).workers(POOL_WORKERS).flags(flags).start();
    let mut client = GoodClient::new(server.address(), "/", BODY);
    client.visit(Duration::from_millis(50), PATIENCE);
    let before = Holdings::of(&server);
    let attackers = Attack::flood(ATTACKERS).start(server.address());
    wait_until("the flood has come", || attackers.answered() > 2 * MAXIMUM);
    let ticks = server.process().cpu_ticks();
    // In its turn: 300 before it, 64 at a time, 300 ms each.
    let visits = client.visit(Duration::from_secs(1), PATIENCE);
    let used = server.process().cpu_ticks() - ticks;
    let (all, held) = (visits.all(), server.process().descriptors().saturating_sub(before.descriptors));
    assert!(all.served() > 0 && all.unserved() == 0, "{all}");
    // Beside its connection each worker may have a file open.
    assert!(held <= MAXIMUM + POOL_WORKERS as usize, "{held} descriptors for {MAXIMUM} connections");
    // The visit may take some seconds, of which each has 100 ticks a CPU.
    let seconds = 1 + all.longest().expect("some were served").as_secs();
    assert!(used < 50 * (seconds + 1), "{used} ticks of CPU within about {seconds} s");
    attackers.stop();
    drop(client);
    assert_recovered(&server, before, 0);
    server.get("/").expect(200);
}

/// With a maximum of connections that the descriptors do not allow, accepting fails, and so does opening files.
fn answers_while_descriptors_are_scarce(model: Model) {
    const CLIENTS: usize = 500;
    let root = root();
    let _room = Room::for_connections(CLIENTS);
    let scarce = |idle_timeout: &str| {
        let flags = ["--max-connections", "1000", "--cache-ttl", "0", "--idle-timeout", idle_timeout];
        let start = Server::of(model).root(&root).workers(8).flags(flags);
        start.wrapper(["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"]).start()
    };
    let crowd = |server: &Server| -> Vec<Client> {
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.offer(request("GET", "/", &[]));
        }
        clients
    };

    // Whoever is accepted gets an answer, and once they have gone the next ones do, until all had one.
    let mut server = scarce("300ms");
    for (number, mut client) in crowd(&server).into_iter().enumerate() {
        let status = client.response().status;
        assert!([200, 503].contains(&status), "{status} for client {number}");
    }
    assert!(server.runs(), "the server died");
    assert_serves_again(&server);

    // While nobody goes, the server waits, and waits idly.
    let mut server = scarce("60s");
    let clients = crowd(&server);
    assert_rests(&server);
    drop(clients);
    assert_serves_again(&server);
    assert!(server.runs(), "the server died");
    let errors = server.errors();
    assert!(errors.len() < 10_000, "it complains without end: {errors}");
    assert!(errors.contains("--max-connections 1000"), "it does not say that the descriptors are too few: {errors}");
}

/// With few descriptors there is room for few connections, and whoever comes later waits for those before it: under every
/// model the good client is served in its turn, so all have short timeouts.
fn serves_a_good_client_during_every_attack_with_few_descriptors(model: Model) {
    /// More slow clients than there is room for.
    const SLOW: usize = 300;
    let root = root();
    let _room = Room::for_connections(SLOW);
    let mut start = start(model, &root).wrapper(FEW_DESCRIPTORS);
    if model != Model::ThreadPool {
        start = start.flags(["--header-timeout", "1s", "--idle-timeout", "1s", "--send-timeout", "1s"]);
    }
    let mut server = start.start();
    let mut client = GoodClient::new(server.address(), "/", BODY);
    client.visit(VISIT, PATIENCE);
    let before = Holdings::of(&server);
    for attack in attacks(model, SLOW) {
        let attackers = attack.start(server.address());
        assert!(attackers.in_place_within(PATIENCE), "{}: only {:?}", attack.name, attackers.toll());
        let during = client.visit(VISIT, PATIENCE).all();
        assert!(during.served() > 0 && during.unserved() == 0, "{}: {during}", attack.name);
    }
    assert!(server.runs(), "the server died");
    drop(client);
    assert_recovered(&server, before, 0);
    assert_serves_again(&server);
}

/// 130 sockets and 130 open files are more than 256 descriptors. The timeouts of all models but the pool are longer than this
/// test: nothing that an attacker holds comes back meanwhile.
fn serves_a_good_client_while_others_hold_large_files_open(model: Model) {
    const ATTACKERS: usize = 130;
    /// Long enough for the cached page to be checked again, which the default does each second.
    const VISIT: Duration = Duration::from_secs(3);
    let root = root();
    let _room = Room::for_connections(ATTACKERS);
    let mut server = start(model, &root).wrapper(FEW_DESCRIPTORS).start();
    let mut client = GoodClient::new(server.address(), "/", BODY);
    client.visit(Duration::from_millis(50), PATIENCE);
    let before = Holdings::of(&server);
    let attackers = Attack::never_reading(ATTACKERS, "/large.bin").start(server.address());
    assert!(attackers.in_place_within(PATIENCE), "only {:?}", attackers.toll());
    let during = client.visit(VISIT, PATIENCE).all();
    assert!(during.served() > 0 && during.unserved() == 0, "{during}");
    attackers.stop();
    assert!(server.runs(), "the server died");
    drop(client);
    assert_recovered(&server, before, 0);
    server.get("/").expect(200);
}

/// Standard input, output and error: with this limit a server cannot open anything more.
const NO_MORE_DESCRIPTORS: u64 = 3;

fn serves_cached_files_without_a_free_descriptor(model: Model) {
    let root = root().file("other.txt", "another page");
    // Each request makes the server look whether the page has changed.
    let mut server = Server::of(model).root(&root).workers(8).flags(["--cache-ttl", "0"]).start();
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.get("/").expect(200);
    }
    let before = server.limit_descriptors(NO_MORE_DESCRIPTORS);

    for _ in 0..3 {
        let response = clients[0].get("/").expect(200);
        assert!(response.body == BODY.as_bytes() && response.keeps_alive());
    }
    // What cannot be opened is refused, and the connection ended, which gives its descriptor back.
    let refused = clients[1].get("/other.txt").expect(503);
    assert!(!refused.keeps_alive() && refused.has("Retry-After"), "{refused:?}");
    clients[1].closed();
    // A changed page is not served as it was.
    root.write("index.html", "changed");
    clients[2].get("/").expect(503);

    // An accept(2) that has begun has a descriptor already, so one more client may come in.
    let _one_more = server.connect();
    let mut newcomer = server.connect();
    newcomer.send(request("GET", "/", &[]));
    newcomer.hears_nothing_for(Duration::from_millis(300));
    assert_rests(&server);
    server.limit_descriptors(before);
    assert!(newcomer.response().expect(200).body == b"changed");
    assert!(clients[0].get("/").expect(200).body == b"changed");
    assert!(server.runs(), "the server died");
}

fn stops_without_a_free_descriptor(model: Model) {
    // Only a stop by itself is soon enough.
    let mut server = Server::of(model).workers(2).flags(["--grace", "10m"]).start();
    let mut client = server.connect();
    client.get("/").expect(200);
    server.limit_descriptors(NO_MORE_DESCRIPTORS);
    server.terminate();
    assert!(server.ends_within(PATIENCE).success());
    client.closed();
}
