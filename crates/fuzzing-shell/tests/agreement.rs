//! What lies in `fuzz/` is what this crate and `ramson-fuzzing` say.
#![allow(clippy::unwrap_used, reason = "the test reads the repository")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use ramson_fuzzing::Target;

/// The targets of both crates, and the folders of their programs.
const ALL: [(&[Target], &str); 2] = [(ramson_fuzzing::TARGETS, "fuzz_targets"), (ramson_fuzzing_shell::TARGETS, "shell_targets")];

fn targets() -> impl Iterator<Item = &'static Target> {
    ALL.iter().flat_map(|(targets, _)| *targets)
}

fn fuzz(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(path)
}

fn names(path: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(fuzz(path)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn the_corpora_are_those_of_the_seeds() {
    for target in targets() {
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
    let manifest = std::fs::read_to_string(fuzz("Cargo.toml")).unwrap();
    for (targets, folder) in ALL {
        let expected: BTreeSet<String> = targets.iter().map(|target| format!("{}.rs", target.name)).collect();
        assert_eq!(expected.len(), targets.len(), "a name twice");
        assert_eq!(names(folder), expected);
        for target in targets {
            let program = std::fs::read_to_string(fuzz(folder).join(format!("{}.rs", target.name))).unwrap();
            assert!(program.contains(&format!("\"{}\"", target.name)), "{}: another target", target.name);
            assert!(manifest.contains(&format!("name = \"{}\"\npath = \"{folder}/{}.rs\"", target.name, target.name)));
        }
    }
}

#[test]
fn every_target_aims_at_sources_that_exist() {
    for target in targets() {
        assert!(!target.aims.is_empty() && target.runs > 0, "{}", target.name);
        for source in target.aims {
            assert!(fuzz("../crates").join(source).exists(), "{}: no {source}", target.name);
        }
    }
}
