//! Reading RouterInfos from a zip file, whoever made it.

use std::io::{Read, Seek};
use std::path::Path;

use bytes::Bytes;

/// Larger RouterInfos are refused by every router.
pub(crate) const MAX_ROUTER_INFO: u64 = 4096;
/// Public bundles hold about 100; private ones may be larger.
pub(crate) const MAX_ROUTERS: usize = 10_000;

pub(super) fn is_router_info(name: &str) -> bool {
    name.starts_with("routerInfo-") && Path::new(name).extension().is_some_and(|extension| extension == "dat")
}

/// Reads all RouterInfos of a zip file.
pub(crate) fn read_archive(file: impl Read + Seek, routers: &mut Vec<Bytes>) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(file).map_err(|error| format!("it is neither a folder nor a zip file: {error}"))?;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| error.to_string())?;
        if entry.name().is_ok_and(|name| is_router_info(&name)) {
            read_one(entry, routers)?;
        }
    }
    Ok(())
}

pub(super) fn read_one(file: impl Read, routers: &mut Vec<Bytes>) -> Result<(), String> {
    if routers.len() >= MAX_ROUTERS {
        return Err(format!("it holds more than {MAX_ROUTERS} routers"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_ROUTER_INFO + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 <= MAX_ROUTER_INFO {
        routers.push(Bytes::from(bytes));
    }
    Ok(())
}
