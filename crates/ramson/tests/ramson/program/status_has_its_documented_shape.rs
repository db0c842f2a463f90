use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::running::{Running, TUNNEL, assert_names, status, write_settings};

/// Keys with the kinds of their values.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(items) => items.first().map_or_else(|| json!([]), |item| json!([shape(item)])),
        Value::Bool(_) => json!("bool"),
        Value::Number(number) if number.is_u64() => json!("count"),
        Value::String(_) => json!("text"),
        other => other.clone(),
    }
}

#[test]
fn as_one_json_object() {
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), TUNNEL);
    let _running = Running::run(folder.path(), &[]).up();
    let mut status = status(folder.path());
    let drops = status["drops"].take();
    assert!(drops.as_object().unwrap().values().all(Value::is_u64), "{drops}");
    assert_eq!(
        shape(&status),
        json!({
            "ready": "bool",
            "router": { "hash": "text", "version": "text", "net_id": "count", "uptime_secs": "count" },
            "netdb": { "routers": "count", "floodfills": "count", "lease_sets": "count" },
            "sessions": { "ntcp2": "count", "ssu2": "count" },
            "tunnels": {
                "exploratory_in": "count", "exploratory_out": "count",
                "client_in": "count", "client_out": "count", "transit": "count"
            },
            "builds": { "tried": "count", "accepted": "count", "refused": "count", "timed_out": "count" },
            "lookups": { "asked": "count", "found": "count", "failed": "count" },
            "transit": {
                "agreed": "count", "refused": "count", "participant": "count", "gateway": "count", "endpoint": "count"
            },
            "limits": {
                "bandwidth_in": null, "bandwidth_out": null, "application_bandwidth": null, "transit": "bool",
                "transit_bandwidth": "count", "transit_load_percent": "count", "transit_tunnels": "count", "class": "text",
                "congestion": null, "connections": "count", "memory_max": "count", "memory_percent": "count"
            },
            "traffic": { "sent_bytes": "count", "received_bytes": "count", "transit_bytes": "count" },
            "storage": { "problem": null },
            "drops": null,
            "destinations": [
                { "name": "text", "b32": "text", "inbound": "count", "outbound": "count", "published": "bool" }
            ]
        })
    );
    assert_eq!(status["ready"], false);
    assert_eq!(status["router"]["net_id"], 99);
    assert_eq!(status["router"]["hash"].as_str().unwrap().len(), 44);
    let names: Vec<_> = status["destinations"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", "http-proxy"]);
    assert!(status["destinations"][0]["b32"].as_str().unwrap().ends_with(".b32.i2p"));
}

#[test]
fn and_for_people_it_has_the_same_identity() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::run(folder.path(), &[]).up();
    let shown = Running::start(&["status", "--data-dir", folder.path().to_str().unwrap()]).ended();
    assert_eq!(shown.code, Some(0));
    let hash = status(folder.path())["router"]["hash"].as_str().unwrap().to_owned();
    assert_names(&shown.stdout.join("\n"), &[&hash, "not ready", "network 99"]);
}

#[test]
fn without_a_router_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    for flags in [&[][..], &["--json"]] {
        let mut arguments = vec!["status", "--data-dir", folder.path().to_str().unwrap()];
        arguments.extend(flags);
        let ended = Running::start(&arguments).ended();
        assert_eq!(ended.code, Some(1));
        assert_names(&ended.stderr, &["no router runs", folder.path().to_str().unwrap()]);
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn other_requests_on_the_control_socket_get_an_error_each() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Running::run(folder.path(), &[]).up();
    for (request, wanted) in [
        ("{\"version\":1,\"command\":\"dance\"}\n".to_owned(), "unknown command"),
        ("{\"version\":2,\"command\":\"status\"}\n".to_owned(), "unknown version"),
        ("GET / HTTP/1.1\n".to_owned(), "no JSON object"),
        ("x".repeat(5000), "no JSON object"),
    ] {
        let mut socket = UnixStream::connect(folder.path().join("control.sock")).unwrap();
        // The router may answer and close before it has read all.
        let _ = socket.write_all(request.as_bytes());
        let mut answer = String::new();
        let _ = BufReader::new(socket).read_line(&mut answer);
        assert!(answer.contains(wanted) || (answer.is_empty() && request.len() > 4096), "{answer:?}");
    }
    status(folder.path());
}
