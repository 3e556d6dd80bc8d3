//! What each verb is for.

use hab::kinds::Supply;

use super::support::Test;

#[test]
fn a_new_lab_is_a_good_one() {
    let newest = *Supply::Source.kubernetes_versions().last().unwrap();
    let ran = Test::new().run(["init", "My Lab"]).code(0).prints("wrote My Lab/hab.yaml").quietly();
    let ran = ran.leaves(&["My Lab/", "My Lab/.gitignore", "My Lab/hab.yaml"]);
    let ran = ran.file_is("My Lab/.gitignore", "private/\nout/\n.vagrant/\n");
    let ran = ran.then().run(["-C", "My Lab", "check"]).code(0).quietly();
    let fine = format!("My Lab/hab.yaml is fine: 1 etcd, 1 master, 2 workers, Kubernetes {newest}");
    let ran = ran.prints(&fine);
    ran.then().run(["-C", "My Lab", "plan"]).code(0).prints(&format!("lab my-lab: Kubernetes {newest}, 4 nodes"));
}

#[test]
fn the_labs_name_can_be_given() {
    let ran = Test::new().run(["init", "x", "--name", "demo", "--quiet"]).code(0).prints_only("");
    ran.then().run(["-C", "x", "plan", "--json"]).code(0).prints("\"lab\": \"demo\"");
    Test::new().run(["init", "--name", "$(id)"]).code(2).complains("the name has '$' in it").leaves(&[]);
}

#[test]
fn the_plan_is_data() {
    let ran = Test::lab().run(["plan", "--json"]).code(0).quietly();
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(plan["nodes"][0]["name"], "etcd-01");
    assert_eq!(plan["nodes"][3]["address"], "192.168.56.102");
    assert_eq!(plan["boxes"]["worker"], "hab/demo-worker");
    let again = ran.then().run(["plan", "--json"]).stdout();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&again).unwrap(), plan);
}

#[test]
fn the_plan_says_what_a_build_will_make_and_makes_nothing() {
    let ran = Test::lab().run(["plan"]).code(0).quietly().leaves(&["hab.yaml"]);
    let ran = ran.prints("\nSTEP                 STATE\nlock                 will be made: there is no hab.lock\n");
    let ran = ran.prints("\nkubernetes           after the lock\n").prints("\nbox worker           after the lock\n");
    let plan = ran.then().run(["plan", "--json"]).code(0).stdout();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["lock"], "will be made: there is no hab.lock");
    let others = plan["steps"].as_array().unwrap();
    assert!(others.len() > 12, "{others:?}");
    assert!(others.iter().all(|step| step["state"] == "after-lock"), "{others:?}");
}

#[test]
fn the_plan_says_of_each_machine_how_it_stands() {
    let none = "\n\nno machine of this lab is there\n";
    let ran = Test::lab().run(["plan"]).code(0).quietly().prints(none).then().run(["render"]).code(0).then();
    // As Vagrant notes what it made: from what was rendered, but for one, of an older box and with less memory.
    let path = ran.path().join("out/nodes.json");
    let mut data: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for node in data["nodes"].as_array_mut().unwrap() {
        node["box_version"] = "1.36.3.2".into();
    }
    std::fs::write(&path, data.to_string()).unwrap();
    let mut test = ran.run(["plan"]).code(0).quietly().prints(none).then();
    for (index, version, memory) in [(0, "1.36.3.2", 768), (1, "1.36.3.2", 2048), (2, "1.36.3.1", 1024)] {
        let node = &data["nodes"][index];
        let (name, sha) = (node["name"].as_str().unwrap(), node["ignition_sha256"].as_str().unwrap());
        let notes = format!(".vagrant/machines/{name}/libvirt");
        let hardware = node["hardware"].to_string();
        test = test.file(&format!("{notes}/id"), "1").file(&format!("{notes}/hab-hardware"), hardware);
        test = test.file(&format!("{notes}/hab-size"), format!("{memory} {} {}", node["cpus"], node["disk"]));
        test = test.file(&format!("{notes}/hab-origin"), format!("{version} {sha}"));
    }
    let ran = test.run(["plan"]).code(0).quietly().prints(
        "\n\nMACHINE         AGAINST WHAT `hab build` LAST WROTE\netcd-01         as planned\nkube-master-01  as planned\n\
         kube-worker-01  box 1.36.3.1 -> 1.36.3.2; memory 1024 -> 1280 MiB\nkube-worker-02  not created\n\n\
         `hab roll` makes anew what differs\n",
    );
    let ran = ran.then().run(["plan", "--json"]).code(0).quietly();
    let plan: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
    let machine = |name: &str, state: &str, differences: &[&str]| serde_json::json!({"name": name, "state": state, "differences": differences});
    let machines = serde_json::json!([
        machine("etcd-01", "as-planned", &[]),
        machine("kube-master-01", "as-planned", &[]),
        machine("kube-worker-01", "differs", &["box 1.36.3.1 -> 1.36.3.2", "memory 1024 -> 1280 MiB"]),
        machine("kube-worker-02", "not-created", &[]),
    ]);
    assert_eq!(plan["machines"], machines);
    // One whose config nobody noted is not called the same.
    let ran = ran.then().file(".vagrant/machines/etcd-01/libvirt/hab-origin", "").run(["plan"]).code(0);
    ran.prints("\netcd-01         not known: nobody noted what it was made of\n");
}

