//! Messages of a hostile peer, who can seal what isn't blocks. Only for the fuzz targets.

use ramson_crypto::aead;
use ramson_crypto::x25519::PublicKey;
use ramson_wire::Now;

use super::{Sealed, SessionError, SessionId, Sessions, Way, finish_body, start_body};

impl Sessions {
    /// As [`Sessions::encrypt`], with any payload.
    pub(crate) fn encrypt_raw(&mut self, now: Now, to: &PublicKey, payload: &[u8]) -> Result<Sealed, SessionError> {
        match self.way(now, to) {
            Way::Existing(id) => self.write_existing(id, payload),
            Way::Reply(id) => self.write_reply(now, id, payload),
            Way::New => {
                self.make_room_for_pending(now.tick, to)?;
                self.write_new(now, to, payload, false)
            }
        }
    }

    fn write_existing(&mut self, id: SessionId, payload: &[u8]) -> Result<Sealed, SessionError> {
        let link = self.sessions.get_mut(&id).and_then(|session| session.link.as_mut()).ok_or(SessionError::UnknownTag)?;
        let (number, tag, key) = link.send.take().ok_or(SessionError::UnknownTag)?;
        let mut body = start_body();
        body.extend_from_slice(&tag.0);
        let at = body.len();
        body.extend_from_slice(payload);
        aead::Key::new(&key).seal_from(aead::nonce(u64::from(number)), &tag.0, &mut body, at);
        self.schedule(id);
        Ok(Sealed { body: finish_body(body), new_session: false, full: false, ack: None })
    }
}
