//! The loopback interface of this network namespace, as `ip link` and `ip route` would set it.

use std::fs::File;
use std::io::{Read, Result, Write};

use nix::libc::{
    IFF_UP, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, RT_SCOPE_HOST, RT_TABLE_LOCAL, RTA_OIF, RTM_NEWLINK, RTM_NEWROUTE, RTN_LOCAL,
    RTPROT_BOOT,
};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// The index of `lo` in each network namespace.
const INDEX: u32 = 1;

/// The kernel's end of rtnetlink (see `man 7 rtnetlink`).
pub(crate) struct Loopback(File);

impl Loopback {
    /// A thread can be in another network than the rest of its process.
    pub(crate) fn of_this_thread() -> Self {
        let kernel = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), SockProtocol::NetlinkRoute);
        Self(File::from(kernel.unwrap()))
    }

    /// Switches it on.
    pub(crate) fn up(&mut self) -> Result<()> {
        let up = u32::try_from(IFF_UP).unwrap();
        // ifinfomsg: family, type, index, flags, which of the flags are meant.
        self.ask(RTM_NEWLINK, 0, &[[0; 4], INDEX.to_ne_bytes(), up.to_ne_bytes(), up.to_ne_bytes()].concat())
    }

    /// Makes all addresses of the family those of this machine.
    pub(crate) fn take_all(&mut self, family: AddressFamily) -> Result<()> {
        let family = u8::try_from(family as i32).unwrap();
        // rtmsg: family, lengths of destination and source, type of service, table, who made it, scope, type; flags.
        let route = [family, 0, 0, 0, RT_TABLE_LOCAL, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL, 0, 0, 0, 0];
        let interface = [&8_u16.to_ne_bytes()[..], &RTA_OIF.to_ne_bytes(), &INDEX.to_ne_bytes()].concat();
        self.ask(RTM_NEWROUTE, NLM_F_CREATE, &[&route[..], &interface].concat())
    }

    /// Sends one message and waits for its acknowledgement.
    fn ask(&mut self, kind: u16, flags: i32, body: &[u8]) -> Result<()> {
        let len = u32::try_from(16 + body.len()).unwrap();
        let flags = u16::try_from(flags | NLM_F_REQUEST | NLM_F_ACK).unwrap();
        // nlmsghdr: length, type, flags, sequence number, sender.
        let header = [&len.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat();
        self.0.write_all(&[header, body.to_vec()].concat())?;
        let mut answer = [0; 4096];
        let len = self.0.read(&mut answer)?;
        // After the header of the answer comes its error, negative, or 0.
        match i32::from_ne_bytes(*answer[..len].get(16..20).unwrap().as_array().unwrap()) {
            0 => Ok(()),
            error => Err(std::io::Error::from_raw_os_error(-error)),
        }
    }
}
