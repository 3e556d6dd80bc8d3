//! The user's audit policy: a file of the lab's folder, held against what kube-apiserver takes. An API server with a
//! policy that it does not take ends, so all that is wrong is said here, at its place in that file.
//!
//! The rules are those of `k8s.io/apiserver/pkg/apis/audit/v1` and its `validation`.

use std::path::Path;

use super::decode::decode;
use super::free::value;
use super::label::Domain;
use super::load::users_file;
use super::typed::Shape;
use super::yaml::{Kind, YamlNode, parse, shown};
use crate::problems::Problems;

const VERSION: &str = "audit.k8s.io/v1";
const KIND: &str = "Policy";

/// What a policy has.
const POLICY: Shape = Shape { list: include_str!("known/audit-policy"), of: "an audit policy" };

/// A policy that kube-apiserver takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPolicy(String);

impl AuditPolicy {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It can't be read, or is no policy; says everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let (name, bytes) = users_file(path)?;
        Self::new(&name, &bytes)
    }

    /// Checks the bytes of a file that the user knows as `file`.
    ///
    /// # Errors
    /// As [`AuditPolicy::read`].
    pub fn new(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let (text, mut problems) = decode(file, bytes);
        let root = text.filter(|_| !problems.has_errors()).and_then(|text| parse(&text, &mut problems));
        let Some(root) = root else {
            if !problems.has_errors() {
                problems.error(None, "is empty", Some(format!("a {KIND} of {VERSION} begins with `apiVersion`")));
            }
            return Err(problems);
        };
        POLICY.file(&root, &mut problems);
        whole(&root, &mut problems);
        let policy = if problems.has_errors() { None } else { value(&root, "policy", &mut problems) };
        problems.sort();
        // As JSON, which is YAML whose words mean the same to every reader.
        policy.filter(|_| !problems.has_errors()).map(|policy| Self(format!("{policy:#}\n"))).ok_or(problems)
    }

    /// The policy, as a file that kube-apiserver reads.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// What the fields are together.
fn whole(root: &YamlNode, problems: &mut Problems) {
    for (key, example) in [("apiVersion", VERSION), ("kind", KIND)] {
        if find(root, key).is_none() {
            problems.error(None, format!("`{key}` is missing"), Some(format!("write `{key}: {example}`")));
        }
    }
    match find(root, "rules").map(|rules| (&rules.kind, rules.place)) {
        None => problems.error(None, "`rules` is missing", Some("such as `rules: [{level: Metadata}]`".to_owned())),
        Some((Kind::List(rules), place)) if rules.is_empty() => {
            problems.error(Some(place), "`rules` has no rule", Some("such as `- level: Metadata`".to_owned()));
        }
        Some(_) => {}
    }
    for (at, one) in items(root, "rules").iter().enumerate() {
        rule(&format!("rules[{at}]"), one, problems);
    }
}

fn rule(path: &str, rule: &YamlNode, problems: &mut Problems) {
    if find(rule, "level").is_none() && matches!(rule.kind, Kind::Map(_)) {
        let hint = "such as `level: Metadata`".to_owned();
        problems.error(Some(rule.place), format!("`{path}` has no `level`"), Some(hint));
    }
    let urls = items(rule, "nonResourceURLs");
    if let Some(first) = urls.first()
        && ["resources", "namespaces"].iter().any(|key| !items(rule, key).is_empty())
    {
        let message = format!("`{path}` is about resources and about other URLs");
        problems.error(Some(first.place), message, Some("write a rule for each".to_owned()));
    }
    for url in urls {
        let Some(text) = scalar(url).filter(|text| *text != "*") else { continue };
        let why = if !text.starts_with('/') {
            "must begin with a `/`"
        } else if text.strip_suffix('*').unwrap_or(text).contains('*') {
            "may have a `*` only at its end"
        } else {
            continue;
        };
        problems.error(Some(url.place), format!("\"{}\" in `{path}.nonResourceURLs` {why}", shown(text)), None);
    }
    for (at, resources) in items(rule, "resources").iter().enumerate() {
        let path = format!("{path}.resources[{at}]");
        if let Some(group) = find(resources, "group")
            && let Some(Err(why)) = scalar(group).filter(|text| !text.is_empty()).map(Domain::new)
        {
            let hint = "a group without its version, such as `apps`; that of pods is \"\"".to_owned();
            problems.error(Some(group.place), format!("`{path}.group` {why}"), Some(hint));
        }
        if let Some(name) = items(resources, "resourceNames").first()
            && items(resources, "resources").is_empty()
        {
            let message = format!("`{path}` has names and no `resources` that are called so");
            problems.error(Some(name.place), message, None);
        }
    }
}

fn find<'n>(node: &'n YamlNode, name: &str) -> Option<&'n YamlNode> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

