//! 5,000 Index objects on a scripted Elasticsearch: what they cost the operator itself.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    bed::{Bed, looked_at, quiet, reconciles},
    common::operator::Operator,
    fake, load,
    real::{at_rest, restarted, rows},
    table::{Table, megabytes, megabytes_text, milliseconds, progress, seconds},
};

const INDICES: usize = 5000;
/// What the operator may take, in MB.
const MEMORY: f64 = 40.0;
/// What looking at an object that is as it should be may cost, in ms of CPU.
const RECONCILE: f64 = 0.1;

pub async fn run() -> Table {
    progress("starting a scripted Elasticsearch");
    let bed = Bed::new("scripted", fake::start()).await;
    let mut table = Table::new(format!("{INDICES} Index objects on a scripted Elasticsearch"));
    let operator = bed.operator().start().await;
    looked_at(&operator, "cluster", 1).await;
    bed.count_anew();
    let idle = operator.memory();
    table.row("resident memory without any object", megabytes_text(idle), "");

    progress(&format!("creating {INDICES} Index objects"));
    let began = Instant::now();
    tokio::join!(
        load::create(&bed.indices, INDICES, load::index),
        load::ready(&bed.indices, INDICES, 1)
    );
    let took = began.elapsed();
    quiet(&operator).await;
    let rate = format!("{:.0} objects a second", INDICES as f64 / took.as_secs_f64());
    table.row("first apply to all Ready", seconds(took), rate);
    rows(&mut table, "create", bed.requests(), INDICES);
    memory(&mut table, "peak memory while they are created", operator.peak_memory());
    memory(&mut table, "resident memory after that", operator.memory());

    progress("restarting");
    operator.stop().await;
    bed.count_anew();
    let operator = bed.operator().start().await;
    quiet(&operator).await;
    let cpu = operator.cpu_time();
    let (peak, rest) = (operator.peak_memory(), operator.memory());
    looked_at(&operator, "index", INDICES).await;
    let count = reconciles(&operator).await;
    memory(&mut table, "peak memory of a restart", peak);
    memory(&mut table, "resident memory after that", rest);
    let each = (rest.saturating_sub(idle)) as f64 / INDICES as f64 / 1024.0;
    table.row("resident memory of an object", format!("{each:.2} KiB"), "");
    let figure = operator.peak_memory();
    table.row("peak memory with /metrics scraped", megabytes_text(figure), "");
    table.row("CPU of a restart", milliseconds(cpu), format!("{count} reconciles"));
    restarted(&mut table, bed.requests());

    progress("annotating all objects");
    let stretch = Stretch::begin(&operator).await;
    let change = json!({ "metadata": { "annotations": { "example.org/touched": "1" } } });
    load::patch(&bed.indices, INDICES, &change).await;
    quiet(&operator).await;
    stretch.end(&mut table, "woken by an annotation, with the watch", &operator).await;

    progress("watching a minute of rest");
    bed.count_anew();
    let before = operator.cpu_time();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let remark = "between full checks";
    table.row(
        "CPU at rest, a minute",
        milliseconds(operator.cpu_time().saturating_sub(before)),
        remark,
    );
    at_rest(&mut table, bed.requests());

    progress("watching full checks");
    operator.stop().await;
    let operator = bed.operator().flag("--stats-interval", "30s").start().await;
    looked_at(&operator, "index", INDICES).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stretch = Stretch::begin(&operator).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    stretch.end(&mut table, "at rest, with the full checks", &operator).await;
    table
}

/// A time over which reconciles and their CPU are counted.
struct Stretch {
    reconciles: usize,
    cpu: Duration,
}

impl Stretch {
    async fn begin(operator: &Operator) -> Self {
        let reconciles = reconciles(operator).await;
        Self { reconciles, cpu: operator.cpu_time() }
    }

    async fn end(self, table: &mut Table, what: &str, operator: &Operator) {
        let cpu = operator.cpu_time().saturating_sub(self.cpu);
        let count = reconciles(operator).await - self.reconciles;
        let each = cpu.as_secs_f64() * 1e3 / count as f64;
        let what = format!("CPU of an unchanged reconcile, {what}");
        table.judged(&what, format!("{each:.3} ms"), each, RECONCILE);
    }
}

fn memory(table: &mut Table, what: &str, bytes: u64) {
    table.judged(what, megabytes_text(bytes), megabytes(bytes), MEMORY);
}
