//! Every rule of validity, on both of its sides.

use std::collections::BTreeMap;

use loadgen::{Connections, Outcome};
use reports::failure::{Failure, Phase};
use reports::merit::Merit;
use reports::ranking::{Row, tables};
use reports::reason::Reason;
use reports::record::{Measurement, Run};
use reports::sample::Others;
use reports::validity::Standing;

use crate::fixture::{CONNECTIONS, check, measurement, round, run};
use crate::noise::drifting;

/// A run of one measurement with two rounds, and what `change` made of it.
pub(crate) fn changed(change: impl FnOnce(&mut Measurement)) -> Run {
    let mut run = run(vec![measurement("epoll", "event loops", Some(1), false)], 2);
    change(&mut run.measurements[0]);
    run
}

pub(crate) fn outcome(measurement: &mut Measurement) -> &mut Outcome {
    measurement.rounds[0].outcome.as_mut().unwrap()
}

pub(crate) fn with_row<Answer>(run: &Run, ask: impl FnOnce(&Row<'_>) -> Answer) -> Answer {
    let tables = tables(run);
    ask(&tables[0].rows[0])
}

pub(crate) fn reasons(run: &Run) -> Vec<String> {
    with_row(run, |row| row.validity.reasons.iter().map(ToString::to_string).collect())
}

pub(crate) fn notes(run: &Run) -> Vec<String> {
    with_row(run, |row| row.validity.notes.iter().map(ToString::to_string).collect())
}

pub(crate) fn standing(run: &Run) -> Standing {
    with_row(run, |row| row.standing())
}

/// The row is invalid for this one reason, and not ranked.
pub(crate) fn assert_invalid(run: &Run, reason: &str) {
    assert_eq!(reasons(run), [reason]);
    assert_eq!(standing(run), Standing::Invalid);
    with_row(run, |row| assert_eq!((row.rank, row.to_best), (None, None)));
}

pub(crate) fn assert_ranked(run: &Run) {
    assert_eq!(reasons(run), [""; 0]);
    assert_eq!(standing(run), Standing::Ranked);
    with_row(run, |row| assert_eq!(row.rank, Some(1)));
}

#[test]
fn a_good_measurement_is_ranked_without_a_word() {
    let run = changed(|_| {});
    assert_ranked(&run);
    assert_eq!(notes(&run), [""; 0]);
}

#[test]
fn a_measurement_without_a_round_is_pending() {
    let run = changed(|measurement| measurement.rounds.clear());
    assert_eq!(standing(&run), Standing::Pending);
    assert_eq!(reasons(&run), [""; 0]);
}

#[test]
fn a_root_without_the_file_is_named_404() {
    let every = |measurement: &mut Measurement| {
        for round in &mut measurement.rounds {
            let outcome = round.outcome.as_mut().unwrap();
            outcome.statuses = BTreeMap::from([(404, outcome.responses)]);
            outcome.unexpected.status = outcome.responses;
            outcome.unexpected.length = outcome.responses;
            outcome.unexpected.responses = outcome.responses;
            round.check = Some(check(404, &["status is 404, not 200"]));
        }
    };
    assert_invalid(
        &changed(every),
        "Every answer was 404 instead of 200: look whether the document root holds what / asks for.",
    );
}

#[test]
fn a_root_without_the_file_is_named_404_even_if_nothing_was_measured() {
    let unmeasured = |measurement: &mut Measurement| {
        for round in &mut measurement.rounds {
            round.outcome = None;
            round.server = None;
            round.check = Some(check(404, &["status is 404, not 200"]));
        }
    };
    assert_invalid(
        &changed(unmeasured),
        "Every answer was 404 instead of 200: look whether the document root holds what / asks for.",
    );
}

#[test]
fn a_few_wrong_statuses_are_counted() {
    let run = changed(|measurement| {
        let outcome = outcome(measurement);
        outcome.statuses = BTreeMap::from([(200, outcome.responses - 12), (500, 2), (503, 10)]);
        outcome.unexpected.status = 12;
        outcome.unexpected.responses = 12;
    });
    let [reason] = &reasons(&run)[..] else { panic!("one reason") };
    assert!(reason.starts_with("12 of 23"), "{reason}");
    assert!(
        reason.ends_with(
            "answers had another status (503: 10, 500: 2) instead of 200: look at what the server says on standard \
             error."
        ),
        "{reason}"
    );
}

#[test]
fn another_length_is_a_reason_of_its_own() {
    let run = changed(|measurement| {
        outcome(measurement).unexpected.length = 3;
        outcome(measurement).unexpected.responses = 3;
    });
    let [reason] = &reasons(&run)[..] else { panic!("one reason") };
    assert!(reason.starts_with("3 of 2"), "{reason}");
    assert!(reason.contains("had another length than the 612 bytes that were expected"), "{reason}");
}

#[test]
fn a_failed_check_says_what_differed() {
    assert_invalid(
        &changed(|measurement| {
            measurement.rounds[1].check = Some(check(200, &["byte 17 differs", "Content-Type is text/plain"]));
        }),
        "The file did not come back as it lies on disk (byte 17 differs; Content-Type is text/plain): compare the \
         server's answer with the file before measuring it.",
    );
}

#[test]
fn timeouts_are_named_with_their_limit() {
    let run = changed(|measurement| {
        let outcome = outcome(measurement);
        outcome.errors.timed_out = 7;
        outcome.requests += 7;
    });
    assert_invalid(
        &run,
        "7 requests got no complete answer within 2 s, and the percentiles do not hold them: look for what stalls, or \
         allow more time.",
    );
}

#[test]
fn connections_that_were_never_served_are_counted() {
    let run = changed(|measurement| {
        let mut shares = vec![0; 99];
        shares.push(outcome(measurement).responses);
        outcome(measurement).connections = Connections::new(u64::from(CONNECTIONS), 0, shares);
    });
    assert_invalid(
        &run,
        "99 of 100 connections were never served while others were: the server ties its workers to connections; give \
         it as many workers as connections, or let it share them.",
    );
}

#[test]
fn a_server_that_closes_connections_for_the_sake_of_others_is_valid() {
    let run = changed(|measurement| {
        for round in &mut measurement.rounds {
            let outcome = round.outcome.as_mut().unwrap();
            outcome.connections.opened = outcome.responses / 2;
            outcome.connections.closed_by_server = outcome.connections.opened;
        }
    });
    assert_ranked(&run);
    with_row(&run, |row| assert!((row.figures.requests_per_connection().unwrap() - 2.0).abs() < 0.01));
}

#[test]
fn broken_answers_are_told_apart() {
    let run = changed(|measurement| {
        let outcome = outcome(measurement);
        outcome.errors.truncated = 1;
        outcome.errors.malformed = 2;
        outcome.requests += 3;
    });
    assert_invalid(
        &run,
        "1 answer was cut off and 2 not HTTP as announced: the server breaks its answers under load; look at what it \
         says on standard error.",
    );
}

#[test]
fn refused_and_reset_connections_count_where_they_are_material() {
    let refused = |share: f64| {
        changed(move |measurement| {
            for round in &mut measurement.rounds {
                let outcome = round.outcome.as_mut().unwrap();
                outcome.errors.refused = (outcome.requests as f64 * share) as u64;
                outcome.errors.reset = 1;
                outcome.requests += 1;
            }
        })
    };
    assert_ranked(&refused(0.0005));
    let [reason] = &reasons(&refused(0.02))[..] else { panic!("one reason") };
    assert!(reason.starts_with("2 % of the attempts failed (connects refused: 4,"), "{reason}");
    assert!(reason.contains("connections were reset before the answer: 2): look whether the server still"), "{reason}");
}

#[test]
fn counts_that_do_not_add_up_are_not_believed() {
    let run = changed(|measurement| outcome(measurement).requests += 5);
    let [reason] = &reasons(&run)[..] else { panic!("one reason") };
    assert!(reason.contains("its counts cannot be trusted"), "{reason}");
}

#[test]
fn silence_is_a_reason() {
    let run = changed(|measurement| {
        measurement.rounds = vec![round(0, 0.0)];
        measurement.rounds[0].outcome.as_mut().unwrap().connections.never_served = 100;
    });
    assert_invalid(&run, "Not one answer came: ask the server by hand, with curl, and look at what it does.");
}

#[test]
fn latency_that_contradicts_the_throughput_is_not_believed() {
    let slowed = |factor: f64| {
        changed(move |measurement| {
            for round in &mut measurement.rounds {
                let outcome = round.outcome.as_mut().unwrap();
                let former = outcome.latency.clone();
                outcome.latency.clear();
                for (nanoseconds, count) in former.buckets() {
                    (0..count).for_each(|_| outcome.latency.record((nanoseconds as f64 * factor) as u64));
                }
            }
        })
    };
    assert_ranked(&slowed(0.8));
    assert_ranked(&slowed(1.2));
    for (factor, under_way) in [(0.5, "50."), (2.0, "200")] {
        let [reason] = &reasons(&slowed(factor))[..] else { panic!("one reason at {factor}") };
        assert!(reason.starts_with(&format!("Throughput times mean latency makes {under_way}")), "{reason}");
    }
}

#[test]
fn littles_law_allows_for_the_time_to_connect() {
    let run = changed(|measurement| {
        for round in &mut measurement.rounds {
            let outcome = round.outcome.as_mut().unwrap();
            outcome.connections.opened = outcome.responses;
            outcome.latency.clear();
            (0..outcome.responses).for_each(|_| outcome.latency.record(400_000));
        }
    });
    assert_ranked(&run);
}

#[test]
fn a_busy_generator_makes_a_lower_bound_of_the_rate() {
    let busy = |server_cpu: f64| {
        changed(move |measurement| {
            for round in &mut measurement.rounds {
                let thread = &mut round.outcome.as_mut().unwrap().threads[0];
                thread.cpu_ns = thread.wall_ns * 97 / 100;
                let server = round.server.as_mut().unwrap();
                (server.cpu_user_seconds, server.cpu_system_seconds) = (0.0, server_cpu);
            }
        })
    };
    let limited = busy(0.6);
    assert_eq!(standing(&limited), Standing::AtLeast);
    assert_eq!(
        notes(&limited),
        ["The load generator was the limit: it was busy 97 % of its time, the server 60 %. Requests per second are a \
          lower bound; compare the server's CPU per request."]
    );
    // It is compared by its cost alone.
    with_row(&limited, |row| assert_eq!((row.rank, row.merit), (Some(1), Merit::Cost)));
    // A server that is as busy is the limit itself.
    assert_ranked(&busy(0.98));
}

#[test]
fn a_worker_that_is_busy_is_the_limit_though_other_cpus_idle() {
    let mut run = changed(|measurement| {
        for round in &mut measurement.rounds {
            let thread = &mut round.outcome.as_mut().unwrap().threads[0];
            thread.cpu_ns = thread.wall_ns;
        }
    });
    run.measurements[0].placement.server_cpus = vec![0, 2, 3, 4];
    assert_ranked(&run);
    run.measurements[0].configuration.workers = Some(4);
    assert_eq!(standing(&run), Standing::AtLeast);
}

#[test]
fn where_neither_side_was_busy_something_else_was() {
    let idle = |server_cpu: f64| {
        changed(move |measurement| {
            for round in &mut measurement.rounds {
                let server = round.server.as_mut().unwrap();
                (server.cpu_user_seconds, server.cpu_system_seconds) = (0.0, server_cpu);
                round.outcome.as_mut().unwrap().threads[0].cpu_ns = 300_000_000;
            }
        })
    };
    let mut held_up = idle(0.62);
    assert_ranked(&held_up);
    let [note] = &notes(&held_up)[..] else { panic!("one note") };
    assert!(
        note.starts_with(
            "Neither side was at its limit: the server was busy 62 % of its time, the load generator 30 %, so the answers \
             waited."
        ),
        "{note}"
    );
    assert!(!note.contains("Other programs"), "{note}");
    assert_eq!(notes(&idle(0.75)), [""; 0]);
    // Where the something else is known, it is a reason.
    for round in &mut held_up.measurements[0].rounds {
        round.others = Some(Others { on_server_cpus_seconds: 0.5, on_client_cpus_seconds: 0.5 });
    }
    assert_eq!((standing(&held_up), notes(&held_up).len()), (Standing::TooNoisy, 0));
    held_up.measurements[0].rounds.iter_mut().for_each(|round| round.others = None);
    // On shared CPUs each is held up by the other.
    held_up.measurements[0].placement.client_cpus = vec![0];
    assert_eq!(notes(&held_up), [""; 0]);
}

#[test]
fn failures_of_the_process_are_told_with_their_last_words() {
    let standard_error = "thread 'main' panicked\nindex out of bounds\n\n".to_owned();
    let known = [
        (
            Failure::NotStarted { error: "no such file".to_owned() },
            "The server could not be started (no such file): install or build it, and look at its command line.",
        ),
        (
            Failure::NeverListened { waited_seconds: 5.0, standard_error: standard_error.clone() },
            "The server accepted no connection within 5 s (its last words: index out of bounds): start it by hand with \
             the command of this row.",
        ),
        (
            Failure::Died { during: Phase::Measuring, status: None, signal: Some(11), standard_error },
            "The server died by signal 11 while it was measured (its last words: index out of bounds): start it by \
             hand with the command of this row.",
        ),
        (
            Failure::Died { during: Phase::Start, status: Some(1), signal: None, standard_error: String::new() },
            "The server died with exit status 1 before it accepted a connection: start it by hand with the command of \
             this row.",
        ),
        (
            Failure::WentToBackground { during: Phase::Start, program: "nginx".to_owned() },
            "The server went to the background before it accepted a connection: its first process (nginx) ended with exit \
             status 0 and left others behind; run it in the foreground (nginx: daemon off, lighttpd: -D, Apache \
             httpd: -DFOREGROUND).",
        ),
        (
            Failure::Hung { during: Phase::Check, waited_seconds: 2.5 },
            "The server stopped answering while its answers were checked, and 2.5 s did not help: start it by hand and \
             see where it waits.",
        ),
        (
            Failure::Generator { error: "no ports left".to_owned() },
            "The load generator could not do its work (no ports left): nothing is known of the server.",
        ),
    ];
    for (failure, sentence) in known {
        let run = changed(|measurement| {
            let last = measurement.rounds.last_mut().unwrap();
            (last.outcome, last.server, last.check) = (None, None, None);
            last.failure = Some(failure);
        });
        assert_invalid(&run, &format!("{sentence} This was so in 1 of 2 rounds."));
    }
}

#[test]
fn a_server_that_had_to_be_killed_afterwards_is_ranked_with_a_note() {
    let run = changed(|measurement| {
        measurement.rounds[0].failure = Some(Failure::NotStopped { waited_seconds: 10.0 });
    });
    assert_ranked(&run);
    assert_eq!(
        notes(&run),
        ["The server did not end within 10 s of being told to, and was killed after the measuring."]
    );
}

#[test]
fn a_round_that_was_stopped_early_is_noted() {
    let run = changed(|measurement| outcome(measurement).stopped_early = true);
    assert_ranked(&run);
    assert_eq!(notes(&run), ["A round was stopped before its time; 2 s were measured in all."]);
}

#[test]
fn a_pipeline_has_as_many_requests_under_way_as_it_is_deep() {
    let run = changed(|one| {
        one.workload.pipeline = 4;
        for outcome in one.rounds.iter_mut().filter_map(|round| round.outcome.as_mut()) {
            outcome.plan.pipeline = 4;
            let latency = 4.0 * f64::from(CONNECTIONS) / outcome.responses_per_second() * 1e9;
            outcome.latency = loadgen::Histogram::new();
            (0..outcome.responses).for_each(|_| outcome.latency.record(latency as u64));
        }
    });
    assert_ranked(&run);
}

#[test]
fn answers_that_come_sooner_than_the_delay_allows_are_not_believed() {
    let run = changed(|one| one.workload.delay_seconds = Some(0.1));
    let found = reasons(&run);
    assert!(found.len() == 1 && found[0].contains("a delay of 0.1 s allows 1,000"), "{found:?}");
    assert_eq!(standing(&run), Standing::Invalid);
}

#[test]
fn one_answer_before_its_time_is_enough() {
    // A hundred connections with a delay of 3 ms allow more than these answer, and the soonest comes after 0.9 of the mean.
    let soonest = |factor: f64| {
        changed(move |one| {
            let outcomes = one.rounds.iter().filter_map(|round| round.outcome.as_ref());
            let minimum = outcomes.filter_map(|outcome| outcome.latency.minimum()).min().unwrap();
            one.workload.delay_seconds = Some(minimum as f64 / 1e9 * factor);
        })
    };
    assert_ranked(&soonest(0.9));
    assert_ranked(&soonest(1.01));
    let found = reasons(&soonest(1.05));
    assert!(found.len() == 1 && found[0].starts_with("An answer came after "), "{found:?}");
    assert_eq!(standing(&soonest(1.05)), Standing::Invalid);
}

#[test]
fn the_page_of_the_rules_has_each_once_and_no_other() {
    let page = include_str!("../../../docs/validity.md");
    let rules = page.split("## Notes").next().unwrap();
    let first_cells = rules.lines().filter_map(|line| line.strip_prefix("| **")?.split_once("**"));
    let named: Vec<&str> = first_cells.map(|(name, _)| name).collect();
    assert_eq!(named, Reason::NAMES);
    // What a measurement is refused for goes by one of these names.
    let refused = [
        changed(|one| one.workload.delay_seconds = Some(0.1)),
        drifting(0.5, 3),
        changed(|one| {
            outcome(one).requests += 5;
        }),
    ];
    for run in &refused {
        with_row(run, |row| assert!(row.validity.reasons.iter().all(|reason| named.contains(&reason.name()))));
    }
}

#[test]
fn what_the_generator_alone_can_see_is_a_reason_too() {
    let run = changed(|one| {
        let outcome = outcome(one);
        outcome.plan.idle_connections = 10;
        outcome.idle_connections = Some(loadgen::IdleConnections { planned: 10, opened: 10, ended_by_server: 3 });
    });
    let found = reasons(&run);
    assert!(found.len() == 1 && found[0].contains("1 of 2 rounds"), "{found:?}");
    assert_eq!(standing(&run), Standing::Invalid);
}

#[test]
fn a_share_of_what_no_quiet_round_has_shown_is_nobodys_fault() {
    let unknown = |measurement: &mut Measurement| {
        let round = &mut measurement.rounds[0];
        (round.outcome, round.server, round.check) = (None, None, None);
        round.failure = Some(Failure::NoCapacity);
    };
    let never = changed(|one| {
        one.rounds.truncate(1);
        unknown(one);
    });
    assert_eq!(standing(&never), Standing::TooNoisy);
    assert!(
        reasons(&never)[0].contains("The capacity of which a share was to be offered is not known"),
        "{:?}",
        reasons(&never)
    );
    // Another round may have known it.
    assert_ranked(&changed(unknown));
}
