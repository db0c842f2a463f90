//! Names of the identities inside one router: who a tunnel, a LeaseSet or a lookup belongs to.

/// Number of a local destination, unique while the engine runs. Parameter of every store that belongs to an identity, so that the
/// types say whose it is; never goes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(pub u32);

/// Whom a tunnel pool, a lookup or a publication belongs to.
///
/// Nothing may pass from one owner's state to another's: what came through an identity's tunnel reaches only that identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The router itself, with its exploratory tunnels.
    Router,
    /// A local destination, with its own tunnels.
    Identity(IdentityId),
}

impl Owner {
    /// The local destination's number.
    pub(crate) fn number(self) -> Option<u32> {
        match self {
            Owner::Router => None,
            Owner::Identity(id) => Some(id.0),
        }
    }
}
