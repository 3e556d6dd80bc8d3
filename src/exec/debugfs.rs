//! debugfs: reads files out of an ext4 file system that is not mounted, with no right but to read its file.

use std::io::{Seek as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::Tool;

/// The names of the files in the folder `folder` of the file system in `image`; none when it is not there, for debugfs exits
/// with 0 also then.
///
/// # Errors
/// debugfs is not installed.
pub fn list(image: &Path, folder: &str) -> Result<Vec<String>> {
    let text = tool()?.arg("-R").arg(format!("ls -p {folder}")).arg(image).text()?;
    Ok(text.lines().filter_map(name).map(str::to_owned).collect())
}

/// Copies the file `path` of that file system to `out`, which may be there already.
///
/// # Errors
/// As [`list`]; also when there is no such file.
pub fn dump(image: &Path, path: &str, out: &Path) -> Result<()> {
    let image = std::path::absolute(image)?;
    let folder = out.parent().with_context(|| format!("{} has no folder", out.display()))?;
    let name = super::plain_path(Path::new(out.file_name().unwrap_or_default()), &[' ', '"'])?;
    let said = tool()?.dir(folder).arg("-R").arg(format!("dump {path} {name}")).arg(image).text()?;
    // It exits with 0 also when it fails.
    ensure!(out.metadata().is_ok_and(|meta| meta.len() > 0), "{path} is not on the disk, or empty {}", said.trim());
    Ok(())
}

/// Gives `folders` of that file system to root; what is in them stays as it is.
///
/// # Errors
/// As [`list`].
pub fn give_to_root(image: &Path, folders: &[&str]) -> Result<()> {
    let mut commands = tempfile::tempfile().context("making a temporary file")?;
    for folder in folders {
        writeln!(commands, "sif {folder} uid 0\nsif {folder} gid 0").context("writing a temporary file")?;
    }
    commands.rewind().context("writing a temporary file")?;
    tool()?.args(["-w", "-f", "/dev/stdin"]).arg(image).stdin(commands).run()
}

/// A line is `/inode/mode/uid/gid/name/size/`; a file's mode begins with `10` (octal `S_IFREG`, inode(7)).
fn name(line: &str) -> Option<&str> {
    let mut fields = line.split('/').skip(2);
    let mode = fields.next()?;
    let name = fields.nth(2)?;
    mode.starts_with("10").then_some(name)
}

fn tool() -> Result<Tool> {
    Tool::find("debugfs", "e2fsprogs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::mke2fs;

    #[test]
    fn files_are_read_out_of_a_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let (content, image, out) = (dir.path().join("content"), dir.path().join("image"), dir.path().join("out"));
        std::fs::create_dir_all(content.join("a/b")).unwrap();
        std::fs::write(content.join("a/one.db"), "one").unwrap();
        mke2fs::of_folder(&content, "data", 64 << 20, &image).unwrap();
        assert_eq!(list(&image, "/a").unwrap(), ["one.db"]);
        assert!(list(&image, "/none").unwrap().is_empty());
        dump(&image, "/a/one.db", &out).unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "one");
        give_to_root(&image, &["/a", "/a/b"]).unwrap();
        let owners = tool().unwrap().args(["-R", "ls -p /a"]).arg(&image).text().unwrap();
        let owner = |name: &str| owners.lines().find(|line| line.contains(name)).unwrap().split('/').nth(3).unwrap();
        let own = rustix::process::getuid().as_raw().to_string();
        assert_eq!(["/./", "/b/", "/one.db/"].map(owner), ["0", "0", own.as_str()]);
        assert!(dump(&image, "/a/two.db", &dir.path().join("other")).is_err());
        // What is no file system has no files.
        assert!(list(&content.join("a/one.db"), "/a").unwrap().is_empty());
    }
}
