//! The scripts of a node and of the self-test, run with bash in a folder that stands in for the node's root, between
//! programs that only note what they were called with.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::rendered::{LARGE, Lab};

/// What scripts name of the root, each moved into the folder.
const MOVED: [&str; 8] =
    ["/etc/kubernetes", "/run/kubernetes", "/opt/hab", "/var/lib", "/dev/tty", "/sys/class", "/sys/fs", "/proc/sys"];

struct Root {
    dir: tempfile::TempDir,
}

impl Root {
    /// The root of a node of the large lab, with every script's paths moved into it and nothing waiting.
    fn new(node: &str) -> Self {
        Self::of(&Lab::new(LARGE), node)
    }

    /// The same of another lab.
    fn of(lab: &Lab, node: &str) -> Self {
        let root = Self { dir: tempfile::tempdir().unwrap() };
        lab.node(node).unpack(root.dir.path());
        for entry in std::fs::read_dir(root.path("/etc/kubernetes/hab")).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|ending| ending == "sh") {
                root.script(&entry.path(), &std::fs::read_to_string(entry.path()).unwrap());
            }
        }
        for folder in ["/var/lib/containerd", "/opt/hab/bin", "/opt/hab/images", "/dev", "/proc/sys", "/programs"] {
            std::fs::create_dir_all(root.path(folder)).unwrap();
        }
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn script(&self, path: &Path, text: &str) {
        let moved =
            MOVED.iter().fold(text.to_owned(), |text, path| text.replace(path, self.path(path).to_str().unwrap()));
        std::fs::write(path, moved).unwrap();
    }

    /// A program that notes its arguments and standard input in `/called`, and does what `then` says.
    fn program(&self, path: &str, then: &str) {
        let (path, called) = (self.path(path), self.path("/called"));
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = format!("#!/bin/bash\necho \"{name} $*\" >>{}\n{then}\n", called.display());
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a script; what is in `/programs` comes before this machine's own programs.
    fn run(&self, script: &str) -> Output {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("/programs").display());
        Command::new("bash").arg(self.path(script)).env("PATH", path).current_dir("/").output().unwrap()
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }
}

/// What a script says of itself, in order.
fn events(output: &Output) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|line| Some(line["event"].as_str()?.to_owned())).collect()
}

/// A master whose node script has what it needs: the payload is mounted, and one card is the planned one.
fn booting(node: &str) -> Root {
    let root = Root::new(node);
    root.program("/programs/modprobe", "");
    root.program("/programs/mountpoint", "");
    root.program("/programs/ip", &format!("cat >>{}", root.path("/called").display()));
    let env = root.text("/etc/kubernetes/hab/node.env");
    // What it does with its data disk is another test's.
    std::fs::write(root.path("/etc/kubernetes/hab/node.env"), env.replace("DATA=", "NO_DATA=")).unwrap();
    let mac = env.lines().find_map(|line| line.strip_prefix("MAC=")).unwrap();
    for (card, address) in [("lo", "00:00:00:00:00:00"), ("eth7", mac)] {
        let folder = root.path("/sys/class/net").join(card);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("address"), format!("{address}\n")).unwrap();
    }
    for folder in ["vm", "kernel", "net/ipv4", "net/bridge"] {
        std::fs::create_dir_all(root.path("/proc/sys").join(folder)).unwrap();
    }
    root
}

#[test]
fn a_master_places_its_control_plane_for_root_alone_and_after_a_restart_takes_over_leases() {
    let root = Root::new("kube-master-01");
    root.program("/opt/hab/bin/hab-probe", "");
    for boot in 0..2 {
        let output = root.run("/etc/kubernetes/hab/control-plane.sh");
        assert!(output.status.success(), "{output:?}");
        for name in ["kube-controller-manager", "kube-scheduler"] {
            let path = format!("/run/kubernetes/manifests/{name}.yaml");
            let mode = root.path(&path).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{path}");
            let text = root.text(&path);
            assert!(text.contains("- --leader-elect-lease-duration=30s\n") && !text.contains("HAB_"), "{text}");
        }
        let released = std::fs::read_to_string(root.path("/called")).unwrap_or_default();
        let releases = released.lines().filter(|line| line.starts_with("hab-probe release ")).count();
        assert_eq!(releases, boot, "{released}");
    }
    assert!(root.text("/called").contains(" -host kube-master-01 "));
}

