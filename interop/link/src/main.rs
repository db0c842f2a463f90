//! A switch between network namespaces. Each has a TUN device whose other end is given to us; an IPv4 packet that is read
//! from one is written to the one that has its destination's address, as late and as seldom as the line between them says.
//!
//! Standard input is a SOCK_SEQPACKET socket. Each message there is a command, answered by one message:
//! `port ADDRESS` with a TUN device as file descriptor; `lines KEY=NUMBER…` changes all lines from now on;
//! `counts` tells what was carried and lost. The program ends when the socket is closed.

mod line;

use std::collections::BinaryHeap;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use line::{Line, Setting};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, recvmsg, sendmsg};

/// Packets taken from one device before the others have their turn.
const TURN: usize = 64;
/// No packet is longer.
const LONGEST: usize = 65_536;
/// Packets on their way at once. More would be a mistake of ours, not a network.
const MAX_UNDERWAY: usize = 1 << 20;

struct Port {
    address: Ipv4Addr,
    device: OwnedFd,
    /// To each other port, by its number.
    lines: Vec<Line>,
}

/// A packet on its way: the earliest is the greatest, and of one moment the first that was sent.
struct Underway {
    due: Instant,
    number: u64,
    to: usize,
    bytes: Vec<u8>,
}

impl Ord for Underway {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for Underway {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Underway {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Underway {}

#[derive(Default)]
struct Switch {
    ports: Vec<Port>,
    setting: Setting,
    underway: BinaryHeap<Underway>,
    spare: Vec<Vec<u8>>,
    delayed: u64,
    carried: u64,
    lost: u64,
    overflowed: u64,
    unwritten: u64,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("link: {error}");
        std::process::exit(1);
    }
}

fn run() -> rustix::io::Result<()> {
    let control = rustix::stdio::stdin();
    let mut switch = Switch::default();
    let mut buffer = vec![0; LONGEST];
    loop {
        let wait = switch.deliver(Instant::now()).map(|wait| Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        });
        let mut polled = vec![PollFd::new(&control, PollFlags::IN)];
        polled.extend(switch.ports.iter().map(|port| PollFd::new(&port.device, PollFlags::IN)));
        match poll(&mut polled, wait.as_ref()) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        for number in 0..switch.ports.len() {
            if ready.get(number + 1) == Some(&true) {
                switch.take(number, &mut buffer);
            }
        }
        if ready.first() == Some(&true) && !command(&mut switch, control)? {
            return Ok(());
        }
    }
}

impl Switch {
    /// Writes what is due; how long until the next packet is.
    fn deliver(&mut self, now: Instant) -> Option<Duration> {
        while let Some(next) = self.underway.peek() {
            if next.due > now {
                return Some(next.due.duration_since(now));
            }
            if let Some(packet) = self.underway.pop() {
                self.write(packet.to, &packet.bytes);
                self.spare.push(packet.bytes);
            }
        }
        None
    }

    fn write(&mut self, to: usize, packet: &[u8]) {
        match self.ports.get(to).map(|port| rustix::io::write(&port.device, packet)) {
            Some(Ok(_)) => self.carried += 1,
            _ => self.unwritten += 1,
        }
    }

    /// Reads packets of a port and puts them on their lines.
    fn take(&mut self, from: usize, buffer: &mut [u8]) {
        for _ in 0..TURN {
            let Some(Ok(length)) = self.ports.get(from).map(|port| rustix::io::read(&port.device, &mut *buffer)) else {
                return;
            };
            let packet = &buffer[..length];
            // IPv6 and what is meant for nobody here goes nowhere.
            let Some(to) = destination(packet).and_then(|to| self.ports.iter().position(|port| port.address == to)) else {
                continue;
            };
            let now = Instant::now();
            let Some(line) = self.ports.get_mut(from).and_then(|port| port.lines.get_mut(to)) else {
                continue;
            };
            match line.send(&self.setting, now, length) {
                line::Fate::Arrives(due) if due <= now => self.write(to, packet),
                line::Fate::Arrives(due) if self.underway.len() < MAX_UNDERWAY => {
                    let mut bytes = self.spare.pop().unwrap_or_default();
                    bytes.clear();
                    bytes.extend_from_slice(packet);
                    self.delayed += 1;
                    self.underway.push(Underway { due, number: self.delayed, to, bytes });
                }
                line::Fate::Lost => self.lost += 1,
                line::Fate::Arrives(_) | line::Fate::Overflow => self.overflowed += 1,
            }
        }
    }

    fn add(&mut self, address: Ipv4Addr, device: OwnedFd) {
        self.ports.push(Port { address, device, lines: Vec::new() });
        self.reset();
    }

    /// New lines everywhere: what is on its way still arrives.
    fn reset(&mut self) {
        let addresses: Vec<Ipv4Addr> = self.ports.iter().map(|port| port.address).collect();
        let now = Instant::now();
        for port in &mut self.ports {
            port.lines = addresses.iter().map(|to| Line::new(&self.setting, port.address, *to, now)).collect();
        }
    }

    fn obey(&mut self, text: &str, device: Option<OwnedFd>) -> Result<String, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match (word, device) {
            ("port", Some(device)) => {
                self.add(rest.parse().map_err(|_| format!("no address: {rest}"))?, device);
                Ok("ok".to_owned())
            }
            ("lines", None) => {
                self.setting = rest.parse()?;
                self.reset();
                Ok("ok".to_owned())
            }
            ("counts", None) => Ok(format!(
                "carried={} lost={} overflowed={} unwritten={} underway={}",
                self.carried,
                self.lost,
                self.overflowed,
                self.unwritten,
                self.underway.len()
            )),
            _ => Err(format!("no such command: {text}")),
        }
    }
}

fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let address: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
    (packet.first()? >> 4 == 4).then(|| address.into())
}

/// Obeys one command; false when the other side is gone.
fn command(switch: &mut Switch, control: impl AsFd) -> rustix::io::Result<bool> {
    let mut text = [0; 256];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut extra = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(control.as_fd(), &mut [IoSliceMut::new(&mut text)], &mut extra, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(false);
    }
    let device = extra.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut devices) => devices.next(),
        _ => None,
    });
    let text = String::from_utf8_lossy(&text[..received.bytes]);
    let answer = switch.obey(&text, device).unwrap_or_else(|error| format!("error: {error}"));
    sendmsg(control.as_fd(), &[IoSlice::new(answer.as_bytes())], &mut SendAncillaryBuffer::default(), SendFlags::empty())?;
    Ok(true)
}
