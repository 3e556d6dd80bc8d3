//! The registry of a lab: hab-registry as two masters have it, each at its own address in a network of the test's own, and hab,
//! skopeo and the nodes' certificates as its clients. That containerd and HAProxy go this way is seen in machines
//! (`tests/long/registry.sh`).

mod faults;
mod look;
mod peers;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::time::{Duration, Instant};

use hab::clock::Clock;
use hab::config::reference::Reference;
use hab::config::{self, Registries};
use hab::container_images::Fetcher;
use hab::pki::Pki;
use hab::plan::Plan;
use hab::progress::Progress;
use hab::registry::{Changed, Listed, Patience, Registry, named};

use look::{begun, curl, found, soon};

use crate::built::build;
use crate::isolated::inside_own_network;
use crate::rendered::Lab;
use crate::site::{Heard, Made, PACE, Running, Site, programs};

const YAML: &str = "lab: demo\nnodes: {master: {count: 2}}\nregistry: {inLab: true}\n";
const FIRST: &str = "kube-master-01";
const SECOND: &str = "kube-master-02";

/// A lab whose masters' registries can be started and stopped.
struct Masters {
    lab: Lab,
    plan: Plan,
    site: Site,
    dir: tempfile::TempDir,
    running: Vec<(String, Running)>,
    /// hab's: a test that is to wait says so.
    patience: Patience,
}

/// Where the program is, for the test inside its network, which builds nothing.
fn program() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("hab-registry")
}

impl Masters {
    /// The lab of the test with this name; none outside of its own network.
    #[track_caller]
    fn of(name: &str) -> Option<Self> {
        static BUILT: Once = Once::new();
        if std::env::var_os("HAB_TEST_INSIDE").is_none() {
            BUILT.call_once(|| {
                let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                build(dir.path(), &["registry"]);
                std::fs::rename(dir.path().join("registry/bin/hab-registry"), program()).unwrap();
                programs();
            });
        }
        if !inside_own_network(name) {
            return None;
        }
        let (lab, dir) = (Lab::new(YAML), tempfile::tempdir().unwrap());
        let plan = Plan::new(config::read("hab.yaml", YAML.as_bytes(), &|_| Ok(())).config().unwrap()).unwrap();
        for node in lab.of("master") {
            node.unpack(&dir.path().join(&node.name));
            let address = format!("{}/32", node.address);
            let added = Command::new("ip").args(["address", "add", &address, "dev", "lo"]).status().unwrap();
            assert!(added.success());
        }
        let (cache, packages) = programs();
        let folder = dir.path().join("images");
        std::fs::create_dir(&folder).unwrap();
        let (registries, heard) = (Registries::default(), Heard::default());
        let site = Site { folder, registry: String::new(), cache, packages, registries, pace: PACE, heard };
        let minute = Duration::from_secs(60);
        let patience = Patience { start: Duration::ZERO, copies: minute, silence: minute };
        Some(Self { lab, plan, site, dir, running: Vec::new(), patience })
    }

    fn root(&self, master: &str) -> PathBuf {
        self.dir.path().join(master)
    }

    fn store(&self, master: &str) -> PathBuf {
        self.root(master).join("store")
    }

    /// Starts the registry of a master, and waits until it takes connections. This machine's disk may be as full as it is.
    fn start(&mut self, master: &str) {
        self.launch(master, &[], &["-free=0"]);
        self.wait(master);
    }

    /// Starts it with a disk of its own of so many MiB.
    fn start_on_disk_of(&mut self, mebibytes: usize, master: &str, more: &[&str]) {
        let store = self.store(master);
        std::fs::create_dir_all(&store).unwrap();
        let script = format!("mount -t tmpfs -o size={mebibytes}m none \"$0\" && exec \"$@\"");
        self.launch(master, &["unshare", "--mount", "sh", "-c", &script, store.to_str().unwrap()], more);
        self.wait(master);
    }

    /// The store of a master that has a disk of its own, which is nowhere else.
    fn store_on_disk(&self, master: &str) -> PathBuf {
        let (_, running) = self.running.iter().find(|(name, _)| name == master).unwrap();
        let store = self.store(master);
        Path::new("/proc").join(running.0.id().to_string()).join("root").join(store.strip_prefix("/").unwrap())
    }

