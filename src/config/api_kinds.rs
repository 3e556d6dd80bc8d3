//! The kinds of objects that Kubernetes' own API has, and where their paths are.

/// Kinds by their groups (the part of `apiVersion` before the `/`; the core's is empty), first those that are in a namespace.
/// All that one can apply in some version of a group that is served: the types with `+genclient` in `k8s.io/api` v0.36, but for
/// reviews and the like, which are only asked; and, as the last two, of the modules of their names.
const NAMESPACED: [(&str, &[&str]); 14] = [
    (
        "",
        &[
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("batch", &["CronJob", "Job"]),
    ("certificates.k8s.io", &["PodCertificateRequest"]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("events.k8s.io", &["Event"]),
    ("networking.k8s.io", &["Ingress", "NetworkPolicy"]),
    ("policy", &["PodDisruptionBudget"]),
    ("rbac.authorization.k8s.io", &["Role", "RoleBinding"]),
    ("resource.k8s.io", &["ResourceClaim", "ResourceClaimTemplate"]),
    ("scheduling.k8s.io", &["PodGroup", "Workload"]),
    ("storage.k8s.io", &["CSIStorageCapacity"]),
];
const OF_THE_CLUSTER: [(&str, &[&str]); 14] = [
    ("", &["Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        ],
    ),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("internal.apiserver.k8s.io", &["StorageVersion"]),
    ("networking.k8s.io", &["IPAddress", "IngressClass", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "DeviceTaintRule", "ResourcePoolStatusRequest", "ResourceSlice"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    ("storage.k8s.io", &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"]),
    ("storagemigration.k8s.io", &["StorageVersionMigration"]),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
];

/// The plural of a kind of this group, and whether its objects are in a namespace.
pub fn find(group: &str, kind: &str) -> Option<(String, bool)> {
    let has = |table: &[(&str, &[&str])]| table.iter().any(|(own, kinds)| *own == group && kinds.contains(&kind));
    if has(&NAMESPACED) {
        return Some((plural(kind), true));
    }
    has(&OF_THE_CLUSTER).then(|| (plural(kind), false))
}

fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if lower == "endpoints" {
        lower
    } else if let Some(stem) = lower.strip_suffix('y') {
        format!("{stem}ies")
    } else if lower.ends_with('s') {
        format!("{lower}es")
    } else {
        format!("{lower}s")
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v2 as autoscaling, batch::v1 as batch,
        certificates::v1 as certificates, coordination::v1 as coordination, core::v1 as core,
        discovery::v1 as discovery, events::v1 as events, flowcontrol::v1 as flowcontrol, networking::v1 as networking,
        node::v1 as node, policy::v1 as policy, rbac::v1 as rbac, resource::v1 as resource,
        scheduling::v1 as scheduling, storage::v1 as storage,
    };
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
    use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource};

    use super::*;

    /// What is in the tables of a kind, and what Kubernetes' own description of its API says.
    type Both = (Option<(String, bool)>, (String, bool));

    fn of<T: Resource>(namespaced: bool) -> Both {
        (find(T::GROUP, T::KIND), (T::URL_PATH_SEGMENT.to_owned(), namespaced))
    }

    fn of_a_namespace<T: Resource<Scope = NamespaceResourceScope>>() -> Both {
        of::<T>(true)
    }

    fn of_the_cluster<T: Resource<Scope = ClusterResourceScope>>() -> Both {
        of::<T>(false)
    }

    #[test]
    fn kinds_are_where_kubernetes_has_them() {
        for (found, expected) in [
            of_a_namespace::<core::ConfigMap>(),
            of_a_namespace::<core::Endpoints>(),
            of_a_namespace::<core::Event>(),
            of_a_namespace::<core::Pod>(),
            of_a_namespace::<apps::DaemonSet>(),
            of_a_namespace::<autoscaling::HorizontalPodAutoscaler>(),
            of_a_namespace::<batch::CronJob>(),
            of_a_namespace::<coordination::Lease>(),
            of_a_namespace::<discovery::EndpointSlice>(),
            of_a_namespace::<events::Event>(),
            of_a_namespace::<networking::Ingress>(),
            of_a_namespace::<networking::NetworkPolicy>(),
            of_a_namespace::<policy::PodDisruptionBudget>(),
            of_a_namespace::<rbac::RoleBinding>(),
            of_a_namespace::<resource::ResourceClaim>(),
            of_a_namespace::<storage::CSIStorageCapacity>(),
            of_the_cluster::<core::Namespace>(),
            of_the_cluster::<core::PersistentVolume>(),
            of_the_cluster::<admission::ValidatingAdmissionPolicy>(),
            of_the_cluster::<certificates::CertificateSigningRequest>(),
            of_the_cluster::<flowcontrol::FlowSchema>(),
            of_the_cluster::<networking::IPAddress>(),
            of_the_cluster::<networking::IngressClass>(),
            of_the_cluster::<node::RuntimeClass>(),
            of_the_cluster::<rbac::ClusterRole>(),
            of_the_cluster::<resource::ResourceSlice>(),
            of_the_cluster::<scheduling::PriorityClass>(),
            of_the_cluster::<storage::VolumeAttributesClass>(),
            of_the_cluster::<CustomResourceDefinition>(),
            of_the_cluster::<APIService>(),
        ] {
            assert_eq!(found.as_ref(), Some(&expected));
        }
        assert_eq!(find("", "Deployment"), None);
    }
}
