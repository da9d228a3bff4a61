//! What runs on GitHub, without GitHub: the scripts of `.github/scripts` with a `gh` and a `cargo` in pretence, and what
//! the workflows themselves have to keep to.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it must be")]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::{Finished, PATIENCE, finish, tool, wait_until, workspace};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const MARKER: &str = "<!-- otuserver comparison: comparison -->";

/// Answers what the script asks, from files; of what is to be written, it keeps the method, the path and the body.
const GH: &str = r#"#!/usr/bin/env bash
set -euo pipefail
[ "$1" = api ] && shift
method=GET
while [ "${1#--}" != "$1" ]; do
    case $1 in
        --method) method=$2 && shift ;;
        --paginate) ;;
        *) echo "unknown: $1" >&2 && exit 1 ;;
    esac
    shift
done
path=$1
if [ "$method" != GET ]; then
    [ "$2" = --input ]
    printf '%s %s\n' "$method" "$path" >>"$FAKE/written"
    cp "$3" "$FAKE/body.json"
    exit
fi
case $path in
    repos/us/project/actions/runs/77/artifacts\?*) cat "$FAKE/artifacts.json" ;;
    repos/us/project/actions/artifacts/9/zip) cat "$FAKE/artifact.zip" ;;
    repos/us/project/pulls/12) cat "$FAKE/pull.json" ;;
    repos/us/project/issues/12/comments\?*) cat "$FAKE/comments.json" ;;
    *) echo "not found: $path" >&2 && exit 1 ;;
esac
"#;

