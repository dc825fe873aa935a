//! What is printed in the end.

use std::{fmt, time::Duration};

/// Figures under a heading, each with a remark.
pub struct Table {
    title: String,
    rows: Vec<[String; 3]>,
}

impl Table {
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    pub fn row(&mut self, what: &str, figure: impl Into<String>, remark: impl Into<String>) {
        self.rows.push([what.to_owned(), figure.into(), remark.into()]);
    }

    /// A row with a target: whether the figure is below it.
    pub fn judged(&mut self, what: &str, figure: impl Into<String>, value: f64, below: f64) {
        let word = if value < below { "met" } else { "missed" };
        self.row(what, figure, format!("target: below {below}: {word}"));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            self.rows.iter().map(|it| it[column].chars().count()).max().unwrap_or_default()
        };
        let (first, second) = (width(0), width(1));
        writeln!(f, "{}", self.title)?;
        for [what, figure, remark] in &self.rows {
            let line = format!("  {what:first$}  {figure:>second$}  {remark}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Says what goes on, for whoever waits.
pub fn progress(text: &str) {
    eprintln!("bench: {text}");
}

pub fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

pub fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

/// Bytes as MB of 1,000,000 bytes, to compare with a target.
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The same as text.
pub fn megabytes_text(bytes: u64) -> String {
    format!("{:.1} MB", megabytes(bytes))
}

/// A share of something that was done `count` times.
pub fn each(total: usize, count: usize) -> String {
    format!("{:.2}", total as f64 / count as f64)
}
