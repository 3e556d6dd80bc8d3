//! The cache: made once, whole or not there, healed when damaged.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("hab"));
    (dir, cache)
}

fn key(text: &str) -> Key {
    KeyBuilder::new().add("x", text).key()
}

fn fill(entry: &Path) -> Result<()> {
    fs::create_dir(entry.join("bin"))?;
    fs::write(entry.join("bin/etcd"), vec![7; 100_000])?;
    std::os::unix::fs::symlink("etcd", entry.join("bin/link"))?;
    Ok(fs::write(entry.join("note"), "hi")?)
}

fn make(cache: &Cache) -> PathBuf {
    cache.make("test", &key("1"), &|| (), fill).unwrap()
}

/// The same folder, as another run sees it.
fn again(cache: &Cache) -> Cache {
    Cache::at(cache.root().to_owned())
}

#[test]
fn an_entry_is_made_once() {
    let (_dir, cache) = cache();
    assert_eq!(cache.find("test", &key("1")), Lookup::Miss);
    assert!(!cache.root().exists());
    let path = make(&cache);
    assert_eq!(fs::read_to_string(path.join("note")).unwrap(), "hi");
    assert_eq!(cache.find("test", &key("1")), Lookup::Hit(path.clone()));
    assert_eq!(again(&cache).make("test", &key("1"), &|| (), |_| bail!("made twice")).unwrap(), path);
    assert!(cache.root().join("CACHEDIR.TAG").is_file());
}

#[test]
fn a_failed_make_leaves_nothing_and_may_be_tried_again() {
    let (_dir, cache) = cache();
    cache
        .make("test", &key("1"), &|| (), |entry| {
            fill(entry)?;
            bail!("no")
        })
        .unwrap_err();
    assert_eq!(cache.find("test", &key("1")), Lookup::Miss);
    assert_eq!(fs::read_dir(cache.root().join(SCRATCH)).unwrap().count(), 0);
    make(&cache);
}

/// One way to damage an entry.
type Damage = fn(&Path);

#[test]
fn whatever_damages_an_entry_it_is_noticed_and_made_again() {
    let damages: [(&str, Damage); 8] = [
        ("emptied", |entry| fs::write(entry.join("bin/etcd"), "").unwrap()),
        ("truncated", |entry| fs::write(entry.join("bin/etcd"), vec![7; 99_999]).unwrap()),
        ("flipped", |entry| {
            let mut bytes = vec![7; 100_000];
            bytes[50_000] ^= 1;
            fs::write(entry.join("bin/etcd"), bytes).unwrap();
        }),
        ("removed", |entry| fs::remove_file(entry.join("note")).unwrap()),
        ("relinked", |entry| {
            fs::remove_file(entry.join("bin/link")).unwrap();
            std::os::unix::fs::symlink("note", entry.join("bin/link")).unwrap();
        }),
        ("manifest emptied", |entry| fs::write(entry.join(manifest::FILE), "").unwrap()),
        ("manifest cut", |entry| fs::write(entry.join(manifest::FILE), "{\"files\":{").unwrap()),
        ("manifest removed", |entry| fs::remove_file(entry.join(manifest::FILE)).unwrap()),
    ];
    for (name, damage) in damages {
        let (_dir, cache) = cache();
        let path = make(&cache);
        damage(&path);
        assert!(matches!(again(&cache).find("test", &key("1")), Lookup::Damaged(_)), "{name}");
        assert!(again(&cache).verify(&path).is_err(), "{name}");
        assert_eq!(make(&again(&cache)), path, "{name}");
        assert!(matches!(again(&cache).find("test", &key("1")), Lookup::Hit(_)), "{name}");
        assert_eq!(fs::read(path.join("bin/etcd")).unwrap(), vec![7; 100_000], "{name}");
    }
}

#[test]
fn a_bit_that_flips_on_the_disk_is_noticed_by_whoever_reads_the_entry_through() {
    let (_dir, cache) = cache();
    let path = make(&cache);
    fs::write(path.join("note"), "ho").unwrap();
    // As if no write had happened: the stamp is that of the new bytes.
    let text = fs::read_to_string(path.join(manifest::FILE)).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let stamped = serde_json::to_value(Manifest::make(&path).unwrap()).unwrap();
    manifest["files"]["note"]["stamp"] = stamped["files"]["note"]["stamp"].clone();
    fs::write(path.join(manifest::FILE), manifest.to_string()).unwrap();
    drop(fresh);
    assert!(matches!(again(&cache).find("test", &key("1")), Lookup::Hit(_)));
    assert!(again(&cache).verify(&path).unwrap_err().to_string().contains("note has other bytes"));
}

#[test]
fn a_copied_cache_is_read_through_once_and_then_known() {
    let (_dir, cache) = cache();
    let path = make(&cache);
    let before = fs::read(path.join(manifest::FILE)).unwrap();
    fs::copy(path.join("note"), path.join("copy")).unwrap();
    fs::rename(path.join("copy"), path.join("note")).unwrap();
    assert!(matches!(again(&cache).find("test", &key("1")), Lookup::Hit(_)));
    assert_ne!(before, fs::read(path.join(manifest::FILE)).unwrap());
}

#[test]
fn what_killed_runs_left_is_removed_and_what_lives_is_kept() {
    let (_dir, cache) = cache();
    let scratch = cache.scratch().unwrap();
    let stale = cache.root().join(SCRATCH).join("dead");
    fs::create_dir_all(stale.join("sub")).unwrap();
    fs::set_permissions(stale.join("sub"), Permissions::from_mode(0o500)).unwrap();
    again(&cache).hold().unwrap();
    assert!(!stale.exists() && scratch.path().exists());
}

#[test]
fn a_cache_in_use_is_not_emptied() {
    let (_dir, cache) = cache();
    cache.clear().unwrap();
    let path = make(&cache);
    let error = again(&cache).clear().unwrap_err().to_string();
    assert!(error.contains("another run of hab uses"), "{error}");
    assert!(path.is_dir());
    let root = cache.root().to_owned();
    drop(cache);
    Cache::at(root.clone()).clear().unwrap();
    let left: Vec<_> = fs::read_dir(root).unwrap().map(|found| found.unwrap().file_name()).collect();
    assert_eq!(left, [HOLD]);
}

#[test]
fn waiting_for_another_run_is_said() {
    let (_dir, cache) = cache();
    let (other, said) = (again(&cache), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (begun, wait) = std::sync::mpsc::channel();
        let said = &said;
        scope.spawn(move || {
            let slow = |entry: &Path| {
                begun.send(()).unwrap();
                while !said.load(std::sync::atomic::Ordering::SeqCst) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                fill(entry)
            };
            other.make("test", &key("1"), &|| (), slow).unwrap();
        });
        wait.recv().unwrap();
        let waiting = || said.store(true, std::sync::atomic::Ordering::SeqCst);
        cache.make("test", &key("1"), &waiting, |_| bail!("made twice")).unwrap();
    });
}
