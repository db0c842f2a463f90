//! Base64 with I2P's alphabet: `-` and `~` for 62 and 63, `=` padding. Source: Common structures, "Base 64".

use crate::codec::{DecodeError, DecodeErrorKind};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~";

fn digit(value: u32) -> char {
    let index = usize::try_from(value & 63).unwrap_or(0);
    ALPHABET.get(index).copied().map_or('A', char::from)
}

fn value(symbol: u8) -> Option<u32> {
    let base = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'-' => 62,
        b'~' => 63,
        _ => return None,
    };
    Some(u32::from(base))
}

/// Padded text of `data`.
pub fn encode(data: &[u8]) -> String {
    let mut text = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let mut bytes = chunk.iter().copied().chain([0, 0]).map(u32::from);
        let mut next = || bytes.next().unwrap_or(0);
        let group = next() << 16 | next() << 8 | next();
        text.push(digit(group >> 18));
        text.push(digit(group >> 12));
        text.push(if chunk.len() > 1 { digit(group >> 6) } else { '=' });
        text.push(if chunk.len() > 2 { digit(group) } else { '=' });
    }
    text
}

/// Bytes of a padded text. Errors: `Text` for a length that isn't a multiple of 4, a foreign symbol, misplaced padding or non-zero
/// bits under the padding (so each byte string has one text).
pub fn decode(text: &str) -> Result<Vec<u8>, DecodeError> {
    let bad = |offset| DecodeError { kind: DecodeErrorKind::Text, offset, field: "base64" };
    let symbols = text.as_bytes();
    if !symbols.len().is_multiple_of(4) {
        return Err(bad(symbols.len()));
    }
    let body = symbols.strip_suffix(b"==").or_else(|| symbols.strip_suffix(b"=")).unwrap_or(symbols);
    let mut out = Vec::with_capacity(symbols.len() / 4 * 3);
    for (index, chunk) in body.chunks(4).enumerate() {
        let mut group = 0;
        for (place, symbol) in chunk.iter().enumerate() {
            group = group << 6 | value(*symbol).ok_or_else(|| bad(index * 4 + place))?;
        }
        let missing = 4 - chunk.len();
        let group = group << (6 * missing);
        let [_, a, b, c] = group.to_be_bytes();
        let (bytes, unused) = match missing {
            0 => (&[a, b, c][..], 0),
            1 => (&[a, b][..], c),
            _ => (&[a][..], b | c),
        };
        if unused != 0 {
            return Err(bad(index * 4));
        }
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::texts;

    #[test]
    fn encodes_with_own_alphabet() {
        assert_eq!(encode(b"test"), "dGVzdA==");
        assert_eq!(encode(b""), "");
        assert_eq!(encode(&[0xfb, 0xff, 0xfe]), "-~~-");
        for length in 0..70 {
            let data: Vec<u8> = (0..length).map(|i: u8| i.wrapping_mul(37)).collect();
            assert_eq!(decode(&encode(&data)).unwrap(), data);
        }
    }

    #[test]
    fn vectors() {
        let json = include_str!("../testdata/base64.json");
        for (ascii, text) in texts(json, "ascii").into_iter().zip(texts(json, "b64")) {
            assert_eq!(encode(ascii.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), ascii.as_bytes());
        }
        for (size, encoded) in [(2, 4), (4, 8), (6, 8), (7, 12), (9, 12), (10, 16), (12, 16), (13, 20)] {
            assert_eq!(encode(&vec![1; size]).len(), encoded);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in ["dGVzdA=", "dGVzdA", "A", "====", "A===", "dGVzdB==", "dG+/", "dG==VzdA", "dGVz dA=", "dé=="] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
