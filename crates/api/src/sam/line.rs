//! Lines of the protocol: `WORD WORD key=value key="quoted value" key`.
//! Source: SAM V3 Specification, "General Protocol Specification".

use std::collections::BTreeMap;

/// A parsed line. Command words are upper-cased, keys kept as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) command: String,
    pub(crate) action: String,
    pub(crate) keys: BTreeMap<String, String>,
}

/// A quote without its end, or a key given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("unfinished quote")]
    UnfinishedQuote,
    #[error("a key is given twice")]
    DuplicateKey,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Result<Self, LineError> {
        let mut line = Self::default();
        for (position, word) in words(text)?.into_iter().enumerate() {
            match (position, word) {
                (0, Word { key, value: None }) => line.command = key.to_ascii_uppercase(),
                (1, Word { key, value: None }) => line.action = key.to_ascii_uppercase(),
                (_, Word { key, value }) => {
                    if line.keys.insert(key, value.unwrap_or_default()).is_some() {
                        return Err(LineError::DuplicateKey);
                    }
                }
            }
        }
        Ok(line)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    /// `SILENT=true` and the like; a bare key is an empty value.
    pub(crate) fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

struct Word {
    key: String,
    value: Option<String>,
}

/// Splits at white space outside quotes; only the first `=` of a word separates, since base64 may end in more.
fn words(text: &str) -> Result<Vec<Word>, LineError> {
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while rest.next_if(|c| c.is_ascii_whitespace()).is_some() || rest.peek().is_some() {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        if rest.peek().is_none() {
            break;
        }
        let mut key = String::new();
        while let Some(c) = rest.next_if(|c| !c.is_ascii_whitespace() && *c != '=') {
            key.push(c);
        }
        let mut value = None;
        if rest.next_if_eq(&'=').is_some() {
            value = Some(read_value(&mut rest)?);
        }
        words.push(Word { key, value });
    }
    Ok(words)
}

fn read_value(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, LineError> {
    let mut value = String::new();
    if rest.next_if_eq(&'"').is_none() {
        while let Some(c) = rest.next_if(|c| !c.is_ascii_whitespace()) {
            value.push(c);
        }
        return Ok(value);
    }
    loop {
        match rest.next() {
            Some('"') => return Ok(value),
            Some('\\') => value.push(rest.next().ok_or(LineError::UnfinishedQuote)?),
            Some(c) => value.push(c),
            None => return Err(LineError::UnfinishedQuote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keys_and_quotes() {
        let line = Line::parse("stream Connect ID=a DESTINATION=AAA== SILENT= MESSAGE=\"a \\\"b\\\" \\\\\" FLAG\r").unwrap();
        assert_eq!((line.command.as_str(), line.action.as_str()), ("STREAM", "CONNECT"));
        assert_eq!(line.get("DESTINATION"), Some("AAA=="));
        assert_eq!(line.get("SILENT"), Some(""));
        assert_eq!(line.get("FLAG"), Some(""));
        assert_eq!(line.get("MESSAGE"), Some("a \"b\" \\"));
        assert!(!line.is_true("SILENT"));
    }

    #[test]
    fn a_command_without_an_action_may_have_keys() {
        let line = Line::parse("HELLO MIN=3.0").unwrap();
        assert_eq!((line.command.as_str(), line.action.as_str(), line.get("MIN")), ("HELLO", "", Some("3.0")));
    }

    #[test]
    fn broken_lines_are_errors() {
        assert_eq!(Line::parse("A B C=\"x").unwrap_err(), LineError::UnfinishedQuote);
        assert_eq!(Line::parse("A B C=\"x\\").unwrap_err(), LineError::UnfinishedQuote);
        assert_eq!(Line::parse("A B C=1 C=2").unwrap_err(), LineError::DuplicateKey);
        assert_eq!(Line::parse("   ").unwrap(), Line::default());
    }
}
