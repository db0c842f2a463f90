//! Checks of the repository itself, so that nobody has to argue about them: sizes of files, lints, purity of the pure
//! crates, and dependencies that point down only.
//!
//! Each check is a function over text or plain structs that returns its findings, one line each; empty is good. Every one
//! has a unit test with a planted violation. `tests/repository.rs` runs them over this repository.

pub mod directions;
pub mod documents;
pub mod manifests;
pub mod purity;
pub mod sources;
pub mod tree;
