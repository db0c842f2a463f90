//! The corpora: messages as browsers, servers and SAM programs send them.

pub mod files;
pub mod machines;

use ramson_crypto::rng::SeededRng;
use ramson_fuzzing::seeds::{Seeds, wire::keys};
use ramson_wire::DestinationKeys;

/// Names inputs by what they are and a number. In front of each stand the bytes that choose how it is used.
fn named(parts: &[(&str, &[u8], &str)]) -> Seeds {
    let named = |(number, (name, choice, text)): (usize, &(&str, &[u8], &str))| {
        (format!("{number:02}-{name}"), [choice, text.as_bytes()].concat())
    };
    parts.iter().enumerate().map(named).collect()
}

/// A page asked for by Firefox.
const FIREFOX: &str = "GET http://stats.i2p/cgi-bin/newhosts.txt?x=1 HTTP/1.1\r\nHost: stats.i2p\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: de,en-US;q=0.7,en;q=0.3\r\n\
    Accept-Encoding: gzip, deflate\r\nReferer: http://stats.i2p/\r\nDNT: 1\r\nSec-GPC: 1\r\nConnection: keep-alive\r\n\
    Cookie: session=4b1c; theme=dark\r\nUpgrade-Insecure-Requests: 1\r\nIf-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT\r\n\
    Priority: u=0, i\r\n\r\n";
/// The same by curl.
const CURL: &str = "GET http://zzz.i2p:8080/ HTTP/1.1\r\nHost: zzz.i2p:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
    Proxy-Connection: Keep-Alive\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
/// A form sent by Chromium from another site.
const FORM: &str = "POST http://forum.i2p/post?id=7#top HTTP/1.1\r\nHost: forum.i2p\r\nProxy-Connection: keep-alive\r\n\
    Content-Length: 23\r\nCache-Control: max-age=0\r\nsec-ch-ua: \"Chromium\";v=\"130\"\r\nsec-ch-ua-mobile: ?0\r\n\
    Origin: http://other.i2p\r\nContent-Type: application/x-www-form-urlencoded\r\nX-Requested-With: XMLHttpRequest\r\n\
    Referer: http://other.i2p/page\r\nReferer: http://forum.i2p/\r\nAccept-Encoding: gzip\r\n\r\ntitle=hello&text=world!";
/// A file that is uploaded while it is made.
const UPLOAD: &str = "PUT http://files.i2p/a HTTP/1.1\r\nHost: files.i2p\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\
    TE: trailers\r\nConnection: TE, X-Hop, close\r\nX-Hop: 1\r\nExpect: 100-continue\r\n\r\n\
    5\r\nhello\r\n6;name=\"x\"\r\n world\r\n0\r\nDigest: sha-256=x\r\n\r\nGET / HTTP/1.1\r\n\r\n";
/// A web socket.
const SOCKET: &str = "GET http://chat.i2p/ws HTTP/1.1\r\nHost: chat.i2p\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: http://chat.i2p\r\n\r\n";
/// A request that comes through i2pd's proxy to a local server.
const STRANGER: &str = "GET /index.html HTTP/1.1\r\nHost: site.i2p\r\nUser-Agent: MYOB/6.66 (AN/ON)\r\nAccept-Encoding: gzip\r\n\
    X-Accept-Encoding: x-i2p-gzip;q=1.0, identity;q=0.5\r\nConnection: close\r\n\r\n";
/// A request that claims to come from someone.
const CLAIMS: &str = "HEAD / HTTP/1.0\nX-I2P-DestHash: AAAA\nX_I2P_DestB32: someone.b32.i2p\nx-i2p-destb64:BBBB\n\
    X-Forwarded-For: 127.0.0.1\nForwarded: for=127.0.0.1\nX-Real-IP: ::1\nConnection: X-I2P-DestB64, Host\nHost: site.i2p\n\n";
/// What a proxy doesn't serve.
const CONNECT: &str = "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\nUser-Agent: curl/8.5.0\r\n\r\n";

/// Requests to a proxy.
pub(crate) const REQUESTS: &[&str] = &[
    FIREFOX,
    "HEAD http://stats.i2p/ HTTP/1.1\r\nHost: stats.i2p\r\n\r\n",
    FORM,
    UPLOAD,
    SOCKET,
    CURL,
    "POST http://files.i2p/ HTTP/1.1\r\nContent-Length: 9000\r\n\r\n",
    "GET http://nobody.i2p/ HTTP/1.1\r\n\r\n",
    CONNECT,
    STRANGER,
    CLAIMS,
    "GET http://example.com/ HTTP/1.1\r\n\r\n",
    "GET http://short.b32.i2p/ HTTP/1.1\r\n\r\n",
    "POST http://stats.i2p/ HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
];

