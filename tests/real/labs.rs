//! Labs to test with.

use hab::plan::Plan;
use hab::spec::{Base, Cni, Domain, Kubernetes, Label, Machines, Network, PerRole, Provider, Snippets, Spec, Supply};

/// A lab on `network` with so many etcd nodes, masters and workers.
pub fn plan(network: &str, [etcd, master, worker]: [u32; 3]) -> Plan {
    let machines = |count, prefix| Machines { count, memory: 1024, cpus: 1, prefix: Label::new(prefix).unwrap() };
    Plan::new(&Spec {
        lab: Label::new("demo").unwrap(),
        base: Base::Debian,
        provider: Provider::Libvirt,
        supply: Supply::Source,
        kubernetes: Kubernetes {
            version: "v1.36.3".to_owned(),
            domain: Domain::new("cluster.local").unwrap(),
            cni: Cni::Routed,
        },
        network: Network {
            nodes: network.parse().unwrap(),
            pods: "10.2.0.0/16".parse().unwrap(),
            services: "10.3.0.0/24".parse().unwrap(),
        },
        nodes: PerRole {
            etcd: machines(etcd, "etcd"),
            master: machines(master, "kube-master"),
            // As long as a name may be: with `system:node:` before it, longer than X.520 wants a common name.
            worker: machines(worker, "kube-worker-with-a-name-that-is-as-long-as-names-can-get-here"),
        },
        ignition: Snippets::default(),
    })
    .unwrap()
}
