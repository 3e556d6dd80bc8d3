//! Whether what the masters have the cluster run besides is there: by what they note of it in the cluster, and by its
//! objects that take a while.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::api::line;
use super::status::{AddonState, Reason};
use crate::node::addons::Addon;

/// Where masters note what they applied (hab-probe's `inventory.go`).
pub(super) const NOTES: &str = "api/v1/namespaces/kube-system/configmaps/hab-addons";

/// The parts of a path that tell the kinds of objects which are not done when they are there.
const SLOW: [&str; 7] = [
    "/deployments/",
    "/daemonsets/",
    "/statefulsets/",
    "/jobs/",
    "/pods/",
    "/apiservices/",
    "/customresourcedefinitions/",
];

/// What masters noted: of each addon's folder the digest of what was applied, and what was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Notes {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// What an API server knows of the addons.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    pub notes: Notes,
    /// The objects that take a while, by their paths; `None` for one that is not there.
    pub objects: BTreeMap<String, Option<Value>>,
}

impl Notes {
    /// Whether this addon was applied as it is.
    pub fn has(&self, addon: &Addon) -> bool {
        self.data.get(&format!("applied.{}", addon.folder)) == Some(&addon.sha256)
    }

    fn refused(&self, addon: &Addon) -> Option<&str> {
        self.data.get(&format!("refused.{}", addon.folder))?.lines().next()
    }
}

/// The objects of an addon that take a while.
pub(super) fn slow(addon: &Addon) -> impl Iterator<Item = &String> {
    addon.objects.iter().filter(|path| SLOW.iter().any(|kind| path.contains(kind)))
}

/// How an addon is. `older` says whether a master's machine is older than the lab; `seen` is `None` while no API server
/// answers.
pub(super) fn assess(addon: &Addon, seen: Option<&Seen>, older: bool) -> AddonState {
    let (reason, message) = match seen {
        None => (Reason::WaitingForApiServer, "waiting for an API server".to_owned()),
        Some(seen) => found(addon, seen, older),
    };
    AddonState { name: addon.name.clone(), ready: reason == Reason::Ready, reason, message }
}

fn found(addon: &Addon, seen: &Seen, older: bool) -> (Reason, String) {
    if let Some(refused) = seen.notes.refused(addon) {
        return (Reason::AddonRefused, line(&format!("the API server does not take {refused}")));
    }
    if !seen.notes.has(addon) {
        return if older {
            (Reason::Stale, "not applied by a master that is older than the lab: `hab roll` makes it anew".to_owned())
        } else {
            (Reason::AddonNotApplied, "waiting for a master to apply it".to_owned())
        };
    }
    let waits = slow(addon).find_map(|path| {
        let object = seen.objects.get(path)?;
        let why = object.as_ref().map_or_else(|| Some("it is not there".to_owned()), |object| undone(path, object))?;
        let (kind, name) = kind_and_name(path);
        Some(format!("waiting for {kind} {name}: {why}"))
    });
    waits.map_or_else(|| (Reason::Ready, "ready".to_owned()), |why| (Reason::AddonNotReady, line(&why)))
}

/// The last two parts of a path, the first without its plural.
fn kind_and_name(path: &str) -> (&str, &str) {
    let (rest, name) = path.rsplit_once('/').unwrap_or(("", path));
    let kind = rest.rsplit('/').next().unwrap_or_default();
    (kind.strip_suffix('s').unwrap_or(kind), name)
}

