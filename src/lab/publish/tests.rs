//! What a build that went wrong leaves of the boxes of the last good one, and what a good one locks.

use fs_err as fs;

use super::*;
use crate::build::{self, Job, Step};
use crate::cache::{Cache, KeyBuilder};
use crate::exec::signal::Interrupted;
use crate::progress::Silent;

/// What the last good build has left in `out/`.
const GOOD: [&str; 10] = [
    "boxes/etcd.box",
    "boxes/etcd.json",
    "boxes/etcd.virtualbox.box",
    "boxes/master.box",
    "boxes/master.json",
    "boxes/master.virtualbox.box",
    "boxes/worker.box",
    "boxes/worker.json",
    "boxes/worker.virtualbox.box",
    CATALOG,
];

/// The only step of a made-up build, and what becomes of it.
struct Part(fn() -> Result<()>);

impl Step for Part {
    fn name(&self) -> String {
        "part".to_owned()
    }

    fn bucket(&self) -> &'static str {
        "test"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, _context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(key)
    }

    fn run(&self, _context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        (self.0)()?;
        fs::write(job.entry.join("text"), "all of it")?;
        Ok("made".to_owned())
    }
}

/// A lab with the boxes of a good build, and a cache.
struct Lab {
    dir: tempfile::TempDir,
    plan: Plan,
    lock: Lock,
}

impl Lab {
    fn new() -> Self {
        let text = b"lab: demo\nprovider: [libvirt, virtualbox]\n";
        let plan = Plan::new(crate::config::read("hab.yaml", text, &|_| Ok(())).config().unwrap()).unwrap();
        let (dir, lock) = (tempfile::tempdir().unwrap(), lock::blank(&plan).unwrap());
        fs::create_dir_all(dir.path().join(OUT).join("boxes")).unwrap();
        for name in GOOD {
            fs::write(dir.path().join(OUT).join(name), name).unwrap();
        }
        Self { dir, plan, lock }
    }

    /// A run of hab whose only step ends like this: nothing, as there are no boxes to publish, and what is said of it.
    fn build(&self, end: fn() -> Result<()>) -> String {
        let cache = Cache::at(self.dir.path().join("cache"));
        let context = Context::new(&cache, &self.lock, &self.plan, &Silent).unwrap();
        let graph = Graph::of(vec![Box::new(Part(end))], &context).unwrap();
        let outcome = build::run(&graph, &context, &[0]).unwrap();
        format!("{:#}", publish(self.dir.path(), &self.plan, &context, outcome).unwrap_err())
    }

    /// The step's entry in the cache.
    fn entry(&self) -> std::path::PathBuf {
        let cache = Cache::at(self.dir.path().join("cache"));
        let context = Context::new(&cache, &self.lock, &self.plan, &Silent).unwrap();
        let graph = Graph::of(vec![Box::new(Part(|| Ok(())))], &context).unwrap();
        let outcome = build::run(&graph, &context, &[0]).unwrap();
        outcome.entries.get("part").unwrap().to_owned()
    }

    /// What is left of the good build.
    fn left(&self) -> Vec<&'static str> {
        let is_left =
            |name: &&str| fs::read(self.dir.path().join(OUT).join(name)).is_ok_and(|is| is == name.as_bytes());
        GOOD.into_iter().filter(is_left).collect()
    }
}

#[test]
fn a_damaged_entry_that_can_not_be_made_again_takes_no_box_away() {
    let lab = Lab::new();
    for damage in [
        |entry: &Path| fs::write(entry.join("text"), "ALL of it"),
        |entry: &Path| fs::write(entry.join("text"), ""),
        |entry: &Path| fs::remove_file(entry.join("text")),
        |entry: &Path| fs::remove_file(entry.join("manifest.json")),
        |entry: &Path| fs::write(entry.join("manifest.json"), "{"),
    ] {
        damage(&lab.entry()).unwrap();
        assert_eq!(lab.build(|| Err(anyhow!("there is no network"))), "there is no network");
        assert_eq!(lab.left(), GOOD);
    }
}

#[test]
fn neither_does_a_full_disk_ctrl_c_or_a_boot_test_without_an_end() {
    let lab = Lab::new();
    for (end, said) in [
        ((|| Ok(fs::write("/dev/full", "x")?)) as fn() -> Result<()>, "No space left on device"),
        // What a step says whose program was ended. `build::run` then says the same, and nothing is published at all.
        (|| Err(Interrupted(signal_hook::consts::SIGINT).into()), "SIGINT"),
        (
            || Err(anyhow!("no packer").context(Unfinished { role: Role::Etcd, images: false, console: "x".into() })),
            "no packer",
        ),
    ] {
        let error = lab.build(end);
        assert!(error.contains(said), "{error}");
        assert_eq!(lab.left(), GOOD);
    }
}

#[test]
fn a_check_that_does_not_hold_takes_away_the_boxes_of_its_role_alone() {
    let lab = Lab::new();
    let error = lab.build(|| {
        let missing = vec!["start:etcd.service".to_owned()];
        let (answers, console) = (Vec::new(), String::new());
        Err(Failed(Report { role: Role::Etcd, images: false, answers, missing, seconds: 1.0, console }).into())
    });
    assert!(error.contains("start:etcd.service"), "{error}");
    let others = GOOD.into_iter().filter(|name| *name != CATALOG && !name.starts_with("boxes/etcd."));
    assert_eq!(lab.left(), others.collect::<Vec<_>>());
}

#[test]
fn what_is_locked_stays_and_only_what_is_new_is_added() {
    let built = |programs: &[(&str, &str)]| Built {
        programs: programs.iter().map(|(name, digest)| ((*name).to_owned(), (*digest).to_owned())).collect(),
        ..Built::default()
    };
    let found = || vec![built(&[("kubelet", "bb")]), built(&[("flanneld", "cc")])];
    assert_eq!(together(Some(&built(&[("kubelet", "aa")])), found()), built(&[("kubelet", "aa"), ("flanneld", "cc")]));
    assert_eq!(together(None, found()), built(&[("kubelet", "bb"), ("flanneld", "cc")]));
}
