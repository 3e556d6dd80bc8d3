//! Stream-optimised VMDKs, the one format of disks that an OVF is imported with: written in one pass by all processors, the
//! same bytes at any number of them.
//!
//! "Virtual Disk Format 5.0" describes the format, section "Stream-Optimized Compressed Sparse Extents"; names
//! and numbers are its own. A disk is cut into grains. Each grain that is not all zeros becomes a zlib stream of its own,
//! with its place before it. A table of where they are follows each 512 of them, the directory of tables and a second
//! header with the directory's place come last.

mod layout;
#[cfg(test)]
mod tests;

use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::{Compress, Compression, FlushCompress, Status};
use fs_err as fs;
use sha2::{Digest as _, Sha256};

use crate::sparse;
use layout::{OVERHEAD, descriptor, header};

/// What decides the bytes next to the disk's own: part of every disk's key. The number goes up with a flate2, or a
/// `zlib-rs` behind it, that compresses otherwise; the test with a fixed digest tells.
pub const OPTIONS: [&str; 3] = ["streamOptimized", "1", "level 3"];

/// In bytes.
const SECTOR: u64 = 512;

/// What is compressed as one.
const GRAIN_SECTORS: u64 = 128;
const GRAIN: usize = 64 << 10;

/// How many grains a table tells of.
const TABLE: usize = 512;
const TABLE_ENTRIES: u32 = 512;

/// A master's payload is 6 % larger than by qemu-img's level 6, in less than a third of the time (docs/performance.md).
const LEVEL: u32 = 3;

/// How many grains a processor may be ahead of the one that writes: enough that none waits, and 4 MiB.
const AHEAD: usize = 64;

/// What a marker stands before.
#[derive(Clone, Copy)]
enum Marker {
    EndOfStream = 0,
    Table = 1,
    Directory = 2,
    Footer = 3,
}

/// Writes the raw disk `source` as the new VMDK `target`.
///
/// # Errors
/// A file can't be read or written, or the disk is not of whole grains.
pub fn convert(source: &Path, target: &Path) -> Result<()> {
    write(source, target, std::thread::available_parallelism().map_or(1, NonZero::get))
        .with_context(|| format!("converting {} to VMDK", source.display()))
}

/// The size in bytes of the disk in the VMDK at `path`.
///
/// # Errors
/// It can't be read, or is none.
pub fn capacity(path: &Path) -> Result<u64> {
    let mut header = [0; 20];
    fs::File::open(path)?.file().read_exact_at(&mut header, 0)?;
    ensure!(header.starts_with(b"KDMV"), "{} is no VMDK", path.display());
    let sectors = header[12..].try_into().map(u64::from_le_bytes)?;
    Ok(sectors * SECTOR)
}

fn write(source: &Path, target: &Path, threads: usize) -> Result<()> {
    let disk = fs::File::open(source)?;
    let size = disk.metadata()?.len();
    ensure!(size > 0 && size.is_multiple_of(GRAIN as u64), "its size, {size}, is not one of whole 64 KiB");
    let numbers = with_data(&disk)?;
    let out = BufWriter::with_capacity(1 << 20, fs::File::create(target)?);
    let mut writer = Writer { out, at: 0, capacity: size / SECTOR, table: Vec::new(), directory: Vec::new() };
    writer.begin(&first(&disk)?)?;
    std::thread::scope(|scope| {
        let mut lines = Vec::with_capacity(threads);
        for line in 0..threads {
            let (sender, receiver) = sync_channel(AHEAD);
            let own = numbers.iter().copied().skip(line).step_by(threads);
            let disk = &disk;
            std::thread::Builder::new().spawn_scoped(scope, move || compress_all(disk, own, &sender))?;
            lines.push(receiver);
        }
        writer.take_all(&numbers, &lines)
    })?;
    writer.end()
}

/// The numbers of the grains that are not just a hole.
fn with_data(disk: &fs::File) -> Result<Vec<u64>> {
    let (mut numbers, mut offset) = (Vec::new(), 0);
    while let Some(data) = sparse::next_data(disk, offset)? {
        numbers.push(data / GRAIN as u64);
        offset = (data / GRAIN as u64 + 1) * GRAIN as u64;
    }
    Ok(numbers)
}

/// The first grain, with the partition table's own identifiers in it.
fn first(disk: &fs::File) -> Result<Vec<u8>> {
    let mut grain = vec![0; GRAIN];
    disk.file().read_exact_at(&mut grain, 0)?;
    Ok(grain)
}

/// A compressed grain, or nothing if it is all zeros.
type Grain = Result<Option<Vec<u8>>>;

/// Reads and compresses these grains, in their order. Nobody listens any more when the one that writes can't.
fn compress_all(disk: &fs::File, numbers: impl Iterator<Item = u64>, sender: &SyncSender<Grain>) {
    let mut compressors = [LEVEL, 0].map(|level| Compress::new(Compression::new(level), true));
    let mut grain = vec![0; GRAIN];
    for number in numbers {
        let read = disk.file().read_exact_at(&mut grain, number * GRAIN as u64);
        let made = read.context("reading a grain").and_then(|()| compress(&grain, &mut compressors));
        if sender.send(made).is_err() {
            return;
        }
    }
}

