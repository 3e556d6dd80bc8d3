//! Manifests, lists of manifests and configurations of images, in OCI's form and in Docker's older one
//! (<https://github.com/opencontainers/image-spec>, <https://distribution.github.io/distribution/spec/manifest-v2-2/>).

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::arch::TARGET;
use crate::digest::{is_sha256, sha256};
use crate::lock::{Blob, Layer};

/// What nodes run.
const SYSTEM: &str = "linux";

/// The kinds of manifests, of lists of them, and of configurations.
pub const MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// The kinds of layers that hab can unpack. How one is compressed its first bytes say (`compression.rs`).
const LAYERS: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.diff.tar+zstd",
];

/// What is at an image's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Top {
    /// One image.
    Manifest(Blob),
    /// One image a platform: the list, and the one for nodes.
    Index(Blob, Blob),
}

/// A blob as a manifest names it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    schema_version: u32,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

#[derive(Debug, Deserialize)]
struct Config {
    #[serde(flatten)]
    platform: Platform,
    rootfs: Option<RootFs>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

impl Descriptor {
    fn blob(&self) -> Result<Blob> {
        let plain = self.digest.strip_prefix("sha256:").is_some_and(is_sha256);
        // It becomes a part of paths, and nobody has signed it.
        ensure!(plain, "it names a blob by {:?}, which is no SHA-256", self.digest);
        Ok(Blob { media_type: self.media_type.clone(), size: self.size, digest: self.digest.clone() })
    }
}

impl Platform {
    fn is_ours(&self) -> bool {
        self.os == SYSTEM && self.architecture == TARGET.go
    }

    fn shown(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        parts.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/")
    }
}

/// A blob of these bytes.
#[must_use]
pub fn blob(media_type: &str, bytes: &[u8]) -> Blob {
    Blob { media_type: media_type.to_owned(), size: bytes.len() as u64, digest: format!("sha256:{}", sha256(bytes)) }
}

/// A document with its kind, also where it does not say it.
fn read(bytes: &[u8]) -> Result<Document> {
    let mut document: Document = serde_json::from_slice(bytes).context("reading its manifest")?;
    // OCI leaves the word out at will.
    if document.media_type.is_empty() {
        let kind = if document.manifests.is_some() { INDEXES[0] } else { MANIFESTS[0] };
        kind.clone_into(&mut document.media_type);
    }
    ensure!(
        document.schema_version == 2,
        "its manifest is of the old kind {}, which no runtime takes any more",
        document.schema_version
    );
    Ok(document)
}

/// What the bytes at an image's name are.
///
/// # Errors
/// They are no manifest, or a list without one for nodes.
pub fn top(bytes: &[u8]) -> Result<Top> {
    let document = read(bytes)?;
    let kind = document.media_type;
    if MANIFESTS.contains(&kind.as_str()) {
        return Ok(Top::Manifest(blob(&kind, bytes)));
    }
    ensure!(INDEXES.contains(&kind.as_str()), "it is no container image, but {kind}");
    let manifests = document.manifests.context("its list of platforms has none")?;
    let platform = |manifest: &Descriptor| manifest.platform.clone().unwrap_or_default();
    let ours = manifests.iter().filter(|manifest| platform(manifest).is_ours());
    // amd64 has variants only for newer processors, which not every machine has.
    let Some(found) = ours.min_by_key(|manifest| platform(manifest).variant.len()) else {
        let mut there: Vec<String> = manifests.iter().map(|manifest| platform(manifest).shown()).collect();
        there.retain(|name| !name.is_empty() && name != "unknown/unknown");
        there.dedup();
        bail!("there is none for {SYSTEM}/{}, only for {}", TARGET.go, there.join(", "));
    };
    Ok(Top::Index(blob(&kind, bytes), found.blob()?))
}

/// What a manifest names.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Blob,
    /// The layers, the lowest first.
    pub layers: Vec<Blob>,
}

/// The parts of an image.
///
/// # Errors
/// The bytes are no manifest of a container image.
pub fn parts(bytes: &[u8]) -> Result<Parts> {
    let document = read(bytes)?;
    let kind = document.media_type;
    ensure!(MANIFESTS.contains(&kind.as_str()), "it has {kind} where a manifest should be");
    let config = document.config.context("its manifest names no configuration")?;
    let known = CONFIGS.contains(&config.media_type.as_str());
    ensure!(known, "it is no container image, but something with a configuration of the kind {}", config.media_type);
    let layers = document.layers.unwrap_or_default();
    for Descriptor { media_type, .. } in &layers {
        let known = LAYERS.contains(&media_type.as_str());
        ensure!(known, "a layer of it is of the kind {media_type}, which hab can't unpack");
    }
    Ok(Parts { config: config.blob()?, layers: layers.iter().map(Descriptor::blob).collect::<Result<_>>()? })
}

