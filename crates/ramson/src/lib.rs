//! `ramson`: an I2P router and its applications. This is the only place that chooses: it reads the settings,
//! opens the listeners, and wires the router to its services.
//!
//! For the program itself and for tests: [`main`] is all that there is to it.

mod control;
mod demo;
#[cfg(feature = "sim")]
mod devnet;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod progress;
mod run;
mod settings;
#[cfg(feature = "sim")]
mod sim;
mod site;
mod status;
mod tunnels;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context;
use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// An I2P router: anonymous sites, chats and programs over a network of volunteers.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What to log: a level (error, warn, info, debug, trace) or targets with levels [default: info; of sim: error].
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the router with its proxy, server tunnels and SAM.
    Run {
        /// Settings file [default: ramson.toml in the data folder, if there is one].
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Keys and state [default: ramson in the platform's data folder].
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        #[command(flatten)]
        settings: Box<settings::Settings>,
    },
    /// Tell how a running router is doing.
    Status {
        /// The running router's data folder.
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Run a private network in this process, with a site in it, and open the site through the proxy.
    Demo {
        /// Fetch the site once, print what happened when, and exit.
        #[arg(long)]
        once: bool,
    },
    /// Simulate a whole network, and tell whether it was as good as its scenario expects.
    #[cfg(feature = "sim")]
    Sim(sim::Options),
    /// Run a network for programs to be tried on: routers with SAM and HTTP proxy ports, joined by a virtual network.
    #[cfg(feature = "sim")]
    #[command(after_help = devnet::NET_JSON)]
    Devnet(devnet::Arguments),
}

impl Command {
    /// What is logged unless told otherwise.
    fn log_level(&self) -> &'static str {
        match self {
            // Hundreds of routers have much to say, and the time on a line is another one than theirs.
            #[cfg(feature = "sim")]
            Self::Sim(_) => "error",
            _ => "info",
        }
    }
}

/// The exit code for "nothing was started": the message says what to change.
const REFUSED: u8 = 2;

/// Does what the command line says, and tells by the exit code how it went.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(code) => code,
        Err(error) => {
            // One message with its causes; if even stderr is gone there is nobody to tell.
            let _ = writeln!(std::io::stderr(), "ramson: {error:#}");
            ExitCode::from(REFUSED)
        }
    }
}

/// A filter in which every part is a level or `target=level`: a bare word that is no level is a mistyped one, which
/// the filter itself would take for a target.
fn log_filter(text: &str) -> anyhow::Result<EnvFilter> {
    let known = |part: &str| part.contains('=') || LevelFilter::from_str(part).is_ok();
    let filter = EnvFilter::try_new(text).ok().filter(|_| text.split(',').all(|part| known(part.trim())));
    filter.with_context(|| {
        format!("--log: {text:?} is neither a level (error, warn, info, debug, trace, off) nor a list of target=level")
    })
}

/// A router holds a socket for each of its sessions: the usual soft limit of 1,024 descriptors is meant for programs
/// that use select. What the system refuses is refused later too, one connection at a time.
fn raise_descriptor_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(%error, "the limit of descriptors stays");
    }
}

fn start(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let filter = log_filter(arguments.log.as_deref().unwrap_or(arguments.command.log_level()))?;
    raise_descriptor_limit();
    // Colours are for terminals: in a file or a journal they are noise.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match arguments.command {
        Command::Run { config, data_dir, settings } => {
            let data_dir = settings::data_dir(data_dir)?;
            let settings = settings.over_file(config, &data_dir)?;
            services()?.block_on(run::run(&data_dir, settings))
        }
        Command::Status { data_dir, json } => services()?.block_on(status::show(&settings::data_dir(data_dir)?, json)),
        Command::Demo { once } => services()?.block_on(demo::run(once)),
        #[cfg(feature = "sim")]
        Command::Devnet(arguments) => services()?.block_on(devnet::run(arguments)),
        #[cfg(feature = "sim")]
        Command::Sim(options) => sim::run(&options),
    }
}

/// The threads of everything that isn't the router itself.
fn services() -> anyhow::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("cannot start the service threads")
}
