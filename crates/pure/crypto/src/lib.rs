//! Typed keys and the cryptography of I2P.
