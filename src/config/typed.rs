//! Another program's configuration, held field by field against the list of what that program has.
//!
//! The lists are in `src/config/known/`, a line `PATH TYPE` for each field. In a path a `.` leads into a section, and `[].`
//! into each section of a list: `logging.vmodule[].filePattern text`. A type is one of [`TYPES`], `text`, `one of` some
//! words, `list of` a type, `map of` a type (a section whose names are the user's), or two types with `or` between.

use serde_json::Value;

use super::fields::{describe, nearest, one_of};
use super::free::{plain, text, value};
use super::quantity::Quantity;
use super::yaml::{Key, Kind, YamlNode, shown};
use crate::problems::Problems;

/// The types that are not text, and what a message calls them. A field with bits is Go's type of that name: another
/// number is as wrong for it as text.
const TYPES: [(&str, &str); 8] = [
    ("bool", "true or false"),
    ("duration", "a time such as \"30s\" or \"1m30s\""),
    ("int32", "a whole number of 32 bits"),
    ("int64", "a whole number of 64 bits"),
    ("number", "a number"),
    ("quantity", "an amount such as 2, 70Mi or 1Gi"),
    ("timestamp", "a time such as \"2006-01-02T15:04:05Z\""),
    ("uint32", "a whole number from 0 to 4294967295"),
];

/// Up to how many names a hint says all of them.
const FEW: usize = 12;

/// What a program's configuration has.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Lines `PATH TYPE`.
    pub list: &'static str,
    /// What it is.
    pub of: &'static str,
}

impl Shape {
    /// Checks a file that is such a configuration.
    pub fn file(self, root: &YamlNode, problems: &mut Problems) {
        self.at("").section(root, problems);
    }

    /// Checks one of the outermost fields; the configuration stands at `path` in its file.
    pub fn field(self, path: &str, (key, node): (&Key, &YamlNode), problems: &mut Problems) {
        self.at(path).field(key, node, problems);
    }

    const fn at(self, root: &str) -> At<'_> {
        At { shape: self, root, path: String::new(), listed: String::new() }
    }
}

/// A place in a configuration.
struct At<'r> {
    shape: Shape,
    /// Where the configuration stands in the file; empty if it is the file.
    root: &'r str,
    /// The way from there, as the user has it: `rules[0]`.
    path: String,
    /// What the lines of the list begin with for the fields of this section: `rules[].`.
    listed: String,
}

