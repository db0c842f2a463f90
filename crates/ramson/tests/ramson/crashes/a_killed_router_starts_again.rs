use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use ramson_proxy::TunnelKind;
use serde_json::Value;

use super::load::{Load, fetch, low_port, serve};
use crate::support::running::{PATIENCE, Running, status, write_settings};
use crate::support::testnet::TestNet;

/// Replays the kills of a run, as far as the machine lets it.
const SEED: &str = "RAMSON_TEST_SEED";
const KEYS: [&str; 2] = ["router.keys", "web.keys"];
/// What a router may leave behind that was killed in its first second; the next one has none of it.
const UNFINISHED: [&str; 6] =
    ["netdb.redb.new", "router.info.new", "router.keys.new", "router.keys.copy.new", "web.keys.new", "web.keys.copy.new"];
/// What any may leave behind.
const FILES: [&str; 10] = [
    "control.sock",
    "hosts.txt",
    "lock",
    "netdb.redb",
    "ramson.toml",
    "router.info",
    "router.keys",
    "router.keys.copy",
    "web.keys",
    "web.keys.copy",
];

/// Small, and the same everywhere (SplitMix64).
struct Draws(u64);

impl Draws {
    fn millis(&mut self, below: u64) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Duration::from_millis((mixed ^ (mixed >> 31)) % below)
    }
}

/// The router that is killed, and where it is found.
struct Victim {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
    proxy: SocketAddr,
    sam: SocketAddr,
}

impl Victim {
    fn new(known: &Path, target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let short = "inbound-length = 1\noutbound-length = 1\ninbound-quantity = 2\noutbound-quantity = 2";
        let web =
            format!("[[tunnel]]\nname = \"web\"\ntype = \"http-server\"\nkeys = \"web.keys\"\n{short}\ntarget = \"{target}\"\n");
        write_settings(folder.path(), &format!("http-proxy-length = 1\n{web}"));
        std::fs::write(folder.path().join("hosts.txt"), "# nobody yet\n").unwrap();
        let [transport, proxy, sam] = [(); 3].map(|()| low_port());
        let mut arguments: Vec<String> =
            ["--host", "127.0.0.1", "--danger-allow-reserved-peers", "--danger-ignore-subnets"].map(str::to_owned).into();
        for (flag, value) in [
            ("--reseed", known.to_str().unwrap().to_owned()),
            ("--port", transport.to_string()),
            ("--http-proxy", format!("127.0.0.1:{proxy}")),
            ("--sam", format!("127.0.0.1:{sam}")),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { folder, arguments, proxy: local(proxy), sam: local(sam) }
    }

    fn start(&self) -> Running {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        Running::run(self.folder.path(), &arguments)
    }

    /// The keys as they are on the disk.
    fn keys(&self) -> BTreeMap<&'static str, Vec<u8>> {
        KEYS.into_iter().filter_map(|name| Some((name, std::fs::read(self.folder.path().join(name)).ok()?))).collect()
    }

    fn identities(&self) -> (Value, String) {
        let status = status(self.folder.path());
        let web = status["destinations"].as_array().unwrap().iter().find(|one| one["name"] == "web").unwrap()["b32"].clone();
        (status["router"]["hash"].clone(), web.as_str().unwrap().to_owned())
    }

    /// Kills it, and sees what is left.
    fn kill(&self, running: Running, keys: &mut BTreeMap<&'static str, Vec<u8>>) {
        running.send(Signal::SIGKILL);
        let ended = running.ended();
        assert_eq!(ended.code, None, "it ended before it was killed: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        let left = self.keys();
        for (name, bytes) in &*keys {
            assert_eq!(left.get(name), Some(bytes), "{name} is another");
        }
        *keys = left;
        for name in self.others() {
            assert!(UNFINISHED.contains(&name.as_str()), "{name} was left behind");
        }
    }

    /// Files that a router has not for long.
    fn others(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !FILES.contains(&name.as_str())).collect()
    }
}

/// Kills routers that start for the first time, most of them before they are up.
fn kill_first_starts(known: &Path, target: SocketAddr, draws: &mut Draws, rounds: u32) {
    for _ in 0..rounds {
        let victim = Victim::new(known, target);
        let mut keys = BTreeMap::new();
        for _ in 0..2 {
            let running = victim.start();
            std::thread::sleep(draws.millis(120));
            victim.kill(running, &mut keys);
        }
        let running = victim.start();
        running.said("SAM: ");
        assert!(victim.others().is_empty(), "{:?}", victim.others());
        victim.kill(running, &mut keys);
        assert_eq!(keys.len(), KEYS.len());
    }
}

#[expect(clippy::print_stdout, reason = "it can be replayed")]
fn seed() -> u64 {
    let drawn = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let seed = std::env::var(SEED).map_or_else(|_| drawn(), |text| text.parse().unwrap());
    println!("{SEED}={seed}");
    seed
}

fn kill_at_random(rounds: u32) {
    let mut draws = Draws(seed());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut net = runtime.block_on(TestNet::start(5));
    let target = serve();
    let site = runtime.block_on(net.tunnel(3, TunnelKind::HttpServer, target)).address().hash().to_b32();
    let neighbour = runtime.block_on(net.http_proxy(4));
    kill_first_starts(&net.known, target, &mut draws, rounds / 5);

    let victim = Victim::new(&net.known, target);
    let running = victim.start();
    running.said("SAM: ");
    let first = victim.identities();
    let mut keys = victim.keys();
    let load = Load::start(victim.proxy, victim.sam, &site, neighbour, &first.1);
    running.said("ready");
    std::thread::sleep(draws.millis(2_000));
    victim.kill(running, &mut keys);
    for _ in 0..rounds - rounds / 5 {
        let running = victim.start();
        // A third while it starts, the others under load, about the time when it saves its state.
        if draws.millis(3) == Duration::ZERO {
            std::thread::sleep(draws.millis(200));
        } else {
            running.said("SAM: ");
            assert_eq!(victim.identities(), first);
            std::thread::sleep(draws.millis(3_000));
        }
        victim.kill(running, &mut keys);
    }

    let running = victim.start();
    running.said("ready");
    assert_eq!(victim.identities(), first);
    let until = Instant::now() + PATIENCE * 2;
    for (proxy, host) in [(victim.proxy, &site), (neighbour, &first.1)] {
        while !fetch(proxy, host) {
            assert!(Instant::now() < until, "no page of {host}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    for (what, done) in ["pages through the proxy", "pages of the site", "sessions"].iter().zip(&load.done) {
        assert!(done.load(Ordering::Relaxed) > 0, "there were no {what}: this was no load");
    }
    drop(load);
    running.send(Signal::SIGTERM);
    assert_eq!(running.ended().code, Some(0));
}

#[test]
fn with_its_keys_whenever_it_was_killed() {
    kill_at_random(20);
}

#[test]
#[ignore = "takes some minutes"]
fn with_its_keys_two_hundred_times() {
    kill_at_random(200);
}
