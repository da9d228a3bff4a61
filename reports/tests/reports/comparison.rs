//! What may be said of two commits, from records built in code.

use std::fs;

use reports::comparison::record::{FILE, FORMAT, Subject};
use reports::comparison::waiting::Which;
use reports::comparison::{Comparison, Contest, Figure, Side, Verdict, Why, judge, judgement, markdown, text, words};
use reports::record::{Arrival, NoiseBefore};
use reports::sample::Others;
use reports::store::StoreError;
use reports::{Failure, Timestamp};

use crate::fixture::{check, environment, measurement, outcome, round};

/// A little noise that differs from pair to pair, in per cent.
const SHAPE: [f64; 12] = [0.4, -0.7, 0.1, 0.9, -0.3, -0.9, 0.6, 0.2, -0.5, 0.8, -0.2, -0.4];

/// Twelve pairs in which the head carries so many times as much as the base.
fn contest(ratio: f64) -> Contest {
    let mut contest = Contest {
        subject: Subject::Server,
        base: measurement("epoll", "an event loop for each worker", Some(1), false),
        head: measurement("epoll", "an event loop for each worker", Some(1), false),
        twins: Vec::new(),
        causes: None,
    };
    for (index, noise) in (0..).zip(SHAPE) {
        let rate = 50_000.0 * (1.0 + noise / 100.0);
        let mirrored = 50_000.0 * (1.0 - noise / 100.0);
        let (of_base, of_head) = if index % 3 == 0 { (0, 1) } else { (1, 0) };
        let turn = |rate: f64, position: u32| {
            let mut turn = round(index, rate);
            turn.position = position;
            // Both use the whole of a CPU together, each a half of it.
            let sample = turn.server.as_mut().unwrap();
            (sample.cpu_user_seconds, sample.cpu_system_seconds) = (0.2, 0.3);
            turn.opponent_cpu_seconds = Some(0.5);
            turn
        };
        contest.base.rounds.push(turn(rate, of_base));
        contest.head.rounds.push(turn(mirrored * ratio, of_head));
    }
    contest
}

fn comparison(contests: Vec<Contest>) -> Comparison {
    let side = |name: &str, commit: &str| Side {
        name: name.to_owned(),
        commit: commit.repeat(20),
        compiler: Some("rustc 1.95.0".to_owned()),
    };
    Comparison {
        format: FORMAT,
        id: "20260301T123005Z-compare".to_owned(),
        started_at: Timestamp::from_unix_milliseconds(1_772_368_205_250),
        finished_at: Some(Timestamp::from_unix_milliseconds(1_772_368_265_250)),
        command: ["bench", "compare", "main"].map(str::to_owned).to_vec(),
        seed: 7,
        budget_seconds: 60.0,
        max_slowdown: 0.05,
        environment: environment(),
        base: side("main", "0b"),
        head: side("HEAD", "4e"),
        noise_before: Default::default(),
        contests,
        identical: vec!["async".to_owned()],
        left_out: Vec::new(),
    }
}

#[test]
fn a_slowdown_is_told_with_its_interval() {
    let comparison = comparison(vec![contest(0.94)]);
    let judged = judge(&comparison);
    let [one] = &judged[..] else { panic!("{judged:?}") };
    assert_eq!((one.verdict, one.pairs, one.figures.len()), (Verdict::Slower, 12, 2));
    assert!((one.slowdown().unwrap() - 0.06).abs() < 0.01, "{:?}", one.slowdown());
    assert!(!one.wants_more());
    let sentence = words::sentence(one);
    assert!(sentence.starts_with("6") && sentence.contains(" % slower (95 % interval "), "{sentence}");
    assert!(sentence.contains("requests per CPU-second") && sentence.contains("server CPU per request"), "{sentence}");
    let answer = words::answer(&comparison, &judged);
    assert!(answer.starts_with("HEAD (4e4e4e4e4) is slower than main (0b0b0b0b0): epoll, 1 worker, 6"), "{answer}");
    let page = markdown::render(&comparison);
    assert!(page.starts_with("<!-- verdict: slower -->\n## HEAD"), "{page}");
    assert!(page.contains("| epoll, 1 worker: 100 connections | **slower** | server CPU per request |"), "{page}");
    assert!(page.contains("identical programs") && page.contains("bench compare main"), "{page}");
    let terminal = text::render(&comparison);
    assert!(terminal.contains("12 pairs") && terminal.contains("epoll, 1 worker: 100 connections"), "{terminal}");
}

