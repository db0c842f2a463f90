//! The first routers: a folder or zip file of `routerInfo-*.dat`.

pub(crate) mod archive;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use archive::{is_router_info, read_archive, read_one};
use bytes::Bytes;
use ramson_engine::Command;

use crate::error::StartError;
use crate::mailbox::Mailbox;
use crate::routes::ToEngine;

/// Reads the sources again for an engine that needs more routers.
pub(crate) struct Reseeder {
    pub(crate) sources: Vec<PathBuf>,
    pub(crate) engine: Arc<Mailbox<ToEngine>>,
}

impl Reseeder {
    /// What can't be read now may be there the next time that the engine asks.
    pub(crate) fn reseed(&self) {
        if self.sources.is_empty() {
            return;
        }
        tracing::info!("too few routers are known or none can be reached: those of the reseed are read again");
        match read(&self.sources) {
            Ok(routers) => drop(self.engine.send(ToEngine::Command(Command::Reseed { routers }))),
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

/// Reads all RouterInfos of the sources. They are not verified here.
pub(crate) fn read(sources: &[PathBuf]) -> Result<Vec<Bytes>, StartError> {
    let mut routers = Vec::new();
    for path in sources {
        let result = if path.is_dir() { read_folder(path, &mut routers) } else { read_zip(path, &mut routers) };
        result.map_err(|problem| StartError::Reseed { path: path.clone(), problem })?;
    }
    Ok(routers)
}

fn read_folder(path: &Path, routers: &mut Vec<Bytes>) -> Result<(), String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        if entry.file_name().to_str().is_some_and(is_router_info) {
            names.push(entry.path());
        }
    }
    names.sort();
    for name in names {
        let file = File::open(&name).map_err(|error| error.to_string())?;
        read_one(file, routers)?;
    }
    Ok(())
}

fn read_zip(path: &Path, routers: &mut Vec<Bytes>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    read_archive(file, routers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::watched_folder;
    use std::io::Write;

    #[test]
    fn a_folder_and_a_zip_give_the_same_routers() {
        let folder = watched_folder();
        let netdb = folder.path().join("netDb");
        std::fs::create_dir(&netdb).unwrap();
        let zip_path = folder.path().join("reseed.zip");
        let mut archive = zip::ZipWriter::new(File::create(&zip_path).unwrap());
        for (name, content) in [("routerInfo-a.dat", "one"), ("routerInfo-b.dat", "two"), ("readme.txt", "no")] {
            std::fs::write(netdb.join(name), content).unwrap();
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        let from_folder = read(&[netdb]).unwrap();
        assert_eq!(from_folder, [Bytes::from("one"), Bytes::from("two")]);
        assert_eq!(read(&[zip_path]).unwrap(), from_folder);
    }

    #[test]
    fn an_entry_that_inflates_without_end_is_cut() {
        let folder = watched_folder();
        let path = folder.path().join("bomb.zip");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        archive.start_file("routerInfo-x.dat", zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&vec![0; 10_000_000]).unwrap();
        archive.finish().unwrap();
        assert!(read(&[path]).unwrap().is_empty());
    }

    #[test]
    fn a_missing_source_is_named() {
        let error = read(&[PathBuf::from("/no/such/bundle.zip")]).unwrap_err();
        assert!(error.to_string().contains("/no/such/bundle.zip"));
    }
}
