//! Files as routers leave them and as people write them, and what is said on the control socket.

use bytes::Bytes;
use ramson_fuzzing::seeds::Seeds;
use ramson_fuzzing::seeds::routers::router;
use ramson_fuzzing::seeds::wire::keys;
use ramson_router::fuzz::KeyFile;
use ramson_router::{BuildCounts, DestinationStatus, LookupCounts, Status, Traffic, TransitCounts, TransitStatus, TunnelCounts};
use zip::CompressionMethod;

use super::named;
use crate::files::bundle;
use crate::files::op::{CLEAR, COPY, CUT, FLIP, OLDER, WRITE};

fn numbered(parts: Vec<(&str, Vec<u8>)>) -> Seeds {
    parts.into_iter().enumerate().map(|(number, (name, bytes))| (format!("{number:02}-{name}"), bytes)).collect()
}

/// Key files, as they are and without their checksums.
pub fn router_keys() -> Seeds {
    let file = |seed| KeyFile::generate(seed).written;
    let bare = |seed| {
        let mut bytes = file(seed);
        bytes.truncate(bytes.len() - 32);
        [&[1], bytes.as_slice()].concat()
    };
    let mut others = bare(4);
    let at = others.len() - 391;
    others.splice(at.., bare(5).into_iter().skip(at));
    numbered(vec![
        ("whole", [&[0], file(1).as_slice()].concat()),
        ("bare", bare(2)),
        ("of-another-identity", others),
        ("torn", [&[0], &file(3)[..200]].concat()),
        ("torn-bare", bare(3)[..100].to_vec()),
        ("other-version", [&[1], b"ramson router keys 2\n".as_slice(), &[7; 120]].concat()),
    ])
}

/// Bundles of routers.
pub fn reseed() -> Seeds {
    let routers: Vec<Bytes> = (0..4).map(|number| router(number).info.bytes().clone()).collect();
    let deflated = bundle(&routers, CompressionMethod::Deflated);
    let with_more_in_front = [b"I2Psu3\0\0".as_slice(), &[0; 40], &deflated].concat();
    let bomb = bundle(&[vec![0; 100_000].into()], CompressionMethod::Deflated);
    numbered(vec![
        ("stored", bundle(&routers, CompressionMethod::Stored)),
        ("deflated", deflated.clone()),
        ("empty", bundle(&[], CompressionMethod::Stored)),
        ("bomb", bomb),
        ("more-in-front", with_more_in_front),
        ("torn", deflated[..deflated.len() - 30].to_vec()),
        ("no-zip", b"<html>not found</html>".to_vec()),
    ])
}

/// Damages of the database of known routers.
pub fn known_routers() -> Seeds {
    let flip = |page: u8, at: [u8; 2], mask| [FLIP, 0, page, at[0], at[1], mask];
    numbered(vec![
        ("killed-soon", vec![0]),
        ("killed-later", vec![1]),
        ("killed", vec![2]),
        ("ended", vec![3]),
        ("no-file", vec![4, 0, 9, b'r', b'e', b'd', b'b', 0x1a, 10, 0xa9, 13, 10]),
        ("magic", [&[3], flip(0, [0, 3], 1).as_slice()].concat()),
        ("flags", [&[3], flip(0, [0, 9], 1).as_slice()].concat()),
        ("flags-of-killed", [&[2], flip(0, [0, 9], 1).as_slice()].concat()),
        ("first-slot", [&[3], flip(0, [0, 100], 255).as_slice()].concat()),
        ("second-slot", [&[3], flip(0, [0, 230], 255).as_slice()].concat()),
        ("both-slots", [&[2], flip(0, [0, 100], 255).as_slice(), &flip(0, [0, 230], 255)].concat()),
        ("lengths", vec![3, WRITE, 0, 0, 0, 12, 8, 255, 255, 255, 255, 0, 0, 0, 1]),
        ("page", vec![3, CLEAR, 0, 5]),
        ("pages", vec![3, CLEAR, 0, 1, CLEAR, 0, 2, CLEAR, 0, 3]),
        ("moved", vec![3, COPY, 0, 5, 0, 6]),
        ("cut", vec![3, CUT, 0, 9, 0, 0]),
        ("cut-in-page", vec![2, CUT, 0, 7, 1, 1]),
        ("older", vec![3, OLDER, 0, 0, 1]),
        ("older-page", vec![3, OLDER, 0, 4, 0, OLDER, 0, 5, 0]),
    ])
}

