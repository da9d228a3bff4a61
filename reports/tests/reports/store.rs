//! A run comes back from its folder as it was stored, or a sentence says why not.

use std::fs;

use std::path::Path;
use std::process::Command;

use reports::store::{COMPRESSED, LATEST, RESULTS, Store, StoreError};

use reports::Run;

use crate::fixture::whole_run;

/// Two records are the same if they are written alike. (Printing a difference of histograms would fill a book.)
fn assert_same(found: &Run, expected: &Run) {
    let text = |run: &Run| serde_json::to_string(run).unwrap();
    assert!(text(found) == text(expected), "the record changed on its way");
}

#[test]
fn what_is_stored_comes_back_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    assert_eq!(store.id(), "20260301T123005Z-wrk");
    store.save(&run).unwrap();
    assert_same(&store.load().unwrap(), &run);
    // The record can be found by its folder, by its file and by the link to the newest.
    for path in [store.folder().to_path_buf(), store.folder().join(RESULTS), parent.path().join(LATEST)] {
        assert_same(&Store::open(&path).unwrap().load().unwrap(), &run);
    }
    assert_eq!(Store::open(&parent.path().join(LATEST)).unwrap().id(), "20260301T123005Z-wrk");
}

#[test]
fn the_array_of_measurements_is_where_other_programs_look_for_it() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    let path = store.save(&run).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(value["measurements"].as_array().unwrap().len(), 17);
    assert_eq!(value["measurements"][0]["rounds"][2]["outcome"]["statuses"]["200"], 54_160);
    assert_eq!(value["started_at"], "2026-03-01T12:30:05.250Z");
    assert_eq!(value["format"], 3);
}

#[test]
fn a_second_run_in_the_same_second_has_its_own_folder_and_is_the_latest() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let first = Store::create(parent.path(), "a/b c", run.started_at).unwrap();
    let second = Store::create(parent.path(), "a/b c", run.started_at).unwrap();
    assert_eq!(first.id(), "20260301T123005Z-a-b-c");
    assert_eq!(second.id(), "20260301T123005Z-a-b-c-2");
    assert_eq!(fs::read_link(parent.path().join(LATEST)).unwrap().to_str(), Some("20260301T123005Z-a-b-c-2"));
}

#[test]
fn saving_leaves_nothing_but_the_record() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    store.save(&run).unwrap();
    store.save(&run).unwrap();
    let names: Vec<_> = fs::read_dir(store.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [RESULTS]);
}

#[test]
fn a_record_of_another_version_is_refused_by_its_version() {
    let parent = tempfile::tempdir().unwrap();
    let store = Store::create(parent.path(), "wrk", whole_run().started_at).unwrap();
    fs::write(store.folder().join(RESULTS), r#"{"format": 7, "rows": []}"#).unwrap();
    let error = store.load().unwrap_err();
    assert!(matches!(error, StoreError::Format { found: 7, .. }));
    assert!(error.to_string().contains("has the format 7, and this version reads format 3"), "{error}");
}

#[test]
fn a_broken_record_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    let path = store.save(&run).unwrap();
    let whole = fs::read(&path).unwrap();
    for broken in [&whole[..whole.len() / 2], b"", b"[]", b"{\"format\": 3}", b"\xff\xfe"] {
        fs::write(&path, broken).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, StoreError::Broken { .. }), "{error}");
    }
}

#[test]
fn a_record_with_a_number_that_no_run_leads_to_is_refused_and_the_number_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    let path = store.save(&run).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let told = |field: &str, value: serde_json::Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(field).unwrap() = value;
        fs::write(&path, changed.to_string()).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, StoreError::Number { .. }), "{field}: {error}");
        error.to_string()
    };
    let index = told("/measurements/0/rounds/0/index", 4_294_967_295_u32.into());
    assert!(index.contains("measurements[0].rounds[0].index is 4294967295"), "{index}");
    let cpu = told("/measurements/0/rounds/0/server/cpu_user_seconds", (-1.0).into());
    assert!(cpu.contains("user_seconds is -1") && cpu.contains("cannot be below 0"), "{cpu}");
}

/// What `gzip -9` leaves in a folder of what was a record there.
fn compress(folder: &Path) -> Vec<u8> {
    let output = Command::new("gzip").arg("-9").arg(folder.join(RESULTS)).output().unwrap();
    assert!(output.status.success() && !folder.join(RESULTS).exists(), "{output:?}");
    fs::read(folder.join(COMPRESSED)).unwrap()
}

#[test]
fn a_compressed_record_is_read_where_there_is_no_other() {
    let parent = tempfile::tempdir().unwrap();
    let mut run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    let plain = fs::metadata(store.save(&run).unwrap()).unwrap().len();
    let compressed = compress(store.folder());
    assert!((compressed.len() as u64) * 4 < plain, "{} of {plain} bytes", compressed.len());
    for path in [store.folder().to_path_buf(), store.folder().join(COMPRESSED), parent.path().join(LATEST)] {
        assert_same(&Store::open(&path).unwrap().load().unwrap(), &run);
    }
    // What is written later is newer.
    run.seed += 1;
    store.save(&run).unwrap();
    assert_same(&store.load().unwrap(), &run);
}

#[test]
fn a_damaged_compressed_record_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let run = whole_run();
    let store = Store::create(parent.path(), &run.suite, run.started_at).unwrap();
    store.save(&run).unwrap();
    let whole = compress(store.folder());
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 0xff;
    for damaged in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &changed, b"{}"] {
        fs::write(store.folder().join(COMPRESSED), damaged).unwrap();
        let error = store.load().unwrap_err();
        assert!(matches!(error, StoreError::NotCompressed { .. }), "{error}");
        assert!(error.to_string().contains("results.json.gz is not a complete file of gzip ("), "{error}");
    }
}

#[test]
fn a_folder_without_a_record_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let error = Store::open(&parent.path().join("nowhere")).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }));
    assert!(error.to_string().contains("there is no run at"), "{error}");
}
