//! The decisions, with a cache whose entries are empty words.

use std::collections::BTreeMap;

use fs_err as fs;

use super::*;
use crate::cache::sha256;
use crate::config;
use crate::lock::{Archive, Base, Deb, Toolchain};

/// A lab with a lock, and a cache.
struct Lab {
    dir: tempfile::TempDir,
    cache: Cache,
    plan: Plan,
    table: Table,
    lock: Lock,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache"));
        fs::write(dir.path().join("hab.yaml"), "lab: demo\n").unwrap();
        let plan = Plan::new(config::load(dir.path()).unwrap().config().unwrap()).unwrap();
        let table = Table::source().unwrap();
        let toolchain = Toolchain { go: "go1".into(), gcc: "gcc 1".into() };
        let deb = |name: &str| Deb {
            name: name.into(),
            version: "1".into(),
            archive: Archive::Main,
            path: format!("pool/{name}.deb"),
            size: 1,
            sha256: sha256(name),
        };
        let supply = supply::pin(&table, toolchain, vec![deb("haproxy")]).unwrap();
        let lock = Lock::new(Base { node: vec![deb("linux")], tools: vec![deb("mtools")] }, supply);
        Self { dir, cache, plan, table, lock }
    }

    fn locked(self) -> Self {
        lock_verb::write(self.dir.path(), &self.lock).unwrap();
        self
    }

    /// What a whole build leaves, by asking the build's own functions until nothing is missing.
    fn built(self) -> Self {
        let cache = self.cache.looking();
        let artifacts = self.ask(|| supply::build(&cache, &self.table, &self.lock.supply, &Silent));
        let disk = self.ask(|| base::build(&cache, &self.lock.base, &Silent));
        for role in Role::ALL {
            let payload = self.ask(|| payload::build(&cache, role, &artifacts, &self.lock.base.tools, &Silent));
            let none = || anyhow::bail!("nothing boots");
            let vagrantfile = vagrant::BOX_VAGRANTFILE;
            self.ask(|| {
                boxed::make(&cache, NodeKind::of(&self.plan, role), &disk, &payload, vagrantfile, &none, &Silent)
            });
        }
        self
    }

    fn ask<T>(&self, ask: impl Fn() -> Result<T>) -> T {
        loop {
            match ask() {
                Ok(found) => return found,
                Err(error) => self.fill(&error.downcast::<Missing>().unwrap().entry),
            }
        }
    }

    /// An entry of any kind: every file that one of them has.
    fn fill(&self, entry: &Path) {
        let each = |value: &str| -> String {
            let values = self.table.artifacts.keys().map(|name| format!("\"{name}\":{value}"));
            format!("{{{}}}", values.collect::<Vec<_>>().join(","))
        };
        let files = BTreeMap::from([
            ("sums.json", each("\"aa\"")),
            ("contents.json", each(r#"{"sha256":"aa","version":"1","libraries":{}}"#)),
            ("sha256", "aa".to_owned()),
            ("digest", "sha256:aa".to_owned()),
            ("payload.json", r#"{"files":[],"images":[],"checks":[]}"#.to_owned()),
            ("payload.raw", String::new()),
            ("report.json", r#"{"role":"etcd","answers":[],"missing":[],"seconds":1.0}"#.to_owned()),
            ("packed.json", format!(r#"{{"sha256":"0000002a{}","size":1}}"#, "0".repeat(56))),
        ]);
        fs::create_dir_all(entry).unwrap();
        for (name, text) in files {
            fs::write(entry.join(name), text).unwrap();
        }
    }

    fn without(self, kind: &str) -> Self {
        fs::remove_dir_all(self.cache.root().join(kind)).unwrap();
        self
    }

    fn steps(&self) -> Vec<Step> {
        of(self.dir.path(), &self.cache, &self.plan).unwrap()
    }

    #[track_caller]
    fn says(&self, step: &str, start: &str) {
        let cells: Vec<_> = self.steps().iter().map(Step::cells).collect();
        let found = cells.iter().find(|[name, _]| name == step);
        assert!(found.is_some_and(|[_, says]| says.starts_with(start)), "{step} is not {start:?}: {cells:#?}");
    }
}

#[test]
fn without_a_lock_all_is_made_after_it() {
    let lab = Lab::new();
    let steps = lab.steps();
    lab.says("lock", "will be made: there is no hab.lock");
    assert!(steps[1..].iter().all(|step| step.cells()[1] == "after lock"), "{steps:?}");
    assert!(!lab.cache.root().exists());
}

#[test]
fn with_an_empty_store_all_is_made_in_its_order() {
    let lab = Lab::new().locked();
    lab.says("lock", "there: ");
    for step in ["base debian", "etcd", "kubernetes", "Debian's programs", "pause"] {
        lab.says(step, "will be made: ");
    }
    lab.says("kubernetes", "will be made: v1.36.3, ");
    lab.says("image pause", "after pause");
    lab.says("payload etcd", "after etcd");
    lab.says("boot proof etcd", "after base debian");
    assert!(!lab.cache.root().exists());
}

#[test]
fn after_a_build_all_is_there() {
    let lab = Lab::new().locked().built();
    let steps = lab.steps();
    assert!(steps.iter().all(|step| step.state == State::There), "{steps:#?}");
    lab.says("box worker", "there: 1.36.3.42, not yet in out/boxes");
    fs::create_dir_all(lab.dir.path().join("out/boxes")).unwrap();
    let publish = |version: &str| {
        let text = format!(r#"{{"versions":[{{"version":"{version}"}}]}}"#);
        fs::write(lab.dir.path().join("out/boxes/worker.json"), text).unwrap();
    };
    publish("1.36.3.42");
    lab.says("box worker", "there: 1.36.3.42, as in out/boxes");
    publish("1.36.3.7");
    lab.says("box worker", "there: 1.36.3.42 takes the place of 1.36.3.7 in out/boxes");
}

#[test]
fn what_is_lost_is_made_and_what_hangs_on_it_waits() {
    let lab = Lab::new().locked().built().without("relocated");
    lab.says("Debian's programs", "will be made: ");
    lab.says("payload etcd", "there: ");
    lab.says("payload worker", "after Debian's programs");
    lab.says("box worker", "after payload worker");

    let lab = Lab::new().locked().built().without("base");
    lab.says("payload worker", "there: ");
    lab.says("box worker", "after base debian");

    let lab = Lab::new().locked().built().without("proof");
    lab.says("boot proof worker", "will be made: ");
    lab.says("box worker", "there: ");

    let lab = Lab::new().locked().built().without("qcow2");
    lab.says("box worker", "will be made: ");
}

#[test]
fn what_a_build_would_refuse_is_said() {
    let mut lab = Lab::new().built();
    let artifacts = supply::build(&lab.cache.looking(), &lab.table, &lab.lock.supply, &Silent).unwrap();
    let mut results = artifacts.built();
    results.programs.insert("etcd".into(), "bb".into());
    lab.lock.supply.built = Some(results);
    let mut lab = lab.locked();
    lab.says("etcd", "refused: etcd came out other than locked");
    lab.says("payload etcd", "after etcd");
    lab.says("kubernetes", "there: ");

    lab.lock.supply.upstreams.clear();
    let lab = lab.locked();
    lab.says("lock", "refused: the lock pins another ");
    lab.says("base debian", "after lock");
}
