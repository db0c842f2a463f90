//! The body of a request, carried by its declared framing and not one byte further.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::head::Fields;

/// Longest line of a chunk's size or trailer.
const MAX_CHUNK_LINE: u64 = 4096;

/// How a request's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// A body whose end can't be told, or can be told in two ways (RFC 9112, "Message Body Length").
#[derive(Debug, thiserror::Error)]
#[error("the body's length is not clear")]
pub(crate) struct UnclearLength;

impl Framing {
    pub(crate) fn of(fields: &Fields) -> Result<Self, UnclearLength> {
        let encodings = fields.all("transfer-encoding").count();
        let mut lengths = fields.all("content-length");
        match (encodings, lengths.next(), lengths.next()) {
            (0, None, None) => Ok(Self::Length(0)),
            (0, Some(length), None) => {
                let digits = length.iter().all(u8::is_ascii_digit);
                let text = std::str::from_utf8(length).map_err(|_| UnclearLength)?;
                let length = text.parse().map_err(|_| UnclearLength)?;
                if digits { Ok(Self::Length(length)) } else { Err(UnclearLength) }
            }
            (1, None, None) => {
                let chunked = fields.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case(b"chunked"));
                if chunked { Ok(Self::Chunked) } else { Err(UnclearLength) }
            }
            _ => Err(UnclearLength),
        }
    }

    /// Copies one body.
    pub(crate) async fn copy<R, W>(self, from: &mut R, to: &mut W) -> io::Result<()>
    where
        R: AsyncBufRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self {
            Self::Length(length) => copy_exactly(from, to, length).await,
            Self::Chunked => copy_chunks(from, to).await,
        }
    }
}

async fn copy_exactly(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), length: u64) -> io::Result<()> {
    let copied = tokio::io::copy(&mut from.take(length), to).await?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn copy_chunks<R, W>(from: &mut R, to: &mut W) -> io::Result<()>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let line = chunk_line(from).await?;
        let size = chunk_size(&line).ok_or(io::ErrorKind::InvalidData)?;
        // Written anew: what stands beside a size is for this hop, and another reader may see another end of such a line.
        to.write_all(format!("{size:x}\r\n").as_bytes()).await?;
        if size == 0 {
            break;
        }
        copy_exactly(from, to, size).await?;
        let end = chunk_line(from).await?;
        if end.trim_ascii() != b"" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        to.write_all(b"\r\n").await?;
    }
    // Trailer fields would pass unfiltered: they are read and left out.
    while !chunk_line(from).await?.trim_ascii().is_empty() {}
    to.write_all(b"\r\n").await
}

async fn chunk_line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(MAX_CHUNK_LINE).read_until(b'\n', &mut line).await?;
    if line.ends_with(b"\n") { Ok(line) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.set(name, *value);
        }
        fields
    }

    #[test]
    fn ambiguous_lengths_are_refused() {
        assert_eq!(Framing::of(&fields(&[])).unwrap(), Framing::Length(0));
        assert_eq!(Framing::of(&fields(&[("Content-Length", "12")])).unwrap(), Framing::Length(12));
        assert_eq!(Framing::of(&fields(&[("Transfer-Encoding", "chunked")])).unwrap(), Framing::Chunked);
        for bad in [
            &[("Content-Length", "+1")][..],
            &[("Content-Length", "1, 1")],
            &[("Content-Length", "1"), ("Transfer-Encoding", "chunked")],
            &[("Transfer-Encoding", "gzip, chunked")],
            &[("Transfer-Encoding", "xchunked")],
        ] {
            assert!(Framing::of(&fields(bad)).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn what_follows_a_body_stays_behind() {
        let chunked = &b"4;x=y\r\nabcd\r\n0\r\nX-Trailer: leak\r\n\r\nGET /second"[..];
        for (framing, text, body) in [
            (Framing::Length(4), &b"abcdGET /second"[..], &b"abcd"[..]),
            (Framing::Chunked, chunked, b"4\r\nabcd\r\n0\r\n\r\n"),
            // Read as one line with its end in the word, this would hide a request in the second chunk.
            (Framing::Chunked, b"2;\nxx\r\n0\n\nGET /second", b"2\r\nxx\r\n0\r\n\r\n"),
        ] {
            let (mut from, mut to) = (text, Vec::new());
            framing.copy(&mut from, &mut to).await.unwrap();
            assert_eq!(to, body);
            assert_eq!(from, b"GET /second");
        }
    }

    #[tokio::test]
    async fn broken_framing_ends_the_copy() {
        for text in ["zz\r\n", "4\r\nabcdef\r\n", "4\r\nab", "", "-1\r\n", "ffffffffffffffffff\r\n"] {
            let mut to = Vec::new();
            assert!(Framing::Chunked.copy(&mut text.as_bytes(), &mut to).await.is_err(), "{text:?}");
        }
        assert!(Framing::Length(9).copy(&mut &b"short"[..], &mut Vec::new()).await.is_err());
    }
}
