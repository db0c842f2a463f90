//! The harnesses can fail: with a fault planted in what a target aims at, its short run finds it.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod machines;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ramson_fuzzing::mutate::short_run;
use ramson_fuzzing_shell::{TARGETS, body, control, files, hosts, request, response, sam, settings};
use ramson_proxy::fuzz::{Request, Response, carry, exchange};
use ramson_router::fuzz::KeyFile;
use ramson_sim::scenario::Scenario;
use ramson_wire::{Codec, RouterIdentity};

/// Runs the short run of `target` with a broken harness; that must panic, and on an input, not on the way there.
fn finds(target: &str, broken: impl Fn(&[u8])) {
    let target = TARGETS.iter().find(|known| known.name == target).unwrap();
    let seeds = target.inputs();
    let run = catch_unwind(AssertUnwindSafe(|| short_run(&seeds, 1, target.runs, broken)));
    assert!(run.is_err(), "{}: the planted bug wasn't found", target.name);
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_long_path_loses_its_slash() {
    let broken = request::Parts {
        towards_site: |request| {
            let (host, path) = request.towards_site()?;
            let path = if path.len() > 28 { path.trim_start_matches('/').to_owned() } else { path };
            Some((host, path))
        },
        ..request::PARTS
    };
    finds("http_request", |data| request::request_with(data, &broken));
}

#[test]
fn a_request_that_declares_hops_passes_as_it_came() {
    let broken = request::Parts {
        towards_server: |request, from| {
            if !holds(&request.to_bytes(), b"TE, X-Hop") {
                request.towards_server(from);
            }
        },
        ..request::PARTS
    };
    finds("http_request", |data| request::request_with(data, &broken));
}

#[test]
fn a_value_with_a_high_byte_is_written_otherwise() {
    let write = |request: &Request| {
        let mut bytes = request.to_bytes();
        for byte in bytes.iter_mut().filter(|byte| **byte >= 0x80) {
            *byte = b'?';
        }
        bytes
    };
    let broken = request::Parts { write, ..request::PARTS };
    finds("http_request", |data| request::request_with(data, &broken));
}

#[test]
fn a_local_servers_errors_tell_its_software() {
    let broken = response::Parts {
        from_server: |response: &mut Response| {
            if response.status() < 500 { response.from_server() } else { response.towards_browser() }
        },
        ..response::PARTS
    };
    finds("http_response", |data| response::response_with(data, &broken));
}

#[test]
fn a_cut_answer_counts_as_whole() {
    let broken = response::Parts {
        exchange: |question, answer, piece| {
            let mut exchanged = exchange(question, answer, piece);
            if exchanged.end == ramson_proxy::fuzz::End::Broken && exchanged.got.len() > 400 {
                exchanged.end = ramson_proxy::fuzz::End::Whole;
            }
            exchanged
        },
        ..response::PARTS
    };
    finds("http_response", |data| response::response_with(data, &broken));
}

#[test]
fn words_beside_the_size_of_a_chunk_pass() {
    finds("http_body", |data| {
        body::body_with(data, |body, data, piece| {
            let mut carried = carry(body, data, piece);
            if holds(data, b";last") && carried.written.ends_with(b"0\r\n\r\n") {
                carried.written.truncate(carried.written.len() - 4);
                carried.written.extend_from_slice(b";last\r\n\r\n");
            }
            carried
        });
    });
}

#[test]
fn a_body_swallows_what_follows_a_short_end() {
    finds("http_body", |data| {
        body::body_with(data, |body, data, piece| {
            let mut carried = carry(body, data, piece);
            if holds(data, b"0\n\n") {
                carried.left.clear();
            }
            carried
        });
    });
}

#[test]
fn an_escape_keeps_its_backslash() {
    let broken = sam::Parts {
        parse: |text| {
            let mut parsed = ramson_api::fuzz::line(text)?;
            for (_, value) in parsed.keys.iter_mut().filter(|(_, value)| value.contains('\\')) {
                *value = value.replace('\\', "\\\\");
            }
            Some(parsed)
        },
        ..sam::PARTS
    };
    finds("sam_line", |data| sam::line_with(data, &broken));
}

#[test]
fn a_name_in_an_answer_is_not_quoted() {
    let naming_replies = |name: &str, _: &str| {
        let reply = format!("NAMING REPLY RESULT=KEY_NOT_FOUND NAME={name}");
        [reply.clone(), reply]
    };
    let broken = sam::Parts { naming_replies, ..sam::PARTS };
    finds("sam_line", |data| sam::line_with(data, &broken));
}

#[test]
fn the_last_line_of_a_book_wins() {
    let book = |text: &str| {
        let turned: Vec<_> = text.lines().rev().collect();
        ramson_router::fuzz::book(&turned.join("\n"))
    };
    let broken = hosts::Parts { book, ..hosts::PARTS };
    finds("hosts", |data| hosts::hosts_with(data, &broken));
}

#[test]
fn a_hash_counts_with_anything_in_front() {
    let broken = hosts::Parts {
        resolve: |names, name| names.resolve(name.get(name.len().saturating_sub(60)..).unwrap_or(name)),
        ..hosts::PARTS
    };
    finds("hosts", |data| hosts::hosts_with(data, &broken));
}

#[test]
fn a_key_file_of_another_identity_counts() {
    let read = |bytes: &[u8]| {
        KeyFile::read(bytes).or_else(|problem| {
            // An identity has 391 bytes, and a checksum of 32 stands behind it.
            let identity = bytes.len().checked_sub(391 + 32).and_then(|at| bytes.get(at..at + 391)).ok_or(problem)?;
            let identity = RouterIdentity::from_bytes(identity).map_err(|_| problem)?;
            Ok(KeyFile { identity, written: bytes.to_vec(), ..KeyFile::generate(1) })
        })
    };
    finds("router_keys", |data| files::router_keys_with(data, read));
}

#[test]
fn a_bundle_that_is_compressed_loses_its_last_router() {
    let read = |bytes: &[u8]| {
        let mut routers = ramson_router::fuzz::bundle(bytes)?;
        if routers.len() > 2 && bytes.get(8) == Some(&8) {
            routers.pop();
        }
        Ok(routers)
    };
    finds("reseed", |data| files::reseed_with(data, read));
}

#[test]
fn a_database_of_a_killed_router_is_read_by_half() {
    let read = |bytes: &[u8]| {
        let mut routers = ramson_router::fuzz::known_routers(bytes)?;
        if routers.len() > 3 && bytes[9] & 1 == 0 {
            routers.truncate(3);
        }
        Some(routers)
    };
    finds("known_routers", |data| files::known_routers_with(data, read));
}

#[test]
fn all_tunnels_but_the_first_are_forgotten() {
    let read = |bytes: &[u8], path: &std::path::Path| {
        let mut read = ramson::fuzz::settings(bytes, path)?;
        read.tunnels.truncate(1);
        Ok(read)
    };
    finds("settings", |data| settings::settings_with(data, read));
}

#[test]
fn a_mistake_in_settings_is_told_without_its_key() {
    let read = |bytes: &[u8], path: &std::path::Path| {
        let told = |told: String| match told.split_once(": host: ") {
            Some((file, _)) => format!("{file}: invalid IP address, expected another"),
            None => told,
        };
        ramson::fuzz::settings(bytes, path).map_err(told)
    };
    finds("settings", |data| settings::settings_with(data, read));
}

#[test]
fn the_last_fault_of_a_scenario_is_forgotten() {
    let read = |text: &str, file: &str| {
        let mut scenario = Scenario::from_toml(text, file)?;
        if scenario.faults.len() > 1 {
            scenario.faults.pop();
        }
        Ok(scenario)
    };
    finds("scenario", |data| settings::scenario_with(data, read));
}

#[test]
fn a_request_of_any_version_counts() {
    let refusal = |line: &[u8]| ramson::fuzz::control_refusal(line).filter(|_| !holds(line, b"\"status\""));
    let broken = control::Parts { refusal, ..control::PARTS };
    finds("control", |data| control::control_with(data, &broken));
}

#[test]
fn a_line_of_a_status_is_lost() {
    let shown = |line: &str| {
        let shown = ramson::fuzz::status_answer(line)?;
        Ok(shown.lines().filter(|line| !line.starts_with("disk")).collect::<Vec<_>>().join("\n"))
    };
    let broken = control::Parts { shown, ..control::PARTS };
    finds("control", |data| control::control_with(data, &broken));
}
