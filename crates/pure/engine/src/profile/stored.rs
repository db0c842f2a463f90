//! A profile on disk.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::sha256;
use ramson_wire::{Date, DecodeError, Now, Reader, RouterHash, Tick, Writer};

use super::{Counts, Profile, half_lives};

const VERSION: u8 = 1;
const CHECK_LEN: usize = 4;
/// What was written so long ago is forgotten: its counts are nothing by now.
const KEEP: Duration = Duration::from_secs(28 * 86_400);

/// version 1 · date 8 · agreed, declined, silent, lossy, speed, latency 4 each · failing since 8, or 0 · check 4 (SHA-256 of the
/// router's hash and all before it: disks tear).
pub(super) fn encode(now: Now, router: &RouterHash, profile: &Profile) -> Bytes {
    let counts = profile.counts(now.tick);
    let mut w = Writer::new();
    w.u8(VERSION);
    w.u64(now.date.0);
    for count in [counts.agreed, counts.declined, counts.silent, counts.lossy, counts.speed, profile.latency_ms] {
        w.u32(count);
    }
    w.u64(profile.failing_since.map_or(0, |date| date.0));
    let check = check(router, w.as_slice());
    w.bytes(&check);
    w.into_vec().into()
}

/// `None` if it is damaged, of another version, or too old.
pub(super) fn decode(now: Now, router: &RouterHash, bytes: &[u8]) -> Option<Profile> {
    let (body, sum) = bytes.split_last_chunk::<CHECK_LEN>()?;
    if *sum != check(router, body) {
        return None;
    }
    let (written, mut profile) = read(body).ok()?;
    let age = now.date.saturating_since(written);
    if age > KEEP {
        return None;
    }
    profile.counts = profile.counts.halved(half_lives(age));
    profile.halved = now.tick;
    Some(profile)
}

fn read(body: &[u8]) -> Result<(Date, Profile), DecodeError> {
    let mut r = Reader::new(body);
    if r.u8("version")? != VERSION {
        return Err(r.error(ramson_wire::DecodeErrorKind::Unsupported, "version"));
    }
    let written = Date(r.u64("date")?);
    let counts = Counts {
        agreed: r.u32("agreed")?,
        declined: r.u32("declined")?,
        silent: r.u32("silent")?,
        lossy: r.u32("lossy")?,
        speed: r.u32("speed")?,
    };
    let latency_ms = r.u32("latency")?;
    let failing = r.u64("failing since")?;
    r.finish()?;
    let failing_since = (failing > 0).then_some(Date(failing));
    Ok((written, Profile { counts, latency_ms, failing_since, touched: Tick(0), ..Profile::default() }))
}

fn check(router: &RouterHash, body: &[u8]) -> [u8; CHECK_LEN] {
    let [a, b, c, d, ..] = sha256(&[router.0.as_slice(), body].concat());
    [a, b, c, d]
}
