//! Our own RouterInfo: what we publish about ourselves.

use std::net::SocketAddr;

use ramson_crypto::{ed25519, x25519};
use ramson_wire::mapping::DoesNotFit;
use ramson_wire::{Congestion, Date, Mapping, RouterAddress, RouterIdentity, RouterInfo, RouterInfoBuilder, SignError, base64};

use crate::engine::EngineConfig;

/// The release whose features are all there.
const API_VERSION: &str = "0.9.67";
/// Costs as i2pd publishes them; lower is preferred.
const COST_PUBLISHED: u8 = 3;
const COST_UNPUBLISHED: u8 = 14;

/// The router's identity and its private keys.
pub struct RouterSecrets {
    /// What our hash is the hash of.
    pub identity: RouterIdentity,
    /// Signs our RouterInfo.
    pub signing_key: ed25519::SigningKey,
    /// Opens build records and garlic to us.
    pub encryption_key: x25519::PrivateKey,
    /// Static key of NTCP2.
    pub ntcp2_key: x25519::PrivateKey,
    /// Obfuscates the first bytes of NTCP2 handshakes.
    pub ntcp2_iv: [u8; 16],
}

impl std::fmt::Debug for RouterSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouterSecrets")
    }
}

/// Why our RouterInfo could not be made. Each is a fault of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnRouterError {
    /// An option that does not fit.
    #[error("an option of our RouterInfo does not fit: {0}")]
    Option(#[from] DoesNotFit),
    /// It can't be signed.
    #[error("our RouterInfo can't be signed: {0}")]
    Sign(#[from] SignError),
}

/// Makes and signs it. Without addresses we only dial.
#[cfg(test)]
pub(crate) fn sign(secrets: &RouterSecrets, published: Date, config: &EngineConfig) -> Result<RouterInfo, OwnRouterError> {
    sign_with(secrets, published, config, None)
}

/// Likewise, asking others to spare us if there is a letter.
pub(crate) fn sign_with(
    secrets: &RouterSecrets,
    published: Date,
    config: &EngineConfig,
    congestion: Option<Congestion>,
) -> Result<RouterInfo, OwnRouterError> {
    let mut caps = String::from(config.limits.class());
    if config.floodfill {
        caps.push('f');
    }
    caps.push(if config.addresses.is_empty() { 'U' } else { 'R' });
    caps.extend(congestion.map(congestion_letter));
    let mut options = Mapping::default();
    options.insert("caps", &caps)?;
    options.insert("netId", &config.net_id.to_string())?;
    options.insert("router.version", API_VERSION)?;
    let mut listed = Vec::new();
    for address in &config.addresses {
        listed.push(ntcp2_address(secrets, config, Some(*address))?);
    }
    if listed.is_empty() {
        // Peers compare the key of a handshake with that of an address, so there is one all the same.
        listed.push(ntcp2_address(secrets, config, None)?);
    }
    let builder = RouterInfoBuilder { identity: secrets.identity.clone(), published, addresses: listed, options };
    Ok(RouterInfo::sign(&builder, &secrets.signing_key)?)
}

pub(crate) fn congestion_letter(congestion: Congestion) -> char {
    match congestion {
        Congestion::Medium => 'D',
        Congestion::High => 'E',
        Congestion::Reject => 'G',
    }
}

fn ntcp2_address(
    secrets: &RouterSecrets,
    config: &EngineConfig,
    published: Option<SocketAddr>,
) -> Result<RouterAddress, DoesNotFit> {
    let mut options = Mapping::default();
    options.insert("s", &base64::encode(&secrets.ntcp2_key.public().0))?;
    options.insert("v", "2")?;
    match published {
        Some(address) => {
            options.insert("host", &address.ip().to_string())?;
            options.insert("port", &address.port().to_string())?;
            options.insert("i", &base64::encode(&secrets.ntcp2_iv))?;
        }
        None => {
            // The families that we dial; peers take us from no other.
            let caps = match (config.ipv4, config.ipv6) {
                (true, true) => "46",
                (false, true) => "6",
                _ => "4",
            };
            options.insert("caps", caps)?;
        }
    }
    let cost = if published.is_some() { COST_PUBLISHED } else { COST_UNPUBLISHED };
    Ok(RouterAddress { cost, style: "NTCP2".to_owned(), options })
}