/// The settings that the README shows, and those of tests.
const WHOLE: &str = "net-id = 77\nhost = [\"192.0.2.1\", \"2001:db8::1\"]\nbind = [\"0.0.0.0\"]\nport = 12345\ntransports = [\"ntcp2\"]\n\
    reseed = [\"/var/lib/reseed.zip\", \"netDb\"]\nfloodfill = true\ndanger-allow-reserved-peers = false\nhttp-proxy = \"off\"\n\
    http-proxy-length = 2\nsam = \"[::1]:7656\"\n";
const TUNNEL: &str = "[[tunnel]]\nname = \"web\"\ntype = \"http-server\"\ntarget = \"127.0.0.1:8080\"\nkeys = \"web.keys\"\n";
const LENGTHS: &str = "inbound-length = 7\noutbound-length = 0\ninbound-quantity = 16\noutbound-quantity = 1\n";

/// Settings files, with mistakes that people make.
pub fn settings() -> Seeds {
    let of = |parts: &[&str]| parts.concat().into_bytes();
    let other = TUNNEL.replace("web", "irc").replace("http-server", "server");
    numbered(vec![
        ("whole", of(&[WHOLE, TUNNEL, LENGTHS, &other])),
        ("comments", of(&["# my router\r\n\r\nsam = 'off' # no programs\r\nport=1_000\r\n"])),
        ("unknown-key", of(&["netid = 77"])),
        ("unknown-in-tunnel", of(&[TUNNEL, "lenght = 3\n"])),
        ("missing", of(&["[[tunnel]]\nname = \"a\"\n"])),
        ("number", of(&["net-id = 300\n"])),
        ("negative", of(&["port = -1\n"])),
        ("kind-of-value", of(&["floodfill = \"on\"\nport = \"9\"\n"])),
        ("no-list", of(&["host = \"::1\"\n"])),
        ("list-over-lines", of(&["host = [\n  \"192.0.2.1\",\n  \"example.com\",\n]\n"])),
        ("hosts", of(&["host = [\"192.0.2.1\", \"192.0.2.2\"]\n"])),
        ("no-host", of(&["host = [\"::\"]\n"])),
        ("listen", of(&["http-proxy = \"4444\"\n"])),
        ("too-long", of(&["http-proxy-length = 8\n"])),
        ("none-and-more", of(&["reseed = [\"none\", \"x.zip\"]\n"])),
        ("danger", of(&["danger-ignore-subnets = true\n"])),
        ("twice", of(&[TUNNEL, TUNNEL])),
        ("key-twice", of(&["port = 1\nport = 2\n"])),
        ("ours", of(&[&TUNNEL.replace("web.keys", "router.keys")])),
        ("above", of(&[&TUNNEL.replace("web.keys", "../web.keys")])),
        ("two-lines", of(&[&TUNNEL.replace("\"web\"", "\"web\\n2.0\"")])),
        ("no-table", of(&["tunnel = 3\n"])),
        ("server", of(&[&TUNNEL.replace("127.0.0.1:", "localhost:")])),
        ("open", of(&["host = [\"192.0.2.1\n"])),
        ("deep", of(&["host = ", &"[".repeat(400)])),
        ("no-text", vec![b'p', b'o', b'r', b't', 0xff, 0xfe]),
        ("marked", of(&["\u{feff}port = 9\n"])),
    ])
}

