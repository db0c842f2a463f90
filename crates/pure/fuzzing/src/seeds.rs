//! The corpora: small, made from our own encoders and from what other routers and the specifications published.

pub mod engine;
pub mod hostile;
pub mod lane;
pub mod network;
pub mod ntcp2;
pub mod routers;
pub mod wire;

use crate::ops::Script;

/// Inputs with the names of their files.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// Names inputs by what they are and a number.
fn named(parts: Vec<(&str, Vec<u8>)>) -> Seeds {
    parts.into_iter().enumerate().map(|(number, (name, bytes))| (format!("{number:02}-{name}"), bytes)).collect()
}

/// Operations as inputs.
fn scripts(parts: Vec<(&str, Script)>) -> Seeds {
    named(parts.into_iter().map(|(name, script)| (name, script.0)).collect())
}

/// The first text of that name in a file of vectors, as hexadecimal digits.
fn hex(json: &str, name: &str) -> Vec<u8> {
    let key = format!("\"{name}\": \"");
    let digits = json.split(key.as_str()).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
