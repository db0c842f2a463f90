//! Steps of a router's start, as lines on the terminal.

use std::io::Write;
use std::time::Instant;

use ramson_router::Progress;
use tokio::sync::watch;

/// A line to whoever watches the terminal. A closed terminal does not stop the router.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Says each step until the router is ready, with the time since the start.
pub(crate) async fn follow(mut progress: watch::Receiver<Progress>) {
    let start = Instant::now();
    let mut last = String::new();
    loop {
        let step = *progress.borrow_and_update();
        let line = describe(step);
        if line != last {
            say(&format!("{:6.1} s  {line}", start.elapsed().as_secs_f32()));
            last = line;
        }
        if step == Progress::Ready || progress.changed().await.is_err() {
            return;
        }
    }
}

fn describe(step: Progress) -> String {
    match step {
        Progress::NoRouters => {
            "no other router is known: waiting for one to connect, or start with --reseed DIR|FILE.zip".to_owned()
        }
        Progress::Connecting { routers } => format!("{routers} routers known: waiting for the first to answer"),
        Progress::BuildingTunnels { connected } => format!("{connected} routers connected: waiting for tunnels through them"),
        Progress::Publishing => "tunnels stand: waiting for a floodfill to confirm our RouterInfo".to_owned(),
        Progress::Ready => "ready".to_owned(),
    }
}
