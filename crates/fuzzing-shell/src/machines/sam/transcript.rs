//! What a SAM client sent against what it got: one answer for each command, in order, of its kind.

use ramson_api::fuzz::{Parsed, asked, line as parse};
use ramson_wire::DestinationKeys;

/// Where a connection stands, as its client can know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Everything was answered.
    Idle,
    /// This command has no answer yet.
    Asked(Parsed),
    /// It is a stream, or waits for one without a word about it.
    Stream(Carried),
    /// The bridge ends it.
    Over,
}

/// A connection that became a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The command.
    pub command: Parsed,
    /// The client wants no answers: it may not be a stream yet, or never become one.
    pub silent: bool,
    /// The line that says who connected.
    pub from: Option<String>,
    /// Where in what was sent its bytes begin.
    pub sent_from: usize,
    /// Where in what came its bytes begin.
    pub got_from: usize,
}

/// What was learnt from a transcript.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// At its end.
    pub standing: Standing,
    /// The sessions that were asked for: their names, and their keys as they were given.
    pub wishes: Vec<(String, String)>,
    /// The session that was made: its name, and its keys.
    pub session: Option<(String, String)>,
    /// The version that was agreed knows ports.
    pub ports: bool,
}

/// Looks up a key of a line.
pub fn key<'a>(line: &'a Parsed, name: &str) -> Option<&'a str> {
    line.keys.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A key says true.
