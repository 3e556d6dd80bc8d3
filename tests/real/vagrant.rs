//! The lab's Vagrantfile and its data, held against the real Vagrant.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hab::config::Provider;
use hab::config::label::Label;
use hab::lab::nodes_json::{Data, Rendered};
use hab::plan::Plan;
use hab::role::PerRole;
use hab::vagrant_box;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::labs::plan;

const FACTS: &hab::provider::Facts = hab::provider::facts(Provider::Libvirt);

fn vagrantfile() -> String {
    hab::provider::VAGRANTFILE.concat()
}

const VERSION: &str = "1.36.3.42";

/// Folders of labs, and a home for Vagrant, so that nothing of the machine's owner is seen or touched.
struct Test(TempDir);

impl Test {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn folder(&self, name: &str, vagrantfile: &str) -> PathBuf {
        let folder = self.path(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("Vagrantfile"), vagrantfile).unwrap();
        folder
    }

    /// A lab of this name and so many workers, in a folder of this name.
    fn lab(&self, folder: &str, lab: &str, workers: u32) -> PathBuf {
        self.lab_for(&[Provider::Libvirt], folder, lab, workers)
    }

    fn lab_for(&self, providers: &[Provider], folder: &str, lab: &str, workers: u32) -> PathBuf {
        let mut plan = plan("192.168.56.0/24", [1, 1, workers]);
        plan.lab = Label::new(lab).unwrap();
        plan.providers = providers.to_vec();
        self.lab_of(folder, &plan)
    }

    /// The lab of a plan.
    fn lab_of(&self, folder: &str, plan: &Plan) -> PathBuf {
        let folder = self.folder(folder, &vagrantfile());
        let versions = PerRole { etcd: Some(VERSION.to_owned()), master: None, worker: None };
        let ignition = vec!["0".repeat(64); plan.nodes.len()];
        let rendered =
            Rendered { hab: Path::new("/nowhere/hab"), versions: &versions, ignition: &ignition, images: None };
        std::fs::create_dir_all(folder.join("out/boxes")).unwrap();
        let data = Data::new(plan, &rendered).unwrap().to_json().unwrap();
        std::fs::write(folder.join("out/nodes.json"), data).unwrap();
        folder
    }

    /// Notes a machine that is not created in Vagrant's index of all machines.
    fn index(&self, id: &str, folder: &Path, machine: &str) {
        let index = self.path("home/.vagrant.d/data/machine-index");
        std::fs::create_dir_all(&index).unwrap();
        let file = index.join("index");
        let mut content: Value =
            std::fs::read(&file).map_or(json!({"version": 1, "machines": {}}), |b| serde_json::from_slice(&b).unwrap());
        content["machines"][id] = json!({
            "local_data_path": folder.join(".vagrant"), "vagrantfile_path": folder, "vagrantfile_name": null,
            "name": machine, "provider": "libvirt", "state": "not created", "extra_data": {}, "updated_at": null,
        });
        std::fs::write(file, content.to_string()).unwrap();
    }

    fn run(&self, program: &str, folder: &Path, arguments: &[&str]) -> Output {
        std::fs::create_dir_all(self.path("home")).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env("HOME", self.path("home")).env("LANG", "C.UTF-8");
        command.output().expect("Debian's packages vagrant and vagrant-libvirt are needed")
    }

    /// Whether it ended well, and all that it said.
    fn vagrant(&self, folder: &Path, arguments: &[&str]) -> (bool, String) {
        let output = self.run("vagrant", folder, arguments);
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// What `labs.rb`, which uses Vagrant as a library, finds out about these labs in one process.
    fn ask(&self, what: &str, labs: &[&Path]) -> Value {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/vagrant/labs.rb");
        let mut arguments = vec![script.to_str().unwrap(), what];
        arguments.extend(labs.iter().map(|lab| lab.to_str().unwrap()));
        let output = self.run("ruby", self.0.path(), &arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        let answer = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        answer.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)))
    }
}

