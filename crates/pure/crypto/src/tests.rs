//! Published vectors, and agreement with a second implementation of every primitive.

mod noise_patterns;
mod randomness;
mod second_implementation;
mod vectors;

use serde_json::Value;

/// Bytes of a hex string; blanks are allowed.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    assert_eq!(digits.len() % 2, 0);
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

/// Bytes of a hex string of known length.
pub(crate) fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().unwrap()
}

/// A JSON vector file.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The hex field `name` of a JSON object.
pub(crate) fn field(object: &Value, name: &str) -> Vec<u8> {
    hex(object[name].as_str().unwrap())
}

/// The hex field `name` of a JSON object, of known length.
pub(crate) fn field_array<const N: usize>(object: &Value, name: &str) -> [u8; N] {
    field(object, name).try_into().unwrap()
}
