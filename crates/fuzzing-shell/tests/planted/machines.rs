//! Faults of the shells' machines, put between them and the harness.

use ramson_fuzzing_shell::machines::pipe::Ending;
use ramson_fuzzing_shell::machines::{Border, http_proxy, sam, server_tunnel};
use ramson_router::driver::Command;

use super::finds;

/// Broken connections look as if they had ended well.
struct PlainCloses;

impl Border for PlainCloses {
    fn ending(&mut self, _: Ending) -> Ending {
        Ending::Closed
    }
}

#[test]
fn a_broken_sam_stream_ends_like_a_whole_one() {
    finds("sam_connections", |data| sam::connections_with(data, &mut PlainCloses));
}

/// A destination isn't closed with its session.
struct Lasting;

impl Border for Lasting {
    fn tells(&mut self, command: &Command) -> bool {
        !matches!(command, Command::CloseDestination { .. })
    }
}

#[test]
fn a_session_outlives_its_socket() {
    finds("sam_connections", |data| sam::connections_with(data, &mut Lasting));
}

/// An answer comes twice.
struct Echo;

impl Border for Echo {
    fn to_program(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if bytes.starts_with(b"PONG x") { bytes.repeat(2) } else { bytes }
    }
}

#[test]
fn a_command_is_answered_twice() {
    finds("sam_connections", |data| sam::connections_with(data, &mut Echo));
}

/// Bytes of a stream change places.
struct Swap;

impl Border for Swap {
    fn to_peer(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if bytes.len() > 100 {
            bytes.swap(40, 60);
        }
        bytes
    }
}

#[test]
fn bytes_of_a_client_change_places() {
    finds("sam_connections", |data| sam::connections_with(data, &mut Swap));
}

#[test]
fn an_answer_cut_short_ends_like_a_whole_one() {
    finds("http_proxy", |data| http_proxy::browsers_with(data, &mut PlainCloses));
}

#[test]
fn the_proxys_destination_outlives_it() {
    finds("http_proxy", |data| http_proxy::browsers_with(data, &mut Lasting));
}

/// A site gets what its request didn't say.
struct Told;

impl Border for Told {
    fn to_peer(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let text = String::from_utf8_lossy(&bytes);
        if text.contains("MYOB") { text.replace("Accept:", "Via: 1.1 laptop\r\nAccept:").into_bytes() } else { bytes }
    }
}

#[test]
fn a_site_is_told_about_the_browser() {
    finds("http_proxy", |data| http_proxy::browsers_with(data, &mut Told));
}

#[test]
fn a_cut_stream_to_a_server_ends_like_a_whole_one() {
    finds("server_tunnel", |data| server_tunnel::tunnel_with(data, &mut PlainCloses));
}

/// A server is told another asker than the one that asks.
struct Forged;

impl Border for Forged {
    fn to_program(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        String::from_utf8(bytes)
            .map_or_else(|error| error.into_bytes(), |text| text.replace("X-I2P-DestB32: ", "X-I2P-DestB32: x").into_bytes())
    }
}

#[test]
fn a_server_is_told_another_asker() {
    finds("server_tunnel", |data| server_tunnel::tunnel_with(data, &mut Forged));
}

#[test]
fn bytes_of_a_server_change_places() {
    finds("server_tunnel", |data| server_tunnel::tunnel_with(data, &mut Swap));
}
