//! How much the engine does for others and for each application.

/// See the module. Rates are bytes a second, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimits {
    /// Take tunnels of others.
    pub transit: bool,
    /// Most of them at once.
    pub max_transit_tunnels: usize,
    /// What they get of the bandwidth; none: they aren't limited, and we publish the class of the default.
    pub transit_bytes_per_sec: Option<u64>,
    /// What one destination gets; none: all that there is.
    pub application_bytes_per_sec: Option<u64>,
    /// Memory that may be held, by the registered bounds. Beyond it what strangers filled goes, the oldest first.
    pub memory_bytes: usize,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            transit: true,
            max_transit_tunnels: 10_000,
            transit_bytes_per_sec: Some(800_000),
            application_bytes_per_sec: None,
            memory_bytes: 256 * 1024 * 1024,
        }
    }
}

impl EngineLimits {
    /// The letter of what is shared, as Java draws the lines: kilobytes a second.
    pub(crate) fn class(&self) -> char {
        let bytes = self.transit_bytes_per_sec.or(Self::default().transit_bytes_per_sec).unwrap_or(0);
        match bytes / 1_000 {
            0..12 => 'K',
            12..48 => 'L',
            48..64 => 'M',
            64..128 => 'N',
            128..256 => 'O',
            256..2_000 => 'P',
            _ => 'X',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_follows_what_is_shared() {
        let class = |rate| EngineLimits { transit_bytes_per_sec: rate, ..EngineLimits::default() }.class();
        let classes: String = [1, 12, 47, 48, 64, 128, 256, 1_999, 2_000].map(|kb| class(Some(kb * 1_000))).iter().collect();
        assert_eq!(classes, "KLLMNOPPX");
        assert_eq!((class(None), EngineLimits::default().class()), ('P', 'P'));
    }
}
