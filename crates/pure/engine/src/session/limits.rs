//! Limits and times of one identity's sessions.

use std::time::Duration;

/// Sizes that tests make small. Drop policies stand with the tables.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Sessions in all, of any state. Newcomers make room first: see [`crate::newcomers`] and `Session::worth`.
    pub(crate) sessions: usize,
    /// New sessions of ours that wait for a reply, in all.
    pub(crate) pending: usize,
    /// The same to one peer. Above it `encrypt` refuses unless the oldest is past [`PENDING_PATIENCE`].
    pub(crate) pending_per_peer: usize,
    /// Tags in the table. From half of it on, windows stay as small as the first one, so that busy sessions leave room for others.
    pub(crate) tags: usize,
    /// Ephemeral keys in the replay filter: more than a core can answer in the filter's time is not useful.
    pub(crate) replay: usize,
    /// Look-ahead of a session's first tag set; grows by the message number to `window`, so that a flight as large as all before it
    /// may be lost.
    pub(crate) first_window: u16,
    /// Look-ahead of later sets, and how far behind the newest message late ones are still taken. A session has at most three
    /// receive sets, so at most six times this many tags, and the tags of its replies.
    pub(crate) window: u16,
    /// Messages sent with one tag set before a DH ratchet step is begun. Java's 4096; i2pd's 8192.
    pub(crate) ratchet_after: u16,
    /// Steps that a peer has us make in one session are this far apart: each costs key agreements and a window of tags. One that comes
    /// sooner isn't answered yet, and is offered again with the next message.
    pub(crate) step_spacing: Duration,
    /// A new session from a peer replaces one that heard nothing for this long, however young. Java and i2pd look at the age alone.
    pub(crate) replace_silence: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sessions: 4096,
            pending: 256,
            pending_per_peer: 6,
            tags: 327_680,
            replay: 16_384,
            first_window: 24,
            window: 800,
            ratchet_after: 4096,
            step_spacing: Duration::from_secs(1),
            replace_silence: Duration::from_secs(15),
        }
    }
}

/// Sessions of any state with one peer; the least useful one makes room.
pub(super) const MAX_SESSIONS_PER_PEER: usize = 10;
/// Look-ahead of reply tags; Java's and i2pd's too.
pub(super) const REPLY_WINDOW: u16 = 12;
/// Replies to one new session; above it, and after [`REPLY_TIME`], we begin a session of our own.
pub(super) const MAX_REPLIES: u16 = 64;
/// How long we reply without hearing more.
pub(super) const REPLY_TIME: Duration = Duration::from_secs(60);
/// A new session of ours is forgotten when no reply came for this long.
pub(super) const PENDING_LIFETIME: Duration = Duration::from_secs(180);
/// A pending new session older than this makes room for another.
pub(super) const PENDING_PATIENCE: Duration = Duration::from_secs(10);
/// We stop sending in a session that heard nothing for this long.
pub(super) const SEND_LIFETIME: Duration = Duration::from_secs(480);
/// A session is forgotten when it heard nothing for this long.
pub(super) const RECEIVE_LIFETIME: Duration = Duration::from_secs(600);
/// A session that heard nothing for this long and is older than [`RESTART_AGE`] is begun anew.
pub(super) const RESTART_SILENCE: Duration = Duration::from_secs(90);
/// See [`RESTART_SILENCE`].
pub(super) const RESTART_AGE: Duration = Duration::from_secs(120);
/// A session that is still heard when it is so old has shown that its peer is no passer-by.
pub(super) const SETTLED_AGE: Duration = Duration::from_secs(60);
/// A replaced session that is still heard after this long wasn't replaced for the peer.
pub(super) const REPLACE_GRACE: Duration = Duration::from_secs(20);
/// Sessions begun by both sides within this time of each other were begun unaware of each other.
pub(super) const SIMULTANEOUS: Duration = Duration::from_secs(30);
/// An acknowledgement, key or reply waits this long for a message that can carry it.
pub(super) const ANSWER_DELAY: Duration = Duration::from_secs(1);
/// How often the owner is asked to send one.
pub(super) const ANSWER_TRIES: u8 = 3;
/// We ask for an acknowledgement at least this often, in messages, to know that the peer's window of tags keeps up with us.
pub(super) const ASK_EVERY: u16 = 16;
/// The same when [`SURE_WINDOW`] messages went out since the last one that was acknowledged.
pub(super) const ASK_IN_DOUBT: u16 = 4;
/// Tags that every peer is ready for beyond the newest one it saw (i2pd's first window; Java and we have more). When so many
/// messages in a row are lost, it may have none of those to come, and nothing that is sent in the session arrives any more.
pub(super) const SURE_WINDOW: u16 = 24;
/// Messages of which none is known to have arrived, at most, while the session is young: both i2pd and Java refuse to replace it then.
/// Three quarters of the smallest full window (Java 320, i2pd and ours 800), as retransmissions need some too.
pub(super) const MOST_UNCONFIRMED_YOUNG: u16 = 240;
/// The same for an older session.
pub(super) const MOST_UNCONFIRMED: u16 = 600;
/// Messages of a peer without any of the acknowledgements that we asked for: it doesn't send them, as the protocol allows.
pub(super) const NEVER_ACKS: u16 = 16;
/// An acknowledgement that doesn't come for this long, [`SURE_WINDOW`] messages after the last one that did: the session is outrun.
pub(super) const ACK_PATIENCE: Duration = Duration::from_secs(10);
/// The same for a peer who has acknowledged nothing yet and isn't heard.
pub(super) const NO_ACK_PATIENCE: Duration = Duration::from_secs(20);
/// How far in the past a new session's date may lie.
pub(super) const CLOCK_BEHIND: Duration = Duration::from_secs(5 * 60);
/// How far in the future: Java writes the message's expiration there.
pub(super) const CLOCK_AHEAD: Duration = Duration::from_secs(2 * 60);
/// Cloves of one message, in bytes: an I2NP message is at most 64 KiB less its headers.
pub(super) const MAX_PAYLOAD: usize = 61_440;
