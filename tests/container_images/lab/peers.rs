//! A registry and another master's that does what a test wants (`tests/container_images/peer.py`): slow, late, broken.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::{FIRST, Made, Masters, Running, SECOND, begun, soon};

const APP: (&str, &str, &str) = ("docker.io", "library/app", "1");

/// The other master.
struct Peer {
    folder: PathBuf,
    _running: Running,
}

impl Peer {
    /// Starts one in the place of the second master, with all images that the test has made. It answers the first question of
    /// what it has with the first of `lists`, and so on; the last one stays. Where nothing stands it hangs up.
    fn start(masters: &Masters, lists: &Value) -> Self {
        let folder = masters.dir.path().join("peer");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("lists"), lists.to_string()).unwrap();
        let (pki, address) = (masters.root(SECOND).join("etc/kubernetes/pki"), &masters.lab.node(SECOND).address);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/container_images/peer.py");
        let mut command = Command::new("python3");
        command.arg(script).arg(&folder).arg(&masters.site.folder).arg(address);
        let running = Running(command.arg(pki.join("registry.crt")).arg(pki.join("registry.key")).spawn().unwrap());
        soon("the other master listens", || std::net::TcpStream::connect(format!("{address}:5000")).is_ok());
        Self { folder, _running: running }
    }

    /// What it does to requests of blobs and manifests: `hold`, `gone` or `cut`, for all whose path has this in it.
    fn does(&self, fault: &str, to: &str) {
        std::fs::write(self.folder.join(fault), to).unwrap();
    }

    fn well(&self, fault: &str) {
        std::fs::remove_file(self.folder.join(fault)).unwrap();
    }

    fn was_asked_for(&self, part: &str) -> bool {
        std::fs::read_to_string(self.folder.join("requests")).unwrap_or_default().contains(part)
    }
}

/// An image as a master lists it.
fn listed(name: &str, made: &Made) -> Value {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let time = u64::try_from(now).unwrap();
    json!({"name": format!("docker.io/library/{name}"), "tag": "1", "digest": made.digest, "time": time})
}

/// A manifest of an image that is one.
fn manifest(made: &Made, digest: &str) -> Value {
    let path = made.layout.join("blobs/sha256").join(&digest["sha256:".len()..]);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Says to the first master that there is something new, as another one does.
fn news(masters: &Masters) {
    assert_eq!(masters.ask((FIRST, FIRST), "POST", "/hab/news").0, "200");
}

#[test]
fn what_is_pushed_while_an_older_image_is_copied_stays() {
    let Some(mut masters) = Masters::of("lab::peers::what_is_pushed_while_an_older_image_is_copied_stays") else {
        return;
    };
    let (old, new) = (masters.site.image("old", &["amd64"], 64), masters.site.image("new", &["amd64"], 64));
    masters.start(FIRST);
    let peer = Peer::start(&masters, &json!([[listed("app", &old)]]));
    peer.does("hold", "/blobs/");
    news(&masters);
    soon("it begins", || peer.was_asked_for("/blobs/"));
    masters.patience.copies = Duration::from_secs(2);
    assert_eq!(masters.load(&new, "app:1").unwrap().behind, [SECOND]);
    peer.well("hold");
    let by_digest = ("docker.io", "library/app", old.digest.as_str());
    soon("the copy ends", || masters.pulled(FIRST, by_digest).is_some());
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(masters.pulled(FIRST, APP), Some(new.digest));
}

#[test]
fn a_master_that_came_up_meanwhile_is_asked_again() {
    let Some(mut masters) = Masters::of("lab::peers::a_master_that_came_up_meanwhile_is_asked_again") else { return };
    let made = masters.site.image("app", &["amd64"], 64);
    // It has nothing yet when the first one starts; that it has something later it tells nobody.
    let _peer = Peer::start(&masters, &json!([[], [listed("app", &made)]]));
    masters.start(FIRST);
    soon("the first one looks once more", || masters.pulled(FIRST, APP).as_ref() == Some(&made.digest));
}

#[test]
fn an_image_is_taken_whole_or_not_at_all() {
    let Some(mut masters) = Masters::of("lab::peers::an_image_is_taken_whole_or_not_at_all") else { return };
    let made = masters.site.image("app", &["amd64", "arm64"], 64);
    masters.start(FIRST);
    let peer = Peer::start(&masters, &json!([[listed("app", &made)]]));
    let list = manifest(&made, &made.digest);
    let platform = |at: usize| list["manifests"][at]["digest"].as_str().unwrap().to_owned();
    let layer = manifest(&made, &platform(0))["layers"][0]["digest"].as_str().unwrap().to_owned();
    // A platform may be missing, but not a layer of one that is there.
    peer.does("gone", &layer);
    news(&masters);
    soon("it is asked", || peer.was_asked_for(&layer));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(masters.pulled(FIRST, APP), None);
    peer.does("gone", &platform(1));
    news(&masters);
    soon("it is there", || masters.pulled(FIRST, APP).as_ref() == Some(&made.digest));
    assert_eq!(masters.pulled(FIRST, ("docker.io", "library/app", &platform(1))), None);
}

#[test]
fn of_one_that_breaks_off_no_more_is_asked() {
    let Some(mut masters) = Masters::of("lab::peers::of_one_that_breaks_off_no_more_is_asked") else { return };
    let (one, two) = (masters.site.image("one", &["amd64"], 512), masters.site.image("two", &["amd64"], 512));
    masters.start(FIRST);
    let peer = Peer::start(&masters, &json!([[listed("one", &one), listed("two", &two)]]));
    peer.does("cut", "/library/one/blobs/");
    news(&masters);
    soon("it is asked", || peer.was_asked_for("/library/one/blobs/"));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!peer.was_asked_for("/library/two/"));
    assert_eq!(begun(&masters.store(FIRST)), 0);
    peer.well("cut");
    news(&masters);
    for (name, made) in [("library/one", &one), ("library/two", &two)] {
        soon("both are there", || masters.pulled(FIRST, ("docker.io", name, "1")).as_ref() == Some(&made.digest));
    }
}

#[test]
fn a_master_that_ends_while_it_is_waited_for_is_away() {
    let Some(mut masters) = Masters::of("lab::peers::a_master_that_ends_while_it_is_waited_for_is_away") else {
        return;
    };
    let made = masters.site.image("app", &["amd64"], 64);
    masters.start(FIRST);
    let peer = Peer::start(&masters, &json!([[]]));
    masters.patience.copies = Duration::from_secs(3);
    let loaded = masters.load(&made, "app:1").unwrap();
    assert_eq!(
        (loaded.masters, loaded.away.len(), loaded.behind),
        (vec![FIRST.to_owned()], 0, vec![SECOND.to_owned()])
    );
    drop(peer);
    // hab asks it once; then it answers nobody.
    let _peer = Peer::start(&masters, &json!([[], null]));
    masters.patience.copies = Duration::from_secs(60);
    masters.patience.silence = Duration::from_secs(3);
    let begin = Instant::now();
    let loaded = masters.load(&made, "app:1").unwrap();
    assert_eq!(
        (loaded.masters, loaded.away, loaded.behind.len()),
        (vec![FIRST.to_owned()], vec![SECOND.to_owned()], 0)
    );
    assert!(begin.elapsed() < masters.patience.copies);
}
