//! Snippets with chance mistakes in them.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

/// A snippet with everything that hab merges; the second one of the lab changes a unit of its own kind.
pub fn good() -> Value {
    json!({
        "ignition": {"version": "3.3.0"},
        "storage": {
            "directories": [{"path": "/srv/x", "mode": 448, "user": {"name": "etcd"}}],
            "files": [
                {"path": "/etc/motd", "mode": 420, "contents": {"source": "data:;base64,aGk="}},
                {"path": "/srv/x/packed", "overwrite": true, "group": {"id": 5}, "contents": {
                    "compression": "gzip",
                    "source": "data:;base64,H4sIAAAAAAAC/8vIBACsKpPYAgAAAA==",
                    "verification": {"hash": HI},
                }},
                {"path": "/etc/fstab", "append": [{"source": "data:text/plain;charset=utf-8,%23%20mine"}]},
            ],
            "links": [{"path": "/etc/l", "target": "/etc/motd"}],
        },
        "systemd": {"units": [
            {"name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n",
             "dropins": [{"name": "b.conf", "contents": "[Unit]\nDescription=b\n"}]},
            {"name": "shared.service", "dropins": [{"name": "c.conf", "contents": "[Unit]\nDescription=c\n"}]},
        ]},
    })
}

/// SHA-256 of `hi`.
pub const HI: &str = "sha256-8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";

/// One mistake: at the place with this number (of however many there are) something is put, taken away or said twice.
#[derive(Debug, Clone)]
enum Mistake {
    Put(Index, Value),
    Drop(Index),
    Twice(Index),
    Add(Index, String, Value),
}

fn values() -> impl Strategy<Value = Value> {
    let fixed = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(511),
        json!(1023),
        json!(4_294_967_295_u64),
        json!(9_223_372_036_854_775_808_u64),
        json!(1e308),
        json!([]),
        json!({}),
        json!([[]]),
        json!([{}]),
        json!({"a": 1}),
        json!({"name": "etcd"}),
        json!({"name": "alice"}),
        json!({"id": 1, "name": "root"}),
        json!({"source": "data:,x"}),
        json!({"hash": "sha256-00"}),
        json!([{"name": "X", "value": "y"}]),
    ];
    let words = [
        "",
        "x",
        "/",
        "/etc",
        "/etc/hosts",
        "/etc/motd",
        "/etc/motd/x",
        "/srv/x",
        "/srv/x/y",
        "../x",
        "/usr/x",
        "/proc/x",
        "/bin",
        "/bin/x",
        "/etc/l",
        "/etc/l/x",
        "/var/run/x",
        "data:,",
        "data:;base64,",
        "data:;base64,aGk",
        "data:,%zz",
        "data:text/plain;foo,x",
        "data:text/plain;base64,aGk=",
        "data:,a b",
        "DATA:,x",
        "data:,é",
        "data:,x#y",
        "data:,x?y",
        "http://10.0.0.1/x",
        "gzip",
        "sha256-",
        "sha512-",
        HI,
        "sha1-00",
        "\u{0}",
        "é",
        "etcd",
        "nobody",
        "alice",
        "a.service",
        "a@.service",
        "a@b.service",
        "hab.target",
        "etcd.service",
        "shared.service",
        "b.conf",
        "c.conf",
        "d.conf",
        "[",
        "[x",
        "[Unit] x",
        "x=y",
        "[Unit]\nx",
        "[Unit]\nx\n",
        "[Unit]\nx=\\",
        "#\\",
        "[Unit]\n=",
        "3.0.0",
        "3.2.0",
    ];
    let words = words.map(|word| json!(word));
    let long = ["x".repeat(5000), format!("/srv/{}", "x".repeat(256)), format!("[Unit]\nx={}\n", "y".repeat(2048))];
    let long = long.map(|text| json!(text));
    let text = |pattern: &str| proptest::string::string_regex(pattern).unwrap().prop_map(Value::String);
    prop_oneof![
        2 => select(fixed.to_vec()),
        4 => select(words.to_vec()),
        1 => select(long.to_vec()),
        2 => text("data:([a-z/;=,.%0-9#?+-]|text/|base64){0,12}"),
        1 => text(r"(\[[A-Za-z]{0,3}\]?|[a-z]{0,3}=|[ #;\\\r\n\t]|[a-z]){0,12}"),
        1 => text("/(etc|srv|x|[a-z./]){0,6}"),
        1 => text("[ -~]{0,12}"),
    ]
}

fn mistakes() -> impl Strategy<Value = Vec<Mistake>> {
    let at = any::<Index>;
    let keys = [
        "hash",
        "verification",
        "filesystem",
        "user",
        "group",
        "x",
        "hard",
        "overwrite",
        "mask",
        "enabled",
        "append",
        "httpHeaders",
        "mode",
        "compression",
        "target",
        "id",
        "name",
        "contents",
        "dropins",
        "source",
    ];
    let one = prop_oneof![
        5 => (at(), values()).prop_map(|(at, value)| Mistake::Put(at, value)),
        2 => at().prop_map(Mistake::Drop),
        1 => at().prop_map(Mistake::Twice),
        1 => (at(), select(keys.to_vec()), values()).prop_map(|(at, key, value)| Mistake::Add(at, key.to_owned(), value)),
    ];
    prop::collection::vec(one, 1..3)
}

/// All places in `value`, as JSON pointers; its root is not among them.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (format!("{at}/{key}"), value)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(i, value)| (format!("{at}/{i}"), value)).collect(),
        _ => Vec::new(),
    };
    for (at, value) in inside {
        found.push(at.clone());
        places(value, &at, found);
    }
}

fn make(mistake: &Mistake, config: &mut Value) {
    let mut found = Vec::new();
    places(config, "", &mut found);
    let (Mistake::Put(at, _) | Mistake::Drop(at) | Mistake::Twice(at) | Mistake::Add(at, ..)) = mistake;
    let Some(place) = (!found.is_empty()).then(|| at.get(&found)) else { return };
    let (above, last) = place.rsplit_once('/').unwrap();
    // A key with a `/` or `~` in it is no such pointer.
    let (Some(value), Some(above)) = (config.pointer(place).cloned(), config.pointer_mut(above)) else { return };
    match (mistake, above) {
        (Mistake::Put(_, new), above) => match above {
            Value::Object(map) => drop(map.insert(last.to_owned(), new.clone())),
            above => above[last.parse::<usize>().unwrap()] = new.clone(),
        },
        (Mistake::Drop(_), Value::Object(map)) => drop(map.remove(last)),
        (Mistake::Drop(_), Value::Array(list)) => drop(list.remove(last.parse().unwrap())),
        (Mistake::Twice(_), Value::Array(list)) => list.push(value),
        (Mistake::Add(_, key, new), Value::Object(map)) => drop(map.insert(key.clone(), new.clone())),
        _ => {}
    }
}

/// Snippets with mistakes, always the same ones, and none twice.
pub fn snippets() -> impl Iterator<Item = Value> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut before = HashSet::from([good().to_string()]);
    std::iter::repeat_with(move || {
        let mut snippet = good();
        for mistake in mistakes().new_tree(&mut runner).unwrap().current() {
            make(&mistake, &mut snippet);
        }
        snippet
    })
    .filter(move |snippet| before.insert(snippet.to_string()))
}
