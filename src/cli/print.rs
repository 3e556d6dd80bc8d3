//! What goes to standard output and standard error. A full disk behind `>` is an error like any other.

use std::fmt;
use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Standard output could not be written.
#[derive(Debug)]
pub struct Stdout(pub io::Error);

impl fmt::Display for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "writing to standard output: {}", self.0)
    }
}

impl std::error::Error for Stdout {}

/// Writes what was asked for.
///
/// # Errors
/// Standard output can't be written.
pub fn out(bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes.as_ref()).and_then(|()| stdout.flush()).map_err(Stdout)?;
    Ok(())
}

/// Writes data as JSON, indented.
///
/// # Errors
/// As [`out`].
pub fn json(data: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(data).context("writing JSON")?;
    out(text + "\n")
}

/// Writes what somebody else said to standard error.
///
/// # Errors
/// Standard error can't be written.
pub fn err(bytes: &[u8]) -> Result<()> {
    io::stderr().write_all(bytes).context("writing to standard error")
}

/// Writes a line to standard error. There is nobody left to tell when that fails.
pub fn stderr(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// `1 file`, `2 files`.
#[must_use]
pub fn files(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Bytes as people say them.
#[must_use]
pub fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match bytes {
        // Tenths, without a float.
        GIB.. => format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB),
        MIB.. => format!("{} MiB", bytes / MIB),
        _ => format!("{} KiB", bytes >> 10),
    }
}

/// Columns as wide as their widest cell, two spaces apart.
#[must_use]
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
