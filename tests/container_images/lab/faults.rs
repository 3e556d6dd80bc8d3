//! What goes wrong at one master: a full disk, what breaks off, a clock that is wrong, a registry that comes up late.

use std::process::Command;
use std::time::{Duration, Instant};

use super::{FIRST, LARGE, Masters, SECOND, begun, both, found, soon};

/// Room for small images; of a larger one's layer there is more than that.
const DISK: usize = 4;
const TOO_LARGE: usize = 10 << 10;

/// Else curl calls it a form, and a server takes it for one.
const BYTES: &[&str] = &["--header", "Content-Type: application/octet-stream"];

const APP: (&str, &str, &str) = ("docker.io", "library/app", "1");

#[test]
fn what_does_not_fit_is_refused_before_it_is_sent() {
    let Some(mut masters) = Masters::of("lab::faults::what_does_not_fit_is_refused_before_it_is_sent") else { return };
    let (small, large) =
        (masters.site.image("small", &["amd64"], 64), masters.site.image("large", &["amd64"], TOO_LARGE));
    masters.start_on_disk_of(DISK, FIRST, &[]);
    assert_eq!(masters.load(&small, "small:1").unwrap().masters, [FIRST]);
    let error = masters.load(&large, "large:1").unwrap_err();
    assert!(error.contains("507") && error.contains("no room on the master's data disk"), "{error}");
    assert!(!error.contains("_state"), "{error}");
    let store = masters.store_on_disk(FIRST);
    assert_eq!(begun(&store), 0);

    // Another one has room: it takes it, nobody waits for the first, and that one is named.
    masters.start(SECOND);
    let (begin, loaded) = (Instant::now(), masters.load(&large, "large:1").unwrap());
    assert_eq!(
        (loaded.masters, loaded.away.len(), loaded.behind),
        (vec![SECOND.to_owned()], 0, vec![FIRST.to_owned()])
    );
    assert!(begin.elapsed() < masters.patience.copies);
    let notes = masters.site.heard.0.lock().unwrap().join("\n");
    assert!(notes.contains("kube-master-01: ") && notes.contains("no room"), "{notes}");
    // It does not begin to take it from the other one, either, which told it at once.
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(found(&store, "", LARGE), 0);
    assert_eq!(found(&masters.store(SECOND), "/data", LARGE), 1, "this would be seen");
    // To remove something is what one does then.
    assert_eq!(masters.remove("small:1").unwrap().masters, both());
}

#[test]
fn a_full_disk_costs_nothing_that_is_known() {
    let Some(mut masters) = Masters::of("lab::faults::a_full_disk_costs_nothing_that_is_known") else { return };
    let made = masters.site.image("app", &["amd64"], 64);
    masters.start_on_disk_of(DISK, FIRST, &["-free=0"]);
    for name in ["app:1", "app:2"] {
        masters.load(&made, name).unwrap();
    }
    masters.remove("app:2").unwrap();
    let listed = masters.list();
    assert_eq!(listed.len(), 1);
    // Somebody else fills it to the last byte.
    let fill = masters.store_on_disk(FIRST).join("fill");
    let full = Command::new("dd")
        .args(["if=/dev/zero", "bs=4k", "status=none"])
        .arg(format!("of={}", fill.display()))
        .output();
    assert!(String::from_utf8_lossy(&full.unwrap().stderr).contains("No space left"));
    let error = masters.remove("app:1").unwrap_err();
    assert!(error.contains("no space left"), "{error}");
    assert_eq!(masters.list(), listed);
    std::fs::remove_file(fill).unwrap();
    masters.remove("app:1").unwrap();
    assert!(masters.list().is_empty());
}

#[test]
fn what_breaks_off_leaves_nothing() {
    let Some(mut masters) = Masters::of("lab::faults::what_breaks_off_leaves_nothing") else { return };
    masters.start_on_disk_of(DISK, FIRST, &[]);
    let store = masters.store_on_disk(FIRST);
    let begin = || {
        let arguments = ["--request", "POST", "--data", "", "--include"];
        let (status, answer) = masters.ask_as_host(FIRST, &arguments, "/v2/team/app/blobs/uploads/");
        assert_eq!(status, "202", "{answer}");
        let place = answer.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap().trim().to_owned();
        assert!(begun(&store) > 0, "this would be seen: {place}");
        place
    };
    // Other bytes than the digest says.
    let place = format!("{}&digest=sha256:{}", begin(), "0".repeat(64));
    let (status, answer) =
        masters.ask_as_host(FIRST, &[&["--request", "PUT", "--data-binary", "other"][..], BYTES].concat(), &place);
    assert!(status == "400" && answer.contains("DIGEST_INVALID"), "{status} {answer}");
    assert_eq!(begun(&store), 0);
    // More than there is room for, and nobody said how much.
    let place = begin();
    let large = masters.dir.path().join("large");
    std::fs::write(&large, vec![1; (DISK + 1) << 20]).unwrap();
    let body = format!("@{}", large.display());
    let chunked = ["--request", "PATCH", "--header", "Transfer-Encoding: chunked", "--data-binary", &body];
    let (status, answer) = masters.ask_as_host(FIRST, &[&chunked[..], BYTES].concat(), &place);
    assert!(status == "500" && answer.contains("no room on the master's data disk"), "{status} {answer}");
    assert_eq!(begun(&store), 0);
}

