use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::testing::watched_folder;
use bytes::Bytes;
use ramson_crypto::Rng;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::RouterHash;

fn router(number: u8) -> Record {
    Record::Router { hash: RouterHash([number; 32]), bytes: Bytes::from(vec![number; 700]) }
}

/// There is nothing to read.
fn nowhere() -> Reseeder {
    Reseeder { sources: Vec::new(), engine: Arc::new(Mailbox::new()) }
}

/// A file with so many routers, written in some batches.
fn written(path: &Path, count: u8) {
    let database = file::open(path).unwrap();
    for number in 0..count {
        records::write(&database, [router(number), router(number / 2)].iter()).unwrap();
    }
}

#[test]
fn routers_outlive_a_restart() {
    let folder = watched_folder();
    let data_dir = Arc::new(DataDir::open(folder.path()).unwrap());
    let path = data_dir.file("netdb.redb");
    let stored = open(&path);
    assert!(stored.found.routers.is_empty());
    let (thread, handle) = StorageThread::new(stored, data_dir, nowhere());
    handle.send_all(&mut vec![router(1), router(2), Record::RouterGone { hash: RouterHash([2; 32]) }]);
    handle.stop();
    thread.run();
    assert_eq!(handle.trouble().get(), None);
    assert_eq!(open(&path).found.routers, [(RouterHash([1; 32]), Bytes::from(vec![1; 700]))]);
}

/// One key in each of them is another thing.
#[test]
fn profiles_and_neighbours_outlive_a_restart() {
    let folder = watched_folder();
    let path = folder.path().join("netdb.redb");
    let value = |byte| Some(Bytes::from(vec![byte; 30]));
    let profile = |byte| Record::Profile { router: RouterHash([1; 32]), value: byte };
    let nearest = |byte| Record::Nearest { set: [1; 32], value: byte };
    let mut writer = Writer::new(open(&path), Trouble::default(), Pace::default());
    [router(1), profile(value(2)), nearest(value(3)), profile(value(4))].into_iter().for_each(|record| writer.add(record));
    writer.write();
    drop(writer);
    let found = open(&path).found;
    assert_eq!(
        (found.routers.len(), found.profiles, found.nearest.len()),
        (1, vec![(RouterHash([1; 32]), value(4).unwrap())], 1)
    );
    let mut writer = Writer::new(open(&path), Trouble::default(), Pace::default());
    [profile(None), nearest(None)].into_iter().for_each(|record| writer.add(record));
    writer.write();
    drop(writer);
    let found = open(&path).found;
    assert_eq!((found.routers.len(), found.profiles.len(), found.nearest.len()), (1, 0, 0));
}

#[test]
fn a_file_that_was_never_finished_is_begun_anew_and_none_is_damaged() {
    let folder = watched_folder();
    let path = folder.path().join("netdb.redb");
    let (new, damaged) = (path.with_extension("redb.new"), path.with_extension("redb.damaged"));
    std::fs::write(&new, [0; 4096]).unwrap();
    std::fs::write(&path, "").unwrap();
    written(&path, 2);
    assert_eq!(open(&path).found.routers.len(), 2);
    assert!(!new.exists() && !damaged.exists());
}

#[test]
fn what_cannot_be_written_waits_and_is_written_later() {
    let folder = watched_folder();
    let missing = folder.path().join("gone");
    let path = missing.join("netdb.redb");
    let short = std::time::Duration::from_millis(10);
    let pace = Pace { first: short, batch: short, retry: short };
    let (mailbox, trouble) = (Arc::new(Mailbox::new()), Trouble::default());
    let mut writer = Writer::new(open(&path), trouble.clone(), pace);
    assert!(trouble.get().unwrap().contains("netdb.redb"), "it is told before anything is to be written");
    let letters = Arc::clone(&mailbox);
    let running = std::thread::spawn(move || writer.run(&letters, || ()));
    let told = |wanted: bool| {
        while trouble.get().is_some() != wanted {
            std::thread::sleep(short);
        }
    };
    mailbox.send(Letter::Record(router(1)));
    std::thread::sleep(short * 5);
    assert!(trouble.get().is_some());
    std::fs::create_dir(&missing).unwrap();
    told(false);
    mailbox.send(Letter::Record(router(2)));
    mailbox.send(Letter::Stop);
    running.join().unwrap();
    let stored: Vec<u8> = open(&path).found.routers.iter().map(|(hash, _)| hash.0[0]).collect();
    assert_eq!(stored, [1, 2]);
}

