//! No application byte is in clear where it must not be: what applications send holds a mark again and again, and the mark is looked
//! for in all that passes. What a tunnel's endpoint finds is in no message of its engine; it is made from the keys of all hops.

use memchr::memmem;
use ramson_wire::Tick;

use super::{CLEAR_TEXT, Notes};

/// What applications send holds this again and again, so that it can be recognised wherever it must not be.
pub(crate) const MARK: &[u8; 16] = b"\xa7ramson-payload\xc3";

/// See the module.
pub(crate) struct ClearText(memmem::Finder<'static>);

impl Default for ClearText {
    fn default() -> Self {
        Self(memmem::Finder::new(MARK))
    }
}

impl ClearText {
    /// Looks for the mark.
    pub(crate) fn look(&self, at: Tick, router: usize, bytes: &[u8], place: &str, notes: &mut Notes) {
        if self.0.find(bytes).is_some() {
            notes.violated(at, CLEAR_TEXT, format!("router {router}: application bytes in clear {place}"));
        }
    }
}
