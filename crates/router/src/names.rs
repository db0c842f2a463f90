//! Names of destinations: `.b32.i2p` addresses, whole base64 destinations, and a `hosts.txt`.

use std::collections::BTreeMap;
use std::path::Path;

use ramson_wire::{Destination, DestinationHash};

/// Longest host name, including `.i2p`.
pub(crate) const MAX_NAME: usize = 67;
/// Entries taken from one file.
const MAX_ENTRIES: usize = 200_000;

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Target {
    /// Only the hash is known; connecting looks up the rest.
    Hash(DestinationHash),
    /// The whole destination.
    Destination(Box<Destination>),
}

impl Target {
    /// The hash in either case.
    #[must_use]
    pub fn hash(&self) -> DestinationHash {
        match self {
            Self::Hash(hash) => *hash,
            Self::Destination(destination) => destination.hash(),
        }
    }
}

/// Why a name gives no destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not the form of any name here.
    #[error("this is not a name of a destination")]
    Malformed,
    /// A `.b32.i2p` address that isn't the hash of a destination, such as that of an encrypted LeaseSet.
    #[error("this .b32.i2p address is not one of an unencrypted destination")]
    UnsupportedAddress,
    /// A host name that the address book doesn't have.
    #[error("this name is not in the address book")]
    Unknown,
}

/// The address book: fixed when it was read.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(crate) hosts: BTreeMap<String, Box<Destination>>,
}

impl Names {
    /// Reads a `hosts.txt`: lines of `name.i2p=base64 destination`, comments after `#`. A missing file is an
    /// empty book; a line that can't be used is counted and skipped. The first of two lines for a name wins.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let (names, skipped) = Self::parse(&text);
        if skipped > 0 {
            tracing::warn!(
                "{skipped} lines of {} are not used, as none is a name with its destination: mend or remove them",
                path.display()
            );
        }
        Ok(names)
    }

    pub(crate) fn parse(text: &str) -> (Self, usize) {
        let mut hosts = BTreeMap::new();
        let mut skipped = 0;
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let entry = line.split_once('=').and_then(|(name, address)| {
                let name = normalise(name.trim())?;
                Some((name, Destination::from_base64(address.trim()).ok()?))
            });
            match entry {
                Some((name, destination)) if hosts.len() < MAX_ENTRIES => {
                    hosts.entry(name).or_insert_with(|| Box::new(destination));
                }
                _ => skipped += 1,
            }
        }
        (Self { hosts }, skipped)
    }

    /// Resolves whatever I2P users write for a destination.
    pub fn resolve(&self, name: &str) -> Result<Target, NameError> {
        let lower = name.to_ascii_lowercase();
        if lower.ends_with(".b32.i2p") {
            let hash = DestinationHash::from_b32(&lower).map_err(|_| NameError::UnsupportedAddress)?;
            return Ok(Target::Hash(hash));
        }
        if let Some(host) = normalise(&lower) {
            let destination = self.hosts.get(&host).ok_or(NameError::Unknown)?;
            return Ok(Target::Destination(destination.clone()));
        }
        let base64 = name.strip_suffix(".i2p").unwrap_or(name);
        Destination::from_base64(base64)
            .map(|destination| Target::Destination(Box::new(destination)))
            .map_err(|_| NameError::Malformed)
    }
}

/// The lower-case form of a host name, or nothing if it isn't one or is reserved.
fn normalise(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".i2p")?;
    let plain = stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    let shaped = !stem.is_empty() && !stem.starts_with(['.', '-']) && !stem.ends_with(['.', '-']);
    let joined = ["..", ".-", "-."].iter().all(|bad| !stem.contains(bad));
    let reserved = stem == "b32" || stem.ends_with(".b32");
    (name.len() <= MAX_NAME && plain && shaped && joined && !reserved).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::watched_folder;

    fn address() -> String {
        crate::keys::new_destination().unwrap().destination().to_base64()
    }

    #[test]
    fn hosts_are_found_in_any_case_and_first_wins() {
        let (first, second) = (address(), address());
        let (names, skipped) = Names::parse(&format!("# book\r\nSite.i2p = {first}#!a=b\r\nsite.i2p={second}\nbad line\n"));
        assert_eq!(skipped, 1);
        let Target::Destination(found) = names.resolve("sItE.i2p").unwrap() else { panic!("a host entry holds the destination") };
        assert_eq!(found.to_base64(), first);
        assert_eq!(names.resolve("other.i2p").unwrap_err(), NameError::Unknown);
    }

    #[test]
    fn a_line_that_is_not_used_is_told_of_and_not_shown() {
        let folder = watched_folder();
        folder.watch().forbid("a name", "marked-name");
        let path = folder.path().join("hosts.txt");
        std::fs::write(&path, "marked-name.i2p=broken\n").unwrap();
        Names::read(&path).unwrap();
        assert!(folder.watch().heard("ramson_router::names", tracing::Level::WARN));
    }

    #[test]
    fn addresses_need_no_book() {
        let names = Names::default();
        let base64 = address();
        let hash = Destination::from_base64(&base64).unwrap().hash();
        assert_eq!(names.resolve(&base64).unwrap().hash(), hash);
        assert_eq!(names.resolve(&hash.to_b32()).unwrap().hash(), hash);
        assert_eq!(names.resolve("short.b32.i2p").unwrap_err(), NameError::UnsupportedAddress);
    }

    #[test]
    fn clearnet_names_are_malformed() {
        for name in ["example.com", "127.0.0.1", "localhost", "", ".i2p", "-a.i2p", "a..b.i2p", "x.b32.i2p."] {
            assert_eq!(Names::default().resolve(name).unwrap_err(), NameError::Malformed, "{name}");
        }
    }
}
