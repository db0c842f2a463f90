//! Lines of SAM, what their keys ask for, and what is answered.

use ramson_api::fuzz::{Parsed, asked, error, line as parse, naming_replies};

/// What the target aims at. Functions, so that a test can put a fault in one of them.
pub struct Parts {
    /// Reads a line.
    pub parse: fn(&str) -> Option<Parsed>,
    /// Answers that something went wrong.
    pub error: fn(&str) -> String,
    /// Answers a look-up.
    pub naming_replies: fn(&str, &str) -> [String; 2],
}

/// As they are.
pub const PARTS: Parts = Parts { parse, error, naming_replies };

/// Target: a line of a client.
pub fn line(data: &[u8]) {
    line_with(data, &PARTS);
}

/// The target with some parts replaced.
pub fn line_with(data: &[u8], parts: &Parts) {
    let Some(text) = std::str::from_utf8(data).ok().and_then(|text| text.split('\n').next()) else { return };
    let text = text.trim_end();
    let error = (parts.error)(text);
    assert_eq!(value(parts, &format!("SESSION STATUS {error}"), "MESSAGE").as_deref(), Some(text), "{error}");
    let Some(parsed) = (parts.parse)(text) else { return };
    for word in [&parsed.command, &parsed.action] {
        assert!(!word.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_lowercase() || c == '='), "{word:?}");
    }
    let held: usize = parsed.keys.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(held + parsed.command.len() + parsed.action.len() <= text.len(), "more than came");
    let written = write(&parsed);
    assert_eq!((parts.parse)(&written).as_ref(), Some(&parsed), "{written:?}");
    if let Some((_, name)) = parsed.keys.iter().find(|(key, _)| key == "NAME") {
        for reply in (parts.naming_replies)(name, "AAAA") {
            assert!(!reply.contains('\n'), "{reply:?} is two lines");
            assert_eq!(value(parts, &reply, "NAME").as_ref(), Some(name), "{reply:?}");
        }
    }
    check_asked(parts, text);
}

fn value(parts: &Parts, line: &str, key: &str) -> Option<String> {
    let parsed = (parts.parse)(line).expect("an answer can be read");
    parsed.keys.into_iter().find(|(known, _)| known == key).map(|(_, value)| value)
}

/// A line that says the same.
fn write(parsed: &Parsed) -> String {
    let mut words = Vec::new();
    for (key, value) in &parsed.keys {
        words.push(format!("{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")));
    }
    // Words stand first and second; without a command the action stands behind a key.
    let place = usize::from(parsed.command.is_empty());
    if !parsed.action.is_empty() {
        words.insert(place.min(words.len()), parsed.action.clone());
    }
    if !parsed.command.is_empty() {
        words.insert(0, parsed.command.clone());
    }
    words.join(" ")
}

fn check_asked(parts: &Parts, text: &str) {
    let asked = asked(text).expect("a line that can be read");
    let refusals = [
        asked.tunnels.as_ref().err(),
        asked.signature_type.as_ref().err(),
        asked.port.as_ref().err(),
        asked.version.as_ref().err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        assert!(!refusal.contains('\n'), "{refusal:?} is two lines");
        assert!(value(parts, &format!("SESSION STATUS {refusal}"), "RESULT").is_some(), "{refusal:?}");
    }
    if let Ok(tunnels) = asked.tunnels {
        assert!(tunnels.inbound_length <= 7 && tunnels.outbound_length <= 7, "{tunnels:?}");
        assert!((1..=16).contains(&tunnels.inbound_quantity) && (1..=16).contains(&tunnels.outbound_quantity), "{tunnels:?}");
    }
    if let Ok((version, ports)) = asked.version {
        assert!(["3.0", "3.1", "3.2", "3.3"].contains(&version.as_str()), "{version}");
        assert_eq!(ports, version.as_str() >= "3.2");
    }
}
