use loadgen::ExpectedLength;

use super::*;

fn arguments(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(std::iter::once("loadgen").chain(line.split_whitespace()))
}

fn plan(line: &str) -> Result<Plan, clap::Error> {
    let mut plan = arguments(line)?.run.plan(None);
    if !line.contains("--seed") {
        plan.seed = 0;
    }
    Ok(plan)
}

/// What wrk does, and that all lengths are to be alike.
fn usual(url: &str) -> Plan {
    let mut plan = Plan::new(url);
    plan.expect.length = Some(ExpectedLength::LikeFirst);
    plan
}

#[test]
fn the_command_line_is_sound() {
    use clap::CommandFactory as _;
    Arguments::command().debug_assert();
}

#[test]
fn without_options_it_does_what_wrk_does() {
    assert_eq!(plan("http://a").unwrap(), usual("http://a"));
}

#[test]
fn every_run_draws_a_seed_of_its_own_unless_one_is_given() {
    let seed = |line: &str| arguments(line).unwrap().run.plan(None).seed;
    assert_ne!(seed("http://a"), seed("http://a"));
    assert_eq!(seed("--seed 0 http://a"), 0);
}

#[test]
fn wrks_options_in_both_forms() {
    let mut expected = usual("http://127.0.0.1:8080");
    (expected.connections, expected.threads) = (1000, 1);
    (expected.duration_ms, expected.timeout_ms) = (120_000, 8_000);
    expected.headers = vec![("X".into(), "y:z".into())];
    assert_eq!(plan("-c 1k -d 2m -t 1 -H X:y:z --timeout 8 http://127.0.0.1:8080").unwrap(), expected);
    assert_eq!(plan("-c1K -d120s -t1 -HX:y:z -T8s http://127.0.0.1:8080").unwrap(), expected);
    let long = "--connections=1000 --duration 120 --threads 1 --header X:y:z --timeout=8s http://127.0.0.1:8080";
    assert_eq!(plan(long).unwrap(), expected);
}

#[test]
fn a_header_field_that_closes_each_connection_is_obeyed() {
    let closing = |line: &str| {
        let plan = plan(line).unwrap();
        (plan.requests_per_connection, plan.headers.len())
    };
    let mut words = ["-H", "Connection: close", "http://a"].map(str::to_owned).to_vec();
    let plan_of = |words: &[String]| {
        let all = [&["loadgen".to_owned()], words].concat();
        Arguments::try_parse_from(all).unwrap().run.plan(None)
    };
    let plan = plan_of(&words);
    assert_eq!((plan.requests_per_connection, plan.headers.len()), (Some(1), 0));
    // It contradicts another number, which is told when the requests are made.
    words.extend(["--requests-per-connection", "3"].map(str::to_owned));
    let plan = plan_of(&words);
    assert_eq!((plan.requests_per_connection, plan.headers.len()), (Some(3), 1));
    assert_eq!(closing("-H Connection:keep-alive http://a"), (None, 1));
}

#[test]
fn the_shape_of_the_load() {
    let mut expected = usual("http://a");
    (expected.pipeline, expected.requests_per_connection) = (16, Some(100));
    (expected.idle_connections, expected.slow_read) = (1000, Some(16_000));
    (expected.warmup_ms, expected.interval_ms, expected.seed) = (500, 1000, 7);
    expected.method = Method::Head;
    let line = "--pipeline 16 --requests-per-connection 100 --idle 1k --slow-read 16k --warmup 500ms --interval 1s --seed 7 \
                --head http://a";
    assert_eq!(plan(line).unwrap(), expected);
    assert_eq!(plan("--close http://a").unwrap().requests_per_connection, Some(1));
    let endless = plan("-n 10k http://a").unwrap();
    assert_eq!((endless.requests, endless.duration_ms), (Some(10_000), ENDLESS_MS));
    assert_eq!(plan("-n 10k -d 3 http://a").unwrap().duration_ms, 3_000);
}

#[test]
fn paths_by_list_and_by_file() {
    let listed = plan("--path /a --path /b --zipf 1.1 http://a").unwrap().paths;
    assert_eq!(listed, Paths { list: vec!["/a".into(), "/b".into()], order: Order::Zipf(1.1) });
    let file = Paths { list: vec!["/x".into()], order: Order::Weighted(vec![2.0]) };
    let arguments = arguments("--paths list.txt http://a").unwrap();
    assert_eq!(arguments.run.paths(), Some(&PathBuf::from("list.txt")));
    assert_eq!(arguments.run.plan(Some(file.clone())).paths, file);
}

