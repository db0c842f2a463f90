use std::collections::BTreeSet;
use std::sync::Arc;

use ramson_router::{Access, StreamRules};
use ramson_wire::DestinationHash;

use super::*;

fn error_of(text: &str) -> String {
    let parsed = Settings::read(text.as_bytes()).and_then(|settings| settings.check());
    format!("{:#}", parsed.unwrap_err())
}

const TUNNEL: &str = "[[tunnel]]\nname = \"web\"\ntype = \"http-server\"\ntarget = \"127.0.0.1:8080\"\nkeys = \"web.keys\"\n";

#[test]
fn a_whole_file_is_understood() {
    let settings = Settings::read(format!(
        "net-id = 77\nhost = [\"127.0.0.1\"]\nfloodfill = true\nreseed = [\"none\"]\nhttp-proxy = \"off\"\nsam = \"127.0.0.1:1\"\n\
         transports = [\"ntcp2\"]\nbandwidth-in = \"2 MB/s\"\nbandwidth-out = \"500 KB/s\"\nmemory-max = \"1 GiB\"\n{TUNNEL}inbound-length = 2\n"
    ).as_bytes())
    .unwrap();
    settings.check().unwrap();
    assert_eq!(settings.net_id, Some(77));
    assert!(settings.router().floodfill && settings.router().reseed.is_empty());
    let limits = settings.router().limits;
    assert_eq!((limits.in_bytes_per_sec, limits.transit_bytes_per_sec()), (Some(2_000_000), 400_000));
    assert_eq!((limits.memory_bytes, limits.transit), (1 << 30, true));
    assert_eq!(settings.http_proxy_address(), None);
    assert_eq!(settings.sam_address(), Some("127.0.0.1:1".parse().unwrap()));
    assert_eq!(settings.tunnel[0].destination().inbound_length, 2);
}

#[test]
fn mistakes_are_named_with_their_key_and_what_is_allowed() {
    for (text, wanted) in [
        ("netid = 77", &["netid", "net-id"][..]),
        ("net-id = 300", &["net-id", "300"]),
        ("http-proxy = \"4444\"", &["http-proxy", "127.0.0.1:4444"]),
        ("floodfill = \"maybe\"", &["floodfill", "true or false"]),
        ("transports = [\"ssu2\"]", &["transports", "ssu2", "ntcp2"]),
        (&format!("{TUNNEL}inbound-length = 8"), &["web", "inbound-length", "0 to 7"]),
        (&format!("{TUNNEL}outbound-quantity = 0"), &["web", "outbound-quantity", "1 to 16"]),
        (&TUNNEL.replace("web.keys", "../web.keys"), &["web", "keys", "data folder"]),
        (&TUNNEL.replace("http-server", "gopher"), &["gopher", "http-server"]),
        (&TUNNEL.replace("127.0.0.1:", "localhost:"), &["line 4", "localhost", "tunnel.target", "127.0.0.1:8080"]),
        ("host = [\n  \"example.com\",\n]", &["line 2", "host", "example.com", "192.0.2.1"]),
        ("host = [\"0.0.0.0\"]", &["host", "others could dial"]),
        (&TUNNEL.replace("\"web\"", "\"web\\n2\""), &["tunnel", "name", "line breaks"]),
        (&TUNNEL.replace("web.keys", "web\\u0000.keys"), &["web", "keys", "data folder"]),
        ("bandwidth-in = \"fast\"", &["bandwidth-in", "fast", "500 KB/s"]),
        ("bandwidth-out = \"1 KB/s\"", &["bandwidth-out", "16 KB/s"]),
        ("application-bandwidth = 7", &["application-bandwidth", "16 KB/s"]),
        ("transit = 1", &["transit", "true or false"]),
        ("transit-share = 101", &["transit-share", "1 to 100"]),
        ("max-transit-tunnels = 0", &["max-transit-tunnels", "1 to 10000"]),
        ("max-connections = 10", &["max-connections", "50 to 2000"]),
        ("memory-max = \"1 MiB\"", &["memory-max", "64 MiB"]),
        ("memory-max = \"plenty\"", &["memory-max", "plenty", "512 MiB"]),
        ("port = \"9\"", &["port", "string", "1 to 65535"]),
        (&format!("{TUNNEL}{TUNNEL}"), &["web", "differ"]),
        (&format!("{TUNNEL}{}", TUNNEL.replace("\"web\"", "\"two\"")), &["two", "keys or port"]),
        (&format!("{TUNNEL}{}port = 9\ninbound-length = 1", TUNNEL.replace("\"web\"", "\"two\"")), &["two", "all but name"]),
        (&format!("{TUNNEL}allow = [\"stranger\"]"), &["web", "allow", "stranger", ".b32.i2p"]),
        (&format!("{TUNNEL}deny = 1"), &["tunnel.deny", ".b32.i2p"]),
        (&format!("{TUNNEL}allow = []\ndeny = []"), &["web", "allow excludes deny"]),
        (&format!("{TUNNEL}max-streams-per-hour = 0"), &["tunnel.max-streams-per-hour", "leave it out"]),
        (&format!("{TUNNEL}more-keys = [\"web.keys\"]"), &["web", "keys", "of its own"]),
        (&format!("{TUNNEL}port = -1"), &["tunnel.port", "0 to 65535"]),
    ] {
        let error = error_of(text);
        for part in wanted {
            assert!(error.contains(part), "{part:?} is missing in: {error}");
        }
    }
}

#[test]
fn a_tunnel_says_whose_streams_it_takes() {
    let peer = DestinationHash([7; 32]);
    let rules = |more: &str| {
        let settings = Settings::read(format!("{TUNNEL}{more}").as_bytes()).unwrap();
        settings.check().unwrap();
        settings.tunnel[0].destination().streams
    };
    assert_eq!(rules(""), StreamRules::default());
    let list = Arc::new(BTreeSet::from([peer]));
    assert_eq!(rules(&format!("allow = [\"{}\"]", peer.to_b32())).access, Access::Only(Arc::clone(&list)));
    let denied = rules(&format!("deny = [\"{}\"]\nmax-streams-per-minute = 5\nmax-total-streams-per-day = 9", peer.to_b32()));
    assert_eq!(denied.access, Access::AllBut(list));
    assert_eq!((denied.each.minute, denied.each.hour, denied.total.day), (5, 0, 9));
}

#[test]
fn tunnels_share_a_destination_by_port() {
    let other = TUNNEL.replace("\"web\"", "\"other\"");
    let text = format!("{TUNNEL}more-keys = [\"second.keys\"]\n{other}port = 81\n");
    let settings = Settings::read(text.as_bytes()).unwrap();
    settings.check().unwrap();
    assert_eq!(settings.tunnel[0].key_files().collect::<Vec<_>>(), ["web.keys", "second.keys"]);
    assert_eq!((settings.tunnel[0].port, settings.tunnel[1].port), (0, 81));
}

#[test]
fn flags_win_over_the_file() {
    let folder = std::env::temp_dir().join(format!("ramson-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ramson.toml"), "net-id = 77\nport = 1000\n").unwrap();
    let flags = Settings { port: Some(2000), ..Settings::default() };
    let merged = flags.over_file(None, &folder).unwrap();
    assert_eq!((merged.net_id, merged.port), (Some(77), Some(2000)));
    std::fs::remove_dir_all(&folder).unwrap();
}
