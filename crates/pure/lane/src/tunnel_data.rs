//! Clear tunnel messages: whole I2NP messages into 1024-byte ones and back.
//!
//! Clear form, 1024 bytes: IV 16 · checksum 4 (first bytes of SHA-256 of what follows the zero byte ‖ IV) · padding without
//! zero bytes · 0 · delivery instructions and fragments, up to the end. At most 1003 bytes are of use.
//! Source: Tunnel Message, "Unencrypted Tunnel Message"; "Tunnel Message Delivery Instructions".

mod endpoint;
mod gateway;
#[cfg(test)]
mod tests;

pub use endpoint::{Endpoint, EndpointError, Held};
pub use gateway::{Gateway, TooLarge};

/// Length of a tunnel message, encrypted or clear.
pub const MESSAGE_LEN: usize = 1024;
/// Most bytes of delivery instructions and fragments in one tunnel message.
pub const MAX_PAYLOAD: usize = 1003;
/// Most fragments of one message: the first, and 63 that follow.
pub const MAX_FRAGMENTS: usize = 64;

/// Length of the IV at the start.
const IV_LEN: usize = 16;
/// Length of the checksum after it.
const CHECKSUM_LEN: usize = 4;
/// Where padding may begin.
const PADDING_START: usize = IV_LEN + CHECKSUM_LEN;
/// Length of the header of a following fragment: flag 1, message id 4, size 2.
const FOLLOW_HEADER_LEN: usize = 7;
