use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::support::running::{Ended, Running, assert_names};

const SMALL: &str = "routers = 6\nfloodfills = 3\nduration-secs = 40\nsample-secs = 5\n[expect]\n";

/// A scenario in a file.
fn scenario(folder: &Path, expectation: &str) -> PathBuf {
    let path = folder.join("small.toml");
    std::fs::write(&path, format!("{SMALL}{expectation}\n")).unwrap();
    path
}

fn sim(scenario: &Path, more: &[&str]) -> Ended {
    let mut arguments = vec!["sim", scenario.to_str().unwrap()];
    arguments.extend(more);
    Running::start(&arguments).ended()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn what_holds_ends_well_and_leaves_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = scenario(folder.path(), "ready-within-secs = 40");
    let report = folder.path().join("a/report");
    let ended = sim(&path, &["--seed", "5", "--report", report.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}\n{:?}", ended.stderr, ended.stdout);
    assert_names(&ended.stdout.join("\n"), &["small, seed 5: 6 routers", "oracle-violations", "ready-within-secs", "held"]);
    let json = json(&report.join("report.json"));
    assert_eq!((&json["scenario"], &json["seed"], &json["routers"]), (&"small".into(), &5.into(), &6.into()));
    assert_eq!((&json["held"], &json["simulated_secs"]), (&true.into(), &40.into()));
    assert!(json["wall_secs"].as_f64().unwrap() > 0.0 && json["peak_rss_bytes"].as_u64().unwrap() > 1_000_000, "{json}");
    assert_eq!(json["replay"], format!("ramson sim {} --seed 5", path.display()));
    // Another process, in another second.
    std::thread::sleep(Duration::from_millis(1_100));
    let again = sim(&path, &["--seed", "5"]).stdout.join("\n");
    assert_names(&again, &[json["trace_hash"].as_str().unwrap()]);
    let html = std::fs::read_to_string(report.join("report.html")).unwrap();
    assert_names(&html, &["<svg", "small", json["trace_hash"].as_str().unwrap()]);
}

#[test]
fn what_does_not_hold_ends_badly_and_tells_how_to_see_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = scenario(folder.path(), "ready-within-secs = 0");
    let ended = sim(&path, &["--seed", "3", "--routers", "5"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let text = ended.stdout.join("\n");
    assert_names(&text, &["NOT HELD", "at most 0 s", "not held: seed 3, commit "]);
    let replay = ended.stdout.iter().find_map(|line| line.strip_prefix("run it again: ramson ")).unwrap();
    let again = Running::start(&replay.split(' ').collect::<Vec<_>>()).ended();
    assert_eq!(again.code, Some(1));
    let trace =
        |lines: &[String]| lines.iter().find_map(|line| line.split_once("trace ").map(|(_, hash)| hash.to_owned())).unwrap();
    assert_eq!(trace(&again.stdout), trace(&ended.stdout));
    assert_names(&text, &["5 routers"]);
}

/// Who repeats a run of a changed program with that commit would repeat another one.
#[test]
fn changes_after_the_commit_are_told() {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments).output();
        output.ok().filter(|output| output.status.success()).map(|output| String::from_utf8(output.stdout).unwrap())
    };
    let sources = ["../../crates", "../../scenarios", "../../Cargo.toml", "../../Cargo.lock"];
    let Some(changes) = git(&[&["status", "--porcelain", "--untracked-files=no", "--"][..], &sources].concat()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = scenario(folder.path(), "ready-within-secs = 0");
    let text = sim(&path, &["--seed", "3"]).stdout.join("\n");
    let commit = text.split_once("seed 3, commit ").and_then(|(_, rest)| rest.lines().next()).unwrap();
    assert!(commit.trim_end_matches("-dirty").len() == 40, "{commit}");
    assert!(changes.is_empty() || commit.ends_with("-dirty"), "{commit} with changes:\n{changes}");
}

#[test]
fn several_seeds_have_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = scenario(folder.path(), "ready-within-secs = 40");
    let ended = sim(&path, &["--seeds", "7..8", "--report", folder.path().to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let index = json(&folder.path().join("index.json"));
    let seeds = index["seeds"].as_array().unwrap();
    assert_eq!(seeds.iter().map(|seed| seed["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [7, 8]);
    assert_ne!(seeds[0]["trace_hash"], seeds[1]["trace_hash"]);
    for seed in seeds {
        let report = folder.path().join(seed["report"].as_str().unwrap());
        assert_eq!(json(&report.join("report.json"))["trace_hash"], seed["trace_hash"]);
        assert!(report.join("report.html").exists());
    }
    assert_names(
        &std::fs::read_to_string(folder.path().join("index.html")).unwrap(),
        &["seed-7/report.html", "seed-8/report.html"],
    );
}

#[test]
fn a_mistake_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let small = scenario(folder.path(), "");
    let small = small.to_str().unwrap();
    let wrong = folder.path().join("wrong.toml");
    std::fs::write(&wrong, "[links]\nloss-permille = 2000\n").unwrap();
    let (wrong, file) = (wrong.to_str().unwrap(), small);
    for (arguments, wanted) in [
        (&[][..], &["SCENARIO"][..]),
        (&["stormy"], &["stormy", "calm", "thousand", "TOML"]),
        (&["/no/such/file.toml"], &["/no/such/file.toml", "No such file"]),
        (&[wrong], &[wrong, "links.loss-permille", "2000", "0 to 500"]),
        (&[small, "--seed", "x"], &["--seed", "x"]),
        (&[small, "--seed", "1", "--seeds", "1..2"], &["--seed", "--seeds"]),
        (&[small, "--seeds", "2..1"], &["--seeds", "2..1", "1..10"]),
        (&[small, "--routers", "0"], &["--routers 0", "routers: is 0", "1 to"]),
        (&[small, "--report", file], &["report", file]),
    ] {
        let all: Vec<_> = std::iter::once("sim").chain(arguments.iter().copied()).collect();
        assert_names(&Running::start(&all).refused(), wanted);
    }
}
