use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ramson_proxy::{HttpProxy, TunnelKind};
use ramson_router::{DestinationConfig, Names, new_destination};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::testnet::{PATIENCE, TestNet, listen, lonely_router};

async fn get(proxy: SocketAddr, host: &str) -> (Vec<u8>, std::io::Result<usize>) {
    let mut browser = TcpStream::connect(proxy).await.unwrap();
    browser.write_all(format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(PATIENCE, browser.read_to_end(&mut answer)).await.unwrap();
    (answer, end)
}

async fn page(proxy: SocketAddr, host: &str) -> String {
    let (answer, end) = get(proxy, host).await;
    end.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn because_the_network_is_not_joined_yet() {
    let folder = tempfile::tempdir().unwrap();
    let site = new_destination().unwrap();
    let book = folder.path().join("hosts.txt");
    std::fs::write(&book, format!("site.i2p={}\n", site.destination().to_base64())).unwrap();
    let mut net = TestNet::start(0).await;
    net.routers.push(lonely_router(&folder.path().join("data")));
    let client = net.routers[0].open("proxy", new_destination().unwrap(), DestinationConfig::default());
    let (listener, proxy) = listen().await;
    let names = Arc::new(Names::read(&book).unwrap());
    net.serve(HttpProxy::new(client, names).with_patience(Duration::from_millis(100)).serve(listener));
    for host in ["site.i2p", "SITE.i2p", &site.destination().hash().to_b32()] {
        let page = page(proxy, host).await;
        assert!(page.starts_with("HTTP/1.1 503 ") && page.contains("Still joining the network"), "{host}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn because_nobody_knows_it() {
    let mut net = TestNet::start(4).await;
    let proxy = net.http_proxy(3).await;
    let page = page(proxy, &new_destination().unwrap().destination().hash().to_b32()).await;
    assert!(page.starts_with("HTTP/1.1 503 ") && page.contains("Site not found"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn because_it_answers_nothing_or_nonsense_or_a_part() {
    let mut net = TestNet::start(5).await;
    let (server, target) = listen().await;
    let site = net.tunnel(3, TunnelKind::Server, target).await;
    let host = site.address().hash().to_b32();
    let proxy = net.http_proxy(4).await;
    for (answer, status, title) in [(&b""[..], 502, "Connection reset"), (b"SSH-2.0-OpenSSH\r\n", 502, "Answer not understood")] {
        let serving = async {
            let (mut socket, _) = server.accept().await.unwrap();
            let _ = socket.read(&mut [0; 1024]).await.unwrap();
            socket.write_all(answer).await.unwrap();
        };
        let ((), page) = tokio::join!(serving, page(proxy, &host));
        assert!(page.starts_with(&format!("HTTP/1.1 {status} ")) && page.contains(title), "{page}");
    }
    // Once the answer has begun there is no page for it: the browser must see that it broke off.
    let arrived = Notify::new();
    let serving = async {
        let (mut socket, _) = server.accept().await.unwrap();
        let _ = socket.read(&mut [0; 1024]).await.unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\npart").await.unwrap();
        arrived.notified().await;
        socket.set_zero_linger().unwrap();
    };
    let browsing = async {
        let mut browser = TcpStream::connect(proxy).await.unwrap();
        browser.write_all(format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"part") {
            assert!(browser.read_buf(&mut answer).await.unwrap() > 0);
        }
        arrived.notify_one();
        browser.read_buf(&mut answer).await
    };
    let ((), end) = tokio::join!(serving, tokio::time::timeout(PATIENCE, browsing));
    assert!(end.unwrap().is_err(), "a part was passed off as the whole");
}
