//! Nothing that is logged, at any level, names a peer, an address, a destination or a host.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that cannot help ends the test")]
#![allow(dead_code, reason = "the helpers serve other tests too")]

#[path = "network/sam_client.rs"]
mod sam_client;
#[path = "network/testnet.rs"]
mod testnet;

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ramson_proxy::TunnelKind;
use ramson_router::{Router, new_destination};
use ramson_wire::{RouterInfo, Unverified, base32, base64};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing_subscriber::fmt::MakeWriter;

use sam_client::SamClient;
use testnet::{PATIENCE, TestNet, listen};

/// Everything logged in this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The forms in which a hash might be printed. A part of it tells as much.
fn forms(what: &str, hash: &[u8; 32], needles: &mut Vec<(String, String)>) {
    let hex = hash[..6].iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let debug = format!("{:?}", &hash[..5]);
    let forms = [
        start(&base64::encode(hash), 8),
        start(&base32::encode(hash), 10),
        hex.to_uppercase(),
        hex,
        debug.trim_matches(['[', ']']).to_owned(),
    ];
    needles.extend(forms.map(|form| (what.to_owned(), form)));
}

fn address_of(router: &Router) -> SocketAddr {
    let info = Unverified::<RouterInfo>::parse(router.router_info().clone()).unwrap().verify().unwrap();
    info.ntcp2_addresses().find_map(|address| address.host).unwrap()
}

async fn browse(proxy: SocketAddr, host: &str) -> String {
    let mut browser = TcpStream::connect(proxy).await.unwrap();
    let request = format!("GET http://{host}/secret-page HTTP/1.1\r\nHost: {host}\r\n\r\n");
    browser.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, browser.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_name_nobody() {
    let log = Log::default();
    let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(log.clone());
    all.init();
    let mut needles = Vec::new();
    let mut net = TestNet::start(5).await;
    for router in &net.routers {
        forms("a router's hash", &router.hash().0, &mut needles);
        needles.push(("a router's port".to_owned(), format!(":{}", address_of(router).port())));
    }
    needles.push(("an address".to_owned(), "127.0.0.1".to_owned()));

    // A page, a site that nobody knows, a name that nobody knows, and a site whose server is down.
    let (server, target) = listen().await;
    let site = net.tunnel(3, TunnelKind::HttpServer, target).await;
    forms("a destination", &site.address().hash().0, &mut needles);
    needles.push(("a destination".to_owned(), start(&site.address().to_base64(), 12)));
    let nobody = new_destination().unwrap().destination().hash();
    forms("an unknown destination", &nobody.0, &mut needles);
    let proxy = net.http_proxy(4).await;
    let serving = async {
        let (mut socket, _) = server.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage").await.unwrap();
    };
    let host = site.address().hash().to_b32();
    let ((), page) = tokio::join!(serving, browse(proxy, &host));
    assert!(page.ends_with("page"), "{page}");
    drop(server);
    for host in [nobody.to_b32(), "wanted-host.i2p".to_owned(), host.clone()] {
        let page = browse(proxy, &host).await;
        assert!(!page.starts_with("HTTP/1.1 200 "), "{page}");
    }
    needles.push(("a host name".to_owned(), "wanted-host".to_owned()));
    needles.push(("a page".to_owned(), "secret-page".to_owned()));
    needles.push(("a local server".to_owned(), format!(":{}", target.port())));

    // A SAM session that asks for names, and says what it shouldn't.
    let sam = net.sam(4).await;
    let (mut program, keys) = SamClient::with_session(sam, "session-name", "TRANSIENT").await;
    needles.push(("keys".to_owned(), start(&keys, 12)));
    let _ = program.ask("NAMING LOOKUP NAME=wanted-host.i2p").await;
    let _ = program.ask("NONSENSE wanted-host.i2p").await;
    drop(program);

    // A router that goes away, and strangers at another's door.
    let gone = net.routers.remove(2);
    tokio::task::spawn_blocking(move || gone.shutdown()).await.unwrap();
    let door = address_of(&net.routers[0]);
    let mut strangers = Vec::new();
    for bytes in [&[0_u8; 64][..], &[0x55; 400]] {
        let mut stranger = TcpStream::connect(door).await.unwrap();
        needles.push(("a stranger's port".to_owned(), format!(":{}", stranger.local_addr().unwrap().port())));
        stranger.write_all(bytes).await.unwrap();
        strangers.push(stranger);
    }
    // Tunnels through it may be dead by now; what is tried for this is logged, whether or not it comes to an end.
    let _ = tokio::time::timeout(Duration::from_secs(5), browse(proxy, &host)).await;
    for mut stranger in strangers {
        // Until the router has had enough of it.
        let _ = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut Vec::new())).await.unwrap();
    }
    drop(net);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for part in ["ramson_transport", "ramson_engine", "ramson_proxy", "TRACE", "DEBUG"] {
        assert!(log.contains(part), "nothing was logged by {part}");
    }
    for line in log.lines() {
        for (what, needle) in &needles {
            assert!(!line.contains(needle.as_str()), "{what} ({needle}) is in the log: {line}");
        }
    }
}

fn start(text: &str, len: usize) -> String {
    text.chars().take(len).collect()
}
