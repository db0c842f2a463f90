//! What a client asks of its session, from the keys of `SESSION CREATE`.

use std::collections::BTreeSet;
use std::sync::Arc;

use ramson_router::{Access, DestinationConfig, OpenLimits, StreamRules};
use ramson_wire::{Destination, DestinationHash, RouterHash};

use super::line::Line;
use super::reply::Outcome;

/// The only signature type that new destinations get.
const ED25519: &[&str] = &["7", "EdDSA_SHA512_Ed25519"];
/// Names and numbers of the types that exist and can't be made here.
const OTHER_TYPES: &[&str] = &["0", "DSA_SHA1", "1", "2", "3", "11"];

/// Tunnels of the session. Options that this router does not know are other routers' and ignored.
pub(crate) fn tunnels(line: &Line) -> Result<DestinationConfig, Outcome> {
    let number = |key: &str, default: u8, low: u8, high: u8| match line.get(key) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(Outcome::error(format!("{key} must be {low} to {high}"))),
        },
    };
    let variance = |key: &str| match line.get(key).map(str::parse) {
        None => Ok(0),
        Some(Ok(number)) if (-7..=7).contains(&number) => Ok(number),
        Some(_) => Err(Outcome::error(format!("{key} must be -7 to 7"))),
    };
    let publish = !line.is_true("i2cp.dontPublishLeaseSet");
    let default = DestinationConfig::default();
    Ok(DestinationConfig {
        inbound_length: number("inbound.length", default.inbound_length, 0, 7)?,
        outbound_length: number("outbound.length", default.outbound_length, 0, 7)?,
        inbound_quantity: number("inbound.quantity", default.inbound_quantity, 1, 16)?,
        outbound_quantity: number("outbound.quantity", default.outbound_quantity, 1, 16)?,
        inbound_backups: number("inbound.backupQuantity", default.inbound_backups, 0, 16)?,
        outbound_backups: number("outbound.backupQuantity", default.outbound_backups, 0, 16)?,
        inbound_variance: variance("inbound.lengthVariance")?,
        outbound_variance: variance("outbound.lengthVariance")?,
        publish,
        accept: true,
        streams: streams(line)?,
    })
}

/// Whose streams the session takes, by the names of Java's options.
fn streams(line: &Line) -> Result<StreamRules, Outcome> {
    let limit = |key: String| match line.get(&key) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| Outcome::error(format!("{key} must be 0 (no limit) to 4294967295"))),
    };
    let limits = |whose: &str| {
        let [minute, hour, day] = ["Minute", "Hour", "Day"].map(|time| limit(format!("i2p.streaming.max{whose}ConnsPer{time}")));
        Ok(OpenLimits { minute: minute?, hour: hour?, day: day? })
    };
    let (only, all_but) = (line.is_true("i2cp.enableAccessList"), line.is_true("i2cp.enableBlackList"));
    let access = match (only, all_but) {
        (false, false) => Access::All,
        (true, false) => Access::Only(access_list(line)?),
        (false, true) => Access::AllBut(access_list(line)?),
        (true, true) => return Err(Outcome::error("i2cp.enableAccessList excludes i2cp.enableBlackList")),
    };
    Ok(StreamRules { access, each: limits("")?, total: limits("Total")? })
}

/// `i2cp.accessList`: hashes or whole destinations in base64, or `.b32.i2p` addresses, with commas or spaces between.
fn access_list(line: &Line) -> Result<Arc<BTreeSet<DestinationHash>>, Outcome> {
    let peer = |text: &str| {
        let hash = RouterHash::from_base64(text).map(|hash| DestinationHash(hash.0));
        let known = hash.or_else(|_| DestinationHash::from_b32(text));
        known.or_else(|_| Destination::from_base64(text).map(|destination| destination.hash()))
    };
    let names = line.get("i2cp.accessList").unwrap_or_default().split([',', ' ']).filter(|name| !name.is_empty());
    let list = names.map(peer).collect::<Result<_, _>>();
    list.map(Arc::new).map_err(|_| Outcome::error("i2cp.accessList must be base64 hashes, destinations or .b32.i2p addresses"))
}

/// Checks `SIGNATURE_TYPE`. Without one the specification says DSA, which nobody should get any more: clients
/// read the type from the destination that they are given.
pub(crate) fn signature_type(line: &Line) -> Result<(), Outcome> {
    match line.get("SIGNATURE_TYPE") {
        None => Ok(()),
        Some(text) if ED25519.iter().any(|name| name.eq_ignore_ascii_case(text)) => Ok(()),
        Some(text) if OTHER_TYPES.contains(&text) || text.contains("SHA") => {
            Err(Outcome::error("only SIGNATURE_TYPE=7 (EdDSA_SHA512_Ed25519) can be made"))
        }
        Some(_) => Err(Outcome::error("unknown SIGNATURE_TYPE; 7 (EdDSA_SHA512_Ed25519) can be made")),
    }
}

/// A port key, 0 when absent.
pub(crate) fn port(line: &Line, key: &str) -> Result<u16, Outcome> {
    match line.get(key) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| Outcome::error(format!("{key} must be 0 to 65535"))),
    }
}

