//! The cause beside the effect: what counters say of a server that got slower or faster.

use std::io;
use std::sync::atomic::Ordering;

use loadgen::console;
use reports::comparison::{Comparison, Verdict, judge};

use super::rounds::{RoundsError, Setting};
use super::sides::{Built, Sides};
use crate::commits::shortened;
use crate::counters::{self, Side};
use crate::ports::Ports;

/// Counts each server that is nothing but the program of a package, and for which there is a verdict of slower or faster, in the first of its contests that has
/// one. Where that cannot be done, for want of valgrind or strace, the verdict stands without it.
///
/// # Errors
/// Only when files for a server cannot be written.
pub(super) fn find(comparison: &mut Comparison, sides: &Sides, setting: &Setting<'_>) -> Result<(), RoundsError> {
    let judged = judge(comparison);
    let differs = |place: &usize| matches!(judged[*place].verdict, Verdict::Slower | Verdict::Faster);
    let mut told: Vec<&str> = Vec::new();
    let mut places = Vec::new();
    for place in (0..judged.len()).filter(differs) {
        let name = &judged[place].contest.head.server.name;
        if place < sides.measurements.len() && !told.contains(&name.as_str()) {
            told.push(name);
            places.push(place);
        }
    }
    let side =
        |built: &Built| Side { name: shortened(&built.side.commit).to_owned(), programs: built.programs.clone() };
    let (base, head) = (side(&sides.base), side(&sides.head));
    let at = counters::Setting {
        project: setting.project,
        roots: setting.roots,
        division: setting.division,
        scratch: setting.scratch,
        interrupted: setting.interrupted,
    };
    let mut ports = Ports::new(u64::from(std::process::id()).wrapping_mul(41));
    for place in places {
        let measurement = &sides.measurements[place];
        if sides.in_checkouts.contains(&measurement.server.name) {
            continue;
        }
        console::tell(format_args!("counting what a request of {} costs on both sides\n", measurement.server.name));
        let failed = |source: io::Error| RoundsError::Scratch { folder: setting.scratch.to_path_buf(), source };
        let counted = counters::count(&at, measurement, &[&base, &head], &mut ports).map_err(failed)?;
        if setting.interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let [base, head] = &counted[..]
            && base.problems.is_empty()
            && head.problems.is_empty()
        {
            comparison.contests[place].causes = Some(head.changes_from(base));
        }
    }
    Ok(())
}
