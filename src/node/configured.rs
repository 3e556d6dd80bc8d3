//! The user's own settings of the cluster's programs, put over those of hab's templates.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::files::NodeFiles;
use crate::config::settings::Etcd;
use crate::config::{Components, Flags, merge};
use crate::plan::Node;

/// Files on a node that hold settings of programs.
const KUBELET: &str = "/etc/kubernetes/kubelet.yaml";
const KUBE_PROXY: &str = "/etc/kubernetes/kube-proxy.yaml";
const ETCD: &str = "/etc/kubernetes/etcd.env";
const STAGED: &str = "/etc/kubernetes/staged";

/// How a flag of hab's stands in a static pod.
const FLAG: &str = "    - --";

/// Puts what is said of a node over its own files.
///
/// # Errors
/// A template is not YAML, which the tests would have shown.
pub fn node(mut tree: NodeFiles, node: &Node) -> Result<NodeFiles> {
    if !node.kubelet.config.is_empty() {
        tree.change(KUBELET, |text| fields(text, &node.kubelet.config))?;
    }
    Ok(tree)
}

/// Puts what is said of the cluster's programs over those of their files that are in `tree`: some are the same on every
/// node, some are a node's own.
///
/// # Errors
/// As [`node`].
pub fn programs(mut tree: NodeFiles, components: &Components) -> Result<NodeFiles> {
    if !components.kube_proxy.is_empty() {
        tree.change(KUBE_PROXY, |text| fields(text, &components.kube_proxy))?;
    }
    for (name, component) in [
        ("kube-apiserver", &components.api_server.program),
        ("kube-controller-manager", &components.controller_manager),
        ("kube-scheduler", &components.scheduler),
    ] {
        if !component.extra_args.is_empty() {
            tree.change(&format!("{STAGED}/{name}.yaml"), |text| Ok(flags(text, &component.extra_args)))?;
        }
    }
    tree.change(ETCD, |text| Ok(variables(text, &components.etcd)))?;
    Ok(tree)
}

/// A configuration with other fields. It is written as JSON, which is YAML whose words mean the same to every reader.
fn fields(text: &str, over: &Map<String, Value>) -> Result<String> {
    let mut config: Map<String, Value> = serde_yaml::from_str(text).context("reading the filled-in template")?;
    merge(&mut config, over);
    Ok(format!("{:#}\n", Value::Object(config)))
}

/// A static pod with other flags: those that hab sets itself make room, and the user's stand behind the last of hab's.
fn flags(text: &str, over: &Flags) -> String {
    let name = |line: &str| line.strip_prefix(FLAG).map(|flag| flag.split('=').next().unwrap_or_default().to_owned());
    let last = text.lines().filter(|line| line.starts_with(FLAG)).count();
    let (mut out, mut seen) = (String::new(), 0);
    for line in text.lines() {
        let flag = name(line);
        if !flag.as_ref().is_some_and(|flag| over.contains_key(flag)) {
            out.extend([line, "\n"]);
        }
        seen += usize::from(flag.is_some());
        if flag.is_some() && seen == last {
            for (name, value) in over {
                // Kubernetes puts variables in for `$(NAME)`; a doubled `$` stands for itself.
                let flag = Value::String(format!("--{name}={}", value.replace('$', "$$")));
                out.extend(["    - ", &flag.to_string(), "\n"]);
            }
        }
    }
    out
}

/// etcd's variables with its quota and other flags: `--snapshot-count` is `ETCD_SNAPSHOT_COUNT` (etcd's
/// `pkg/flags/flag.go`, `FlagToEnv`).
fn variables(text: &str, etcd: &Etcd) -> String {
    let mut over = etcd.extra_args.clone();
    over.extend(etcd.quota_backend_bytes.map(|bytes| ("quota-backend-bytes".to_owned(), bytes.to_string())));
    let variable = |flag: &str| format!("ETCD_{}", flag.to_uppercase().replace('-', "_"));
    let names: Vec<String> = over.keys().map(|flag| variable(flag)).collect();
    let is_over = |line: &str| line.split_once('=').is_some_and(|(name, _)| names.iter().any(|other| other == name));
    let mut out = String::new();
    text.lines().filter(|line| !is_over(line)).for_each(|line| out.extend([line, "\n"]));
    for (flag, value) in &over {
        out.extend([&variable(flag), "=\"", &escaped(value), "\"\n"]);
    }
    out
}

/// Text between double quotes in an `EnvironmentFile=` (systemd.exec(5)).
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(all: &[(&str, &str)]) -> Flags {
        all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn maps_are_put_together_and_all_else_is_replaced() {
        let over = json!({"a": {"x": 3}, "l": [9], "n": "no"});
        let text = fields("a: {x: 1, y: 2}\nl: [1, 2]\nk: v # why\n", over.as_object().unwrap()).unwrap();
        let expected = json!({"a": {"x": 3, "y": 2}, "l": [9], "k": "v", "n": "no"});
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }

    #[test]
    fn a_flag_of_the_users_takes_the_place_of_habs() {
        let text = "    command:\n    - /bin/x\n    - --a=1\n    # why\n    - --b=2\n    resources: {}\n";
        let out = flags(text, &args(&[("b", "$(X) \"q\""), ("c", "")]));
        let rest = "    - \"--b=$$(X) \\\"q\\\"\"\n    - \"--c=\"\n    resources: {}\n";
        assert_eq!(out, format!("    command:\n    - /bin/x\n    - --a=1\n    # why\n{rest}"));
    }

    #[test]
    fn etcds_flags_are_variables_and_no_code() {
        let etcd = Etcd {
            quota_backend_bytes: Some(1 << 32),
            extra_args: args(&[("log-level", "debug"), ("metrics", "`a`$b\"\\")]),
            ..Etcd::default()
        };
        let out = variables("ETCD_NAME=a\nETCD_LOG_LEVEL=warn\n# x\n", &etcd);
        let rest = "ETCD_METRICS=\"\\`a\\`\\$b\\\"\\\\\"\nETCD_QUOTA_BACKEND_BYTES=\"4294967296\"\n";
        assert_eq!(out, format!("ETCD_NAME=a\n# x\nETCD_LOG_LEVEL=\"debug\"\n{rest}"));
        assert_eq!(variables("ETCD_NAME=a\n", &Etcd::default()), "ETCD_NAME=a\n");
    }
}
