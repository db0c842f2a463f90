use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ramson_leaks::Watch;
use ramson_proxy::TunnelKind;
use ramson_router::{Router, RouterConfig, new_destination};
use ramson_wire::{RouterInfo, Unverified};

use super::recorder::{NAME_SERVER, Recorder};
use crate::support::namespace::inside;
use crate::support::running::{Running, exchange, status, write_settings};
use crate::support::testnet::{PATIENCE, TestNet, config, introduce, start_router};

const PAGE: &str = "what nobody else may read";

/// A router at a public address of this namespace's own internet, with the checks of a public network.
fn public(number: u8, floodfill: bool) -> RouterConfig {
    RouterConfig {
        // Routers of one port may be of one operator.
        port: Some(21_000 + u16::from(number)),
        danger_allow_reserved_peers: false,
        danger_ignore_subnets: false,
        ..config(&[IpAddr::V4(Ipv4Addr::new(51, number, 7, 1))], floodfill)
    }
}

fn address_of(router: &Router) -> SocketAddr {
    let info = Unverified::<RouterInfo>::parse(router.router_info().clone()).unwrap().verify().unwrap();
    info.ntcp2_addresses().find_map(|address| address.host).unwrap()
}

/// A web server that gives everybody its page.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || {
                let _ = socket.read(&mut [0; 4096]);
                let _ = write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{PAGE}", PAGE.len());
            });
        }
    });
    address
}

