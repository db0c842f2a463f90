//! A deliberately leaking line of each kind fails a test, and an honest one doesn't.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ramson_leaks::{Kind, Watch, Watched, watch_process, watch_thread};
use tracing::Level;

const HASH: [u8; 32] = *b"\xfb\xff\x00\x10\x83\x10\x51\x87\x20\x92\x8b\x30\xd3\x8f\x41\x14\x93\x51\x55\x97\x61\x96\x9b\x71\xd7\x9f\x82\x18\xa3\x92\x59\xa7";

fn leaks_of(log: impl FnOnce()) -> Vec<Kind> {
    let mut watch = watch_thread();
    watch.forbid_hash("a hash", &HASH);
    watch.forbid_bytes("a payload", b"PAYLOAD-MARK");
    log();
    watch.take().into_iter().map(|leak| leak.kind).collect()
}

#[test]
fn a_line_of_each_kind() {
    let (host, destination) = ("secret.i2p", "Az-~".repeat(129));
    let base32 = "7p7qaeedcbibcdefghijklmnopqrstuvwxyz234567abcdefghij";
    assert_eq!(leaks_of(|| tracing::trace!(peer = "192.0.2.1:9", "dialing")), [Kind::Address]);
    assert_eq!(leaks_of(|| tracing::debug!("dialing {}", "[2001:db8::1]:9")), [Kind::Address]);
    assert_eq!(leaks_of(|| tracing::info!(host, "asked")), [Kind::Host]);
    assert_eq!(leaks_of(|| tracing::warn!(%destination)), [Kind::Base64]);
    assert_eq!(leaks_of(|| tracing::error!("to {base32}")), [Kind::Base32, Kind::Forbidden("a hash")]);
    assert_eq!(leaks_of(|| tracing::trace!(hash = ?HASH)), [Kind::Bytes, Kind::Forbidden("a hash")]);
    assert_eq!(leaks_of(|| tracing::trace!("fbff0010831051872092")), [Kind::Forbidden("a hash")], "a part tells as much");
    assert_eq!(leaks_of(|| tracing::trace!("{}", "0f".repeat(32))), [Kind::Hex]);
    assert_eq!(leaks_of(|| tracing::trace!(body = "xPAYLOAD-MARKx")), [Kind::Forbidden("a payload")]);
    assert_eq!(leaks_of(|| tracing::trace!(body = ?b"PAYLOAD-MARK")), [Kind::Bytes, Kind::Forbidden("a payload")]);
}

#[test]
fn a_span_leaks_as_an_event_does() {
    assert_eq!(leaks_of(|| drop(tracing::trace_span!("session", peer = "192.0.2.1:9"))), [Kind::Address]);
    let late = || {
        let span = tracing::trace_span!("session", peer = tracing::field::Empty);
        span.record("peer", "192.0.2.1:9");
    };
    assert_eq!(leaks_of(late), [Kind::Address]);
}

#[test]
fn honest_lines_pass_and_are_heard() {
    let watch = watch_thread();
    tracing::trace!(conn = 17, size = 1028, "a message of kind TunnelData");
    tracing::info!("no other router is known");
    assert!(watch.heard("each_kind", Level::TRACE) && watch.heard("each_kind", Level::INFO));
    assert!(!watch.heard("each_kind", Level::WARN) && !watch.heard("other", Level::INFO));
}

#[test]
fn the_end_of_a_watch_fails_its_test() {
    let failed = |log: fn(&Watch)| {
        let watching = || {
            let watch = watch_thread();
            log(&watch);
        };
        catch_unwind(AssertUnwindSafe(watching)).is_err()
    };
    assert!(failed(|_| tracing::trace!("192.0.2.1:9")));
    assert!(failed(|watch| watch.check_text("fine\nINFO ramson: 192.0.2.1:9\n")));
    assert!(!failed(|watch| watch.check_text("fine\n")));
}

#[test]
fn other_threads_are_watched_too() {
    let mut watch = watch_process();
    let thread = std::thread::spawn(|| tracing::trace!("192.0.2.77:9 is dialed"));
    thread.join().unwrap();
    let leaks = watch.take();
    assert!(leaks.iter().any(|leak| leak.part == "192.0.2.77:9"), "{leaks:?}");
    // A later watch begins anew.
    assert_eq!(watch_process().take(), []);
}

#[test]
fn watches_of_one_thread_may_end_in_any_order() {
    let (mut first, mut second) = (watch_thread(), watch_thread());
    tracing::trace!("192.0.2.1:9");
    assert_eq!((first.take().len(), second.take().len()), (1, 1));
    drop(first);
    tracing::trace!("192.0.2.2:9");
    assert_eq!(second.take().len(), 1, "the one that is left still hears");
    second.forbid("a page", "marker");
    drop(second);
    let mut later = watch_thread();
    tracing::trace!("a marker");
    assert_eq!(later.take(), [], "what those of another time forbade");
}

#[test]
fn a_value_is_watched_until_after_its_end() {
    struct Names(&'static str);

    impl Drop for Names {
        fn drop(&mut self) {
            tracing::trace!("{}", self.0);
        }
    }

    let ends = |name: &'static str, end: fn(Watched<Names>)| {
        catch_unwind(AssertUnwindSafe(|| end(watch_thread().over(Names(name))))).is_ok()
    };
    assert!(ends("a router", drop) && ends("a router", |watched| watched.end(drop)));
    assert!(!ends("192.0.2.1:9", drop) && !ends("192.0.2.1:9", |watched| watched.end(drop)));
}
