//! Rules about CPUs: where the server was, whether it had anything to do, and how long it has to work to be measured.

use reports::ranking::tables;
use reports::reason::Reason;
use reports::record::Run;
use reports::sample::{Elsewhere, Others};
use reports::system_calls::Pass;
use reports::validity::Standing;
use reports::{Counting, ServerSample, SystemCalls};

use crate::fixture::CONNECTIONS;
use crate::validity::{assert_ranked, changed, notes, reasons, standing, with_row};

/// A row whose server used so much CPU time in each round, and whose client was busy for 5 %.
fn waiting(server_cpu: f64, median_ms: u64) -> Run {
    changed(move |measurement| {
        for round in &mut measurement.rounds {
            let server = round.server.as_mut().unwrap();
            (server.cpu_user_seconds, server.cpu_system_seconds) = (0.0, server_cpu);
            let outcome = round.outcome.as_mut().unwrap();
            outcome.threads[0].cpu_ns = 50_000_000;
            outcome.responses = 1_000 * u64::from(CONNECTIONS) / median_ms;
            outcome.requests = outcome.responses + u64::from(CONNECTIONS);
            outcome.statuses = [(200, outcome.responses)].into();
            outcome.latency.clear();
            (0..outcome.responses).for_each(|_| outcome.latency.record(median_ms * 1_000_000));
        }
    })
}

#[test]
fn a_server_and_a_client_that_both_waited_are_not_ranked() {
    let names = |run: &Run| with_row(run, |row| row.validity.reasons.iter().map(Reason::name).collect::<Vec<_>>());
    let idle = waiting(0.33, 10);
    assert_eq!((names(&idle), standing(&idle)), (vec!["both idle"], Standing::Invalid));
    let [reason] = &reasons(&idle)[..] else { panic!("one reason") };
    assert!(reason.starts_with("Neither side was at its limit: the server was busy 33 %"), "{reason}");
    assert!(reason.contains("a lock, a sleep or a timer, the disk") && !reason.contains("stop them"), "{reason}");
    assert_eq!(notes(&idle), [""; 0]);
    // One side that works is enough, and so is one CPU of many for a server that does one thing at a time.
    assert_ranked(&waiting(0.8, 10));
    let mut one_at_a_time = waiting(0.8, 10);
    one_at_a_time.measurements[0].placement.server_cpus = vec![0, 2, 3, 4];
    assert_ranked(&one_at_a_time);
    // A wait that was asked for is none.
    let mut delayed = waiting(0.33, 10);
    delayed.measurements[0].workload.delay_seconds = Some(0.009);
    assert_ranked(&delayed);
    let mut cold = waiting(0.33, 10);
    cold.measurements[0].workload.cold_files = true;
    assert_ranked(&cold);
}

#[test]
fn an_answer_in_two_pieces_is_told_to_set_nodelay_and_not_to_stop_others() {
    let mut run = waiting(0.33, 41);
    let sentence = |run: &Run| reasons(run).join(" ");
    assert!(sentence(&run).contains("typical of an answer that is sent in two pieces"), "{}", sentence(&run));
    let pass = |requests: u64, sends: u64| Pass {
        requests,
        calls: [("recvfrom".to_owned(), requests), ("sendto".to_owned(), sends)].into(),
    };
    let counted =
        |few, many| Counting::Counted(SystemCalls { connections: 4, few: pass(40, few), many: pass(840, many) });
    run.measurements[0].system_calls = Some(counted(80, 1_680));
    let told = sentence(&run);
    assert!(told.contains("the server sends each in 2 pieces") && told.contains("Set TCP_NODELAY"), "{told}");
    assert!(!told.contains("Other programs"), "{told}");
    // Others are told second, and only where there were some.
    for round in &mut run.measurements[0].rounds {
        round.others = Some(Others { on_server_cpus_seconds: 0.08, on_client_cpus_seconds: 0.0 });
    }
    let told = sentence(&run);
    let (wait, others) = (told.find("TCP_NODELAY").unwrap(), told.find("Other programs took 8 %").unwrap());
    assert!(wait < others, "{told}");
    // Where each answer is one send, it is something else.
    run.measurements[0].system_calls = Some(counted(40, 840));
    assert!(sentence(&run).contains("a lock, a sleep or a timer"), "{}", sentence(&run));
    // A server of many CPUs that shows this is not busy with one of them.
    let mut many = waiting(1.3, 41);
    many.measurements[0].placement.server_cpus = vec![0, 2, 3, 4];
    many.measurements[0].configuration.workers = Some(4);
    assert!(sentence(&many).contains("TCP_NODELAY"), "{}", sentence(&many));
}

