use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use crate::support::running::{PATIENCE, Running, exchange};

struct Proxy {
    address: SocketAddr,
    _running: Running,
    _folder: tempfile::TempDir,
}

fn proxy() -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::run(folder.path(), &[]);
    let address = running.address_of("HTTP proxy");
    Proxy { address, _running: running, _folder: folder }
}

#[test]
fn with_a_page_for_each_mistake() {
    let proxy = proxy();
    // A server that nobody may be led to.
    let clearnet = TcpListener::bind("127.0.0.1:0").unwrap();
    clearnet.set_nonblocking(true).unwrap();
    let port = clearnet.local_addr().unwrap().port();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    for (request, status, title) in [
        (get("http://example.com/"), 403, "Not an I2P address"),
        (get(&format!("http://127.0.0.1:{port}/")), 403, "Not an I2P address"),
        (get(&format!("http://localhost:{port}/")), 403, "Not an I2P address"),
        (get(&format!("http://[::1]:{port}/")), 403, "Not an I2P address"),
        (get(&format!("http://2130706433:{port}/")), 403, "Not an I2P address"),
        (get(&format!("http://example.i2p.localhost:{port}/")), 403, "Not an I2P address"),
        (get("http://nobody.i2p/"), 404, "Name not in the address book"),
        (get("http://short.b32.i2p/"), 400, "Address not supported"),
        (get(&format!("http://{}.b32.i2p/", "a".repeat(56))), 400, "Address not supported"),
        (get("https://example.i2p/"), 501, "Method not supported"),
        (format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n"), 501, "Method not supported"),
        ("CONNECT example.i2p:443 HTTP/1.1\r\n\r\n".into(), 501, "Method not supported"),
        (get("/"), 400, "This is an HTTP proxy"),
        (get("example.i2p"), 400, "Request not understood"),
        (get("http://user:secret@example.i2p/"), 400, "Request not understood"),
        ("GET http://example.i2p/\r\n\r\n".into(), 400, "Request not understood"),
        ("\x16\x03\x01\x02\x00\x01\x00".into(), 400, "Request not understood"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 400, "Request not understood"),
        (
            "POST http://example.i2p/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            400,
            "Request not understood",
        ),
        (format!("GET http://example.i2p/ HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(40_000)), 431, "Request too large"),
        (format!("GET http://example.i2p/ HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100)), 431, "Request too large"),
    ] {
        let answer = exchange(proxy.address, request.as_bytes());
        let begin: String = request.chars().take(60).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{begin:?}: {answer}");
        assert!(answer.contains(title), "{begin:?}: {answer}");
        assert!(answer.contains("Connection: close\r\n") && answer.contains("Content-Security-Policy: "), "{answer}");
    }
    assert!(clearnet.accept().is_err(), "something was connected outside the network");
}

#[test]
fn a_page_does_not_repeat_the_request() {
    let answer = exchange(proxy().address, b"GET http://<script>x</script>.i2p/ HTTP/1.1\r\n\r\n");
    assert!(!answer.contains("<script"), "{answer}");
}

#[test]
fn a_request_in_small_pieces_is_served_and_one_never_finished_holds_up_nobody() {
    let proxy = proxy();
    let unfinished: Vec<_> = (0..20)
        .map(|_| {
            let mut socket = TcpStream::connect(proxy.address).unwrap();
            socket.write_all(b"GET http://a.i2p/ HTTP/1.1\r\nX: ").unwrap();
            socket
        })
        .collect();
    let mut socket = TcpStream::connect(proxy.address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for byte in b"GET http://nobody.i2p/ HTTP/1.1\r\nHost: nobody.i2p\r\n\r\n" {
        socket.write_all(&[*byte]).unwrap();
    }
    // Half-closed, as by a script.
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    drop(unfinished);
}
