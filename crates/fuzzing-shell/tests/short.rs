//! Every target on its corpus and on changes of it: what a fuzzer would try first.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use ramson_fuzzing::mutate::short_run;
use ramson_fuzzing_shell::TARGETS;

fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    short_run(&target.inputs(), 1, target.runs, target.run);
}

#[test]
fn requests() {
    run("http_request");
}

#[test]
fn responses() {
    run("http_response");
}

#[test]
fn bodies() {
    run("http_body");
}

#[test]
fn sam() {
    run("sam_line");
}

#[test]
fn http_proxy() {
    run("http_proxy");
}

#[test]
fn server_tunnel() {
    run("server_tunnel");
}

#[test]
fn sam_connections() {
    run("sam_connections");
}

#[test]
fn address_books() {
    run("hosts");
}

#[test]
fn key_files() {
    run("router_keys");
}

#[test]
fn bundles() {
    run("reseed");
}

#[test]
fn databases() {
    run("known_routers");
}

#[test]
fn settings() {
    run("settings");
}

#[test]
fn scenarios() {
    run("scenario");
}

#[test]
fn control() {
    run("control");
}
