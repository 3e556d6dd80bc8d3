//! The machine fails, or is odd: nothing half-written, nothing lost.

use std::fs::File;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use super::isolated::unshare;
use super::support::Test;

#[test]
fn init_never_overwrites() {
    let mine = "lab: mine # precious\n";
    let test = Test::new().file("hab.yaml", mine).run(["init"]).code(1).complains("hab.yaml is there already").then();
    test.run(["init", "."]).code(1).leaves(&["hab.yaml"]).file_is("hab.yaml", mine);
    // A link that leads nowhere is something, too.
    Test::new().link("hab.yaml", "elsewhere").run(["init"]).code(1).leaves(&["hab.yaml"]);
    let kept = Test::new().file("lab/.gitignore", "mine\n").run(["init", "lab"]).code(0);
    kept.file_is("lab/.gitignore", "mine\n");
}

#[test]
fn init_into_a_file_is_an_error() {
    Test::new().file("lab", "x").run(["init", "lab"]).code(1).complains("lab").leaves(&["lab"]).file_is("lab", "x");
    Test::new().file("x", "").run(["init", "x/lab"]).code(1).leaves(&["x"]);
}

#[test]
fn init_writes_all_or_nothing() {
    // No file may have a byte: every write fails, as on a full disk.
    let full = Test::new().after("ulimit -f 0");
    full.run(["init", "lab"]).code(1).complains("writing lab/.gitignore").leaves(&[]);
    // One block of 512 bytes: .gitignore fits, hab.yaml does not.
    let half = Test::new().after("ulimit -f 1");
    half.run(["init", "lab"]).code(1).complains("writing lab/hab.yaml").leaves(&[]);
}

#[test]
fn a_full_disk_is_named() {
    // A small file system in a mount namespace of its own, and hab on it when it has so many bytes left.
    let line = unshare("--mount");
    let script = "mount -t tmpfs -o size=64k,nr_inodes=20 none \"$1\" && cd \"$1\" && head -c $((65536 - $3)) /dev/zero > fill &&
        { \"$2\" init lab >&2; code=$?; ls -A lab; exit $code; }";
    let with_bytes_left = |bytes: &str| {
        let test = Test::new();
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .args(["sh", "-c", script, "sh"])
            .arg(test.path())
            .args([env!("CARGO_BIN_EXE_hab"), bytes])
            .env("HOME", test.home())
            .env_remove("XDG_STATE_HOME");
        let output = command.output().unwrap();
        let [listed, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code(), listed, said)
    };
    let (code, listed, said) = with_bytes_left("32768");
    assert_eq!((code, listed.as_str()), (Some(0), ".gitignore\nhab.yaml\n"), "{said}");
    let (code, listed, said) = with_bytes_left("0");
    assert_eq!((code, listed.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("No space left"), "{said}");
}

#[test]
fn a_full_disk_behind_standard_output() {
    for args in [&["plan"][..], &["plan", "--json"], &["check"], &["man"], &["completions", "bash"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        Test::lab().stdout(full).run(args).code(1).complains("writing to standard output: No space left");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in ["plan", "--help"] {
        assert_ne!(Test::lab().run([args]).code(0).stdout(), "", "there is nothing to be read");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Test::lab().stdout(Stdio::from(writer)).run([args]).code(0).quietly();
    }
}

#[test]
fn the_umask_decides_nothing() {
    for umask in ["umask 000", "umask 077"] {
        let ran = Test::new().after(umask).run(["init", "lab"]).code(0);
        ran.mode_is("lab/hab.yaml", 0o644).mode_is("lab/.gitignore", 0o644);
    }
}

#[test]
fn folders_with_odd_names() {
    for name in ["with space", "quote's", "\"double\"", "com,ma", "-dash", "$(id)", "#{id}", "ünï", "a\nb"] {
        let test = Test::new().run(["init", "--", name]).code(0).then();
        assert!(test.path().join(name).join("hab.yaml").is_file());
        test.run(["-C", name, "check"]).code(0).then().run(["-C", name, "plan"]).code(0).quietly();
    }
    let name = std::ffi::OsStr::from_bytes(b"not-\xff-text");
    let args = ["init".as_ref(), name];
    let test = Test::new().run(args).code(0).then();
    std::fs::create_dir(test.path().join(name).join("out")).unwrap();
    std::fs::write(test.path().join(name).join("out/kubeconfig"), "").unwrap();
    let test = test.run(["-C".as_ref(), name, "kubeconfig".as_ref()]).code(0).quietly().then();
    let args = ["-C".as_ref(), name, "kubeconfig".as_ref(), "--json".as_ref()];
    test.run(args).code(1).complains("is not text");
}

#[test]
fn clean_removes_what_is_the_labs_and_follows_no_link() {
    let test = Test::lab().file("out/nodes.json", "").file("private/ca.key", "").file("kept/x", "");
    let test = test.link("out/link", "../kept").run(["clean"]).code(0).prints_only("removed out\n").then();
    let ran = test.run(["clean"]).code(0).prints("not there: out");
    let ran = ran.leaves(&["hab.yaml", "kept/", "kept/x", "private/", "private/ca.key"]);
    let ran = ran.then().link("out", "kept").run(["clean", "--private"]).code(0).prints("removed private");
    ran.leaves(&["hab.yaml", "kept/", "kept/x"]);
    Test::new().file("out/x", "").run(["clean"]).code(1).complains("is no lab").leaves(&["out/", "out/x"]);
    Test::lab().file("out", "").run(["clean"]).code(1).complains("not a folder").leaves(&["hab.yaml", "out"]);
}

#[test]
fn clean_leaves_vagrant_what_it_needs_to_destroy_machines() {
    let test = Test::lab().file("out/nodes.json", "").file(".vagrant/machines/etcd-01/libvirt/id", "1");
    let ran = test.run(["clean"]).code(1).complains("Vagrant still has the machine etcd-01").complains("destroy -f");
    ran.then().run(["clean", "--force"]).code(0).prints("removed out");
}

#[test]
fn clean_empties_the_cache_and_nothing_else() {
    let test = Test::new().file(".cache/hab/go/mod/x", "").file(".cache/other/x", "");
    let ran = test.run(["clean", "--cache"]).code(0).prints("emptied");
    ran.leaves(&[".cache/", ".cache/hab/", ".cache/hab/cache.lock", ".cache/other/", ".cache/other/x"]);
    Test::new()
        .file(".cache/hab", "")
        .run(["clean", "--cache"])
        .code(1)
        .complains("hab")
        .leaves(&[".cache/", ".cache/hab"]);
    Test::new().file(".cache", "").run(["clean", "--cache"]).code(1).complains("looking for").leaves(&[".cache"]);
}
