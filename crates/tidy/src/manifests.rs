//! Manifests: lints and dependencies come from the workspace, and who logs is watched.

use toml::{Table, Value};

use crate::tree::TextFile;

/// What each package takes from `[workspace.package]`.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
/// The one crate with `unsafe` has a lint table of its own, with the same entries.
const OWN_LINTS: &str = "ramson-aes";
/// Watches what tests log.
const WATCH: &str = "ramson-leaks";

/// Packages that don't inherit the workspace's lints, or whose own table is weaker.
///
/// # Errors
/// When a manifest isn't TOML.
pub fn lints(workspace: &TextFile, members: &[TextFile]) -> Result<Vec<String>, toml::de::Error> {
    let workspace: Table = workspace.text.parse()?;
    let wanted = at(&workspace, &["workspace", "lints"]);
    let mut findings = Vec::new();
    if wanted.is_none() {
        findings.push("Cargo.toml: no [workspace.lints]".to_owned());
    }
    for member in members {
        let manifest: Table = member.text.parse()?;
        if at(&manifest, &["lints", "workspace"]).and_then(Value::as_bool) == Some(true) {
            continue;
        }
        if at(&manifest, &["package", "name"]).and_then(Value::as_str) != Some(OWN_LINTS) {
            findings.push(format!("{}: doesn't inherit the workspace's lints", member.path));
            continue;
        }
        for (tool, lints) in wanted.and_then(Value::as_table).into_iter().flatten() {
            for (lint, level) in lints.as_table().into_iter().flatten() {
                let own = at(&manifest, &["lints", tool, lint]);
                // Forbidden can't be lifted for one module, denied can.
                let fenced = lint == "unsafe_code" && own.and_then(Value::as_str) == Some("deny");
                if own != Some(level) && !fenced {
                    findings.push(format!("{}: lint {lint} isn't as in the workspace", member.path));
                }
            }
        }
    }
    Ok(findings)
}

/// Dependencies and package keys that don't come from the workspace.
///
/// # Errors
/// When a manifest isn't TOML.
pub fn not_inherited(members: &[TextFile]) -> Result<Vec<String>, toml::de::Error> {
    let mut findings = Vec::new();
    for member in members {
        let manifest: Table = member.text.parse()?;
        for key in INHERITED {
            if at(&manifest, &["package", key, "workspace"]).and_then(Value::as_bool) != Some(true) {
                findings.push(format!("{}: {key} isn't inherited from the workspace", member.path));
            }
        }
        let targets =
            manifest.get("target").and_then(Value::as_table).into_iter().flatten().filter_map(|(_, table)| table.as_table());
        for table in std::iter::once(&manifest).chain(targets) {
            for (name, dependency) in DEPENDENCIES.iter().filter_map(|kind| table.get(*kind)?.as_table()).flatten() {
                if dependency.get("workspace").and_then(Value::as_bool) != Some(true) {
                    findings.push(format!("{}: dependency {name} isn't declared in [workspace.dependencies]", member.path));
                }
            }
        }
    }
    Ok(findings)
}

