//! The graph, with steps that make small files: what is made, in which order, what is said, and what damage does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Result, bail};
use fs_err as fs;

use super::*;
use crate::artifacts::go::Toolchain;
use crate::artifacts::{Catalog, pin, pin_releases, release};
use crate::cache::{Cache, KeyBuilder};
use crate::kinds;
use crate::lock::{Archive, Base, Deb, Lock, Pinned, Supply, VendorImage};
use crate::plan::Plan;
use crate::progress::Silent;

mod images;
mod registry;
mod steps;

/// A lab with a lock, and a cache.
struct Lab {
    _dir: tempfile::TempDir,
    cache: Cache,
    plan: Plan,
    lock: Lock,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let reading = crate::config::read("hab.yaml", b"lab: demo\n", &|_| Ok(()));
        let plan = Plan::new(reading.config().unwrap()).unwrap();
        let deb = |name: &str| Deb {
            name: name.into(),
            version: "1".into(),
            archive: Archive::Main,
            path: format!("pool/{name}.deb"),
            size: 1,
            sha256: crate::digest::sha256(name),
        };
        let catalog = Catalog::of(kinds::Supply::Source, &plan.kubernetes.version, &plan.parts()).unwrap();
        let source = pin(&catalog, vec![deb("haproxy")]).unwrap();
        let base = Base::Debian { packages: vec![deb("linux")] };
        let lock = Lock::new(vec![deb("mtools")], base, Supply::Source(source));
        Self { cache: Cache::at(dir.path().join("cache")), _dir: dir, plan, lock }
    }

    /// As [`Lab::new`] on a vendor's image, which the lock does not pin yet.
    fn on_flatcar() -> Self {
        let reading = crate::config::read("hab.yaml", b"lab: demo\nbase: flatcar\n", &|_| Ok(()));
        Self { plan: Plan::new(reading.config().unwrap()).unwrap(), ..Self::new() }
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.cache, &self.lock, &self.plan, &Silent).unwrap()
    }

    /// What a person is told of a step.
    fn says(&self, step: &str) -> String {
        let context = self.context();
        let all = explain(&Graph::new(&context).unwrap(), &context).unwrap();
        all.iter().map(Explanation::cells).find(|[name, _]| name == step).unwrap()[1].clone()
    }

    /// Puts an entry with some bytes where a step looks for its own.
    fn fill(&self, step: &str) {
        let context = self.context();
        let graph = Graph::new(&context).unwrap();
        let place = graph.place(step).unwrap();
        let fill = |entry: &Path| Ok(fs::write(entry.join("programs.json"), "{}")?);
        self.cache.make(graph.steps()[place].bucket(), graph.key(place), &|| (), fill).unwrap();
    }
}

#[test]
fn every_step_comes_after_what_it_needs_in_every_version_and_names_are_unique() {
    for version in kinds::Supply::Source.kubernetes_versions() {
        let mut lab = Lab::new();
        lab.plan.kubernetes.version = version.to_owned();
        let catalog = Catalog::source(version).unwrap();
        lab.lock.supply = Supply::Source(pin(&catalog, Vec::new()).unwrap());
        let context = lab.context();
        let graph = Graph::new(&context).unwrap();
        let names: std::collections::BTreeSet<String> = graph.steps().iter().map(|step| step.name()).collect();
        assert_eq!(names.len(), graph.steps().len());
        let keys: std::collections::BTreeSet<&str> =
            (0..graph.steps().len()).map(|place| graph.key(place).as_str()).collect();
        assert_eq!(keys.len(), graph.steps().len());
    }
}

#[test]
fn each_program_for_the_host_comes_from_its_step_in_every_version() {
    for version in kinds::Supply::Source.kubernetes_versions() {
        let catalog = Catalog::source(version).unwrap();
        for (step, program) in HOST_PROGRAMS {
            assert!(catalog.go_packages(step).contains_key(program), "{version} {program}");
        }
    }
}

/// The lab with the supply `upstream`, and a lock that pins nothing of its files.
fn upstream() -> Lab {
    let mut lab = Lab::new();
    lab.plan.supply = kinds::Supply::Upstream;
    let catalog = Catalog::of(lab.plan.supply, &lab.plan.kubernetes.version, &lab.plan.parts()).unwrap();
    let files = release::unresolved(&catalog).unwrap();
    lab.lock.supply = Supply::Upstream(pin_releases(&catalog, Vec::new(), files).unwrap());
    lab
}

