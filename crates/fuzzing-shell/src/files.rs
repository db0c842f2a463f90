//! Files that a router finds when it starts: its keys, bundles of routers, and the database of those that it knew.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::OnceLock;

use bytes::Bytes;
use ramson_crypto::sha256;
use ramson_fuzzing::ops::Ops;
use ramson_fuzzing::seeds::routers::router;
use ramson_router::fuzz::{self, KeyFile, MAX_ROUTER_INFO, MAX_ROUTERS};
use ramson_wire::{Codec, RouterHash, SigningPublicKey};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Target: a router's key file; with an odd first byte, its checksum is made to match.
pub fn router_keys(data: &[u8]) {
    router_keys_with(data, KeyFile::read);
}

/// The target with another reader.
pub fn router_keys_with(data: &[u8], read: impl Fn(&[u8]) -> Result<KeyFile, &'static str>) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut file = rest.to_vec();
    if how % 2 == 1 {
        file.extend_from_slice(&sha256(rest));
    }
    match read(&file) {
        Ok(keys) => {
            assert_eq!(keys.written, file, "another file comes back");
            assert_eq!(keys.identity.hash().0, sha256(&keys.identity.to_bytes()), "another hash");
            assert!(*keys.identity.signing_key() == SigningPublicKey::Ed25519(keys.signing), "it signs for somebody else");
            assert_eq!(keys.identity.encryption_key(), keys.encryption, "it can't read what comes");
        }
        Err(problem) => assert!(problem.starts_with("it"), "{problem:?} is no half of a sentence"),
    }
}

/// Target: a zip file of RouterInfos.
pub fn reseed(data: &[u8]) {
    reseed_with(data, fuzz::bundle);
}

/// The target with another reader.
pub fn reseed_with(data: &[u8], read: impl Fn(&[u8]) -> Result<Vec<Bytes>, String>) {
    match read(data) {
        Ok(routers) => {
            assert!(routers.len() <= MAX_ROUTERS, "{} routers", routers.len());
            assert!(routers.iter().all(|router| router.len() as u64 <= MAX_ROUTER_INFO), "a long one");
            for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
                assert_eq!(read(&bundle(&routers, method)).as_ref(), Ok(&routers), "other routers come back");
            }
        }
        Err(problem) => assert!(!problem.trim().is_empty(), "nothing is told"),
    }
}

/// A zip file of these RouterInfos, with another file between them.
#[must_use]
pub fn bundle(routers: &[Bytes], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    let named = routers.iter().enumerate().map(|(at, router)| (format!("routerInfo-{at:05}=.dat"), router));
    for (name, content) in named.chain([("readme.txt".to_owned(), &Bytes::from_static(b"not one"))]) {
        archive.start_file(name, options).expect("a file");
        archive.write_all(content).expect("its content");
    }
    archive.finish().expect("an archive").into_inner()
}

/// What a database of known routers may hold.
type Known = BTreeMap<RouterHash, Bytes>;

/// A database, and what was in it after each batch; nothing at first.
struct Stored {
    states: Vec<Known>,
    files: Vec<Vec<u8>>,
}

fn stored() -> &'static Stored {
    static STORED: OnceLock<Stored> = OnceLock::new();
    STORED.get_or_init(|| {
        let of = |number: u8| {
            let info = &router(number).info;
            (info.hash(), Some(info.bytes().clone()))
        };
        let batches = [(0..3).map(of).collect(), vec![(router(1).info.hash(), None), of(3)], (4..40).map(of).collect::<Vec<_>>()];
        let mut states = vec![Known::new()];
        for batch in &batches {
            let mut known = states.last().cloned().unwrap_or_default();
            for (hash, bytes) in batch {
                match bytes {
                    Some(bytes) => known.insert(*hash, bytes.clone()),
                    None => known.remove(hash),
                };
            }
            states.push(known);
        }
        Stored { states, files: fuzz::database(&batches) }
    })
}

/// Changes of [`known_routers`], by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const FLIP: u8 = 0;
    pub const WRITE: u8 = 1;
    pub const CLEAR: u8 = 2;
    pub const COPY: u8 = 3;
    pub const CUT: u8 = 4;
    pub const OLDER: u8 = 5;
    pub const COUNT: u8 = 6;
}

const PAGE: usize = 4096;

/// Target: the database of known routers, after what a bad disk does to it.
pub fn known_routers(data: &[u8]) {
    known_routers_with(data, fuzz::known_routers);
}

/// The target with another reader.
pub fn known_routers_with(data: &[u8], read: impl Fn(&[u8]) -> Option<Vec<(RouterHash, Bytes)>>) {
    let stored = stored();
    let mut ops = Ops::new(data);
    let which = usize::from(ops.byte()) % (stored.files.len() + 1);
    // Behind the last one: a file of anything.
    let mut file = stored.files.get(which).cloned().unwrap_or_else(|| ops.long_part().to_vec());
    let mut changes = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| changes < 20) {
        changes += 1;
        change(&mut file, stored, op, &mut ops);
    }
    let Some(routers) = read(&file) else {
        assert!(which >= stored.files.len() || file != stored.files[which], "a whole file isn't read");
        return;
    };
    let count = routers.len();
    let routers: Known = routers.into_iter().collect();
    assert_eq!(routers.len(), count, "one twice");
    assert!(stored.states.contains(&routers), "{count} routers that were never there together");
}

fn change(file: &mut Vec<u8>, stored: &Stored, op: u8, ops: &mut Ops<'_>) {
    let pages = file.len().div_ceil(PAGE).max(1);
    let page = usize::from(ops.number()) % pages;
    let at = page * PAGE;
    match op {
        op::FLIP => {
            let at = at + usize::from(ops.number()) % PAGE;
            let mask = ops.byte();
            if let Some(byte) = file.get_mut(at) {
                *byte ^= mask;
            }
        }
        op::WRITE => {
            let at = at + usize::from(ops.number()) % PAGE;
            file.iter_mut().skip(at).zip(ops.part()).for_each(|(to, from)| *to = *from);
        }
        op::CLEAR => file.iter_mut().skip(at).take(PAGE).for_each(|byte| *byte = 0),
        op::COPY => {
            let from = usize::from(ops.number()) % pages * PAGE;
            let copied: Vec<u8> = file.iter().skip(from).take(PAGE).copied().collect();
            file.iter_mut().skip(at).zip(copied).for_each(|(to, from)| *to = from);
        }
        op::CUT => file.truncate(at + usize::from(ops.number()) % PAGE),
        // What a disk that lies about having written leaves there.
        _ => {
            let older = &stored.files[usize::from(ops.byte()) % stored.files.len()];
            let older = older.iter().skip(at).take(PAGE);
            file.iter_mut().skip(at).zip(older).for_each(|(to, from)| *to = *from);
        }
    }
}