/// Requests.
pub fn http_request() -> Seeds {
    named(&[
        ("firefox", &[0], FIREFOX),
        ("firefox-in-pieces", &[7], FIREFOX),
        ("curl", &[0], CURL),
        ("form", &[0], FORM),
        ("upload", &[100], UPLOAD),
        ("web-socket", &[0], SOCKET),
        ("through-i2pd", &[0], STRANGER),
        ("claims", &[0], CLAIMS),
        ("connect", &[0], CONNECT),
        ("ftp", &[0], "GET ftp://a.i2p/ HTTP/1.1\r\n\r\n"),
        ("bracket", &[0], "GET http://[::1]/ HTTP/1.1\r\n\r\n"),
        ("credentials", &[0], "GET http://user@a.i2p:80 HTTP/1.1\r\nHost: a.i2p\r\n\r\n"),
    ])
}

/// A page by nginx.
const NGINX: &str = "HTTP/1.1 200 OK\r\nServer: nginx/1.24.0\r\nDate: Mon, 06 Oct 2025 10:00:00 GMT\r\nContent-Type: text/html\r\n\
    Content-Length: 25\r\nLast-Modified: Sun, 05 Oct 2025 10:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=20\r\n\
    ETag: \"651e7d3a-19\"\r\nAccept-Ranges: bytes\r\n\r\n<html>hello, i2p</html>\r\n";
/// A page by a program behind Apache.
const APACHE: &str = "HTTP/1.1 200 OK\r\nDate: Mon, 06 Oct 2025 10:00:00 GMT\r\nServer: Apache/2.4.57 (Debian)\r\n\
    X-Powered-By: PHP/8.2.7\r\nX-Runtime: 0.01\r\nVia: 1.1 cache\r\nSet-Cookie: a=b; path=/\r\nTransfer-Encoding: chunked\r\n\
    Connection: close, X-Cache\r\nX-Cache: HIT\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n\
    1a\r\nabcdefghijklmnopqrstuvwxyz\r\n3\r\nend\r\n0\r\n\r\n";
/// The answer to an upload that asked first.
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\nX-Hint: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n\
    HTTP/1.1 201 Created\r\nContent-Length: 2\r\nProxy-Authenticate: Basic\r\nTrailer: x\r\n\r\nok";
/// The answer to a web socket.
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nProxy-Agent: x\r\n\r\n\u{1}\u{5}hello";
/// A file without a length, by Python's server.
const OLD: &str = "HTTP/1.0 200 OK\r\nServer: SimpleHTTP/0.6 Python/3.11.2\r\nContent-type: text/plain\r\n\r\nuntil the end";

/// Answers of sites and servers.
pub(crate) const RESPONSES: &[&str] = &[
    NGINX,
    APACHE,
    CONTINUE,
    SWITCH,
    OLD,
    "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
    "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
];