#[test]
fn vagrant_accepts_what_hab_renders_and_says_what_is_missing() {
    let test = Test::new();
    let unbuilt = test.folder("unbuilt", &vagrantfile());
    let (success, said) = test.vagrant(&unbuilt, &["validate"]);
    assert!(!success && said.contains("hab build"), "{said}");

    let lab = test.lab("lab", "demo", 2);
    let (success, said) = test.vagrant(&lab, &["validate"]);
    assert!(success, "{said}");
}

/// `ruby -w` sees each part joined to the others, as a lab gets them.
#[test]
fn ruby_finds_nothing_to_warn_about() {
    let test = Test::new();
    let check = |folder: &Path| {
        let output = test.run("ruby", folder, &["-wc", "Vagrantfile"]);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let sloppy = check(&test.folder("sloppy", &format!("{}\ndef x\n  y = 1\nend\n", vagrantfile())));
    assert!(sloppy.contains("assigned but unused variable"), "{sloppy}");
    assert_eq!(check(&test.folder("lab", &vagrantfile())), "Syntax OK\n");
}

/// Vagrant reads the Vagrantfile of another folder, too, when a command names a machine by its id.
#[test]
fn a_command_in_one_lab_can_name_a_machine_of_another() {
    let test = Test::new();
    let (first, second) = (test.lab("first", "first", 1), test.lab("second", "second", 2));
    let other = test.folder("other", "Vagrant.configure('2') { |config| config.vm.box = 'none' }\n");
    let worker = "kube-worker-with-a-name-as-long-as-hab-takes-them-02";
    test.index(&"1".repeat(32), &first, "etcd-01");
    test.index(&"2".repeat(32), &second, worker);
    test.index(&"3".repeat(32), &other, "default");

    // The first lab has no such machine.
    let (success, said) = test.vagrant(&first, &["status", "2222222"]);
    assert!(success && said.contains(&format!("{worker} not created (libvirt)")), "{said}");
    let (success, said) = test.vagrant(&first, &["status", worker]);
    assert!(!success && said.contains("was not found"), "{said}");

    // hab's own steps are for hab's own machines.
    for (folder, id) in [(&first, "1111111"), (&first, "2222222"), (&other, "2222222")] {
        let (success, said) = test.vagrant(folder, &["ssh", id]);
        assert!(!success && said.contains("hab: there is no SSH on"), "{said}");
    }
    let (success, said) = test.vagrant(&first, &["ssh", "3333333"]);
    assert!(!success && said.contains("must be created") && !said.contains("hab:"), "{said}");
}

#[test]
fn each_lab_of_one_process_keeps_its_own_settings() {
    let test = Test::new();
    let (first, second) = (test.lab("first", "first", 1), test.lab("second", "second", 2));
    let labs = [(&first, "first", 3), (&second, "second", 4), (&first, "first", 3)];
    let answer = test.ask("settings", &labs.map(|(lab, ..)| lab.as_path()));
    for ((lab, name, nodes), seen) in labs.into_iter().zip(answer.as_array().unwrap()) {
        assert_eq!(seen["names"].as_array().unwrap().len(), nodes, "{seen}");
        assert_eq!(seen["prefix"], format!("hab-{name}-"), "{seen}");
        assert_eq!(seen["network"], format!("hab-{name}"), "{seen}");
        let url = seen["box_url"].as_str().unwrap();
        assert!(url.ends_with(&format!("{}/out/boxes/etcd.json", lab.display())), "{seen}");
    }
}

/// Where the networks of the first machine lead: that of the lab, and a further one.
#[test]
fn no_network_leads_out_but_where_the_lab_says_so() {
    let test = Test::new();
    let lab = |name: &str, internet: bool| {
        let text = format!(
            "{{lab: {name}, network: {{internet: {internet}, extra: {{storage: 192.168.57.0/24}}}}, \
             nodes: {{etcd: {{networks: [storage]}}}}}}"
        );
        let config = hab::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap().clone();
        test.lab_of(name, &Plan::new(&config).unwrap())
    };
    let (closed, open) = (lab("closed", false), lab("open", true));
    let answer = test.ask("settings", &[&closed, &open]);
    assert_eq!(answer[0]["forward"], json!(["none", "none"]), "{answer}");
    assert_eq!(answer[1]["forward"], json!(["nat", "none"]), "{answer}");

    // libvirt has networks as they were made. `labs.rb` has them in this order: isolated, leading out, another's that has
    // the address of the lab's, one of another range.
    let answer = test.ask("ways", &[&closed, &open]);
    let leads = |name: &str| format!("hab: libvirt's network {name} leads out of this host, unlike hab.yaml.");
    let does_not =
        |name: &str| format!("hab: libvirt's network {name} does not lead out of this host, unlike hab.yaml.");
    for (answer, expected) in [
        (&answer[0], [None, Some(leads("hab-closed")), Some(leads("other")), None]),
        (&answer[1], [Some(does_not("hab-open")), None, None, None]),
    ] {
        for (said, expected) in answer.as_array().unwrap().iter().zip(expected) {
            let said = said.as_str();
            assert_eq!(said.map(|said| said.split(" It stays").next().unwrap().to_owned()), expected, "{said:?}");
        }
    }
}

/// The code that is loaded first serves all labs of a run. It says so when it can't.
#[test]
fn labs_of_two_versions_of_hab_are_not_mixed_up() {
    let test = Test::new();
    let (old, new) = (test.lab("old", "old", 1), test.lab("new", "new", 1));
    let newer = vagrantfile().replace("__dir__, 8)", "__dir__, 9)").replace("SCHEMA = 8\n", "SCHEMA = 9\n");
    std::fs::write(new.join("Vagrantfile"), newer).unwrap();
    let nodes = new.join("out/nodes.json");
    let data = std::fs::read_to_string(&nodes).unwrap().replace("\"schema\": 8", "\"schema\": 9");
    std::fs::write(&nodes, data).unwrap();
    test.index(&"1".repeat(32), &old, "etcd-01");
    test.index(&"2".repeat(32), &new, "etcd-01");

    for (folder, own, other) in [(&old, "1111111", "2222222"), (&new, "2222222", "1111111")] {
        let (success, said) = test.vagrant(folder, &["status", own]);
        assert!(success, "{said}");
        let (success, said) = test.vagrant(folder, &["status", other]);
        assert!(!success && said.contains("hab: another version of hab wrote"), "{said}");
        assert!(!said.contains("undefined") && !said.contains(".rb:"), "{said}");
    }
}

/// Vagrant itself takes a box out of folders whose names mean something in a URL, in XML or in a shell.
#[test]
fn a_box_is_found_in_a_folder_with_an_odd_name() {
    let test = Test::new();
    for (number, odd) in ["a?b#c", "50%20 & more", "it's <é> \\ \"quoted\""].into_iter().enumerate() {
        let name = format!("odd{number}");
        let lab = test.lab(odd, &name, 1);
        let disk = test.path("disk");
        std::fs::write(&disk, "no real disk").unwrap();
        let file = lab.join("out/boxes/etcd.box");
        let packed = vagrant_box::pack(&file, FACTS, &[&disk]).unwrap();
        let version = VERSION.to_owned();
        let files = vec![vagrant_box::PublishedFile { provider: FACTS.name, path: file, packed }];
        let published = vagrant_box::Published { name: format!("hab/{name}-etcd"), version, files };
        let metadata = vagrant_box::metadata(&published);
        std::fs::write(lab.join("out/boxes/etcd.json"), metadata).unwrap();
        let answer = test.ask("box", &[lab.as_path()]);
        assert_eq!(answer, json!([[format!("hab/{name}-etcd"), VERSION, "libvirt"]]), "{odd}");
    }
}
