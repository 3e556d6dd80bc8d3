//! What is in a file that `docker save`, `podman save` or skopeo wrote: its kind, and what its image is called.

use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use serde::Deserialize;
use serde_json::Value;

use super::compression::Compression;
use crate::config::reference::Reference;

/// The lists of images in Docker's archives and in OCI's.
const DOCKER: &str = "manifest.json";
const OCI: &str = "index.json";

/// The most that such a list may have; of one image it has some hundred bytes.
const MAX_LIST: u64 = 1 << 20;

/// How OCI's lists name an image: containerd's word, which is the whole name, and OCI's own, which may be a tag alone.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// What a file or a folder has in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// skopeo's word for its kind.
    pub transport: &'static str,
    /// What its image is called, as far as that is whole names.
    pub names: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Docker {
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

/// Looks into an archive.
///
/// # Errors
/// It can't be read, is none, or has more than one image in it.
pub fn look(path: &Path) -> Result<Found> {
    let file = fs::File::open(path)?;
    let gzipped = Compression::of(path)? == Compression::Gzip;
    let Lists { docker, oci } = if gzipped { lists(MultiGzDecoder::new(file))? } else { lists(file)? };
    match (docker, oci) {
        // Newer Dockers write both; Docker's own has the names.
        (Some(list), _) => {
            let images: Vec<Docker> =
                serde_json::from_slice(&list).with_context(|| format!("reading {DOCKER} in it"))?;
            let [image] = images.as_slice() else { return Err(several(images.len())) };
            Ok(Found {
                transport: "docker-archive",
                names: whole(image.repo_tags.iter().flatten().map(String::as_str)),
            })
        }
        (None, Some(list)) => Ok(Found { transport: "oci-archive", names: layout_names(&list)? }),
        (None, None) => bail!("it is no archive of an image: there is neither {DOCKER} nor {OCI} in it"),
    }
}

/// Looks into the folder of an OCI layout.
///
/// # Errors
/// As [`look`].
pub fn look_into_folder(path: &Path) -> Result<Found> {
    let mut list = Vec::new();
    fs::File::open(path.join(OCI))?.take(MAX_LIST).read_to_end(&mut list)?;
    Ok(Found { transport: "oci", names: layout_names(&list)? })
}

/// The lists of images in a tar.
#[derive(Default)]
struct Lists {
    docker: Option<Vec<u8>>,
    oci: Option<Vec<u8>>,
}

fn lists(tar: impl Read) -> Result<Lists> {
    let mut lists = Lists::default();
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries().context("reading the archive")? {
        let entry = entry.context("reading the archive")?;
        let path = entry.path_bytes();
        let name = path.strip_prefix(b"./").unwrap_or(&path).to_owned();
        let place = match name.as_slice() {
            name if name == DOCKER.as_bytes() => &mut lists.docker,
            name if name == OCI.as_bytes() => &mut lists.oci,
            _ => continue,
        };
        let mut bytes = Vec::new();
        entry.take(MAX_LIST).read_to_end(&mut bytes).context("reading the archive")?;
        *place = Some(bytes);
    }
    Ok(lists)
}

fn layout_names(list: &[u8]) -> Result<Vec<Reference>> {
    let list: Value = serde_json::from_slice(list).with_context(|| format!("reading {OCI} in it"))?;
    let manifests = list["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    // More than one entry for one image is more than one name for it, by which skopeo would have to be told to choose.
    let [manifest] = manifests else { return Err(several(manifests.len())) };
    let of = |name: &&str| manifest["annotations"][*name].as_str();
    Ok(whole(NAMES.iter().find_map(of).into_iter()))
}

/// Those that are whole names: with a tag that somebody wrote.
fn whole<'n>(names: impl Iterator<Item = &'n str>) -> Vec<Reference> {
    let named = |name: &str| name.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    names.filter(|name| named(name)).filter_map(|name| Reference::new(name).ok()).collect()
}

fn several(count: usize) -> anyhow::Error {
    match count {
        0 => anyhow::anyhow!("there is no image in it"),
        _ => anyhow::anyhow!("there are {count} images in it; save each in an archive of its own"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn look_at(bytes: &[u8]) -> Result<Found, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        look(file.path()).map_err(|error| format!("{error:#}"))
    }

    fn names(found: &Found) -> Vec<String> {
        found.names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn dockers_archive_has_names_compressed_or_not() {
        let bytes =
            tar(&[("x/layer.tar", "x"), (DOCKER, r#"[{"Config":"c","RepoTags":["app:1","app:2"],"Layers":[]}]"#)]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&bytes).unwrap();
        for bytes in [bytes, gzip.finish().unwrap()] {
            let found = look_at(&bytes).unwrap();
            assert_eq!(found.transport, "docker-archive");
            assert_eq!(names(&found), ["docker.io/library/app:1", "docker.io/library/app:2"]);
        }
        let unnamed = look_at(&tar(&[(DOCKER, r#"[{"Config":"c","RepoTags":null,"Layers":[]}]"#)])).unwrap();
        assert!(unnamed.names.is_empty());
    }

    #[test]
    fn an_oci_archives_name_counts_if_it_is_whole() {
        for (annotations, expected) in [
            (r#"{"org.opencontainers.image.ref.name":"1.0"}"#, vec![]),
            (r#"{"org.opencontainers.image.ref.name":"quay.io/a:1.0"}"#, vec!["quay.io/a:1.0"]),
            (
                r#"{"io.containerd.image.name":"quay.io/a:2","org.opencontainers.image.ref.name":"2"}"#,
                vec!["quay.io/a:2"],
            ),
        ] {
            let list = format!(r#"{{"manifests":[{{"digest":"sha256:1","annotations":{annotations}}}]}}"#);
            let found = look_at(&tar(&[("./index.json", &list)])).unwrap();
            assert_eq!(
                (found.transport, names(&found)),
                ("oci-archive", expected.into_iter().map(str::to_owned).collect())
            );
        }
    }

    #[test]
    fn what_is_no_archive_of_one_image_is_refused() {
        for (bytes, why) in [
            (tar(&[("a", "b")]), "neither manifest.json nor index.json"),
            (tar(&[(DOCKER, r#"[{"RepoTags":[]},{"RepoTags":[]}]"#)]), "2 images in it"),
            (tar(&[(OCI, r#"{"manifests":[]}"#)]), "no image in it"),
            (tar(&[(DOCKER, "{")]), "reading manifest.json"),
            (b"no tar".repeat(200).clone(), "reading the archive"),
            (Vec::new(), "neither"),
        ] {
            let error = look_at(&bytes).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