#[test]
fn a_build_of_either_supply_has_the_same_steps_and_others_for_what_differs() {
    let [source, upstream] = [Lab::new(), upstream()];
    let [one, other] = [&source, &upstream].map(Lab::context);
    let [one, other] = [&one, &other].map(|context| Graph::new(context).unwrap());
    let steps = |graph: &Graph| {
        let mut steps: Vec<_> = graph.steps().iter().map(|step| (step.name(), step.bucket())).collect();
        steps.sort();
        steps
    };
    let changed: Vec<_> = steps(&other).into_iter().filter(|step| !steps(&one).contains(step)).collect();
    let wanted =
        ["cni", "containerd", "coredns", "etcd", "kubernetes"].map(|name| (name.to_owned(), "release-programs"));
    assert_eq!(changed, wanted);
    assert_eq!(steps(&one).len(), steps(&other).len());
    let key = |graph: &Graph, name: &str| graph.key(graph.place(name).unwrap()).as_str().to_owned();
    for name in ["tools", "base"] {
        assert_eq!(key(&one, name), key(&other, name), "{name}");
    }
    for name in ["probe", "etcd", "payload etcd", "box etcd"] {
        assert_ne!(key(&one, name), key(&other, name), "{name}");
    }
    assert_eq!(one.goals().unwrap().len(), other.goals().unwrap().len());
}

#[test]
fn what_others_have_built_needs_no_go_here() {
    let lab = upstream();
    let context = lab.context();
    let graph = Graph::new(&context).unwrap();
    for name in ["probe", "kubernetes", "etcd"] {
        let step = &graph.steps()[graph.place(name).unwrap()];
        assert!(step.preflight(&context).is_empty(), "{name}");
        assert!(matches!(context.toolchain().unwrap(), Toolchain::Archive(_)));
    }
    let source = Lab::new();
    assert!(matches!(source.context().toolchain().unwrap(), Toolchain::Module(_)));
}

#[test]
fn a_lock_of_another_supply_is_refused() {
    let mut lab = upstream();
    lab.plan.supply = kinds::Supply::Source;
    let refused = Context::new(&lab.cache, &lab.lock, &lab.plan, &Silent).err().unwrap().to_string();
    assert_eq!(refused, "the lock pins the supply upstream, hab.yaml says source; `hab lock --update` pins anew");
}

