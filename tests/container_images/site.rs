//! A registry made for a test: Debian's docker-registry behind TLS, a password and a proxy with faults; images to put there;
//! and the programs of hab's own lock that fetch them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hab::cache::Cache;
use hab::config::reference::Reference;
use hab::config::{ImageSource, Registries};
use hab::container_images::{self, Fetcher};
use hab::digest::sha256;
use hab::download::Pace;
use hab::exec::pinned_tools::PinnedTools;
use hab::lock::{ContainerImage, Deb};
use hab::progress::Progress;
use serde_json::{Value, json};

/// Where the test's own folder is, for the test inside, and where the server is.
const FOLDER: &str = "HAB_TEST_FOLDER";
const PORT: &str = "HAB_TEST_PORT";

/// Who may read and write.
const USER: (&str, &str) = ("someone", "a-password");

pub const PACE: Pace = Pace { bytes: 1 << 10, within: Duration::from_secs(120) };
pub const SHORT: Pace = Pace { within: Duration::from_secs(8), ..PACE };

/// Stops a program when it goes.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is said meanwhile.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, _step: &str, _expected: Option<Duration>) {}
    fn status(&self, _step: &str, _text: &str) {}
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn warn(&self, _text: &str) {}
    fn end(&self, _step: &str, _outcome: Option<&str>, _took: Duration) {}
    fn total(&self, _done: usize, _all: usize, _left: Option<Duration>) {}
}

/// The registry of a test; see [`site`].
pub struct Site {
    pub folder: PathBuf,
    /// Host and port.
    pub registry: String,
    pub cache: Cache,
    pub packages: Vec<Deb>,
    pub registries: Registries,
    pub pace: Pace,
    pub heard: Heard,
}

