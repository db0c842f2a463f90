//! A local destination: the one door through which every service reaches the network.

use std::sync::Arc;

use ramson_engine::{CloseReason, Command, StreamRings};
use ramson_wire::{Destination as Address, DestinationHash};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::error::{Closed, ListenError};
use crate::ports::{DatagramListener, Listeners, PortListener};
use crate::router::EngineHandle;
use crate::routes::{IncomingStream, ToEngine};
use crate::stream::Stream;

/// A destination of ours. Clones share it; the last one to go closes it.
#[derive(Clone)]
pub struct Destination {
    shared: Arc<Shared>,
}

struct Shared {
    engine: EngineHandle,
    address: Address,
    ready: watch::Receiver<bool>,
    incoming: Mutex<mpsc::Receiver<IncomingStream>>,
    listeners: Listeners,
}

/// A stream that a peer opened, and who it is.
pub struct Accepted {
    /// The bytes.
    pub stream: Stream,
    /// Proven by signature.
    pub from: Box<Address>,
    /// The peer's port.
    pub from_port: u16,
    /// The port that it asked for.
    pub to_port: u16,
}

impl Destination {
    pub(crate) fn new(
        engine: EngineHandle,
        address: Address,
        ready: watch::Receiver<bool>,
        incoming: mpsc::Receiver<IncomingStream>,
        listeners: Listeners,
    ) -> Self {
        let incoming = Mutex::new(incoming);
        Self { shared: Arc::new(Shared { engine, address, ready, incoming, listeners }) }
    }

    /// Who we are to others.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// Waits until there are tunnels both ways and, if it is to be published, floodfills know the LeaseSet.
    pub async fn ready(&self) -> Result<(), Closed> {
        let mut ready = self.shared.ready.clone();
        ready.wait_for(|ready| *ready).await.map(|_| ()).map_err(|_| Closed)
    }

    /// Opens a stream. Returns at once: what is written rides with the first packet.
    /// [`Stream::connected`] tells when the peer answered.
    #[must_use]
    pub fn open_stream(&self, to: DestinationHash, from_port: u16, to_port: u16) -> Stream {
        let engine = self.shared.engine.clone();
        let stream = engine.new_stream();
        let rings = Arc::new(StreamRings::new());
        let shared_rings = Arc::clone(&rings);
        engine.command(Command::Connect { id: engine.id(), stream, to, from_port, to_port, rings: shared_rings });
        Stream::new(engine, stream, rings)
    }

    /// Opens a stream and waits for the peer's answer.
    pub async fn connect(&self, to: DestinationHash, from_port: u16, to_port: u16) -> Result<Stream, CloseReason> {
        let stream = self.open_stream(to, from_port, to_port);
        stream.connected().await?;
        Ok(stream)
    }

    /// The next stream that a peer opened to a port without a listener of its own. Safe to cancel; several tasks may wait, each
    /// stream goes to one.
    pub async fn accept(&self) -> Result<Accepted, Closed> {
        let incoming = self.shared.incoming.lock().await.recv().await.ok_or(Closed)?;
        Ok(self.accepted(incoming))
    }

    pub(crate) fn accepted(&self, incoming: IncomingStream) -> Accepted {
        let stream = Stream::new(self.shared.engine.clone(), incoming.stream, incoming.rings);
        Accepted { stream, from: incoming.from, from_port: incoming.from_port, to_port: incoming.to_port }
    }

    /// Takes the streams to one port, apart from those of [`Self::accept`].
    ///
    /// # Errors
    /// Somebody does so already, or the destination is closed. Port 0 is that of [`Self::accept`].
    pub fn listen(&self, port: u16) -> Result<PortListener, ListenError> {
        PortListener::new(self.clone(), &self.shared.listeners, port)
    }

    /// Streams to ports without a listener of their own are refused from now on, instead of waiting for [`Self::accept`].
    pub async fn refuse_other_ports(&self) {
        let mut incoming = self.shared.incoming.lock().await;
        incoming.close();
        while let Ok(refused) = incoming.try_recv() {
            self.accepted(refused).stream.reset();
        }
    }

    /// Takes the datagrams of a protocol, 17 to 20, for one port; 0: for all ports without a listener of their own.
    ///
    /// # Errors
    /// Somebody does so already, or the destination is closed.
    pub fn datagrams(&self, protocol: u8, port: u16) -> Result<DatagramListener, ListenError> {
        DatagramListener::new(self.clone(), &self.shared.listeners, protocol, port)
    }

    /// Asks the network, through this destination's tunnels, for the destination behind a hash.
    pub async fn lookup(&self, hash: DestinationHash) -> Option<Box<Address>> {
        let (answer, reply) = oneshot::channel();
        self.shared.engine.send(ToEngine::Lookup { id: self.shared.engine.id(), hash, answer });
        reply.await.ok().flatten()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.engine.command(Command::CloseDestination { id: self.engine.id() });
    }
}
