//! What masters apply, leave alone and remove: their scripts and units, hab-probe, and `hab status`, with a real API server and
//! a real etcd.

use crate::built::build_some;
use crate::namespace::script;
use crate::rendered::Lab;

const FILES: [(&str, &str); 5] = [
    (
        "manifests/web/web.yaml",
        r#"apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web, labels: {tier: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "example.org/web:1", ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]}
      - {name: side, image: "example.org/side:1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: gone, namespace: web}
"#,
    ),
    (
        "manifests/web/own.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own, namespace: web}\ndata: {a: hab's}\n",
    ),
    (
        "manifests/web/scaler.yaml",
        r"apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: web}
spec: {maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
",
    ),
    (
        // By name before what defines it.
        "manifests/web/a-widget.yaml",
        r"apiVersion: example.org/v1
kind: Widget
metadata: {name: one, namespace: web}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {kind: Widget, listKind: WidgetList, plural: widgets, singular: widget}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
",
    ),
    ("manifests/late/late.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: late}\n"),
];

#[test]
fn addons_come_change_and_go_and_what_is_somebodys_stays() {
    let dir = tempfile::tempdir().unwrap();
    build_some(dir.path(), &["etcd", "kubernetes", "probe"], &["etcd", "kube-apiserver", "hab-probe"]);
    let lab = Lab::with("lab: demo\nnodes: {worker: {count: 1}}\naddons: [manifests/web, manifests/late]\n", &FILES);
    let bin = |name: &str| dir.path().join(name).join("bin");
    let said = script("addons.sh")
        .arg(dir.path().join("work"))
        .args([bin("etcd"), bin("kubernetes"), bin("probe")])
        .arg(env!("CARGO_BIN_EXE_hab"))
        .arg(lab.path(""))
        .text()
        .unwrap();
    let wanted = [
        "the API server is ready: 200",
        "first: addons, 17 objects noted",
        "user's folders are left to the other unit: 404",
        "rest: 0 200 200",
        "again: nothing is written",
        "status: manifests/web addon-not-ready waiting for deployment web: its controller has not seen it yet",
        "status: manifests/late ready ready",
        "status: manifests/web ready ready",
        "status: manifests/late ready ready",
        "scaled: 200",
        // The number of pods, an image and a label are somebody's; the other image and label are new.
        "changed: 0 5 example.org/web:2 example.org/side:mine back 1",
        "a Corefile of somebody's: mine",
        "taken out of a file: 404, and not noted any more: 0",
        "an older master: 0 example.org/web:2 404",
        "another version: the same object, noted as 1 of 1",
        "somebody's own: mine",
        "refused: manifests/late addon-refused the API server does not take /api/v1/namespaces/web/configmaps/bad: 500 Internal ",
        "mended: manifests/late ready ready",
        // Nobody here removes what is in a namespace, so that is on its way.
        "a folder less: 404 404 404 200 true",
        "none: 404, by objects older, 9 objects noted, status: 0 addons",
        "and what every lab has is there",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}
