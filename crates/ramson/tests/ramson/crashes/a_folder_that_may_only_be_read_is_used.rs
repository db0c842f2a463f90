use std::collections::BTreeMap;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

use crate::support::namespace::inside;
use crate::support::running::{Running, TUNNEL, assert_names, exchange, status, write_settings};
use crate::support::testnet::{introduce, lonely_router};

fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn with_its_keys_and_with_what_it_knew() {
    if !inside(&["--mount"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let known = folder.path().join("known");
    std::fs::create_dir(&known).unwrap();
    let other = lonely_router(&folder.path().join("other"));
    introduce(&other, &known);
    other.shutdown();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount_as = |how| mount(None::<&str>, &disk, Some("tmpfs"), how, Some("mode=700")).unwrap();
    let remount = |how| mount_as(MsFlags::MS_REMOUNT | how);
    mount_as(MsFlags::empty());

    // A first start needs to write.
    remount(MsFlags::MS_RDONLY);
    let message = Running::run(&disk, &[]).refused();
    assert_names(&message, &["lock", "Read-only", "--data-dir"]);
    remount(MsFlags::empty());
    write_settings(&disk, TUNNEL);
    let running = Running::run(&disk, &["--reseed", known.to_str().unwrap(), "--danger-allow-reserved-peers"]);
    let address = running.said("tunnel web: ");
    running.said("1 routers known");
    let hash = status(&disk)["router"]["hash"].clone();
    running.send(Signal::SIGTERM);
    assert_eq!(running.ended().code, Some(0));

    // From then on it runs without, whether it had ended well or not.
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let before = content(&disk);
        remount(MsFlags::MS_RDONLY);
        let running = Running::run(&disk, &["--danger-allow-reserved-peers"]);
        assert_eq!(running.said("tunnel web: "), address);
        let proxy = running.address_of("HTTP proxy");
        running.said("1 routers known");
        assert!(exchange(proxy, b"GET http://nobody.i2p/ HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert_names(&Running::run(&disk, &[]).refused(), &["another ramson runs"]);
        running.send(Signal::SIGTERM);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0));
        assert_names(&ended.stderr, &["netdb.redb", "cannot be saved", "Read-only", "control.sock", "ramson status"]);
        remount(MsFlags::empty());
        assert_eq!(content(&disk), before);

        let running = Running::run(&disk, &["--danger-allow-reserved-peers"]);
        running.said("1 routers known");
        let status = status(&disk);
        assert_eq!(status["router"]["hash"], hash);
        assert!(status["storage"]["problem"].is_null());
        running.send(signal);
        running.ended();
    }
}
