//! HTTP proxy and server tunnels.
