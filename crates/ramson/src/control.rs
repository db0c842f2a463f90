//! The control socket: a Unix socket in the data folder (0600), over which the other commands ask the running
//! router. One JSON object a line each way; a request is `{"version":1,"command":"status"}`.

pub(crate) mod request;

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::Context;
use ramson_router::{DataDir, Limits, Router, accept};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::status::report::StatusReport;
use request::{Asked, asked};

/// The socket's name in the data folder.
pub(crate) const SOCKET: &str = "control.sock";
/// Longest request.
const MAX_REQUEST: u64 = 4096;

/// Takes the socket away when dropped.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // That it may be gone already is no error.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Makes the socket. A leftover of a killed router is replaced: the folder's lock proves that it is one. In a folder
/// that can't be written to there is none; the router runs, and says that nobody can ask it.
pub(crate) fn listen(data_dir: &DataDir) -> anyhow::Result<Option<(UnixListener, SocketFile)>> {
    let path = data_dir.file(SOCKET);
    let listener = match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(&path),
    };
    let listener = match listener {
        Err(error) if takes_nothing(error.kind()) => {
            tracing::warn!(
                "cannot make the control socket {}: {error}; the router runs, but `ramson status` will not find it",
                path.display()
            );
            return Ok(None);
        }
        listener => listener
            .with_context(|| format!("cannot make the control socket {}; give a --data-dir with a short path", path.display()))?,
    };
    let file = SocketFile(path);
    std::fs::set_permissions(&file.0, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", file.0.display()))?;
    Ok(Some((listener, file)))
}

/// What a folder answers that is full or may only be read.
fn takes_nothing(kind: ErrorKind) -> bool {
    use ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(kind, PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

/// Answers until dropped.
pub(crate) async fn serve(listener: UnixListener, router: Router, limits: Limits) {
    let mut tasks = JoinSet::new();
    loop {
        let (socket, _) = accept(|| listener.accept()).await;
        while tasks.try_join_next().is_some() {}
        let (router, limits) = (router.clone(), limits.clone());
        tasks.spawn(async move {
            if let Err(error) = answer(socket, &router, &limits).await {
                tracing::debug!(%error, "a control connection ended early");
            }
        });
    }
}

async fn answer(mut socket: UnixStream, router: &Router, limits: &Limits) -> anyhow::Result<()> {
    let (read, mut write) = socket.split();
    let mut line = Vec::new();
    BufReader::new(read.take(MAX_REQUEST)).read_until(b'\n', &mut line).await?;
    let mut text = match asked(&line) {
        Ok(Asked::Status) => {
            serde_json::to_string(&StatusReport::new(*router.status().await?, router.storage_problem(), limits))?
        }
        Err(refusal) => refusal,
    };
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    Ok(())
}