/// Packages that log and of which no test watches what: a line that names a peer would stay unseen. That tests watch by what
/// they build their machines with can't be told from here.
///
/// # Errors
/// When a manifest isn't TOML.
pub fn unwatched(members: &[TextFile], sources: &[TextFile]) -> Result<Vec<String>, toml::de::Error> {
    let mut findings = Vec::new();
    for member in members {
        let manifest: Table = member.text.parse()?;
        let has = |kind, name| at(&manifest, &[kind, name]).is_some();
        if !has("dependencies", "tracing") || at(&manifest, &["package", "name"]).and_then(Value::as_str) == Some(WATCH) {
            continue;
        }
        let folder = member.path.trim_end_matches("Cargo.toml");
        let watches = |file: &TextFile| file.path.starts_with(folder) && file.text.contains("ramson_leaks::");
        if !has("dev-dependencies", WATCH) || !sources.iter().any(watches) {
            findings.push(format!("{}: logs, and none of its tests has a watch of {WATCH}", member.path));
        }
    }
    Ok(findings)
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[workspace.lints.clippy]\npanic = \"deny\"\n";
    const PACKAGE: &str = "[package]\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\n\
                           license.workspace = true\npublish.workspace = true\n";

    fn lint_findings(member: &str) -> usize {
        lints(&TextFile::new("Cargo.toml", WORKSPACE), &[TextFile::new("a/Cargo.toml", member)]).unwrap().len()
    }

    fn inherit_findings(member: &str) -> usize {
        not_inherited(&[TextFile::new("a/Cargo.toml", format!("{PACKAGE}{member}"))]).unwrap().len()
    }

    #[test]
    fn a_package_without_the_workspaces_lints_is_found() {
        assert_eq!(lint_findings("[package]\nname = \"a\"\n[lints]\nworkspace = true\n"), 0);
        assert_eq!(lint_findings("[package]\nname = \"a\"\n"), 1);
        assert_eq!(
            lint_findings("[package]\nname = \"a\"\n[lints.rust]\nunsafe_code = \"forbid\"\n[lints.clippy]\npanic = \"deny\"\n"),
            1
        );
    }

    #[test]
    fn a_weaker_table_of_the_unsafe_crate_is_found() {
        let aes = |unsafe_code: &str, panic: &str| {
            format!("[package]\nname = \"ramson-aes\"\n[lints.rust]\nunsafe_code = \"{unsafe_code}\"\n[lints.clippy]\n{panic}\n")
        };
        assert_eq!(lint_findings(&aes("deny", "panic = \"deny\"")), 0);
        assert_eq!(lint_findings(&aes("allow", "panic = \"deny\"")), 1);
        assert_eq!(lint_findings(&aes("deny", "panic = \"warn\"")), 1);
        assert_eq!(lint_findings(&aes("deny", "")), 1);
    }

    #[test]
    fn missing_workspace_lints_are_found() {
        let members = [TextFile::new("a/Cargo.toml", "[lints]\nworkspace = true\n")];
        assert_eq!(lints(&TextFile::new("Cargo.toml", "[workspace]\n"), &members).unwrap().len(), 1);
    }

    #[test]
    fn a_dependency_of_its_own_is_found() {
        assert_eq!(inherit_findings("[dependencies]\nbytes.workspace = true\n"), 0);
        assert_eq!(inherit_findings("[dependencies]\nbytes = \"1\"\n"), 1);
        assert_eq!(inherit_findings("[dev-dependencies]\nbytes = { path = \"b\" }\n"), 1);
        assert_eq!(inherit_findings("[target.'cfg(unix)'.dependencies]\nbytes = \"1\"\n"), 1);
    }

    #[test]
    fn a_package_key_of_its_own_is_found() {
        let own = [TextFile::new("a/Cargo.toml", PACKAGE.replace("edition.workspace = true", "edition = \"2021\""))];
        assert_eq!(not_inherited(&own).unwrap().len(), 1);
    }

    #[test]
    fn a_package_whose_logs_nobody_watches_is_found() {
        let logs = "[package]\nname = \"a\"\n[dependencies]\ntracing.workspace = true\n";
        let both = format!("{logs}[dev-dependencies]\nramson-leaks.workspace = true\n");
        let findings = |manifest: &str, source: &str| {
            unwatched(&[TextFile::new("a/Cargo.toml", manifest)], &[TextFile::new(source, "ramson_leaks::watch_thread()")])
                .unwrap()
                .len()
        };
        assert_eq!(findings(&both, "a/src/tests.rs"), 0);
        assert_eq!(findings(&both, "b/src/tests.rs"), 1, "it could and doesn't");
        assert_eq!(findings(logs, "a/src/tests.rs"), 1);
        assert_eq!(findings("[package]\nname = \"a\"\n", "b/src/tests.rs"), 0, "it doesn't log");
        assert_eq!(findings(&logs.replace("\"a\"", "\"ramson-leaks\""), "b/src/tests.rs"), 0, "its tests are of the watch");
    }
}
