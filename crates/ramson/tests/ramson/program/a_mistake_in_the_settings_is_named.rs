use crate::support::running::{Running, TUNNEL, assert_names, write_settings};

#[test]
fn in_the_file() {
    for (text, wanted) in [
        ("netid = 77\n", &["netid", "net-id", "line 1"][..]),
        ("net-id = 300\n", &["net-id", "300"]),
        ("net-id = \"two\"\n", &["net-id", "string"]),
        ("port = 70000\n", &["port", "70000"]),
        ("http-proxy-length = 8\n", &["http-proxy-length", "0 to 7"]),
        ("net-id = \n", &["line 1"]),
        (&format!("{TUNNEL}outbound-length = 9\n"), &["web", "outbound-length", "0 to 7"]),
        (&format!("{TUNNEL}inbound-quantity = 17\n"), &["web", "inbound-quantity", "1 to 16"]),
        (&TUNNEL.replace("web.keys", "router.keys"), &["web", "keys", "data folder"]),
        (&TUNNEL.replace("web.keys", "netdb.redb"), &["web", "keys", "data folder"]),
        (&TUNNEL.replace("web.keys", "router.info"), &["web", "keys", "data folder"]),
        (&TUNNEL.replace("web.keys", "other.keys.new"), &["web", "keys", "data folder"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = write_settings(folder.path(), text);
        let arguments = ["run", "--data-dir", folder.path().to_str().unwrap()];
        let message = Running::start(&arguments).refused();
        assert_names(&message, &[path.to_str().unwrap()]);
        assert_names(&message, wanted);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert!(!folder.path().join("router.keys").exists(), "something was started for {text}");
    }
}

#[test]
fn on_the_command_line() {
    for (flags, wanted) in [
        (&["--net-id", "256"][..], &["--net-id", "256"][..]),
        (&["--http-proxy", "4444"], &["--http-proxy", "127.0.0.1:4444", "off"]),
        (&["--http-proxy-length", "8"], &["--http-proxy-length", "0..=7"]),
        (&["--host", "example.com"], &["--host", "example.com"]),
        (&["--host", "0.0.0.0"], &["host", "others could dial"]),
        (&["--host", "192.0.2.1", "--host", "192.0.2.2"], &["host", "at most one IPv4"]),
        (&["--transports", "ssu2"], &["--transports", "ssu2", "ntcp2"]),
        (&["--floodfill", "maybe"], &["--floodfill", "on, off"]),
        (&["--reseed", "none", "--reseed", "/tmp"], &["reseed", "none"]),
        (&["--no-such-flag"], &["--no-such-flag"]),
        (&["--log", "verbose"], &["--log", "verbose", "debug"]),
        (&["--log", "ramson=verbose"], &["--log", "verbose", "debug"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let message = Running::run(folder.path(), flags).refused();
        assert_names(&message, wanted);
        assert!(!folder.path().join("router.keys").exists(), "something was started for {flags:?}");
    }
}

#[test]
fn a_danger_flag_on_the_public_network() {
    for flag in ["--danger-allow-reserved-peers", "--danger-ignore-subnets"] {
        let folder = tempfile::tempdir().unwrap();
        for public in [&["--net-id", "2"][..], &[]] {
            let mut arguments = vec!["run", "--data-dir", folder.path().to_str().unwrap(), flag];
            arguments.extend(public);
            assert_names(&Running::start(&arguments).refused(), &["danger", "net-id 2", "another net-id"]);
        }
        assert!(!folder.path().join("router.keys").exists());
    }
}

#[test]
fn a_file_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let message = Running::run(folder.path(), &["--config", "/no/such/ramson.toml"]).refused();
    assert_names(&message, &["/no/such/ramson.toml", "--config"]);
}