/// Fetches until the page comes: tunnels stand, and LeaseSets are found, when they are.
fn fetch(proxy: SocketAddr, host: &str) {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = exchange(proxy, format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        if answer.ends_with(PAGE) {
            return;
        }
        assert!(Instant::now() < until, "{host}: {answer}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What leaks in this namespace is recorded: names that are looked up, connections and packets to anywhere.
fn leaks_are_recorded(recorder: &Recorder) {
    let nobody = BTreeSet::new();
    assert_eq!(recorder.strays(&nobody), []);
    assert!(("leak.example", 80).to_socket_addrs().is_err());
    let dialed = ["8.8.4.4:443", "10.1.2.3:80", "[2001:db8::1]:443"].map(|address| address.parse::<SocketAddr>().unwrap());
    let dialed = dialed.iter().filter(|address| address.is_ipv4() || recorder.ipv6);
    for address in dialed.clone() {
        assert!(TcpStream::connect_timeout(address, Duration::from_secs(5)).is_err());
    }
    let multicast = SocketAddr::from(([239, 255, 255, 250], 1900));
    UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"anybody?", multicast).unwrap();
    let strays = recorder.strays(&nobody);
    for address in dialed.chain([&multicast, &NAME_SERVER]) {
        assert!(strays.iter().any(|packet| packet.to == *address), "{address} was not recorded: {strays:?}");
    }
    recorder.clear();
}

/// Asks for a site that nobody has. The proxy looks for it again and again, and the answer is long in coming.
fn ask_for_nobody(proxy: SocketAddr) -> TcpStream {
    let nobody = new_destination().unwrap().destination().hash().to_b32();
    let mut socket = TcpStream::connect(proxy).unwrap();
    write!(socket, "GET http://{nobody}/ HTTP/1.1\r\nHost: {nobody}\r\n\r\n").unwrap();
    socket
}

/// Waits until floodfills have answered, or not, that they don't know what was looked up.
fn a_look_up_fails(data_dir: &Path) {
    let failed = || status(data_dir)["lookups"]["failed"].as_u64().unwrap();
    let (before, until) = (failed(), Instant::now() + PATIENCE);
    while failed() == before {
        assert!(Instant::now() < until, "no look-up failed");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// All that a user, or a page in a browser, may ask for that is outside.
fn ask_for_what_is_outside(proxy: SocketAddr, sam: SocketAddr) {
    for (target, wanted) in [
        ("http://example.com/", 403),
        ("http://www.example.org:8443/x", 403),
        ("http://93.184.216.34/", 403),
        ("http://[2606:2800:220:1::1]/", 403),
        ("http://localhost/", 403),
        ("http://nobody.i2p/", 404),
        ("http://nobody.i2p.example.com/", 403),
        ("http://short.b32.i2p/", 400),
    ] {
        let answer = exchange(proxy, format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {wanted} ")), "{target}: {answer}");
    }
    let answer = exchange(proxy, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    let long = "x".repeat(300);
    for name in ["example.com", "localhost", "8.8.8.8", "[::1]", "example.onion", "nobody.i2p", "a..i2p", "..", &long] {
        let answer = exchange(sam, format!("HELLO VERSION\nNAMING LOOKUP NAME={name}\nQUIT\n").as_bytes());
        assert!(answer.contains("NAMING REPLY") && !answer.contains("RESULT=OK NAME"), "{name}: {answer}");
    }
    let create = "SESSION CREATE STYLE=STREAM ID=a DESTINATION=TRANSIENT inbound.length=1 outbound.length=1";
    for to in ["example.com", "8.8.8.8", "localhost"] {
        let asked = format!("HELLO VERSION\n{create}\nSTREAM CONNECT ID=a DESTINATION={to} SILENT=false\nQUIT\n");
        let answer = exchange(sam, asked.as_bytes());
        assert!(!answer.contains("STREAM STATUS RESULT=OK"), "{to}: {answer}");
    }
}

/// RouterInfos of routers that are gone, and of one at an address where no router of the internet can be.
fn unreachable(folder: &Path, known: &Path) -> Vec<SocketAddr> {
    let gone = [public(90, false), public(91, true)].map(|config| {
        let name = format!("gone{}", config.hosts[0]);
        let router = start_router(&folder.join(name), config);
        introduce(&router, known);
        router.shutdown();
        address_of(&router)
    });
    let reserved = start_router(&folder.join("reserved"), config(&[IpAddr::V4(Ipv4Addr::new(10, 9, 8, 7))], false));
    introduce(&reserved, known);
    reserved.shutdown();
    gone.to_vec()
}

/// Its log names neither whom it knows nor what passes through it.
fn forbid(leaks: &Watch, net: &TestNet, sites: [&String; 2]) {
    for router in &net.routers {
        leaks.forbid_hash("a router's hash", &router.hash().0);
    }
    for name in sites.into_iter().map(String::as_str).chain(["example", "nobody", "localhost"]) {
        leaks.forbid("a name", name.trim_end_matches(".b32.i2p"));
    }
    leaks.forbid_bytes("a page", PAGE.as_bytes());
}

#[test]
fn whatever_it_is_asked() {
    if !inside(&["--net", "--mount"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::start(folder.path());
    leaks_are_recorded(&recorder);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let configs = (1..=5).map(|number| public(number, number <= 2)).collect();
    let mut net = runtime.block_on(TestNet::start_with(configs));
    let mut listeners: BTreeSet<SocketAddr> = net.routers.iter().map(address_of).collect();
    assert_eq!(recorder.strays(&listeners), [], "of routers in this process");
    listeners.extend(unreachable(folder.path(), &net.known));
    let target = serve();
    let site = runtime.block_on(net.tunnel(3, TunnelKind::HttpServer, target)).address().hash().to_b32();
    let visitor = runtime.block_on(net.http_proxy(4));

    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    let web = "[[tunnel]]\nname = \"web\"\ntype = \"http-server\"\nkeys = \"web.keys\"\ninbound-length = 1\noutbound-length = 1";
    write_settings(&data_dir, &format!("http-proxy-length = 1\n{web}\ntarget = \"{target}\"\n"));
    let known = net.known.clone();
    let own = ["--host", "51.77.7.1", "--bind", "51.77.7.1", "--port", "21000", "--reseed", known.to_str().unwrap()];
    recorder.clear();
    let program = Running::run(&data_dir, &own);
    let own_site = program.said("tunnel web: http://").trim_end_matches('/').to_owned();
    let (proxy, sam) = (program.address_of("HTTP proxy"), program.address_of("SAM"));
    forbid(&program.leaks, &net, [&site, &own_site]);
    listeners.extend([proxy, sam, target, visitor, "51.77.7.1:21000".parse().unwrap()]);
    let asked = ask_for_nobody(proxy);
    program.said("ready");
    fetch(proxy, &site);
    fetch(visitor, &own_site);
    ask_for_what_is_outside(proxy, sam);
    a_look_up_fails(&data_dir);
    drop(asked);
    program.send(Signal::SIGTERM);
    assert_eq!(program.ended().code, Some(0));

    assert_eq!(recorder.strays(&listeners), []);
    let reached = |address: IpAddr| recorder.seen().iter().any(|packet| packet.dials && packet.to.ip() == address);
    let subject = IpAddr::V4(Ipv4Addr::new(51, 77, 7, 1));
    assert!(recorder.seen().iter().any(|packet| packet.dials && packet.from.ip() == subject), "it has dialed nobody");
    assert!((1..=5).any(|number| reached(IpAddr::V4(Ipv4Addr::new(51, number, 7, 1)))));
    drop(net);
}
