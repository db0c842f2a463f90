//! The built program's networks for authors of applications, as those see them.

mod a_mistake_is_named;
mod a_page_comes_through_any_proxy;
mod a_seed_gives_the_same_routers;
mod a_signal_ends_it_cleanly;
mod latency_is_felt;
mod net_json_has_its_documented_shape;
mod sam_streams_cross_the_network;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::running::{Running, exchange};

/// A network of our own, ready.
struct Devnet {
    running: Running,
    folder: tempfile::TempDir,
    net: Value,
}

impl Devnet {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("net");
        let mut arguments = vec!["devnet", "--dir", dir.to_str().unwrap()];
        arguments.extend(more);
        let running = Running::start(&arguments);
        let path = PathBuf::from(running.said("ports: "));
        assert_eq!(path, dir.join("net.json"));
        let net = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Self { running, folder, net }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    fn port(&self, router: usize, service: &str) -> SocketAddr {
        self.net["routers"][router][service].as_str().unwrap().parse().unwrap()
    }

    fn site(&self) -> &str {
        self.net["site"].as_str().unwrap()
    }

    fn hashes(&self) -> Vec<String> {
        let routers = self.net["routers"].as_array().unwrap();
        routers.iter().map(|router| router["hash"].as_str().unwrap().to_owned()).collect()
    }

    /// The site's page, through a router's proxy.
    fn fetch(&self, router: usize) -> String {
        let site = self.site();
        let request = format!("GET http://{site}/ HTTP/1.1\r\nHost: {site}\r\nAccept: text/html\r\n\r\n");
        let answer = exchange(self.port(router, "http_proxy"), request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer
    }
}
