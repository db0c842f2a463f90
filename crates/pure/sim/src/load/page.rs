//! Pages that both ends can make, piece by piece: random, with a mark again and again.

use ramson_crypto::rng::SeededRng;
use ramson_crypto::{Rng, sha256};

use crate::oracle::clear_text::MARK;

/// Each block begins with the mark; the rest can't be compressed.
const BLOCK: usize = 512;

/// A page of some size, made as it is sent or expected.
pub(super) struct Page {
    rng: SeededRng,
    /// Made and not taken.
    block: Vec<u8>,
    taken: usize,
    left: u64,
}

impl Page {
    pub(super) fn new(number: u64, size: u64) -> Self {
        Self { rng: SeededRng::new(sha256(&number.to_be_bytes())), block: Vec::new(), taken: 0, left: size }
    }

    /// Bytes to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// Appends up to `most` bytes; fewer only at the end.
    pub(super) fn next_piece(&mut self, most: usize, piece: &mut Vec<u8>) {
        let mut wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        self.left -= u64::try_from(wanted).unwrap_or(0);
        while wanted > 0 {
            if self.taken == self.block.len() {
                self.block.clear();
                self.block.extend_from_slice(MARK);
                self.block.resize(BLOCK, 0);
                self.rng.fill_bytes(self.block.get_mut(MARK.len()..).unwrap_or_default());
                self.taken = 0;
            }
            let rest = self.block.get(self.taken..).unwrap_or_default();
            let take = rest.get(..wanted.min(rest.len())).unwrap_or_default();
            piece.extend_from_slice(take);
            self.taken += take.len();
            wanted -= take.len();
        }
    }
}

/// A request for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) number: u64,
    pub(super) size: u64,
    /// Bytes sent with it.
    pub(super) upload: u64,
}

impl Ask {
    /// With the mark: it goes out in the first message, before there is a session.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let Self { number, size, upload } = self;
        let head = format!("POST /{number}/{size}/{upload} HTTP/1.1\r\nHost: site.i2p\r\nCookie: ");
        [head.as_bytes(), MARK, b"\r\n\r\n"].concat()
    }

    pub(super) fn from_bytes(request: &[u8]) -> Option<Self> {
        let line = request.split(|byte| *byte == b'\r').next()?;
        let text = std::str::from_utf8(line).ok()?;
        let mut parts = text.split(['/', ' ']).skip(2).map(str::parse);
        Some(Self { number: parts.next()?.ok()?, size: parts.next()?.ok()?, upload: parts.next()?.ok()? })
    }

    /// What is sent with it: nothing that is sent elsewhere.
    pub(super) fn uploaded(self) -> Page {
        Page::new(!self.number, self.upload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_same_in_any_pieces() {
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        Page::new(3, 2_000).next_piece(5_000, &mut whole);
        let mut page = Page::new(3, 2_000);
        while page.left() > 0 {
            page.next_piece(77, &mut parts);
        }
        assert_eq!(whole, parts);
        assert_eq!(whole.len(), 2_000);
        assert!(whole.starts_with(MARK) && whole[BLOCK..].starts_with(MARK));
        let mut other = Vec::new();
        Page::new(4, 2_000).next_piece(5_000, &mut other);
        assert_ne!(whole, other);
    }

    #[test]
    fn requests_say_what_they_ask_for() {
        let ask = Ask { number: 7, size: 1_000, upload: 50 };
        assert_eq!(Ask::from_bytes(&ask.to_bytes()), Some(ask));
        assert!(memchr::memmem::find(&ask.to_bytes(), MARK).is_some());
        assert_eq!(Ask::from_bytes(b"GET / HTTP/1.1\r\n\r\n"), None);
    }
}