/// The registry, for the test of this name. skopeo is told whom to trust and who it is by variables of the environment, so
/// this runs the test once more with these and the servers, and returns nothing when it has passed.
#[track_caller]
pub fn site(name: &str) -> Option<Site> {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let (cache, packages) = programs();
        let registry = format!("127.0.0.1:{}", std::env::var(PORT).unwrap());
        let (registries, heard) = (Registries::default(), Heard::default());
        return Some(Site { folder, registry, cache, packages, registries, pace: PACE, heard });
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    certificate(folder, "tls");
    let htpasswd = Command::new("htpasswd").args(["-Bbn", USER.0, USER.1]).output().unwrap();
    std::fs::write(folder.join("htpasswd"), htpasswd.stdout).unwrap();
    let (registry, behind) = registry(folder);
    std::fs::write(folder.join("faults"), "").unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/container_images/proxy.py");
    let mut proxy = Command::new("python3");
    proxy.arg(script).arg(folder.join("tls.pem")).arg(&behind).arg(folder).stdout(Stdio::piped());
    let mut proxy = Running(proxy.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(proxy.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let port = port.trim();
    let auth = BASE64_STANDARD.encode(format!("{}:{}", USER.0, USER.1));
    let auth = json!({"auths": {format!("127.0.0.1:{port}"): {"auth": auth}}});
    std::fs::write(folder.join("auth.json"), auth.to_string()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("SSL_CERT_FILE", folder.join("tls.certificate"))
        .env("REGISTRY_AUTH_FILE", folder.join("auth.json"))
        .envs([(FOLDER, folder.as_os_str()), (PORT, port.as_ref())])
        .output()
        .unwrap();
    drop((proxy, registry));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "with the registry: {said}");
    None
}

/// A key with a certificate for the loopback, together and the certificate alone.
pub fn certificate(folder: &Path, name: &str) {
    let (pem, certificate) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.certificate")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&pem)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let both = [std::fs::read(&pem).unwrap(), std::fs::read(&certificate).unwrap()].concat();
    std::fs::write(&pem, both).unwrap();
}

/// Starts Debian's registry on a port that is free now.
fn registry(folder: &Path) -> (Running, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let config = json!({
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": folder.join("registry")}},
        "auth": {"htpasswd": {"realm": "test", "path": folder.join("htpasswd")}},
        "http": {"addr": free, "relativeurls": true},
    });
    // JSON is YAML, too.
    std::fs::write(folder.join("registry.yml"), config.to_string()).unwrap();
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(folder.join("registry.yml")).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().expect("Debian's package docker-registry is needed"));
    for _ in 0..600 {
        if std::net::TcpStream::connect(&free).is_ok() {
            return (running, free);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the registry does not start");
}

/// The programs that hab would lock today, in a cache that stays for the next run.
pub fn programs() -> (Cache, Vec<Deb>) {
    let cache = Cache::at(Path::new(env!("CARGO_TARGET_TMPDIR")).join("images-cache"));
    let list = cache.root().join("packages.json");
    let known = std::fs::read(&list).ok().and_then(|bytes| serde_json::from_slice::<Vec<Deb>>(&bytes).ok());
    let progress: &dyn Progress = &Heard::default();
    if let Some(packages) = known
        && container_images::tools(&cache, &packages, &progress.step("test", None)).is_ok()
    {
        return (cache, packages);
    }
    let packages = container_images::packages_of_today(&cache).unwrap();
    // Where there is no network they are there, too.
    container_images::tools(&cache, &packages, &progress.step("test", None)).unwrap();
    std::fs::write(list, serde_json::to_vec(&packages).unwrap()).unwrap();
    (cache, packages)
}

/// An image: what is in its two layers, and for which processors it is.
pub struct Made {
    /// Its OCI layout.
    pub layout: PathBuf,
    /// The digest of its list of platforms, or of its one manifest.
    pub digest: String,
    /// The tars of its layers.
    pub tars: [Vec<u8>; 2],
}

/// A tar of these files, the same bytes each time.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn put(layout: &Path, kind: &str, bytes: &[u8]) -> Value {
    std::fs::write(layout.join("blobs/sha256").join(sha256(bytes)), bytes).unwrap();
    json!({"mediaType": kind, "digest": format!("sha256:{}", sha256(bytes)), "size": bytes.len()})
}

impl Site {
    /// Makes an image of this name for these processors; its larger layer has so many KiB that nothing makes smaller.
    pub fn image(&self, name: &str, processors: &[&str], kibibytes: usize) -> Made {
        let layout = self.folder.join(name);
        std::fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        let mut noise = Vec::new();
        while noise.len() < kibibytes << 10 {
            noise.extend(sha256(format!("{name} {}", noise.len())).bytes());
        }
        let tars = [
            tar(&[("etc/name", name.as_bytes()), ("etc/old", b"old"), ("noise", &noise)]),
            tar(&[("etc/.wh.old", b""), ("etc/new", b"new")]),
        ];
        let diff_ids: Vec<String> = tars.iter().map(|tar| format!("sha256:{}", sha256(tar))).collect();
        let manifests: Vec<Value> = processors
            .iter()
            .map(|processor| {
                let rootfs = json!({"type": "layers", "diff_ids": diff_ids});
                let config =
                    json!({"os": "linux", "architecture": processor, "rootfs": rootfs, "config": {}}).to_string();
                let config = put(&layout, "application/vnd.oci.image.config.v1+json", config.as_bytes());
                let layer = |tar: &Vec<u8>| put(&layout, "application/vnd.oci.image.layer.v1.tar+gzip", &gzip(tar, 6));
                let layers: Vec<Value> = tars.iter().map(layer).collect();
                let kind = "application/vnd.oci.image.manifest.v1+json";
                let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers});
                let mut manifest = put(&layout, kind, manifest.to_string().as_bytes());
                manifest["platform"] = json!({"os": "linux", "architecture": processor});
                manifest
            })
            .collect();
        let top = match manifests.as_slice() {
            [one] => one.clone(),
            all => {
                let kind = "application/vnd.oci.image.index.v1+json";
                let list = json!({"schemaVersion": 2, "mediaType": kind, "manifests": all}).to_string();
                put(&layout, kind, list.as_bytes())
            }
        };
        let index = json!({"schemaVersion": 2, "manifests": [top]}).to_string();
        std::fs::write(layout.join("index.json"), index).unwrap();
        std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        let digest = top["digest"].as_str().unwrap().to_owned();
        Made { layout, digest, tars }
    }

    pub fn tools(&self) -> PinnedTools {
        let progress: &dyn Progress = &self.heard;
        container_images::tools(&self.cache, &self.packages, &progress.step("test", None)).unwrap()
    }

    /// Copies an image with skopeo, whatever the platform.
    pub fn copy(&self, arguments: &[&str]) {
        let bin = self.tools().files().parent().unwrap().join("bin/skopeo");
        let output = Command::new(bin).args(["--insecure-policy", "copy", "--quiet"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Puts an image into the registry.
    pub fn push(&self, made: &Made, name: &str) {
        let (from, to) = (format!("oci:{}", made.layout.display()), format!("docker://{}/{name}", self.registry));
        self.copy(&["--all", &from, &to]);
    }

    /// The image of this name in the registry.
    pub fn named(&self, name: &str) -> ImageSource {
        ImageSource::Registry(Reference::new(&format!("{}/{name}", self.registry)).unwrap())
    }

    fn fetcher(&self) -> Fetcher<'_> {
        const PAUSES: [Duration; 2] = [Duration::from_millis(1); 2];
        let fetcher = Fetcher::new(&self.cache, &self.folder, &self.registries, &self.packages);
        Fetcher { pace: self.pace, pauses: &PAUSES, ..fetcher }
    }

    pub fn resolve(&self, source: &ImageSource) -> Result<ContainerImage, String> {
        let progress: &dyn Progress = &self.heard;
        let resolved = container_images::resolve(&self.fetcher(), source, &progress.step("test", None));
        resolved.map_err(|error| format!("{error:#}"))
    }

    /// Fetches an image, and returns the folder with its blobs.
    pub fn fetch(&self, source: &ImageSource, image: &ContainerImage) -> Result<tempfile::TempDir, String> {
        let progress: &dyn Progress = &self.heard;
        let step = progress.step("test", None);
        // Where the cache is, so that a blob can be renamed.
        let entry = tempfile::tempdir_in(self.cache.root()).unwrap();
        let fetched = container_images::take(&self.fetcher(), source, image, entry.path(), &step);
        fetched.map(|()| entry).map_err(|error| format!("{error:#}"))
    }

    /// The next requests meet this: a word, how often, and a part of their paths.
    pub fn faults(&self, lines: &str) {
        std::fs::write(self.folder.join("faults"), lines).unwrap();
        let _ = std::fs::remove_file(self.folder.join("requests"));
    }

    /// The paths asked for since the last call of [`Site::faults`].
    pub fn requests(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("requests")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}