impl At<'_> {
    /// The place below this one.
    fn below(&self, step: &str, listed: &str) -> Self {
        let dot = if self.path.is_empty() || step.starts_with('[') { "" } else { "." };
        Self {
            path: format!("{}{dot}{step}", self.path),
            listed: format!("{}{listed}", self.listed),
            ..self.shape.at(self.root)
        }
    }

    /// The path in the file.
    fn name(&self) -> String {
        let dot = if self.root.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.root, self.path)
    }

    /// The fields that this section has: their names, and what follows in the line.
    fn fields(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let lines = self.shape.list.lines().filter_map(|line| line.strip_prefix(self.listed.as_str()));
        lines.filter_map(|line| line.find(['.', '[', ' ']).map(|end| line.split_at(end)))
    }

    fn section(&self, node: &YamlNode, problems: &mut Problems) {
        let Kind::Map(entries) = &node.kind else { return self.wrong("a section of its own", node, problems) };
        for (key, node) in entries {
            self.field(key, node, problems);
        }
    }

    fn field(&self, key: &Key, node: &YamlNode, problems: &mut Problems) {
        let Some((name, rest)) = self.fields().find(|(name, _)| *name == key.text) else {
            let mut names: Vec<&str> = self.fields().map(|(name, _)| name).collect();
            names.dedup();
            let hint = if names.len() > FEW {
                nearest(&key.text, &names).map(|name| format!("did you mean `{name}`?"))
            } else {
                Some(one_of(&key.text, &names))
            };
            let message = format!("{} has no field `{}`", self.shape.of, self.below(&shown(&key.text), "").path);
            return problems.error(Some(key.place), message, hint);
        };
        if let Some(kind) = rest.strip_prefix(' ') {
            return self.below(name, "").value(kind, node, problems);
        }
        if rest.starts_with('.') {
            return self.below(name, &format!("{name}.")).section(node, problems);
        }
        let Kind::List(items) = &node.kind else { return self.below(name, "").wrong("a list", node, problems) };
        for (at, item) in items.iter().enumerate() {
            self.below(&format!("{name}[{at}]"), &format!("{name}[].")).section(item, problems);
        }
    }

    /// Checks what has a type of its own.
    fn value(&self, kind: &str, node: &YamlNode, problems: &mut Problems) {
        if let Some(kind) = kind.strip_prefix("list of ") {
            let Kind::List(items) = &node.kind else { return self.wrong("a list", node, problems) };
            for (at, item) in items.iter().enumerate() {
                self.below(&format!("[{at}]"), "").value(kind, item, problems);
            }
        } else if let Some(kind) = kind.strip_prefix("map of ") {
            let Kind::Map(entries) = &node.kind else { return self.wrong("a section of its own", node, problems) };
            for (key, node) in entries {
                self.below(&shown(&key.text), "").value(kind, node, problems);
            }
        } else if let Some(words) = kind.strip_prefix("one of ") {
            let words: Vec<&str> = words.split(' ').collect();
            let said = text(node, &self.name(), problems).filter(|text| !words.contains(&text.as_str()));
            if let Some(text) = said {
                let message = format!("`{}` can't be \"{}\"", self.name(), shown(&text));
                problems.error(Some(node.place), message, Some(one_of(&text, &words)));
            }
        } else if kind == "text" {
            text(node, &self.name(), problems);
        } else if let Some(said) = value(node, &self.name(), problems)
            && !fits(kind, &said)
        {
            let wanted: Vec<&str> = kind
                .split(" or ")
                .filter_map(|kind| TYPES.iter().find(|(name, _)| *name == kind))
                .map(|t| t.1)
                .collect();
            self.wrong_value(&wanted.join(", or "), (node, &said), kind, problems);
        }
    }

    /// Says that another type is wanted here.
    fn wrong(&self, wanted: &str, node: &YamlNode, problems: &mut Problems) {
        let name = if self.path.is_empty() { self.shape.of.to_owned() } else { format!("`{}`", self.name()) };
        let message = format!("{name} must be {wanted}, not {}", describe(&node.kind));
        problems.error(Some(node.place), message, None);
    }

    /// As [`At::wrong`], for what was read as a value.
    fn wrong_value(&self, wanted: &str, (node, said): (&YamlNode, &Value), kind: &str, problems: &mut Problems) {
        let found = match said {
            Value::Bool(_) | Value::Number(_) => said.to_string(),
            _ => describe(&node.kind),
        };
        let quoted = said.as_str().and_then(plain).is_some_and(|value| fits(kind, &value));
        let hint = quoted.then(|| "write it without quotes".to_owned());
        problems.error(Some(node.place), format!("`{}` must be {wanted}, not {found}", self.name()), hint);
    }
}

/// Whether Go reads `value` as one of these types.
fn fits(kind: &str, value: &Value) -> bool {
    kind.split(" or ").any(|kind| match kind {
        "bool" => value.is_boolean(),
        "duration" => value.as_str().is_some_and(is_duration),
        "int32" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        "int64" => value.is_i64(),
        "number" => value.is_number(),
        // A number is one without quotes, too: `Quantity.UnmarshalJSON` in `k8s.io/apimachinery/pkg/api/resource`.
        "quantity" => match value {
            Value::String(text) => Quantity::new(text).is_ok(),
            Value::Number(number) => Quantity::new(&number.to_string()).is_ok(),
            _ => false,
        },
        // Only fields that are hab's have it, so no user's comes here.
        "timestamp" => value.is_string(),
        "uint32" => value.as_i64().is_some_and(|number| u32::try_from(number).is_ok()),
        _ => false,
    })
}

/// Whether Go takes `text` for a duration (`time.ParseDuration`): numbers with units, together less than its int64 of
/// nanoseconds has room for.
fn is_duration(text: &str) -> bool {
    /// Nanoseconds of each unit.
    const UNITS: [(&str, f64); 6] = [("ns", 1.), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 6e10), ("h", 3.6e12)];
    /// 2^63, the first that is too much.
    const TOO_LONG: f64 = 9_223_372_036_854_775_808.;
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    let mut nanoseconds = 0.;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit = UNITS.iter().filter(|(unit, _)| after.starts_with(unit)).max_by_key(|(unit, _)| unit.len());
        match (unit, number.parse::<f64>()) {
            (Some((unit, of)), Ok(number)) => {
                nanoseconds += number * of;
                rest = &after[unit.len()..];
            }
            _ => return false,
        }
    }
    nanoseconds < TOO_LONG
}

#[cfg(test)]
mod tests {
    use super::super::yaml::parse;
    use super::*;

