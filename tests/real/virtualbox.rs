//! A lab in VirtualBox, as Vagrant's real provider brings it up, with a `VBoxManage` that only notes what it is asked
//! (`vagrant/vboxmanage.py`).

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use hab::config::Provider;
use hab::digest::sha256;
use hab::lab::nodes_json::{Data, Rendered};
use hab::plan::Plan;
use hab::role::PerRole;
use hab::vagrant_box::{self, Published, PublishedFile};
use tempfile::TempDir;

const FACTS: &hab::provider::Facts = hab::provider::facts(Provider::Virtualbox);
const VERSION: &str = "1.36.3.42";
const DOMAIN: &str = "hab-demo-etcd-01";

/// A lab of which Vagrant finds the box of etcd nodes, a home for Vagrant, and the stub.
struct Lab {
    dir: TempDir,
    /// What `VBoxManage --version` says.
    version: &'static str,
}

impl Lab {
    fn new(text: &str) -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap(), version: "7.0.26r168464" };
        let mut plan =
            Plan::new(hab::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap()).unwrap();
        plan.nodes.truncate(1);
        for folder in ["lab/out/boxes", "lab/out/ignition", "home", "bin"] {
            std::fs::create_dir_all(lab.path(folder)).unwrap();
        }
        let config = "{\"ignition\":{}}\n".repeat(500);
        let drive = FACTS.config_drive.unwrap()(config.as_bytes()).unwrap();
        std::fs::write(lab.path("lab/out/ignition/etcd-01.ign"), &config).unwrap();
        std::fs::write(lab.path("lab/out/ignition/etcd-01.iso"), drive).unwrap();
        std::fs::write(lab.path("lab/Vagrantfile"), hab::provider::VAGRANTFILE.concat()).unwrap();
        let versions = PerRole { etcd: Some(VERSION.to_owned()), master: None, worker: None };
        let ignition = vec![sha256(config); plan.nodes.len()];
        // Says that all is Ready.
        let hab = lab.program("hab", "#!/bin/sh\necho \"asked: $*\"\n");
        let data =
            Data::new(&plan, &Rendered { hab: &hab, versions: &versions, ignition: &ignition, images: None }).unwrap();
        std::fs::write(lab.path("lab/out/nodes.json"), data.to_json().unwrap()).unwrap();
        lab.program("VBoxManage", include_str!("vagrant/vboxmanage.py"));
        lab.publish(&plan);
        lab
    }

    /// A box of two small disks.
    fn publish(&self, plan: &Plan) {
        let disks = ["one", "two"].map(|name| {
            let (raw, disk) = (self.path("raw"), self.path(name));
            std::fs::write(&raw, vec![b'x'; 1 << 20]).unwrap();
            (FACTS.convert)(&raw, &disk).unwrap();
            disk
        });
        let path = self.path("lab/out/boxes/etcd.virtualbox.box");
        let packed = vagrant_box::pack(&path, FACTS, &[&disks[0], &disks[1]]).unwrap();
        let files = vec![PublishedFile { provider: FACTS.name, path, packed }];
        let name = plan.box_name(hab::role::Role::Etcd);
        let metadata = vagrant_box::metadata(&Published { name, version: VERSION.to_owned(), files });
        std::fs::write(self.path("lab/out/boxes/etcd.json"), metadata).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Whether it ended well, all that Vagrant said, and what `VBoxManage` was asked meanwhile.
    fn vagrant(&self, words: &[&str]) -> (bool, String, Vec<Vec<String>>) {
        let calls = self.path("calls");
        let _ = std::fs::remove_file(&calls);
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new("vagrant")
            .args(words)
            .current_dir(self.path("lab"))
            .envs([("HOME", self.path("home")), ("VBOX_STUB", self.dir.path().to_owned())])
            .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("VBOX_VERSION", self.version)])
            .output()
            .expect("Debian's package vagrant is needed");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let calls = std::fs::read_to_string(&calls).unwrap_or_default();
        let calls = calls.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.success(), said, calls)
    }

    fn has(&self, name: &str) -> bool {
        self.path("lab").join(name).exists()
    }
}

/// The places of calls that have these words one after the other, somewhere in them.
fn places(calls: &[Vec<String>], words: &str) -> Vec<usize> {
    let words: Vec<&str> = words.split(' ').collect();
    let has = |call: &Vec<String>| call.windows(words.len()).any(|part| part == words);
    calls.iter().enumerate().filter(|(_, call)| has(call)).map(|(place, _)| place).collect()
}

