//! Another program's configuration: which fields are hab's, and all others of the types that the program has.

use super::super::free::RawField;
use super::super::typed::Shape;
use super::super::yaml::shown;
use crate::problems::Problems;

/// A program's configuration: what its fields are, and which are hab's.
pub struct Fields {
    /// All that there are.
    pub shape: Shape,
    /// The fields that are hab's, and what to do instead or why.
    pub ours: &'static [(&'static str, &'static str)],
}

/// A `KubeProxyConfiguration`, as `k8s.io/kube-proxy/config/v1alpha1/types.go` has it.
pub const KUBE_PROXY: Fields = Fields {
    shape: Shape { list: include_str!("../known/kube-proxy"), of: "kube-proxy's configuration" },
    ours: &[
        ("apiVersion", "hab writes it"),
        ("bindAddress", "the node's address follows from the plan"),
        ("clientConnection", "it speaks to the worker's own HAProxy"),
        ("clusterCIDR", "say it as `network.pods`"),
        ("healthzBindAddress", "it is the loopback"),
        ("hostnameOverride", "the node's name follows from the plan"),
        ("iptables", "the nodes have nftables"),
        ("ipvs", "the nodes have nftables"),
        ("kind", "hab writes it"),
        ("metricsBindAddress", "it is the loopback"),
        ("mode", "the nodes have nftables"),
        ("windowsRunAsService", "the nodes have Linux"),
        ("winkernel", "the nodes have Linux"),
    ],
};

/// Checks one field of a program's configuration that stands at `path` in hab.yaml; says whether it is one to be set.
pub fn program_field(fields: &Fields, path: &str, field: &RawField, problems: &mut Problems) -> bool {
    let RawField { key, node, .. } = field;
    if let Some((_, why)) = fields.ours.iter().find(|(ours, _)| *ours == key.text) {
        let message = format!("`{path}.{}` is hab's", shown(&key.text));
        problems.error(Some(key.place), message, Some((*why).to_owned()));
        return false;
    }
    fields.shape.field(path, (key, node), problems);
    true
}

#[cfg(test)]
mod tests {
    use super::super::kubelet::FIELDS;
    use super::KUBE_PROXY;

    #[test]
    fn hab_owns_only_what_there_is() {
        for fields in [FIELDS, KUBE_PROXY] {
            let names: Vec<_> =
                fields.shape.list.lines().filter_map(|line| line.split(['.', '[', ' ']).next()).collect();
            for (ours, _) in fields.ours {
                assert!(names.contains(ours) || ["apiVersion", "kind"].contains(ours), "{ours}");
            }
        }
    }
}
