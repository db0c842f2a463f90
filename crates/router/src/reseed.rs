//! The first routers: a folder or zip file of `routerInfo-*.dat`.

pub(crate) mod archive;

use std::fs::File;
use std::path::{Path, PathBuf};

use archive::{is_router_info, read_archive, read_one};
use bytes::Bytes;

use crate::error::StartError;

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
    use std::io::Write;

    #[test]
    fn a_folder_and_a_zip_give_the_same_routers() {
        let folder = tempfile::tempdir().unwrap();
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
        let folder = tempfile::tempdir().unwrap();
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