/// The one place.
#[track_caller]
fn place(calls: &[Vec<String>], words: &str) -> usize {
    let found = places(calls, words);
    assert_eq!(found.len(), 1, "`{words}` in {calls:#?}");
    found[0]
}

const PLAIN: &str = "{lab: demo, provider: virtualbox}";
const RICH: &str = "{lab: demo, provider: virtualbox, network: {extra: {storage: 192.168.57.0/24}}, nodes: {etcd: {disks: \
                    {scratch: 2}, networks: [storage], cpuExecutionCap: 40, gui: true, console: false, forwardedPorts: [{host: 8079, guest: 2379}]}}}";

#[test]
fn vagrants_own_provider_accepts_what_hab_renders() {
    for text in [PLAIN, RICH, "{lab: demo, provider: [libvirt, virtualbox]}"] {
        let (success, said, _) = Lab::new(text).vagrant(&["validate"]);
        assert!(success, "{text}: {said}");
    }
}

#[test]
fn a_machine_comes_up_goes_down_and_is_gone() {
    let lab = Lab::new(PLAIN);
    let (success, said, calls) = lab.vagrant(&["up"]);
    assert!(success && said.contains("asked: wait --older"), "{said}");
    let start = place(&calls, "startvm");
    let disk = lab.path("lab/private/disks/etcd-01/hab-data.vdi");
    let drive = lab.path("lab/out/ignition/etcd-01.iso");
    let console = lab.path("lab/out/console/etcd-01.log");
    let node = &hab_node(&lab);
    let mac = node["mac"].as_str().unwrap().replace(':', "");
    let before = [
        "import -n".to_owned(),
        format!("--name {DOMAIN}"),
        format!("--macaddress2 {mac}"),
        "--nictype2 virtio".to_owned(),
        "--nic1 none".to_owned(),
        "--memory 768 --cpus 1".to_owned(),
        "--cpuexecutioncap 100".to_owned(),
        "--graphicscontroller none".to_owned(),
        "--boot1 disk --boot2 none --boot3 none --boot4 none".to_owned(),
        format!("createmedium disk --filename {} --size 4096", disk.display()),
        "--portcount 4".to_owned(),
        format!("--port 3 --device 0 --type hdd --medium {}", disk.display()),
        "VBoxInternal/Devices/ahci/0/Config/Port3/SerialNumber hab-data".to_owned(),
        format!("--port 2 --device 0 --type dvddrive --medium {}", drive.display()),
        format!("--uart1 0x3F8 4 --uart-mode1 file {}", console.display()),
        "dhcpserver remove --netname HostInterfaceNetworking-vboxnet0".to_owned(),
    ];
    for words in before {
        assert!(place(&calls, &words) < start, "{words}");
    }
    // Vagrant needs the first card while it configures, so it goes last.
    assert!(place(&calls, "--nic1 none") > place(&calls, "--nictype2 virtio"));
    // Ready: the keys are on the node now.
    assert!(place(&calls, "--medium emptydrive") > start);
    assert!(place(&calls, "closemedium dvd") > start);
    assert!(lab.has(".vagrant/machines/etcd-01/virtualbox/hab-origin"));
    let mode = std::fs::metadata(&console).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (success, said, calls) = lab.vagrant(&["halt"]);
    assert!(success && said.contains("pressing the power button"), "{said}");
    place(&calls, "acpipowerbutton");
    assert_eq!(places(&calls, "poweroff"), [] as [usize; 0]);

    // It keeps its disk, gets no config again, and there is no second DHCP server to remove.
    let (success, said, calls) = lab.vagrant(&["up"]);
    assert!(success, "{said}");
    place(&calls, "startvm");
    for words in ["createmedium", "dvddrive", "dhcpserver", "import"] {
        assert_eq!(places(&calls, words), [] as [usize; 0], "{words} in {calls:#?}");
    }
    assert!(lab.has("out/console/etcd-01.log.0"));

    let (success, said, calls) = lab.vagrant(&["reload"]);
    assert!(success, "{said}");
    assert!(place(&calls, "acpipowerbutton") < place(&calls, "startvm"));

    let (success, said, calls) = lab.vagrant(&["destroy", "--force"]);
    assert!(success, "{said}");
    assert!(place(&calls, "--port 3 --device 0 --type hdd --medium none") < place(&calls, "unregistervm"));
    assert!(!disk.exists() && said.contains("the data of etcd-01 go with it"), "{said}");
}

