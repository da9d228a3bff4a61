//! The report, read again by its structure.

use std::fs;
use std::path::{Path, PathBuf};

use reports::columns::{COLUMNS, brief};
use reports::ranking::tables;
use reports::record::{Arrival, Part, Varies};
use reports::sample::Others;
use reports::summary::{first_paragraph, limits, within_servers};
use reports::{Run, text, write_all};

use crate::fixture::{measurement, mixed_run, part, plan, round, run, whole_run};

/// What was written of a run.
struct Written {
    html: String,
    markdown: String,
    charts: Vec<String>,
}

fn write(run: &Run, folder: &Path) -> Written {
    let paths = write_all(run, folder).unwrap();
    let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
    Written {
        html: read(&paths.html),
        markdown: read(&paths.markdown),
        charts: paths.charts.iter().map(read).collect(),
    }
}

fn written(run: &Run) -> Written {
    write(run, tempfile::tempdir().unwrap().path())
}

/// The names of all elements of a text of tags, after making sure that each is closed where it has to be.
fn elements(markup: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "br", "input"];
    let mut open: Vec<String> = Vec::new();
    let mut names = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap_or_else(|| panic!("no end: {}", &rest[start..]));
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed where another was open");
            continue;
        }
        let name = tag.split([' ', '/', '\n']).next().unwrap_or_default().to_owned();
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "<{tag}>");
        names.push(name.clone());
        if name == "style" || name == "script" {
            // What is in them is no markup.
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
        if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0], "never closed");
    names
}

/// The cells of the table of all measurements, by row, the heading left out.
fn rows(html: &str) -> Vec<Vec<String>> {
    let table = html.split("<table class=\"measurements sortable\" id=\"measurements\">").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let body = table.split("<tbody>").nth(1).unwrap();
    body.split("<tr")
        .skip(1)
        .map(|row| {
            // The first cell is a heading; the others are cells of data, the first of them the load.
            let cells = row.replace("<th ", "<td ").replace("</th>", "</td>");
            let mut cells: Vec<String> = cells
                .split("<td")
                .skip(1)
                .map(|cell| {
                    cell.split_once('>').unwrap().1.replace("</td>", "").replace("</tr>", "").replace("</tbody>", "")
                })
                .collect();
            cells.remove(1);
            cells
        })
        .collect()
}

/// Where the links of a page lead to.
fn targets(html: &str) -> Vec<&str> {
    html.split(" href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn column(title: &str) -> usize {
    COLUMNS.iter().position(|column| column.title == title).unwrap()
}

#[test]
fn the_page_shows_all_17_measurements_and_needs_nothing_else() {
    let html = written(&whole_run()).html;
    let names = elements(&html);
    let count = |name: &str| names.iter().filter(|found| *found == name).count();
    assert_eq!((count("svg"), count("figure"), count("h1"), count("body")), (6, 6, 1, 1));
    assert_eq!(count("script"), 1, "its own");
    for needless in ["link", "img", "iframe", "object", "image", "use"] {
        assert_eq!(count(needless), 0, "<{needless}>");
    }
    // The name space of the charts is a name and is never asked for.
    let rest = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http://", "https://", "url(", "@import", "src="] {
        assert!(!rest.contains(outside), "{outside}");
    }
    for target in targets(&rest) {
        assert!(target.starts_with("data:text/csv") || target.starts_with('#'), "{target}");
    }
    let rows = rows(&html);
    assert_eq!(rows.len(), 17);
    assert!(rows.iter().all(|row| row.len() == COLUMNS.len()));
}

#[test]
fn the_figures_of_a_row_are_those_of_its_rounds() {
    let one = run(vec![measurement("epoll", "event loops", Some(4), false)], 0);
    let mut one = one;
    one.measurements[0].rounds = vec![round(0, 50_000.0), round(1, 60_000.0), round(2, 40_000.0)];
    let rows = rows(&written(&one).html);
    let cell = |title: &str| rows[0][column(title)].as_str();
    assert_eq!(cell("rank"), "1");
    assert_eq!(cell("workers"), "4");
    assert_eq!((cell("server"), cell("log")), ("epoll", "off"));
    assert_eq!(cell("req/s"), "50,000");
    assert_eq!(cell("min – median – max"), "40,000 – 50,000 – 60,000");
    assert_eq!(cell("to best"), "1");
    // The third root of 120 times 10 to the 12th: what is ranked is the geometric mean of the rounds.
    assert_eq!(cell("req / CPU-s"), "49,324");
    assert_eq!(cell("rounds"), "3");
    // Three times 0.98 s for 150,000 responses.
    assert_eq!(cell("server µs/req"), "19.6");
    assert_eq!(cell("client µs/req"), "6.00");
    assert_eq!(cell("busy: server, client"), "98 %, 30 %");
    assert_eq!(cell("req / connection"), "500");
    assert_eq!(cell("switches / req"), "0.0512");
    assert_eq!(cell("memory"), "4.00 MiB");
    assert_eq!(cell("threads"), "5");
    assert!(cell("validity").contains("valid"));
}

