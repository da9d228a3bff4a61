//! Noise, which is nobody's fault: steal, other processes, quotas and drifts.

use std::collections::BTreeMap;

use reports::record::{Arrival, Run};
use reports::sample::Others;
use reports::validity::Standing;

use crate::fixture::{WINDOW_NS, measurement, run};
use crate::validity::{assert_ranked, changed, notes, reasons, standing, with_row};

/// Lets so many of the five windows of each round lose this share of one CPU.
fn steal(run: &mut Run, cpu: usize, windows: usize, share: f64) {
    for round in &mut run.measurements[0].rounds {
        for window in round.outcome.as_mut().unwrap().windows.iter_mut().take(windows) {
            window.steal_ns = Some(BTreeMap::from([(cpu, (WINDOW_NS as f64 * share) as u64)]));
            window.responses /= 2;
        }
    }
}

#[test]
fn stolen_windows_are_set_aside_and_told() {
    for cpu in [0, 1] {
        let mut run = changed(|_| {});
        let quiet = with_row(&run, |row| row.figures.capacity().unwrap());
        steal(&mut run, cpu, 2, 0.5);
        assert_ranked(&run);
        assert_eq!(notes(&run), ["4 of 10 windows had more than 5 % steal and were excluded."]);
        let found = with_row(&run, |row| row.figures.capacity().unwrap());
        assert!((found / quiet - 1.0).abs() < 0.01, "{found} is not {quiet}");
    }
}

#[test]
fn a_little_steal_is_taken_off_the_available_time() {
    let mut run = changed(|_| {});
    let before = with_row(&run, |row| row.figures.quiet.available_cpu_seconds);
    steal(&mut run, 0, 5, 0.05);
    assert_eq!(notes(&run), [""; 0]);
    let after = with_row(&run, |row| row.figures.quiet.available_cpu_seconds);
    assert!((after / before - 0.95).abs() < 1e-9, "{after} of {before}");
}

#[test]
fn steal_on_cpus_that_nobody_used_does_not_matter() {
    let mut run = changed(|_| {});
    steal(&mut run, 7, 5, 0.9);
    assert_ranked(&run);
    assert_eq!(notes(&run), [""; 0]);
}

#[test]
fn too_few_quiet_windows_are_too_noisy_to_rank() {
    let mut run = changed(|_| {});
    steal(&mut run, 0, 4, 0.5);
    assert_eq!(standing(&run), Standing::TooNoisy);
    assert_eq!(
        reasons(&run),
        [
            "Other virtual machines took CPU time of this one: only 20 % of the measured time had at most 5 % steal, 25 % is \
          needed; run it again in a quieter hour or on a machine of its own."
        ]
    );
    with_row(&run, |row| assert_eq!(row.rank, None));
}

#[test]
fn rounds_with_other_processes_at_work_are_set_aside() {
    // A round is a second long and has one CPU for each side.
    let others = |server: f64, client: f64, disturbed: usize| {
        changed(move |measurement| {
            for (place, round) in measurement.rounds.iter_mut().enumerate() {
                let share = if place < disturbed { 1.0 } else { 0.1 };
                round.others =
                    Some(Others { on_server_cpus_seconds: server * share, on_client_cpus_seconds: client * share });
            }
        })
    };
    assert_ranked(&others(0.09, 0.09, 2));
    for (server, client) in [(0.2, 0.0), (0.01, 0.2)] {
        let some = others(server, client, 1);
        assert_ranked(&some);
        let note =
            "1 of 2 rounds is excluded from all figures, because other processes took more than 10 % of the CPUs.";
        assert_eq!(notes(&some), [note]);

        let all = others(server, client, 2);
        assert_eq!(standing(&all), Standing::TooNoisy);
        assert_eq!(
            reasons(&all),
            ["Other processes took up to 20 % of the CPUs that were measured on, and too much in every round: end \
              what else is running, or give the bench CPUs of its own with --cpus."]
        );
    }
}

