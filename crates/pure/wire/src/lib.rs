//! Structures and messages of I2P as bytes.
