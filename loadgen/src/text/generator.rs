//! How the generator itself fared, and the machine under it.

use super::lines::{Lines, duration, share};
use super::units::binary;
use crate::validity::{QuietTime, STEAL_LIMIT, ceiling_share};
use crate::{Outcome, ThreadRecord};

/// From this share of its time on, in per cent, it is worth a word that a thread waited for a CPU.
const CROWDED: f64 = 5.0;
/// Of more threads, nobody wants to read what each one did.
const FEW_THREADS: usize = 8;

/// Says how the generator fared.
pub(super) fn generator(lines: &mut Lines, outcome: &Outcome) {
    if let Some(each) = outcome.cpu_ns_per_response() {
        let busiest = outcome.busiest_thread() * 100.0;
        let mut text =
            format!("{} CPU per response, busiest thread {busiest:.0}% of the time on a CPU", duration(each as u64));
        if let Some(bytes) = outcome.peak_resident_bytes {
            text += &format!(", {}B of memory at most", binary(bytes as f64));
        }
        lines.say("generator", text);
    }
    if (2..=FEW_THREADS).contains(&outcome.threads.len()) {
        let each: Vec<String> = outcome.threads.iter().map(thread).collect();
        lines.say("threads", each.join(", "));
    }
    let waited = outcome.threads.iter().map(|thread| share(thread.waited_ns, thread.wall_ns)).fold(0.0, f64::max);
    if waited >= CROWDED {
        lines.say("disturbed", format!("up to {waited:.0}% of the time a thread waited while others had its CPU"));
    }
    if let (Some(reached), Some(ceiling)) = (ceiling_share(outcome), &outcome.ceiling) {
        let (reached, best) = (reached * 100.0, ceiling.responses_per_second);
        lines.say("ceiling", format!("{reached:.0}% of this machine's ceiling of {best:.0} req/s"));
    }
    let quiet = QuietTime::of(outcome);
    if quiet.stolen_share() > 0.0 {
        let (stolen, limit) = (quiet.stolen_share() * 100.0, STEAL_LIMIT * 100.0);
        let (noisy, windows) = (quiet.noisy, quiet.windows);
        lines.say(
            "steal",
            format!("{stolen:.1}% of this machine's CPU time, more than {limit:.0}% in {noisy} of {windows} windows"),
        );
    }
    if outcome.generators > 1 {
        lines.say("generators", format!("{} at the same time, added up", outcome.generators));
    }
}

/// `97% on CPU 1`
fn thread(thread: &ThreadRecord) -> String {
    let busy = thread.utilisation() * 100.0;
    match thread.cpu {
        Some(cpu) => format!("{busy:.0}% on CPU {cpu}"),
        None => format!("{busy:.0}%"),
    }
}
