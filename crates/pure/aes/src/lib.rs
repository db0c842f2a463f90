//! AES-256 for tunnel layers and transport obfuscation, in batches.
