//! What came of a calibration, as Markdown.

use reports::comparison::resampling::{Calibration, Drawing, Drawn, Kind, Said};
use reports::statistics::binomial;
use reports::words::percent;

/// Comparisons that are drawn from what was recorded.
const DRAWN: usize = 2_000;

/// How often a bound may miss the truth.
const ERROR: f64 = 0.05;

/// What all comparisons said, live and drawn, with the bounds of what was counted.
pub(super) fn describe(calibration: &Calibration) -> String {
    let mut text = format!("{}\n\n", heading(calibration));
    text.push_str("| comparisons | of | slower | faster | no difference | undecided | failed |\n");
    text.push_str("|---|--:|--:|--:|--:|--:|--:|\n");
    for kind in Kind::ALL {
        row(&mut text, &format!("{}, live", name(calibration, kind)), calibration.live(kind));
    }
    let usual = Drawing {
        from: Kind::Equal,
        slower: 0.0,
        max_slowdown: calibration.max_slowdown,
        most_pairs: calibration.most_pairs,
    };
    // Until a third of the usual difference would be seen: that takes more than the fewest pairs.
    let thin = Drawing { max_slowdown: calibration.max_slowdown / 3.0, most_pairs: 300, ..usual };
    let drawings = [
        ("equal".to_owned(), usual),
        (format!("equal, until {} would be seen", percent(thin.max_slowdown)), thin),
        (
            format!("head {} slower by reckoning", percent(usual.max_slowdown)),
            Drawing { slower: usual.max_slowdown, ..usual },
        ),
        (
            format!("head {} slower by reckoning, until that would be seen", percent(thin.max_slowdown)),
            Drawing { slower: thin.max_slowdown, ..thin },
        ),
    ];
    for (name, drawing) in drawings {
        let Drawn { said, pairs } = calibration.resampled(drawing, DRAWN, 1);
        if said.all() > 0 {
            row(&mut text, &format!("{name}, drawn ({:.0} pairs)", pairs as f64 / said.all() as f64), said);
        }
    }
    text.push('\n');
    for sentence in sentences(calibration) {
        text.push_str(&format!("- {sentence}\n"));
    }
    text
}

fn heading(calibration: &Calibration) -> String {
    let environment = &calibration.environment;
    let days = [calibration.trials.first(), calibration.trials.last()]
        .map(|trial| trial.map_or(calibration.started_at, |trial| trial.started_at).for_reader());
    let seconds: f64 = calibration.trials.iter().map(|trial| trial.seconds).sum();
    format!(
        "{}; {} to {}; {}; {:.0} s each",
        calibration.title,
        days[0],
        days[1],
        environment.cpu_model,
        seconds / calibration.trials.len().max(1) as f64,
    )
}

fn row(text: &mut String, name: &str, said: Said) {
    let Said { slower, faster, no_difference, undecided, failed } = said;
    if said.all() > 0 {
        let all = said.all();
        text.push_str(&format!(
            "| {name} | {all} | {slower} | {faster} | {no_difference} | {undecided} | {failed} |\n"
        ));
    }
}

fn name(calibration: &Calibration, kind: Kind) -> String {
    match kind {
        Kind::Equal => "equal".to_owned(),
        Kind::Layout => "equal code, linked in another order".to_owned(),
        Kind::Burn => format!("head burns {} more CPU", percent(calibration.burnt)),
        Kind::Wait => {
            format!("head waits {} of its CPU time", percent(calibration.waited.unwrap_or_default()))
        }
    }
}

/// What was counted, each as a rate and its bound.
fn sentences(calibration: &Calibration) -> Vec<String> {
    let mut sentences = Vec::new();
    for kind in Kind::ALL {
        let said = calibration.live(kind);
        let (all, what) = (said.all(), name(calibration, kind));
        if all == 0 {
            continue;
        }
        if kind.is_slowed() {
            sentences.push(format!(
                "Found, {what}: {} of {all} ({}); with 95 % confidence at least {} of such comparisons find it.",
                said.slower,
                percent(said.slower as f64 / all as f64),
                percent(binomial::lower_bound(said.slower, all, ERROR)),
            ));
            continue;
        }
        let bound = |events: usize| {
            let (rate, upper) = (events as f64 / all as f64, binomial::upper_bound(events, all, ERROR));
            format!("{events} of {all} ({}; with 95 % confidence at most {})", percent(rate), percent(upper))
        };
        sentences.push(format!("Called different or failed, {what}: {}.", bound(said.alarms())));
        sentences.push(format!(
            "Called slower by more than the {} that are let pass, {what}: {}.",
            percent(calibration.max_slowdown),
            bound(calibration.too_slow(kind)),
        ));
    }
    if let Some(seen) = calibration.seen_burnt() {
        sentences.push(format!("The burning server is seen to cost {} more CPU time per response.", percent(seen)));
    }
    sentences
}
