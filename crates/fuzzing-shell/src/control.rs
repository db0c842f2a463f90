//! What is said on the control socket: requests of others, and the router's answers to them.

use ramson::fuzz::{control_refusal, status_answer};
use serde_json::{Value, json};

/// What the target aims at. Functions, so that a test can put a fault in one of them.
pub struct Parts {
    /// What is answered to a request that isn't for the status.
    pub refusal: fn(&[u8]) -> Option<String>,
    /// What a person is shown of a status.
    pub shown: fn(&str) -> Result<String, String>,
}

/// As they are.
pub const PARTS: Parts = Parts { refusal: control_refusal, shown: status_answer };

/// Target: with an even first byte a request, else an answer.
pub fn control(data: &[u8]) {
    control_with(data, &PARTS);
}

/// The target with some parts replaced.
pub fn control_with(data: &[u8], parts: &Parts) {
    match data.split_first() {
        Some((how, line)) if how % 2 == 0 => request(line, parts),
        Some((_, line)) => answer(&String::from_utf8_lossy(line), parts),
        None => {}
    }
}

fn request(line: &[u8], parts: &Parts) {
    let read = serde_json::from_slice::<Value>(line).ok();
    let wanted = read == Some(json!({"version": 1, "command": "status"}));
    match (parts.refusal)(line) {
        None => assert!(wanted, "something else is taken for a request of the status"),
        Some(refusal) => {
            assert!(!wanted, "a request of the status is refused");
            assert!(!refusal.contains('\n'), "{refusal:?} is two lines");
            let Ok(Value::Object(refusal)) = serde_json::from_str(&refusal) else { panic!("{refusal:?} is no JSON object") };
            assert!(refusal["error"].as_str().is_some_and(|error| !error.is_empty()) && refusal.len() == 1, "{refusal:?}");
        }
    }
}

fn answer(line: &str, parts: &Parts) {
    let Ok(shown) = (parts.shown)(line) else { return };
    let answer: Value = serde_json::from_str(line).expect("what is read is JSON");
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "the terminal is told what to do");
    let drops = answer["drops"].as_object().map_or(0, |drops| drops.values().filter(|count| count.as_u64() != Some(0)).count());
    let destinations = answer["destinations"].as_array().map_or(0, Vec::len);
    let problems = usize::from(!answer["storage"]["problem"].is_null());
    assert_eq!(shown.lines().count(), 10 + problems + drops + destinations, "a line that nobody wrote, or one is missing");
}
