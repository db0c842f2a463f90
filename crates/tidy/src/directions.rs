//! Dependencies point down only, and the pure crates stand on a short list.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What a crate of the workspace may stand on.
pub struct Allowed {
    /// The crate.
    pub name: &'static str,
    /// Crates of the workspace below it. In tests too: an arrow that points up is wrong anywhere.
    pub internal: &'static [&'static str],
    /// For the pure crates all others, tests left out; `None` for shells, which choose freely.
    pub external: Option<&'static [&'static str]>,
}

const PURE: &[&str] = &["ramson-engine", "ramson-lane", "ramson-transport", "ramson-wire", "ramson-crypto", "ramson-aes"];
/// Watches the logs of tests. Tests of any crate may use it, and no crate's code.
const WATCH: &str = "ramson-leaks";
const BELOW_LANE: &[&str] = &["ramson-transport", "ramson-wire", "ramson-crypto", "ramson-aes"];

/// Every crate of the workspace. A new one needs a line here, and with it a place in the map.
pub const MAP: &[Allowed] = &[
    Allowed {
        name: "ramson",
        internal: &["ramson-api", "ramson-proxy", "ramson-router", "ramson-sim", "ramson-wire"],
        external: None,
    },
    Allowed { name: "ramson-api", internal: &["ramson-router", "ramson-wire"], external: None },
    Allowed { name: WATCH, internal: &[], external: None },
    Allowed { name: "ramson-proxy", internal: &["ramson-router", "ramson-wire"], external: None },
    Allowed { name: "ramson-router", internal: PURE, external: None },
    Allowed {
        name: "ramson-sim",
        internal: PURE,
        external: Some(&["bytes", "memchr", "serde", "serde_json", "thiserror", "toml"]),
    },
    Allowed { name: "ramson-fuzzing", internal: PURE, external: Some(&["bytes"]) },
    Allowed {
        name: "ramson-fuzzing-shell",
        internal: &[
            "ramson",
            "ramson-api",
            "ramson-crypto",
            "ramson-engine",
            "ramson-fuzzing",
            "ramson-proxy",
            "ramson-router",
            "ramson-sim",
            "ramson-wire",
        ],
        external: None,
    },
    Allowed {
        name: "ramson-engine",
        internal: &["ramson-lane", "ramson-transport", "ramson-wire", "ramson-crypto", "ramson-aes"],
        external: Some(&["bytes", "thiserror", "tracing", "zeroize"]),
    },
    Allowed { name: "ramson-lane", internal: BELOW_LANE, external: Some(&["bytes", "thiserror", "tracing", "zeroize"]) },
    Allowed {
        name: "ramson-transport",
        internal: &["ramson-wire", "ramson-crypto", "ramson-aes"],
        external: Some(&["bytes", "thiserror", "tracing", "zeroize"]),
    },
    Allowed { name: "ramson-wire", internal: &["ramson-crypto"], external: Some(&["bytes", "flate2", "thiserror", "zeroize"]) },
    Allowed {
        name: "ramson-crypto",
        internal: &[],
        external: Some(&[
            "aws-lc-rs",
            "chacha20",
            "elligator2",
            "hkdf",
            "hmac",
            "rand",
            "rand_core",
            "sha2",
            "siphasher",
            "subtle",
            "thiserror",
            "zeroize",
        ]),
    },
    Allowed { name: "ramson-aes", internal: &[], external: Some(&["aes", "cbc", "cipher", "thiserror", "zeroize"]) },
    Allowed { name: "ramson-tidy", internal: &[], external: None },
];

/// What no pure crate may reach, through whatever stands between.
const UNREACHABLE: &[&str] =
    &["tokio", "mio", "socket2", "redb", "getrandom", "rustls", "hyper", "async-std", "smol", "quinn-udp"];

/// A package as `cargo metadata` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// A member of the workspace.
    pub member: bool,
    /// Indices of the packages it needs to be built.
    pub normal: BTreeSet<usize>,
    /// Indices of those its tests and build scripts need besides.
    pub other: BTreeSet<usize>,
}

/// What is wrong with the output of `cargo metadata`.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// It isn't JSON.
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A part isn't there.
    #[error("no {0} in the metadata")]
    Missing(&'static str),
}

/// Reads the output of `cargo metadata --format-version 1`.
///
/// # Errors
/// When it isn't what cargo writes.
pub fn parse(metadata: &[u8]) -> Result<Vec<Package>, MetadataError> {
    let metadata: Value = serde_json::from_slice(metadata)?;
    let list = |value: &Value, what| value.as_array().cloned().ok_or(MetadataError::Missing(what));
    let text = |value: &Value, what| value.as_str().map(str::to_owned).ok_or(MetadataError::Missing(what));
    let mut names = BTreeMap::new();
    for package in list(&metadata["packages"], "packages")? {
        names.insert(text(&package["id"], "package id")?, text(&package["name"], "package name")?);
    }
    let members = list(&metadata["workspace_members"], "workspace_members")?;
    let nodes = list(&metadata["resolve"]["nodes"], "resolve.nodes")?;
    let mut index = BTreeMap::new();
    for (number, node) in nodes.iter().enumerate() {
        index.insert(text(&node["id"], "node id")?, number);
    }
    let mut packages = Vec::new();
    for node in &nodes {
        let id = text(&node["id"], "node id")?;
        let mut package = Package {
            name: names.get(&id).cloned().ok_or(MetadataError::Missing("package of a node"))?,
            member: members.contains(&node["id"]),
            ..Package::default()
        };
        for dependency in list(&node["deps"], "deps")? {
            let target = *index.get(&text(&dependency["pkg"], "pkg")?).ok_or(MetadataError::Missing("node of a dependency"))?;
            for kind in list(&dependency["dep_kinds"], "dep_kinds")? {
                let set = if kind["kind"].is_null() { &mut package.normal } else { &mut package.other };
                set.insert(target);
            }
        }
        packages.push(package);
    }
    Ok(packages)
}