#[test]
fn a_build_names_every_missing_program_before_it_does_anything() {
    let ran = Test::lab().after("PATH=/nowhere").run(["build"]).code(1);
    let ran = ran.complains("`go` is not installed");
    let ran = ran.complains("`qemu-img` is not installed; on Debian: sudo apt-get install qemu-utils");
    let ran = ran.complains("`qemu-system-x86_64` is not installed; on Debian: sudo apt-get install qemu-system-x86");
    let ran = ran.complains("`packer` is not installed; on Debian: sudo apt-get install packer");
    let cache = [".cache/", ".cache/hab/", ".cache/hab/CACHEDIR.TAG", ".cache/hab/cache.lock", ".cache/hab/scratch/"];
    ran.leaves(&[&cache[..], &["hab.yaml"]].concat());
}

#[test]
fn a_lock_that_is_no_use_is_said_by_the_plan() {
    let ran = Test::lab().file("hab.lock", "{").run(["plan"]).code(0);
    ran.prints("lock                 refused: reading ./hab.lock (`hab lock --update` writes a new one)");
}

#[test]
fn what_a_lab_begins_to_ask_for_is_in_its_plan_as_in_its_build() {
    let config = hab::config::read("hab.yaml", b"lab: demo\n", &|_| Ok(())).config.unwrap();
    let lock = hab::lab::lock::blank(&hab::plan::Plan::new(&config).unwrap()).unwrap().to_bytes().unwrap();
    let lock = String::from_utf8(lock).unwrap();
    for (more, step) in [("kubernetes: {cni: flannel}", "\nflannel  "), ("network: {internet: true}", "\nroots  ")] {
        let lab = Test::new().file("hab.yaml", format!("lab: demo\n{more}\n")).file("hab.lock", &lock);
        let ran = lab.run(["plan"]).code(0).prints("there: `hab lock --update` pins anew").prints(step);
        ran.file_is("hab.lock", &lock);
    }
}

