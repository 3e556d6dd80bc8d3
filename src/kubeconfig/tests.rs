//! What a user's kubeconfig can look like, and what must not happen to it.

use super::*;

const OWN: &str = "apiVersion: v1\nkind: Config\nclusters:\n  - name: \"demo\"\n    cluster:\n      server: \"https://a:6443\"\n\
                   users:\n  - name: \"demo-admin\"\n    user:\n      client-key-data: \"c2VjcmV0\"\n\
                   contexts:\n  - name: \"demo\"\n    context:\n      cluster: \"demo\"\n      user: \"demo-admin\"\n\
                   current-context: \"demo\"\n";

/// As kubectl writes it, with what people add.
const THEIRS: &str = "apiVersion: v1\n# mine\nclusters:\n- cluster:\n    certificate-authority: ca.crt\n    server: https://x\n\
                      \x20 name: x\n# the next list\ncontexts:\n- context:\n    cluster: x\n    user: x\n  name: x\n\
                      current-context: x\nkind: Config\npreferences: {}\nusers:\n- name: x\n  user:\n    token: yes\n";

#[test]
fn what_is_not_the_labs_stays_to_the_letter() {
    let with = merged(THEIRS, OWN, "demo").unwrap();
    for line in THEIRS.lines() {
        assert!(with.contains(&format!("{line}\n")), "{line}");
    }
    let parsed = parse(&with).unwrap();
    assert_eq!(parsed[CURRENT], "x");
    assert_eq!(parsed["contexts"][1]["name"], "demo");
    assert_eq!(parsed["users"][1]["user"]["client-key-data"], "c2VjcmV0");
    assert!(has(&with, "demo").unwrap() && !has(THEIRS, "demo").unwrap() && !has(&with, "other").unwrap());
    // A second time nothing changes, and it can be undone.
    assert_eq!(merged(&with, OWN, "demo").unwrap(), with);
    assert_eq!(without(&with, "demo").unwrap(), THEIRS);
    assert_eq!(without(THEIRS, "demo").unwrap(), THEIRS);
}

#[test]
fn a_lab_that_was_built_anew_replaces_its_own_entries() {
    let old = merged(THEIRS, OWN, "demo").unwrap();
    let new = merged(&old, &OWN.replace("https://a:6443", "https://b:6443"), "demo").unwrap();
    assert!(new.contains("https://b:6443") && !new.contains("https://a:6443"), "{new}");
    // Another lab's stay.
    let both = merged(&new, &OWN.replace("demo", "two"), "two").unwrap();
    assert_eq!(without(&both, "two").unwrap(), new);
}

#[test]
fn an_empty_one_gets_a_current_context_and_loses_it_again() {
    let empty = merged("", OWN, "demo").unwrap();
    assert_eq!(parse(&empty).unwrap()[CURRENT], "demo");
    assert_eq!(without(&empty, "demo").unwrap(), EMPTY);
    for text in ["kind: Config\napiVersion: v1", "clusters:\ncontexts: null\nusers: [] # none\n"] {
        let with = merged(text, OWN, "demo").unwrap();
        assert_eq!(entries(&parse(&with).unwrap(), "users").len(), 1, "{with}");
        assert_eq!(parse(&with).unwrap()[CURRENT], "demo");
    }
}

#[test]
fn lists_may_be_indented_and_values_may_have_many_lines() {
    let text = "clusters:\n\n    - name: x\n      cluster:\n        server: |-\n          - https://x\n    # the second\n    -\n      \
                name: y\n      cluster: {server: y}\n\nusers: []\n";
    let with = merged(text, OWN, "demo").unwrap();
    let parsed = parse(&with).unwrap();
    assert_eq!(
        entries(&parsed, "clusters").iter().map(|it| it["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["x", "y", "demo"]
    );
    assert_eq!(parsed["clusters"][0]["cluster"]["server"], "- https://x");
    let left = without(&with, "demo").unwrap();
    assert_eq!(parse(&left).unwrap()["clusters"], parse(text).unwrap()["clusters"]);
}

#[test]
fn what_is_somebody_elses_is_refused() {
    let same = THEIRS.replace("name: x", "name: demo");
    let error = merged(&same, OWN, "demo").unwrap_err().to_string();
    assert!(error.contains("`clusters` named \"demo\" that is not hab's"), "{error}");
    for text in
        ["clusters: [{name: x, cluster: {server: y}}]\n", "{\"clusters\": [{\"name\": \"x\"}]}\n", "- a\n", "a: ["]
    {
        merged(text, OWN, "demo").unwrap_err();
    }
}