/// Answers.
pub fn http_response() -> Seeds {
    named(&[
        ("nginx", &[4, 0], NGINX),
        ("nginx-in-pieces", &[0, 5], NGINX),
        ("nginx-head", &[5, 0], NGINX),
        ("apache", &[4, 0], APACHE),
        ("apache-local", &[0, 40], APACHE),
        ("continue", &[4, 0], CONTINUE),
        ("continue-in-pieces", &[0, 3], CONTINUE),
        ("switch", &[6, 0], SWITCH),
        ("switch-local", &[2, 30], SWITCH),
        ("no-switch", &[6, 0], NGINX),
        ("until-the-end", &[4, 0], OLD),
        ("unchanged", &[4, 0], "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n"),
        ("empty", &[4, 0], "HTTP/1.1 204\r\nDate: x\r\n\r\n"),
        ("unclear", &[4, 0], "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"),
        ("not-http", &[4, 0], "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    ])
}

/// Bodies.
pub fn http_body() -> Seeds {
    named(&[
        ("chunks", &[0, 0], "4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n"),
        (
            "words",
            &[0, 3],
            "5;ieof;name=\"a b\"\r\nhello\r\n00000A \r\n0123456789\r\n0;last\r\nExpires: x\r\nDigest: y\r\n\r\nGET /",
        ),
        ("short-ends", &[0, 0], "3\nabc\n0\n\n"),
        ("cut", &[0, 0], "ffff\r\nabc"),
        ("no-size", &[0, 0], "-1\r\nabc\r\n"),
        ("length", &[1, 0, 0, 5], "helloGET /"),
        ("length-short", &[1, 2, 1, 5], "hello"),
        ("form", &[2, 0], FORM),
        ("upload", &[2, 64], UPLOAD),
        ("two-lengths", &[2, 0], "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"),
        ("bad-length", &[2, 0], "POST / HTTP/1.1\r\nContent-Length: +4\r\n\r\nabcd"),
        ("other-coding", &[2, 0], "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabcd"),
    ])
}

/// Lines of SAM, as its specification, i2plib, libsam3 and qBittorrent write them.
pub fn sam_line() -> Seeds {
    let destination = keys().to_base64();
    let create = format!(
        "SESSION CREATE STYLE=STREAM ID=qBittorrent DESTINATION={} inbound.quantity=3 outbound.quantity=3 inbound.length=3 \
         outbound.length=2 i2cp.leaseSetEncType=4 inbound.nickname=\"qBit torrent\" i2cp.dontPublishLeaseSet=true",
        *destination
    );
    let connect =
        format!("STREAM CONNECT ID=x DESTINATION={} SILENT=false FROM_PORT=80 TO_PORT=8080", keys().destination().to_base64());
    named(&[
        ("hello", b"", "HELLO VERSION MIN=3.0 MAX=3.2\n"),
        ("hello-bare", b"", "HELLO VERSION\n"),
        ("hello-newer", b"", "HELLO VERSION MIN=3.4 MAX=9.9 USER=\"a\" PASSWORD=\"p \\\"q\\\\\"\n"),
        ("transient", b"", "SESSION CREATE STYLE=STREAM ID=sam3 DESTINATION=TRANSIENT SIGNATURE_TYPE=EdDSA_SHA512_Ed25519\n"),
        ("dsa", b"", "SESSION CREATE STYLE=DATAGRAM ID=a DESTINATION=TRANSIENT SIGNATURE_TYPE=DSA_SHA1 inbound.length=9\r\n"),
        ("create", b"", &create),
        ("connect", b"", &connect),
        ("accept", b"", "stream accept ID=x SILENT=true FROM_PORT=65536\n"),
        ("lookup", b"", "NAMING LOOKUP NAME=stats.i2p\n"),
        ("lookup-odd", b"", "NAMING LOOKUP NAME=\"a b\\\"c RESULT=OK\"\n"),
        ("generate", b"", "DEST GENERATE SIGNATURE_TYPE=banana\n"),
        ("ping", b"", "PING 12 34 = \"\n"),
        ("bare-keys", b"", "ID=x =y  ACTION\t\u{b}Z=\"\" KEY\n"),
        ("no-versions", b"", "HELLO VERSION MIN=x MAX=3\n"),
    ])
}

/// Address books.
pub fn hosts() -> Seeds {
    let first = keys().destination().to_base64();
    let second = DestinationKeys::generate(&mut SeededRng::new([3; 32])).destination().to_base64();
    let b32 = keys().destination().hash().to_b32();
    let signed = format!("Stats.i2p\nstats.i2p={first}#!date=1700000000#sig=x\r\nzzz.i2p={second}\r\nstats.i2p={second}\r\n");
    let commented =
        format!("\u{e4}.i2p\n# my hosts\n\n  a-b.c.i2p = {first}  \n.bad.i2p={first}\nx.b32.i2p={first}\nno line\ny.i2p=AAAA\n");
    let (whole, with_end, by_hash) =
        (format!("{first}\n"), format!("{second}.i2p\n"), format!("{}\nq.i2p={first}", b32.to_uppercase()));
    named(&[
        ("signed", b"", &signed),
        ("commented", b"", &commented),
        ("whole-address", b"", &whole),
        ("whole-address-with-end", b"", &with_end),
        ("hash", b"", &by_hash),
        ("encrypted", b"", "mnopqrstuvwxyz234567abcdefghijklmnopqrstuvwxyz234567abcd.b32.i2p\n"),
        ("unknown", b"", "nobody.i2p\n"),
        ("clearnet", b"", "example.com\n"),
    ])
}
