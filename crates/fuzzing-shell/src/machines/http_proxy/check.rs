//! What has to hold of the proxy: at any time, and at the end.

use std::time::Duration;

use ramson_proxy::fuzz::{Request, Response};

use super::{MAX_CONNECTIONS, World};
use crate::machines::http::{Answer, Forward, answer, forward};
use crate::machines::network::Line;
use crate::machines::talker::Talker;
use crate::machines::{Border, tasks};
use crate::request::check_site;
use crate::strict::Head;

/// Longer than anything waits in the proxy.
const LONG: Duration = Duration::from_secs(700);

impl<B: Border> World<'_, B> {
    /// At any time.
    pub(super) fn check(&mut self) {
        assert!(self.browsers.iter().all(|browser| !browser.program.panicked()), "a connection's task panicked");
        assert!(tasks() <= MAX_CONNECTIONS + 1, "{} tasks", tasks());
        let forwards: Vec<_> = self.browsers.iter().map(|browser| site_gets(&browser.sent)).collect();
        for line in &self.network.lines {
            let fits = |forward: &Option<(Forward, String)>| forward.as_ref().is_some_and(|forward| self.may_be(line, forward));
            assert!(forwards.iter().any(fits), "nobody asked a site for that: {}", String::from_utf8_lossy(&line.taken));
        }
        for (browser, forward) in self.browsers.iter().zip(&forwards) {
            let plain = browser.sees_end(self.border);
            if is_page(&browser.got) || browser.got.is_empty() && (!plain || browser.left || self.dropped || self.network.stopped)
            {
                continue;
            }
            let Some(forward) = forward else { panic!("an answer to no request: {}", String::from_utf8_lossy(&browser.got)) };
            let lines = self.network.lines.iter().filter(|line| self.may_be(line, forward));
            let fits = |line: &Line| answers(browser, plain, &site_says(line, &forward.0));
            assert!(lines.into_iter().any(fits), "a wrong answer, or a part: {}", String::from_utf8_lossy(&browser.got));
        }
    }

    /// The stream may be that of this request.
    fn may_be(&self, line: &Line, (forward, authority): &(Forward, String)) -> bool {
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        let there = self.names.resolve(host).is_ok_and(|target| target.hash() == line.peer) && port == line.ports.1.to_string();
        let switched =
            || line.delivered.windows(13).any(|window| window.starts_with(b"HTTP/1.1 101") || window == b"HTTP/1.0 101 ");
        let most =
            if forward.upgrade && line.taken.len() > forward.head && !switched() { forward.head } else { forward.bytes.len() };
        there && forward.bytes[..most].starts_with(&line.taken)
    }

    /// Everything is answered in time, and everything ends with its browsers.
    pub(super) async fn end(&mut self) {
        self.network.stalled = false;
        self.network.lines.iter_mut().for_each(|line| line.held = false);
        self.browsers.iter_mut().for_each(|browser| browser.reading = true);
        self.rest().await;
        let kept = self.browsers.iter().any(|browser| browser.left && browser.program.ending().is_none());
        assert!(!kept || self.dropped, "a browser that left is served for ever");
        // Sites that said nothing so far end in one way or the other.
        for number in 0..self.network.lines.len() {
            let line = &mut self.network.lines[number];
            if number % 2 == 0 { line.end() } else { line.close(ramson_engine::CloseReason::Reset) }
        }
        self.rest().await;
        if !self.dropped {
            for browser in self.browsers.iter().filter(|browser| !browser.left) {
                assert!(browser.program.ending().is_some(), "a browser waits for ever");
            }
        }
        for (at, browser) in self.browsers.iter_mut().enumerate() {
            browser.act(if at % 3 == 0 { 3 } else { 1 });
        }
        self.rest().await;
        assert_eq!(tasks(), usize::from(!self.dropped), "tasks are left");
        self.network.check_empty("http-proxy");
        self.server.abort();
        self.dropped = true;
        self.rest().await;
        assert_eq!(tasks(), 0, "tasks are left");
        self.network.check_empty("");
    }

    async fn rest(&mut self) {
        for _ in 0..3 {
            self.turn().await;
            self.network.give_up();
            tokio::time::sleep(LONG).await;
        }
        self.turn().await;
    }
}

/// What the site may get of these bytes, and who it is. Its head says nothing that it may not.
fn site_gets(sent: &[u8]) -> Option<(Forward, String)> {
    let mut authority = None;
    let forward = forward(sent, |request: &mut Request| {
        let (original, before) = (request.to_bytes(), request.clone());
        // A body beside an upgrade is refused.
        if request.wants_upgrade() && request.body() != Some(ramson_proxy::fuzz::Body::Length(0)) {
            return false;
        }
        let Some((host, path)) = request.towards_site() else { return false };
        check_site(&before, &Head::of(&original), &request.to_bytes(), &host, &path);
        authority = Some(host);
        true
    })?;
    Some((forward, authority?))
}

fn site_says(line: &Line, request: &Forward) -> Answer {
    answer(&line.delivered, line.ended, request, Response::towards_browser)
}

/// What a browser got is this answer; if it ended well, all of it. A page may stand in the place of one.
fn answers(browser: &Talker, plain: bool, answer: &Answer) -> bool {
    let (got, interim) = (&browser.got, &answer.bytes[..answer.interim]);
    let page = got.strip_prefix(interim).is_some_and(is_page);
    page || answer.bytes.starts_with(got) && (!plain || answer.whole && got.len() == answer.bytes.len())
}

/// A whole page of the proxy's own.
fn is_page(got: impl AsRef<[u8]>) -> bool {
    let got = got.as_ref();
    let holds = |part: &[u8]| got.windows(part.len()).any(|window| window == part);
    if !holds(b"\r\nContent-Security-Policy: default-src 'none'") || !holds(b"<small>ramson HTTP proxy, ") {
        return false;
    }
    let head = Head::of(got);
    let length = String::from_utf8_lossy(head.all("content-length")[0]).into_owned();
    head.all("connection") == [b"close"] && length == head.rest.len().to_string()
}
