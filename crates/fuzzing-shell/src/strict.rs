//! Readers of HTTP that take one form only: what a proxy writes has to be of it.

/// A message's head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Start line.
    pub start: &'a str,
    /// Names, in lower case, and values.
    pub fields: Vec<(String, &'a [u8])>,
    /// What follows.
    pub rest: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads a head that was written. Panics if another reader could take it for something else.
    pub fn of(bytes: &'a [u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head has an end");
        let (lines, rest) = (&bytes[..end], &bytes[end + 4..]);
        assert!(lines.iter().all(|byte| *byte != 0), "a zero byte");
        let mut lines = lines.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start = std::str::from_utf8(lines.next().unwrap()).expect("a start line is text");
        let fields = lines.map(field).collect();
        assert_eq!(bytes[..end].iter().filter(|byte| **byte == b'\r').count(), count_ends(&bytes[..end]), "a lone end of line");
        Self { start, fields, rest }
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<&'a [u8]> {
        self.fields.iter().filter(|field| field.0 == name).map(|field| field.1).collect()
    }

    /// The names that `Connection` declares to be about one connection.
    pub fn nominated(&self) -> Vec<String> {
        let lists = self.all("connection");
        let items = lists.iter().flat_map(|list| list.split(|byte| *byte == b','));
        items.map(|item| String::from_utf8_lossy(item.trim_ascii()).to_ascii_lowercase()).collect()
    }
}

fn count_ends(lines: &[u8]) -> usize {
    let ends = lines.windows(2).filter(|two| two == b"\r\n").count();
    assert_eq!(ends, lines.iter().filter(|byte| **byte == b'\n').count(), "a lone end of line");
    ends
}

fn field(line: &[u8]) -> (String, &[u8]) {
    let colon = line.windows(2).position(|two| two == b": ").expect("a field has a name and a value");
    let name = std::str::from_utf8(&line[..colon]).expect("a name is text");
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(token), "{name:?} is no name of a field");
    (name.to_ascii_lowercase(), &line[colon + 2..])
}

/// What chunks carry.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    /// The bytes.
    pub body: Vec<u8>,
    /// The last chunk has come.
    pub finished: bool,
}

/// Reads chunks that were written: sizes in plain digits, nothing beside them, no trailers. Those of a broken body may stop
/// anywhere. Panics on any other form.
pub fn chunks(mut bytes: &[u8]) -> Chunks {
    let mut chunks = Chunks::default();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let digits = std::str::from_utf8(&bytes[..end]).unwrap();
        assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digits:?} is no plain size");
        let size = usize::try_from(u64::from_str_radix(digits, 16).unwrap()).unwrap();
        bytes = &bytes[end + 2..];
        let held = size.min(bytes.len());
        chunks.body.extend_from_slice(&bytes[..held]);
        bytes = &bytes[held..];
        chunks.finished = size == 0 && bytes == b"\r\n";
        if chunks.finished {
            return chunks;
        }
        if held < size || bytes.is_empty() {
            return chunks;
        }
        bytes = bytes.strip_prefix(b"\r\n").expect("a chunk has an end");
        assert!(size > 0, "bytes behind the last chunk");
    }
    assert!(bytes.is_empty(), "a size without an end");
    chunks
}
