//! The proxy's own answers: small pages that say what went wrong and what to do.

use std::fmt::Write;

/// Why the proxy itself answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    BadRequest,
    NotAProxyRequest,
    TooLarge,
    Slow,
    Method,
    Clearnet,
    UnknownName,
    UnsupportedAddress,
    NotReady,
    NotFound,
    Timeout,
    Reset,
    BadAnswer,
    Busy,
}

struct Text {
    status: &'static str,
    title: &'static str,
    body: &'static str,
}

impl Problem {
    fn text(self) -> Text {
        let (status, title, body) = match self {
            Self::BadRequest => {
                ("400 Bad Request", "Request not understood", "The browser sent something that is not a valid HTTP/1.1 request.")
            }
            Self::NotAProxyRequest => (
                "400 Bad Request",
                "This is an HTTP proxy",
                "Set it as the HTTP proxy of a browser, then open addresses such as http://….b32.i2p/ there.",
            ),
            Self::TooLarge => (
                "431 Request Header Fields Too Large",
                "Request too large",
                "The request's headers exceed 32 KB, 64 fields, or 8 KB in one field.",
            ),
            Self::Slow => {
                ("408 Request Timeout", "Request not finished", "The browser did not finish its request within 60 seconds.")
            }
            Self::Method => {
                ("501 Not Implemented", "Method not supported", "This proxy opens http:// addresses; CONNECT is not supported.")
            }
            Self::Clearnet => (
                "403 Forbidden",
                "Not an I2P address",
                "Only addresses ending in .i2p can be opened: the proxy never connects to the ordinary internet, so nothing leaked.",
            ),
            Self::UnknownName => (
                "404 Not Found",
                "Name not in the address book",
                "Nothing was sent. Use the site's .b32.i2p address, or add the name with its destination to hosts.txt in the data folder.",
            ),
            Self::UnsupportedAddress => (
                "400 Bad Request",
                "Address not supported",
                "This .b32.i2p address is mistyped, or is one of an encrypted LeaseSet, which is not supported yet.",
            ),
            Self::NotReady => (
                "503 Service Unavailable",
                "Still joining the network",
                "There are no tunnels yet. This takes up to a minute after the start; \"ramson status\" tells how far it is.",
            ),
            Self::NotFound => (
                "503 Service Unavailable",
                "Site not found",
                "No router knew a way to this destination: it is offline, has just started, or the address is wrong.",
            ),
            Self::Timeout => (
                "504 Gateway Timeout",
                "Site does not answer",
                "The destination is known but did not answer in time. Trying again often helps: tunnels change every few minutes.",
            ),
            Self::Reset => (
                "502 Bad Gateway",
                "Connection reset",
                "The destination, or the server behind it, refused or broke the connection.",
            ),
            Self::BadAnswer => ("502 Bad Gateway", "Answer not understood", "The site answered with something that is not HTTP."),
            Self::Busy => (
                "503 Service Unavailable",
                "Too many connections",
                "The proxy serves as many connections as it may. Close some and try again.",
            ),
        };
        Text { status, title, body }
    }

    /// The whole response.
    pub(crate) fn response(self) -> Vec<u8> {
        let Text { status, title, body } = self.text();
        let mut page = String::with_capacity(1024);
        // Writing to a String can't fail.
        let _ = writeln!(
            page,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{title}</title><style>body{{font:1.1em/1.5 system-ui,sans-serif;max-width:38em;margin:12vh auto;padding:0 1em;\
             color-scheme:light dark}}small{{opacity:.7}}</style><h1>{title}</h1><p>{body}<p><small>ramson HTTP proxy, {status}</small>"
        );
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\nReferrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{page}",
            page.len()
        )
        .into_bytes()
    }
}
