//! One client connection: HELLO first, then commands, until one of them turns it into a stream.
//! Source: SAM V3 Specification, "SAM V3 Protocol".

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ramson_router::{Accepted, CloseReason, NameError, Socket, Stream, Target, Unfinished, copy_both};
use ramson_wire::{Destination, DestinationKeys};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::ahead::ReadAhead;
use super::line::Line;
use super::options::{self, Version};
use super::reply::{self, Outcome};
use super::server::{Session, SessionGuard, Shared};

/// Longest line: a destination with its private keys fits several times.
pub(super) const MAX_LINE: u64 = 16 * 1024;
/// How long a client may take to say HELLO.
const HELLO_TIME: Duration = Duration::from_secs(60);
/// How long a new session may take to get its tunnels.
const SESSION_TIME: Duration = Duration::from_secs(300);
/// How long a look-up may wait for tunnels.
const LOOKUP_TIME: Duration = Duration::from_secs(60);

pub(crate) struct Connection<S: Socket> {
    shared: Arc<Shared>,
    socket: Unfinished<ReadAhead<S>>,
    version: Version,
    /// The session that this connection holds open.
    session: Option<SessionGuard>,
}

/// What becomes of the connection after a command.
enum Next {
    /// It goes on with commands.
    Command,
    /// It ends.
    Close,
}

impl<S: Socket> Connection<S> {
    pub(crate) fn new(shared: Arc<Shared>, socket: S) -> Self {
        Self { shared, socket: Unfinished::new(ReadAhead::new(socket)), version: Version::NEWEST, session: None }
    }

    pub(crate) async fn serve(mut self) -> io::Result<()> {
        self.run().await?;
        self.socket.finish();
        Ok(())
    }

    async fn run(&mut self) -> io::Result<()> {
        let first = tokio::time::timeout(HELLO_TIME, self.read_line()).await??;
        let Some(first) = first else {
            return Ok(());
        };
        if !self.hello(&first).await? {
            return Ok(());
        }
        while let Some(text) = self.read_line().await? {
            if let Next::Close = self.handle(&text).await? {
                break;
            }
        }
        Ok(())
    }

    /// Anything but HELLO ends the connection without an answer: it may be a web page trying local ports.
    async fn hello(&mut self, text: &str) -> io::Result<bool> {
        let Ok(line) = Line::parse(text) else {
            return Ok(false);
        };
        if (line.command.as_str(), line.action.as_str()) != ("HELLO", "VERSION") {
            return Ok(false);
        }
        match options::version(&line) {
            Ok(version) => {
                self.version = version;
                self.say(&format!("HELLO REPLY RESULT=OK VERSION={version}")).await?;
                Ok(true)
            }
            Err(outcome) => {
                self.say(&format!("HELLO REPLY {}", outcome.text())).await?;
                Ok(false)
            }
        }
    }

    async fn handle(&mut self, text: &str) -> io::Result<Next> {
        let line = match Line::parse(text) {
            Ok(line) => line,
            Err(error) => {
                let outcome = Outcome::error(error.to_string());
                self.say(&format!("SESSION STATUS {}", outcome.text())).await?;
                return Ok(Next::Close);
            }
        };
        match (line.command.as_str(), line.action.as_str()) {
            ("", _) => Ok(Next::Command),
            ("SESSION", "CREATE") => self.session_create(&line).await,
            ("STREAM", "CONNECT") => self.stream_connect(&line).await,
            ("STREAM", "ACCEPT") => self.stream_accept(&line).await,
            ("NAMING", "LOOKUP") => self.naming_lookup(&line).await,
            ("DEST", "GENERATE") => self.dest_generate(&line).await,
            ("PING", _) => {
                let rest = text.trim_end().split_once(' ').map_or("", |(_, rest)| rest);
                self.say(format!("PONG {rest}").trim_end()).await?;
                Ok(Next::Command)
            }
            ("PONG", _) => Ok(Next::Command),
            ("QUIT" | "STOP" | "EXIT", _) => Ok(Next::Close),
            (command, _) => {
                let about = match command {
                    "STREAM" => "STREAM STATUS",
                    "NAMING" => "NAMING REPLY",
                    "DEST" => "DEST REPLY",
                    _ => "SESSION STATUS",
                };
                let outcome = Outcome::error("this command is not supported");
                self.say(&format!("{about} {}", outcome.text())).await?;
                Ok(Next::Close)
            }
        }
    }

