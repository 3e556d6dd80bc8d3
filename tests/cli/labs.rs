//! What hab knows of a user's labs beside the one it is asked about.

use super::support::Test;
use super::terminal::terminal;

#[test]
fn labs_side_by_side_get_names_and_networks_of_their_own() {
    let free = |test: &Test, lab: &str| {
        let text = std::fs::read_to_string(test.path().join(lab).join("hab.yaml")).unwrap();
        let of = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap().trim().to_owned();
        (of("lab:"), of("nodes: 1").split_whitespace().next().unwrap().to_owned())
    };
    let test = Test::new().run(["ls"]).code(0).prints_only("no labs yet: `hab init` makes one\n").then();
    let test = test.run(["init", "a/lab"]).code(0).then().run(["init", "b/lab"]).code(0).quietly().then();
    let (first, second) = (free(&test, "a/lab"), free(&test, "b/lab"));
    assert_eq!((first.0.as_str(), second.0.as_str()), ("\"lab\"", "\"lab-2\""));
    assert_ne!(first.1, second.1);
    let ran = test.run(["-C", "b/lab", "check"]).code(0).quietly().then().run(["ls", "--json"]).code(0).quietly();
    let labs: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(
        (&labs[0]["name"], &labs[1]["name"], &labs[1]["state"]),
        (&"lab".into(), &"lab-2".into(), &"not-built".into())
    );
    assert_eq!(labs[1]["network"], format!("1{}", second.1));
    assert_eq!(labs[0]["nodes"][0]["name"], "etcd-01");
    assert!(labs[0]["api"].as_str().unwrap().ends_with(".31:6443"), "{labs}");
    // A lab that is gone is not listed; one that is wrong is.
    let test = ran.then();
    std::fs::remove_dir_all(test.path().join("a")).unwrap();
    let ran = test.file("b/lab/hab.yaml", "lab: [\n").run(["ls"]).code(0).prints("hab.yaml is wrong");
    assert_eq!(ran.stdout().lines().count(), 2, "{}", ran.stdout());
}

#[test]
fn a_lab_that_is_rendered_is_known_from_then_on() {
    let ran = Test::lab().run(["check"]).code(0).then().run(["ls"]).code(0).prints("no labs yet");
    let ran = ran.then().run(["render"]).code(0).then().run(["ls"]).code(0).quietly();
    ran.prints("demo  ").prints("192.168.56.0/24  https://192.168.56.31:6443");
}

#[test]
fn a_home_that_can_not_be_written_to_keeps_nobody_from_working() {
    let test = Test::lab();
    std::fs::write(test.home().join(".local"), "").unwrap();
    test.run(["render"]).code(0).complains("`hab ls` will not show this lab");
    Test::new().after("unset HOME").run(["init", "lab"]).code(0).quietly();
    Test::new().after("unset HOME").run(["ls"]).code(1).complains("neither XDG_STATE_HOME nor HOME is set");
}

#[test]
fn the_users_kubeconfig_gets_a_labs_entries_and_loses_them() {
    let mine =
        "apiVersion: v1\nkind: Config\n# mine\nclusters:\n- {name: x, cluster: {server: y}}\ncurrent-context: x\n";
    let test = Test::lab().run(["kubeconfig", "--merge"]).code(1).complains("`hab render` writes it").then();
    let test = test.run(["kubeconfig", "--unmerge"]).code(0).prints("the lab demo is not in").then();
    let ran =
        test.run(["render"]).code(0).then().file("user/config", mine).after("export KUBECONFIG=:user/none:user/config");
    let ran =
        ran.run(["kubeconfig", "--merge"]).code(0).quietly().prints("the context demo is in ").prints("user/config\n");
    let ran = ran.mode_is("user/config", 0o600);
    let with = std::fs::read_to_string(ran.then().path().join("user/config")).unwrap();
    assert!(
        with.contains("# mine\n") && with.contains("client-key-data") && with.contains("current-context: x\n"),
        "{with}"
    );
}

#[test]
fn the_labs_own_kubeconfig_is_never_the_users() {
    let test = Test::lab().run(["render"]).code(0).then();
    let own = std::fs::read_to_string(test.path().join("out/kubeconfig")).unwrap();
    let user = test.home().join(".kube/config");
    let ran = test.after("export KUBECONFIG=$PWD/out/kubeconfig").run(["kubeconfig", "--merge"]).code(0);
    let ran = ran.file_is("out/kubeconfig", &own);
    let merged = std::fs::read_to_string(&user).unwrap();
    assert!(merged.contains("current-context: \"demo\""), "{merged}");
    // It is undone also when the lab's own is gone.
    let ran = ran.then().run(["clean"]).code(0).then().run(["kubeconfig", "--unmerge"]).code(0).prints("is out of");
    assert!(!std::fs::read_to_string(&user).unwrap().contains("demo"));
    ran.then().run(["kubeconfig", "--merge", "--unmerge"]).code(2);
}

#[test]
fn a_console_is_shown_as_it_was_recorded() {
    let test = Test::lab().run(["console", "etcd-01", "--past"]).code(1).complains("etcd-01 has never run").then();
    let test =
        test.file("hab.yaml", "{lab: demo, nodes: {etcd: {console: false}}}").run(["console", "etcd-01"]).code(1);
    let test = test.complains("hab.yaml says `console: false` for etcd-01").then().file("hab.yaml", "lab: demo\n");
    let test = test.run(["console", "etcd-09"]).code(1).complains("it has: etcd-01, kube-master-01").then();
    let said = b"SYSLINUX \x1b[31m6.04\r\n{\"hab\":\"node\"}\r\n";
    let test = test.file("out/console/etcd-01.log", said);
    let said = std::str::from_utf8(said).unwrap();
    let test = test.run(["console", "etcd-01", "--past"]).code(0).prints_only(said).quietly().then();
    // It follows until it is told to end.
    let wrapper = ["timeout", "--signal=INT", "5"].map(str::to_owned).to_vec();
    test.through(wrapper).run(["console", "etcd-01"]).prints_only(said).complains("ended by SIGINT");
}

#[test]
fn a_console_on_a_terminal_is_left_by_its_key_and_steers_nothing() {
    use std::io::{Read as _, Write as _};
    let test = Test::lab().file("out/console/etcd-01.log", "one \x1b[31mtwo\n");
    let (mut ours, path) = terminal();
    let theirs = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hab"));
    command.args(["console", "etcd-01"]).current_dir(test.path()).env("HOME", test.home());
    command.stdin(theirs.try_clone().unwrap()).stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut seen = String::new();
    let mut until = |seen: &mut String, text: &str| {
        let mut byte = [0];
        while !seen.contains(text) {
            ours.read_exact(&mut byte).unwrap();
            seen.push(char::from(byte[0]));
        }
    };
    until(&mut seen, "two\r\n");
    assert!(!seen.contains('\x1b'), "{seen:?}");
    let log = test.path().join("out/console/etcd-01.log");
    std::fs::OpenOptions::new().append(true).open(log).unwrap().write_all(b"three\n").unwrap();
    until(&mut seen, "three\r\n");
    // A line's keys would wait for its end; this one does not.
    ours.write_all(b"x\x1d").unwrap();
    assert!(child.wait().unwrap().success());
}
