//! What keeps a router busy: pages through its proxy, pages of its own site, and SAM sessions.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where the search for a free port begins, so that the tests of one process don't begin at the same.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
/// A page of several packets.
const PAGE_LEN: usize = 20_000;
/// How long one attempt may take: the router is killed in the middle of most.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A web server that gives everybody its page.
pub(crate) fn serve() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            std::thread::spawn(move || {
                let _ = socket.read(&mut [0; 4096]);
                let page = "p".repeat(PAGE_LEN);
                let _ = write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {PAGE_LEN}\r\n\r\n{page}");
            });
        }
    });
    address
}

/// A free port that the system doesn't hand out by itself, so that it stays free while the program is down. (A connection
/// to a port of those that it does may even be given that port, and so reach itself.)
pub(crate) fn low_port() -> u16 {
    let process = u16::try_from(std::process::id() % 20_000).unwrap();
    loop {
        let port = 10_000 + (process + NEXT_PORT.fetch_add(1, Ordering::Relaxed)) % 22_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// What came of an attempt: nothing is wrong with one that failed.
pub(crate) fn fetch(proxy: SocketAddr, host: &str) -> bool {
    ask(proxy, &format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .is_some_and(|answer| answer.starts_with("HTTP/1.1 200 ") && answer.len() > PAGE_LEN)
}

fn sam_session(sam: SocketAddr, to: &str) -> bool {
    let options = "inbound.length=1 outbound.length=1 inbound.quantity=1 outbound.quantity=1";
    let create = format!("HELLO VERSION\nSESSION CREATE STYLE=STREAM ID=load DESTINATION=TRANSIENT {options}\n");
    ask(sam, &format!("{create}NAMING LOOKUP NAME={to}\nQUIT\n"))
        .is_some_and(|answer| answer.contains("SESSION STATUS RESULT=OK"))
}

fn ask(address: SocketAddr, request: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(ATTEMPT)).ok()?;
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}

/// Threads that use a router without end, whether it runs or not.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    /// Attempts that came to a good end: pages through the proxy, pages of the site, sessions.
    pub(crate) done: [Arc<AtomicU32>; 3],
}

impl Load {
    /// On a router with this proxy and SAM, where `other` is a site elsewhere; its own site is seen from the proxy of a
    /// neighbour.
    pub(crate) fn start(proxy: SocketAddr, sam: SocketAddr, other: &str, neighbour: SocketAddr, own: &str) -> Self {
        let mut load = Self { stop: Arc::default(), threads: Vec::new(), done: Default::default() };
        let (pages, names) = (other.to_owned(), other.to_owned());
        let own = own.to_owned();
        for _ in 0..2 {
            let pages = pages.clone();
            load.repeat(0, move || fetch(proxy, &pages));
        }
        load.repeat(1, move || fetch(neighbour, &own));
        load.repeat(2, move || sam_session(sam, &names));
        load
    }

    fn repeat(&mut self, kind: usize, attempt: impl Fn() -> bool + Send + 'static) {
        let (stop, done) = (Arc::clone(&self.stop), Arc::clone(&self.done[kind]));
        self.threads.push(std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                if attempt() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
