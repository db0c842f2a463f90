//! A door for the fuzz targets: address books, key files, bundles of routers and the database of known ones, without files.
//! Behind the feature `fuzzing`.
#![allow(clippy::expect_used, clippy::panic, reason = "part of a harness, which fails by a panic")]

use std::io::{Cursor, ErrorKind};
use std::sync::Arc;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};
use ramson_engine::{Record, RouterSecrets};
use ramson_wire::{Destination, RouterHash, RouterIdentity};
use redb::backends::InMemoryBackend;
use redb::{DatabaseError, StorageBackend, StorageError};

use crate::keys::RouterKeys;
use crate::names::Names;
use crate::reseed::archive;
use crate::storage::records::{self, OpenError};

/// The longest host name.
pub const MAX_NAME: usize = crate::names::MAX_NAME;
/// The longest RouterInfo of a bundle.
pub const MAX_ROUTER_INFO: u64 = archive::MAX_ROUTER_INFO;
/// Most routers of a bundle.
pub const MAX_ROUTERS: usize = archive::MAX_ROUTERS;

/// Reads a book; with it comes the number of lines that were skipped.
#[must_use]
pub fn book(text: &str) -> (Names, usize) {
    Names::parse(text)
}

/// What a book holds.
pub fn entries(names: &Names) -> impl Iterator<Item = (&str, &Destination)> {
    names.hosts.iter().map(|(name, destination)| (name.as_str(), destination.as_ref()))
}

/// What a router's key file holds, and the file that it makes again.
#[derive(Debug)]
pub struct KeyFile {
    /// Who the router is.
    pub identity: RouterIdentity,
    /// Of the key with which it signs.
    pub signing: ed25519::PublicKey,
    /// Of the key with which it reads.
    pub encryption: x25519::PublicKey,
    /// The file.
    pub written: Vec<u8>,
}

impl KeyFile {
    fn new(keys: RouterKeys) -> Self {
        let written = keys.encode().to_vec();
        let RouterSecrets { identity, signing_key, encryption_key, .. } = keys.secrets;
        Self { identity, signing: signing_key.public(), encryption: encryption_key.public(), written }
    }

    /// Of new keys.
    #[must_use]
    pub fn generate(seed: u8) -> Self {
        Self::new(RouterKeys::generate(&mut SeededRng::new([seed; 32])))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What a person is told.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        RouterKeys::decode(bytes).map(Self::new)
    }
}

/// Reads a zip file of RouterInfos.
///
/// # Errors
/// What a person is told.
pub fn bundle(bytes: &[u8]) -> Result<Vec<Bytes>, String> {
    let mut routers = Vec::new();
    archive::read_archive(Cursor::new(bytes), &mut routers)?;
    Ok(routers)
}

/// Reads a database of known routers; nothing if it is damaged, as its owner is told, who moves it aside.
#[must_use]
pub fn known_routers(bytes: &[u8]) -> Option<Vec<(RouterHash, Bytes)>> {
    match records::open_copy(bytes) {
        Ok(database) => Some(records::read_all(&database).expect("what is whole can be read").routers),
        Err(OpenError::Damaged(_)) => None,
        // Behind the end; a real file says that it ends, and counts as damaged.
        Err(OpenError::Database(DatabaseError::Storage(StorageError::Io(error)))) if error.kind() == ErrorKind::InvalidInput => {
            None
        }
        Err(error) => panic!("neither whole nor damaged: {error}"),
    }
}

/// A database's bytes, which outlive it.
#[derive(Debug, Default)]
struct Disk(Arc<InMemoryBackend>);

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.0.write(offset, data)
    }
}

/// The file after each of these batches of routers, known or gone, as a router leaves it that is killed then, and last as one that
/// ends in order.
#[must_use]
pub fn database(batches: &[Vec<(RouterHash, Option<Bytes>)>]) -> Vec<Vec<u8>> {
    let disk = Disk::default();
    let bytes = Arc::clone(&disk.0);
    let copy = || {
        let mut copy = vec![0; usize::try_from(bytes.len().expect("a length")).expect("it is in memory")];
        bytes.read(0, &mut copy).expect("it is in memory");
        copy
    };
    let database = redb::Builder::new().create_with_backend(disk).expect("a database");
    let mut states: Vec<Vec<u8>> = Vec::new();
    let record = |(hash, bytes): &(RouterHash, Option<Bytes>)| match bytes {
        Some(bytes) => Record::Router { hash: *hash, bytes: bytes.clone() },
        None => Record::RouterGone { hash: *hash },
    };
    for batch in batches {
        let batch: Vec<Record> = batch.iter().map(record).collect();
        records::write(&database, batch.iter()).expect("a batch");
        states.push(copy());
    }
    drop(database);
    states.push(copy());
    states
}