#[test]
fn equals_and_gains_are_told_apart() {
    let comparison = comparison(vec![contest(1.0), contest(1.06)]);
    let judged = judge(&comparison);
    assert_eq!(judged.iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::NoDifference, Verdict::Faster]);
    assert_eq!(judgement::overall(&judged), Verdict::Faster);
    let sentence = words::sentence(&judged[0]);
    assert!(
        sentence.starts_with("no difference; one of ") && sentence.ends_with(" would have been seen"),
        "{sentence}"
    );
    assert_eq!(judged[1].slowdown(), None);
    // Four figures are tested together, so each needs to be four times as sure.
    let alone = super::comparison::comparison(vec![contest(1.0)]);
    assert!(judge(&alone)[0].figures[0].decision.detectable < judged[0].figures[0].decision.detectable);
}

#[test]
fn what_other_processes_disturb_is_excluded_and_leaves_it_open() {
    let mut hogged = contest(0.8);
    for round in &mut hogged.head.rounds[4..] {
        round.others = Some(Others { on_server_cpus_seconds: 0.4, on_client_cpus_seconds: 0.0 });
    }
    let comparison = comparison(vec![hogged]);
    let judged = judge(&comparison);
    let one = &judged[0];
    assert_eq!((one.verdict, one.figures[0].decision.why), (Verdict::Undecided, Some(Why::FewPairs)));
    assert!(one.wants_more());
    let sentence = words::sentence(one);
    assert_eq!(sentence, "undecided, because only 4 of 12 paired trials could be used");
    let remarks = words::remarks(one);
    assert!(remarks[0].starts_with("8 paired trials were excluded") && remarks[0].contains("40 %"), "{remarks:?}");
    assert!(markdown::render(&comparison).starts_with("<!-- verdict: undecided -->"));
}

#[test]
fn a_difference_within_the_noise_of_this_machine_is_none() {
    let mut comparison = comparison(vec![contest(0.97)]);
    assert_eq!(judge(&comparison)[0].verdict, Verdict::Slower);
    // Comparisons before have seen one program 12 % from itself in a pair, so 12 pairs are not sure of 3 %.
    let noisy = NoiseBefore { runs: 3, pairs: 100, squares: 100.0 * 0.12 * 0.12 };
    comparison.noise_before = [(Figure::Capacity, noisy), (Figure::ServerCpu, noisy)].into();
    let judged = judge(&comparison);
    assert_eq!(judged[0].verdict, Verdict::Undecided);
    assert!(matches!(judged[0].figures[0].decision.why, Some(Why::BelowNoise { floor }) if floor > 0.05));
    assert!(words::sentence(&judged[0]).contains("by which a program differs from itself here"));
    let certainty = words::certainty(&comparison, &judged).join(" ");
    assert!(certainty.contains("3 earlier comparisons on this machine"), "{certainty}");
}

#[test]
fn the_noise_is_that_of_the_base_beside_itself() {
    let mut with_twins = contest(0.5);
    let twins = contest(1.02);
    with_twins.twins = vec![twins.base, twins.head];
    let comparison = comparison(vec![with_twins]);
    let noise = judgement::own_noise(&comparison)[&Figure::Capacity];
    assert_eq!(noise.pairs, 12);
    // 2 % throughout, and the shape's own 1.1 %.
    assert!((noise.squares / 12.0).sqrt() > 0.02 && (noise.squares / 12.0).sqrt() < 0.03, "{noise:?}");
    assert!(judgement::own_noise(&super::comparison::comparison(vec![contest(0.5)])).is_empty());
}

#[test]
fn who_gets_less_of_the_cpu_is_not_slower_for_it() {
    // The head got a third of the CPU and the base two thirds; each request costs both the same.
    let comparison = comparison(vec![beside(0.5, 0.67, 0.33), beside(0.3, 0.6, 0.18)]);
    let judged = judge(&comparison);
    let ratio = judged[0].figures[0].decision.shift.as_ref().unwrap().ratio();
    assert!((ratio - 1.0).abs() < 0.03, "{ratio}");
    assert_ne!(judged[0].verdict, Verdict::Slower);
    // The second costs no more either, but waits while a fifth of the CPU is free.
    assert_eq!(judged[1].figures[0].decision.verdict, Verdict::Slower);
    assert_ne!(judged[1].figures[1].decision.verdict, Verdict::Slower);
}

