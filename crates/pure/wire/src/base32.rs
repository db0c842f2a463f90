//! Base32 of RFC 4648 in lower case without padding, as `.b32.i2p` names use it. Source: Naming, "Base 32 names".

use crate::codec::{DecodeError, DecodeErrorKind};

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

fn value(symbol: u8) -> Option<u32> {
    let base = match symbol {
        b'a'..=b'z' => symbol - b'a',
        b'A'..=b'Z' => symbol - b'A',
        b'2'..=b'7' => symbol - b'2' + 26,
        _ => return None,
    };
    Some(u32::from(base))
}

/// Lower-case text of `data`.
pub fn encode(data: &[u8]) -> String {
    let mut text = String::with_capacity((data.len() * 8).div_ceil(5));
    let (mut bits, mut count) = (0u32, 0u32);
    let digit = |index: u32| usize::try_from(index & 31).ok().and_then(|i| ALPHABET.get(i)).copied().map_or('a', char::from);
    for byte in data {
        bits = (bits << 8 | u32::from(*byte)) & 0xfff;
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(digit(bits >> count));
        }
    }
    if count > 0 {
        text.push(digit(bits << (5 - count)));
    }
    text
}

/// Bytes of a text in either case. Errors: `Text` for a foreign symbol, a length that no byte string has, or non-zero unused bits.
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let bad = |offset| DecodeError { kind: DecodeErrorKind::Text, offset, field: "base32" };
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0u32, 0u32);
    for (offset, symbol) in text.bytes().enumerate() {
        bits = (bits << 5 | value(symbol).ok_or_else(|| bad(offset))?) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    if count >= 5 || bits & ((1 << count) - 1) != 0 {
        return Err(bad(text.len()));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(encode(b"foobar"), "mzxw6ytboi");
        assert_eq!(decode("MZXW6YTBOI").unwrap(), b"foobar");
        for length in 0..70 {
            let data: Vec<u8> = (0..length).map(|i: u8| i.wrapping_mul(151)).collect();
            assert_eq!(decode(&encode(&data)).unwrap(), data);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["a", "m1", "mz=", "mzx", "abcdef", "zé"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
