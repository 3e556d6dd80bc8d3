//! Text to a tree with marks: every value knows its line and column. What YAML can do and `hab.yaml` must not
//! (anchors, aliases, tags, several documents, depth without end) is refused here.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, SpannedEventReceiver};

use crate::problems::{Place, Problems};

/// How deep values may lie in each other. `nodes.etcd.count` is 3.
const MAX_DEPTH: usize = 16;

/// How many values are read. A `hab.yaml` with every key has about 50, an audit policy some hundreds;
/// the cap keeps nonsense cheap to refuse.
const MAX_VALUES: usize = 4000;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlNode {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Text or a number: YAML tells them apart only by how they look.
    Scalar {
        /// The value without quotes.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// `- a` or `[a]`.
    List(Vec<YamlNode>),
    /// `key: value`, in the order written; no key comes twice.
    Map(Vec<(Key, YamlNode)>),
}

/// A key and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

/// Reads one YAML document. `None` when there is nothing in it, or when problems were noted.
pub fn parse(text: &str, problems: &mut Problems) -> Option<YamlNode> {
    let mut builder = Builder { problems, open: Vec::new(), root: None, documents: 0, values: 0, stopped: false };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.on_event(event, span),
            Err(error) => {
                let place = place(&Span::empty(*error.marker()));
                if error.info().contains("recursion limit") {
                    // The parser's own limit, which it may reach before its first event.
                    builder.too_deep(place);
                    return None;
                }
                builder.problems.error(Some(place), format!("not YAML: {}", error.info()), hint_for(error.info()));
                return None;
            }
        }
        if builder.stopped {
            return None;
        }
    }
    builder.root
}

fn hint_for(info: &str) -> Option<String> {
    let hint = match info {
        _ if info.contains("mapping values are not allowed") => {
            "check the indentation; a value with `: ` in it needs quotes"
        }
        _ if info.contains("simple key") => "each line is `key: value`",
        _ if info.contains("unknown anchor") => "there are no anchors here; write the value out",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn place(span: &Span) -> Place {
    let width = if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()) } else { 1 };
    Place { line: span.start.line().max(1), column: span.start.col() + 1, width: width.max(1) }
}

/// A list or map whose end has not come yet.
struct Open {
    node: YamlNode,
    /// In a map: the key whose value comes next.
    key: Option<Key>,
}

struct Builder<'p> {
    problems: &'p mut Problems,
    open: Vec<Open>,
    root: Option<YamlNode>,
    documents: usize,
    values: usize,
    stopped: bool,
}

impl<'input> SpannedEventReceiver<'input> for Builder<'_> {
    fn on_event(&mut self, event: Event<'input>, span: Span) {
        let place = place(&span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.stop(place, "a second document begins here", "it must be one document; remove the `---`");
                }
            }
            Event::Alias(_) => {
                self.stop(place, "an alias (`*name`), which can't be here", "write the value out");
            }
            Event::Scalar(text, style, anchor, tag) => {
                if self.plain_yaml(place, anchor, tag.is_some()) {
                    let plain = style == ScalarStyle::Plain;
                    self.put(YamlNode { place, kind: Kind::Scalar { text: text.into_owned(), plain } });
                }
            }
            Event::SequenceStart(anchor, tag) => {
                if self.plain_yaml(place, anchor, tag.is_some()) {
                    self.begin(place, Kind::List(Vec::new()));
                }
            }
            Event::MappingStart(anchor, tag) => {
                if self.plain_yaml(place, anchor, tag.is_some()) {
                    self.begin(place, Kind::Map(Vec::new()));
                }
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(done) = self.open.pop() {
                    self.put(done.node);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
}

impl Builder<'_> {
    /// Notes a problem after which reading on makes no sense.
    fn stop(&mut self, place: Place, message: impl Into<String>, hint: &str) {
        self.problems.error(Some(place), message, Some(hint.to_owned()));
        self.stopped = true;
    }

    fn too_deep(&mut self, place: Place) {
        let message = format!("values lie more than {MAX_DEPTH} deep in each other");
        self.stop(place, message, "nothing that hab reads is that deep; see the comments `hab init` writes");
    }

    /// False, and noted, for an anchor or a tag.
    fn plain_yaml(&mut self, place: Place, anchor: usize, tag: bool) -> bool {
        if anchor != 0 {
            self.stop(place, "an anchor (`&name`), which can't be here", "remove it, and write values out");
        } else if tag {
            self.stop(place, "a tag (`!name`), which can't be here", "remove it; a value in quotes is text");
        }
        !self.stopped
    }

    fn begin(&mut self, place: Place, kind: Kind) {
        if self.open.len() == MAX_DEPTH {
            return self.too_deep(place);
        }
        // Width 1: a list or map can be many lines long, and a caret line is one.
        self.open.push(Open { node: YamlNode { place: Place { width: 1, ..place }, kind }, key: None });
    }

    fn put(&mut self, node: YamlNode) {
        self.values += 1;
        if self.values > MAX_VALUES {
            let message = format!("more than {MAX_VALUES} values");
            return self.stop(node.place, message, "see the comments `hab init` writes for what there is");
        }
        let Some(Open { node: parent, key }) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut parent.kind {
            Kind::List(items) => items.push(node),
            Kind::Map(entries) => match (key.take(), node.kind) {
                (Some(name), kind) => {
                    if let Some((first, _)) = entries.iter().find(|(other, _)| other.text == name.text) {
                        let message = format!("the key `{}` comes twice", shown(&name.text));
                        let hint = format!("the first is in line {}; keep one", first.place.line);
                        self.problems.error(Some(name.place), message, Some(hint));
                    } else {
                        entries.push((name, YamlNode { place: node.place, kind }));
                    }
                }
                (None, Kind::Scalar { text, .. }) => *key = Some(Key { text, place: node.place }),
                (None, _) => self.stop(node.place, "a key must be a word", "each line is `key: value`"),
            },
            Kind::Scalar { .. } => {}
        }
    }
}

