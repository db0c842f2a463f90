//! Which header fields pass, in each direction. What would tell a site about the person, or the person about the
//! machine behind a site, does not.

use std::collections::BTreeSet;

use ramson_wire::{Destination, base64};

use crate::head::{Fields, RequestHead, ResponseHead};

/// What every I2P browser says, whatever it is.
const USER_AGENT: &str = "MYOB/6.66 (AN/ON)";

/// Fields about one connection, which end at each proxy (RFC 9110, "Connection").
fn is_hop_by_hop(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "upgrade") || name.starts_with("proxy-")
}

/// Takes out the fields about one connection, those included that `Connection` declares to be such. What tells the end of
/// the body or the site stays: the message was read by it.
fn drop_hop_by_hop(fields: &mut Fields) {
    let declared: BTreeSet<String> =
        fields.items("connection").map(|item| String::from_utf8_lossy(item).to_ascii_lowercase()).collect();
    let fixed = |name: &str| matches!(name, "content-length" | "transfer-encoding" | "host");
    fields.retain(|name| !(is_hop_by_hop(name) || declared.contains(name) && !fixed(name)));
}

/// The request wants to turn the connection into something else, such as a web socket.
pub(crate) fn wants_upgrade(fields: &Fields) -> bool {
    fields.lists("connection", "upgrade") && fields.get("upgrade").is_some()
}

/// A browser's request, made fit for a site: relative target, one fixed user agent, nothing that tells the
/// browser's language, origin or settings.
pub(crate) fn towards_site(request: &mut RequestHead, authority: &str, path: &str) {
    let upgrade = wants_upgrade(&request.fields).then(|| request.fields.get("upgrade").map(<[u8]>::to_vec)).flatten();
    let same_site = request.fields.all("referer").all(|referer| is_below(referer, authority));
    drop_hop_by_hop(&mut request.fields);
    request.fields.retain(|name| {
        let identifies = matches!(
            name,
            "via" | "from" | "forwarded" | "dnt" | "x-requested-with" | "user-agent" | "x-accept-encoding" | "x-real-ip"
        ) || name.starts_with("x-forwarded")
            || name.starts_with("x-i2p-")
            || name.starts_with("sec-ch-")
            || name == "sec-gpc";
        let accept = name.starts_with("accept-") && name != "accept-encoding";
        let referer = name == "referer" && !same_site;
        !(identifies || accept || referer)
    });
    path.clone_into(&mut request.target);
    request.fields.set("Host", authority);
    request.fields.set("User-Agent", USER_AGENT);
    match upgrade {
        Some(protocol) => {
            request.fields.set("Upgrade", protocol);
            request.fields.set("Connection", "upgrade");
        }
        None => request.fields.set("Connection", "close"),
    }
}