#[test]
fn what_a_record_holds_is_never_taken_for_markup() {
    let mut run = mixed_run();
    run.question = "<script>alert(1)</script> | \"&amp;\" `x` \u{1b}[31m".to_owned();
    run.measurements[1].server.name = "<b>|*bold*".to_owned();
    run.command = vec!["bench".to_owned(), "</code>`<img src=x>".to_owned()];
    let written = written(&run);
    elements(&written.html);
    written.charts.iter().for_each(|chart| drop(elements(chart)));
    for text in written.charts.iter().chain([&written.html, &written.markdown]) {
        assert!(!text.contains("<script>alert") && !text.contains("<b>"), "{text}");
    }
    assert!(!written.html.contains("<img"));
    assert!(written.html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(written.markdown.contains("&lt;b&gt;\\|\\*bold\\*"));
    assert!(written.markdown.contains("`bench </code>'<img src=x>`"));
    assert!(!written.markdown.contains('\u{1b}'));
}

#[test]
fn the_markdown_table_has_a_line_for_each_measurement() {
    let markdown = written(&whole_run()).markdown;
    let lines: Vec<&str> = markdown.lines().filter(|line| line.starts_with('|')).collect();
    // That of the measurements, with its bars, then what a request costs each model with and without its log.
    assert_eq!(lines.len(), 17 + 2 + 8 + 2);
    let cells = |line: &str| line.matches('|').count() - line.matches("\\|").count() - 1;
    for line in &lines[..19] {
        assert_eq!(cells(line), brief().count() + 1, "{line}");
    }
    let bars: Vec<usize> = lines[2..19].iter().map(|line| line.matches('█').count()).collect();
    assert_eq!(bars.iter().max(), Some(&12), "the best one has a whole bar: {bars:?}");
    assert!(bars[2..7].iter().all(|blocks| *blocks <= 1), "a tenth of it has a tenth: {bars:?}");
    for name in ["capacity", "ratio", "throughput", "cost", "latency", "timeline"] {
        assert!(markdown.contains(&format!("](charts/wrk-{name}.svg)")), "{name}");
    }
}

#[test]
fn the_charts_are_files_that_know_the_dark() {
    let written = written(&whole_run());
    assert_eq!(written.charts.len(), 6);
    for chart in &written.charts {
        assert_eq!(elements(chart)[..2], ["svg", "style"]);
        assert!(chart.contains("prefers-color-scheme: dark"));
        assert!(chart.contains("epoll"));
    }
    // 15 worker counts and a line across with two ends are marked solid; none is hollow.
    assert!(!written.charts[2].contains("Nothing to draw yet"));
}

#[test]
fn the_first_paragraph_says_who_carried_most_and_by_how_much() {
    let run = whole_run();
    let tables = tables(&run);
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(paragraph.starts_with("epoll with 1 worker has the highest throughput: 119,"), "{paragraph}");
    assert!(paragraph.contains("answers 1.21× the requests of async with 1 worker (95 % interval 1."), "{paragraph}");
    assert!(paragraph.contains("3 rounds"), "{paragraph}");
    assert!(paragraph.contains("the requests of thread-pool with 1 worker (95 % interval 12."), "{paragraph}");
    assert!(!paragraph.contains("not ranked"), "{paragraph}");
    let within = within_servers(&tables[0]);
    assert_eq!(within.len(), 4);
    assert!(within[0].starts_with("thread-per-connection: with the access log on, it carries 0.8"), "{within:?}");
    assert!(within[2].starts_with("epoll: 50 workers carry 0.7"), "{within:?}");
    assert!(within[2].contains("; with 1 worker and the access log on, it carries 0.8"), "{within:?}");
    let limits = limits(&run, &tables[0]);
    assert_eq!(limits[0], "With one server CPU, more workers show the price of oversubscription, not scaling.");
    assert!(limits.iter().any(|limit| limit.contains("mostly connections / throughput")));
    assert!(limits.iter().any(|limit| limit.contains("loopback")));
}

#[test]
fn servers_that_cannot_be_told_apart_are_not_told_apart() {
    let mut run = run(
        vec![measurement("epoll", "event loops", Some(1), false), measurement("async", "tasks", Some(1), false)],
        0,
    );
    run.measurements[0].rounds = vec![round(0, 50_000.0), round(1, 60_000.0), round(2, 55_000.0)];
    run.measurements[1].rounds = vec![round(0, 54_000.0), round(1, 52_000.0), round(2, 55_000.0)];
    let paragraph = first_paragraph(&run, &tables(&run)[0]);
    assert!(
        paragraph.starts_with(
            "There is no significant difference in requests per available CPU-second between epoll with 1 worker (54,"
        ),
        "{paragraph}"
    );
}

#[test]
fn one_round_gives_a_ratio_and_says_that_it_has_no_interval() {
    let run = run(plan(), 1);
    let tables = tables(&run);
    let paragraph = first_paragraph(&run, &tables[0]);
    assert!(paragraph.contains("(from one round, so without an interval)"), "{paragraph}");
    assert!(!paragraph.contains("interval 1."), "{paragraph}");
    assert!(limits(&run, &tables[0]).iter().any(|limit| limit.starts_with("One round has no interval")));
    assert_eq!(rows(&written(&run).html).len(), 17);
}

#[test]
fn a_root_without_the_file_ranks_nothing_and_says_404() {
    let mut run = whole_run();
    for round in run.measurements.iter_mut().flat_map(|measurement| &mut measurement.rounds) {
        let outcome = round.outcome.as_mut().unwrap();
        outcome.statuses = [(404, outcome.responses)].into();
        outcome.unexpected.status = outcome.responses;
        outcome.unexpected.responses = outcome.responses;
    }
    let paragraph = first_paragraph(&run, &tables(&run)[0]);
    let expected = "None of 17 measurements can be ranked, all for one reason. Every answer was 404 instead of 200";
    assert!(paragraph.starts_with(expected), "{paragraph}");
    let rows = rows(&written(&run).html);
    assert_eq!(rows.len(), 17);
    assert!(rows.iter().all(|row| row[column("rank")] == "–" && row[column("validity")].contains("not valid")));
    let text = text::render(&run);
    assert_eq!(text.matches("\nall rows: Every answer was 404").count(), 1, "{text}");
}

#[test]
fn a_run_that_others_disturbed_throughout_says_so_once() {
    let mut run = whole_run();
    for (place, measurement) in run.measurements.iter_mut().enumerate() {
        for round in &mut measurement.rounds {
            let taken = 0.2 + place as f64 / 100.0;
            round.others = Some(Others { on_server_cpus_seconds: taken, on_client_cpus_seconds: 0.0 });
        }
    }
    let paragraph = first_paragraph(&run, &tables(&run)[0]);
    assert_eq!(
        paragraph,
        "None of 17 measurements can be ranked, all for reasons like this one. Other processes took up to 20 % of \
         the CPUs that were measured on, and too much in every round: end what else is running, or give the bench \
         CPUs of its own with --cpus."
    );
}

#[test]
fn a_run_on_a_bad_day_shows_every_row_with_its_reason() {
    let run = mixed_run();
    let written = written(&run);
    let rows = rows(&written.html);
    let standing = |row: usize| rows[row][column("validity")].as_str();
    for (row, label) in
        [(0, "not valid"), (1, "valid"), (3, "not valid"), (8, "too noisy"), (13, "at least"), (16, "not measured yet")]
    {
        assert!(standing(row).contains(&format!(">{label}<")), "{row}: {}", standing(row));
    }
    assert!(rows[13][column("req/s")].starts_with("≥ "));
    assert_eq!(rows.iter().filter(|row| row[column("rank")] != "–").count(), 13);
    for text in [&written.html, &written.markdown] {
        assert!(text.contains("Provisional"), "{text}");
        assert!(text.contains("0 of 3 rounds done, 48 of 51 turns"), "{text}");
        assert!(text.contains("The server accepted no connection within 5 s"));
        assert!(text.contains("96 of 100 connections were never served"));
        assert!(text.contains("288 requests got no complete answer within 2 s"));
        assert!(text.contains("only 20 % of the measured time had at most 5 % steal"));
        assert!(text.contains("The load generator was the limit"));
    }
    let paragraph = first_paragraph(&run, &tables(&run)[0]);
    assert!(paragraph.starts_with("The load generator was the limit in 1 of 17 rows"), "{paragraph}");
    assert!(
        paragraph.contains("So far, async with 1 worker has the lowest server CPU time per request: 6."),
        "{paragraph}"
    );
    assert!(paragraph.contains("3 of 17 measurements are not ranked"), "{paragraph}");
}

#[test]
fn a_row_behind_the_generators_limit_is_not_forgotten() {
    let mut run = whole_run();
    for round in &mut run.measurements[8].rounds {
        let thread = &mut round.outcome.as_mut().unwrap().threads[0];
        thread.cpu_ns = thread.wall_ns;
        round.server.as_mut().unwrap().cpu_system_seconds = 0.4;
    }
    let paragraph = first_paragraph(&run, &tables(&run)[0]);
    assert!(paragraph.starts_with("The load generator was the limit in 1 of 17 rows"), "{paragraph}");
    assert!(paragraph.contains("epoll with 1 worker has the lowest server CPU time per request"), "{paragraph}");
}

#[test]
fn nothing_measured_is_a_report_too() {
    for run in [run(vec![], 3), run(plan(), 0)] {
        let written = written(&run);
        elements(&written.html);
        written.charts.iter().for_each(|chart| drop(elements(chart)));
        assert!(!text::render(&run).is_empty());
    }
    let empty = written(&run(plan(), 0));
    assert_eq!(rows(&empty.html).len(), 17);
    assert!(empty.html.contains("Nothing is measured yet."));
    assert!(empty.charts[1].contains("Nothing to draw yet"));
}

#[test]
fn any_number_of_servers_and_workers_can_be_drawn() {
    let mut measurements = Vec::new();
    for server in 0..23 {
        for workers in [Some(0), Some(1), Some(2), Some(3), Some(64), Some(u32::MAX), None] {
            measurements.push(measurement(&format!("server-{server}"), "a model", workers, server % 2 == 0));
        }
    }
    let mut run = run(measurements, 1);
    // Figures at the edge: nothing answered, nothing used, more rounds than pixels.
    run.measurements[0].rounds = vec![round(0, 0.0)];
    run.measurements[1].rounds[0].server.as_mut().unwrap().cpu_user_seconds = -1.0;
    run.measurements[2].rounds[0].server.as_mut().unwrap().cpu_user_seconds = f64::NAN;
    run.measurements[3].rounds = (0..900).map(|index| round(index, 100.0)).collect();
    run.measurements[0].placement.server_cpus.clear();
    let written = written(&run);
    elements(&written.html);
    written.charts.iter().for_each(|chart| drop(elements(chart)));
    assert_eq!(rows(&written.html).len(), 23 * 7);
}

#[test]
fn several_workloads_have_a_table_and_charts_each() {
    let mut run = whole_run();
    for measurement in &mut run.measurements[8..] {
        measurement.workload_hash = "close".to_owned();
        measurement.workload.keep_alive = false;
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = write_all(&run, folder.path()).unwrap();
    assert_eq!(paths.charts.len(), 12);
    assert!(paths.charts[6].ends_with("charts/wrk-capacity-2.svg"));
    let html = fs::read_to_string(&paths.html).unwrap();
    assert_eq!(html.matches("<table class=\"evidence\">").count(), 2);
    assert_eq!(rows(&html).len(), 17);
    assert!(html.contains("one request each"));
}

#[test]
fn the_terminal_sees_every_row_and_the_ranked_first() {
    let text = text::render(&mixed_run());
    let table: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("measurement")).skip(1).take(17).collect();
    assert_eq!(table.len(), 17);
    assert!(table[0].starts_with("async, 1 worker"), "{text}");
    assert!(table[13].contains("  not valid ") && table[16].contains("  not measured yet "), "{text}");
    assert!(text.contains("\nasync, 50 workers") || text.contains("async, 50 workers, --keep-alive pinned"), "{text}");
}

#[test]
fn a_report_is_written_again_over_a_provisional_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("charts")).unwrap();
    fs::write(folder.path().join("charts/wrk-of-former-times.svg"), "<svg/>").unwrap();
    assert!(write(&mixed_run(), folder.path()).html.contains("Provisional"));
    assert!(!folder.path().join("charts/wrk-of-former-times.svg").exists());
    assert!(!write(&whole_run(), folder.path()).html.contains("Provisional"));
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("charts"), "in the way").unwrap();
    let error = write_all(&whole_run(), folder.path()).unwrap_err();
    assert!(error.to_string().starts_with("cannot make "), "{error}");
    assert!(error.to_string().contains("/charts: "), "{error}");
}