/// The version to speak: the highest of ours within the client's range.
pub(crate) fn version(line: &Line) -> Result<Version, Outcome> {
    let minimum = line.get("MIN").map_or(Some(Version(0)), Version::parse);
    // A bound above ours, such as 4.0, is no reason to refuse.
    let maximum = line.get("MAX").map_or(Some(Version::NEWEST), Version::parse);
    match (minimum, maximum) {
        (Some(minimum), Some(maximum)) if minimum <= maximum && minimum <= Version::NEWEST => Ok(maximum.min(Version::NEWEST)),
        (Some(_), Some(_)) => Err(Outcome::NoVersion),
        _ => Err(Outcome::error("MIN and MAX are versions such as 3.1")),
    }
}

/// Minor version of SAM 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u8);

impl Version {
    /// What this bridge speaks.
    pub(crate) const NEWEST: Self = Self(3);

    /// `3.x`; a bare `3` is 3.0; a later major version counts as the newest, an earlier one as none.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        let (major, minor): (u8, u8) = (major.parse().ok()?, minor.parse().ok()?);
        match major {
            0..=2 => Some(Self(0)),
            3 => Some(Self(minor)),
            _ => Some(Self(u8::MAX)),
        }
    }

    /// From 3.2 on an accepted stream's first line names ports too.
    pub(crate) fn has_ports(self) -> bool {
        self >= Self(2)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "3.{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(keys: &str) -> Result<String, Outcome> {
        version(&Line::parse(&format!("HELLO VERSION {keys}")).unwrap()).map(|version| version.to_string())
    }

    #[test]
    fn the_highest_common_version_is_spoken() {
        for (keys, expected) in [
            ("", "3.3"),
            ("MIN=3.0 MAX=3.0", "3.0"),
            ("MIN=3.1 MAX=3.1", "3.1"),
            ("MIN=3 MAX=3.2", "3.2"),
            ("MIN=3.0 MAX=3.9", "3.3"),
            ("MIN=1.0 MAX=9.9", "3.3"),
        ] {
            assert_eq!(hello(keys).unwrap(), expected, "{keys}");
        }
        assert_eq!(hello("MIN=3.4 MAX=3.9").unwrap_err(), Outcome::NoVersion);
        assert_eq!(hello("MIN=4.0 MAX=4.0").unwrap_err(), Outcome::NoVersion);
        assert!(matches!(hello("MIN=x"), Err(Outcome::I2pError(_))));
    }

    #[test]
    fn tunnel_options_are_checked() {
        let line = Line::parse("SESSION CREATE inbound.length=1 outbound.quantity=16 i2cp.leaseSetEncType=4,0").unwrap();
        let config = tunnels(&line).unwrap();
        assert_eq!((config.inbound_length, config.outbound_quantity, config.outbound_length), (1, 16, 3));
        assert!(config.publish && config.accept);
        for bad in ["inbound.length=8", "inbound.length=-1", "outbound.quantity=0", "inbound.quantity=x"] {
            assert!(tunnels(&Line::parse(&format!("SESSION CREATE {bad}")).unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_session_says_whose_streams_it_takes() {
        let rules = |keys: &str| tunnels(&Line::parse(&format!("SESSION CREATE {keys}")).unwrap()).map(|config| config.streams);
        let (one, two) = (DestinationHash([1; 32]), DestinationHash([2; 32]));
        let names = format!("i2cp.accessList=\"{},{}\"", RouterHash(one.0).to_base64(), two.to_b32());
        let list = Arc::new(BTreeSet::from([one, two]));
        assert_eq!(rules(&names).unwrap(), StreamRules::default(), "a list alone does nothing, as in Java");
        assert_eq!(rules(&format!("i2cp.enableAccessList=true {names}")).unwrap().access, Access::Only(Arc::clone(&list)));
        assert_eq!(rules(&format!("i2cp.enableBlackList=true {names}")).unwrap().access, Access::AllBut(list));
        let limits = rules("i2p.streaming.maxConnsPerHour=7 i2p.streaming.maxTotalConnsPerMinute=9").unwrap();
        assert_eq!((limits.each.hour, limits.each.minute, limits.total.minute), (7, 0, 9));
        for bad in [
            "i2cp.enableAccessList=true i2cp.accessList=nobody",
            "i2cp.enableAccessList=true i2cp.enableBlackList=true",
            "i2p.streaming.maxConnsPerDay=-1",
        ] {
            assert!(rules(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_ed25519_is_made() {
        for (keys, good) in [
            ("", true),
            ("SIGNATURE_TYPE=7", true),
            ("SIGNATURE_TYPE=EdDSA_SHA512_Ed25519", true),
            ("SIGNATURE_TYPE=0", false),
            ("SIGNATURE_TYPE=banana", false),
        ] {
            let line = Line::parse(&format!("DEST GENERATE {keys}")).unwrap();
            assert_eq!(signature_type(&line).is_ok(), good, "{keys}");
        }
    }
}
