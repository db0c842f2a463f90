//! Starts the built program and watches it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ramson_leaks::Watch;
use serde_json::Value;

/// Far more than anything here takes, on a busy machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running program of our own; killed when dropped. Its log must not name anybody: a leak fails the test at its end.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
    /// Over the log, which comes when it has ended. A test may forbid more.
    pub(crate) leaks: Watch,
}

/// How a program ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_ramson")), arguments)
    }

    /// With at most so many open descriptors.
    pub(crate) fn start_with_descriptors(limit: u32, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_ramson")]);
        Self::start_as(shell, arguments)
    }

    /// By a command that runs the program with the arguments it is given.
    pub(crate) fn start_as(mut command: Command, arguments: &[&str]) -> Self {
        // All that it would ever log is checked.
        let log: &[&str] = if arguments.contains(&"--log") { &[] } else { &["--log", "trace"] };
        let mut child =
            command.args(arguments).args(log).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, errors: Some(errors), leaks: Watch::of_texts() }
    }

    /// `ramson run` on a data folder, in a network of its own, with free ports; `more` comes last and wins.
    pub(crate) fn run(data_dir: &Path, more: &[&str]) -> Self {
        let mut arguments = vec!["run", "--data-dir", data_dir.to_str().unwrap()];
        for (flag, value) in [
            ("--net-id", "99"),
            ("--bind", "127.0.0.1"),
            ("--port", "0"),
            ("--reseed", "none"),
            ("--http-proxy", "127.0.0.1:0"),
            ("--sam", "127.0.0.1:0"),
        ] {
            if !more.contains(&flag) {
                arguments.extend([flag, value]);
            }
        }
        arguments.extend(more);
        Self::start(&arguments)
    }

    /// The rest of the first line from now on that begins so.
    pub(crate) fn said(&self, begin: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("it never said {begin:?}: {error}"));
            if let Some((_, rest)) = line.split_once(begin) {
                return rest.to_owned();
            }
        }
    }

    pub(crate) fn address_of(&self, service: &str) -> SocketAddr {
        self.said(&format!("{service}: ")).parse().unwrap()
    }

    /// Waits until all its listeners stand.
    pub(crate) fn up(self) -> Self {
        self.said("no other router is known");
        self
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, which its closed output tells.
    pub(crate) fn ended(mut self) -> Ended {
        let start = Instant::now();
        let mut stdout = Vec::new();
        loop {
            match self.lines.recv_timeout((start + PATIENCE).saturating_duration_since(Instant::now())) {
                Ok(line) => stdout.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it did not end; it said {stdout:?}"),
            }
        }
        let status: ExitStatus = self.child.wait().unwrap();
        let stderr = self.log(status.code());
        Ended { code: status.code(), stdout, stderr, took: start.elapsed() }
    }

    /// All that it wrote to stderr, checked. What a program that refused to start tells its user is no log, whose lines
    /// begin with the time.
    fn log(&mut self, code: Option<i32>) -> String {
        let text = self.errors.take().unwrap().join().unwrap();
        let logged = |line: &&str| code != Some(2) || line.starts_with(|c: char| c.is_ascii_digit());
        text.lines().filter(logged).for_each(|line| self.leaks.check_text(line));
        text
    }

    /// Asserts that it refused to start, and returns the message.
    pub(crate) fn refused(self) -> String {
        let Ended { code, stderr, stdout, .. } = self.ended();
        assert_eq!(code, Some(2), "{stderr}\n{stdout:?}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        stderr
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.errors.is_some() && !std::thread::panicking() {
            self.log(None);
        }
    }
}

/// Asserts that a message names all of these.
pub(crate) fn assert_names(message: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
}

pub(crate) fn status(data_dir: &Path) -> Value {
    let ended = Running::start(&["status", "--json", "--data-dir", data_dir.to_str().unwrap()]).ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout.concat()).unwrap()
}

/// A port that nothing uses now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Settings in a file of the data folder.
pub(crate) fn write_settings(data_dir: &Path, text: &str) -> PathBuf {
    let path = data_dir.join("ramson.toml");
    std::fs::write(&path, text).unwrap();
    path
}

pub(crate) const TUNNEL: &str =
    "[[tunnel]]\nname = \"web\"\ntype = \"http-server\"\ntarget = \"127.0.0.1:9\"\nkeys = \"web.keys\"\n";

/// Sends bytes and reads all that comes back.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
