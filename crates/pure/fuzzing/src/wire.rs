//! Targets of `ramson-wire`: every decoder that meets bytes of others.

pub mod messages;
pub mod signed;
pub mod structures;
pub mod tunnel;

/// The first byte, which chooses among the formats of one target, and the rest.
fn choice(data: &[u8], of: u8) -> Option<(u8, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((first % of, rest))
}

/// Seeds for [`choice`].
pub(crate) fn chosen(choice: u8, bytes: &[u8]) -> Vec<u8> {
    [&[choice], bytes].concat()
}
