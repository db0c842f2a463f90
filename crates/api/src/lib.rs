//! The socket APIs by which programs of any language use the router. So far: SAM 3 with streams.

pub mod sam;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use sam::fuzz;
