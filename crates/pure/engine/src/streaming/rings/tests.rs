use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn first_write_is_news_once() {
    let rings = StreamRings::new();
    assert!(!rings.take_notify());
    assert_eq!(rings.try_write(b"abc"), Poll::Ready(Ok(3)));
    assert!(rings.take_notify());
    assert!(!rings.take_notify());
    assert_eq!(rings.try_write(b"de"), Poll::Ready(Ok(2)));
    assert!(!rings.take_notify(), "the engine has been told already");
    assert_eq!(rings.pull().to_send, 5);
    let mut out = Vec::new();
    assert_eq!(rings.take(4, 1, &mut out), (4, 1));
    assert_eq!(rings.try_write(b"f"), Poll::Ready(Ok(1)));
    assert!(!rings.take_notify(), "the engine left bytes and knows of them");
    assert_eq!(rings.take(9, 1, &mut out), (2, 0));
    assert_eq!(out, b"abcdef");
    assert_eq!(rings.try_write(b"g"), Poll::Ready(Ok(1)));
    assert!(rings.take_notify());
}

#[test]
fn full_ring_wakes_the_writer_when_taken_from() {
    let rings = StreamRings::new();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    let data = vec![7; SEND_RING_BYTES + 1];
    assert_eq!(rings.poll_write(&mut cx, &data), Poll::Ready(Ok(SEND_RING_BYTES)));
    assert_eq!(rings.poll_write(&mut cx, &data), Poll::Pending);
    rings.take(1, 1, &mut Vec::new());
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(rings.try_write(&data), Poll::Ready(Ok(1)));
}

#[test]
fn reader_sees_data_then_end_then_stays_at_end() {
    let rings = StreamRings::new();
    let mut buf = [0; 8];
    assert_eq!(rings.try_read(&mut buf), Poll::Pending);
    assert!(rings.deliver(b"xyz"));
    rings.set_end_of_data();
    rings.set_closed(CloseReason::Finished);
    assert_eq!(rings.try_read(&mut buf), Poll::Ready(Ok(3)));
    assert_eq!(&buf[..3], b"xyz");
    assert_eq!(rings.try_read(&mut buf), Poll::Ready(Ok(0)));
    assert_eq!(rings.try_write(b"a"), Poll::Ready(Err(CloseReason::Finished)));
}

#[test]
fn reader_sees_a_reset_after_the_data_before_it() {
    let rings = StreamRings::new();
    assert!(rings.deliver(b"x"));
    rings.set_closed(CloseReason::Reset);
    let mut buf = [0; 8];
    assert_eq!(rings.try_read(&mut buf), Poll::Ready(Ok(1)));
    assert_eq!(rings.try_read(&mut buf), Poll::Ready(Err(CloseReason::Reset)));
}

#[test]
fn drained_reader_is_news_only_when_choked() {
    let rings = StreamRings::new();
    let mut buf = vec![0; RECEIVE_RING_BYTES];
    assert!(rings.deliver(&vec![1; CHOKE_FILL]));
    assert!(!rings.deliver(&vec![1; RECEIVE_RING_BYTES]), "never more than the ring holds");
    assert!(rings.watch_reader(true));
    assert_eq!(rings.try_read(&mut buf[..1000]), Poll::Ready(Ok(1000)));
    assert!(!rings.take_notify());
    assert_eq!(rings.try_read(&mut buf), Poll::Ready(Ok(CHOKE_FILL - 1000)));
    assert!(rings.take_notify());
    assert!(!rings.watch_reader(true), "already drained");
}

#[test]
fn wrapped_ring_keeps_order() {
    let rings = StreamRings::new();
    let mut expected = 0u8;
    let mut next = 0u8;
    for round in 0..400usize {
        let chunk: Vec<u8> = (0..round * 3 % 700)
            .map(|_| {
                next = next.wrapping_add(1);
                next
            })
            .collect();
        assert!(rings.deliver(&chunk));
        let mut buf = vec![0; round * 5 % 800];
        if let Poll::Ready(Ok(count)) = rings.try_read(&mut buf) {
            for byte in &buf[..count] {
                expected = expected.wrapping_add(1);
                assert_eq!(*byte, expected);
            }
        }
    }
}
