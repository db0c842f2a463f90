//! Address books, and what names stand for.

use ramson_router::fuzz::{MAX_NAME, book, entries};
use ramson_router::{NameError, Names, Target};
use ramson_wire::Destination;

/// What the target aims at. Functions, so that a test can put a fault in one of them.
pub struct Parts {
    /// Reads a book.
    pub book: fn(&str) -> (Names, usize),
    /// Resolves a name.
    pub resolve: fn(&Names, &str) -> Result<Target, NameError>,
}

/// As they are.
pub const PARTS: Parts = Parts { book, resolve: Names::resolve };

/// Target: a name in the first line, a book behind it.
pub fn hosts(data: &[u8]) {
    hosts_with(data, &PARTS);
}

/// The target with some parts replaced.
pub fn hosts_with(data: &[u8], parts: &Parts) {
    let text = String::from_utf8_lossy(data);
    let (name, text) = text.split_once('\n').unwrap_or((&text, ""));
    let (names, skipped) = (parts.book)(text);
    let count = entries(&names).count();
    assert!(count + skipped <= text.lines().count(), "more than came");
    let mut written = String::new();
    for (host, destination) in entries(&names) {
        check_host(host);
        assert_eq!(Some(destination), first(text, host).as_ref(), "{host} has another destination");
        let found = (parts.resolve)(&names, &host.to_ascii_uppercase()).map(|target| target.hash());
        assert_eq!(found, Ok(destination.hash()), "{host} isn't found");
        written += &format!("{host}={}\n", destination.to_base64());
    }
    let (again, skipped) = (parts.book)(&written);
    assert_eq!((entries(&again).collect::<Vec<_>>(), skipped), (entries(&names).collect(), 0), "another book comes back");
    check_name(&names, name, &(parts.resolve)(&names, name));
}

fn check_host(host: &str) {
    assert!(host.len() <= MAX_NAME, "{host} is too long");
    let stem = host.strip_suffix(".i2p").expect("names end in .i2p");
    assert!(stem.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')), "{host}");
    assert!(stem.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')), "{host}");
    assert_ne!(stem.rsplit('.').next(), Some("b32"), "{host} is reserved");
}

/// The destination in the first good line for a host.
fn first(text: &str, host: &str) -> Option<Destination> {
    let lines = text.lines().filter_map(|line| line.split('#').next().unwrap().split_once('='));
    let mut of_host = lines.filter(|(name, _)| name.trim().eq_ignore_ascii_case(host));
    of_host.find_map(|(_, address)| Destination::from_base64(address.trim()).ok())
}

fn check_name(names: &Names, name: &str, found: &Result<Target, NameError>) {
    let lower = name.to_ascii_lowercase();
    let known = entries(names).find(|(host, _)| *host == lower);
    match found {
        Ok(Target::Hash(hash)) => assert_eq!(hash.to_b32(), lower, "another hash"),
        Ok(Target::Destination(destination)) => match known {
            Some((_, entry)) => assert_eq!(destination.as_ref(), entry),
            None => assert_eq!(destination.to_base64(), name.strip_suffix(".i2p").unwrap_or(name), "neither name nor address"),
        },
        Err(NameError::Unknown) => check_host(&lower),
        Err(NameError::UnsupportedAddress) => assert!(lower.ends_with(".b32.i2p"), "{name}"),
        Err(NameError::Malformed) => assert!(known.is_none(), "{name}"),
    }
}
