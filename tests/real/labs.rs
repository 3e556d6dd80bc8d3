//! Labs to test with.

use hab::plan::Plan;

/// A lab on `network` with so many etcd nodes, masters and workers.
pub fn plan(network: &str, [etcd, master, worker]: [u32; 3]) -> Plan {
    // As long as hab takes it: with `system:node:` before it, a common name is as long as X.520 allows.
    let long = "kube-worker-with-a-name-as-long-as-hab-takes-them";
    let worker = format!("{{count: {worker}, prefix: {long}}}");
    let nodes = format!("{{etcd: {{count: {etcd}}}, master: {{count: {master}}}, worker: {worker}}}");
    let text = format!("{{lab: demo, nodes: {nodes}}}");
    let mut spec = hab::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap().clone();
    // Loopback networks are for tests alone: hab.yaml may not name one.
    spec.network.nodes = network.parse().unwrap();
    Plan::new(&spec).unwrap()
}
