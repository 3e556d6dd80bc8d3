//! What a user names to be loaded: an image of a registry, an archive, or the folder of an OCI layout.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::config::ImageSource;
use crate::config::reference::Reference;

/// The file that every OCI layout has.
const INDEX: &str = "index.json";

/// Where an image comes from, and the folder in which that is, if it is a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// As `images` of hab.yaml has it.
    pub source: ImageSource,
    /// The folder.
    pub folder: PathBuf,
}

/// What `said` means: a file or a layout if one is there, else an image of a registry. `name` is what the image in a file is
/// called.
///
/// # Errors
/// It is neither, or the name does not fit.
pub fn named(said: &str, name: Option<&str>) -> Result<Named> {
    let path = Path::new(said);
    let name = name.map(|name| parse(name, "the name")).transpose()?;
    let is_layout = path.is_dir() && path.join(INDEX).is_file();
    if !is_layout && !path.is_file() {
        let looks_like_a_path =
            said.starts_with(['/', '.', '~']) || [".tar", ".tgz", ".gz"].iter().any(|end| said.ends_with(end));
        ensure!(!looks_like_a_path, "{said}: there is no such file, and no folder with an {INDEX}");
        ensure!(name.is_none(), "--name is for a file or a folder, and {said} is neither");
        let source = ImageSource::Registry(parse(said, said)?);
        return Ok(Named { source, folder: PathBuf::from(".") });
    }
    let path = std::fs::canonicalize(path).with_context(|| format!("looking for {said}"))?;
    let file = path.file_name().map(PathBuf::from).with_context(|| format!("{said} has no name"))?;
    // skopeo splits what it is given there.
    ensure!(!file.to_string_lossy().contains(':'), "{said}: rename it, for skopeo takes no `:` in the name of a file");
    let folder = path.parent().unwrap_or(&path).to_owned();
    if let Some(digest) = name.as_ref().and_then(Reference::digest) {
        anyhow::bail!("the name has a digest, which follows from the file: remove `@{digest}`");
    }
    let source =
        if is_layout { ImageSource::Layout { path: file, name } } else { ImageSource::Archive { path: file, name } };
    Ok(Named { source, folder })
}

/// The name of an image; `what` is how it is called in a message.
///
/// # Errors
/// It is none, and why.
pub fn parse(name: &str, what: &str) -> Result<Reference> {
    Reference::new(name).map_err(|why| anyhow::anyhow!("{what} {why}; an image is called such as `nginx:1.29`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("nginx");
        std::fs::write(&archive, "").unwrap();
        let found = named(archive.to_str().unwrap(), Some("app:1")).unwrap();
        let name = Some(Reference::new("app:1").unwrap());
        assert_eq!(found.source, ImageSource::Archive { path: "nginx".into(), name });
        assert_eq!(found.folder, std::fs::canonicalize(dir.path()).unwrap());
        // A folder is one only with a list in it.
        let layout = dir.path().join("layout");
        std::fs::create_dir(&layout).unwrap();
        assert!(named(layout.to_str().unwrap(), None).is_err());
        std::fs::write(layout.join(INDEX), "").unwrap();
        let found = named(layout.to_str().unwrap(), None).unwrap();
        assert_eq!(found.source, ImageSource::Layout { path: "layout".into(), name: None });
    }

    #[test]
    fn what_is_no_file_is_the_name_of_an_image() {
        let found = named("nginx:1.29", None).unwrap();
        assert_eq!(found.source, ImageSource::Registry(Reference::new("nginx:1.29").unwrap()));
        let why = |said: &str, name| named(said, name).unwrap_err().to_string();
        assert!(why("./app.tar", None).contains("no such file"), "{}", why("./app.tar", None));
        assert!(why("app.tar", None).contains("no such file"));
        assert!(why("Nginx/App", None).contains("capital"), "{}", why("Nginx/App", None));
        assert!(why("nginx:1", Some("a:1")).contains("--name"));
    }

    #[test]
    fn what_skopeo_would_split_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("app:1.tar");
        std::fs::write(&archive, "").unwrap();
        let why = named(archive.to_str().unwrap(), None).unwrap_err().to_string();
        assert!(why.contains("rename it"), "{why}");
    }
}
