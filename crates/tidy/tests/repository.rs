//! The checks of `ramson-tidy` on this repository.

use std::path::Path;
use std::process::Command;

use ramson_tidy::tree::{TextFile, files, root};
use ramson_tidy::{directions, documents, manifests, purity, sources};

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn sources() -> Vec<TextFile> {
    let sources = files("crates", ".rs").unwrap_or_default();
    assert!(sources.len() > 50, "the sources aren't where they should be");
    sources
}

fn page(name: &str) -> TextFile {
    TextFile::new(name, std::fs::read_to_string(root().join(name)).unwrap_or_default())
}

fn members() -> Vec<TextFile> {
    let members: Vec<_> = files("crates", "Cargo.toml").unwrap_or_default();
    assert!(members.len() >= 10, "the manifests aren't where they should be");
    members
}

#[test]
fn files_are_short() {
    assert_none(&sources::too_long(&sources()));
}

#[test]
fn pages_are_short() {
    for (name, lines) in [("README.md", sources::README_LINES), ("ARCHITECTURE.md", sources::ARCHITECTURE_LINES)] {
        let page = page(name);
        assert!(!page.text.is_empty(), "{name} is missing");
        assert_none(&sources::too_long_to_read(&page, lines));
    }
}

#[test]
fn no_test_is_ignored() {
    assert_none(&sources::ignored_tests(&sources()));
}

#[test]
fn no_code_is_unfinished() {
    assert_none(&sources::unfinished(&sources()));
}

#[test]
fn lints_are_switched_off_with_a_reason() {
    assert_none(&sources::unreasoned_exceptions(&sources()));
}

#[test]
fn the_workspaces_lints_hold_everywhere() {
    assert_none(&manifests::lints(&page("Cargo.toml"), &members()).unwrap());
}

#[test]
fn dependencies_are_declared_in_the_workspace() {
    assert_none(&manifests::not_inherited(&members()).unwrap());
}

#[test]
fn what_logs_is_watched() {
    assert_none(&manifests::unwatched(&members(), &sources()).unwrap());
}

#[test]
fn pure_crates_name_nothing_impure() {
    assert_none(&purity::impure(&sources()));
}

#[test]
fn dependencies_point_down() {
    assert_none(&directions::wrong_arrows(&directions::parse(&metadata()).unwrap(), directions::MAP));
}

#[test]
fn pure_crates_reach_nothing_impure() {
    for pure in directions::MAP.iter().filter(|allowed| allowed.external.is_some()) {
        let arguments = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", pure.name];
        let tree = output(Command::new(env!("CARGO")).current_dir(root()).args(arguments));
        let tree = String::from_utf8_lossy(&tree);
        assert!(tree.starts_with(pure.name));
        assert_none(&directions::impure_reach(pure.name, &tree));
    }
}

#[test]
fn documents_name_what_exists() {
    let sources = sources();
    for document in ["README.md", "ARCHITECTURE.md", "docs/past-bugs.md", "docs/wire-look.md"] {
        assert_none(&documents::dangling(&page(document), &sources));
    }
}

#[test]
fn the_pure_crates_are_those_of_the_folder() {
    let folder = members().into_iter().filter(|member| member.path.starts_with(purity::PURE)).count();
    assert_eq!(directions::MAP.iter().filter(|allowed| allowed.external.is_some()).count(), folder);
    assert!(Path::new(&root()).join(purity::PURE).join("clippy.toml").exists());
}

/// As on this machine: what only other systems need may not have been fetched.
fn metadata() -> Vec<u8> {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = output(Command::new(rustc).arg("-vV"));
    let version = String::from_utf8_lossy(&version);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    output(Command::new(env!("CARGO")).current_dir(root()).args([
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]))
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| unreachable!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_reason_to_drop_is_documented() {
    let page = page("docs/limits.md");
    let places = [
        ("crates/pure/lane/src/interface.rs", "pub fn name(self)", 31),
        ("crates/pure/engine/src/netdb/routers.rs", "pub(crate) fn name(self)", 11),
        ("crates/pure/engine/src/tunnel.rs", "pub(crate) fn drops(", 6),
        ("crates/pure/engine/src/engine/report.rs", "fn drops(", 1),
    ];
    let sources = sources();
    for (path, opening, least) in places {
        let source = sources.iter().find(|file| file.path == path);
        let names = source.map(|source| documents::strings_of(source, opening)).unwrap_or_default();
        assert!(names.len() >= least, "{path}: the reasons aren't where they should be");
        assert_none(&documents::without_row(&page, &names));
    }
}
