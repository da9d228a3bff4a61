//! Many connections at once, and who is served among them.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Client, Model, PATIENCE, Root, Server, Unanswered, eventually, request, wait_until};

harness::under_every_model!(
    serves_a_hundred_connections_at_once_with_one_worker,
    serves_a_newcomer_while_others_idle,
    serves_the_others_while_one_is_slow,
    delays_each_answer,
    carries_as_many_delayed_requests_as_its_model_can,
    pauses_beyond_the_maximum_of_connections,
    recovers_from_a_lack_of_descriptors,
    gives_everything_back_after_a_flood,
);

const CROWD: usize = 100;

/// A hundred clients, all connected before the first asks, each asking again and again until it has been answered so many
/// times. They open a new connection where the server closed the old one, as wrk does.
fn serves_a_hundred_connections_at_once_with_one_worker(model: Model) {
    const ANSWERS: usize = 20;
    let server = Server::of(model).workers(1).start();
    let address = server.address();
    let together = Barrier::new(CROWD);
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                together.wait();
                let mut answered = 0;
                while answered < ANSWERS {
                    client.offer(request("GET", "/", &[]));
                    match client.receive(PATIENCE) {
                        Ok(response) => {
                            answered += 1;
                            if !response.expect(200).keeps_alive() {
                                client = Client::connect(address);
                            }
                        }
                        Err(Unanswered::Closed(0) | Unanswered::Reset(0)) if model == Model::ThreadPool => {
                            // A worker that idled here for a moment went to somebody who waited.
                            client = Client::connect(address);
                        }
                        Err(why) => panic!("after {answered} answers: {why}"),
                    }
                }
            });
        }
    });
}

fn serves_a_newcomer_while_others_idle(model: Model) {
    let server = Server::of(model).workers(1).start();
    let mut idle = server.connect();
    assert!(idle.get("/").expect(200).keeps_alive());
    for _ in 0..5 {
        let begun = Instant::now();
        let mut newcomer = server.connect();
        newcomer.get("/").expect(200);
        // The idle one would be closed after a minute. At once is milliseconds.
        assert!(begun.elapsed() < PATIENCE / 4, "the newcomer waited {:?}", begun.elapsed());
    }
}

#[test]
fn a_fair_worker_does_not_stay_with_who_has_all() {
    let root = Root::new().file("some.bin", vec![b'x'; 300_000]);
    let server = Server::of(Model::ThreadPool).workers(2).root(&root).start();
    // Each has its whole answer, told to be the last or not, and closes nothing.
    let clients: Vec<Client> = (0..8)
        .map(|_| {
            let begun = Instant::now();
            let mut client = server.connect();
            client.get("/some.bin").expect(200);
            assert!(begun.elapsed() < PATIENCE / 4, "waited {:?}", begun.elapsed());
            client
        })
        .collect();
    drop(clients);
}

#[test]
fn a_pinned_worker_starves_newcomers() {
    let server = Server::of(Model::ThreadPool).workers(1).flags(["--keep-alive", "pinned"]).start();
    let mut first = server.connect();
    assert!(first.get("/").expect(200).keeps_alive());
    let mut newcomer = server.connect();
    newcomer.send(request("GET", "/", &[]));
    newcomer.hears_nothing_for(Duration::from_millis(500));
    for _ in 0..10 {
        assert!(first.get("/").expect(200).keeps_alive(), "a pinned worker stays");
    }
    newcomer.hears_nothing_for(Duration::from_millis(100));
    drop(first);
    newcomer.response().expect(200);
}

#[test]
fn a_fair_worker_takes_turns() {
    let server = Server::of(Model::ThreadPool).workers(1).start();
    let mut first = server.connect();
    assert!(first.get("/").expect(200).keeps_alive(), "nobody else waits");
    // Whether the worker sees the next request of the first or the newcomer before the other: the newcomer is served, and
    // the first has to go, because it is kept no longer than nobody waits.
    let mut second = server.connect();
    second.send(request("GET", "/", &[]));
    first.offer(request("GET", "/", &[]));
    second.response().expect(200);
    let end = first.until_end(PATIENCE);
    assert!(matches!(end, Unanswered::Closed(_) | Unanswered::Reset(_)), "{end}");
}

/// Fairness is for those who wait. While there is a worker for everybody, nobody does, however they arrive.
#[test]
fn a_fair_pool_with_a_worker_for_everybody_keeps_all_connections() {
    for _ in 0..10 {
        let server = Server::of(Model::ThreadPool).workers(16).start();
        let mut clients: Vec<Client> = (0..12).map(|_| server.connect()).collect();
        for _ in 0..3 {
            for client in &mut clients {
                client.send(request("GET", "/", &[]));
            }
            for client in &mut clients {
                assert!(client.response().expect(200).keeps_alive(), "told to go while workers are free");
            }
        }
    }
}

/// One worker, and a client that sends a request in pieces: in the event models nobody notices. A worker of the pool is
/// taken by it, so the pool has two.
fn serves_the_others_while_one_is_slow(model: Model) {
    let server = Server::of(model).workers(if model == Model::ThreadPool { 2 } else { 1 }).start();
    let mut slow = server.connect();
    for piece in request("GET", "/", &[]).chunks(4) {
        slow.send(piece);
        let begun = Instant::now();
        server.get("/style.css").expect(200);
        assert!(begun.elapsed() < PATIENCE / 4, "waited {:?}", begun.elapsed());
    }
    slow.response().expect(200);
}

