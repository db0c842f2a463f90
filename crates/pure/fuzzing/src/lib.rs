//! What the fuzz targets run.
//!
//! A target is a function of bytes that panics if something that must hold doesn't: a decoder's value comes back from its
//! encoder, a machine keeps within its limits. `cargo fuzz` finds the bytes; the tests here run the same functions on
//! the corpora and on some thousand changes of them, without looking at coverage, always the same ones.
//!
//! | command | does |
//! |---|---|
//! | `cargo test -p ramson-fuzzing` | the short run; the planted bugs; whether `fuzz/` and this crate agree |
//! | `fuzz/run [TARGET \| all] [SECONDS]` | fuzzes, with the address sanitizer; needs `cargo install cargo-fuzz` |
//! | `fuzz/coverage [TARGET]` | lines reached of what a target aims at, at least 70 %; needs `rustup component add llvm-tools` |
//! | `fuzz/write-corpus` | writes the corpora anew, after a change of [`seeds`] |
//!
//! A new target needs a function, a line in [`TARGETS`], seeds, a planted bug in `tests/planted`, and a file in `fuzz/fuzz_targets`
//! with its entry in `fuzz/Cargo.toml`. Targets of the shells, which a pure crate may not know, are in `ramson-fuzzing-shell`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails by a panic")]

pub mod engine;
pub mod format;
pub mod garlic;
pub mod hostile;
pub mod lane;
pub mod mutate;
pub mod ntcp2;
pub mod ops;
pub mod seeds;
pub mod snapshot;
pub mod streams;
mod targets;
pub mod wire;

pub use targets::{TARGETS, Target};

/// Runs the target of this name on an input.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(data);
}

/// Told of what a machine holds.
type Visit<'a> = &'a mut dyn FnMut(ramson_wire::bounds::Bound);

/// Asserts that nothing is held beyond its limit. A limit of 0 stands for what is drained between two calls.
fn within_bounds(bounds: &mut dyn FnMut(Visit<'_>)) {
    bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{}: {} of {}", bound.name, bound.fill, bound.limit));
}