/// Says how it was called, leaves the report `$FAKE/comparison.md` if there is one, and ends as `$FAKE/code` says; with
/// `$FAKE/wait` not before it is interrupted.
const CARGO: &str = r#"#!/usr/bin/env bash
set -euo pipefail
printf '%s\n' "$@" >"$FAKE/arguments"
echo "measuring in $PWD"
for argument in "$@"; do
    case $argument in --out=*) out=${argument#--out=} ;; esac
done
if [ -e "$FAKE/comparison.md" ]; then
    mkdir -p "$out/now-compare"
    cp "$FAKE/comparison.md" "$out/now-compare/"
    echo '{}' >"$out/now-compare/comparison.json"
    ln -s now-compare "$out/latest"
fi
if [ -e "$FAKE/wait" ]; then
    trap 'echo stopping; exit 130' INT
    touch "$FAKE/waits"
    while true; do sleep 0.05; done
fi
exit "$(cat "$FAKE/code")"
"#;

fn has_tools(names: &[&str]) -> bool {
    names.iter().all(|name| tool(name).is_some())
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn program(path: &Path, text: &str) {
    let written = path.with_extension("written");
    write(&written, text);
    fs::set_permissions(&written, fs::Permissions::from_mode(0o755)).unwrap();
    harness::copy_to_start(&written, path);
}

/// A script as a step of a job runs it, with the fakes before all other programs. SIGINT ends it, also where the tests were started
/// in the background, which ignores that.
fn script(name: &str, folder: &Path) -> Command {
    let mut command = Command::new("env");
    let path = env::var("PATH").unwrap();
    command.args(["--default-signal=INT", "bash"]).arg(workspace().join(".github/scripts").join(name));
    command.env("PATH", format!("{}:{path}", folder.join("bin").display())).env("FAKE", folder);
    command
}

/// What the run left: number 9 is the one that counts.
fn artifacts(size: u64) -> Value {
    let artifact = |id, name, expired| json!({"id": id, "name": name, "expired": expired, "size_in_bytes": size});
    json!({"artifacts": [
        artifact(8, "comparison", false),
        artifact(9, "comparison", false),
        artifact(10, "comparison", true),
        artifact(11, "another", false),
    ]})
}

fn pull(state: &str, head: &str, from: &Value, to: &str) -> Value {
    json!({"state": state, "head": {"sha": head, "repo": from}, "base": {"repo": {"full_name": to}}})
}

/// The run of a pull request's comparison has ended: what GitHub has of it.
struct Comment {
    folder: TempDir,
}

impl Comment {
    fn on(report: &str) -> Self {
        let comment = Self { folder: tempfile::tempdir().unwrap() };
        program(&comment.path("bin/gh"), GH);
        comment.artifact("12\n", report);
        comment.answer("artifacts", &artifacts(1000));
        comment.answer("pull", &pull("open", HEAD, &json!({"full_name": "them/fork"}), "us/project"));
        comment.answer("comments", &json!([]));
        comment
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn answer(&self, name: &str, value: &Value) {
        write(&self.path(&format!("{name}.json")), value.to_string());
    }

    fn artifact(&self, number: &str, report: &str) {
        let inside = self.path("artifact");
        write(&inside.join("pull-request"), number);
        write(&inside.join("comparison.md"), report);
        let _ = fs::remove_file(self.path("artifact.zip"));
        let mut zip = Command::new("zip");
        zip.args(["-q", "-r", "../artifact.zip", "."]).current_dir(inside);
        finish(&mut zip, PATIENCE).succeeded();
    }

    fn run(&self) -> Finished {
        let mut command = script("compare-comment", self.folder.path());
        command
            .env("REPOSITORY", "us/project")
            .env("RUN", "77")
            .env("RUN_ADDRESS", "https://github.com/us/project/actions/runs/77")
            .env("HEAD_COMMIT", HEAD)
            .env("HEAD_REPOSITORY", "them/fork")
            .env("ARTIFACT", "comparison")
            .env("AUTHOR", "github-actions[bot]");
        finish(&mut command, PATIENCE)
    }

    /// What was written, a line each; empty if nothing was.
    fn written(&self) -> String {
        fs::read_to_string(self.path("written")).unwrap_or_default()
    }

    fn body(&self) -> String {
        let request: Value = serde_json::from_slice(&fs::read(self.path("body.json")).unwrap()).unwrap();
        request["body"].as_str().unwrap().to_owned()
    }
}

fn report(verdict: &str) -> String {
    format!("<!-- verdict: {verdict} -->\n**epoll** is slower by 7%: p99 < 10 ms\n")
}

const CREATED: &str = "POST repos/us/project/issues/12/comments\n";
const UPDATED: &str = "PATCH repos/us/project/issues/comments/5\n";
const COMMENT_TOOLS: [&str; 4] = ["bash", "jq", "unzip", "zip"];

#[test]
fn a_comment_is_created_when_there_is_something_to_say_and_updated_from_then_on() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    for verdict in ["slower", "faster", "undecided", "failed", "no difference"] {
        let comment = Comment::on(&report(verdict));
        comment.run().succeeded();
        assert_eq!(comment.written(), if verdict == "no difference" { "" } else { CREATED }, "{verdict}");

        // A page of others' comments before it, one of which begins as ours does.
        let comments = [
            json!([{"id": 3, "user": {"login": "someone"}, "body": format!("{MARKER}\nmine!")}]).to_string(),
            json!([
                {"id": 4, "user": {"login": "github-actions[bot]"}, "body": "another workflow's"},
                {"id": 5, "user": {"login": "github-actions[bot]"}, "body": format!("{MARKER}\nearlier")},
            ])
            .to_string(),
        ];
        let comment = Comment::on(&report(verdict));
        write(&comment.path("comments.json"), comments.concat());
        comment.run().succeeded();
        assert_eq!(comment.written(), UPDATED, "{verdict}");
        let body = comment.body();
        assert!(body.starts_with(&format!("{MARKER}\n### Comparison of 012345678 with its base\n")), "{body}");
        assert!(body.contains("](https://github.com/us/project/actions/runs/77)"), "{body}");
        assert!(body.ends_with("\n**epoll** is slower by 7%: p99 < 10 ms\n"), "{body}");
    }
}

#[test]
fn somebody_else_with_our_marker_is_left_alone() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    let comment = Comment::on(&report("slower"));
    comment.answer("comments", &json!([{"id": 5, "user": {"login": "someone"}, "body": format!("{MARKER}\nmine!")}]));
    comment.run().succeeded();
    assert_eq!(comment.written(), CREATED);
}

#[test]
fn a_number_that_is_none_is_refused() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    for number in ["", "0", "-12", "12x", "12\n13\n", "1 2", "../issues/1", "$(touch owned)", "12345678901234567890"] {
        let comment = Comment::on(&report("slower"));
        comment.artifact(number, &report("slower"));
        let finished = comment.run();
        assert_eq!(finished.code(), 1, "{number:?}: {finished:?}");
        assert!(finished.stdout.contains("refused: the number"), "{number:?}: {finished:?}");
        assert_eq!(comment.written(), "", "{number:?}");
    }
}

