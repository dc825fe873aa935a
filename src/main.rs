//! Arguments, the crypto provider, logs; then the command.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser as _;
use drover::{
    api,
    chain::chain,
    cli::{Arguments, CloudInitArguments, Command, HostCommand, RunArguments},
    cloud_init, run,
    telemetry::logs,
};

fn main() -> anyhow::Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(arguments) => operate(arguments),
        Command::Crd => print_definitions().map(|()| ExitCode::SUCCESS),
        Command::Host(HostCommand::CloudInit(arguments)) => {
            print_user_data(arguments).map(|()| ExitCode::SUCCESS)
        }
    }
}

/// The cryptography of all TLS of this process.
fn install_provider() {
    // Fails only when there is a provider already, and nothing came before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn operate(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    install_provider();
    logs::start(arguments.log_format);
    // Two, however many cores there are: the work is waiting, each thread costs memory, and a long
    // computation on one must not hold up the Lease.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("failed to start the runtime")?;
    let result = runtime.block_on(run::run(arguments));
    // A look-up of a name that hangs must not keep the process alive.
    runtime.shutdown_background();
    Ok(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = chain(&error), "drover ends");
            ExitCode::FAILURE
        }
    })
}

fn print_definitions() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for definition in api::all_crds() {
        let yaml = serde_yaml_ng::to_string(&definition).context("failed to print a definition")?;
        write!(out, "---\n{yaml}").context("failed to write to standard output")?;
    }
    Ok(())
}

fn print_user_data(arguments: CloudInitArguments) -> anyhow::Result<()> {
    install_provider();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("failed to start the runtime")?;
    let text = runtime.block_on(cloud_init::run(arguments))?;
    io::stdout().lock().write_all(text.as_bytes()).context("failed to write to standard output")
}
