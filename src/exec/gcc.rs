//! The C compiler, for the one C file of a cluster: pause.

use std::path::Path;

use anyhow::{Context, Result};

use super::Tool;

/// Flags of Kubernetes' own `build/pause/Makefile`, `-s` for its `strip`, and no build id; part of the key.
pub const FLAGS: [&str; 6] = ["-Os", "-Wall", "-Werror", "-static", "-s", "-Wl,--build-id=none"];

/// The compiler's version line, such as `gcc (Debian 12.2.0-14+deb12u1) 12.2.0`.
///
/// # Errors
/// It is not installed.
pub fn version() -> Result<String> {
    let text = tool()?.arg("--version").text().context("asking gcc for its version")?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Compiles `source` into the static program `out`, with one macro defined.
///
/// # Errors
/// It does not compile.
pub fn compile(source: &Path, define: &str, out: &Path) -> Result<()> {
    tool()?.args(FLAGS).arg(format!("-D{define}")).arg("-o").arg(out).arg(source).run()
}

fn tool() -> Result<Tool> {
    // The locale would translate messages and nothing else, but an error should read the same everywhere.
    Ok(Tool::find("gcc", "gcc libc6-dev")?.env("LC_ALL", "C"))
}
