//! The web server of the networks in a box: one page for every request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves the page until dropped.
pub(crate) async fn serve(listener: TcpListener, page: &'static str) {
    while let Ok((mut socket, _)) = listener.accept().await {
        if let Err(error) = answer(&mut socket, page).await {
            tracing::debug!(%error, "a request to the site ended early");
        }
    }
}

async fn answer(socket: &mut TcpStream, page: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let mut len = 0;
    while !request.get(..len).is_some_and(|head| head.windows(4).any(|end| end == b"\r\n\r\n")) {
        let count = socket.read(request.get_mut(len..).unwrap_or_default()).await?;
        len += count;
        if count == 0 {
            break;
        }
    }
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
    socket.write_all(head.as_bytes()).await?;
    socket.write_all(page.as_bytes()).await?;
    socket.shutdown().await
}
