//! A layer as a file system: the tar in it, checked, by mkfs.erofs.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use sha2::{Digest, Sha256};

use super::compression::Compression;
use crate::cache::KeyBuilder;
use crate::digest::hex;
use crate::exec::mkfs_erofs::{self, FIXED};
use crate::exec::pinned_tools::PinnedTools;
use crate::exec::zstd;
use crate::lock::{Deb, Layer};

/// At once from the layer to mkfs.erofs.
const CHUNK: usize = 1 << 16;

/// Adds what decides the bytes of a layer's file system.
#[must_use]
pub fn key(layer: &Layer, packages: &[Deb], key: KeyBuilder) -> KeyBuilder {
    super::tools_key(packages, key.add("diff id", &layer.diff_id)).add_all("mkfs", FIXED)
}

/// Writes the layer in `blob` as the file system `out`.
///
/// # Errors
/// What is in it is not what its image's configuration says, is no tar, or can't be written.
pub fn write(tools: &PinnedTools, layer: &Layer, blob: &Path, out: &Path) -> Result<()> {
    let made = match Compression::of(blob)? {
        Compression::None => file_system(tools, &mut fs::File::open(blob)?, out),
        Compression::Gzip => file_system(tools, &mut MultiGzDecoder::new(fs::File::open(blob)?), out),
        Compression::Zstd => zstd::unpacked(tools, blob, |unpacked| file_system(tools, unpacked, out)),
    };
    let found = made.with_context(|| format!("writing the layer {}", layer.diff_id))?;
    ensure!(
        found == layer.diff_id,
        "what is in the layer {} has the digest {found} in place of {}: its image is not sound",
        layer.blob.digest,
        layer.diff_id
    );
    Ok(())
}

/// Writes a tar as a file system, and returns the tar's digest.
fn file_system(tools: &PinnedTools, tar: &mut dyn Read, out: &Path) -> Result<String> {
    let (reader, mut writer) = std::io::pipe().context("making a pipe")?;
    std::thread::scope(|scope| {
        let made = scope.spawn(|| mkfs_erofs::of_tar(tools, reader, out));
        let mut sum = Sha256::new();
        let mut buffer = vec![0; CHUNK];
        // mkfs.erofs may end with the tar, before what pads it: the rest counts for the digest all the same.
        let mut listens = true;
        let read = loop {
            match tar.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(length) => {
                    sum.update(&buffer[..length]);
                    listens = listens && writer.write_all(&buffer[..length]).is_ok();
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        drop(writer);
        let made = made.join().map_err(|_| anyhow!("the thread that writes a layer stopped"))?;
        // A layer that breaks off is no fault of mkfs.erofs.
        read.context("unpacking it")?;
        made?;
        Ok(format!("sha256:{}", hex(&sum.finalize())))
    })
}
