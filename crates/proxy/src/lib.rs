//! What browsers and web servers meet: the HTTP proxy, and the tunnels that put a local server on the network.
//!
//! Both sides rewrite headers by one set of rules in module `headers`, and carry each body by its declared framing:
//! nothing that follows a message on the same connection passes without having been looked at.

mod body;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod head;
mod headers;
mod http_proxy;
mod pages;
mod relay;
mod server_tunnel;
mod url;

pub use http_proxy::HttpProxy;
pub use server_tunnel::{Door, ServerTunnel, TunnelKind};
