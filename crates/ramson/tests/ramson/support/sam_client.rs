//! A program that speaks SAM.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::testnet::PATIENCE;

/// Options of sessions here: short tunnels.
pub(crate) const ONE_HOP: &str = "inbound.length=1 outbound.length=1 inbound.quantity=2 outbound.quantity=2";

pub(crate) struct SamClient {
    pub(crate) socket: BufReader<TcpStream>,
}

impl SamClient {
    /// Connected, and not greeted yet.
    pub(crate) async fn connect(sam: SocketAddr) -> Self {
        Self { socket: BufReader::new(TcpStream::connect(sam).await.unwrap()) }
    }

    pub(crate) async fn greeted(sam: SocketAddr) -> Self {
        Self::greeted_as(sam, "3.3").await
    }

    pub(crate) async fn greeted_as(sam: SocketAddr, version: &str) -> Self {
        let mut client = Self::connect(sam).await;
        let answer = client.ask(&format!("HELLO VERSION MIN={version} MAX={version}")).await;
        assert_eq!(answer, format!("HELLO REPLY RESULT=OK VERSION={version}"));
        client
    }

    /// With a session. Returns its private keys too.
    pub(crate) async fn with_session(sam: SocketAddr, id: &str, destination: &str) -> (Self, String) {
        let mut client = Self::greeted(sam).await;
        let answer = client.create(id, destination).await;
        let keys = answer.strip_prefix("SESSION STATUS RESULT=OK DESTINATION=");
        let keys = keys.unwrap_or_else(|| panic!("{answer}")).to_owned();
        (client, keys)
    }

    pub(crate) async fn create(&mut self, id: &str, destination: &str) -> String {
        self.ask(&format!("SESSION CREATE STYLE=STREAM ID={id} DESTINATION={destination} {ONE_HOP}")).await
    }

    /// The public destination of this connection's session.
    pub(crate) async fn me(&mut self) -> String {
        let answer = self.ask("NAMING LOOKUP NAME=ME").await;
        answer.strip_prefix("NAMING REPLY RESULT=OK NAME=ME VALUE=").unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes()).await;
        self.line().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let reading = self.socket.read_line(&mut line);
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer in time").unwrap();
        assert!(line.ends_with('\n'), "closed after {line:?}");
        line.trim_end().to_owned()
    }

    pub(crate) async fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let reading = self.socket.read_exact(&mut bytes);
        tokio::time::timeout(PATIENCE, reading).await.expect("bytes in time").unwrap();
        bytes
    }

    /// All until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await.expect("it closes");
        assert!(end.as_ref().err().is_none_or(|error| error.kind() == std::io::ErrorKind::ConnectionReset), "{end:?}");
        rest
    }
}
