//! [`Caps`]: what a router says it can do, one letter each.

/// Bandwidth classes in KB/s shared: K under 12, L to 48, M to 64, N to 128, O to 256, P to 2000, X above.
/// Source: Network database, "Bandwidth capabilities".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the letters are explained above")]
pub enum Bandwidth {
    K,
    L,
    M,
    N,
    O,
    P,
    X,
}

/// How busy a router says it is. Source: proposal 162.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Congestion {
    /// `D`: medium; better not for busy tunnels.
    Medium,
    /// `E`: high; most requests will be rejected.
    High,
    /// `G`: rejects all tunnels.
    Reject,
}

/// The letters of a RouterInfo's `caps` option; unknown letters are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// The highest class given: some routers add lower ones for old readers.
    pub bandwidth: Option<Bandwidth>,
    /// `f`: answers as a floodfill.
    pub floodfill: bool,
    /// `R`: reachable.
    pub reachable: bool,
    /// `U`: not reachable from outside.
    pub unreachable: bool,
    /// `H`: hidden; not to be published or used as a hop.
    pub hidden: bool,
    /// The worst one given.
    pub congestion: Option<Congestion>,
}

impl Caps {
    /// Reads the letters.
    pub fn parse(text: &str) -> Caps {
        let mut caps = Caps::default();
        for letter in text.chars() {
            let bandwidth = match letter {
                'K' => Some(Bandwidth::K),
                'L' => Some(Bandwidth::L),
                'M' => Some(Bandwidth::M),
                'N' => Some(Bandwidth::N),
                'O' => Some(Bandwidth::O),
                'P' => Some(Bandwidth::P),
                'X' => Some(Bandwidth::X),
                _ => None,
            };
            let congestion = match letter {
                'D' => Some(Congestion::Medium),
                'E' => Some(Congestion::High),
                'G' => Some(Congestion::Reject),
                _ => None,
            };
            caps.bandwidth = caps.bandwidth.max(bandwidth);
            caps.congestion = caps.congestion.max(congestion);
            match letter {
                'f' => caps.floodfill = true,
                'R' => caps.reachable = true,
                'U' => caps.unreachable = true,
                'H' => caps.hidden = true,
                _ => {}
            }
        }
        caps
    }

    /// Writes the letters in the order that Java I2P uses: bandwidth, `f`, `H`, `R` or `U`, congestion.
    pub fn to_text(&self) -> String {
        let bandwidth = self.bandwidth.map(|bandwidth| match bandwidth {
            Bandwidth::K => 'K',
            Bandwidth::L => 'L',
            Bandwidth::M => 'M',
            Bandwidth::N => 'N',
            Bandwidth::O => 'O',
            Bandwidth::P => 'P',
            Bandwidth::X => 'X',
        });
        let congestion = self.congestion.map(|congestion| match congestion {
            Congestion::Medium => 'D',
            Congestion::High => 'E',
            Congestion::Reject => 'G',
        });
        let flags = [(self.floodfill, 'f'), (self.hidden, 'H'), (self.reachable, 'R'), (self.unreachable, 'U')];
        let flags = flags.into_iter().filter(|flag| flag.0).map(|flag| flag.1);
        bandwidth.into_iter().chain(flags).chain(congestion).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        let caps = Caps::parse("OXfRD?é");
        assert_eq!(caps.bandwidth, Some(Bandwidth::X));
        assert_eq!(caps.congestion, Some(Congestion::Medium));
        assert!(caps.floodfill && caps.reachable && !caps.unreachable && !caps.hidden);
        assert_eq!(caps.to_text(), "XfRD");
        assert_eq!(Caps::parse("LUEGH").to_text(), "LHUG");
        assert_eq!(Caps::parse(""), Caps::default());
    }
}