/// Arrows that point up or aside, members without a line in the map, and foreign crates that a pure one may not use.
pub fn wrong_arrows(packages: &[Package], map: &[Allowed]) -> Vec<String> {
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| package.member) {
        let Some(allowed) = map.iter().find(|allowed| allowed.name == package.name) else {
            findings.push(format!("{} has no line in the map", package.name));
            continue;
        };
        for target in package.normal.union(&package.other).filter_map(|index| packages.get(*index)) {
            if target.member && target.name != WATCH && !allowed.internal.contains(&target.name.as_str()) {
                findings.push(format!("{} may not depend on {}", package.name, target.name));
            }
        }
        if package.normal.iter().filter_map(|index| packages.get(*index)).any(|target| target.name == WATCH) {
            findings.push(format!("{} may use {WATCH} in its tests only", package.name));
        }
        let Some(external) = allowed.external else { continue };
        for target in package.normal.iter().filter_map(|index| packages.get(*index)) {
            if !target.member && !external.contains(&target.name.as_str()) {
                findings.push(format!("{} is pure and may not use {}", package.name, target.name));
            }
        }
    }
    findings
}

/// What a pure crate reaches and shouldn't. `tree` names all packages that it is built from, one a line, as
/// `cargo tree --edges normal --prefix none` does: that alone knows which features are on without the tests.
pub fn impure_reach(name: &str, tree: &str) -> Vec<String> {
    let reached: BTreeSet<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let bad = UNREACHABLE.iter().filter(|package| reached.contains(**package));
    bad.map(|package| format!("{name} is pure and reaches {package}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[Allowed] = &[
        Allowed { name: "top", internal: &["middle"], external: None },
        Allowed { name: "middle", internal: &[], external: Some(&["bytes"]) },
    ];

    fn package(name: &str, member: bool, normal: &[usize], other: &[usize]) -> Package {
        Package {
            name: name.to_owned(),
            member,
            normal: normal.iter().copied().collect(),
            other: other.iter().copied().collect(),
        }
    }

    #[test]
    fn arrows_down_are_right() {
        let packages = [
            package("top", true, &[1, 3], &[]),
            package("middle", true, &[2], &[3]),
            package("bytes", false, &[], &[]),
            package("mio", false, &[], &[]),
        ];
        assert_eq!(wrong_arrows(&packages, SMALL), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_up_is_found_in_code_and_in_tests() {
        let top = package("top", true, &[], &[]);
        assert_eq!(wrong_arrows(&[top.clone(), package("middle", true, &[0], &[])], SMALL), ["middle may not depend on top"]);
        assert_eq!(wrong_arrows(&[top, package("middle", true, &[], &[0])], SMALL), ["middle may not depend on top"]);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(wrong_arrows(&[package("new", true, &[], &[])], SMALL), ["new has no line in the map"]);
    }

    #[test]
    fn the_watch_over_logs_is_for_tests() {
        let watch = package(WATCH, false, &[], &[]);
        assert_eq!(wrong_arrows(&[package("middle", true, &[], &[1]), watch.clone()], SMALL), Vec::<String>::new());
        let map = [Allowed { name: "top", internal: &[], external: None }];
        assert_eq!(wrong_arrows(&[package("top", true, &[1], &[]), watch], &map), ["top may use ramson-leaks in its tests only"]);
    }

    #[test]
    fn a_foreign_crate_off_the_list_is_found() {
        let packages = [package("middle", true, &[1], &[]), package("rayon", false, &[], &[])];
        assert_eq!(wrong_arrows(&packages, SMALL), ["middle is pure and may not use rayon"]);
    }

    #[test]
    fn a_way_to_the_systems_randomness_is_found() {
        assert_eq!(impure_reach("middle", "middle v0.1.0 (/src)\nbytes v1.0.0\n"), Vec::<String>::new());
        let tree = "middle v0.1.0 (/src)\nbytes v1.0.0\ngetrandom v0.4.0\nbytes v1.0.0 (*)\n";
        assert_eq!(impure_reach("middle", tree), ["middle is pure and reaches getrandom"]);
    }

    #[test]
    fn metadata_is_read_by_kind() {
        let metadata = br#"{"packages": [{"id": "a 1", "name": "a"}, {"id": "b 1", "name": "b"}, {"id": "c 1", "name": "c"}],
            "workspace_members": ["a 1"],
            "resolve": {"nodes": [
                {"id": "a 1", "deps": [{"pkg": "b 1", "dep_kinds": [{"kind": null}, {"kind": "dev"}]}, {"pkg": "c 1", "dep_kinds": [{"kind": "dev"}]}]},
                {"id": "b 1", "deps": []}, {"id": "c 1", "deps": []}]}}"#;
        let wanted = [package("a", true, &[1], &[1, 2]), package("b", false, &[], &[]), package("c", false, &[], &[])];
        assert_eq!(parse(metadata).unwrap(), wanted);
        assert!(parse(b"{}").is_err());
    }
}
