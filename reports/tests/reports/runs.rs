//! Two runs that were made at different times.

use reports::Run;
use reports::comparison::Verdict;
use reports::comparison::runs::{Between, Refused, between};
use reports::record::ServerKind;

use crate::fixture::{measurement, round, run, small_run};

/// epoll, async and nginx in eight rounds of about these rates, each a little different.
fn run_of(rates: [f64; 3]) -> Run {
    let mut plan = vec![
        measurement("epoll", "loops", Some(1), false),
        measurement("async", "tasks", Some(1), false),
        measurement("nginx", "loops", Some(1), false),
    ];
    plan[2].server.kind = ServerKind::Reference;
    let mut run = run(plan, 0);
    for (place, rate) in rates.into_iter().enumerate() {
        for index in 0..8_u32 {
            let noise = 1.0 + 0.004 * f64::from((index * 5 + place as u32 * 3) % 8) - 0.014;
            run.measurements[place].rounds.push(round(index, rate * noise));
        }
    }
    run
}

fn verdicts(between: &Between) -> Vec<(&str, &str)> {
    between.rows.iter().map(|row| (row.name.split(',').next().unwrap(), row.label())).collect()
}

#[test]
fn a_server_is_judged_beyond_what_its_machine_did() {
    let base = run_of([20_000.0, 20_000.0, 10_000.0]);
    // The machine was 5 % slower, and epoll 20 %.
    let head = run_of([16_000.0, 19_000.0, 9_500.0]);
    let found = between(&base, &head, false).unwrap();
    assert_eq!(
        verdicts(&found),
        [("wrk: epoll", "slower"), ("wrk: async", "not told apart"), ("wrk: nginx", "reference")]
    );
    assert!((found.drift.unwrap() - 0.0526).abs() < 0.005, "{:?}", found.drift);
    let text = found.text();
    assert!(
        text.contains("0.80 × as much (95 % interval 0.7") && text.contains("no verdict goes below that"),
        "{text}"
    );
    let back = between(&head, &base, false).unwrap();
    assert_eq!(back.rows[0].verdict, Verdict::Faster);
}

#[test]
fn without_a_reference_nothing_is_decided_unless_somebody_insists() {
    let without = |mut run: Run| {
        run.measurements.truncate(2);
        run
    };
    let (base, head) = (without(run_of([20_000.0; 3])), without(run_of([16_000.0, 20_000.0, 1.0])));
    let found = between(&base, &head, false).unwrap();
    assert!(found.rows.iter().all(|row| row.verdict == Verdict::Undecided));
    assert!(found.remarks[0].contains("insist with --anyway"), "{:?}", found.remarks);
    let found = between(&base, &head, true).unwrap();
    assert_eq!((found.rows[0].verdict, found.rows[1].verdict), (Verdict::Slower, Verdict::Undecided));
}

#[test]
fn other_machines_and_other_work_are_refused_with_the_reason() {
    let base = run_of([20_000.0; 3]);
    let mut head = run_of([20_000.0; 3]);
    head.environment.cpu_model = "Another CPU".to_owned();
    let refused = between(&base, &head, false).unwrap_err();
    assert!(matches!(refused, Refused::Machines { what: "processor", .. }));
    assert!(refused.to_string().contains("Another CPU") && refused.to_string().contains("--anyway"), "{refused}");
    assert!(between(&base, &head, true).unwrap().remarks[0].contains("Another CPU"));
    let mut head = run_of([20_000.0; 3]);
    head.measurements[1].workload_hash = "other".to_owned();
    let refused = between(&base, &head, false).unwrap_err();
    assert!(refused.to_string().starts_with("wrk: async, 1 worker did other work"), "{refused}");
    assert_eq!(between(&base, &head, true).unwrap().rows.len(), 3);
    let mut head = run_of([20_000.0; 3]);
    head.measurements.iter_mut().for_each(|one| one.part = "close".to_owned());
    assert_eq!(between(&base, &head, true).unwrap_err(), Refused::NothingInCommon);
}

#[test]
fn what_is_not_valid_has_no_verdict() {
    let base = run_of([20_000.0; 3]);
    let mut head = run_of([10_000.0, 20_000.0, 20_000.0]);
    for round in &mut head.measurements[0].rounds {
        round.outcome.as_mut().unwrap().statuses = [(404, 1)].into();
    }
    head.environment.rustc = Some("rustc 1.99.0".to_owned());
    let found = between(&base, &head, false).unwrap();
    assert_eq!((found.rows[0].verdict, found.rows[0].ratio), (Verdict::Undecided, None));
    assert!(found.rows[0].change().contains("not enough valid"));
    assert!(found.remarks.iter().any(|remark| remark.contains("rustc 1.99.0")), "{:?}", found.remarks);
}

#[test]
fn a_stored_run_is_like_itself_in_every_row() {
    let run = small_run();
    let found = between(&run, &run, false).unwrap();
    assert_eq!(found.rows.len(), run.measurements.iter().filter(|one| !one.is_twin).count());
    assert!(found.rows.iter().all(|row| row.verdict == Verdict::Undecided));
    assert!(found.rows.iter().filter_map(|row| row.ratio).all(|ratio| ratio.log.abs() < 1e-9));
    assert_eq!(found.drift, Some(0.0));
}
