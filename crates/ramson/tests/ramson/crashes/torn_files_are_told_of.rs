use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::running::{Running, TUNNEL, assert_names, status, write_settings};
use crate::support::testnet::{introduce, lonely_router};

/// A file of these bytes, as a disk may give it back.
fn torn(whole: &[u8]) -> Vec<(String, Vec<u8>)> {
    let len = whole.len();
    let lens = [0, 1, 9, 64, len / 10, len / 2, len - 4096.min(len / 3), len - 1];
    let mut all: Vec<_> = lens.into_iter().map(|len| (format!("cut to {len}"), whole[..len].to_vec())).collect();
    let garbage = |from: usize| -> Vec<u8> {
        whole.iter().enumerate().map(|(at, byte)| if at < from { *byte } else { u8::try_from(at * 37 % 251).unwrap() }).collect()
    };
    all.push(("zeroed".to_owned(), vec![0; len]));
    all.push(("zeroed from the middle".to_owned(), [&whole[..len / 2], &vec![0; len - len / 2]].concat()));
    all.push(("garbage".to_owned(), garbage(0)));
    all.push(("garbage from the middle".to_owned(), garbage(len / 2)));
    all
}

fn prepared(folder: &Path) -> (serde_json::Value, serde_json::Value) {
    let known = folder.join("known");
    std::fs::create_dir(&known).unwrap();
    let other = lonely_router(&folder.join("other"));
    introduce(&other, &known);
    other.shutdown();
    let data = folder.join("data");
    std::fs::create_dir(&data).unwrap();
    write_settings(&data, TUNNEL);
    let running = Running::run(&data, &["--reseed", known.to_str().unwrap(), "--danger-allow-reserved-peers"]);
    running.said("1 routers known");
    let identities = identities(&data);
    running.send(Signal::SIGTERM);
    assert_eq!(running.ended().code, Some(0));
    identities
}

fn identities(data: &Path) -> (serde_json::Value, serde_json::Value) {
    let status = status(data);
    (status["router"]["hash"].clone(), status["destinations"][0]["b32"].clone())
}

#[test]
fn of_state_it_does_without() {
    let folder = tempfile::tempdir().unwrap();
    let first = prepared(folder.path());
    let data = folder.path().join("data");
    let path = data.join("netdb.redb");
    let aside = data.join("netdb.redb.damaged");
    let whole = std::fs::read(&path).unwrap();
    let mut told = 0;
    for (how, bytes) in torn(&whole) {
        std::fs::write(&path, &bytes).unwrap();
        let _ = std::fs::remove_file(&aside);
        let running = Running::run(&data, &["--danger-allow-reserved-peers"]);
        running.said("SAM: ");
        // What is whole in a file is kept; an empty one is new.
        if !aside.exists() && !bytes.is_empty() {
            running.said("1 routers known");
        }
        assert_eq!(identities(&data), first, "{how}");
        assert!(status(&data)["storage"]["problem"].is_null(), "{how}");
        running.send(Signal::SIGTERM);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{how}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{how}: {}", ended.stderr);
        if aside.exists() {
            told += 1;
            let names = [path.to_str().unwrap(), aside.to_str().unwrap(), "damaged", "can be deleted", "no keys"];
            assert_names(&ended.stderr, &names);
            assert_eq!(std::fs::read(&aside).unwrap().len(), bytes.len(), "{how}: it was changed");
        }
    }
    assert!(told >= 6, "only {told} were told of");
}

#[test]
fn of_keys_it_has_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let first = prepared(folder.path());
    let data = folder.path().join("data");
    for name in ["router.keys", "web.keys"] {
        let path = data.join(name);
        let whole = std::fs::read(&path).unwrap();
        for (how, bytes) in torn(&whole) {
            std::fs::write(&path, &bytes).unwrap();
            let running = Running::run(&data, &[]);
            running.said("SAM: ");
            assert_eq!(identities(&data), first, "{name} {how}");
            running.send(Signal::SIGTERM);
            let ended = running.ended();
            assert_eq!(ended.code, Some(0), "{name} {how}: {}", ended.stderr);
            let aside = data.join(format!("{name}.broken"));
            assert_names(&ended.stderr, &[path.to_str().unwrap(), aside.to_str().unwrap(), "broken", "copy"]);
            assert_eq!(std::fs::read(&aside).unwrap(), bytes, "{name} {how}");
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{name} {how}");
        }
    }
}

#[test]
fn of_names_it_skips_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let first = prepared(folder.path());
    let data = folder.path().join("data");
    let hosts = data.join("hosts.txt");
    let whole = format!("site.i2p={}\nother.i2p={0}\n", "A".repeat(500)).into_bytes();
    for (how, bytes) in torn(&whole) {
        std::fs::write(&hosts, &bytes).unwrap();
        let running = Running::run(&data, &[]);
        running.said("SAM: ");
        assert_eq!(identities(&data), first, "{how}");
        running.send(Signal::SIGTERM);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{how}");
        if !bytes.is_empty() {
            assert_names(&ended.stderr, &["lines of", hosts.to_str().unwrap(), "mend or remove them"]);
        }
        assert_eq!(std::fs::read(&hosts).unwrap(), bytes, "{how}: it was changed");
    }
}

/// Settings are never guessed: without them a router might join another network, or leave out a tunnel.
#[test]
fn of_settings_it_refuses_what_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let settings = write_settings(&data, TUNNEL);
    for bytes in [&b"net-id = 9"[..4], &TUNNEL.as_bytes()[..20], &[0; 40], b"\xff\xfe\x00garbage"] {
        std::fs::write(&settings, bytes).unwrap();
        let message = Running::run(&data, &[]).refused();
        assert_names(&message, &[settings.to_str().unwrap()]);
        assert_eq!(std::fs::read(&settings).unwrap(), bytes);
        assert!(!data.join("router.keys").exists());
    }
    std::fs::write(&settings, "").unwrap();
    let running = Running::run(&data, &[]).up();
    running.send(Signal::SIGTERM);
    assert_names(&running.ended().stderr, &[settings.to_str().unwrap(), "is empty", "defaults"]);
}
