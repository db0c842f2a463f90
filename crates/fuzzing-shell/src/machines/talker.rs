//! A program that talks to a machine: a browser, or a local server.

use super::Border;
use super::pipe::{Ending, Program};

/// A program with one connection.
pub(crate) struct Talker {
    pub(crate) program: Program,
    /// Kept back.
    outbox: Vec<u8>,
    pub(crate) sent: Vec<u8>,
    pub(crate) got: Vec<u8>,
    pub(crate) reading: bool,
    /// It closed its side, or all of it, or broke it.
    pub(crate) left: bool,
    /// It reads no more.
    pub(crate) gone: bool,
    /// It broke it before it closed its side.
    pub(crate) broke: bool,
}

impl Talker {
    pub(crate) fn new(program: Program) -> Self {
        Self {
            program,
            outbox: Vec::new(),
            sent: Vec::new(),
            got: Vec::new(),
            reading: true,
            left: false,
            gone: false,
            broke: false,
        }
    }

    /// Says all of it, or only so many bytes for now.
    pub(crate) fn say(&mut self, bytes: &[u8], only: u8) {
        self.outbox.extend_from_slice(bytes);
        self.send(if only < 128 { usize::MAX } else { usize::from(only - 127) });
    }

    pub(crate) fn send(&mut self, len: usize) {
        let piece: Vec<u8> = self.outbox.drain(..len.min(self.outbox.len())).collect();
        if self.program.send(&piece) {
            self.sent.extend(piece);
        }
    }

    /// Leaves, in one way or another, or turns its reading on or off, or sends what it kept back.
    pub(crate) fn act(&mut self, how: u8) {
        match how % 8 {
            0 => self.program.half_close(),
            1 | 2 => self.program.close(),
            3 => self.program.reset(),
            4 | 5 => self.reading = !self.reading,
            _ => self.send(usize::from(how)),
        }
        self.broke |= how % 8 == 3 && !self.left;
        self.left |= how % 8 < 4;
        self.gone |= (1..4).contains(&(how % 8));
    }

    /// Reads what came, if it does.
    pub(crate) fn read(&mut self, border: &mut impl Border) -> bool {
        if !self.reading || self.gone {
            return false;
        }
        let came = self.program.read();
        let moved = !came.is_empty();
        self.got.extend(border.to_program(came));
        moved
    }

    /// It takes what it got for all that was to come.
    pub(crate) fn sees_end(&self, border: &mut impl Border) -> bool {
        let plain = self.reading && !self.gone && self.program.ended();
        let aborted = self.program.ending() == Some(Ending::Aborted);
        plain && border.ending(Ending::Closed) == Ending::Closed || aborted && border.ending(Ending::Aborted) == Ending::Closed
    }
}
