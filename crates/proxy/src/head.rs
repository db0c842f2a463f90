//! The head of an HTTP/1 message: start line and header fields, read with limits.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head, start line included.
pub(crate) const MAX_HEAD: usize = 32 * 1024;
/// Longest single header line.
pub(crate) const MAX_LINE: usize = 8 * 1024;
/// Most header fields.
pub(crate) const MAX_FIELDS: usize = 64;
/// How long a head may take to come.
const HEAD_TIME: Duration = Duration::from_secs(60);

/// Why a head can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the connection closed before a whole request")]
    Closed,
    #[error("the request did not come in time")]
    Slow,
    #[error("the request is larger than {MAX_HEAD} bytes, has more than {MAX_FIELDS} headers, or one above {MAX_LINE} bytes")]
    TooLarge,
    #[error("this is not HTTP/1")]
    Malformed,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Header fields in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.as_slice())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1.as_slice())
    }

    /// Whether a list-valued field, such as `Connection`, names `token`.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.items(name).any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The items of a list-valued field.
    pub(crate) fn items<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    }

    /// Keeps the fields of which the rule, given the lower-case name, says so.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|field| keep(&field.0.to_ascii_lowercase()));
    }

    /// Replaces all fields of that name by one, which stands last.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.retain(|field| !field.0.eq_ignore_ascii_case(name));
        self.0.push((name.to_owned(), value.into()));
    }

    fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: Fields,
}

impl RequestHead {
    /// As HTTP/1.1.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        self.fields.write(&mut out);
        out
    }
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) fields: Fields,
}

impl ResponseHead {
    /// As HTTP/1.1.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("HTTP/1.1 {:03} {}\r\n", self.status, self.reason).into_bytes();
        self.fields.write(&mut out);
        out
    }
}

/// Reads a request's head. Returns with it what was read beyond.
pub(crate) async fn read_request(from: &mut (impl AsyncRead + Unpin)) -> Result<(RequestHead, Vec<u8>), HeadError> {
    read(from, Some(HEAD_TIME), |bytes| {
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut slots);
        let httparse::Status::Complete(len) = parsed.parse(bytes)? else {
            return Ok(None);
        };
        let head = RequestHead {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            fields: fields(parsed.headers),
        };
        Ok(Some((head, len)))
    })
    .await
}

/// Reads a response's head. It has no time limit of its own: the stream below has one.
pub(crate) async fn read_response(from: &mut (impl AsyncRead + Unpin)) -> Result<(ResponseHead, Vec<u8>), HeadError> {
    read(from, None, |bytes| {
        let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut slots);
        let httparse::Status::Complete(len) = parsed.parse(bytes)? else {
            return Ok(None);
        };
        let head = ResponseHead {
            status: parsed.code.unwrap_or_default(),
            reason: parsed.reason.unwrap_or_default().to_owned(),
            fields: fields(parsed.headers),
        };
        Ok(Some((head, len)))
    })
    .await
}

