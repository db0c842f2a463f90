//! Nothing that is logged, at any level, names a peer, an address, a destination or a host. A test program of its own: what this one lets
//! out on purpose, all that watch this process would see.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that cannot help ends the test")]
#![allow(dead_code, reason = "the helpers serve other tests too")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use ramson_proxy::TunnelKind;
use ramson_router::{Router, new_destination};
use ramson_wire::{RouterInfo, Unverified};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::Level;

use crate::support::sam_client::SamClient;
use crate::support::testnet::{PATIENCE, TestNet, listen};

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
    let mut net = TestNet::start(5).await;
    for router in &net.routers {
        net.leaks.forbid("a router's port", &format!(":{}", address_of(router).port()));
    }

    // A page, a site that nobody knows, a name that nobody knows, and a site whose server is down.
    let (server, target) = listen().await;
    let site = net.tunnel(3, TunnelKind::HttpServer, target).await;
    net.leaks.forbid("a destination", &start(&site.address().to_base64(), 12));
    let nobody = new_destination().unwrap().destination().hash();
    net.leaks.forbid_hash("an unknown destination", &nobody.0);
    net.leaks.forbid("a host name", "wanted-host");
    net.leaks.forbid("a page", "secret-page");
    net.leaks.forbid("a page", "content of a page");
    net.leaks.forbid("a local server", &format!(":{}", target.port()));
    let proxy = net.http_proxy(4).await;
    let serving = async {
        let (mut socket, _) = server.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\ncontent of a page").await.unwrap();
    };
    let host = site.address().hash().to_b32();
    let ((), page) = tokio::join!(serving, browse(proxy, &host));
    assert!(page.ends_with("page"), "{page}");
    drop(server);
    for host in [nobody.to_b32(), "wanted-host.i2p".to_owned(), host.clone()] {
        let page = browse(proxy, &host).await;
        assert!(!page.starts_with("HTTP/1.1 200 "), "{page}");
    }

    // A SAM session that asks for names, and says what it shouldn't.
    let sam = net.sam(4).await;
    let (mut program, keys) = SamClient::with_session(sam, "session-name", "TRANSIENT").await;
    net.leaks.forbid("keys", &start(&keys, 12));
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
        net.leaks.forbid("a stranger's port", &format!(":{}", stranger.local_addr().unwrap().port()));
        stranger.write_all(bytes).await.unwrap();
        strangers.push(stranger);
    }
    // Tunnels through it may be dead by now; what is tried for this is logged, whether or not it comes to an end.
    let _ = tokio::time::timeout(Duration::from_secs(5), browse(proxy, &host)).await;
    for mut stranger in strangers {
        // Until the router has had enough of it.
        let _ = tokio::time::timeout(PATIENCE, stranger.read_to_end(&mut Vec::new())).await.unwrap();
    }
    for (target, level) in [("ramson_transport", Level::DEBUG), ("ramson_engine", Level::TRACE), ("ramson_proxy", Level::WARN)] {
        assert!(net.leaks.heard(target, level), "nothing was logged at {level} by {target}");
    }
    // What leaked fails the test when the network is dropped. As this would, which proves that it is heard:
    net.leaks.check();
    tracing::trace!("asked for {host}");
    assert!(!net.leaks.take().is_empty());
}

fn start(text: &str, len: usize) -> String {
    text.chars().take(len).collect()
}
