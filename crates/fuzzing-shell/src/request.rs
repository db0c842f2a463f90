//! Heads of requests, and what of them passes to a site and to a local server.

use ramson_fuzzing::seeds::wire::keys;
use ramson_proxy::fuzz::{MAX_FIELDS, MAX_HEAD, MAX_LINE, Read, Request};
use ramson_wire::{Destination, base64};

use crate::piece;
use crate::strict::Head;

/// What the target aims at. Functions, so that a test can put a fault in one of them.
pub struct Parts {
    /// Writes a head.
    pub write: fn(&Request) -> Vec<u8>,
    /// Makes a request fit for the site that it names.
    pub towards_site: fn(&mut Request) -> Option<(String, String)>,
    /// Makes a request fit for a local server.
    pub towards_server: fn(&mut Request, &Destination),
}

/// As they are.
pub const PARTS: Parts =
    Parts { write: Request::to_bytes, towards_site: Request::towards_site, towards_server: Request::towards_server };

thread_local! {
    static SENDER: Destination = keys().destination().clone();
}

/// Target: heads of requests. The first byte says in what pieces they come.
pub fn request(data: &[u8]) {
    request_with(data, &PARTS);
}

/// The target with some parts replaced.
pub fn request_with(data: &[u8], parts: &Parts) {
    let Some((choice, data)) = data.split_first() else { return };
    let read = Request::read(data, piece(*choice, data.len()));
    let at_once = Request::read(data, usize::MAX);
    assert_eq!(read.as_ref().map(|read| &read.head), at_once.as_ref().map(|read| &read.head), "pieces make a difference");
    let Some(read) = read else { return };
    let request = &read.head;
    let written = (parts.write)(request);
    check_read(&read, data, &written);
    if fits(&written) {
        let again = Request::read(&written, usize::MAX).expect("what was written can be read");
        assert_eq!(&again.head, request, "another request comes back");
        assert_eq!(again.beyond.len(), 0);
    }
    let original = Head::of(&written);
    assert!(original.start.split(' ').count() == 3 && !original.start.contains('\t'), "{:?}", original.start);
    let mut sent = request.clone();
    if let Some((host, path)) = (parts.towards_site)(&mut sent) {
        check_site(request, &original, &(parts.write)(&sent), &host, &path);
    }
    let mut sent = request.clone();
    SENDER.with(|from| {
        (parts.towards_server)(&mut sent, from);
        check_server(request, &original, &(parts.write)(&sent), from);
    });
}

/// What holds of a head however it came.
pub(crate) fn check_read<H>(read: &Read<H>, data: &[u8], written: &[u8]) {
    let len = read.taken - read.beyond.len();
    assert_eq!(data.get(len..read.taken), Some(read.beyond.as_slice()), "what is beyond a head is another's");
    assert!(len <= MAX_HEAD && read.taken <= 2 * MAX_HEAD, "{len} bytes of a head, {} taken", read.taken);
    let head = Head::of(written);
    assert!(head.fields.len() <= MAX_FIELDS && head.rest.is_empty());
    // Grows where an end of line was short, or a space missing.
    assert!(written.len() <= len + 16 + 2 * (head.fields.len() + 2), "{len} bytes became {}", written.len());
}

/// A written head keeps within the limits of one that is read.
pub(crate) fn fits(written: &[u8]) -> bool {
    written.len() <= MAX_HEAD && written.split(|byte| *byte == b'\n').all(|line| line.len() <= MAX_LINE)
}

/// Fields that a filter sets or that frame the body: they stand whatever `Connection` says.
const FIXED: &[&str] = &["connection", "upgrade", "host", "user-agent", "content-length", "transfer-encoding"];

/// No field about one connection but those of ours.
pub(crate) fn no_hop_by_hop(head: &Head<'_>, original: &Head<'_>) {
    let nominated = original.nominated();
    for (name, _) in &head.fields {
        let about_one = matches!(name.as_str(), "keep-alive" | "te" | "trailer") || name.starts_with("proxy-");
        assert!(!about_one, "{name} goes beyond its connection");
        let ours = FIXED.contains(&name.as_str()) || name.starts_with("x-i2p-dest");
        assert!(ours || !nominated.contains(name), "{name} is named by Connection and passes");
    }
}

/// One `Connection`, which closes or asks for what the browser asked for.
fn connection(head: &Head<'_>, request: &Request) {
    let upgrade = head.all("upgrade");
    let asks = request.wants_upgrade();
    assert_eq!(head.all("connection"), [if asks { &b"upgrade"[..] } else { b"close" }]);
    assert_eq!(upgrade.len(), usize::from(asks));
}

/// The body still ends where it was seen to end.
fn same_body(request: &Request, written: &[u8]) {
    if request.body().is_some() && fits(written) && Head::of(written).fields.len() <= MAX_FIELDS {
        let again = Request::read(written, usize::MAX).expect("what was written can be read");
        assert_eq!(again.head.body(), request.body(), "another end of the body");
    }
}

pub(crate) fn check_site(request: &Request, original: &Head<'_>, written: &[u8], host: &str, path: &str) {
    let head = Head::of(written);
    let method = original.start.split(' ').next().unwrap_or_default();
    assert_eq!(head.start, format!("{method} {path} HTTP/1.1"));
    assert!(path.starts_with('/') && !path.contains(['#', ' ']), "{path:?}");
    assert!(host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-~=:".contains(&byte)), "{host:?}");
    assert_eq!(head.all("host"), [host.as_bytes()]);
    assert_eq!(head.all("user-agent"), [&b"MYOB/6.66 (AN/ON)"[..]]);
    connection(&head, request);
    no_hop_by_hop(&head, original);
    for (name, value) in &head.fields {
        let tells = ["via", "from", "forwarded", "dnt", "x-requested-with", "x-real-ip", "sec-gpc"].contains(&name.as_str());
        let family = ["x-forwarded", "x-i2p-", "sec-ch-"].iter().any(|start| name.starts_with(start));
        let accept = name.starts_with("accept-") && name != "accept-encoding";
        assert!(!tells && !family && !accept, "{name} tells about the browser");
        if name == "referer" {
            let value = String::from_utf8_lossy(value).to_ascii_lowercase();
            let rest = value.strip_prefix(&format!("http://{host}")).expect("a page of the same site");
            assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']), "{value} is another site's");
        }
    }
    same_body(request, written);
}

pub(crate) fn check_server(request: &Request, original: &Head<'_>, written: &[u8], from: &Destination) {
    let head = Head::of(written);
    assert_eq!(head.start, original.start);
    connection(&head, request);
    no_hop_by_hop(&head, original);
    let ours = [
        ("x-i2p-desthash", base64::encode(&from.hash().0)),
        ("x-i2p-destb32", from.hash().to_b32()),
        ("x-i2p-destb64", from.to_base64()),
    ];
    for (name, value) in &ours {
        assert_eq!(head.all(name), [value.as_bytes()]);
    }
    for (name, _) in &head.fields {
        // Many servers hand both characters to programs as one.
        let plain = name.replace('_', "-");
        let claims = ["x-i2p-", "x-forwarded"].iter().any(|start| plain.starts_with(start))
            || ["forwarded", "x-real-ip"].contains(&plain.as_str());
        assert!(!claims || ours.iter().any(|(known, _)| known == name), "{name} claims who asks");
    }
    same_body(request, written);
}
