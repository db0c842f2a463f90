//! The forms in which bytes might be printed. Their beginnings tell as much as all of them.

use std::fmt::Write;

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-~";

/// The beginning of a hash in I2P's base64, in base32, in hexadecimal and as numbers.
#[must_use]
pub fn of_hash(hash: &[u8; 32]) -> Vec<String> {
    let upper = digits(BASE32, 5, &hash[..7]).to_uppercase();
    let mut forms = vec![digits(BASE64, 6, &hash[..6]), digits(BASE32, 5, &hash[..7]), upper];
    // In other base64 the last two digits differ.
    forms.push(digits(BASE64, 6, &hash[..6]).replace('-', "+").replace('~', "/"));
    forms.extend(numbers(&hash[..6]));
    forms
}

/// Bytes as text, in hexadecimal and as numbers; the beginning of long ones.
#[must_use]
pub fn of_bytes(bytes: &[u8]) -> Vec<String> {
    let mut forms = numbers(bytes.get(..8).unwrap_or(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        forms.push(text.to_owned());
    }
    forms
}

fn numbers(bytes: &[u8]) -> Vec<String> {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    vec![hex.to_uppercase(), hex, format!("{bytes:?}").trim_matches(['[', ']']).to_owned()]
}

/// All whole digits of so many bits each.
fn digits(alphabet: &[u8], bits: u32, bytes: &[u8]) -> String {
    let (mut text, mut held, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        count += 8;
        while count >= bits {
            count -= bits;
            let digit = usize::try_from((held >> count) & ((1 << bits) - 1)).unwrap_or(0);
            text.push(alphabet.get(digit).copied().unwrap_or(b'?').into());
            held &= (1 << count) - 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_these_forms() {
        let mut hash = [0; 32];
        hash[..6].copy_from_slice(&[0xfb, 0xff, 0x00, 0x10, 0x83, 0x10]);
        let wanted =
            ["-~8AEIMQ", "7p7qaeedcaa", "7P7QAEEDCAA", "+/8AEIMQ", "FBFF00108310", "fbff00108310", "251, 255, 0, 16, 131, 16"];
        assert_eq!(of_hash(&hash), wanted);
    }

    #[test]
    fn bytes_have_these_forms() {
        assert_eq!(of_bytes(b"mark"), ["6D61726B", "6d61726b", "109, 97, 114, 107", "mark"]);
    }
}