/// The layers with the digests of what is in them, which the configuration has.
///
/// # Errors
/// The image is for another platform, or the configuration does not fit.
pub fn layers(config: &[u8], blobs: Vec<Blob>) -> Result<Vec<Layer>> {
    let config: Config = serde_json::from_slice(config).context("reading its configuration")?;
    let platform = config.platform.shown();
    ensure!(config.platform.is_ours(), "it is for {platform}, and nodes are {SYSTEM}/{}", TARGET.go);
    let diff_ids = config.rootfs.map(|rootfs| rootfs.diff_ids).unwrap_or_default();
    let (one, other) = (blobs.len(), diff_ids.len());
    ensure!(one == other, "its manifest has {one} layers, and its configuration {other}");
    ensure!(!blobs.is_empty(), "there is no layer in it");
    let pairs = blobs.into_iter().zip(diff_ids).map(|(blob, diff_id)| {
        let layer = Descriptor { media_type: String::new(), digest: diff_id.clone(), size: 0, platform: None };
        layer.blob()?;
        Ok(Layer { blob, diff_id })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn descriptor(kind: &str, digit: char) -> Value {
        json!({"mediaType": kind, "digest": digest(digit), "size": 1})
    }

    fn index(platforms: &[(&str, &str, char)]) -> Vec<u8> {
        let manifests = platforms.iter().map(|(architecture, variant, digit)| {
            let mut manifest = descriptor(MANIFESTS[0], *digit);
            manifest["platform"] = json!({"os": "linux", "architecture": architecture, "variant": variant});
            manifest
        });
        json!({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": manifests.collect::<Vec<_>>()})
            .to_string()
            .into()
    }

    fn manifest(config: &str, layer: &str) -> Vec<u8> {
        let (config, layers) = (descriptor(config, '1'), [descriptor(layer, '2')]);
        json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string().into()
    }

    #[test]
    fn of_a_list_the_one_for_nodes_is_taken() {
        let all = [("arm64", "v8", 'a'), ("amd64", "v3", 'b'), ("amd64", "", 'c')];
        let Top::Index(list, one) = top(&index(&all)).unwrap() else { panic!("no list") };
        assert_eq!((one.digest, list.size), (digest('c'), index(&all).len() as u64));
        let error = top(&index(&[("arm64", "v8", 'a'), ("s390x", "", 'b')])).unwrap_err().to_string();
        assert_eq!(error, "there is none for linux/amd64, only for linux/arm64/v8, linux/s390x");
    }

    #[test]
    fn a_manifest_names_its_parts() {
        let bytes = manifest(CONFIGS[0], LAYERS[1]);
        assert_eq!(top(&bytes).unwrap(), Top::Manifest(blob(MANIFESTS[0], &bytes)));
        let Parts { config, layers: blobs } = parts(&bytes).unwrap();
        assert_eq!((config.digest, blobs[0].digest.clone()), (digest('1'), digest('2')));
        let said = |platform: Value| {
            let mut config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [digest('3')]}});
            for (key, value) in platform.as_object().unwrap() {
                config[key] = value.clone();
            }
            layers(config.to_string().as_bytes(), blobs.clone()).map_err(|error| error.to_string())
        };
        assert_eq!(said(json!({})).unwrap()[0].diff_id, digest('3'));
        assert_eq!(
            said(json!({"architecture": "arm64"})).unwrap_err(),
            "it is for linux/arm64, and nodes are linux/amd64"
        );
        assert!(said(json!({"rootfs": {"diff_ids": []}})).unwrap_err().contains("1 layers, and its configuration 0"));
        assert!(said(json!({"rootfs": {"diff_ids": ["../x"]}})).unwrap_err().contains("no SHA-256"));
    }

    #[test]
    fn what_is_no_image_is_refused() {
        for (bytes, why) in [
            (manifest("application/vnd.cncf.helm.config.v1+json", LAYERS[0]), "no container image"),
            (manifest(CONFIGS[1], "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "hab can't unpack"),
            (b"<html>".to_vec(), "reading its manifest"),
            (json!({"schemaVersion": 1}).to_string().into(), "of the old kind 1"),
            (index(&[]), "where a manifest should be"),
        ] {
            let error = format!("{:#}", parts(&bytes).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
        assert!(
            top(br#"{"schemaVersion":2,"mediaType":"text/plain"}"#).unwrap_err().to_string().contains("text/plain")
        );
    }
}