/// The reports of a good and of a bad day stay in the target directory, to be looked at.
#[test]
fn a_good_and_a_bad_day_can_be_looked_at() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reports");
    for (name, run) in [("good-day", whole_run()), ("bad-day", mixed_run())] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        let written = write(&run, &folder);
        fs::write(folder.join("report.txt"), text::render(&run)).unwrap();
        assert_eq!(rows(&written.html).len(), 17);
    }
}

#[test]
fn a_run_of_several_parts_answers_each_question_and_links_its_decisions_to_their_evidence() {
    let mut run = whole_run();
    let question = |suite: &str, varies| Part { varies, question: format!("What of {suite}?"), ..part(suite) };
    run.parts.extend([question("latency", Varies::OfferedLoad), question("gil", Varies::Interpreter)]);
    let mut open = run.measurements[8].clone();
    (open.part, open.workload_hash) = ("latency".to_owned(), "latency".to_owned());
    open.workload.arrival = Arrival::Open { rate: 50_000.0 };
    let mut sooner = run.measurements[13].clone();
    (sooner.part, sooner.workload_hash, sooner.workload.arrival) =
        ("latency".to_owned(), "latency".to_owned(), open.workload.arrival);
    for (one, factor) in [(&mut open, 2), (&mut sooner, 1)] {
        for round in &mut one.rounds {
            let outcome = round.outcome.as_mut().unwrap();
            outcome.latency = loadgen::Histogram::new();
            (0..outcome.responses).for_each(|place| outcome.latency.record(factor * (100_000 + place % 1000)));
        }
    }
    let interpreters = [
        ("python-threads", 1, 10_000.0),
        ("python-threads", 50, 4_000.0),
        ("python-processes", 1, 9_000.0),
        ("python-processes", 50, 9_100.0),
    ];
    for (place, (name, workers, rate)) in interpreters.into_iter().enumerate() {
        let mut one = measurement(name, "Python", Some(workers), false);
        (one.part, one.workload_hash) = ("gil".to_owned(), "gil".to_owned());
        one.rounds =
            (0..3).map(|index| round(index, rate * (1.0 + 0.002 * f64::from(index * place as u32 % 3)))).collect();
        run.measurements.push(one);
    }
    run.measurements.extend([open, sooner]);
    let written = written(&run);
    for question in ["What of latency?", "What of gil?"] {
        assert!(written.html.contains(question) && written.markdown.contains(question), "{question}");
    }
    let (html, markdown) = (&written.html, &written.markdown);
    assert!(html.contains("async with 1 worker has the lowest p99: "), "{markdown}");
    assert!(markdown.contains("what the threads of one interpreter share costs"), "{markdown}");
    assert!(html.contains("53859 of 53859") && html.contains("None of them would be ranked here"));
    let anchors: Vec<&str> = targets(html).into_iter().filter_map(|target| target.strip_prefix('#')).collect();
    assert!(anchors.len() >= 3 * 6, "{anchors:?}");
    for anchor in anchors {
        assert_eq!(html.matches(&format!(" id=\"{anchor}\"")).count(), 1, "{anchor}");
    }
    let tables = tables(&run);
    let lines = reports::decision::lines(&run, &tables);
    let cell = |line: usize, server: &str| {
        let place = reports::decision::servers(&run).iter().position(|name| *name == server).unwrap();
        lines[line].cells[place].text()
    };
    assert_eq!(
        lines.iter().map(|line| line.load.as_str()).collect::<Vec<_>>(),
        ["wrk", "latency: 50,000 requests per second offered", "gil"]
    );
    assert_eq!((cell(0, "epoll").as_str(), cell(0, "python-threads").as_str()), ("best", "–"));
    assert_eq!((cell(1, "async").as_str(), cell(1, "epoll").as_str()), ("best", "2.00× p99"));
}