#[test]
fn a_pull_request_that_is_not_the_one_that_ran_gets_no_comment() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    let fork = json!({"full_name": "them/fork"});
    let other = HEAD.replace('0', "f");
    for pull in [
        pull("closed", HEAD, &fork, "us/project"),
        pull("open", &other, &fork, "us/project"),
        pull("open", HEAD, &json!({"full_name": "others/fork"}), "us/project"),
        pull("open", HEAD, &Value::Null, "us/project"),
        pull("open", HEAD, &fork, "others/project"),
    ] {
        let comment = Comment::on(&report("slower"));
        comment.answer("pull", &pull);
        let finished = comment.run().succeeded();
        assert!(finished.stdout.contains("no comment: pull request 12"), "{finished:?}");
        assert_eq!(comment.written(), "", "{pull}");
    }
    // There is none of this number.
    let comment = Comment::on(&report("slower"));
    comment.artifact("13", &report("slower"));
    assert_ne!(comment.run().code(), 0);
    assert_eq!(comment.written(), "");
}

#[test]
fn a_run_without_an_artifact_says_nothing() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    let comment = Comment::on(&report("slower"));
    comment.answer("artifacts", &json!({"artifacts": []}));
    comment.run().succeeded();
    assert_eq!(comment.written(), "");
    comment.answer("artifacts", &artifacts(100_000_001));
    assert_eq!(comment.run().code(), 1);
    write(&comment.path("artifact.zip"), "no zip file");
    comment.answer("artifacts", &artifacts(11));
    assert_eq!(comment.run().code(), 1);
    assert_eq!(comment.written(), "");
}

#[test]
fn a_report_without_a_verdict_is_refused() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    for report in ["", "\n<!-- verdict: slower -->\n", "<!-- verdict: best -->\n", "<!-- verdict: slower --> x\n"] {
        let comment = Comment::on(report);
        let finished = comment.run();
        assert_eq!(finished.code(), 1, "{report:?}: {finished:?}");
        assert_eq!(comment.written(), "", "{report:?}");
    }
}

#[test]
fn a_report_can_neither_call_nor_link_nor_hide_nor_run_anything() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    let lines = [
        "@everyone and @us/team, fixes #1 and us/project#2 and GH-3; &#64;someone &commat;someone",
        "[click](https://evil.example) ![x](//evil.example/x.png) [click][a] <https://evil.example> www.evil.example",
        "[a]: https://evil.example",
        "<!-- another bot's marker --><script>x</script><img src=x><a href=x>x</a><?x?>",
        "$(touch owned) `touch owned` ${{ github.token }} ::error::x",
        "<details><summary>More</summary>1<br>2<sub>3</sub></details> a < b &lt; c &amp; d, 5 & 6 | [1, 2] (x)",
        "\u{1b}[31m\u{7}red",
    ];
    let comment = Comment::on(&format!("<!-- verdict: slower -->\n{}\n", lines.join("\n")));
    let finished = comment.run().succeeded();
    assert_eq!(finished.stdout, "comment created\n");
    let body = comment.body();
    let (_, shown) = body.split_once("</sub>\n\n").unwrap();
    assert_eq!(
        shown.replace('\u{200b}', "~").lines().collect::<Vec<_>>(),
        [
            "@~everyone and @~us/team, fixes #~1 and us/project#~2 and GH~-3; &amp;#~64;someone &amp;commat;someone",
            "[click] (https:~//evil.example) ![x] (//evil.example/x.png) [click] [a] &lt;https:~//evil.example> \
             www~.evil.example",
            "[a] : https:~//evil.example",
            "&lt;!-- another bot's marker -->&lt;script>x&lt;/script>&lt;img src=x>&lt;a href=x>x&lt;/a>&lt;?x?>",
            "$(touch owned) `touch owned` ${{ github.token }} ::error::x",
            "<details><summary>More</summary>1<br>2<sub>3</sub></details> a < b &lt; c &amp; d, 5 &amp; 6 | [1, 2] (x)",
            "[31mred",
        ]
    );
}

