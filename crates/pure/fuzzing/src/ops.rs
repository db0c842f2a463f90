//! Operations on a machine, read from the fuzzer's bytes.

/// Bytes that decide what happens next. Behind the end everything is zero or empty.
pub struct Ops<'a>(&'a [u8]);

impl<'a> Ops<'a> {
    /// Reads from the start.
    pub fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    /// The next operation, if any is left.
    pub fn next_op(&mut self, kinds: u8) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first % kinds)
    }

    /// A small number.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A number.
    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Up to so many bytes.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length, of one byte.
    pub fn part(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte());
        self.take(len)
    }

    /// Bytes behind their length, of two bytes.
    pub fn long_part(&mut self) -> &'a [u8] {
        let len = usize::from(self.number());
        self.take(len)
    }

    /// Changes `bytes` where and as the operation says: pairs of place and mask.
    pub fn change(&mut self, bytes: &mut [u8]) {
        for _ in 0..self.byte() % 4 {
            let (at, mask) = (usize::from(self.number()), self.byte());
            let len = bytes.len();
            if let Some(byte) = at.checked_rem(len).and_then(|at| bytes.get_mut(at)) {
                *byte ^= mask;
            }
        }
    }
}

/// Writes operations: for seeds.
#[derive(Default)]
pub struct Script(pub Vec<u8>);

impl Script {
    /// An operation with its fixed arguments.
    #[must_use]
    pub fn op(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes with a length of one byte.
    #[must_use]
    pub fn part(mut self, bytes: &[u8]) -> Self {
        let len = bytes.len().min(255);
        self.0.push(u8::try_from(len).unwrap_or(0));
        self.0.extend_from_slice(&bytes[..len]);
        self
    }

    /// Bytes with a length of two bytes.
    #[must_use]
    pub fn long_part(mut self, bytes: &[u8]) -> Self {
        let len = bytes.len().min(0xffff);
        self.0.extend_from_slice(&u16::try_from(len).unwrap_or(0).to_be_bytes());
        self.0.extend_from_slice(&bytes[..len]);
        self
    }
}
