//! Records every packet of this network namespace.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt};

use super::loopback::Loopback;

const TCP: u8 = 6;
/// A name server that a look-up by the system's library would ask.
pub(crate) const NAME_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)), 53);

/// What a packet tells about who speaks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packet {
    /// The number of the protocol above IP.
    pub(crate) protocol: u8,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    /// The first of a TCP connection.
    pub(crate) dials: bool,
}

impl Packet {
    /// Of an IP packet; anything else has no addresses here, and would be on no loopback.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (protocol, from, to, rest) = match bytes.first()? >> 4 {
            4 => {
                let header = usize::from(bytes[0] & 15) * 4;
                let from = Ipv4Addr::from(*bytes.get(12..16)?.as_array::<4>()?);
                let to = Ipv4Addr::from(*bytes.get(16..20)?.as_array::<4>()?);
                (bytes[9], IpAddr::V4(from), IpAddr::V4(to), bytes.get(header..)?)
            }
            6 => {
                let from = Ipv6Addr::from(*bytes.get(8..24)?.as_array::<16>()?);
                let to = Ipv6Addr::from(*bytes.get(24..40)?.as_array::<16>()?);
                (bytes[6], IpAddr::V6(from), IpAddr::V6(to), bytes.get(40..)?)
            }
            _ => return None,
        };
        let has_ports = matches!(protocol, 6 | 17);
        let port = |at: usize| if has_ports { u16::from_be_bytes([rest[at], rest[at + 1]]) } else { 0 };
        let dials = protocol == TCP && rest.get(13).is_some_and(|flags| flags & 0x12 == 0x02);
        Some(Self { protocol, from: SocketAddr::new(from, port(0)), to: SocketAddr::new(to, port(2)), dials })
    }

    /// Whether it goes where nobody should be asked: not to a listener of these, nor within a connection to one.
    fn is_stray(&self, listeners: &BTreeSet<SocketAddr>) -> bool {
        let answered = !self.dials && listeners.contains(&self.from);
        self.protocol != TCP || !(listeners.contains(&self.to) || answered)
    }
}

/// The record of all packets since it was made.
#[derive(Clone)]
pub(crate) struct Recorder {
    seen: Arc<Mutex<BTreeSet<Packet>>>,
    /// Not everywhere.
    pub(crate) ipv6: bool,
}

impl Recorder {
    /// Makes every address there is one of this machine, so that whatever is sent to anywhere is a packet on its
    /// loopback, and records those. The system's own look-ups of names go to a server that isn't there.
    pub(crate) fn start(folder: &std::path::Path) -> Self {
        let mut loopback = Loopback::of_this_thread();
        loopback.up().unwrap();
        loopback.take_all(AddressFamily::Inet).unwrap();
        let ipv6 = loopback.take_all(AddressFamily::Inet6).is_ok();
        for (file, text) in [
            ("/etc/resolv.conf", format!("nameserver {}\noptions timeout:1 attempts:1\n", NAME_SERVER.ip())),
            ("/etc/nsswitch.conf", "hosts: files dns\n".to_owned()),
        ] {
            let ours = folder.join(file.rsplit('/').next().unwrap());
            std::fs::write(&ours, text).unwrap();
            // Where it is a link to a file of a service, that one is replaced.
            let theirs = std::fs::canonicalize(file).unwrap();
            mount(Some(&ours), &theirs, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        }
        let socket = socket(AddressFamily::Packet, SockType::Datagram, SockFlag::empty(), SockProtocol::EthAll).unwrap();
        // Nothing may be lost while this thread waits for a processor.
        setsockopt(&socket, sockopt::RcvBufForce, &(64 << 20))
            .or_else(|_| setsockopt(&socket, sockopt::RcvBuf, &(8 << 20)))
            .unwrap();
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let all = Arc::clone(&seen);
        let mut packets = File::from(socket);
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 17];
            loop {
                let len = packets.read(&mut bytes).unwrap();
                all.lock().unwrap().extend(Packet::read(&bytes[..len]));
            }
        });
        Self { seen, ipv6 }
    }

    /// All packets until now.
    pub(crate) fn seen(&self) -> BTreeSet<Packet> {
        // Packets are recorded in their order: when this one is, all before it are.
        let marker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = marker.local_addr().unwrap();
        marker.send_to(b"now", own).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while !self.seen.lock().unwrap().iter().any(|packet| packet.to == own) {
            assert!(Instant::now() < until, "the recorder has stopped");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut seen = self.seen.lock().unwrap();
        seen.retain(|packet| packet.to != own);
        seen.clone()
    }

    /// Forgets all until now.
    pub(crate) fn clear(&self) {
        self.seen();
        self.seen.lock().unwrap().clear();
    }

    /// Packets that go elsewhere than to these listeners and back.
    pub(crate) fn strays(&self, listeners: &BTreeSet<SocketAddr>) -> Vec<Packet> {
        self.seen().into_iter().filter(|packet| packet.is_stray(listeners)).collect()
    }
}
