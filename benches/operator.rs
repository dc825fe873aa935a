//! What Drover costs: time, requests, CPU and memory. `make bench` prints it as tables.
//!
//! Each part can be run alone: `cargo bench --bench operator -- real`, or `scripted`, or `hosts`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_precision_loss)] // figures far below what a float holds exactly

mod bed;
#[path = "../tests/common/mod.rs"]
mod common;
mod fake;
mod fleet;
mod hosts;
mod load;
mod real;
mod scripted;
mod table;

#[tokio::main]
async fn main() {
    // Cargo itself adds `--bench`.
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let runs = |part: &str| asked.is_empty() || asked.iter().any(|it| it == part);
    let mut tables = Vec::new();
    if runs("real") {
        tables.push(real::run().await);
    }
    if runs("scripted") {
        tables.push(scripted::run().await);
    }
    if runs("hosts") {
        tables.push(hosts::run().await);
    }
    for table in tables {
        println!("\n{table}");
    }
}