    /// Starts the registry of a master, with the settings and keys of its unit, by way of this command.
    fn launch(&mut self, master: &str, by: &[&str], more: &[&str]) {
        let (root, address) = (self.root(master), self.lab.node(master).address.clone());
        let settings = std::fs::read_to_string(root.join("etc/kubernetes/registry.env")).unwrap();
        let setting = |name: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_else(|| panic!("{settings}")).to_owned()
        };
        let keys = root.join("keys");
        std::fs::create_dir_all(&keys).unwrap();
        for name in ["ca.crt", "registry.crt", "registry.key"] {
            std::fs::copy(root.join("etc/kubernetes/pki").join(name), keys.join(name)).unwrap();
        }
        let program = program();
        let line: Vec<&str> = by.iter().copied().chain([program.to_str().unwrap()]).collect();
        let mut command = Command::new(line[0]);
        command
            .args(&line[1..])
            .arg("serve")
            .arg(format!("-listen={address}{}", setting("LISTEN")))
            .arg(format!("-store={}", self.store(master).display()))
            .arg(format!("-keys={}", keys.display()))
            .arg(format!("-masters={}", setting("MASTERS")))
            .arg(format!("-others={}", setting("OTHERS")))
            .arg(format!("-writers={}", setting("WRITERS")))
            .args(more)
            .stdout(Stdio::null());
        self.running.push((master.to_owned(), Running(command.spawn().unwrap())));
    }

    fn wait(&mut self, master: &str) {
        let (address, begin) = (self.lab.node(master).address.clone(), Instant::now());
        let (_, running) = self.running.iter_mut().find(|(name, _)| name == master).unwrap();
        while std::net::TcpStream::connect(format!("{address}:5000")).is_err() {
            assert!(running.0.try_wait().unwrap().is_none() && begin.elapsed() < Duration::from_secs(120), "{master}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn stop(&mut self, master: &str) {
        let before = self.running.len();
        self.running.retain(|(name, _)| name != master);
        assert_eq!(self.running.len(), before - 1);
    }

    fn with<T>(&self, work: impl FnOnce(&Registry<'_>, &dyn Progress) -> T) -> T {
        let pki = Pki::open(&self.lab.path("private"), &self.plan, Clock::system()).unwrap();
        let mut registry = Registry::new(&self.plan, &pki.client()).unwrap();
        registry.patience = self.patience;
        work(&registry, &self.site.heard)
    }

    /// As `hab image load ARCHIVE --name NAME`.
    fn load(&self, made: &Made, name: &str) -> Result<Changed, String> {
        let wanted = named(made.layout.to_str().unwrap(), Some(name)).unwrap();
        let fetcher = Fetcher::new(&self.site.cache, &wanted.folder, &self.plan.registries, &self.site.packages);
        let loaded =
            self.with(|registry, progress| registry.load(&fetcher, &wanted.source, &progress.step("load", None)));
        loaded.map_err(|error| format!("{error:#}"))
    }

    fn remove(&self, name: &str) -> Result<Changed, String> {
        let removed =
            self.with(|registry, progress| registry.remove(&Reference::new(name).unwrap(), &progress.step("rm", None)));
        removed.map_err(|error| format!("{error:#}"))
    }

    fn list(&self) -> Vec<(String, String, Vec<String>)> {
        let list = self.with(|registry, _| registry.list(None)).unwrap();
        list.into_iter().map(|Listed { name, digest, masters, .. }| (name, digest, masters)).collect()
    }

    /// What the registry of a master answers somebody with the certificate of this node, as containerd asks: the status, and what
    /// came.
    fn ask(&self, (node, master): (&str, &str), method: &str, path: &str) -> (String, String) {
        let pki = self.root(node).join("etc/kubernetes/pki");
        let mut command = curl(&pki.join("ca.crt"), &pki.join("kubelet-client.crt"), &pki.join("kubelet-client.key"));
        command.args(["--request", method]).args((method == "HEAD").then_some("--head"));
        self.answer(&mut command, master, path)
    }

    /// The same for the host's certificate, with these arguments of curl.
    fn ask_as_host(&self, master: &str, arguments: &[&str], path: &str) -> (String, String) {
        let pki = self.lab.path("out/registry");
        let mut command = curl(&pki.join("ca.crt"), &pki.join("client.cert"), &pki.join("client.key"));
        self.answer(command.args(arguments), master, path)
    }

    fn answer(&self, command: &mut Command, master: &str, path: &str) -> (String, String) {
        let output = command.arg(format!("https://{}:5000{path}", self.lab.node(master).address)).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }

    /// The digest that a tag of an image leads to at a master, as containerd asks for it.
    fn pulled(&self, master: &str, (registry, repository, tag): (&str, &str, &str)) -> Option<String> {
        let path = format!("/v2/{repository}/manifests/{tag}?ns={registry}");
        let (status, body) = self.ask((FIRST, master), "GET", &path);
        (status == "200").then(|| format!("sha256:{}", hab::digest::sha256(body.as_bytes())))
    }
}

/// A layer's size, larger than all else of a test's images.
const LARGE: &str = "+100k";

fn both() -> Vec<String> {
    vec![FIRST.to_owned(), SECOND.to_owned()]
}

#[test]
fn every_master_has_what_one_was_given_and_knows_what_is_gone() {
    let Some(mut masters) = Masters::of("lab::every_master_has_what_one_was_given_and_knows_what_is_gone") else {
        return;
    };
    let made = masters.site.image("app", &["amd64", "arm64"], 512);
    let other = masters.site.image("other", &["amd64"], 64);
    let error = masters.load(&made, "nginx:1.29").unwrap_err();
    assert!(error.contains("no master's registry answers") && error.contains("nothing listens there"), "{error}");

    // One master is away: all is well, and it is named.
    masters.start(FIRST);
    let loaded = masters.load(&made, "nginx:1.29").unwrap();
    assert_eq!(loaded.names, ["docker.io/library/nginx:1.29"]);
    assert_eq!(
        (loaded.digest.as_ref(), loaded.masters, loaded.away, loaded.behind.len()),
        (Some(&made.digest), vec![FIRST.to_owned()], vec![SECOND.to_owned()], 0)
    );
    let nginx = ("docker.io", "library/nginx", "1.29");
    assert_eq!(masters.pulled(FIRST, nginx).as_ref(), Some(&made.digest), "the list of platforms, by its own digest");

    // It comes: it has all as soon as it takes connections.
    masters.start(SECOND);
    assert_eq!(masters.pulled(SECOND, nginx).as_ref(), Some(&made.digest));
    let listed = |digest: &str| vec![("docker.io/library/nginx:1.29".to_owned(), digest.to_owned(), both())];
    assert_eq!(masters.list(), listed(&made.digest));
    // By digest, too, and every byte of it.
    assert_eq!(masters.pulled(SECOND, ("docker.io", "library/nginx", &made.digest)).as_ref(), Some(&made.digest));
    assert_eq!(found(&masters.store(SECOND), "/data", LARGE), 1);

    // Both are there: when it is said, both have it.
    let loaded = masters.load(&other, "quay.io/library/nginx:1.29").unwrap();
    assert_eq!((loaded.masters, loaded.behind.len()), (both(), 0));
    for master in [FIRST, SECOND] {
        assert_eq!(masters.pulled(master, nginx).as_ref(), Some(&made.digest), "two registries' images never meet");
        assert_eq!(masters.pulled(master, ("quay.io", "library/nginx", "1.29")).as_ref(), Some(&other.digest));
        assert_eq!(masters.pulled(master, ("ghcr.io", "library/nginx", "1.29")), None);
    }
    let removed = masters.remove("quay.io/library/nginx:1.29").unwrap();
    assert_eq!((removed.digest, removed.masters), (None, both()));
    assert_eq!(masters.list(), listed(&made.digest));
    assert!(masters.remove("quay.io/library/nginx:1.29").unwrap_err().contains("`hab image ls`"));

    // While one is away a tag is moved, and another one is taken away.
    masters.load(&other, "team/gone:1").unwrap();
    masters.stop(SECOND);
    masters.load(&other, "nginx:1.29").unwrap();
    masters.remove("team/gone:1").unwrap();
    masters.start(SECOND);
    assert_eq!(masters.pulled(SECOND, nginx).as_ref(), Some(&other.digest), "the newest, not the one it had");
    assert_eq!(masters.pulled(SECOND, ("docker.io", "team/gone", "1")), None);
    assert_eq!(masters.list(), listed(&other.digest));

    // What no tag leads to goes at the next start, and what somebody began and gave up.
    let begun = masters.store(FIRST).join("docker/registry/v2/repositories/docker.io/team/gone/_uploads/x/data");
    std::fs::create_dir_all(begun.parent().unwrap()).unwrap();
    std::fs::write(&begun, "half of a layer").unwrap();
    assert_eq!(found(&masters.store(FIRST), "/data", LARGE), 1, "of the first image");
    masters.stop(FIRST);
    masters.start(FIRST);
    assert_eq!(found(&masters.store(FIRST), "/data", LARGE), 0);
    assert!(!begun.exists());
    assert_eq!(masters.pulled(FIRST, nginx).as_ref(), Some(&other.digest));

    // A master that lost its disk; then the other, so that what is there came from the first loss.
    for (lost, left) in [(FIRST, SECOND), (SECOND, FIRST)] {
        masters.stop(lost);
        std::fs::remove_dir_all(masters.store(lost)).unwrap();
        masters.start(lost);
        assert_eq!(masters.pulled(lost, nginx).as_ref(), Some(&other.digest), "{lost} from {left}");
    }
}

#[test]
fn other_tools_may_write_and_nodes_only_read() {
    let Some(mut masters) = Masters::of("lab::other_tools_may_write_and_nodes_only_read") else { return };
    masters.start(FIRST);
    masters.start(SECOND);
    let made = masters.site.image("tool", &["amd64"], 64);
    let address = masters.lab.node(SECOND).address.clone();
    let push = |name: &str| {
        let (from, to) = (format!("oci:{}", made.layout.display()), format!("docker://{address}:5000/{name}"));
        let certificates = masters.lab.path("out/registry");
        masters.site.copy(&["--dest-cert-dir", certificates.to_str().unwrap(), &from, &to]);
    };
    for name in ["tool:1", "team/tool:1", "quay.io/team/tool:1", "localhost__5000/tool:1"] {
        push(name);
    }
    let digest = Some(made.digest.clone());
    // The other one hears of it.
    soon("both have all", || masters.list().iter().filter(|(_, _, masters)| masters.len() == 2).count() == 4);
    for master in [FIRST, SECOND] {
        for asked in [
            ("docker.io", "library/tool", "1"),
            ("docker.io", "team/tool", "1"),
            ("quay.io", "team/tool", "1"),
            ("localhost:5000", "tool", "1"),
            // Called by a master's address, as it was pushed.
            ("192.168.56.32:5000", "tool", "1"),
            ("kube-master-01:5000", "quay.io/team/tool", "1"),
        ] {
            assert_eq!(masters.pulled(master, asked), digest, "{master}: {asked:?}");
        }
    }
    let names: Vec<String> = masters.list().into_iter().map(|(name, ..)| name).collect();
    let wanted = ["docker.io/library/tool:1", "docker.io/team/tool:1", "localhost:5000/tool:1", "quay.io/team/tool:1"];
    assert_eq!(names, wanted);

    // A node's certificate reads; it neither writes nor removes.
    let of_node = |method: &str, path: &str| masters.ask((FIRST, SECOND), method, path);
    assert_eq!(of_node("HEAD", "/v2/team/tool/manifests/1").0, "200");
    let (status, body) = of_node("GET", "/v2/_catalog");
    assert!(status == "200" && body.contains("\"docker.io/team/tool\""), "what people try first: {status} {body}");
    // A layer that is there under another name need not be sent again.
    let blob = std::fs::read_to_string(made.layout.join("blobs/sha256").join(&made.digest["sha256:".len()..])).unwrap();
    let blob =
        serde_json::from_str::<serde_json::Value>(&blob).unwrap()["layers"][0]["digest"].as_str().unwrap().to_owned();
    let mount = format!("/v2/team/mounted/blobs/uploads/?mount={blob}&from=team/tool");
    assert_eq!(masters.ask_as_host(SECOND, &["--request", "POST", "--data", ""], &mount).0, "201");
    for (method, path) in [
        ("POST", "/v2/team/tool/blobs/uploads/"),
        ("DELETE", "/v2/team/tool/manifests/1"),
        ("PUT", "/v2/team/tool/manifests/2"),
    ] {
        let (status, body) = of_node(method, path);
        assert!(status == "403" && body.contains("DENIED"), "{method} {path}: {status} {body}");
    }
    assert_eq!(masters.list().len(), 4);
    // Nobody without a certificate gets an answer.
    let ca = masters.root(FIRST).join("etc/kubernetes/pki/ca.crt");
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--cacert"]).arg(ca);
    let output = command.arg(format!("https://{address}:5000/v2/")).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());

    // skopeo removes by digest: all tags of that repository, everywhere.
    let skopeo = masters.site.tools().files().parent().unwrap().join("bin/skopeo");
    let deleted = Command::new(skopeo)
        .args(["--insecure-policy", "delete", "--cert-dir"])
        .arg(masters.lab.path("out/registry"))
        .arg(format!("docker://{address}:5000/team/tool:1"))
        .output()
        .unwrap();
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
    soon("it is gone", || masters.pulled(FIRST, ("docker.io", "team/tool", "1")).is_none());
    assert_eq!(masters.pulled(SECOND, ("docker.io", "team/tool", "1")), None);
    assert_eq!(masters.pulled(SECOND, ("docker.io", "library/tool", "1")), digest);
}