#[test]
fn a_report_that_is_too_long_is_cut_where_a_character_ends() {
    if !has_tools(&COMMENT_TOOLS) {
        return;
    }
    for text in ["é<a", "@a", "x"] {
        let comment = Comment::on(&format!("{}{}", report("slower"), text.repeat(200_000)));
        comment.run().succeeded();
        let body = comment.body();
        assert!(body.contains("was cut") && !body.contains('\u{fffd}'), "{text}");
        assert!((30_000..65_000).contains(&body.chars().count()), "{text}: {}", body.chars().count());
    }
}

/// A repository with a base and a head, and the place of a job's files.
struct Job {
    folder: TempDir,
}

impl Job {
    /// The head changes these files; `main` has a commit more than its base.
    fn new(changes: &[(&str, &str)]) -> Self {
        let job = Self { folder: tempfile::tempdir().unwrap() };
        program(&job.path("bin/cargo"), CARGO);
        // The job has a compiler that is new enough.
        program(&job.path("bin/rustc"), "#!/bin/sh\necho 'rustc 9.9.9 (in pretence)'\n");
        write(&job.path("code"), "0");
        fs::create_dir(job.path("temporary")).unwrap();
        write(&job.path("project/source"), "1");
        write(&job.path("project/README.md"), "1");
        job.git(&["init", "--quiet", "--initial-branch=main"]);
        job.commit();
        job.git(&["switch", "--quiet", "--create", "topic"]);
        for (name, text) in changes {
            write(&job.path("project").join(name), text);
        }
        job.commit();
        job.git(&["switch", "--quiet", "main"]);
        write(&job.path("project/others-work"), "1");
        job.commit();
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@example.invalid"]).args(arguments);
        finish(git.current_dir(self.path("project")), PATIENCE).succeeded().stdout.trim().to_owned()
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "a change"]);
    }

    fn step(&self, name: &str) -> Command {
        let mut command = script(name, self.folder.path());
        command
            .env("RUNNER_TEMP", self.path("temporary"))
            .env("GITHUB_WORKSPACE", self.path("project"))
            .env("GITHUB_OUTPUT", self.path("outputs"))
            .env("GITHUB_STEP_SUMMARY", self.path("summary"))
            .current_dir(self.folder.path());
        command
    }

    fn prepare(&self) -> Command {
        let mut command = self.step("compare-prepare");
        command
            .env("PULL_REQUEST", "12")
            .env("PULL_REQUEST_BASE", self.git(&["rev-parse", "main"]))
            .env("PULL_REQUEST_HEAD", self.git(&["rev-parse", "topic"]))
            .env("IGNORE", "**/*.md\n  docs/**\n\n");
        command
    }

    fn compare(&self) -> Command {
        let mut command = self.step("compare-run");
        command
            .env("OTUSERVER", self.output("otuserver"))
            .env("BASE", self.output("base"))
            .env("HEAD", self.output("head"))
            .env("SERVERS", "my servers.toml")
            .env("BUDGET", "10m")
            .env("MAX_SLOWDOWN", "5%")
            .env("STRICT", "true")
            .env("QUICK", "false")
            .env("ONLY", "mine,--quick");
        command
    }

    /// Writes the summary, and answers with it.
    fn publish(&self) -> String {
        let mut command = self.step("compare-publish");
        command.env("BASE", self.output("base")).env("HEAD", self.output("head"));
        finish(&mut command, PATIENCE).succeeded();
        fs::read_to_string(self.path("summary")).unwrap()
    }

    fn output(&self, name: &str) -> String {
        let outputs = fs::read_to_string(self.path("outputs")).unwrap_or_default();
        let value = outputs.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().to_owned()
    }

    fn kept(&self, name: &str) -> String {
        fs::read_to_string(self.path("temporary/comparison/artifact").join(name)).unwrap()
    }
}