/// Why an object is not done yet, as `kubectl rollout status` and `kubectl wait` see it; `None` if it is.
fn undone(path: &str, object: &Value) -> Option<String> {
    let status = &object["status"];
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let seen = number(&status["observedGeneration"]) >= number(&object["metadata"]["generation"]);
    let pods = |updated: &Value, available: &Value, wanted: u64| match number(updated).min(number(available)) {
        _ if !seen => Some("its controller has not seen it yet".to_owned()),
        ready if ready < wanted => Some(format!("{ready} of {wanted} pods are available")),
        _ => None,
    };
    let condition = |kind: &str| {
        let all = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().find(|condition| condition["type"] == kind)
    };
    let must = |kind: &str| match condition(kind) {
        Some(found) if found["status"] == "True" => None,
        Some(found) => {
            let word = |key: &str| found[key].as_str().unwrap_or_default();
            Some(format!("{}: {}", word("reason"), word("message")))
        }
        None => Some(format!("it is not {kind} yet")),
    };
    match SLOW.into_iter().find(|kind| path.contains(kind))? {
        "/deployments/" | "/statefulsets/" => pods(&status["updatedReplicas"], &status["availableReplicas"], wanted),
        "/daemonsets/" => {
            let wanted = number(&status["desiredNumberScheduled"]);
            pods(&status["updatedNumberScheduled"], &status["numberAvailable"], wanted)
        }
        "/jobs/" => condition("Failed").filter(|found| found["status"] == "True").map_or_else(
            || must("Complete"),
            |found| Some(format!("it has failed: {}", found["message"].as_str().unwrap_or_default())),
        ),
        "/pods/" if status["phase"] == "Succeeded" => None,
        "/pods/" => must("Ready"),
        "/apiservices/" => must("Available"),
        _ => must("Established"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/web/deployments/web";

    fn addon() -> Addon {
        let objects = ["/api/v1/namespaces/web", "/api/v1/namespaces/web/configmaps/a", DEPLOYMENT];
        let objects = objects.map(str::to_owned).to_vec();
        Addon { name: "manifests/web".into(), folder: "001-web".into(), sha256: "aa".into(), objects }
    }

    fn seen(data: &Value, object: Option<Value>) -> Seen {
        let notes = serde_json::from_value(json!({"data": data})).unwrap();
        Seen { notes, objects: BTreeMap::from([(DEPLOYMENT.to_owned(), object)]) }
    }

    fn said(seen: &Seen, older: bool) -> (Reason, String) {
        let state = assess(&addon(), Some(seen), older);
        assert_eq!(state.ready, state.reason == Reason::Ready);
        (state.reason, state.message)
    }

    #[test]
    fn an_addon_is_ready_when_it_is_applied_as_it_is_and_done() {
        assert_eq!(slow(&addon()).collect::<Vec<_>>(), [DEPLOYMENT]);
        assert_eq!(assess(&addon(), None, false).reason, Reason::WaitingForApiServer);
        let done = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2},
            "status": {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2}});
        let applied = || json!({"applied.001-web": "aa", "objects": "x"});
        assert_eq!(said(&seen(&applied(), Some(done.clone())), true), (Reason::Ready, "ready".to_owned()));
        for notes in [json!({}), json!({"applied.001-web": "bb"}), json!({"applied.002-web": "aa"})] {
            assert_eq!(said(&seen(&notes, Some(done.clone())), false).0, Reason::AddonNotApplied, "{notes}");
            assert_eq!(said(&seen(&notes, Some(done.clone())), true).0, Reason::Stale);
        }
        let refused = json!({"applied.001-web": "aa", "refused.001-web": "/api/v1/x: 422: bad\n/api/v1/y: 403"});
        let wanted = "the API server does not take /api/v1/x: 422: bad".to_owned();
        assert_eq!(said(&seen(&refused, Some(done)), false), (Reason::AddonRefused, wanted));
        let one = json!({"metadata": {"generation": 2}, "spec": {"replicas": 2},
            "status": {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1}});
        let wanted = "waiting for deployment web: 1 of 2 pods are available".to_owned();
        assert_eq!(said(&seen(&applied(), Some(one)), false), (Reason::AddonNotReady, wanted));
        let wanted = "waiting for deployment web: it is not there".to_owned();
        assert_eq!(said(&seen(&applied(), None), false), (Reason::AddonNotReady, wanted));
    }

    #[test]
    fn each_kind_is_done_in_its_own_way() {
        let conditions = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status, "reason": "R", "message": "m"}]}});
        for (path, object, why) in [
            (
                "/apps/v1/x/deployments/a",
                json!({"metadata": {"generation": 3}, "status": {"observedGeneration": 2}}),
                Some("its controller has not seen it yet"),
            ),
            ("/apps/v1/x/deployments/a", json!({"spec": {"replicas": 0}}), None),
            ("/apps/v1/x/statefulsets/a", json!({"status": {"updatedReplicas": 1}}), Some("0 of 1 pods are available")),
            (
                "/apps/v1/x/daemonsets/a",
                json!({"status": {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2,
                "numberAvailable": 1}}),
                Some("1 of 2 pods are available"),
            ),
            ("/apps/v1/x/daemonsets/a", json!({"status": {"desiredNumberScheduled": 0}}), None),
            ("/batch/v1/x/jobs/a", json!({}), Some("it is not Complete yet")),
            ("/batch/v1/x/jobs/a", conditions("Complete", "True"), None),
            ("/batch/v1/x/jobs/a", conditions("Failed", "True"), Some("it has failed: m")),
            ("/api/v1/x/pods/a", json!({"status": {"phase": "Succeeded"}}), None),
            ("/api/v1/x/pods/a", conditions("Ready", "False"), Some("R: m")),
            ("/apis/x/apiservices/v1.a", conditions("Available", "False"), Some("R: m")),
            ("/apis/x/apiservices/v1.a", conditions("Available", "True"), None),
            (
                "/apis/x/customresourcedefinitions/a",
                conditions("NamesAccepted", "True"),
                Some("it is not Established yet"),
            ),
            ("/api/v1/configmaps/a", json!({}), None),
        ] {
            assert_eq!(undone(path, &object).as_deref(), why, "{path} {object}");
        }
    }
}