#[test]
fn a_server_that_is_not_where_it_was_put_is_not_ranked() {
    let with = |change: fn(&mut ServerSample)| {
        changed(move |measurement| change(measurement.rounds[0].server.as_mut().unwrap()))
    };
    let named = |run: &Run, name: &str| {
        let found = with_row(run, |row| row.validity.reasons.iter().map(Reason::name).collect::<Vec<_>>());
        assert_eq!((found, standing(run)), (vec![name], Standing::Invalid));
        reasons(run).join(" ")
    };
    let foreign = with(|server| server.listens = Some(false));
    assert!(named(&foreign, "foreign listener").contains("start the server in the foreground"));
    let pinned = with(|server| server.elsewhere = Some(Elsewhere { threads: 3, cpus: vec![1, 2] }));
    let told = named(&pinned, "other CPUs");
    assert!(
        told.starts_with("3 threads of the server could run on CPU 1-2, and the server was given CPU 0:"),
        "{told}"
    );
    let beyond = with(|server| (server.cpu_user_seconds, server.cpu_system_seconds) = (0.5, 0.7));
    assert!(named(&beyond, "more than its CPUs").starts_with("The server used 120 % of the time of its CPUs"));
    // What its clock may have added is no other CPU, and what may not be seen is no fault.
    assert_ranked(&with(|server| server.cpu_system_seconds = 0.755));
    assert_ranked(&with(|server| server.listens = None));
    assert_ranked(&with(|server| server.listens = Some(true)));
}

#[test]
fn a_cpu_time_that_is_too_short_for_its_clock_is_not_told() {
    let short = |resolution: Option<f64>| {
        changed(move |measurement| {
            for round in &mut measurement.rounds {
                let server = round.server.as_mut().unwrap();
                (server.cpu_user_seconds, server.cpu_system_seconds) = (0.02, 0.04);
                server.cpu_resolution_seconds = resolution;
                let thread = &mut round.outcome.as_mut().unwrap().threads[0];
                thread.cpu_ns = thread.wall_ns;
            }
        })
    };
    let figures = |run: &Run| {
        with_row(run, |row| {
            let of_rounds: Vec<_> = row.figures.rounds.iter().map(|round| round.server_cpu_microseconds).collect();
            let all = (row.figures.server_cpu_microseconds(), row.figures.server_user_microseconds());
            (all, of_rounds.iter().all(Option::is_some), of_rounds.iter().any(Option::is_some))
        })
    };
    // Six ticks of 10 ms, in a record that does not say what its clock tells.
    for run in [short(None), short(Some(0.0061))] {
        assert_eq!(figures(&run), ((None, None), false, false));
        let text = reports::markdown::render(&run, &tables(&run), &[]);
        assert!(text.contains("too short to tell"), "{text}");
        let entry = &reports::history::Line::of(&run).measurements[0];
        assert!(entry.server_cpu_microseconds.is_none());
    }
    let (all, is_every_round, _) = figures(&short(Some(0.0059)));
    assert!(all.0.is_some() && all.1.is_some() && is_every_round);
    // No resolution makes a figure of nothing.
    let nothing = changed(|measurement| {
        for round in &mut measurement.rounds {
            round.server = Some(ServerSample { wall_seconds: 1.0, ..ServerSample::default() });
        }
    });
    assert_eq!(figures(&nothing), ((None, None), false, false));
}
