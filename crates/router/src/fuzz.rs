//! A door for the fuzz targets: address books without a file. Behind the feature `fuzzing`.

use ramson_wire::Destination;

use crate::names::Names;

/// The longest host name.
pub const MAX_NAME: usize = crate::names::MAX_NAME;

/// Reads a book; with it comes the number of lines that were skipped.
#[must_use]
pub fn book(text: &str) -> (Names, usize) {
    Names::parse(text)
}

/// What a book holds.
pub fn entries(names: &Names) -> impl Iterator<Item = (&str, &Destination)> {
    names.hosts.iter().map(|(name, destination)| (name.as_str(), destination.as_ref()))
}