/// Pairs in which the head answers so many times as often, and both use these CPU-seconds of one.
fn beside(ratio: f64, by_base: f64, by_head: f64) -> Contest {
    let mut contest = contest(ratio);
    for (rounds, own, opponent) in
        [(&mut contest.base.rounds, by_base, by_head), (&mut contest.head.rounds, by_head, by_base)]
    {
        for round in rounds {
            let sample = round.server.as_mut().unwrap();
            (sample.cpu_user_seconds, sample.cpu_system_seconds) = (0.4 * own, 0.6 * own);
            round.opponent_cpu_seconds = Some(opponent);
        }
    }
    contest
}

#[test]
fn a_server_that_fails_is_not_compared() {
    let mut broken = contest(1.0);
    for round in &mut broken.head.rounds {
        round.check = Some(check(404, &["the status is 404, not 200"]));
        round.outcome = None;
        round.failure = Some(Failure::NotStarted { error: "no such flag".to_owned() });
    }
    let mut mended = contest(1.0);
    mended.base.rounds.clone_from(&broken.head.rounds);
    let comparison = comparison(vec![broken, mended]);
    let judged = judge(&comparison);
    assert_eq!(judged.iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::Failed, Verdict::Undecided]);
    assert!(judged.iter().all(|one| !one.wants_more() && one.figures.is_empty()));
    assert!(words::sentence(&judged[0]).starts_with("head: ") && words::sentence(&judged[0]).contains("no such flag"));
    assert!(words::sentence(&judged[1]).starts_with("not compared. base: "), "{}", words::sentence(&judged[1]));
    let page = markdown::render(&comparison);
    assert!(page.starts_with("<!-- verdict: failed -->\n## HEAD (4e4e4e4e4) does not answer as it should: "), "{page}");
}

#[test]
fn a_generator_at_its_limit_leaves_cpu_time_alone_to_decide() {
    let mut limited = contest(1.0);
    for round in limited.base.rounds.iter_mut().chain(&mut limited.head.rounds) {
        let outcome = round.outcome.as_mut().unwrap();
        outcome.threads[0].cpu_ns = outcome.threads[0].wall_ns;
        let sample = round.server.as_mut().unwrap();
        (sample.cpu_user_seconds, sample.cpu_system_seconds) = (0.1, 0.3);
        round.opponent_cpu_seconds = None;
    }
    for round in &mut limited.head.rounds {
        round.server.as_mut().unwrap().cpu_user_seconds = 0.2;
    }
    let comparison = comparison(vec![limited]);
    let judged = judge(&comparison);
    assert!(judged[0].is_generator_the_limit);
    assert_eq!(judged[0].figures.iter().map(|one| one.figure).collect::<Vec<_>>(), [Figure::ServerCpu]);
    assert_eq!(judged[0].verdict, Verdict::Slower);
    assert!(words::remarks(&judged[0])[0].contains("generators of both sides together were the limit"));
}

#[test]
fn an_open_loop_is_compared_by_its_latency() {
    let mut open = contest(0.8);
    open.head.workload.arrival = Arrival::Open { rate: 20_000.0 };
    open.base.workload.arrival = open.head.workload.arrival;
    for round in open.base.rounds.iter_mut().chain(&mut open.head.rounds) {
        let outcome = round.outcome.as_mut().unwrap();
        outcome.plan.load = loadgen::Load::Open(loadgen::Offered::steady(20_000.0));
        round.offered_rate = Some(20_000.0);
    }
    let comparison = comparison(vec![open]);
    let judged = judge(&comparison);
    assert_eq!(
        judged[0].figures.iter().map(|one| one.figure).collect::<Vec<_>>(),
        [Figure::MedianLatency, Figure::Latency]
    );
    assert_eq!(judged[0].verdict, Verdict::Slower, "{}", words::sentence(&judged[0]));
    assert!(words::title(judged[0].contest).ends_with("100 connections, 20,000 requests per second offered"));
}

#[test]
fn different_compilers_are_named() {
    let mut comparison = comparison(vec![contest(1.0)]);
    assert!(!markdown::render(&comparison).contains("different compilers"));
    comparison.head.compiler = Some("rustc 1.96.0".to_owned());
    assert!(markdown::render(&comparison).contains("built by different compilers, rustc 1.95.0 and rustc 1.96.0"));
}

