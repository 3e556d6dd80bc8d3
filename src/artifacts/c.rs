//! The one C program: pause, out of the Kubernetes module.

use anyhow::{Context, Result};
use fs_err as fs;

use super::{CSource, Summed, Table, fill, go, verify};
use crate::cache::{Cache, Inputs, Made, sha256_file};
use crate::exec::gcc;
use crate::lock::Toolchain;
use crate::progress::Progress;

/// The program `name`. Its bytes depend on the compiler and the C library it is linked with.
pub fn build(
    cache: &Cache,
    table: &Table,
    toolchain: &Toolchain,
    name: &str,
    source: &CSource,
    progress: &dyn Progress,
) -> Result<Summed> {
    let module = table.upstream(&source.upstream)?;
    let define = fill(&source.define, &source.version);
    let inputs = Inputs::new()
        .add("gcc", &toolchain.gcc)
        .add("flags", gcc::FLAGS.join(" "))
        .add("define", &define)
        .add("module", &module.module)
        .add("version", &module.version)
        .add("go.sum", go::sum_of_sums(&source.upstream)?)
        .add("file", &source.file);
    let (entry, made) = cache.get_or_make("c", &inputs.key(), |entry| {
        progress.begin(name);
        verify::same_compiler(&gcc::version()?, &toolchain.gcc)?;
        let folder = go::unfold(cache, &source.upstream)?;
        let module = go::home(cache).module(&folder, &module.module)?;
        let out = entry.join(name);
        gcc::compile(&module.join(&source.file), &define, &out)?;
        Ok(fs::write(entry.join("sha256"), sha256_file(&out)?)?)
    })?;
    if made == Made::Now {
        progress.end(name, "built");
    }
    let sha256 = fs::read_to_string(entry.join("sha256")).with_context(|| format!("reading {}", entry.display()))?;
    Ok(Summed { path: entry.join(name), sha256 })
}