#[test]
fn data_stay_when_they_are_to_and_a_new_machine_has_them() {
    let lab = Lab::new(PLAIN);
    assert!(lab.vagrant(&["up"]).0);
    std::fs::write(lab.path("lab/private/disks/etcd-01/hab-data.vdi"), "vdi of 9999").unwrap();
    // As `hab roll` does.
    let keep = |lab: &Lab| {
        lab.program("keeping", "#!/bin/sh\nHAB_DATA=keep exec vagrant destroy --force\n");
        let path = format!("{}:{}", lab.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(lab.path("bin/keeping"));
        command.current_dir(lab.path("lab")).env("HOME", lab.path("home")).env("VBOX_STUB", lab.dir.path());
        let output = command.env("PATH", path).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = keep(&lab);
    assert!(said.contains("pressing the power button") && !said.contains("go with it"), "{said}");
    assert_eq!(std::fs::read_to_string(lab.path("lab/private/disks/etcd-01/hab-data.vdi")).unwrap(), "vdi of 9999");
    let (success, said, calls) = lab.vagrant(&["up"]);
    assert!(success, "{said}");
    assert_eq!(places(&calls, "createmedium"), [] as [usize; 0]);
    place(&calls, "VBoxInternal/Devices/ahci/0/Config/Port3/SerialNumber hab-data");
    // A new machine, a new config.
    place(&calls, "dvddrive --medium emptydrive --forceunmount");
}

#[test]
fn a_machine_has_what_hab_yaml_says_of_it() {
    let lab = Lab::new(RICH);
    let (success, said, calls) = lab.vagrant(&["up"]);
    assert!(success, "{said}");
    for words in [
        "--nic1 nat --nictype1 virtio --macaddress1 02000000000f --natnet1 192.0.2.0/24",
        "--natpf1 hab-tcp-127.0.0.1-8079,tcp,127.0.0.1,8079,192.168.56.11,2379",
        "--cpuexecutioncap 40",
        "--graphicscontroller vmsvga --vram 16",
        "--portcount 5",
        "VBoxInternal/Devices/ahci/0/Config/Port4/SerialNumber scratch",
        "--type gui",
        "--uart1 0x3F8 4 --uart-mode1 disconnected",
        "--nictype3 virtio",
        "hostonlyif ipconfig vboxnet1 --ip 192.168.57.1",
    ] {
        assert!(!places(&calls, words).is_empty(), "`{words}` in {calls:#?}");
    }
    assert!(!lab.has("out/console/etcd-01.log"));
}

#[test]
fn who_does_not_listen_to_the_button_is_switched_off() {
    let lab = Lab::new(PLAIN);
    let file = lab.path("lab/Vagrantfile");
    let impatient =
        std::fs::read_to_string(&file).unwrap().replace("graceful_halt_timeout = 120", "graceful_halt_timeout = 2");
    std::fs::write(&file, impatient).unwrap();
    assert!(lab.vagrant(&["up"]).0);
    std::fs::write(lab.path("deaf"), "").unwrap();
    let (success, said, calls) = lab.vagrant(&["halt"]);
    assert!(success && said.contains("etcd-01 does not shut down: switching it off"), "{said}");
    assert!(place(&calls, "acpipowerbutton") < place(&calls, "poweroff"));
}

#[test]
fn what_would_go_wrong_is_said_before_anything_is_made() {
    let mut lab = Lab::new(PLAIN);
    // Whatever Vagrant this is, it does not know that one.
    for (version, reason) in [("99.1.0r1", "does not know VirtualBox 99.1"), ("6.1.50r1", "VirtualBox 6.1 is too old")]
    {
        lab.version = version;
        let (success, said, calls) = lab.vagrant(&["up"]);
        assert!(!success && said.contains(reason), "{said}");
        assert_eq!(places(&calls, "import"), [] as [usize; 0]);
    }
    lab.version = "7.0.26r168464";
    let drive = lab.path("lab/out/ignition/etcd-01.iso");
    std::fs::write(&drive, FACTS.config_drive.unwrap()(b"another").unwrap()).unwrap();
    let (success, said, calls) = lab.vagrant(&["up"]);
    assert!(!success && said.contains("etcd-01.iso is not the one that hab wrote"), "{said}");
    assert_eq!(places(&calls, "startvm"), [] as [usize; 0]);
}

/// What nodes.json says of the node.
fn hab_node(lab: &Lab) -> serde_json::Value {
    let text = std::fs::read(lab.path("lab/out/nodes.json")).unwrap();
    let data: serde_json::Value = serde_json::from_slice(&text).unwrap();
    data["nodes"][0].clone()
}

/// What is not as DMTF's schema wants it (DSP8023 1.1.1, with the CIM schemas that it imports; no package has them), as far as
/// hab's OVF has to do with it.
fn faults(ovf: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(ovf).unwrap();
    let names = |parent: roxmltree::Node<'_, '_>| -> Vec<String> {
        parent.children().filter(roxmltree::Node::is_element).map(|node| node.tag_name().name().to_owned()).collect()
    };
    let mut faults = Vec::new();
    let mut wants = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    let root = document.root_element();
    let order = ["References", "DiskSection", "NetworkSection", "VirtualSystem"];
    wants(names(root) == order, format!("an Envelope has {order:?}, in this order"));
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let (name, children) = (node.tag_name().name(), names(node));
        if name.ends_with("Section") || name == "VirtualSystem" {
            wants(children.first().is_some_and(|first| first == "Info"), format!("{name} begins with Info"));
        }
        if ["System", "Item"].contains(&name) {
            wants(children.is_sorted(), format!("what is in {name} is in the order of the alphabet"));
            for needed in ["ElementName", "InstanceID"] {
                wants(
                    children.iter().filter(|child| *child == needed).count() == 1,
                    format!("{name} has one {needed}"),
                );
            }
        }
    }
    let texts = |name: &str| -> Vec<&str> {
        let items = document.descendants().filter(|node| node.tag_name().name() == "Item");
        let all = items.flat_map(|item| item.children()).filter(|node| node.tag_name().name() == name);
        all.filter_map(|node| node.text()).collect()
    };
    let mut ids = texts("InstanceID");
    wants(texts("Parent").iter().all(|parent| ids.contains(parent)), "a Parent is an Item".to_owned());
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    wants(ids.len() == count, "no two Items have one InstanceID".to_owned());
    faults
}

#[test]
fn an_ovf_is_as_its_schema_wants_it() {
    let ovf = FACTS.box_key;
    assert_eq!(faults(ovf), [""; 0]);
    for (words, other, fault) in [
        ("<Info>A node</Info>", "", "VirtualSystem begins with Info"),
        ("<rasd:InstanceID>5</rasd:InstanceID>", "", "Item has one InstanceID"),
        (
            "<rasd:InstanceID>5</rasd:InstanceID>",
            "<rasd:InstanceID>4</rasd:InstanceID>",
            "no two Items have one InstanceID",
        ),
        ("<rasd:Parent>3</rasd:Parent>", "<rasd:Parent>9</rasd:Parent>", "a Parent is an Item"),
        ("vssd:ElementName", "vssd:Name", "System has one ElementName"),
        ("rasd:AddressOnParent", "rasd:OnParent", "what is in Item is in the order of the alphabet"),
        ("NetworkSection>", "NetSection>", "an Envelope has"),
    ] {
        let found = faults(&ovf.replace(words, other));
        assert!(found.iter().any(|found| found.contains(fault)), "{fault}: {found:?}");
    }
}

/// The OVF in a box names its files with their sizes, and nothing in it is left open.
#[test]
fn a_box_has_an_ovf_that_fits_its_disks() {
    let lab = Lab::new(PLAIN);
    let extract = |name: &str| {
        let file = lab.path("lab/out/boxes/etcd.virtualbox.box");
        Command::new("tar").arg("-xOf").arg(file).arg(name).output().unwrap().stdout
    };
    let ovf = String::from_utf8(extract("box.ovf")).unwrap();
    assert!(!ovf.contains("@SIZE") && !ovf.contains("@CAPACITY"), "{ovf}");
    for disk in ["disk1.vmdk", "disk2.vmdk"] {
        assert!(ovf.contains(&format!("ovf:href=\"{disk}\" ovf:size=\"{}\"", extract(disk).len())), "{ovf}");
    }
    assert_eq!(ovf.matches("ovf:capacity=\"1048576\"").count(), 2, "{ovf}");
    assert_eq!(extract("metadata.json"), b"{\"provider\":\"virtualbox\"}");
}