#[test]
fn what_the_responses_have_to_be() {
    let expect = |line: &str| plan(line).unwrap().expect;
    let told = expect("--expect-status 200 --expect-length 612 --expect-body www --body-share 10% http://a");
    assert_eq!((told.status, told.length), (Some(200), Some(ExpectedLength::Exactly(612))));
    assert_eq!((told.body, told.body_share), (Some(ExpectedBody::File("www".into())), 0.1));
    assert_eq!(expect("--expect-length any http://a").length, None);
    assert_eq!(expect("--expect-body first http://a").body, Some(ExpectedBody::LikeFirst));
}

#[test]
fn open_loops() {
    let load = |line: &str| plan(line).unwrap().load;
    assert_eq!(load("-R 1.5k http://a"), Load::Open(Offered::steady(1500.0)));
    let ramp = Offered { rate: 10.0, final_rate: Some(1000.0), arrivals: Arrivals::Poisson };
    assert_eq!(load("--ramp 10:1k --arrivals poisson http://a"), Load::Open(ramp));
    let search = arguments("--search p99<10ms --arrivals poisson http://a").unwrap().run;
    assert_eq!(search.objective().map(ToString::to_string).as_deref(), Some("p99<10ms"));
    assert_eq!((search.arrivals(), search.plan(None).load), (Arrivals::Poisson, Load::Closed));
}

#[test]
fn the_machine() {
    let mut plan = plan("-c 100 -t auto --cpus 1,3-4,1 --start-at 1764110000.25 http://a").unwrap();
    assert_eq!((plan.threads, plan.cpus.take()), (3, Some(vec![1, 3, 4, 1])));
    assert_eq!(plan.start_at_ms, Some(1_764_110_000_250));
    assert_eq!(cpus_of(&plan), std::thread::available_parallelism().unwrap().get());
    let few = arguments("-c 1 -t auto --cpus 0-7 http://a").unwrap().run.plan(None);
    assert_eq!(few.threads, 1);
    assert!(arguments("--calibrate -c 100 -t 1").unwrap().run.is_calibration());
}

#[test]
fn a_wrong_usage_is_refused() {
    for line in [
        "",
        "-c",
        "-c x http://a",
        "-c 0 http://a",
        "-c 1x http://a",
        "-c 99999999999999999999 http://a",
        "-t auot http://a",
        "-d 2x http://a",
        "-d -1 http://a",
        "-H nocolon http://a",
        "-s script.lua http://a",
        "-n 0 http://a",
        "-R 0 http://a",
        "-R 10 --ramp 1:2 http://a",
        "-R 10 --search p99<1ms http://a",
        "--ramp 1 http://a",
        "--ramp 1:2 -n 5 http://a",
        "--search p99 http://a",
        "--search p99<1ms -n 5 http://a",
        "--arrivals poisson http://a",
        "--zipf 1 http://a",
        "--path /a --paths b http://a",
        "--close --requests-per-connection 2 http://a",
        "--pipeline 0 http://a",
        "--slow-read 0 http://a",
        "--cpus 3-1 http://a",
        "--cpus a http://a",
        "--start-at soon http://a",
        "--expect-status 99 http://a",
        "--expect-length -1 http://a",
        "--body-share 50% http://a",
        "--expect-body first --body-share 2 http://a",
        "--calibrate -R 5",
        "--nonsense http://a",
        "http://a http://b",
        "merge",
    ] {
        let error = arguments(line).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    let error = plan("-s a.lua http://a").unwrap_err().to_string();
    assert!(error.contains("Lua scripts are not supported"), "{error}");
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["-h", "--help", "-v", "--version", "merge --help"] {
        assert_eq!(arguments(line).unwrap_err().exit_code(), 0, "{line}");
    }
}

#[test]
fn what_else_there_is_to_do() {
    let command = |line: &str| arguments(line).unwrap().command;
    let Some(Command::NullServer(null_server)) = command("null-server 0 -w 3") else {
        panic!("not the null server");
    };
    assert_eq!((null_server.port, null_server.workers), (0, 3));
    assert!(arguments("null-server 99999").is_err());
    let Some(Command::NullServer(null_server)) = command("null-server -w auto") else {
        panic!("not the null server");
    };
    assert_eq!(null_server.workers, std::thread::available_parallelism().unwrap().get());
    let Some(Command::Merge(merge)) = command("merge a.json b.json --strict -L --json c.json --hdr c") else {
        panic!("no merging");
    };
    assert_eq!(merge.files, ["a.json", "b.json"].map(PathBuf::from));
    assert!(merge.output.strict && merge.output.latency && merge.output.json.is_some() && merge.output.hdr.is_some());
}