#[test]
fn a_plan_of_a_thousand_workers_takes_no_time() {
    let text = "lab: big\nnetwork: {nodes: 192.168.56.0/21, pods: 10.4.0.0/14}\nnodes: {worker: {count: 1000}}\n";
    let start = std::time::Instant::now();
    Test::new().file("hab.yaml", text).run(["plan"]).code(0).prints("kube-worker-1000  worker  192.168.60.76");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn a_plan_says_which_of_a_vendors_images_it_is() {
    let of = |base: &str| Test::new().file("hab.yaml", format!("lab: a\nbase: {base}\n"));
    of("flatcar").run(["plan"]).code(0).prints("base      flatcar stable: the newest, which hab.lock pins\n");
    let fedora = "{name: fedora-coreos, channel: next, version: 44.20260707.1.1}";
    of(fedora).run(["plan"]).code(0).prints("base      fedora-coreos next: 44.20260707.1.1\n");
    of(fedora).run(["plan", "--json"]).code(0).prints("\"version\": \"44.20260707.1.1\"");
    let ran = of("{name: flatcar, channel: nightly}").run(["check"]).code(2);
    ran.complains("hab.yaml:2:32: error: flatcar has no channel \"nightly\"").complains("^^^^^^^");
    Test::lab().run(["lock", "--allow-downgrade"]).code(2).complains("--update");
}

#[test]
fn cosign_is_asked_only_where_there_is_something_to_ask() {
    Test::lab().run(["lock", "--cosign"]).code(2).complains("--update");
    let ran = Test::lab().run(["lock", "--update", "--cosign"]).code(1);
    ran.complains("with `supply: source` hab takes nothing that others have built");
    // A host without cosign, which is said before anything is downloaded.
    let upstream = Test::new().file("hab.yaml", "lab: demo\nsupply: upstream\n");
    let ran = upstream.after("PATH=/nowhere").run(["lock", "--update", "--cosign"]).code(1);
    ran.complains("`cosign` is not installed");
}

#[test]
fn the_kubeconfig_is_named_when_it_is_there() {
    let ran = Test::lab().run(["kubeconfig"]).code(1).prints_only("").complains("`hab render` writes it");
    let test = ran.then().file("out/kubeconfig", "");
    let path = test.path().canonicalize().unwrap().join("out/kubeconfig");
    test.run(["kubeconfig"]).code(0).prints_only(&format!("{}\n", path.display())).quietly();
}

#[test]
fn the_nodes_have_lines_for_the_hosts_file() {
    let ran = Test::lab().run(["hosts"]).code(0).prints("192.168.56.31 kube-master-01\n").quietly();
    ran.then().run(["hosts", "--json"]).code(0).prints(r#""name": "kube-worker-01""#);
}

#[test]
fn a_wrong_command_line_is_2() {
    for args in [&[][..], &["biuld"], &["check", "--jsno"], &["plan", "x"], &["clean", "--cache", "--private"]] {
        Test::new().run(args).code(2).prints_only("").leaves(&[]);
    }
    Test::new().run(["pln"]).code(2).complains("plan");
}

#[test]
fn manual_and_completions_come_from_the_command_line() {
    let ran = Test::new().run(["man", "man1"]).code(0).prints("pages into man1");
    let page = std::fs::read_to_string(ran.then().path().join("man1/hab-check.1")).unwrap();
    assert!(page.contains("hab\\-check") && page.contains("hab.yaml"), "{page}");
    Test::new().run(["man"]).code(0).prints(".TH hab 1");
    for shell in ["bash", "zsh", "fish"] {
        Test::new().run(["completions", shell]).code(0).prints("kubeconfig");
    }
}

#[test]
fn a_lab_that_was_not_built_has_no_cluster() {
    for verb in [&["status"][..], &["wait"], &["roll"], &["leave", "kube-worker-01"]] {
        let ran = Test::lab().run(verb).code(1).complains("there is no private").complains("run `hab build`");
        ran.leaves(&["hab.yaml"]);
    }
}

#[test]
fn an_image_is_loaded_with_the_lock_that_is_there() {
    let lab = Test::new().file("hab.yaml", "lab: demo\nregistry: {inLab: true}\n").run(["render"]).code(0).then();
    let ran = lab.run(["image", "load", "nginx"]).code(1).complains("there is no hab.lock yet: `hab build` makes it");
    assert!(!ran.then().path().join("hab.lock").exists());
}

/// What writes into a lab waits for whoever does so, and says so even when told to be quiet: a build that runs meanwhile
/// would write its old lock back.
#[test]
fn what_writes_into_a_lab_waits_for_another_run() {
    for verb in [&["lock", "--update"][..], &["fetch"], &["build"], &["render"]] {
        let test = Test::lab();
        let held = std::fs::File::open(test.path()).unwrap();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let wrapper = ["timeout", "--preserve-status", "0.4"].map(str::to_owned).to_vec();
        let ran =
            test.through(wrapper).run(verb.iter().chain(&["--quiet"])).complains("waiting for another run of hab");
        drop(held);
        // Free, it gets further: to the first program that it misses, or to the end.
        let ran = ran.then().after("PATH=/nowhere").run(verb.iter().chain(&["--quiet"]));
        assert!(!ran.stderr().contains("waiting"), "{verb:?}");
    }
}