/// Whether a Referer is a page of that very site.
fn is_below(referer: &[u8], authority: &str) -> bool {
    let Some(rest) = referer.strip_prefix(b"http://") else {
        return false;
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    rest.get(..end).is_some_and(|site| site.eq_ignore_ascii_case(authority.as_bytes()))
}

/// A stranger's request, made fit for the local server: no claims about who sends it but ours.
pub(crate) fn towards_server(request: &mut RequestHead, from: &Destination) {
    let upgrade = wants_upgrade(&request.fields).then(|| request.fields.get("upgrade").map(<[u8]>::to_vec)).flatten();
    drop_hop_by_hop(&mut request.fields);
    request.fields.retain(|name| {
        // Programs behind CGI and its kin get both characters as one.
        let name = name.replace('_', "-");
        let claims = name.starts_with("x-i2p-")
            || name.starts_with("x-forwarded")
            || matches!(name.as_str(), "forwarded" | "x-real-ip" | "x-accept-encoding");
        !claims
    });
    request.fields.set("X-I2P-DestHash", base64::encode(&from.hash().0));
    request.fields.set("X-I2P-DestB32", from.hash().to_b32());
    request.fields.set("X-I2P-DestB64", from.to_base64());
    match upgrade {
        Some(protocol) => {
            request.fields.set("Upgrade", protocol);
            request.fields.set("Connection", "upgrade");
        }
        None => request.fields.set("Connection", "close"),
    }
}

/// The local server's response, without what tells about its machine, software and clock.
pub(crate) fn from_server(response: &mut ResponseHead) {
    response.fields.retain(|name| !matches!(name, "server" | "date" | "x-powered-by" | "x-runtime" | "via"));
    connection_of_response(response);
}

/// The site's response for the browser: one message a connection, and nothing addressed to proxies.
pub(crate) fn towards_browser(response: &mut ResponseHead) {
    connection_of_response(response);
}

fn connection_of_response(response: &mut ResponseHead) {
    if response.status == 101 {
        response.fields.retain(|name| !name.starts_with("proxy-"));
        return;
    }
    drop_hop_by_hop(&mut response.fields);
    response.fields.set("Connection", "close");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead { method: "GET".into(), target: "http://a.i2p/x?y".into(), fields: Fields::default() };
        for (name, value) in fields {
            head.fields.set(name, *value);
        }
        head
    }

    #[test]
    fn a_site_learns_nothing_of_the_browser() {
        let mut head = request(&[
            ("Host", "a.i2p"),
            ("User-Agent", "Firefox on Debian"),
            ("Accept", "text/html"),
            ("Accept-Encoding", "gzip"),
            ("Accept-Language", "rm"),
            ("Referer", "http://other.i2p/page"),
            ("Cookie", "a=b"),
            ("DNT", "1"),
            ("Via", "1.1 laptop"),
            ("X-Forwarded-For", "192.0.2.1"),
            ("Proxy-Authorization", "Basic x"),
            ("Proxy-Connection", "keep-alive"),
            ("Sec-CH-UA", "x"),
            ("Connection", "keep-alive"),
        ]);
        towards_site(&mut head, "a.i2p", "/x?y");
        let text = String::from_utf8(head.to_bytes()).unwrap();
        assert_eq!(
            text,
            "GET /x?y HTTP/1.1\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\nCookie: a=b\r\nHost: a.i2p\r\n\
             User-Agent: MYOB/6.66 (AN/ON)\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_referer_stays_within_its_site() {
        for (referer, stays) in
            [("http://a.i2p/page", true), ("http://A.i2p", true), ("http://a.i2p.b.i2p/", false), ("https://a.i2p/", false)]
        {
            let mut head = request(&[("Referer", referer)]);
            towards_site(&mut head, "a.i2p", "/");
            assert_eq!(head.fields.get("referer").is_some(), stays, "{referer}");
        }
    }

    #[test]
    fn one_referer_of_its_site_does_not_let_others_pass() {
        let text = b"GET http://a.i2p/ HTTP/1.1\r\nReferer: http://a.i2p/\r\nReferer: http://other.i2p/page\r\n\r\n";
        let mut head = read(text);
        towards_site(&mut head, "a.i2p", "/");
        assert_eq!(head.fields.get("referer"), None);
    }

    /// A request with fields that come twice.
    fn read(mut text: &[u8]) -> RequestHead {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(crate::head::read_request(&mut text)).unwrap().0
    }

    #[test]
    fn what_connection_declares_ends_here_but_not_the_framing() {
        let fields =
            [("Connection", "close, X-Hop, content-length, Host"), ("x-hop", "1"), ("Content-Length", "4"), ("Host", "a")];
        let from = ramson_router::new_destination().unwrap();
        let (mut site, mut server) = (request(&fields), request(&fields));
        towards_site(&mut site, "a.i2p", "/");
        towards_server(&mut server, from.destination());
        let mut response = ResponseHead { status: 200, reason: "OK".into(), fields: request(&fields).fields };
        towards_browser(&mut response);
        for fields in [&site.fields, &server.fields, &response.fields] {
            assert_eq!((fields.get("x-hop"), fields.get("content-length")), (None, Some(&b"4"[..])));
        }
        assert_eq!(server.fields.get("host"), Some(&b"a"[..]));
    }

    #[test]
    fn a_server_is_told_the_true_sender_only() {
        let from = ramson_router::new_destination().unwrap();
        let mut head = request(&[
            ("X-I2P-DestB32", "someone.else"),
            ("x-i2p-anything", "x"),
            ("X-Forwarded-For", "x"),
            ("X_I2P_DestB64", "x"),
        ]);
        towards_server(&mut head, from.destination());
        assert_eq!(head.fields.all("x-i2p-destb32").count(), 1);
        assert_eq!(head.fields.get("x-i2p-destb32"), Some(from.destination().hash().to_b32().as_bytes()));
        assert_eq!(head.fields.get("x-i2p-anything"), None);
        assert_eq!(head.fields.get("x_i2p_destb64"), None);
        assert_eq!(head.fields.get("x-forwarded-for"), None);
    }

    #[test]
    fn a_response_does_not_tell_about_the_machine() {
        let mut fields = Fields::default();
        for name in ["Server", "Date", "X-Powered-By", "Content-Type", "Keep-Alive"] {
            fields.set(name, "x");
        }
        let mut response = ResponseHead { status: 200, reason: "OK".into(), fields };
        from_server(&mut response);
        assert_eq!(response.to_bytes(), b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nConnection: close\r\n\r\n");
    }
}