fn delays_each_answer(model: Model) {
    let delay = Duration::from_millis(300);
    let server = Server::of(model).flags(["--delay", "300ms"]).start();
    let mut client = server.connect();
    for target in ["/", "/style.css", "/absent"] {
        let begun = Instant::now();
        client.get(target);
        assert!(begun.elapsed() >= delay, "{target} took {:?}", begun.elapsed());
    }
}

/// A hundred clients, each of whose answers has to wait. Ten workers can wait for ten answers at a time and not one more; who
/// does not wait with a thread can wait for all of them. That gives the least time that all answers take on any machine. The
/// wait is made longer until the machine's own work is short beside it: then they do not take four times as long.
fn carries_as_many_delayed_requests_as_its_model_can(model: Model) {
    const ANSWERS: u32 = 3;
    let (workers, at_once) = if model == Model::ThreadPool { (10, 10) } else { (1, CROWD as u32) };
    let mut seen = Vec::new();
    for milliseconds in [10, 30, 90, 270] {
        let server = Server::of(model).workers(workers).flags(["--delay", &format!("{milliseconds}ms")]).start();
        let least = Duration::from_millis(milliseconds) * CROWD as u32 * ANSWERS / at_once;
        let took = closed_loop(&server, ANSWERS);
        assert!(took >= least, "{took:?} is less than waits of {milliseconds} ms allow, which is {least:?}");
        if took < 4 * least {
            return;
        }
        seen.push((least, took));
    }
    panic!("(least, taken): {seen:?}");
}

/// How long it takes until a hundred clients have had so many answers each, one after the other.
fn closed_loop(server: &Server, answers: u32) -> Duration {
    let together = Barrier::new(CROWD + 1);
    let address = server.address();
    let mut begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                together.wait();
                let mut answered = 0;
                while answered < answers {
                    match client.offer(request("GET", "/", &[])).receive(PATIENCE) {
                        Ok(response) => {
                            answered += 1;
                            if !response.keeps_alive() {
                                client = Client::connect(address);
                            }
                        }
                        Err(_) => client = Client::connect(address),
                    }
                }
            });
        }
        begun = Instant::now();
        together.wait();
    });
    begun.elapsed()
}

fn pauses_beyond_the_maximum_of_connections(model: Model) {
    const MAXIMUM: usize = 8;
    // A worker for each, so that in the pool as well only the maximum keeps anybody waiting.
    let workers = if model == Model::ThreadPool { 16 } else { 1 };
    let server = Server::of(model).workers(workers).flags(["--max-connections", &MAXIMUM.to_string()]).start();
    let mut clients = Vec::new();
    for _ in 0..MAXIMUM {
        let mut client = server.connect();
        assert!(client.get("/").expect(200).keeps_alive());
        clients.push(client);
    }
    let mut waiting: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(request("GET", "/", &[]));
    }
    waiting[0].hears_nothing_for(Duration::from_millis(300));
    let before = server.process().cpu_ticks();
    waiting[1].hears_nothing_for(Duration::from_millis(1000));
    let used = server.process().cpu_ticks() - before;
    assert!(used < 30, "{used} ticks of CPU for waiting a second");
    for client in &mut clients {
        client.get("/").expect(200);
    }
    clients.truncate(MAXIMUM - 3);
    for client in &mut waiting {
        client.response().expect(200);
    }
}

fn recovers_from_a_lack_of_descriptors(model: Model) {
    let mut server = Server::of(model).workers(1).wrapper(["sh", "-c", "ulimit -n 40; exec \"$@\"", "sh"]).start();
    server.get("/").expect(200);
    let crowd: Vec<Client> = (0..80)
        .map(|_| {
            let mut client = server.connect();
            client.offer(request("GET", "/", &[]));
            client
        })
        .collect();
    // The lack lasts: does the accept loop burn the CPU meanwhile?
    thread::sleep(Duration::from_millis(200));
    let before = server.process().cpu_ticks();
    thread::sleep(Duration::from_secs(1));
    let used = server.process().cpu_ticks() - before;
    assert!(server.runs(), "the server died");
    assert!(used < 50, "{used} ticks of CPU within a second of having no descriptors");
    drop(crowd);
    for _ in 0..10 {
        server.get("/").expect(200);
    }
}

fn gives_everything_back_after_a_flood(model: Model) {
    let server = Server::of(model).workers(2).start();
    let burst = || {
        let mut clients: Vec<Client> = (0..150).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.send(request("GET", "/", &[]));
        }
        for client in &mut clients {
            client.response().expect(200);
        }
    };
    burst();
    let counts = || (server.process().descriptors(), server.process().threads());
    server.get("/").expect(200);
    wait_until("the first burst is over", || counts().0 < 100 && counts().1 < 100);
    // What the first burst left open is what is kept for the next; it must not grow.
    thread::sleep(Duration::from_millis(200));
    let (descriptors, threads) = counts();
    for _ in 0..3 {
        burst();
    }
    let given_back = eventually(PATIENCE, || counts().0 <= descriptors && counts().1 <= threads);
    assert!(given_back, "(descriptors, threads) were {:?} and are {:?}", (descriptors, threads), counts());
}