#[test]
fn on_an_emulated_master_there_is_more_time_between_two_liveness_probes_and_between_no_others() {
    let periods = |emulated: bool| {
        let root = Root::new("kube-master-01");
        root.program("/opt/hab/bin/hab-probe", "");
        if emulated {
            let times = root.text("/etc/kubernetes/hab/emulated.env");
            let path = root.path("/etc/kubernetes/hab/node.env");
            let node = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, format!("{node}\n{times}")).unwrap();
        }
        assert!(root.run("/etc/kubernetes/hab/gate.sh").status.success());
        let text = root.text("/run/kubernetes/manifests/kube-apiserver.yaml");
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("periodSeconds: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(periods(false), ["10", "30", "15"]);
    assert_eq!(periods(true), ["10", "150", "15"]);
}

#[test]
fn a_node_has_its_address_and_a_route_to_the_pods_of_every_other() {
    let root = booting("kube-worker-01");
    let output = root.run("/etc/kubernetes/hab/node.sh");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(events(&output), ["start", "network"]);
    let called = root.text("/called");
    assert!(
        called.contains("modprobe --all virtio_net squashfs button overlay br_netfilter nf_conntrack\n"),
        "{called}"
    );
    let commands: Vec<_> = called.lines().skip_while(|line| !line.starts_with("ip ")).collect();
    let (first, routes) = commands.split_at(7);
    assert_eq!(
        first,
        [
            "ip -batch -",
            "link set lo up",
            "address flush dev eth7",
            "link set eth7 up",
            "address replace 192.168.56.101/24 dev eth7",
            "route replace default via 192.168.56.1",
            "ip -batch -",
        ]
    );
    // Also to those that may come, but none to its own pods.
    assert_eq!(routes.len(), 8 + 31);
    for route in
        ["10.2.255.0/24 via 192.168.56.31", "10.2.1.0/24 via 192.168.56.102", "10.2.31.0/24 via 192.168.56.132"]
    {
        assert!(routes.contains(&format!("route replace {route}").as_str()), "{route} {routes:?}");
    }
    assert!(!routes.iter().any(|route| route.contains(" 10.2.0.0/24 ")), "{routes:?}");
    for key in ["vm/overcommit_memory", "net/ipv4/ip_forward", "kernel/panic", "net/bridge/bridge-nf-call-iptables"] {
        assert_eq!(
            root.text(&format!("/proc/sys/{key}")),
            "1\n".replace('1', if key == "kernel/panic" { "10" } else { "1" })
        );
    }
}

#[test]
fn an_etcd_node_has_no_route_to_pods() {
    let root = booting("etcd-01");
    let output = root.run("/etc/kubernetes/hab/node.sh");
    assert_eq!((output.status.code(), events(&output)), (Some(0), vec!["start".to_owned(), "network".to_owned()]));
    let called = root.text("/called");
    assert!(called.contains("modprobe --all virtio_net squashfs button\n"), "{called}");
    assert!(called.contains("address replace 192.168.56.11/24") && !called.contains("route replace 10.2."), "{called}");
}

#[test]
fn a_node_says_what_of_its_network_fails() {
    let root = booting("kube-worker-01");
    root.program("/programs/ip", "! grep -q 10.2.3.0");
    let output = root.run("/etc/kubernetes/hab/node.sh");
    assert_eq!((output.status.code(), events(&output)[1].as_str()), (Some(1), "network-failed"));
    root.program("/programs/ip", "! grep -q 'link set'");
    let output = root.run("/etc/kubernetes/hab/node.sh");
    assert_eq!((output.status.code(), events(&output)[1].as_str()), (Some(1), "network-failed"));
    std::fs::write(root.path("/sys/class/net/eth7/address"), "52:54:00:00:00:00\n").unwrap();
    let output = root.run("/etc/kubernetes/hab/node.sh");
    assert_eq!((output.status.code(), events(&output)[1].as_str()), (Some(1), "network-card-missing"));
}

#[test]
fn what_must_outlive_a_root_lies_on_the_data_disk() {
    let root = Root::new("etcd-01");
    root.program("/programs/mountpoint", "exit 1");
    for name in ["mount", "resize2fs", "journalctl"] {
        root.program(&format!("/programs/{name}"), "");
    }
    // Not this machine's own folders.
    let folder = root.path("/var/lib/private/etcd").display().to_string();
    std::fs::remove_dir_all(root.path("/etc/kubernetes/hab/data")).unwrap();
    std::fs::create_dir(root.path("/etc/kubernetes/hab/data")).unwrap();
    std::fs::write(root.path("/etc/kubernetes/hab/data/etcd"), format!("0700 {folder}\n")).unwrap();
    let output = root.run("/etc/kubernetes/hab/data.sh");
    assert!(output.status.success(), "{output:?}");
    let (device, disk) = ("/dev/disk/by-id/virtio-hab-data", root.path("/var/lib/hab/data").display().to_string());
    let wanted = [
        format!("mountpoint -q {disk}"),
        format!("mount -t ext4 -o noatime {device} {disk}"),
        format!("resize2fs {device}"),
        format!("mountpoint -q {folder}"),
        format!("mount --bind {disk}{folder} {folder}"),
        "journalctl --flush".to_owned(),
    ];
    assert_eq!(root.text("/called").lines().collect::<Vec<_>>(), wanted);
    let mode = std::fs::metadata(format!("{disk}{folder}")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);

    root.program("/programs/mount", "exit 32");
    assert!(!root.run("/etc/kubernetes/hab/data.sh").status.success());
}

#[test]
fn images_count_as_imported_when_they_are_on_the_disk() {
    let root = Root::new("kube-worker-01");
    std::fs::write(root.path("/opt/hab/images/pause.tar"), "").unwrap();
    let stamp = root.path("/var/lib/hab/images");
    root.program("/programs/sync", &format!("[ ! -e {} ] && [ -d \"${{*: -1}}\" ]", stamp.display()));
    root.program("/opt/hab/bin/ctr", "exit 1");
    let output = root.run("/etc/kubernetes/hab/images.sh");
    assert_eq!((output.status.code(), events(&output)), (Some(1), vec!["images-failed".to_owned()]));
    assert!(!stamp.exists());

    root.program("/opt/hab/bin/ctr", "");
    let output = root.run("/etc/kubernetes/hab/images.sh");
    assert_eq!((output.status.code(), events(&output)), (Some(0), vec!["images".to_owned()]));
    assert!(stamp.exists());
    assert!(root.text("/called").ends_with(&format!("sync -f {}\n", root.path("/var/lib/containerd").display())));
}

#[test]
fn addons_are_applied_in_one_call() {
    let root = Root::new("kube-master-02");
    root.program("/opt/hab/bin/hab-probe", "");
    let output = root.run("/etc/kubernetes/hab/addons.sh");
    assert_eq!((output.status.code(), events(&output)), (Some(0), vec!["addons".to_owned()]), "{output:?}");
    let etc = root.path("/etc/kubernetes").display().to_string();
    let wanted = format!(
        "hab-probe apply -within 0 -every 2s -server https://192.168.56.32:6443 -manager hab \
         -cacert {etc}/pki/ca.crt -cert {etc}/pki/addons.crt -key {etc}/pki/addons.key -inventory hab-addons \
         -keep {etc}/addons -fresh /run/hab-first-boot {etc}/addons\n"
    );
    assert_eq!(root.text("/called"), wanted);

    root.program("/opt/hab/bin/hab-probe", "exit 2");
    let output = root.run("/etc/kubernetes/hab/addons.sh");
    assert_eq!((output.status.code(), events(&output)), (Some(2), Vec::new()), "{output:?}");
}

#[test]
fn a_payload_is_labelled_where_selinux_would_not_run_what_has_no_label() {
    let mounted = |base: &str, selinux: bool| {
        let root = Root::of(&Lab::new(&format!("lab: demo\nbase: {base}\n")), "etcd-01");
        for (disk, partition) in [("vda1", "EFI-SYSTEM"), ("vdb1", "hab-payload")] {
            let folder = root.path("/sys/class/block").join(disk);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("uevent"), format!("DEVNAME={disk}\nPARTNAME={partition}\n")).unwrap();
        }
        if selinux {
            std::fs::create_dir_all(root.path("/sys/fs/selinux")).unwrap();
            std::fs::write(root.path("/sys/fs/selinux/enforce"), "1").unwrap();
        }
        let done = root.path("/mounted").display().to_string();
        root.program("/programs/mountpoint", &format!("[ -e {done} ]"));
        root.program("/programs/mount", &format!("touch {done}"));
        let output = root.run("/etc/kubernetes/hab/payload.sh");
        assert!(output.status.success(), "{base}: {output:?}");
        let called = root.text("/called");
        let calls: Vec<&str> = called.lines().filter_map(|line| line.strip_prefix("mount ")).collect();
        let [call] = calls[..] else { panic!("{base}: {called}") };
        call.replace(root.dir.path().to_str().unwrap(), "")
    };
    let plain = "-t squashfs -o ro,nosuid,nodev /dev/vdb1 /opt/hab";
    for base in ["debian", "flatcar", "fedora-coreos"] {
        assert_eq!(mounted(base, false), plain, "{base}");
    }
    assert_eq!(mounted("flatcar", true), plain);
    assert_eq!(mounted("fedora-coreos", true), plain.replace("nodev", "nodev,context=system_u:object_r:bin_t:s0"));
}

