//! What people write for the program: the settings file, and scenarios of simulated networks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use ramson::fuzz::{Read, settings as read_settings};
use ramson_sim::scenario::{Scenario, ScenarioError};
use toml::{Table, Value};

/// Where the settings are from.
const FILE: &str = "/data/ramson.toml";
/// Where a scenario is from.
const SCENARIO: &str = "my/network.toml";
/// Every key of the settings.
const KEYS: [&str; 20] = [
    "net-id",
    "host",
    "bind",
    "port",
    "transports",
    "reseed",
    "floodfill",
    "danger-allow-reserved-peers",
    "danger-ignore-subnets",
    "http-proxy",
    "http-proxy-length",
    "sam",
    "tunnel",
    "name",
    "type",
    "target",
    "keys",
    "inbound",
    "outbound",
    "quantity",
];
/// How a person is told what would be right.
const ALLOWED: [&str; 8] = ["allowed", "expected", "must", "at most", "excludes", "missing", "others could dial", "give another"];

/// Target: a settings file.
pub fn settings(data: &[u8]) {
    settings_with(data, read_settings);
}

/// The target with another reader.
pub fn settings_with(data: &[u8], read: impl Fn(&[u8], &Path) -> Result<Read, String>) {
    let text = std::str::from_utf8(data);
    let table = text.ok().and_then(|text| toml::from_str::<Table>(text).ok());
    match read(data, Path::new(FILE)) {
        Ok(read) => check_read(&read, &table.expect("what is read is TOML")),
        Err(told) => {
            assert!(told.starts_with(FILE), "the file isn't named: {told}");
            let part = told.strip_prefix(FILE).unwrap();
            match (text, table) {
                (Err(_), _) => assert!(told.contains("UTF-8"), "{told}"),
                (Ok(_), None) => assert!(told.contains("line "), "{told}"),
                (Ok(_), Some(table)) => {
                    let unknown = table.keys().any(|key| part.contains(key.as_str()));
                    assert!(unknown || KEYS.iter().any(|key| part.contains(key)), "no key is named: {told}");
                    assert!(ALLOWED.iter().any(|word| part.contains(word)), "what is allowed isn't told: {told}");
                }
            }
        }
    }
}

fn check_read(read: &Read, table: &Table) {
    let number = |key: &str| table.get(key).and_then(Value::as_integer);
    assert_eq!(i64::from(read.net_id), number("net-id").unwrap_or(2));
    assert_eq!(read.floodfill, table.get("floodfill").and_then(Value::as_bool).unwrap_or(false));
    assert_eq!(i64::from(read.http_proxy_length), number("http-proxy-length").unwrap_or(3));
    assert!(read.http_proxy_length <= 7);
    let listens = |key: &str, default: &str| match table.get(key).and_then(Value::as_str).unwrap_or(default) {
        "off" => None,
        address => Some(address.parse::<SocketAddr>().unwrap()),
    };
    assert_eq!(read.http_proxy, listens("http-proxy", "127.0.0.1:4444"));
    assert_eq!(read.sam, listens("sam", "127.0.0.1:7656"));
    let tables = table.get("tunnel").and_then(Value::as_array).cloned().unwrap_or_default();
    assert_eq!(read.tunnels.len(), tables.len(), "tunnels are lost");
    let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
    for (tunnel, table) in read.tunnels.iter().zip(&tables) {
        let text = |key: &str| table.get(key).and_then(Value::as_str).unwrap();
        assert_eq!((tunnel.name.as_str(), tunnel.keys[0].as_str()), (text("name"), text("keys")));
        let more = table.get("more-keys").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(tunnel.keys.len(), 1 + more);
        assert_eq!(tunnel.target, text("target").parse().unwrap());
        assert!(names.insert(&tunnel.name), "{} is there twice", tunnel.name);
        assert!(!tunnel.name.chars().any(char::is_control), "{:?} would be two lines", tunnel.name);
        for keys in &tunnel.keys {
            assert!(files.insert((keys, tunnel.port)), "{keys} is there twice");
            check_key_file(keys);
        }
        let number =
            |key: &str| i64::from(table.get(key).and_then(Value::as_integer).map_or(3, |number| u8::try_from(number).unwrap()));
        let config = &tunnel.config;
        assert_eq!(i64::from(config.inbound_length), number("inbound-length"));
        assert_eq!(i64::from(config.outbound_length), number("outbound-length"));
        assert!(config.inbound_length <= 7 && config.outbound_length <= 7, "{config:?}");
        assert!((1..=16).contains(&config.inbound_quantity) && (1..=16).contains(&config.outbound_quantity), "{config:?}");
    }
}

/// A file of its own in the data folder.
fn check_key_file(name: &str) {
    assert!(!name.is_empty() && !name.contains('/') && !name.contains('\0') && ![".", ".."].contains(&name), "{name:?}");
    assert!(
        !["router.keys", "lock", "ramson.toml", "hosts.txt", "control.sock", "netdb.redb"].contains(&name),
        "{name} is another's"
    );
}

/// Target: a scenario.
pub fn scenario(data: &[u8]) {
    scenario_with(data, Scenario::from_toml);
}

/// The target with another reader.
pub fn scenario_with(data: &[u8], read: impl Fn(&str, &str) -> Result<Scenario, ScenarioError>) {
    let text = String::from_utf8_lossy(data);
    let table = toml::from_str::<Table>(&text).ok();
    match read(&text, SCENARIO) {
        Ok(scenario) => {
            let table = table.expect("what is read is TOML");
            assert_eq!(scenario.name, "network");
            let faults = table.get("faults").and_then(Value::as_array).map_or(0, Vec::len);
            assert_eq!(scenario.faults.len(), faults, "faults are lost");
            assert_eq!(read(&text, SCENARIO).as_ref(), Ok(&scenario), "another scenario the second time");
            check_scenario(&scenario);
            check_scenario(&scenario.short());
            assert_eq!(scenario.clone().with_routers(scenario.routers), scenario);
        }
        Err(error) => {
            let told = error.to_string();
            let part = told.strip_prefix(SCENARIO).expect("the file is named");
            match error {
                ScenarioError::Toml { .. } => assert!(table.is_none() && part.contains("line "), "{told}"),
                ScenarioError::Key { key, .. } => {
                    assert!(!key.is_empty() && ALLOWED.iter().any(|word| part.contains(word)), "{told}")
                }
                ScenarioError::Value { wrong, .. } => assert!(!wrong.key.is_empty() && !wrong.allowed.is_empty(), "{told}"),
                _ => {}
            }
        }
    }
}

fn check_scenario(scenario: &Scenario) {
    scenario.check().expect("it makes sense");
    assert!((1..=scenario.routers).contains(&scenario.floodfills), "{} floodfills", scenario.floodfills);
    let end = scenario.duration();
    assert!(scenario.faults.iter().all(|fault| fault.begins() <= fault.ends() && fault.ends() <= end), "a fault after the end");
    assert_eq!(scenario.last_fault_ends().is_some(), !scenario.faults.is_empty());
}
