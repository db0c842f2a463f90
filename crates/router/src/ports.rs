//! Who of the programs behind one destination gets what a peer sends: by protocol and port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use ramson_wire::DestinationHash;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::destination::{Accepted, Destination};
use crate::error::{Closed, ListenError};
use crate::routes::IncomingStream;

/// Streams of peers that wait to be accepted, for each listener.
const ACCEPT_BACKLOG: usize = 64;
/// Datagrams that wait to be taken, for each listener. Beyond: the newest is dropped.
const DATAGRAM_BACKLOG: usize = 256;

/// A payload that is no stream's, as it came: who is named inside isn't checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who the session that it came in belongs to, if known.
    pub from: Option<DestinationHash>,
    /// Their port.
    pub from_port: u16,
    /// The port that it is for.
    pub to_port: u16,
    /// Its bytes.
    pub payload: Bytes,
}

/// The listeners of one destination, on the way of the engine's events. Each has a port; what is for a port without a listener goes to
/// that of port 0, if there is one. When it is dropped, no listener waits any more.
#[derive(Default)]
pub(crate) struct Ports {
    table: Arc<Mutex<Table>>,
}

/// The same where listeners are made.
pub(crate) struct Listeners(Weak<Mutex<Table>>);

#[derive(Default)]
struct Table {
    streams: BTreeMap<u16, mpsc::Sender<IncomingStream>>,
    datagrams: BTreeMap<(u8, u16), mpsc::Sender<Datagram>>,
}

impl Ports {
    /// The listener at port 0, of a new destination.
    pub(crate) fn accepting(&self) -> mpsc::Receiver<IncomingStream> {
        let (sender, incoming) = mpsc::channel(ACCEPT_BACKLOG);
        self.table().streams.insert(0, sender);
        incoming
    }

    /// For the handles.
    pub(crate) fn listeners(&self) -> Listeners {
        Listeners(Arc::downgrade(&self.table))
    }

    /// Gives it back if nobody takes it.
    pub(crate) fn give_stream(&self, incoming: IncomingStream) -> Option<IncomingStream> {
        let port = incoming.to_port;
        give(&mut self.table().streams, [port, 0], incoming)
    }

    pub(crate) fn give_datagram(&self, protocol: u8, datagram: Datagram) {
        let port = datagram.to_port;
        give(&mut self.table().datagrams, [(protocol, port), (protocol, 0)], datagram);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listeners {
    fn streams(&self, port: u16) -> Result<mpsc::Receiver<IncomingStream>, ListenError> {
        let table = self.0.upgrade().ok_or(Closed)?;
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut table.streams, port, ACCEPT_BACKLOG)
    }

    fn datagrams(&self, protocol: u8, port: u16) -> Result<mpsc::Receiver<Datagram>, ListenError> {
        let table = self.0.upgrade().ok_or(Closed)?;
        let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
        take(&mut table.datagrams, (protocol, port), DATAGRAM_BACKLOG)
    }
}

fn take<K: Ord, T>(table: &mut BTreeMap<K, mpsc::Sender<T>>, key: K, backlog: usize) -> Result<mpsc::Receiver<T>, ListenError> {
    if table.get(&key).is_some_and(|sender| !sender.is_closed()) {
        return Err(ListenError::Taken);
    }
    let (sender, receiver) = mpsc::channel(backlog);
    table.insert(key, sender);
    Ok(receiver)
}

/// To the first of these that has a listener. A full one is no reason to give it to another.
fn give<K: Ord, T>(table: &mut BTreeMap<K, mpsc::Sender<T>>, keys: [K; 2], mut what: T) -> Option<T> {
    for key in keys {
        let Some(sender) = table.get(&key) else { continue };
        what = match sender.try_send(what) {
            Ok(()) => return None,
            Err(TrySendError::Full(what)) => return Some(what),
            Err(TrySendError::Closed(what)) => what,
        };
        table.remove(&key);
    }
    Some(what)
}

/// Takes the streams that peers open to one port of a destination.
pub struct PortListener {
    destination: Destination,
    incoming: mpsc::Receiver<IncomingStream>,
}

impl PortListener {
    pub(crate) fn new(destination: Destination, listeners: &Listeners, port: u16) -> Result<Self, ListenError> {
        Ok(Self { incoming: listeners.streams(port)?, destination })
    }

    /// The next stream. Safe to cancel.
    pub async fn accept(&mut self) -> Result<Accepted, Closed> {
        let incoming = self.incoming.recv().await.ok_or(Closed)?;
        Ok(self.destination.accepted(incoming))
    }
}

impl Drop for PortListener {
    /// Peers whose streams nobody took are told.
    fn drop(&mut self) {
        self.incoming.close();
        while let Ok(incoming) = self.incoming.try_recv() {
            self.destination.accepted(incoming).stream.reset();
        }
    }
}

/// Takes the datagrams of one protocol and port of a destination.
pub struct DatagramListener {
    /// Open as long as somebody listens.
    _destination: Destination,
    incoming: mpsc::Receiver<Datagram>,
}

impl DatagramListener {
    pub(crate) fn new(destination: Destination, listeners: &Listeners, protocol: u8, port: u16) -> Result<Self, ListenError> {
        Ok(Self { incoming: listeners.datagrams(protocol, port)?, _destination: destination })
    }

    /// The next datagram. Safe to cancel.
    pub async fn receive(&mut self) -> Result<Datagram, Closed> {
        self.incoming.recv().await.ok_or(Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(to_port: u16) -> Datagram {
        Datagram { from: None, from_port: 1, to_port, payload: Bytes::from_static(b"x") }
    }

    #[test]
    fn each_port_has_one_listener_and_port_zero_gets_the_rest() {
        let ports = Ports::default();
        let listeners = ports.listeners();
        let mut all = listeners.datagrams(18, 0).unwrap();
        let mut web = listeners.datagrams(18, 80).unwrap();
        assert_eq!(listeners.datagrams(18, 80).unwrap_err(), ListenError::Taken);
        let mut other = listeners.datagrams(17, 80).unwrap();
        [80, 81, 0].into_iter().for_each(|port| ports.give_datagram(18, datagram(port)));
        assert_eq!((web.try_recv().unwrap(), web.try_recv().is_err()), (datagram(80), true));
        assert_eq!([all.try_recv().unwrap(), all.try_recv().unwrap()], [datagram(81), datagram(0)]);
        assert!(all.try_recv().is_err() && other.try_recv().is_err());
        drop(web);
        ports.give_datagram(18, datagram(80));
        assert_eq!(all.try_recv().unwrap(), datagram(80), "nobody listens there any more");
        drop(listeners.datagrams(18, 80).unwrap());
        drop(ports);
        assert!(matches!(all.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
        assert_eq!(listeners.datagrams(18, 80).unwrap_err(), ListenError::Closed(Closed));
    }

    #[test]
    fn a_full_listener_drops_the_newest_and_keeps_its_port() {
        let ports = Ports::default();
        let listeners = ports.listeners();
        let (mut all, mut web) = (listeners.datagrams(18, 0).unwrap(), listeners.datagrams(18, 80).unwrap());
        (0..DATAGRAM_BACKLOG + 5).for_each(|_| ports.give_datagram(18, datagram(80)));
        assert_eq!(std::iter::from_fn(|| web.try_recv().ok()).count(), DATAGRAM_BACKLOG);
        assert!(all.try_recv().is_err());
    }
}