    async fn session_create(&mut self, line: &Line) -> io::Result<Next> {
        match self.create(line).await {
            Ok(keys) => {
                self.say(&format!("SESSION STATUS RESULT=OK DESTINATION={keys}")).await?;
                Ok(Next::Command)
            }
            Err(outcome) => {
                self.say(&format!("SESSION STATUS {}", outcome.text())).await?;
                Ok(Next::Close)
            }
        }
    }

    /// Opens the session and waits for its tunnels. Returns its keys in base64.
    async fn create(&mut self, line: &Line) -> Result<String, Outcome> {
        if self.session.is_some() {
            return Err(Outcome::error("this connection has a session already"));
        }
        match line.get("STYLE") {
            Some("STREAM") => {}
            Some(_) => return Err(Outcome::error("only STYLE=STREAM is supported")),
            None => return Err(Outcome::error("STYLE is missing")),
        }
        let id = line.get("ID").filter(|id| !id.is_empty()).ok_or(Outcome::InvalidId)?;
        let config = options::tunnels(line)?;
        let keys = match line.get("DESTINATION") {
            Some("TRANSIENT") => {
                options::signature_type(line)?;
                ramson_router::new_destination().map_err(|error| Outcome::error(error.to_string()))?
            }
            Some(text) => DestinationKeys::from_base64(text).map_err(|_| Outcome::InvalidKey)?,
            None => return Err(Outcome::error("DESTINATION is missing")),
        };
        let base64 = keys.to_base64();
        let hash = keys.destination().hash();
        let guard = self.shared.open_session(id, hash, |router| router.open("sam", keys, config))?;
        let destination = guard.session.destination.clone();
        let ready = tokio::select! {
            ready = tokio::time::timeout(SESSION_TIME, destination.ready()) => ready,
            () = self.socket.closed() => return Err(Outcome::error("closed")),
        };
        match ready {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Outcome::error("the router is stopping")),
            Err(_) => return Err(Outcome::error("no tunnels could be built in time")),
        }
        self.session = Some(guard);
        Ok(base64.to_string())
    }

    async fn stream_connect(&mut self, line: &Line) -> io::Result<Next> {
        let silent = line.is_true("SILENT");
        let opened = self.connect(line).await;
        if !silent {
            let text = opened.as_ref().err().map_or_else(|| "RESULT=OK".to_owned(), Outcome::text);
            self.say(&format!("STREAM STATUS {text}")).await?;
        }
        if let Ok((session, stream)) = opened {
            self.carry(&session, stream).await?;
        }
        Ok(Next::Close)
    }

    /// From here on the socket is the stream.
    async fn carry(&mut self, session: &Session, mut stream: Unfinished<Stream>) -> io::Result<()> {
        tokio::select! {
            result = copy_both(&mut *self.socket, &mut *stream) => result?,
            () = session.ended() => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
        stream.finish();
        Ok(())
    }

    async fn connect(&mut self, line: &Line) -> Result<(Arc<Session>, Unfinished<Stream>), Outcome> {
        let session = line.get("ID").and_then(|id| self.shared.session(id)).ok_or(Outcome::InvalidId)?;
        let name = line.get("DESTINATION").ok_or_else(|| Outcome::error("DESTINATION is missing"))?;
        let target = self.shared.names.resolve(name).map_err(|error| match error {
            NameError::Unknown => Outcome::CantReachPeer,
            NameError::Malformed | NameError::UnsupportedAddress => Outcome::InvalidKey,
        })?;
        let (from_port, to_port) = (options::port(line, "FROM_PORT")?, options::port(line, "TO_PORT")?);
        let connecting = session.destination.connect(target.hash(), from_port, to_port);
        let stream = tokio::select! {
            stream = connecting => stream,
            () = session.ended() => return Err(Outcome::error("the session was closed")),
            () = self.socket.closed() => return Err(Outcome::error("closed")),
        };
        match stream {
            Ok(stream) => Ok((session, Unfinished::new(stream))),
            Err(CloseReason::ConnectTimeout | CloseReason::TimedOut) => Err(Outcome::Timeout),
            Err(CloseReason::Limit) => Err(Outcome::error("too many streams")),
            Err(CloseReason::Shutdown) => Err(Outcome::error("the session was closed")),
            Err(_) => Err(Outcome::CantReachPeer),
        }
    }

    async fn stream_accept(&mut self, line: &Line) -> io::Result<Next> {
        let silent = line.is_true("SILENT");
        let Some(session) = line.get("ID").and_then(|id| self.shared.session(id)) else {
            if !silent {
                self.say(&format!("STREAM STATUS {}", Outcome::InvalidId.text())).await?;
            }
            return Ok(Next::Close);
        };
        if !silent {
            self.say("STREAM STATUS RESULT=OK").await?;
        }
        let accepted = tokio::select! {
            accepted = session.destination.accept() => accepted.ok(),
            () = session.ended() => None,
            () = self.socket.closed_or_full() => return Ok(Next::Close),
        };
        let Some(Accepted { stream, from, from_port, to_port }) = accepted else {
            if !silent {
                let outcome = Outcome::error("the session was closed");
                self.say(&format!("STREAM STATUS {}", outcome.text())).await?;
            }
            return Ok(Next::Close);
        };
        let stream = Unfinished::new(stream);
        if !silent {
            let ports =
                if self.version.has_ports() { format!(" FROM_PORT={from_port} TO_PORT={to_port}") } else { String::new() };
            self.say(&format!("{}{ports}", from.to_base64())).await?;
        }
        self.carry(&session, stream).await?;
        Ok(Next::Close)
    }

    async fn naming_lookup(&mut self, line: &Line) -> io::Result<Next> {
        let name = line.get("NAME").unwrap_or_default().to_owned();
        let found = self.lookup(&name).await.map(|destination| destination.to_base64());
        self.say(&reply::naming(&name, found.as_ref().map(String::as_str))).await?;
        Ok(Next::Command)
    }

    async fn lookup(&self, name: &str) -> Result<Destination, Outcome> {
        if name == "ME" {
            let session = self.session.as_ref().ok_or_else(|| Outcome::error("this connection has no session"))?;
            return Ok(session.session.destination.address().clone());
        }
        match self.shared.names.resolve(name) {
            Ok(Target::Destination(destination)) => Ok(*destination),
            Ok(Target::Hash(hash)) => {
                let from = match &self.session {
                    Some(session) => session.session.destination.clone(),
                    None => self.shared.lookup_destination().await?,
                };
                if from.address().hash() == hash {
                    return Ok(from.address().clone());
                }
                let ready = tokio::time::timeout(LOOKUP_TIME, from.ready());
                ready
                    .await
                    .map_err(|_| Outcome::error("no tunnels could be built in time"))?
                    .map_err(|_| Outcome::error("the router is stopping"))?;
                from.lookup(hash).await.map(|destination| *destination).ok_or(Outcome::KeyNotFound)
            }
            Err(NameError::Unknown) => Err(Outcome::KeyNotFound),
            Err(NameError::Malformed | NameError::UnsupportedAddress) => Err(Outcome::InvalidKey),
        }
    }

    async fn dest_generate(&mut self, line: &Line) -> io::Result<Next> {
        let made = options::signature_type(line)
            .and_then(|()| ramson_router::new_destination().map_err(|error| Outcome::error(error.to_string())));
        let text = match made {
            Ok(keys) => format!("PUB={} PRIV={}", keys.destination().to_base64(), *keys.to_base64()),
            Err(outcome) => outcome.text(),
        };
        self.say(&format!("DEST REPLY {text}")).await?;
        Ok(Next::Command)
    }

    /// The next line without its end; nothing at the end of the connection.
    async fn read_line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        (&mut *self.socket).take(MAX_LINE).read_until(b'\n', &mut bytes).await?;
        if !bytes.ends_with(b"\n") {
            // The connection ended, or the line is longer than any command.
            return Ok(None);
        }
        String::from_utf8(bytes).map(|text| Some(text.trim_end().to_owned())).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        self.socket.write_all(format!("{line}\n").as_bytes()).await
    }
}