const JOB_TOOLS: [&str; 2] = ["bash", "git"];

#[test]
fn a_pull_request_is_compared_with_where_it_began() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("source", "2"), ("README.md", "2")]);
    finish(&mut job.prepare(), PATIENCE).succeeded();
    assert_eq!(job.output("matters"), "true");
    assert_eq!(job.output("base"), job.git(&["rev-parse", "topic~1"]));
    assert_eq!(job.output("head"), job.git(&["rev-parse", "topic"]));
    assert_eq!(job.output("key").len(), 16);
    assert_eq!(job.kept("pull-request"), "12\n");

    write(&job.path("comparison.md"), report("slower"));
    write(&job.path("code"), "1");
    assert_eq!(finish(&mut job.compare(), PATIENCE).code(), 1);
    let project = job.path("project").canonicalize().unwrap();
    let arguments = fs::read_to_string(job.path("arguments")).unwrap();
    let expected = [
        "suite",
        "compare",
        "--max-slowdown=5%",
        &format!("--out={}", job.path("temporary/comparison/out").display()),
        "--budget=10m",
        "--only=mine,--quick",
        "--strict",
        &format!("--servers={}", job.path("project/my servers.toml").display()),
        &format!("--repo={}", job.path("project").display()),
        &job.output("base"),
        &job.output("head"),
    ];
    assert_eq!(arguments.lines().collect::<Vec<_>>(), expected, "{}", project.display());

    assert_eq!(job.publish(), report("slower"));
    assert_eq!(job.kept("comparison.md"), report("slower"));
    assert_eq!(job.output("verdict"), "slower");
    assert_eq!(job.kept("comparison.json"), "{}\n");
    wait_until("the log is kept", || job.kept("compare.log").starts_with("measuring in "));
}

#[test]
fn what_cannot_matter_is_not_measured() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("README.md", "2"), ("deep/er/notes.md", "2"), ("docs/picture.svg", "2")]);
    finish(&mut job.prepare(), PATIENCE).succeeded();
    assert_eq!(job.output("matters"), "false");
    let summary = job.publish();
    assert!(summary.starts_with("<!-- verdict: no difference -->\nNothing was measured: from "), "{summary}");
    assert_eq!(job.kept("comparison.md"), summary);
    assert_eq!(job.output("verdict"), "no difference");
    assert_eq!(job.kept("pull-request"), "12\n");
}

#[test]
fn commits_that_are_not_there_are_refused_in_a_sentence() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("source", "2")]);
    let finished = finish(job.prepare().env("BASE_COMMIT", "no-such"), PATIENCE);
    assert_eq!(finished.code(), 2, "{finished:?}");
    assert!(finished.stderr.contains("no-such is no commit of this repository"), "{finished:?}");
    let summary = job.publish();
    assert!(summary.starts_with("<!-- verdict: failed -->\n**There was no comparison:** no-such is no"), "{summary}");

    // A push: no pull request, the commit before.
    let mut push = job.step("compare-prepare");
    finish(&mut push, PATIENCE).succeeded();
    assert_eq!(job.output("base"), job.git(&["rev-parse", "HEAD~1"]));
    assert_eq!(job.output("head"), job.git(&["rev-parse", "HEAD"]));

    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--depth=1", &format!("file://{}", job.path("project").display()), "shallow"]);
    finish(clone.current_dir(job.folder.path()), PATIENCE).succeeded();
    let finished = finish(job.prepare().env("GITHUB_WORKSPACE", job.path("shallow")), PATIENCE);
    assert_eq!(finished.code(), 2, "{finished:?}");
    assert!(finished.stderr.contains("fetch-depth: 0"), "{finished:?}");
}

