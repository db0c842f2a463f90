//! Finds what must not be in a line of a log.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What a leak is, by its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An IPv4 or IPv6 address, with or without port.
    Address,
    /// 52 or more digits of base32.
    Base32,
    /// 43 or more digits of I2P's base64: a hash, a destination, keys.
    Base64,
    /// 32 or more hexadecimal digits.
    Hex,
    /// Something that ends in `.i2p`.
    Host,
    /// Bytes printed as numbers or escapes.
    Bytes,
    /// What a test has forbidden, by this name.
    Forbidden(&'static str),
    /// Another subscriber was there first: nothing was watched.
    Unwatched,
}

/// Something in a log that must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it is.
    pub kind: Kind,
    /// The part of the line.
    pub part: String,
    /// The line.
    pub line: String,
}

impl Leak {
    pub(crate) fn unwatched() -> Self {
        Self { kind: Kind::Unwatched, part: String::new(), line: "another subscriber was installed first".to_owned() }
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({}) in: {}", self.kind, self.part, self.line)
    }
}

/// What is forbidden besides the forms, and which addresses are our own.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    forbidden: BTreeSet<(String, &'static str)>,
    allowed: BTreeSet<String>,
}

/// Longest run of characters of some sort that is nothing yet.
const MAX_BASE32: usize = 51;
const MAX_BASE64: usize = 42;
const MAX_HEX: usize = 31;
/// Bytes in a row that nobody prints by chance.
const MAX_BYTES: usize = 7;

impl Rules {
    pub(crate) fn forbid(&mut self, what: &'static str, text: &str) {
        // An empty one would be found everywhere.
        if !text.is_empty() {
            self.forbidden.insert((text.to_owned(), what));
        }
    }

    pub(crate) fn allow(&mut self, address: &str) {
        self.allowed.insert(address.to_owned());
    }

    /// All leaks of one line.
    pub(crate) fn scan(&self, line: &str) -> Vec<Leak> {
        let mut leaks = Vec::new();
        let mut found = |kind, part: &str| leaks.push(Leak { kind, part: part.to_owned(), line: line.to_owned() });
        let words = |sort: fn(char) -> bool| line.split(move |c: char| !sort(c)).filter(|word| !word.is_empty());
        for word in words(|c| c.is_ascii_alphanumeric() || "_-~.:".contains(c)) {
            if let Some(address) = address_in(word).filter(|address| !self.allowed.contains(*address)) {
                found(Kind::Address, address);
            }
            if host_in(word) {
                found(Kind::Host, word);
            }
        }
        for word in words(|c| c.is_ascii_alphanumeric() || c == '-' || c == '~') {
            if word.len() > MAX_HEX && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                found(Kind::Hex, word);
            } else if word.len() > MAX_BASE32 && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')) {
                found(Kind::Base32, word);
            } else if word.len() > MAX_BASE64 {
                found(Kind::Base64, word);
            }
        }
        if let Some(list) = list_of_bytes(line) {
            found(Kind::Bytes, list);
        }
        if line.matches("\\x").count() > MAX_BYTES {
            found(Kind::Bytes, "\\x");
        }
        for (text, what) in &self.forbidden {
            if line.contains(text.as_str()) {
                found(Kind::Forbidden(what), text);
            }
        }
        leaks
    }
}

/// The address that a word is, with a port or without. Its IPv6 form stands in brackets before a port: there the word
/// begins behind the bracket.
fn address_in(word: &str) -> Option<&str> {
    let word = word.trim_matches(|c| matches!(c, '.' | '-' | '_' | '~'));
    let bare = word.strip_suffix(':').filter(|bare| !bare.ends_with(':')).unwrap_or(word);
    if bare.parse::<SocketAddr>().is_ok() {
        return Some(bare);
    }
    let address = bare.parse::<IpAddr>().ok().or_else(|| word.parse().ok())?;
    // Two colons alone are no address of anybody.
    (address != IpAddr::V6(Ipv6Addr::UNSPECIFIED)).then_some(bare)
}

