//! An I2P router and its applications.

fn main() {}