/// The user's text for a message: short, on one line, and with nothing a terminal would obey.
pub fn shown(text: &str) -> String {
    /// Long enough for any name that could be right.
    const MAX_SHOWN: usize = 64;
    let mut short: String = text.chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let mut problems = Problems::new("hab.yaml", text);
        parse(text, &mut problems);
        problems.to_string()
    }

    #[test]
    fn every_value_knows_its_place() {
        let mut problems = Problems::default();
        let tree = parse("lab: demo\nnodes:\n  etcd: {count: \"3\"}\n", &mut problems).unwrap();
        let Kind::Map(top) = tree.kind else { panic!() };
        assert_eq!(top[0].1.place, Place { line: 1, column: 6, width: 4 });
        let Kind::Map(nodes) = &top[1].1.kind else { panic!() };
        let Kind::Map(etcd) = &nodes[0].1.kind else { panic!() };
        assert_eq!(etcd[0].0.place, Place { line: 3, column: 10, width: 5 });
        assert_eq!(etcd[0].1.place, Place { line: 3, column: 17, width: 3 });
        assert_eq!(etcd[0].1.kind, Kind::Scalar { text: "3".to_owned(), plain: false });
    }

    #[test]
    fn what_yaml_can_do_and_hab_does_not_want_is_refused() {
        for (text, expected) in [
            ("a: &x 1\nb: *x\n", "1:4: error: an anchor"),
            ("a: *x\n", "unknown anchor"),
            ("a: !!str 1\n", "error: a tag"),
            ("a: 1\n---\nb: 2\n", "2:1: error: a second document"),
            ("a: 1\na: 2\n", "2:1: error: the key `a` comes twice"),
            ("? [a]\n: b\n", "a key must be a word"),
            ("a: b: c\n", "not YAML"),
            ("a: [1\n", "not YAML"),
        ] {
            assert!(said(text).contains(expected), "{text:?}: {}", said(text));
        }
    }

    /// This thread's own time: what the machine does beside it does not count.
    fn cpu_time() -> std::time::Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        now.try_into().unwrap()
    }

    #[test]
    fn bombs_are_refused_at_once() {
        let deep_flow = "[".repeat(500_000);
        let deep_block = (0..600).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n");
        let dashes = "- ".repeat(500_000);
        let questions = "? ".repeat(500_000);
        let wide = "a: [".to_owned() + &"1,".repeat(500_000);
        let laughs = "a: &a [x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n";
        let long = "a: ".to_owned() + &"x".repeat(1_000_000);
        let quoted = "\"".to_owned() + &"\\\n".repeat(500_000);
        let keys = "x".repeat(1_000_000);
        for text in [&deep_flow, &deep_block, &dashes, &questions, &wide, laughs, &quoted, &keys, &long] {
            let start = cpu_time();
            said(text);
            let took = cpu_time().checked_sub(start).unwrap();
            println!("{took:?} for {:?}", &text[..10]);
            assert!(
                took.as_millis() < if cfg!(debug_assertions) { 1000 } else { 100 },
                "{took:?} for {:?}",
                &text[..10]
            );
        }
    }
}