fn host_in(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.match_indices(".i2p").any(|(at, end)| {
        let before = lower.get(..at).and_then(|text| text.chars().next_back());
        let after = lower.get(at + end.len()..).and_then(|text| text.chars().next());
        before.is_some_and(|c| c.is_ascii_alphanumeric()) && !after.is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

/// A list of more bytes than anybody prints by chance.
fn list_of_bytes(line: &str) -> Option<&str> {
    let lists = line.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    lists.into_iter().find(|list| {
        let mut numbers = list.split(", ").map(|number| number.trim().parse::<u8>());
        numbers.clone().count() > MAX_BYTES && numbers.all(|number| number.is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(line: &str) -> Vec<Kind> {
        Rules::default().scan(line).into_iter().map(|leak| leak.kind).collect()
    }

    #[test]
    fn addresses_are_found_wherever_they_stand() {
        for line in [
            "dialing 127.0.0.1:9000",
            "peer=10.1.2.3:80, again",
            "from 192.0.2.7.",
            "at [2001:db8::7]:443",
            "V6(fe80::1)",
            "Some(198.51.100.3:1)",
            "\"203.0.113.9\"",
            "to ::1 now",
            "2001:db8::1: refused",
        ] {
            assert_eq!(kinds(line), [Kind::Address], "{line}");
        }
    }

    #[test]
    fn what_looks_a_little_like_an_address_is_none() {
        for line in [
            "2026-11-23T06:10:53.123456Z TRACE ramson_engine::netdb: version 0.9.65",
            "took 1.25s at 12:34:56 Kind::Store ::",
            "conn=7 id=3:4 x::y z=1.2.3",
        ] {
            assert_eq!(kinds(line), [], "{line}");
        }
    }

    #[test]
    fn hashes_and_destinations_are_found_by_their_length() {
        let base32 = "q2".repeat(26);
        let base64 = "Az-~".repeat(11);
        assert_eq!(kinds(&format!("for {base32}")), [Kind::Base32]);
        assert_eq!(kinds(base32.get(1..).unwrap()), [Kind::Base64], "51 digits are none of base32, but too many of any sort");
        assert_eq!(kinds(&format!("hash={base64}=")), [Kind::Base64]);
        assert_eq!(kinds(&format!("({})", base64.get(..43).unwrap())), [Kind::Base64]);
        assert_eq!(kinds(base64.get(..42).unwrap()), []);
        assert_eq!(kinds(&format!("0x {}", "0a".repeat(16))), [Kind::Hex]);
        assert_eq!(kinds(&"0a".repeat(15)), []);
    }

    #[test]
    fn hosts_are_found_and_the_suffix_alone_is_none() {
        assert_eq!(kinds("asked for site.i2p"), [Kind::Host]);
        assert_eq!(kinds("GET http://Site.I2P/x"), [Kind::Host]);
        assert_eq!(kinds("a name that ends in .i2p, .i2prouter"), []);
    }

    #[test]
    fn bytes_are_found() {
        assert_eq!(kinds("got [1, 22, 255, 0, 1, 2, 3, 4]"), [Kind::Bytes]);
        assert_eq!(kinds(r#"got b"\x00\x01\x02\x03\x04\x05\x06\x07""#), [Kind::Bytes]);
        assert_eq!(kinds("counts [1, 2, 3] and [1, 2, 3, 4, 5, 6, 7, 1000]"), []);
    }

    #[test]
    fn our_own_address_may_be_named_and_what_a_test_knows_may_not() {
        let mut rules = Rules::default();
        rules.allow("127.0.0.1:4444");
        rules.forbid("a page", "marker");
        rules.forbid("nothing", "");
        assert_eq!(rules.scan("listening on 127.0.0.1:4444"), []);
        assert_eq!(rules.scan("127.0.0.1:4445").len(), 1);
        assert_eq!(rules.scan("a marker")[0].kind, Kind::Forbidden("a page"));
    }
}