#[test]
fn nothing_to_measure_and_unfinished_are_said() {
    let empty = comparison(Vec::new());
    let page = markdown::render(&empty);
    assert!(
        page.starts_with("<!-- verdict: no difference -->") && page.contains("there was nothing to measure"),
        "{page}"
    );
    let mut unfinished = comparison(vec![contest(0.9)]);
    unfinished.finished_at = None;
    let page = markdown::render(&unfinished);
    assert!(page.contains("So far, ") && page.contains("**Not finished**"), "{page}");
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = comparison(vec![contest(0.94)]);
    written.contests[0].causes = Some(vec!["+1.00 epoll_ctl".to_owned()]);
    written.save(folder.path()).unwrap();
    assert_eq!(Comparison::load(folder.path()).unwrap(), written);
    assert!(text::render(&written).contains("For each request: +1.00 epoll_ctl."));
    let file = folder.path().join(FILE);
    assert!(matches!(Comparison::load(&folder.path().join("absent")), Err(StoreError::Missing { .. })));
    let stored = fs::read_to_string(&file).unwrap();
    fs::write(&file, stored.replacen("\"format\":1", "\"format\":9", 1)).unwrap();
    assert!(matches!(Comparison::load(&file), Err(StoreError::Format { found: 9, .. })));
    fs::write(&file, &stored[..stored.len() / 2]).unwrap();
    assert!(matches!(Comparison::load(&file), Err(StoreError::Broken { .. })));
}

#[test]
fn two_generators_that_fill_a_cpu_together_are_the_limit() {
    // Each generator has half of the client's CPU; each server uses a third of its own.
    let mut limited = contest(1.0);
    for round in limited.base.rounds.iter_mut().chain(&mut limited.head.rounds) {
        let thread = &mut round.outcome.as_mut().unwrap().threads[0];
        thread.cpu_ns = thread.wall_ns / 2;
        thread.waited_ns = thread.wall_ns / 2;
        let seconds = thread.cpu_ns as f64 / 1e9;
        let cpu = *thread.cpu.get_or_insert(1);
        round.opponent_generator = Some([(cpu, seconds)].into());
        let sample = round.server.as_mut().unwrap();
        (sample.cpu_user_seconds, sample.cpu_system_seconds) = (0.1, 0.23);
        round.opponent_cpu_seconds = Some(0.33);
    }
    let mut alone = limited.clone();
    let comparison = comparison(vec![limited]);
    let judged = judge(&comparison);
    assert!(judged[0].is_generator_the_limit);
    assert_eq!(judged[0].figures.iter().map(|one| one.figure).collect::<Vec<_>>(), [Figure::ServerCpu]);
    // One that has half of a CPU while nobody has the other half is not at its limit; nor is one beside a generator on
    // another CPU.
    for round in alone.base.rounds.iter_mut().chain(&mut alone.head.rounds) {
        round.opponent_generator = Some([(7, 0.9)].into());
    }
    let comparison = super::comparison::comparison(vec![alone]);
    assert!(!judge(&comparison)[0].is_generator_the_limit);
}

#[test]
fn one_figure_decides_verdict_headline_and_exit_code() {
    // 13 % fewer requests per CPU-second, and 43 % more CPU time for each.
    let mut both = contest(0.87);
    for (rounds, used) in [(&mut both.base.rounds, 0.25), (&mut both.head.rounds, 0.25 * 0.87 * 1.43)] {
        for round in rounds {
            let sample = round.server.as_mut().unwrap();
            (sample.cpu_user_seconds, sample.cpu_system_seconds) = (0.4 * used, 0.6 * used);
            // As if both took as much: what is compared here is which figure decides.
            round.opponent_cpu_seconds = Some(0.25);
        }
    }
    let mut comparison = comparison(vec![contest(0.94), both]);
    for (allowed, is_too_slow) in [(0.20, true), (0.60, false)] {
        comparison.max_slowdown = allowed;
        let judged = judge(&comparison);
        let deciding = judged[1].deciding().unwrap();
        assert_eq!((deciding.figure, judged[1].slowdown()), (Figure::ServerCpu, Some(deciding.slowdown())));
        assert!((deciding.slowdown() - 0.43).abs() < 0.02, "{}", deciding.slowdown());
        assert_eq!(judged[1].is_too_slow(allowed), is_too_slow);
        // The headline has the worst contest first, by the figure that decides, and says what follows.
        let answer = words::answer(&comparison, &judged);
        let headline = answer.split_once(": ").unwrap().1;
        assert!(headline.starts_with("epoll, 1 worker, 43 % slower (95 % interval "), "{answer}");
        assert!(headline.contains("by server CPU per request"), "{answer}");
        let verdict = if is_too_slow { "more than the 20 %" } else { "no more than the 60 %" };
        assert!(answer.ends_with(&format!("That is {verdict} that are let pass.")), "{answer}");
        assert!(words::sentence(&judged[1]).starts_with("43 % slower"), "{}", words::sentence(&judged[1]));
        let page = markdown::render(&comparison);
        assert!(page.lines().nth(1).unwrap().contains("43 % slower"), "{page}");
        assert!(page.contains("| epoll, 1 worker: 100 connections | **slower** | server CPU per request |"), "{page}");
    }
}

