use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::running::{Running, TUNNEL, assert_names, write_settings};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn folder_keys_database_and_socket() {
    let folder = tempfile::tempdir().unwrap();
    let settings = write_settings(folder.path(), TUNNEL);
    let data_dir = folder.path().join("new/data");
    let _running = Running::run(&data_dir, &["--config", settings.to_str().unwrap()]).up();
    assert_eq!(mode(&data_dir), 0o700);
    for name in ["router.keys", "router.keys.copy", "web.keys", "web.keys.copy", "netdb.redb", "control.sock", "lock"] {
        assert_eq!(mode(&data_dir.join(name)), 0o600, "{name}");
    }
}

#[test]
fn also_in_a_folder_that_was_open_to_others() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    write_settings(folder.path(), "");
    let _running = Running::run(folder.path(), &[]).up();
    assert_eq!(mode(folder.path()), 0o700);
}

#[test]
fn but_a_folder_of_other_things_is_not_closed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.path().join("letter.txt"), "").unwrap();
    let message = Running::run(folder.path(), &[]).refused();
    assert_names(&message, &[folder.path().to_str().unwrap(), "other things", "chmod 700"]);
    assert_eq!(mode(folder.path()), 0o755);
}
