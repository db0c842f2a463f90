//! Where a browser's request wants to go.

use crate::head::RequestHead;
use crate::pages::Problem;

/// The parts of an absolute `http://` target.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the Host header wants it: with the port if it isn't 80.
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn of(head: &RequestHead) -> Result<Self, Problem> {
        if head.method == "CONNECT" {
            return Err(Problem::Method);
        }
        if head.target.starts_with('/') || head.target == "*" {
            return Err(Problem::NotAProxyRequest);
        }
        let (scheme, rest) = head.target.split_once("://").ok_or(Problem::BadRequest)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(Problem::Method);
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.starts_with('[') {
            return Err(Problem::Clearnet);
        }
        // Credentials in a URL would be sent on in the Host header.
        if authority.contains('@') {
            return Err(Problem::BadRequest);
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() => (host, port.parse().map_err(|_| Problem::BadRequest)?),
            Some((host, _)) => (host, 80),
            None => (authority, 80),
        };
        let host = host.to_ascii_lowercase();
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let authority = if port == 80 { host.clone() } else { format!("{host}:{port}") };
        Ok(Self { host, port, authority, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(target: &str) -> Result<Url, Problem> {
        Url::of(&RequestHead { method: "GET".into(), target: target.into(), fields: Default::default() })
    }

    #[test]
    fn targets_become_host_port_and_path() {
        for (target, host, port, authority, path) in [
            ("http://A.i2p", "a.i2p", 80, "a.i2p", "/"),
            ("http://a.i2p:80/x?y#z", "a.i2p", 80, "a.i2p", "/x?y"),
            ("http://a.i2p:8080?q", "a.i2p", 8080, "a.i2p:8080", "/?q"),
            ("HTTP://a.i2p:/", "a.i2p", 80, "a.i2p", "/"),
        ] {
            let url = url(target).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.authority.as_str(), url.path.as_str()), (host, port, authority, path));
        }
    }

    #[test]
    fn other_targets_are_refused_with_their_reason() {
        assert_eq!(url("/index.html").unwrap_err(), Problem::NotAProxyRequest);
        assert_eq!(url("https://a.i2p/").unwrap_err(), Problem::Method);
        assert_eq!(url("ftp://a.i2p/").unwrap_err(), Problem::Method);
        assert_eq!(url("http://[::1]:80/").unwrap_err(), Problem::Clearnet);
        assert_eq!(url("a.i2p").unwrap_err(), Problem::BadRequest);
        assert_eq!(url("http://user:pass@a.i2p/").unwrap_err(), Problem::BadRequest);
        assert_eq!(url("http://a.i2p:99999/").unwrap_err(), Problem::BadRequest);
        let connect = RequestHead { method: "CONNECT".into(), target: "a.i2p:443".into(), fields: Default::default() };
        assert_eq!(Url::of(&connect).unwrap_err(), Problem::Method);
    }
}