#[test]
fn another_project_has_to_name_its_servers() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("source", "2")]);
    finish(&mut job.prepare(), PATIENCE).succeeded();
    assert_eq!(finish(job.compare().env("SERVERS", ""), PATIENCE).code(), 2);
    assert!(job.publish().contains("**There was no comparison:** no servers: "));
    // Where the project is OTUServer itself, they are its models.
    let own = job.path("project").canonicalize().unwrap();
    finish(job.compare().env("SERVERS", "").env("OTUSERVER", own), PATIENCE).succeeded();
    assert!(!fs::read_to_string(job.path("arguments")).unwrap().contains("--repo"));
}

#[test]
fn a_comparison_that_leaves_no_report_says_so() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("source", "2")]);
    // Not even prepared: the checkout failed.
    assert!(job.publish().starts_with("<!-- verdict: failed -->\n**The comparison did not begin**"));
    fs::remove_file(job.path("summary")).unwrap();
    finish(&mut job.prepare(), PATIENCE).succeeded();
    write(&job.path("code"), "101");
    assert_eq!(finish(&mut job.compare(), PATIENCE).code(), 101);
    wait_until("the log is kept", || job.kept("compare.log").starts_with("measuring in "));
    let summary = job.publish();
    assert!(summary.starts_with("<!-- verdict: failed -->\n**The comparison failed** with exit code 101"), "{summary}");
    assert!(summary.contains("\nThe end of the log:\n\n    measuring in "), "{summary}");
    assert!(!job.kept("comparison.md").contains("measuring in"), "the log is for the summary");
}

#[test]
fn an_interrupted_comparison_keeps_what_it_has_and_says_so() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("source", "2")]);
    finish(&mut job.prepare(), PATIENCE).succeeded();
    write(&job.path("comparison.md"), report("undecided"));
    write(&job.path("wait"), "");
    let mut comparison = job.compare().stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    wait_until("it measures", || job.path("waits").exists());
    kill_process(Pid::from_child(&comparison), Signal::INT).unwrap();
    let mut status = None;
    wait_until("it ends", || {
        status = comparison.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(130));
    let summary = job.publish();
    assert!(summary.starts_with("<!-- verdict: undecided -->\n**The comparison was interrupted**"), "{summary}");
    assert!(summary.contains("**epoll** is slower by 7%"), "{summary}");
}

#[test]
fn a_changed_toolchain_is_named() {
    if !has_tools(&JOB_TOOLS) {
        return;
    }
    let job = Job::new(&[("rust-toolchain.toml", "[toolchain]\n"), ("tools/.nvmrc", "1"), ("source", "2")]);
    let rustc = "#!/bin/sh\n[ -e rust-toolchain.toml ] && echo 'rustc 9.9.9' || echo 'rustc 9.9.8'\n";
    finish(&mut job.prepare(), PATIENCE).succeeded();
    program(&job.path("bin/rustc"), rustc);
    write(&job.path("comparison.md"), report("slower"));
    finish(&mut job.compare(), PATIENCE).succeeded();
    let summary = job.publish();
    let note = "<!-- verdict: slower -->\n**The toolchain changes:** `rust-toolchain.toml` `tools/.nvmrc`. Base: rustc \
                9.9.8; head: rustc 9.9.9. A difference may be the compiler's.\n\n**epoll** is slower";
    assert!(summary.starts_with(note), "{summary}");
    assert_eq!(job.kept("comparison.md"), summary);
}

