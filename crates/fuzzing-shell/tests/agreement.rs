//! What lies in `fuzz/` is what this crate says.
#![allow(clippy::unwrap_used, reason = "the test reads the repository")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use ramson_fuzzing_shell::TARGETS;

fn fuzz(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(path)
}

fn names(path: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(fuzz(path)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn the_corpora_are_those_of_the_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let folder = format!("corpus/{}", target.name);
        let expected: BTreeSet<String> = seeds.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names(&folder), expected, "{}: run fuzz/write-corpus", target.name);
        assert!(seeds.len() <= 40, "{}: a small corpus", target.name);
        for (name, bytes) in seeds {
            let stored = std::fs::read(fuzz(&folder).join(&name)).unwrap();
            assert!(stored == bytes, "{} {name}: run fuzz/write-corpus", target.name);
            assert!(bytes.len() <= 16_384, "{} {name}: small inputs", target.name);
        }
    }
}

#[test]
fn every_target_has_its_program() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|target| format!("{}.rs", target.name)).collect();
    assert_eq!(expected.len(), TARGETS.len(), "a name twice");
    assert_eq!(names("shell_targets"), expected);
    let manifest = std::fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    for target in TARGETS {
        let program = std::fs::read_to_string(fuzz("shell_targets").join(format!("{}.rs", target.name))).unwrap();
        assert!(program.contains(&format!("\"{}\"", target.name)), "{}: another target", target.name);
        assert!(manifest.contains(&format!("name = \"{}\"\npath = \"shell_targets/{}.rs\"", target.name, target.name)));
    }
}

#[test]
fn every_target_aims_at_sources_that_exist() {
    for target in TARGETS {
        assert!(!target.aims.is_empty() && target.runs > 0, "{}", target.name);
        for source in target.aims {
            assert!(fuzz("../crates").join(source).exists(), "{}: no {source}", target.name);
        }
    }
}
