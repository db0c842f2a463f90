use std::net::SocketAddr;

use ramson_proxy::TunnelKind;
use ramson_router::new_destination;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::testnet::{PATIENCE, TestNet, listen, one_hop};

/// Takes one request, answers it, and gives back its head.
async fn serve_once(server: TcpListener, answer: &'static [u8]) -> String {
    let (mut socket, _) = server.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert!(socket.read_buf(&mut request).await.unwrap() > 0, "closed after {request:?}");
    }
    socket.write_all(answer).await.unwrap();
    String::from_utf8(request).unwrap()
}

async fn browse(proxy: SocketAddr, request: String) -> String {
    let mut browser = TcpStream::connect(proxy).await.unwrap();
    browser.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, browser.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_tells_nothing_about_itself() {
    let mut net = TestNet::start(5).await;
    let (server, target) = listen().await;
    let site = net.tunnel(3, TunnelKind::HttpServer, target).await;
    let host = site.address().hash().to_b32();
    let proxy = net.http_proxy(4).await;
    let answer = b"HTTP/1.1 200 OK\r\nServer: Debian\r\nDate: today\r\nX-Powered-By: PHP\r\nConnection: keep-alive\r\n\
                   Content-Type: text/plain\r\nContent-Length: 4\r\n\r\npage";
    let (request, answer) = tokio::join!(
        serve_once(server, answer),
        browse(
            proxy,
            format!(
                "GET http://{host}/x HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Firefox\r\nAccept-Language: rm\r\n\
                 X-I2P-DestHash: forged\r\nX-I2P-DestB32: forged\r\nX-I2P-DestB64: forged\r\nX-I2P-Other: forged\r\n\
                 X-Forwarded-For: 192.0.2.1\r\nConnection: keep-alive\r\nProxy-Connection: keep-alive\r\nCookie: a=b\r\n\r\n"
            )
        )
    );
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\nConnection: close\r\n\r\npage");
    let mut lines = request.lines();
    assert_eq!(lines.next(), Some("GET /x HTTP/1.1"));
    let names: Vec<_> = lines.filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    assert_eq!(names, ["Cookie", "Host", "User-Agent", "X-I2P-DestHash", "X-I2P-DestB32", "X-I2P-DestB64", "Connection"]);
    assert!(!request.contains("forged") && !request.contains("Firefox") && !request.contains("192.0.2.1"), "{request}");
    assert!(request.contains(&format!("Host: {host}\r\n")) && request.contains("Connection: close\r\n"), "{request}");
}

/// The claims of a client that isn't our proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_even_from_those_who_make_their_own_requests() {
    let mut net = TestNet::start(5).await;
    let (server, target) = listen().await;
    let site = net.tunnel(3, TunnelKind::HttpServer, target).await;
    let client = net.routers[4].open("client", new_destination().unwrap(), one_hop());
    client.ready().await.unwrap();
    let mut stream = client.open_stream(site.address().hash(), 0, 80);
    let forged = b"POST / HTTP/1.1\r\nHost: site\r\nx-i2p-destb32: forged\r\nX-I2P-DESTB32: forged\r\nContent-Length: 4\r\n\r\nbodyGET /smuggled HTTP/1.1\r\n\r\n";
    stream.write_all(forged).await.unwrap();
    let serving = async {
        let (mut socket, _) = server.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"body") {
            assert!(socket.read_buf(&mut request).await.unwrap() > 0);
        }
        socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK").await.unwrap();
        socket.read_to_end(&mut request).await.unwrap();
        String::from_utf8(request).unwrap()
    };
    let mut answer = Vec::new();
    let (request, answered) = tokio::join!(serving, tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)));
    answered.unwrap().unwrap();
    assert!(answer.ends_with(b"\r\n\r\nOK"));
    let ours = format!("X-I2P-DestB32: {}\r\n", client.address().hash().to_b32());
    assert!(request.contains(&ours) && request.ends_with("\r\n\r\nbody") && !request.contains("forged"), "{request}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_a_missing_server_is_an_answer_too() {
    let mut net = TestNet::start(5).await;
    let (server, target) = listen().await;
    drop(server);
    let site = net.tunnel(3, TunnelKind::HttpServer, target).await;
    let host = site.address().hash().to_b32();
    let proxy = net.http_proxy(4).await;
    let body = "x".repeat(30_000);
    let answer = browse(proxy, format!("POST http://{host}/ HTTP/1.1\r\nContent-Length: 30000\r\n\r\n{body}")).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(!answer.contains(&target.to_string()));
}