/// By the first of these, or stored as it is, by the second, if that would not make it smaller.
fn compress(grain: &[u8], compressors: &mut [Compress; 2]) -> Grain {
    if grain.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    for (compressor, most) in compressors.iter_mut().zip([GRAIN, usize::MAX]) {
        // Stored, it has two blocks with 5 bytes each, 2 bytes before and 4 behind them (RFC 1950, RFC 1951).
        let mut out = Vec::with_capacity(GRAIN + 64);
        compressor.reset();
        let status = compressor.compress_vec(grain, &mut out, FlushCompress::Finish)?;
        if status == Status::StreamEnd && out.len() < most {
            return Ok(Some(out));
        }
    }
    bail!("a grain does not fit into its buffer")
}

/// The file as far as it is written.
struct Writer<W> {
    out: W,
    /// In sectors.
    at: u64,
    /// Of the disk, in sectors.
    capacity: u64,
    /// Where the grains of the table that is not written yet are, as far as they are; 0 for none.
    table: Vec<u32>,
    /// Where the tables are; 0 for none.
    directory: Vec<u32>,
}

impl<W: Write> Writer<W> {
    /// Header and descriptor; identifiers follow from the first grain.
    fn begin(&mut self, first: &[u8]) -> Result<()> {
        let identity = Sha256::digest(first);
        self.put(&header(self.capacity, layout::AT_END))?;
        let mut descriptor = descriptor(self.capacity, &identity).into_bytes();
        descriptor.resize(usize::try_from((OVERHEAD - 1) * SECTOR)?, 0);
        self.put(&descriptor)
    }

    /// Every grain from the one that has it, and what lies between them as absent.
    fn take_all(&mut self, numbers: &[u64], lines: &[Receiver<Grain>]) -> Result<()> {
        for (number, line) in numbers.iter().zip(lines.iter().cycle()) {
            let Some(grain) = line.recv().context("a thread has ended early")?? else { continue };
            self.absent_up_to(*number)?;
            self.table.push(u32::try_from(self.at)?);
            let mut head = [0; 12];
            head[..8].copy_from_slice(&(number * GRAIN_SECTORS).to_le_bytes());
            head[8..].copy_from_slice(&u32::try_from(grain.len())?.to_le_bytes());
            self.out.write_all(&head)?;
            self.out.write_all(&grain)?;
            self.pad(head.len() + grain.len())?;
        }
        Ok(())
    }

    /// There is no grain before `number` that is not written yet.
    fn absent_up_to(&mut self, number: u64) -> Result<()> {
        let number = usize::try_from(number)?;
        while self.directory.len() < number / TABLE {
            self.end_table()?;
        }
        self.table.resize(number % TABLE, 0);
        Ok(())
    }

    /// Writes the table, if it tells of any grain.
    fn end_table(&mut self) -> Result<()> {
        let mut table = std::mem::take(&mut self.table);
        if table.is_empty() {
            self.directory.push(0);
            return Ok(());
        }
        table.resize(TABLE, 0);
        let place = self.list(Marker::Table, &table)?;
        self.directory.push(place);
        Ok(())
    }

    fn end(mut self) -> Result<()> {
        self.absent_up_to((self.capacity / GRAIN_SECTORS).next_multiple_of(TABLE as u64))?;
        let directory = std::mem::take(&mut self.directory);
        let place = self.list(Marker::Directory, &directory)?;
        self.mark(Marker::Footer, 1)?;
        self.put(&header(self.capacity, place.into()))?;
        self.mark(Marker::EndOfStream, 0)?;
        self.out.flush().context("writing the last of it")
    }

    /// A marker and numbers behind it; returns where those are.
    fn list(&mut self, marker: Marker, numbers: &[u32]) -> Result<u32> {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.resize(bytes.len().next_multiple_of(usize::try_from(SECTOR)?), 0);
        self.mark(marker, bytes.len() as u64 / SECTOR)?;
        let place = u32::try_from(self.at)?;
        self.put(&bytes)?;
        Ok(place)
    }

    /// A marker before so many sectors.
    fn mark(&mut self, marker: Marker, sectors: u64) -> Result<()> {
        let mut bytes = [0; 512];
        bytes[..8].copy_from_slice(&sectors.to_le_bytes());
        bytes[12..16].copy_from_slice(&(marker as u32).to_le_bytes());
        self.put(&bytes)
    }

    /// Whole sectors.
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.pad(bytes.len())
    }

    /// Ends the sector after `written` bytes.
    fn pad(&mut self, written: usize) -> Result<()> {
        let whole = (written as u64).next_multiple_of(SECTOR);
        let zeros = [0; 512];
        self.out.write_all(&zeros[..usize::try_from(whole - written as u64)?])?;
        self.at += whole / SECTOR;
        Ok(())
    }
}