#[test]
fn no_masters_clock_decides_what_is_newer() {
    let Some(mut masters) = Masters::of("lab::faults::no_masters_clock_decides_what_is_newer") else { return };
    let (made, other) = (masters.site.image("app", &["amd64"], 64), masters.site.image("other", &["amd64"], 64));
    masters.patience.copies = Duration::from_secs(20);
    masters.start(FIRST);
    masters.start(SECOND);
    assert_eq!(masters.load(&made, "app:1").unwrap().masters, both());
    // The second one's clock is an hour ahead, and the first one knows of what was pushed there.
    let link = "docker/registry/v2/repositories/docker.io/library/app/_manifests/tags/1/current/link";
    let links = [FIRST, SECOND].map(|master| masters.store(master).join(link));
    assert!(Command::new("touch").args(["-d", "+1 hour"]).arg(&links[1]).status().unwrap().success());
    masters.stop(FIRST);
    masters.start(FIRST);
    let times = links.each_ref().map(|link| std::fs::metadata(link).unwrap().modified().unwrap());
    assert_eq!(times[0], times[1]);
    // What is done by way of the first one counts, for both.
    assert_eq!(masters.load(&other, "app:1").unwrap().masters, both());
    for master in [FIRST, SECOND] {
        assert_eq!(masters.pulled(master, APP).as_ref(), Some(&other.digest), "{master}");
    }
    assert_eq!(masters.remove("app:1").unwrap().masters, both());
    assert!(masters.list().is_empty());
    assert_eq!(masters.load(&made, "app:1").unwrap().masters, both());
    assert_eq!(masters.pulled(SECOND, APP).as_ref(), Some(&made.digest));
}

#[test]
fn every_tag_reaches_the_other_masters_and_a_half_removed_one_goes() {
    let Some(mut masters) = Masters::of("lab::faults::every_tag_reaches_the_other_masters_and_a_half_removed_one_goes")
    else {
        return;
    };
    let made = masters.site.image("app", &["amd64"], 64);
    masters.patience.copies = Duration::from_secs(20);
    masters.start(FIRST);
    masters.start(SECOND);
    // As the folders of distribution are called.
    for tag in ["index", "revisions", "_layers", "_uploads", "tags"] {
        assert_eq!(masters.load(&made, &format!("app:{tag}")).unwrap().masters, both(), "{tag}");
    }
    assert_eq!(masters.list().len(), 5);
    // One ended after it noted that a tag is to go.
    let folder = masters.store(FIRST).join("docker/registry/v2/repositories/docker.io/library/app/_manifests/tags");
    let aside = masters.dir.path().join("aside");
    assert!(
        Command::new("cp").arg("--archive").args([folder.join("index"), aside.clone()]).status().unwrap().success()
    );
    masters.remove("app:index").unwrap();
    masters.stop(FIRST);
    std::fs::rename(&aside, folder.join("index")).unwrap();
    masters.start(FIRST);
    assert_eq!(masters.pulled(FIRST, ("docker.io", "library/app", "index")), None);
    assert_eq!(masters.pulled(FIRST, ("docker.io", "library/app", "tags")), Some(made.digest));
    assert_eq!(masters.list().len(), 4);
}

#[test]
fn a_registry_that_comes_up_late_is_waited_for() {
    let Some(mut masters) = Masters::of("lab::faults::a_registry_that_comes_up_late_is_waited_for") else { return };
    let made = masters.site.image("app", &["amd64"], 64);
    masters.patience.start = Duration::from_secs(60);
    masters.launch(FIRST, &["sh", "-c", "sleep 3; exec \"$@\"", "sh"], &["-free=0"]);
    assert_eq!(masters.load(&made, "app:1").unwrap().masters, [FIRST]);
    soon("it is there", || masters.pulled(FIRST, APP).is_some());
    // Where no machine is there nobody waits.
    masters.stop(FIRST);
    for master in [FIRST, SECOND] {
        let address = format!("{}/32", masters.lab.node(master).address);
        assert!(Command::new("ip").args(["address", "delete", &address, "dev", "lo"]).status().unwrap().success());
    }
    let begin = Instant::now();
    let error = masters.load(&made, "app:1").unwrap_err();
    assert!(error.contains("no machine is there") && begin.elapsed() < masters.patience.start, "{error}");
}
