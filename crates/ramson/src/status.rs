//! `ramson status`: asks the running router, and shows the answer to a person or as JSON.

pub(crate) mod report;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use report::read_answer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::control::SOCKET;
use crate::control::request::{Request, VERSION};
use crate::progress::say;

/// How long the router may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// No answer is longer: thousands of destinations fit.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// Asks and prints. Exit code 1 if no router runs on that data folder.
pub(crate) async fn show(data_dir: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let path = data_dir.join(SOCKET);
    let socket = match UnixStream::connect(&path).await {
        Ok(socket) => socket,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            // Not where a script expects the answer.
            let _ = writeln!(std::io::stderr(), "ramson: no router runs on the data folder {}", data_dir.display());
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error).with_context(|| format!("cannot ask {}", path.display())),
    };
    let asking = tokio::time::timeout(ANSWER_TIME, ask(socket)).await;
    let line = asking
        .map_err(anyhow::Error::from)
        .flatten()
        .with_context(|| format!("no answer on {}: the router hangs or is stopping", path.display()))?;
    let described = read_answer(&line)?;
    say(if json { line.trim_end() } else { &described });
    Ok(ExitCode::SUCCESS)
}

async fn ask(mut socket: UnixStream) -> anyhow::Result<String> {
    let request = Request { version: VERSION, command: "status".to_owned() };
    let mut text = serde_json::to_string(&request)?;
    text.push('\n');
    socket.write_all(text.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(socket.take(MAX_ANSWER)).read_line(&mut line).await?;
    ensure!(line.ends_with('\n'), "it closed the connection");
    Ok(line)
}