/// Scenarios of the repository, and mistakes.
pub fn scenario() -> Seeds {
    let file = |text: &str| text.as_bytes().to_vec();
    let start = "routers = 30\nfloodfills = 6\nduration-secs = 600\nshort-routers = 10\nshort-duration-secs = 60\n";
    let fault = |text: &str| format!("{start}[[faults]]\n{text}").into_bytes();
    numbered(vec![
        ("churn", file(include_str!("../../../../scenarios/churn.toml"))),
        ("partition", file(include_str!("../../../../scenarios/partition.toml"))),
        ("skew", file(include_str!("../../../../scenarios/skew.toml"))),
        ("bad-disk", file(include_str!("../../../../scenarios/bad-disk.toml"))),
        ("bulk", file(include_str!("../../../../scenarios/bulk.toml"))),
        ("lossy", file(include_str!("../../../../scenarios/lossy.toml"))),
        ("crash", fault("kind = \"crash\"\nat-secs = 90\nrouters = 12\ndown-secs = 100\nsilent = true\n")),
        ("short-fault", fault("kind = \"flood\"\nfrom-secs = 590\nto-secs = 591\n")),
        ("disk", fault("kind = \"disk\"\nfrom-secs = 100\nto-secs = 500\ntorn-permille = 500\nlost-permille = 501\n")),
        ("jump", fault("kind = \"clock-jump\"\nat-secs = 600\nby-ms = -60000\n")),
        ("rare-samples", file("duration-secs = 600\nsample-secs = 300\nshort-duration-secs = 60\n")),
        ("no-kind", fault("from-secs = 1\nto-secs = 2\n")),
        ("other-kind", fault("kind = \"fire\"\n")),
        ("unknown", fault("kind = \"crash\"\nat-secs = 9\nhow = 3\n")),
        ("kind-of-value", file("routers = \"many\"\n")),
        ("order", file("[links]\nlatency-ms = [9, 3]\n")),
        ("one-end", file("[clocks]\nskew-ms = [3]\n")),
        ("unmeasurable", file("[expect]\npages-permille = 900\n")),
        ("faults-no-list", file("faults = 3\n")),
        ("open", file("about = \"\n")),
    ])
}

const STATUS: &str = "{\"version\":1,\"command\":\"status\"}\n";

/// An answer with the status.
fn answer(name: &str, problem: Option<&str>) -> String {
    let destination = DestinationStatus {
        name: name.to_owned(),
        hash: keys().destination().hash(),
        inbound: 3,
        outbound: 2,
        published: true,
        starts_in_secs: 0,
    };
    let status = Status {
        ready: true,
        hash: router(1).info.hash(),
        net_id: 77,
        uptime_secs: 12,
        routers: 30,
        floodfills: 8,
        lease_sets: 2,
        ntcp2_sessions: 9,
        tunnels: TunnelCounts { client_in: 3, transit: 7, ..TunnelCounts::default() },
        builds: BuildCounts { tried: 12, accepted: 10, ..BuildCounts::default() },
        lookups: LookupCounts::default(),
        transit: TransitCounts::default(),
        sharing: TransitStatus { class: 'P', congestion: Some('D'), ..TransitStatus::default() },
        traffic: Traffic::default(),
        drops: [("relay-full", 3), ("unknown-tunnel", 0)].into(),
        destinations: vec![destination.clone(), DestinationStatus { published: false, starts_in_secs: 9, ..destination }],
    };
    ramson::fuzz::status_line(status, problem.map(str::to_owned))
}

/// Requests and answers.
pub fn control() -> Seeds {
    named(&[
        ("status", &[0], STATUS),
        ("dance", &[0], "{\"version\":1,\"command\":\"dance\"}\n"),
        ("version", &[0], "{\"version\":2,\"command\":\"status\"}\n"),
        ("more", &[0], "{\"version\":1,\"command\":\"status\",\"why\":null}\n"),
        ("list", &[0], "[1,\"status\"]\n"),
        ("other-order", &[0], "{ \"command\" : \"sta\\u0074us\", \"version\" : 1 }"),
        ("http", &[0], "GET / HTTP/1.1\r\n"),
        ("answer", &[1], &answer("web", None)),
        ("full-disk", &[1], &answer("web", Some("known routers cannot be saved"))),
        ("two-lines", &[1], &answer("web\nready\u{1b}[2J", None)),
        ("refusal", &[1], "{\"error\":\"unknown command\"}\n"),
    ])
}
