//! A vendor made for a test: a loopback HTTPS server with files of its own, `OpenPGP` keys, and disks.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hab::base::vendor_image::Pin;
use hab::base::vendor_image::vendor::{Key, Newest, Place, Vendor};
use hab::cache::Cache;
use hab::download::{Downloads, Pace};
use hab::exec::pinned_tools::PinnedTools;
use hab::kinds::{Base, Release};
use hab::lock::VendorImage;
use hab::progress::{Progress, Silent};

/// Where the test's own folder is, for the test inside, and where the server is.
const FOLDER: &str = "HAB_TEST_FOLDER";
const PORT: &str = "HAB_TEST_PORT";

/// The vendor's host as the vendor says it; the server is a mirror of it.
pub const HOST: &str = "vendor.invalid";

/// A pace that any server keeps on a busy machine, too, and one whose end a test can wait for.
pub const PACE: Pace = Pace { bytes: 1 << 10, within: Duration::from_secs(120) };
pub const SHORT: Pace = Pace { within: Duration::from_secs(12), ..PACE };

/// Stops a program when it goes.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The site of a test; see [`site`].
pub struct Site {
    folder: PathBuf,
    port: String,
    pub cache: Cache,
    pub tools: PinnedTools,
    pub pace: Cell<Pace>,
}

/// The vendor's server, for the test of this name. apt takes the server's certificate for good in a program that was
/// started with `APT_CONFIG`, so this runs the test once more, with that and the server, and returns nothing when it has
/// passed.
#[track_caller]
pub fn site(name: &str) -> Option<Site> {
    if let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) {
        let tools = tools(&folder);
        let cache = Cache::at(folder.join("cache"));
        return Some(Site { tools, cache, pace: Cell::new(PACE), port: std::env::var(PORT).unwrap(), folder });
    }
    // Short: gpg's agent has a socket in it, whose path may have 108 bytes.
    let dir = tempfile::Builder::new().prefix("hab-test").tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("www").join(HOST)).unwrap();
    let (server, port) = serve(dir.path());
    let conf = dir.path().join("apt.conf");
    let authority = dir.path().join("tls.pem");
    std::fs::write(&conf, format!("Acquire::https::CaInfo \"{}\";\n", authority.display())).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .envs([("APT_CONFIG", conf.as_os_str()), (FOLDER, dir.path().as_os_str()), (PORT, port.as_ref())])
        .output()
        .unwrap();
    drop(server);
    let _ = Command::new("gpgconf").env("GNUPGHOME", dir.path().join("gpg")).args(["--kill", "all"]).status();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "with the vendor's server: {said}");
    None
}

