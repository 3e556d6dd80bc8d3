//! Members that join an etcd cluster: the nodes' scripts with etcd as hab builds it.

use crate::built::build;
use crate::namespace::script;
use crate::rendered::Lab;

#[test]
fn a_member_joins_the_cluster_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &["etcd"]);
    let roots = dir.path().join("roots");
    let lab = Lab::new("lab: demo\nnodes: {etcd: {count: 3}}\n");
    for node in lab.of("etcd") {
        node.unpack(&roots.join(&node.name));
    }
    let said = script("etcd.sh")
        .arg(&roots)
        .arg(dir.path().join("etcd/bin"))
        .arg(env!("CARGO_BIN_EXE_hab"))
        .arg(lab.path(""))
        .text()
        .unwrap();
    let wanted = [
        // Nobody is there, so all begin together.
        "first: ",
        "first: 3 started 0 learners",
        "refused",
        "lost: etcd-removed etcd-joins",
        "lost: etcd-promoted",
        "lost: 3 started 0 learners 1 2",
        // A member that has its data asks nobody.
        "kept: ",
        "cut off: etcd-removed etcd-joins",
        "cut off: 1",
        "cut off: etcd-promoted",
        "cut off: 3 started 0 learners",
        "one: 1 started 0 learners",
        "halted: 124",
        "grown: etcd-joins",
        "grown: etcd-promoted",
        "grown: etcd-joins",
        "grown: etcd-promoted",
        "grown: 3 started 0 learners 2",
        "backup: 600 true",
        "kept: 2 true",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}
