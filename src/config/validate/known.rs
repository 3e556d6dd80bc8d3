//! Names and types that another program has, from the lists in `src/config/known/`.

use serde_json::Value;

use super::super::fields::nearest;
use super::super::free::Entry;
use super::super::raw::Marked;
use super::super::yaml::shown;
use crate::problems::Problems;

/// A program's configuration: what its fields are, and which are hab's.
pub struct Fields {
    /// Lines `name type`.
    pub list: &'static str,
    /// What it is.
    pub of: &'static str,
    /// The fields that are hab's, and what to do instead or why.
    pub ours: &'static [(&'static str, &'static str)],
}

/// A `KubeProxyConfiguration`, as `k8s.io/kube-proxy/config/v1alpha1/types.go` has it.
pub const KUBE_PROXY: Fields = Fields {
    list: include_str!("../known/kube-proxy"),
    of: "kube-proxy's configuration",
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
pub fn program_field(fields: &Fields, path: &str, (key, value): &Entry<Value>, problems: &mut Problems) -> bool {
    if let Some((_, why)) = fields.ours.iter().find(|(ours, _)| *ours == key.value) {
        problems.error(key.place, format!("`{path}.{}` is hab's", key.value), Some((*why).to_owned()));
        return false;
    }
    field(fields.list, (path, fields.of), key, value, problems);
    true
}

/// Checks one field against a list of lines `name type`. `place` is the path in hab.yaml, and of what the fields are.
fn field(
    list: &'static str,
    (path, of): (&str, &str),
    key: &Marked<String>,
    value: &Marked<Value>,
    problems: &mut Problems,
) {
    let known = || list.lines().filter_map(|line| line.split_once(' '));
    let Some((_, kind)) = known().find(|(name, _)| *name == key.value) else {
        let names: Vec<&str> = known().map(|(name, _)| name).collect();
        let hint = nearest(&key.value, &names).map(|name| format!("did you mean `{name}`?"));
        problems.error(key.place, format!("{of} has no field `{}`", shown(&key.value)), hint);
        return;
    };
    let (good, wanted) = match kind {
        "bool" => (value.value.is_boolean(), "true or false"),
        "int" => (value.value.is_i64(), "a whole number"),
        "number" => (value.value.is_number(), "a number"),
        "duration" => (value.value.as_str().is_some_and(is_duration), "a time such as \"30s\" or \"1m30s\""),
        "list" => (value.value.is_array(), "a list"),
        "map" => (value.value.is_object(), "a section of its own"),
        _ => (value.value.is_string(), "text"),
    };
    if !good {
        let message = format!("`{path}.{}` must be {wanted}", key.value);
        let hint = (kind == "text").then(|| "write it in quotes".to_owned());
        problems.error(value.place, message, hint);
    }
}

/// Whether Go takes `text` for a duration (`time.ParseDuration`).
pub fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit =
            ["ns", "us", "ms", "s", "m", "h"].iter().filter(|unit| after.starts_with(**unit)).max_by_key(|u| u.len());
        match unit {
            Some(unit) if number.parse::<f64>().is_ok() => rest = &after[unit.len()..],
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for good in ["0", "1s", "1m30s", "1.5h", "-1s", "100ms", "10us"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "1", "s", "1d", "1m30", "1 s", "-", "..s"] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