    const LISTS: [&str; 3] =
        [include_str!("known/audit-policy"), include_str!("known/kube-proxy"), include_str!("known/kubelet")];

    #[test]
    fn the_lists_are_in_order_and_of_types_that_are_checked() {
        for list in LISTS {
            let lines: Vec<(&str, &str)> = list.lines().map(|line| line.split_once(' ').unwrap()).collect();
            let paths: Vec<String> = lines.iter().map(|(path, _)| path.to_lowercase()).collect();
            assert!(paths.is_sorted() && !paths.is_empty());
            for (path, kind) in lines {
                let one = kind.trim_start_matches("map of ").trim_start_matches("list of ");
                let known = |kind: &str| kind == "text" || TYPES.iter().any(|(name, _)| *name == kind);
                assert!(one.starts_with("one of ") || one.split(" or ").all(known), "{path} {kind}");
            }
        }
    }

    fn said(text: &str) -> String {
        const LIST: &str = "a bool\nb.c int32\nb.d[].e duration or int64\nb.d[].f.g one of x y\nh map of list of text
i list of uint32\nj quantity\nk number\nl int64\nm text\n";
        let mut problems = Problems::new("f", text);
        let root = parse(text, &mut problems).unwrap();
        Shape { list: LIST, of: "it" }.file(&root, &mut problems);
        problems.to_string()
    }

    #[test]
    fn what_is_of_its_type_is_taken() {
        for good in [
            "{a: true, b: {c: -2147483648, d: [{e: 1m30s}, {e: 5, f: {g: x}}, {}]}, h: {x.y: [z, \"5\"], z: []}}",
            "{i: [0, 4294967295], j: 70Mi, k: 0.5, l: 9223372036854775807, m: \"true\"}",
            "{j: 2, k: 5, b: {}, i: []}",
        ] {
            assert_eq!(said(good), "", "{good}");
        }
    }

    #[test]
    fn what_is_not_is_said_at_its_place_with_its_path() {
        for (bad, expected) in [
            ("[a]", "1:1: error: it must be a section of its own, not a list"),
            ("{a: \"true\"}", "1:5: error: `a` must be true or false, not the text \"true\"\n"),
            ("{a: \"true\"}", "hint: write it without quotes"),
            ("{a: 5}", "`a` must be true or false, not 5"),
            ("{b: x}", "`b` must be a section of its own, not the text \"x\""),
            ("{b: {c: 2147483648}}", "1:9: error: `b.c` must be a whole number of 32 bits, not 2147483648"),
            ("{b: {c: 0.5}}", "not 0.5"),
            ("{b: {long: 1}}", "1:6: error: it has no field `b.long`\n"),
            ("{b: {long: 1}}", "hint: there is: c, d"),
            ("{b.c: 1}", "it has no field `b.c`"),
            ("{\"b.d[]\": 1}", "it has no field `b.d[]`"),
            ("{b: {d: {e: 5}}}", "`b.d` must be a list, not a section"),
            (
                "{b: {d: [{}, {e: 5x}]}}",
                "1:18: error: `b.d[1].e` must be a time such as \"30s\" or \"1m30s\", or a whole",
            ),
            ("{b: {d: [{f: {g: z}}]}}", "`b.d[0].f.g` can't be \"z\""),
            ("{b: {d: [{f: {h: z}}]}}", "it has no field `b.d[0].f.h`"),
            ("{h: {x: y}}", "`h.x` must be a list, not the text \"y\""),
            ("{h: {x: [y, 5]}}", "1:13: error: `h.x[1]` must be text, and 5 without quotes"),
            ("{h: [x]}", "`h` must be a section of its own, not a list"),
            ("{i: [-1]}", "`i[0]` must be a whole number from 0 to 4294967295, not -1"),
            ("{j: 1 Gi}", "must be an amount such as"),
            ("{j: true}", "must be an amount such as"),
            ("{k: x}", "`k` must be a number, not the text \"x\""),
            ("{l: 9223372036854775808}", "`l` must be a whole number of 64 bits"),
            ("{m: [x]}", "`m` must be text, not a list"),
            ("{m: ~}", "`m` has no value"),
        ] {
            assert!(said(bad).contains(expected), "{bad}: {}", said(bad));
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for good in ["0", "1s", "1m30s", "1.5h", "-1s", "100ms", "10us", "2562047h"] {
            assert!(is_duration(good), "{good}");
        }
        for bad in ["", "1", "s", "1d", "1m30", "1 s", "-", "..s", "2562048h"] {
            assert!(!is_duration(bad), "{bad}");
        }
    }
}
