//! What is asked on the control socket.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Version of requests and answers.
pub(crate) const VERSION: u32 = 1;
/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) version: u32,
    pub(crate) command: String,
}

/// What somebody wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Status,
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

/// Reads a request. Otherwise tells what is to be answered.
pub(crate) fn asked(line: &[u8]) -> Result<Asked, String> {
    // By way of a map: serde would take a list of the values too.
    let request =
        serde_json::from_slice::<Map<String, Value>>(line).and_then(|fields| Request::deserialize(Value::Object(fields)));
    let error = match request {
        Ok(Request { version: VERSION, command }) if command == "status" => return Ok(Asked::Status),
        Ok(Request { version: VERSION, .. }) => "unknown command",
        Ok(_) => "unknown version of the request",
        Err(_) => "the request is no JSON object with version and command",
    };
    Err(serde_json::to_string(&Refusal { error }).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_object_with_both_fields_and_no_others() {
        assert_eq!(asked(b"{\"command\":\"status\",\"version\":1}\n"), Ok(Asked::Status));
        for line in ["[1,\"status\"]", "{\"version\":1}", "{\"version\":1,\"command\":\"status\",\"why\":0}", "\u{fffd}", ""] {
            assert!(asked(line.as_bytes()).unwrap_err().contains("no JSON object"), "{line}");
        }
        assert!(asked(&[0xff, b'\n']).unwrap_err().contains("no JSON object"));
    }
}
