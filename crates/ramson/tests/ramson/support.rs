//! What several of the tests need.

pub(crate) mod namespace;
pub(crate) mod running;
pub(crate) mod sam_client;
pub(crate) mod testnet;