/// The items of the list `name`; none if it is no list.
fn items<'n>(node: &'n YamlNode, name: &str) -> &'n [YamlNode] {
    match find(node, name).map(|node| &node.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

fn scalar(node: &YamlNode) -> Option<&str> {
    if let Kind::Scalar { text, .. } = &node.kind { Some(text) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

    fn said(text: &str) -> String {
        AuditPolicy::new("audit.yaml", text.as_bytes()).map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn a_policy_comes_out_as_it_is_meant() {
        let text = "# What happened.\nmetadata: {name: lab, labels: {a: b}}\nomitStages: [RequestReceived]\nomitManagedFields: true\nrules:
- {level: None, users: [\"system:kube-proxy\"], verbs: [watch], resources: [{group: \"\", resources: [endpoints, services/status]}]}
- level: Request
  resources:
  - {group: apps}
  - {group: \"\", resources: [configmaps], resourceNames: [a]}
  namespaces: [kube-system]
- {level: None, userGroups: [\"system:authenticated\"], nonResourceURLs: [\"/api*\", /version, \"*\"], omitManagedFields: false}
- {level: Metadata, omitStages: [Panic, ResponseStarted]}
";
        let policy = AuditPolicy::new("audit.yaml", format!("{HEAD}{text}").as_bytes()).unwrap();
        let read: Value = serde_json::from_str(policy.text()).unwrap();
        assert_eq!((&read["apiVersion"], &read["kind"]), (&json!(VERSION), &json!(KIND)));
        assert_eq!(read["rules"].as_array().unwrap().len(), 4);
        let resources = json!([{"group": "", "resources": ["endpoints", "services/status"]}]);
        assert_eq!((&read["rules"][0]["level"], &read["rules"][0]["resources"]), (&json!("None"), &resources));
        assert!(!policy.text().contains('#'), "{}", policy.text());
    }

    #[test]
    fn what_an_api_server_would_not_take_is_said_at_its_place() {
        for (bad, expected) in [
            ("rules: [{level: Metdata}]", "3:17: error: `rules[0].level` can't be \"Metdata\""),
            ("rules: [{level: metadata}]", "did you mean `Metadata`?"),
            ("rules: [{users: [a]}]", "3:9: error: `rules[0]` has no `level`"),
            ("rules: []", "3:8: error: `rules` has no rule"),
            ("rules: {level: None}", "3:8: error: `rules` must be a list, not a section"),
            ("rules:", "`rules` must be a list"),
            ("rules: [None]", "`rules[0]` must be a section of its own, not the text \"None\""),
            ("omitStages: [Panic]", "audit.yaml: error: `rules` is missing"),
            ("rules: [{level: None}]\nrulez: []", "4:1: error: an audit policy has no field `rulez`"),
            ("rules: [{level: None, user: [a]}]", "did you mean `users`?"),
            ("rules: [{level: None, users: a}]", "`rules[0].users` must be a list, not the text \"a\""),
            ("rules: [{level: None, users: [1]}]", "`rules[0].users[0]` must be text, and 1 without quotes"),
            ("rules: [{level: None, verbs: [no]}]", "`no` without quotes is a truth value"),
            ("rules: [{level: None, omitStages: [All]}]", "there is: RequestReceived, ResponseStarted"),
            ("rules: [{level: None, omitManagedFields: \"true\"}]", "must be true or false"),
            ("rules: [{level: None, nonResourceURLs: [api]}]", "must begin with a `/`"),
            ("rules: [{level: None, nonResourceURLs: [/a*b]}]", "only at its end"),
            ("rules: [{level: None, nonResourceURLs: [/a**]}]", "only at its end"),
            ("rules: [{level: None, nonResourceURLs: [/ä, ä]}]", "\"ä\" in `rules[0].nonResourceURLs` must begin"),
            ("rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]", "write a rule for each"),
            ("rules: [{level: None, resources: [{group: apps/v1}]}]", "without its version"),
            ("rules: [{level: None, resources: [{resourceNames: [a]}]}]", "has names and no `resources`"),
            ("rules: [{level: None, resources: [pods]}]", "`rules[0].resources[0]` must be a section"),
            ("metadata: {nam: a}\nrules: [{level: None}]", "did you mean `name`?"),
            ("rules: [&a {level: None}, *a]", "error: an anchor"),
            ("rules: [{level: None}]\n---\nrules: []", "error: a second document"),
        ] {
            let said = said(&format!("{HEAD}{bad}\n"));
            assert!(said.starts_with("audit.yaml:") && said.contains(expected), "{bad}: {said}");
        }
        assert!(said("kind: Policy\nrules: [{level: None}]\n").contains("write `apiVersion: audit.k8s.io/v1`"));
        assert!(said("apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n").contains("there is: audit.k8s.io/v1"));
        assert!(said("").contains("audit.yaml: error: is empty"));
        assert!(said("- a\n").contains("an audit policy must be a section of its own, not a list"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let said = AuditPolicy::read(Path::new("./no/audit.yaml")).unwrap_err().to_string();
        assert!(said.starts_with("no/audit.yaml: error: is not there"), "{said}");
    }
}