/// A disk without room.
#[derive(Debug)]
struct Full(redb::backends::InMemoryBackend, Arc<AtomicBool>);

impl Full {
    fn room(&self) -> std::io::Result<()> {
        if self.1.load(Ordering::Relaxed) { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl redb::StorageBackend for Full {
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.room().and_then(|()| self.0.set_len(len))
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.room().and_then(|()| self.0.write(offset, data))
    }
}

#[test]
fn a_disk_that_fills_up_loses_no_router() {
    let folder = watched_folder();
    let path = folder.path().join("netdb.redb");
    let full = Arc::new(AtomicBool::new(false));
    let disk = Full(redb::backends::InMemoryBackend::new(), Arc::clone(&full));
    let database = redb::Builder::new().create_with_backend(disk).unwrap();
    let trouble = Trouble::default();
    let stored = Stored { found: Snapshot::default(), path: path.clone(), database: Ok(database) };
    let pace = Pace { retry: std::time::Duration::ZERO, ..Pace::default() };
    let mut writer = Writer::new(stored, trouble.clone(), pace);
    full.store(true, Ordering::Relaxed);
    for number in [1, 2, 1] {
        writer.add(router(number));
    }
    writer.write();
    let told = trouble.get().unwrap();
    assert!(told.contains("netdb.redb") && told.contains("no storage space"), "{told}");
    // After a failure the file is opened anew; here that is another, with room.
    writer.write();
    assert_eq!(trouble.get(), None);
    drop(writer);
    assert_eq!(open(&path).found.routers.len(), 2);
}

#[test]
fn a_file_that_may_only_be_read_is_read() {
    let folder = watched_folder();
    let path = folder.path().join("netdb.redb");
    written(&path, 3);
    assert_eq!(file::read_copy(&path).unwrap().routers.len(), 3);
    std::fs::write(&path, [0x55; 5000]).unwrap();
    assert!(file::read_copy(&path).is_none());
    assert_eq!(std::fs::read(&path).unwrap(), [0x55; 5000], "it is left alone");
}

#[test]
fn a_torn_file_gives_what_it_has_or_is_moved_aside() {
    tear(60);
}

#[test]
#[ignore = "takes a minute: each file is synced to the disk several times"]
fn many_torn_files_give_what_they_have_or_are_moved_aside() {
    tear(1000);
}

fn tear(rounds: u64) {
    let folder = watched_folder();
    let path = folder.path().join("netdb.redb");
    written(&path, 40);
    let whole = std::fs::read(&path).unwrap();
    let mut rng = SeededRng::new([5; 32]);
    let mut lost = 0_u64;
    for round in 0..rounds {
        let mut torn = whole.clone();
        let len = whole.len() as u64;
        let at = |rng: &mut SeededRng| usize::try_from(rng::between(rng, 0, len - 1)).unwrap();
        match round % 4 {
            0 => torn.truncate(at(&mut rng)),
            // A page of something else, of zeros, or of a few changed bits.
            1 => {
                let page = at(&mut rng) / 4096 * 4096;
                let end = (page + 4096).min(torn.len());
                rng.fill_bytes(&mut torn[page..end]);
            }
            2 => {
                let from = at(&mut rng);
                torn[from..].fill(0);
            }
            _ => {
                for _ in 0..1 + round % 7 {
                    let at = at(&mut rng) % if round % 8 == 3 { 8192 } else { torn.len() };
                    torn[at] ^= 1 << (round % 8);
                }
            }
        }
        std::fs::write(&path, &torn).unwrap();
        let stored = open(&path);
        let database = stored.database.unwrap_or_else(|problem| panic!("round {round}: {problem}"));
        for (hash, bytes) in &stored.found.routers {
            assert_eq!(bytes, &vec![hash.0[0]; 700], "round {round}");
        }
        lost += u64::from(stored.found.routers.is_empty());
        records::write(&database, [router(99)].iter()).unwrap();
        drop(database);
        assert!(open(&path).found.routers.iter().any(|(hash, _)| hash.0[0] == 99), "round {round}");
    }
    assert!((rounds / 8..rounds).contains(&lost), "{lost} of {rounds} files were given up");
    assert!(path.with_extension("redb.damaged").exists());
}