/// Starts the server, with a certificate of its own.
fn serve(dir: &Path) -> (Running, String) {
    let pem = dir.join("tls.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&pem)
        .arg("-out")
        .arg(dir.join("certificate"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let both = [std::fs::read(&pem).unwrap(), std::fs::read(dir.join("certificate")).unwrap()].concat();
    std::fs::write(&pem, both).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vendor_image/server.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(dir.join("www")).arg(&pem).stdout(Stdio::piped());
    let mut server = Running(command.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (server, port.trim().to_owned())
}

/// The programs that check and unpack, as the locked packages bring them; here the machine's own.
fn tools(dir: &Path) -> PinnedTools {
    let entry = dir.join("tools");
    for (name, program) in [("files/usr/bin/gpgv-static", "gpgv-static"), ("bin/xz", "xz")] {
        let path = entry.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(Path::new("/usr/bin").join(program), path).unwrap();
    }
    PinnedTools::open(&entry)
}

fn gpg(dir: &Path) -> Command {
    let mut command = Command::new("gpg");
    command.env("GNUPGHOME", dir.join("gpg")).args(["--batch", "--yes", "--quiet", "--no-tty"]);
    command.args(["--pinentry-mode", "loopback", "--passphrase", ""]);
    command
}

impl Site {
    /// A file on the vendor's host.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join("www").join(HOST).join(name)
    }

    /// Puts a file there.
    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        self.put_at(&format!("https://{HOST}/{name}"), bytes);
    }

    /// Puts a file to where a mirror has what is at this address.
    pub fn put_at(&self, url: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.join("www").join(url.strip_prefix("https://").unwrap());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// What the server does to a file: see `server.py`.
    pub fn fault(&self, name: &str, fault: &str) {
        self.put(&format!("{name}.fault"), fault);
    }

    /// Every request since this was asked the last time.
    pub fn requests(&self) -> Vec<String> {
        let path = self.folder.join("www/requests");
        let all = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(path);
        all.lines().map(|line| line.replace(&format!("/{HOST}/"), "")).collect()
    }

    /// The server's address, in the place of `https://`.
    pub fn mirror(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// A disk of its own, some MiB of a qcow2 with room for 10 GiB, and `flavour` in it.
    pub fn disk(&self, flavour: u8) -> Vec<u8> {
        let path = self.folder.join("disk.qcow2");
        let run = |args: &[&str]| {
            let output = Command::new(args[0]).args(&args[1..]).arg(&path).output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        std::fs::remove_file(&path).ok();
        let create = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&path).arg("10G").output();
        assert!(create.unwrap().status.success());
        run(&["qemu-io", "-f", "qcow2", "-c", &format!("write -P {flavour} 1G 3M")]);
        std::fs::read(path).unwrap()
    }

    /// Runs gpg with the keyring of this site.
    #[track_caller]
    pub fn gpg(&self, args: &[&str]) -> Vec<u8> {
        let folder = self.folder.join("gpg");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let output = gpg(&self.folder).args(args).output().unwrap();
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Answers what gpg asks, line by line.
    #[track_caller]
    pub fn talk(&self, args: &[&str], answers: &str) {
        let mut command = Command::new("gpg");
        command.env("GNUPGHOME", self.folder.join("gpg")).args(["--quiet", "--no-tty", "--command-fd", "0"]);
        command.args(["--pinentry-mode", "loopback", "--passphrase", ""]);
        let mut gpg =
            command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        gpg.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let output = gpg.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A new key that only certifies, with a subkey that signs, from 2025 on; its fingerprint.
    #[track_caller]
    pub fn key(&self, name: &str) -> String {
        let old = ["--faked-system-time", "20250101T000000!"];
        self.gpg(&[&old[..], &["--quick-gen-key", name, "ed25519", "cert", "never"]].concat());
        let fingerprint = self.fingerprints(name)[0].clone();
        self.gpg(&[&old[..], &["--quick-add-key", &fingerprint, "ed25519", "sign", "never"]].concat());
        fingerprint
    }

    /// All fingerprints of a key, the primary's first.
    #[track_caller]
    pub fn fingerprints(&self, name: &str) -> Vec<String> {
        let list = String::from_utf8(self.gpg(&["--with-colons", "--list-keys", name])).unwrap();
        let lines = list.lines().filter_map(|line| line.strip_prefix("fpr:"));
        lines.map(|line| line.trim_matches(':').to_owned()).collect()
    }

    /// The public keys of these names, armored.
    #[track_caller]
    pub fn public(&self, names: &[&str]) -> Vec<u8> {
        self.gpg(&[&["--armor", "--export"][..], names].concat())
    }

    /// A detached signature of `bytes` by a key or, with a `!` behind it, a subkey.
    #[track_caller]
    pub fn sign(&self, bytes: &[u8], key: &str, more: &[&str]) -> Vec<u8> {
        let file = self.folder.join("to-sign");
        std::fs::write(&file, bytes).unwrap();
        let common = ["--local-user", key, "--output", "-", "--detach-sign", file.to_str().unwrap()];
        self.gpg(&[more, &common[..]].concat())
    }

    /// The way to this vendor.
    pub fn downloads(&self) -> Downloads<'_> {
        Downloads::with(&self.cache, "HAB_FLATCAR_MIRROR", Some(self.mirror()), self.pace.get())
    }

    /// Pins the newest of `vendor`, whose versions look like Flatcar's.
    pub fn pin(&self, vendor: &Vendor, old: Option<&VendorImage>) -> Result<VendorImage, String> {
        self.pin_release(Base::Flatcar, vendor, old, &Release { channel: "stable", version: None }, false)
    }

    /// Pins an image of a base and its vendor, as `hab lock` does.
    pub fn pin_release(
        &self,
        base: Base,
        vendor: &Vendor,
        old: Option<&VendorImage>,
        release: &Release,
        downgrade: bool,
    ) -> Result<VendorImage, String> {
        let downloads = self.downloads();
        let pin = Pin { base, vendor, release, old, downgrade, downloads: &downloads };
        let progress: &dyn Progress = &Silent;
        let step = progress.step("lock", None);
        let image = pin.version(&step).and_then(|version| pin.image(&version, Vec::new(), &self.tools, &step));
        image.map_err(|error| format!("{error:#}"))
    }

    /// Fetches what is pinned, as `hab fetch` does; the disk's bytes.
    pub fn fetch(&self, image: &VendorImage) -> Result<Vec<u8>, String> {
        let progress: &dyn Progress = &Silent;
        let step = progress.step("fetch", None);
        let tools = || Ok(self.tools.clone());
        let folder = hab::base::vendor_image::fetch(image, &self.downloads(), &tools, &step);
        folder.map(|folder| std::fs::read(folder.disk()).unwrap()).map_err(|error| format!("{error:#}"))
    }
}

/// The vendor's row: `image` is its image's name with `{version}` in it, and `primary` its key.
pub fn row(image: &str, primary: &str) -> Vendor {
    let url = |name: &str| format!("https://{HOST}/{name}");
    Vendor {
        newest: Newest { url: url("version.txt"), place: Place::Line("FLATCAR_VERSION_ID=".into()) },
        images: vec![url(image)],
        key: Key::Pinned { url: url("key.asc"), primary: primary.into() },
        packages: vec!["gpgv-static".into()],
        disk: 8,
    }
}
