//! What a master applies: each document's first line says where hab-probe sends it.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};
use serde_json::Value;

use super::manifests::documents;
use super::rendered::Lab;

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
#[should_panic(expected = "nobody knows the path of")]
fn an_unknown_kind_has_no_path() {
    path(&serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}}));
}