/// A contest under a fixed load, in which the head's responses take so many times as long.
fn fixed_load(times_as_long: f64) -> Contest {
    let mut open = contest(1.0);
    for side in [&mut open.base, &mut open.head] {
        side.workload.arrival = Arrival::Open { rate: 20_000.0 };
    }
    for (rounds, rate) in [(&mut open.base.rounds, 20_000.0), (&mut open.head.rounds, 20_000.0 / times_as_long)] {
        for (round, noise) in rounds.iter_mut().zip(SHAPE) {
            // The fixture's latency is that of a closed loop: connections over throughput.
            round.outcome.as_mut().unwrap().latency = outcome(rate * (1.0 + noise / 100.0)).latency;
            round.outcome.as_mut().unwrap().plan.load = loadgen::Load::Open(loadgen::Offered::steady(20_000.0));
            round.offered_rate = Some(20_000.0);
        }
    }
    open
}

#[test]
fn a_wait_that_the_closed_loop_hides_is_found_under_a_fixed_load() {
    // The head waits: it uses a third of the CPU and answers a third as often as both together, at equal cost. The base uses
    // what the head leaves.
    let waits = || beside(0.5, 2.0 / 3.0, 1.0 / 3.0);
    let alone = comparison(vec![waits()]);
    let judged = judge(&alone);
    assert!(judged[0].figures.iter().all(|one| one.decision.verdict == Verdict::NoDifference));
    // Without a fixed load nothing is known of how much it carries, and that is said; also where a per cent is seen of it.
    assert_eq!(judge(&comparison(vec![beside(0.5, 0.66, 0.33)]))[0].verdict, Verdict::Undecided);
    assert_eq!(judged[0].verdict, Verdict::Undecided);
    assert_eq!(judged[0].idled.unwrap().who, Which::Head);
    let sentence = words::sentence(&judged[0]);
    assert!(sentence.starts_with("undecided, because the head left CPU time idle"), "{sentence}");
    assert!(words::remarks(&judged[0])[0].starts_with("The head used 0.50 times as much CPU time"));

    let both = comparison(vec![waits(), fixed_load(1.6)]);
    let judged = judge(&both);
    assert_eq!(judged.iter().map(|one| one.verdict).collect::<Vec<_>>(), [Verdict::NoDifference, Verdict::Slower]);
    assert_eq!(judgement::overall(&judged), Verdict::Slower);
    let answer = words::answer(&both, &judged);
    assert!(answer.contains("by median latency at a fixed load") || answer.contains("by p99 at"), "{answer}");
    // Equals under both loads are no difference, and neither is said to have waited.
    let equals = comparison(vec![contest(1.0), fixed_load(1.0)]);
    let judged = judge(&equals);
    assert_eq!(judgement::overall(&judged), Verdict::NoDifference);
    assert!(judged.iter().all(|one| one.idled.is_none() && words::remarks(one).is_empty()));
}

#[test]
fn a_head_that_does_not_keep_the_fixed_load_is_slower_and_has_not_failed() {
    let mut overloaded = fixed_load(30.0);
    for round in &mut overloaded.head.rounds {
        let outcome = round.outcome.as_mut().unwrap();
        // A fifth of what was due was never sent.
        for _ in 0..outcome.requests / 5 {
            outcome.unsent.record(100_000_000);
        }
    }
    let comparison = comparison(vec![overloaded]);
    let judged = judge(&comparison);
    assert_eq!(judged[0].verdict, Verdict::Slower, "{}", words::sentence(&judged[0]));
    let kept = judged[0].kept.unwrap();
    assert_eq!((kept.base, kept.head, kept.of), (12, 0, 12));
    let remarks = words::remarks(&judged[0]).join(" ");
    assert!(remarks.contains("by the base in 12 and by the head in 0 of 12 paired trials"), "{remarks}");
    assert!(words::answer(&comparison, &judged).contains(" times as slow (95 % interval "));
}
