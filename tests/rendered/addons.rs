//! What a master applies: each document's first line says where hab-probe sends it.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};
use serde_json::Value;

use super::golden::{compare, compared, golden};
use super::manifests::documents;
use super::networks::unlike_default;
use super::rendered::{DEFAULT, Lab};

/// Where the API has objects of `T`, if the document is one.
fn list<T: Resource>(document: &Value, namespace: &str) -> Option<String> {
    let root = if T::GROUP.is_empty() { "/api" } else { "/apis" };
    (document["apiVersion"] == T::API_VERSION && document["kind"] == T::KIND)
        .then(|| format!("{root}/{}{namespace}/{}", T::API_VERSION, T::URL_PATH_SEGMENT))
}

fn of_the_cluster<T: Resource<Scope = ClusterResourceScope>>(document: &Value) -> Option<String> {
    list::<T>(document, "")
}

fn of_a_namespace<T: Resource<Scope = NamespaceResourceScope>>(document: &Value) -> Option<String> {
    list::<T>(document, &format!("/namespaces/{}", document["metadata"]["namespace"].as_str()?))
}

/// The path of an object, by what it says of itself.
fn path(document: &Value) -> String {
    let kinds = [
        of_the_cluster::<Namespace>,
        of_the_cluster::<Node>,
        of_the_cluster::<ClusterRole>,
        of_the_cluster::<ClusterRoleBinding>,
        of_the_cluster::<StorageClass>,
        of_the_cluster::<APIService>,
        of_a_namespace::<ConfigMap>,
        of_a_namespace::<DaemonSet>,
        of_a_namespace::<Deployment>,
        of_a_namespace::<Role>,
        of_a_namespace::<RoleBinding>,
        of_a_namespace::<Service>,
        of_a_namespace::<ServiceAccount>,
    ];
    let list = kinds.iter().find_map(|kind| kind(document));
    let list = list.unwrap_or_else(|| panic!("nobody knows the path of {document:#}"));
    format!("{list}/{}", document["metadata"]["name"].as_str().unwrap())
}

/// The paths of all that the first master applies; each master applies the same, and each document is under its own.
pub fn applied(lab: &Lab) -> Vec<String> {
    let of_master = |master: &super::rendered::Node| {
        let mut seen = Vec::new();
        for (file, text) in master.ending(".yaml").filter(|(path, _)| path.contains("/addons/")) {
            // hab-probe parts documents at such lines.
            for text in text.split("\n---\n") {
                let Some(document) = documents(text).pop() else { continue };
                let said = text.lines().next().unwrap();
                assert_eq!(said, format!("# {}", path(&document)), "{}: {file}", master.name);
                seen.push(said.to_owned());
            }
        }
        seen
    };
    let all: Vec<_> = lab.of("master").map(of_master).collect();
    assert!(all.iter().all(|other| other == &all[0]));
    all[0].clone()
}

#[test]
fn every_object_is_sent_to_its_own_path() {
    let one_worker = Lab::new("lab: \"no\"\nnodes: {worker: {count: 1, prefix: \"2026-01\"}}\n");
    for lab in Lab::both().into_iter().chain([one_worker]) {
        let seen = applied(&lab);
        assert_eq!(seen.len(), 9, "{seen:?}");
    }
}

#[test]
fn addons_come_in_their_order_and_as_hab_status_looks_for_them() {
    let lab = Lab::of_addons();
    assert_eq!(applied(&lab).len(), 9 + 2 + 9 + 9);
    let master = lab.node("kube-master-01");
    let env = master.text("/etc/kubernetes/hab/addons.env");
    let folders: Vec<_> = env.trim().trim_start_matches("ADDONS=").trim_matches('"').split(' ').collect();
    assert_eq!(
        folders,
        ["001-web", "metrics-server", "local-path"].map(|name| format!("/etc/kubernetes/addons/{name}"))
    );
    let unit = master.text("/etc/systemd/system/hab-lab-addons.service");
    assert!(
        unit.contains(
            " -inventory hab-addons -keep /etc/kubernetes/addons -fresh /run/hab-first-boot -report $ADDONS\n"
        ),
        "{unit}"
    );

    let noted: Value = serde_json::from_slice(&std::fs::read(lab.path("out/addons.json")).unwrap()).unwrap();
    let names: Vec<_> = noted.as_array().unwrap().iter().map(|addon| &addon["name"]).collect();
    assert_eq!(names, ["manifests/web", "metrics-server", "local-path"]);
    for (addon, folder) in noted.as_array().unwrap().iter().zip(folders) {
        // As hab-probe goes through the folder.
        let files = master.settings().filter(|(path, _)| path.starts_with(&format!("{folder}/")));
        let text: String = files.map(|(_, text)| text).collect();
        assert_eq!(addon["sha256"], hab::digest::sha256(&text), "{folder}");
        let paths: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# /api")).collect();
        let objects: Vec<_> = addon["objects"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
        assert_eq!(objects, paths.iter().map(|path| format!("/api{path}")).collect::<Vec<_>>(), "{folder}");
    }
    let web = ["10-namespace", "20-web"].iter().zip(1..);
    for (name, number) in web {
        assert!(master.has(&format!("/etc/kubernetes/addons/001-web/{number:03}-{name}.yaml")), "{name}");
    }
    // Where volumes are, and on no node of a lab that has none.
    let volumes = "/etc/kubernetes/hab/data/volumes";
    assert!(lab.nodes.iter().all(|node| node.has(volumes) == (node.role != "etcd")));
    let default = Lab::new("lab: demo\n");
    let of_addons = ["/etc/kubernetes/hab/addons.env", "/etc/systemd/system/hab-lab-addons.service", volumes];
    assert!(default.nodes.iter().all(|node| of_addons.iter().all(|path| !node.has(path))));
    assert!(!default.path("out/addons.json").exists());
}

#[test]
fn nodes_of_a_lab_with_addons_are_as_reviewed() {
    compare(&golden().join("addons.txt"), &unlike_default(&Lab::new(DEFAULT), &Lab::of_addons()));
    compared();
}

#[test]
#[should_panic(expected = "nobody knows the path of")]
fn an_unknown_kind_has_no_path() {
    path(&serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}}));
}