#[test]
fn the_self_test_believes_a_program_that_says_its_version_and_ends_well() {
    let root = Root::new("etcd-01");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/selftest/etc/kubernetes/selftest/selftest.sh");
    root.script(&root.path("/selftest.sh"), &std::fs::read_to_string(script).unwrap());
    root.program("/opt/hab/bin/good", "echo program v1.2");
    root.program("/opt/hab/bin/fails", "echo program v1.2; exit 3");
    root.program("/opt/hab/bin/other", "echo 'program \"v1.1\"' >&2");
    let bin = root.path("/opt/hab/bin").display().to_string();
    let run = |name: &str| format!("run\t{name}\tprogram v1.2\t{bin}/{name}\n");
    let sum = hab::digest::sha256("kernel");
    std::fs::write(root.path("/opt/hab/file"), "kernel").unwrap();
    let files = format!("file\tfile\t{sum}\nfile\tfile\t{}\n", "0".repeat(64));
    std::fs::create_dir(root.path("/etc/kubernetes/selftest")).unwrap();
    let checks = [run("good"), run("fails"), run("other"), run("none"), files].concat();
    std::fs::write(root.path("/etc/kubernetes/selftest/checks"), checks).unwrap();
    assert!(root.run("/selftest.sh").status.success());

    let port = root.text("/dev/ttyS1");
    let answers: Vec<Value> = port.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ok: Vec<_> =
        answers.iter().filter_map(|answer| Some((answer["check"].as_str()?, answer["ok"] == true))).collect();
    let wanted = [("good", true), ("fails", false), ("other", false), ("none", false)];
    let wanted = wanted.map(|(name, ok)| (format!("run:{name}"), ok));
    assert_eq!(ok[..4], wanted.each_ref().map(|(name, ok)| (name.as_str(), *ok)), "{port}");
    assert_eq!(ok[4..], [("file:file", true), ("file:file", false)], "{port}");
    assert_eq!(answers[1]["detail"], "expected program v1.2, found program v1.2 (exit code 3)");
    assert_eq!(answers[2]["detail"], "expected program v1.2, found program \"v1.1\" (exit code 0)");
    assert_eq!((answers.len(), &answers[6]["done"]), (7, &Value::from(6)));
}
