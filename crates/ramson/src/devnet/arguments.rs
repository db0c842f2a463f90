//! What can be asked of a devnet.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use ramson_sim::LinkConfig;

/// Largest loss, in thousandths of the packets: beyond, TCP hardly moves.
const MAX_LOSS_PERMILLE: u16 = 300;
/// A router's line, each way: no bottleneck.
const BYTES_PER_SEC: u64 = 100_000_000;

/// The command line.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Routers, 5 to 200.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = RangedU64ValueParser::<usize>::new().range(5..=200))]
    pub(crate) routers: usize,
    /// Time of a packet from one router to another, 0 to 500; each is late by up to a tenth of it.
    #[arg(long, value_name = "L", default_value_t = 5, value_parser = RangedU64ValueParser::<u64>::new().range(0..=500))]
    pub(crate) latency_ms: u64,
    /// Packets lost between routers, 0 to 30 percent: what waits for them is late, and streams are slower.
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = permille)]
    loss: u16,
    /// Keys and addresses of the routers and of the site are made of it. They are secret from nobody.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Router number K has its SAM at this port plus K [default: free ports].
    #[arg(long, value_name = "PORT")]
    pub(crate) sam_base: Option<u16>,
    /// Router number K has its HTTP proxy at this port plus K [default: free ports].
    #[arg(long, value_name = "PORT")]
    pub(crate) proxy_base: Option<u16>,
    /// Folder for net.json; made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

impl Arguments {
    /// Packets lost.
    pub(crate) fn loss_percent(&self) -> f64 {
        f64::from(self.loss) / 10.0
    }

    /// Floodfills, the first of the routers: a third of few, fewer of many.
    pub(crate) fn floodfills(&self) -> usize {
        (self.routers / 3).clamp(2, 4 + self.routers / 10)
    }

    /// The network between the routers.
    pub(crate) fn links(&self) -> LinkConfig {
        let latency = self.latency_ms * 1_000;
        LinkConfig {
            latency_micros: (latency, latency),
            jitter_micros: latency / 10,
            loss_permille: u32::from(self.loss),
            bytes_per_sec: (BYTES_PER_SEC, BYTES_PER_SEC),
            ..LinkConfig::default()
        }
    }
}

/// Percent with at most one decimal, as thousandths.
fn permille(text: &str) -> Result<u16, String> {
    let wrong = || format!("0 to {} percent, with at most one decimal, is allowed", MAX_LOSS_PERMILLE / 10);
    let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if tenths.len() != 1 || !plain(whole) || !plain(tenths) {
        return Err(wrong());
    }
    let permille = whole.parse::<u16>().ok().and_then(|whole| whole.checked_mul(10));
    let permille = permille.and_then(|whole| whole.checked_add(tenths.parse().ok()?));
    permille.filter(|permille| *permille <= MAX_LOSS_PERMILLE).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_percent_within_limits() {
        for (text, wanted) in [("0", 0), ("3", 30), ("0.5", 5), ("30", 300), ("29.9", 299)] {
            assert_eq!(permille(text), Ok(wanted), "{text}");
        }
        for text in ["", "-1", "+1", "30.1", "0.05", "1.", ".5", "99999", "a", "1e1"] {
            assert!(permille(text).unwrap_err().contains("0 to 30 percent"), "{text}");
        }
    }
}
