//! A client of the bridge.

use super::World;
use super::transcript::{self, Standing, Transcript};
use crate::machines::Border;
use crate::machines::pipe::Program;

/// How a client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It hasn't.
    No,
    /// It only reads.
    Half,
    /// Altogether.
    Closed,
    /// By a reset.
    Reset,
}

pub(super) struct Client {
    pub(super) program: Program,
    /// Not sent so far.
    outbox: Vec<u8>,
    pub(super) sent: Vec<u8>,
    pub(super) got: Vec<u8>,
    pub(super) reading: bool,
    pub(super) left: Left,
    pub(super) transcript: Transcript,
}

impl Client {
    pub(super) fn new(program: Program) -> Self {
        let transcript = transcript::read(b"", b"");
        Self { program, outbox: Vec::new(), sent: Vec::new(), got: Vec::new(), reading: true, left: Left::No, transcript }
    }

    fn send(&mut self, len: usize) {
        let piece: Vec<u8> = self.outbox.drain(..len.min(self.outbox.len())).collect();
        if self.program.send(&piece) {
            self.sent.extend(piece);
        }
    }

    /// Reads what came, if it does, and looks at it.
    pub(super) fn read(&mut self, border: &mut impl Border) -> bool {
        if !self.reading || matches!(self.left, Left::Closed | Left::Reset) {
            return false;
        }
        let came = self.program.read();
        let moved = !came.is_empty();
        self.got.extend(border.to_program(came));
        moved
    }

    /// Its standing by all that was said.
    pub(super) fn look(&mut self) {
        if !matches!(self.transcript.standing, Standing::Stream(_)) {
            self.transcript = transcript::read(&self.sent, &self.got);
        }
    }
}

impl<B: Border> World<'_, B> {
    fn client_at(&mut self, which: u8) -> Option<&mut Client> {
        let at = usize::from(which).checked_rem(self.clients.len())?;
        self.clients.get_mut(at)
    }

    /// A client says something: all of it, or only so many bytes for now.
    pub(super) fn say(&mut self, which: u8, bytes: &[u8], only: u8) {
        let Some(client) = self.client_at(which) else { return };
        client.outbox.extend_from_slice(bytes);
        let len = if only < 128 { usize::MAX } else { usize::from(only - 127) };
        client.send(len);
    }

    /// A client does something else.
    pub(super) fn client(&mut self, which: u8, how: u8) {
        let Some(client) = self.client_at(which) else { return };
        match how % 8 {
            0 => {
                client.program.half_close();
                client.left = if client.left == Left::No { Left::Half } else { client.left };
            }
            1 | 2 => client.close(),
            3 => client.reset(),
            4 | 5 => client.reading = !client.reading,
            _ => client.send(usize::from(how)),
        }
    }
}

impl Client {
    pub(super) fn close(&mut self) {
        self.program.close();
        self.left = if self.left == Left::Reset { Left::Reset } else { Left::Closed };
    }

    pub(super) fn reset(&mut self) {
        self.program.reset();
        self.left = Left::Reset;
    }
}
