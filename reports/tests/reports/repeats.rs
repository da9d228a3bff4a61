//! Which trials are repeated: for noise, and never for a result.

use loadgen::{Load, Offered};
use reports::record::{Arrival, Run};
use reports::repeats::{beside, lacking};
use reports::sample::Others;

use crate::fixture::{measurement, round, run};
use crate::noise::drifting;

/// Three servers of one table and one of another, each with three rounds.
fn measured() -> Run {
    let mut plan: Vec<_> =
        ["epoll", "async", "nginx", "other"].map(|name| measurement(name, "a model", Some(1), false)).to_vec();
    plan[3].workload_hash = "another load".to_owned();
    run(plan, 3)
}

fn disturb(run: &mut Run, place: usize, rounds: &[usize]) {
    for round in rounds {
        run.measurements[place].rounds[*round].others =
            Some(Others { on_server_cpus_seconds: 0.5, on_client_cpus_seconds: 0.0 });
    }
}

const ORDER: [usize; 4] = [3, 2, 1, 0];

#[test]
fn rows_with_excluded_rounds_are_repeated_and_those_without_any_other_first() {
    let mut run = measured();
    assert_eq!(lacking(&run, &ORDER), [0; 0]);
    disturb(&mut run, 1, &[0]);
    disturb(&mut run, 0, &[0, 1, 2]);
    disturb(&mut run, 3, &[2]);
    assert_eq!(lacking(&run, &ORDER), [0, 3, 1]);
    // A round that counts makes up for one that does not.
    run.measurements[1].rounds.push(round(3, 20_000.0));
    assert_eq!(lacking(&run, &ORDER), [0, 3]);
}

#[test]
fn what_the_answers_were_like_decides_on_no_repeat() {
    // The halves differ, which keeps the row from being ranked.
    let drifting = drifting(0.5, 3);
    assert_eq!(lacking(&drifting, &[0]), [0; 0]);
    let mut run = measured();
    // An open loop that was offered too much, a server that gave no answer, and one that gave wrong ones.
    let one = &mut run.measurements[0];
    one.workload.arrival = Arrival::Open { rate: 1_250.0 };
    for outcome in one.rounds.iter_mut().filter_map(|round| round.outcome.as_mut()) {
        outcome.plan.load = Load::Open(Offered::steady(1_250.0));
        (0..outcome.responses).for_each(|_| outcome.unsent.record(50_000_000));
    }
    run.measurements[1].rounds[0] = round(0, 0.0);
    run.measurements[2].rounds[1].outcome.as_mut().unwrap().statuses = [(404, 1)].into();
    assert_eq!(lacking(&run, &ORDER), [0; 0]);
}

#[test]
fn a_repeated_trial_gets_its_pairs() {
    let mut run = measured();
    disturb(&mut run, 1, &[0]);
    let again = lacking(&run, &ORDER);
    // Its trial of the additional round has not been taken, or does not count: nothing is measured beside it.
    assert_eq!(beside(&run, &ORDER, 3, &again), [0; 0]);
    run.measurements[1].rounds.push(round(3, 20_000.0));
    assert_eq!(beside(&run, &ORDER, 3, &again), [2, 0], "all others of its table, and of no other");
    disturb(&mut run, 1, &[3]);
    assert_eq!(beside(&run, &ORDER, 3, &again), [0; 0]);
}