#[test]
fn a_role_waits_for_no_more_than_it_carries() {
    let lab = Lab::new();
    let context = lab.context();
    let graph = Graph::new(&context).unwrap();
    let needs = |name: &str| graph.steps()[graph.place(name).unwrap()].needs();
    assert!(!needs("payload etcd").contains(&"kubernetes".to_owned()));
    for name in ["kubernetes", "image pause", "Debian's programs"] {
        assert!(needs("payload worker").contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn with_an_empty_cache_all_is_made_and_what_is_there_is_not() {
    let lab = Lab::new();
    let version = &lab.plan.kubernetes.version;
    for step in ["tools", "base", "etcd", "Debian's programs", "image pause", "boot test etcd", "box worker"] {
        assert!(lab.says(step).starts_with("will be made: "), "{step}");
    }
    assert_eq!(lab.says("kubernetes"), format!("will be made: {version}, not in the cache"));
    assert!(!lab.cache.root().exists());
    for goal in ["kubernetes", "boot test etcd", "box etcd", "boot test master", "box master", "boot test worker"] {
        lab.fill(goal);
    }
    assert!(lab.says("box etcd").starts_with("there: "));
    assert!(lab.says("payload etcd").starts_with("not needed: "));
    assert!(lab.says("payload worker").starts_with("will be made: "));
    lab.fill("box worker");
    assert!(lab.says("payload worker").starts_with("not needed: "));
}

#[test]
fn a_vendors_image_is_the_disk_of_the_boxes_and_hangs_on_its_digest_alone() {
    let mut lab = Lab::on_flatcar();
    let refused = Context::new(&lab.cache, &lab.lock, &lab.plan, &Silent).err().unwrap().to_string();
    assert!(refused.starts_with("hab.lock pins the base debian, and hab.yaml asks for flatcar stable:"), "{refused}");
    let locked = |sha256: &str| {
        let disk = Pinned { size: 1, sha256: sha256.into() };
        Base::Flatcar(VendorImage { channel: "stable".into(), version: "1.2.3".into(), disk, ..VendorImage::default() })
    };
    lab.lock.base = locked("a");
    assert_eq!(lab.says("disk base"), "will be made: flatcar stable 1.2.3, not in the cache");
    let key = |lab: &Lab| {
        let context = lab.context();
        let graph = Graph::new(&context).unwrap();
        assert!(graph.place("base").is_err() && graph.place("tools").is_ok());
        assert!(graph.steps()[graph.place("box etcd").unwrap()].needs().contains(&"disk base".to_owned()));
        graph.key(graph.place("disk base").unwrap()).clone()
    };
    let before = key(&lab);
    lab.lock.tools.clear();
    assert_eq!(key(&lab), before);
    lab.lock.base = locked("b");
    assert_ne!(key(&lab), before);
}

#[test]
fn a_vendors_image_that_was_checked_becomes_the_disk_as_it_is() {
    let mut lab = Lab::on_flatcar();
    let (bytes, url) = ("a vendor's qcow2", "https://vendor.invalid/a.img".to_owned());
    let file = Pinned { size: bytes.len() as u64, sha256: crate::digest::sha256(bytes) };
    let (channel, version) = ("stable".into(), "1.2.3".into());
    lab.lock.base = Base::Flatcar(VendorImage {
        channel,
        version,
        disk: file.clone(),
        file,
        url: url.clone(),
        ..VendorImage::default()
    });
    let progress: &dyn crate::progress::Progress = &Silent;
    let folder = crate::base::vendor_image::Folder::of(&lab.cache, &url, &progress.step("lock", None)).unwrap();
    fs::write(folder.disk(), bytes).unwrap();
    let left = folder.disk();
    drop(folder);
    let context = lab.context();
    let graph = Graph::new(&context).unwrap();
    let outcome = run(&graph, &context, &[graph.place("disk base").unwrap()]).unwrap();
    assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
    let disk = outcome.entries.get("disk base").unwrap().join("disk.qcow2");
    assert_eq!(fs::read_to_string(disk).unwrap(), bytes);
    assert!(!left.exists(), "it is in the cache once");
    assert!(lab.says("disk base").starts_with("there: flatcar stable 1.2.3, "));
}

#[test]
fn before_there_is_a_lock_nothing_is_known() {
    let steps = before_lock(
        &Catalog::source(&Lab::new().plan.kubernetes.version).unwrap(),
        kinds::Base::Debian,
        &[kinds::Provider::Libvirt],
    )
    .unwrap();
    assert!(steps.iter().all(|step| step.cells()[1] == "after the lock"));
}

#[test]
fn what_the_lock_does_not_pin_is_refused() {
    let mut lab = Lab::new();
    let built = crate::lock::Built { programs: BTreeMap::from([("etcd".into(), "aa".into())]), ..Default::default() };
    lab.lock.supply.set_built(Some(built));
    let context = lab.context();
    let graph = Graph::new(&context).unwrap();
    let place = graph.place("etcd").unwrap();
    let listed = r#"{"etcd": {"sha256": "bb", "version": "v1"}}"#;
    let fill = |entry: &Path| Ok(fs::write(entry.join("programs.json"), listed)?);
    lab.cache.make(graph.steps()[place].bucket(), graph.key(place), &|| (), fill).unwrap();
    assert!(lab.says("etcd").starts_with("refused: etcd came out other than locked: bb and not aa"));
    let outcome = run(&graph, &context, &[place]).unwrap();
    assert!(outcome.errors[0].1.to_string().contains("etcd came out other than locked"));
    let Supply::Source(source) = &mut lab.lock.supply else { panic!("the lab's supply is source") };
    source.upstreams.clear();
    let refused = Context::new(&lab.cache, &lab.lock, &lab.plan, &Silent).err().unwrap().to_string();
    assert!(refused.starts_with("the lock pins another "), "{refused}");
}