fn is_true(line: &Parsed, name: &str) -> bool {
    key(line, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

struct Reader<'a> {
    sent: &'a [u8],
    got: &'a [u8],
    sent_at: usize,
    got_at: usize,
}

/// What follows a command.
enum After {
    Next,
    Stand(Standing),
}

/// Reads a transcript. Panics if the bridge said anything that it shouldn't have.
pub fn read(sent: &[u8], got: &[u8]) -> Transcript {
    let mut reader = Reader { sent, got, sent_at: 0, got_at: 0 };
    let mut transcript = Transcript { standing: Standing::Idle, wishes: Vec::new(), session: None, ports: false };
    let standing = reader.hello(&mut transcript).unwrap_or_else(|| {
        loop {
            match reader.command(&mut transcript) {
                After::Next => {}
                After::Stand(standing) => break standing,
            }
        }
    });
    if matches!(standing, Standing::Idle | Standing::Over) {
        assert_eq!(String::from_utf8_lossy(&got[reader.got_at..]), "", "nobody asked for that");
    }
    transcript.standing = standing;
    transcript
}

impl Reader<'_> {
    /// The next line that was sent; an error if the bridge can't read it.
    fn line(&mut self) -> Option<Result<(String, Parsed), bool>> {
        let rest = &self.sent[self.sent_at..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        if end as u64 >= ramson_api::fuzz::MAX_LINE {
            return Some(Err(false));
        }
        self.sent_at += end + 1;
        let Ok(text) = std::str::from_utf8(&rest[..end]) else { return Some(Err(false)) };
        Some(parse(text.trim_end()).map(|line| (text.trim_end().to_owned(), line)).ok_or(true))
    }

    /// The next answer.
    fn answer(&mut self) -> Option<String> {
        let rest = &self.got[self.got_at..];
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.got_at += end + 1;
        Some(String::from_utf8(rest[..end].to_vec()).expect("answers are text"))
    }

    fn hello(&mut self, transcript: &mut Transcript) -> Option<Standing> {
        let Some(line) = self.line() else { return Some(self.waiting()) };
        let Ok((text, line)) = line else { return Some(Standing::Over) };
        if (line.command.as_str(), line.action.as_str()) != ("HELLO", "VERSION") {
            return Some(Standing::Over);
        }
        let Some(answer) = self.answer() else { return Some(Standing::Asked(line)) };
        let version = asked(&text).expect("a line that can be read").version;
        let expected = match &version {
            Ok((version, _)) => format!("HELLO REPLY RESULT=OK VERSION={version}"),
            Err(refusal) => format!("HELLO REPLY {refusal}"),
        };
        assert_eq!(answer, expected);
        transcript.ports = version.as_ref().is_ok_and(|(_, ports)| *ports);
        version.is_err().then_some(Standing::Over)
    }

    /// No whole line is there. One that is too long has ended the connection.
    fn waiting(&self) -> Standing {
        let open = (self.sent.len() - self.sent_at) as u64;
        if open >= ramson_api::fuzz::MAX_LINE { Standing::Over } else { Standing::Idle }
    }

    fn command(&mut self, transcript: &mut Transcript) -> After {
        let Some(line) = self.line() else { return After::Stand(self.waiting()) };
        let (text, line) = match line {
            Ok(line) => line,
            Err(false) => return After::Stand(Standing::Over),
            Err(true) => return self.refused("SESSION STATUS", Parsed { command: String::new(), ..empty() }),
        };
        match (line.command.as_str(), line.action.as_str()) {
            ("", _) | ("PONG", _) => After::Next,
            ("QUIT" | "STOP" | "EXIT", _) => After::Stand(Standing::Over),
            ("SESSION", "CREATE") => self.create(line, transcript),
            ("STREAM", "CONNECT") => self.connect(line),
            ("STREAM", "ACCEPT") => self.accept(line, transcript),
            ("NAMING", "LOOKUP") => self.lookup(line),
            ("DEST", "GENERATE") => {
                let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
                let made = answer.strip_prefix("DEST REPLY PUB=").and_then(|rest| rest.split_once(" PRIV="));
                let own = |keys| DestinationKeys::from_base64(keys).expect("keys").destination().to_base64();
                let right = made.is_some_and(|(public, private)| own(private) == public);
                assert!(right || answer.starts_with("DEST REPLY RESULT=I2P_ERROR "), "{answer:?}");
                After::Next
            }
            ("PING", _) => {
                let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
                let rest = text.split_once(' ').map_or("", |(_, rest)| rest);
                assert_eq!(answer, format!("PONG {rest}").trim_end());
                After::Next
            }
            ("STREAM", _) => self.refused("STREAM STATUS", line),
            ("NAMING", _) => self.refused("NAMING REPLY", line),
            ("DEST", _) => self.refused("DEST REPLY", line),
            _ => self.refused("SESSION STATUS", line),
        }
    }

    fn refused(&mut self, about: &str, line: Parsed) -> After {
        let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
        assert!(answer.starts_with(&format!("{about} RESULT=I2P_ERROR ")), "{answer:?} to what nobody understands");
        After::Stand(Standing::Over)
    }

    fn create(&mut self, line: Parsed, transcript: &mut Transcript) -> After {
        let given = |name| key(&line, name).unwrap_or_default().to_owned();
        transcript.wishes.push((given("ID"), given("DESTINATION")));
        let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
        let result = answer.strip_prefix("SESSION STATUS RESULT=").unwrap_or_else(|| panic!("{answer:?} to SESSION CREATE"));
        let Some(keys) = result.strip_prefix("OK DESTINATION=") else {
            let known = ["DUPLICATED_ID", "DUPLICATED_DEST", "INVALID_KEY", "INVALID_ID"].contains(&result);
            assert!(known || result.starts_with("I2P_ERROR MESSAGE="), "{answer:?}");
            return After::Stand(Standing::Over);
        };
        let id = key(&line, "ID").expect("a session has a name").to_owned();
        assert!(transcript.session.replace((id, keys.to_owned())).is_none(), "two sessions of one connection");
        After::Next
    }

    fn carried(&self, command: Parsed, silent: bool, from: Option<String>) -> After {
        let (sent_from, got_from) = (self.sent_at, self.got_at);
        After::Stand(Standing::Stream(Carried { command, silent, from, sent_from, got_from }))
    }

    fn connect(&mut self, line: Parsed) -> After {
        if is_true(&line, "SILENT") {
            return self.carried(line, true, None);
        }
        let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
        let result = answer.strip_prefix("STREAM STATUS RESULT=").unwrap_or_else(|| panic!("{answer:?} to STREAM CONNECT"));
        if result == "OK" {
            return self.carried(line, false, None);
        }
        let known = ["CANT_REACH_PEER", "INVALID_ID", "INVALID_KEY", "TIMEOUT"].contains(&result);
        assert!(known || result.starts_with("I2P_ERROR MESSAGE="), "{answer:?}");
        After::Stand(Standing::Over)
    }

    fn accept(&mut self, line: Parsed, transcript: &Transcript) -> After {
        if is_true(&line, "SILENT") {
            return self.carried(line, true, None);
        }
        let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
        if answer == "STREAM STATUS RESULT=INVALID_ID" {
            return After::Stand(Standing::Over);
        }
        assert_eq!(answer, "STREAM STATUS RESULT=OK");
        let Some(from) = self.answer() else { return After::Stand(Standing::Asked(line)) };
        if from == "STREAM STATUS RESULT=I2P_ERROR MESSAGE=\"the session was closed\"" {
            return After::Stand(Standing::Over);
        }
        assert_eq!(from.contains(' '), transcript.ports, "{from:?}");
        self.carried(line, false, Some(from))
    }

    fn lookup(&mut self, line: Parsed) -> After {
        let Some(answer) = self.answer() else { return After::Stand(Standing::Asked(line)) };
        let parsed = parse(&answer).expect("an answer can be read");
        assert_eq!((parsed.command.as_str(), parsed.action.as_str()), ("NAMING", "REPLY"), "{answer:?} to NAMING LOOKUP");
        assert_eq!(key(&parsed, "NAME").unwrap_or_default(), key(&line, "NAME").unwrap_or_default());
        assert_eq!(key(&parsed, "RESULT") == Some("OK"), key(&parsed, "VALUE").is_some(), "{answer:?}");
        After::Next
    }
}

fn empty() -> Parsed {
    Parsed { command: String::new(), action: String::new(), keys: Vec::new() }
}
