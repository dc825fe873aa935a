//! Logs, on standard error.

use std::{io::IsTerminal as _, panic, process};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, fmt};

use crate::contained;

/// What is shown when nothing else is asked for.
const DEFAULT: &str =
    "info,kube_client::client=off,kube_runtime=warn,kube_runtime::watcher=off,russh=off";

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Starts the log of this process. What is shown is set by `DROVER_LOG`, else by `RUST_LOG`, in the
/// syntax of tracing's `EnvFilter`, such as `info,drover=debug`; default `info`, without what kube
/// and russh log by themselves about failures that Drover logs too.
///
/// From then on a panic is logged and ends the process with status 101: an operator that lost one
/// of its parts would look alive and do half of its work. Only where a task is contained does a
/// panic end no more than that task.
pub fn start(format: LogFormat) {
    let words = ["DROVER_LOG", "RUST_LOG"].iter().find_map(|it| std::env::var(it).ok());
    let words = words.filter(|it| !it.is_empty()).unwrap_or_else(|| DEFAULT.to_owned());
    let filter = EnvFilter::builder().parse_lossy(words);
    let colours = std::io::stderr().is_terminal();
    let subscriber = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => {
            // The list of spans holds the current one too.
            subscriber.json().flatten_event(true).with_current_span(false).init();
        }
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no text");
        if contained::is_current() {
            tracing::error!(place, text, "a library panicked; its connection is given up");
            return;
        }
        tracing::error!(place, text, "a fault of Drover itself: a task panicked");
        process::exit(101);
    }));
}