fn fields(parsed: &[httparse::Header<'_>]) -> Fields {
    Fields(parsed.iter().map(|field| (field.name.to_owned(), field.value.to_owned())).collect())
}

type Parsed<H> = Result<Option<(H, usize)>, httparse::Error>;

async fn read<H>(
    from: &mut (impl AsyncRead + Unpin),
    limit: Option<Duration>,
    parse: impl Fn(&[u8]) -> Parsed<H>,
) -> Result<(H, Vec<u8>), HeadError> {
    let reading = async {
        let mut bytes = Vec::with_capacity(2048);
        let mut parsed_len = 0;
        loop {
            let before = bytes.len();
            if from.read_buf(&mut bytes).await? == 0 {
                return Err(HeadError::Closed);
            }
            // What comes byte by byte isn't read anew for each: only at what may be the end, and at times to refuse what is none.
            let more = bytes.get(before.saturating_sub(2)..).unwrap_or_default();
            let ends = more.windows(2).any(|pair| pair == b"\n\n") || more.windows(3).any(|three| three == b"\n\r\n");
            if !ends && bytes.len() < (2 * parsed_len).min(MAX_HEAD) {
                continue;
            }
            parsed_len = bytes.len();
            let parsed = parse(&bytes).map_err(|error| match error {
                httparse::Error::TooManyHeaders => HeadError::TooLarge,
                _ => HeadError::Malformed,
            })?;
            if let Some((head, len)) = parsed {
                check_lines(bytes.get(..len).unwrap_or_default())?;
                let beyond = bytes.split_off(len);
                return Ok((head, beyond));
            }
            if bytes.len() >= MAX_HEAD {
                return Err(HeadError::TooLarge);
            }
        }
    };
    match limit {
        Some(limit) => tokio::time::timeout(limit, reading).await.map_err(|_| HeadError::Slow)?,
        None => reading.await,
    }
}

fn check_lines(head: &[u8]) -> Result<(), HeadError> {
    let short = head.split(|byte| *byte == b'\n').all(|line| line.len() <= MAX_LINE);
    if short && head.len() <= MAX_HEAD { Ok(()) } else { Err(HeadError::TooLarge) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_in_small_pieces_is_read_and_the_rest_kept() {
        let text = b"GET http://a.i2p/ HTTP/1.1\r\nHost: a.i2p\r\nAccept: */*\r\n\r\nbody";
        let mut pieces = tokio_test_pieces(text);
        let (head, beyond) = read_request(&mut pieces).await.unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "http://a.i2p/"));
        assert_eq!(head.fields.get("HOST"), Some(&b"a.i2p"[..]));
        let mut rest = beyond;
        pieces.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"body");
    }

    /// A reader that gives at most 3 bytes at a time.
    fn tokio_test_pieces(text: &'static [u8]) -> impl AsyncRead + Unpin {
        let (mut writer, reader) = tokio::io::duplex(3);
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            writer.write_all(text).await.unwrap();
        });
        reader
    }

    #[tokio::test]
    async fn an_odd_status_keeps_its_digits() {
        let text = b"HTTP/1.1 007 Bond\r\n\r\n";
        assert_eq!(read_response(&mut &text[..]).await.unwrap().0.to_bytes(), text);
    }

    #[tokio::test]
    async fn limits_hold() {
        let many: String = (0..MAX_FIELDS + 1).map(|n| format!("h{n}: x\r\n")).collect();
        let long = format!("a: {}\r\n", "x".repeat(MAX_LINE));
        for fields in [many, long, format!("a: {}\r\n", "x".repeat(MAX_HEAD))] {
            let text = format!("GET / HTTP/1.1\r\n{fields}\r\n");
            assert!(matches!(read_request(&mut text.as_bytes()).await, Err(HeadError::TooLarge)));
        }
        assert!(matches!(read_request(&mut &b"GET / HT"[..]).await, Err(HeadError::Closed)));
        assert!(matches!(read_request(&mut &b"\x16\x03\x01\x00"[..]).await, Err(HeadError::Malformed)));
    }

    #[tokio::test]
    async fn a_head_byte_by_byte_is_read_anew_a_few_times_only() {
        let text = format!("GET / HTTP/1.1\r\na: {}\r\nb: {}\r\n\r\n", "x".repeat(8_000), "y".repeat(8_000));
        let (mut writer, mut reader) = tokio::io::duplex(1);
        let parses = std::cell::Cell::new(0);
        let reading = read(&mut reader, None, |bytes| {
            parses.set(parses.get() + 1);
            let mut slots = [httparse::EMPTY_HEADER; 4];
            let status = httparse::Request::new(&mut slots).parse(bytes)?;
            Ok(if let httparse::Status::Complete(len) = status { Some(((), len)) } else { None })
        });
        let writing = tokio::io::AsyncWriteExt::write_all(&mut writer, text.as_bytes());
        let (read, written) = tokio::join!(reading, writing);
        written.unwrap();
        assert!(read.unwrap().1.is_empty());
        assert!(parses.get() < 20, "{} times", parses.get());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_finishes_is_dropped() {
        let (_writer, mut reader) = tokio::io::duplex(10);
        assert!(matches!(read_request(&mut reader).await, Err(HeadError::Slow)));
    }
}