/// The files that GitHub reads.
fn github_files() -> Vec<(PathBuf, String)> {
    let folder = workspace().join(".github");
    let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let actions = files(folder.join("actions")).map(|action| action.join("action.yml"));
    let all = files(folder.join("workflows")).chain(actions);
    all.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// The text of a YAML file without what is said about it.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with('#'))
}

#[test]
fn others_actions_are_pinned_to_a_commit_that_has_a_name() {
    let mut seen = 0;
    for (path, text) in github_files() {
        for used in lines(&text).filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: ")) {
            seen += 1;
            if let Some(own) = used.strip_prefix("./") {
                assert!(workspace().join(own).join("action.yml").is_file(), "{}: {used}", path.display());
                continue;
            }
            let (_, pin) = used.split_once('@').unwrap();
            let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{}: {used}", path.display()));
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{used}");
            assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{used}");
        }
    }
    assert!(seen > 8, "only {seen} were found");
}

#[test]
fn nothing_is_written_into_a_shell_and_little_is_permitted() {
    for (path, text) in github_files() {
        let place = path.display();
        let mut script_indent = None;
        for line in lines(&text) {
            let indent = line.len() - line.trim_start().len();
            if script_indent.is_some_and(|script| indent <= script && !line.trim().is_empty()) {
                script_indent = None;
            }
            if line.trim_start().trim_start_matches("- ").starts_with("run: ") {
                script_indent = Some(indent);
            }
            assert!(script_indent.is_none() || !line.contains("${{"), "{place}: {line}");
        }
        assert!(!text.contains("pull_request_target") && !text.contains("secrets."), "{place}");
        if path.parent().unwrap().ends_with("workflows") {
            assert!(lines(&text).any(|line| line == "permissions: {}"), "{place}");
            let jobs = lines(&text).filter(|line| line.trim_start().starts_with("runs-on:")).count();
            let limits = lines(&text).filter(|line| line.trim_start().starts_with("timeout-minutes:")).count();
            assert_eq!(jobs, limits, "{place}: a job without a limit");
            let rights = |right: &str| lines(&text).filter(|line| line.contains(right)).count();
            let writes = usize::from(path.ends_with("bench-comment.yml"));
            assert_eq!((rights(": write"), rights("pull-requests: write")), (writes, writes), "{place}");
        }
    }
}

/// What docs/ci.md tells others to copy: the actions that it names are there and have the inputs that it gives.
#[test]
fn the_lines_to_copy_are_real() {
    let page = fs::read_to_string(workspace().join("docs/ci.md")).unwrap();
    let mut seen = 0;
    for block in page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let mut inputs = None;
        for line in block.lines() {
            let word = line.trim_start().trim_start_matches("- ");
            if let Some((name, pin)) = word.strip_prefix("uses: OWNER/OTUServer/").and_then(|used| used.split_once('@'))
            {
                // What a branch or a tag names, somebody else may change.
                assert_eq!(pin, "COMMIT", "{line}");
                let action = fs::read_to_string(workspace().join(name).join("action.yml")).unwrap();
                let (_, rest) = action.split_once("\ninputs:\n").unwrap();
                let own = rest.lines().take_while(|line| line.starts_with(' ')).filter_map(|line| {
                    let name = line.strip_prefix("  ")?.strip_suffix(':')?;
                    (!name.starts_with(' ')).then(|| name.to_owned())
                });
                inputs = Some(own.collect::<Vec<_>>());
                seen += 1;
            } else if let Some(given) = word.strip_prefix("with: {").and_then(|rest| rest.strip_suffix('}')) {
                for (input, _) in given.split(", ").map(|pair| pair.trim().split_once(": ").unwrap()) {
                    assert!(inputs.as_ref().unwrap().iter().any(|own| own == input), "no input {input}");
                }
            }
        }
    }
    assert_eq!(seen, 2, "the comparison and the comment");
}
