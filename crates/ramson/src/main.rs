//! `ramson`: an I2P router and its applications. This is the only place that chooses: it reads the settings,
//! opens the listeners, and wires the router to its services.

mod control;
mod demo;
mod progress;
mod run;
mod settings;
mod status;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// An I2P router: anonymous sites, chats and programs over a network of volunteers.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// What to log: a level (error, warn, info, debug, trace) or targets with levels.
    #[arg(long, global = true, default_value = "info", value_name = "FILTER")]
    log: String,
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
}

/// The exit code for "nothing was started": the message says what to change.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
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

fn start(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_new(&arguments.log)
        .with_context(|| format!("--log: {:?} is no level (error, warn, info, debug, trace) or filter", arguments.log))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the service threads")?;
    runtime.block_on(async {
        match arguments.command {
            Command::Run { config, data_dir, settings } => {
                let data_dir = settings::data_dir(data_dir)?;
                let settings = settings.over_file(config, &data_dir)?;
                run::run(&data_dir, settings).await
            }
            Command::Status { data_dir, json } => status::show(&settings::data_dir(data_dir)?, json).await,
            Command::Demo { once } => demo::run(once).await,
        }
    })
}