/// Ten windows of 200 ms in each of three rounds, the later five with this share of the earlier ones' responses in as many
/// rounds as `drifting`.
pub(crate) fn drifting(share: f64, drifting: usize) -> Run {
    let mut run = run(vec![measurement("epoll", "event loops", Some(1), false)], 3);
    for (place, round) in run.measurements[0].rounds.iter_mut().enumerate() {
        let outcome = round.outcome.as_mut().unwrap();
        let mut later = outcome.windows.clone();
        for window in &mut later {
            window.offset_ns += outcome.elapsed_ns;
            if place < drifting {
                window.responses = (window.responses as f64 * share) as u64;
            }
        }
        outcome.windows.extend(later);
    }
    run
}

#[test]
fn a_server_that_slows_down_in_most_rounds_is_not_ranked() {
    assert_ranked(&drifting(0.85, 3));
    assert_ranked(&drifting(0.5, 1));
    for share in [0.5, 2.0] {
        let run = drifting(share, 2);
        let found = reasons(&run);
        assert!(found.len() == 1 && found[0].starts_with("The server answered "), "{found:?}");
        assert!(found[0].ends_with("This was so in 2 of 3 rounds."), "{found:?}");
        assert_eq!(standing(&run), Standing::TooNoisy);
    }
    // With files that get warm, an open loop, or steal in all of one half, nobody can tell.
    let mut cold = drifting(0.5, 3);
    cold.measurements[0].workload.cold_files = true;
    assert_ranked(&cold);
    let mut stolen = drifting(0.5, 3);
    for round in &mut stolen.measurements[0].rounds {
        for window in round.outcome.as_mut().unwrap().windows.iter_mut().skip(5) {
            window.steal_ns = Some(BTreeMap::from([(0, WINDOW_NS / 2)]));
        }
    }
    assert_ranked(&stolen);
}

#[test]
fn rounds_that_a_quota_held_back_are_set_aside() {
    let throttled = |seconds: Option<f64>, rounds: usize| {
        changed(move |one| {
            for round in one.rounds.iter_mut().take(rounds) {
                round.server.as_mut().unwrap().throttled_seconds = seconds;
            }
        })
    };
    for harmless in [None, Some(0.0), Some(0.01)] {
        assert_ranked(&throttled(harmless, 2));
        assert_eq!(notes(&throttled(harmless, 2)), [""; 0]);
    }
    let some = throttled(Some(0.3), 1);
    assert_ranked(&some);
    let note = "1 of 2 rounds is excluded from all figures, because a quota kept back more than 1 % of the time.";
    assert_eq!(notes(&some), [note]);
    let all = throttled(Some(0.3), 2);
    assert_eq!(standing(&all), Standing::TooNoisy);
    assert_eq!(
        reasons(&all),
        [
            "A quota kept back up to 30 % of a CPU, and too much in every round: raise the CPU quota of the container or of \
          the service that this runs in (cpu.max), or run it outside."
        ]
    );
}

#[test]
fn of_an_open_loop_only_rounds_without_a_noisy_window_count() {
    let with_one_noisy_window = |arrival| {
        changed(|one| {
            one.workload.arrival = arrival;
            let outcome = one.rounds[0].outcome.as_mut().unwrap();
            outcome.windows[0].steal_ns = Some(BTreeMap::from([(0, WINDOW_NS / 3)]));
            outcome.latency = loadgen::Histogram::new();
            (0..outcome.responses).for_each(|_| outcome.latency.record(700_000_000));
        })
    };
    let open = with_one_noisy_window(Arrival::Open { rate: 20_000.0 });
    with_row(&open, |row| {
        let slowest = |latency: &loadgen::Histogram| latency.percentile(99.0).unwrap();
        assert!(slowest(row.latency()) < 100_000_000, "only the second round counts");
        assert_eq!(
            row.figures.rounds.iter().map(|round| round.quiet_p99().is_some()).collect::<Vec<_>>(),
            [false, true]
        );
    });
    let closed = with_one_noisy_window(Arrival::Closed);
    with_row(&closed, |row| assert!(row.figures.rounds.iter().all(|round| round.capacity().is_some())));
}
