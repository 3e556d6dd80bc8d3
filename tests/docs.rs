//! The documents, held against hab: what they name is there, and what they say it does it does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic; clippy knows only test functions"
)]

#[path = "../docs/picture.rs"]
#[allow(dead_code, reason = "as an example it has a main function of its own")]
mod picture;
#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use snapbox::Data;
use snapbox::data::DataFormat;
use support::{Test, verbs};

/// Where a path in a document begins, if it is one of this repository.
const FOLDERS: [&str; 9] =
    ["src/", "tests/", "images/", "ignition/", "templates/", "vagrant/", "docs/", "benches/", ".ci/"];

/// A document, taken apart.
struct Document {
    path: PathBuf,
    text: String,
    /// Code in the text: what stands between two backticks.
    spans: Vec<String>,
    /// Blocks of code: the words behind the fence, and the lines.
    blocks: Vec<(String, String)>,
}

impl Document {
    fn read(path: &str) -> Self {
        let (mut spans, mut blocks, mut open) = (Vec::new(), Vec::new(), None::<(String, String)>);
        let text = read_to_string(root().join(path)).unwrap();
        for line in text.lines() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(words), None) => open = Some((words.to_owned(), String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some((_, lines))) => lines.extend([line, "\n"]),
                (None, None) => {
                    let parts: Vec<&str> = line.split('`').collect();
                    assert!(parts.len() % 2 == 1, "{path}: a backtick alone: {line}");
                    spans.extend(parts.into_iter().skip(1).step_by(2).map(str::to_owned));
                }
            }
        }
        assert!(open.is_none(), "{path}: a block of code has no end");
        Self { path: path.into(), text, spans, blocks }
    }

    /// The cells of the table with this head, row by row.
    fn table(&self, head: &str) -> Vec<Vec<&str>> {
        let rows = self.text.lines().skip_while(|line| *line != head).skip(2).take_while(|line| line.starts_with('|'));
        let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
        assert!(!rows.is_empty(), "{} has no table {head}", self.path.display());
        rows
    }

    /// Every line of code.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().map(String::as_str).chain(self.blocks.iter().flat_map(|(_, lines)| lines.lines()))
    }

    /// Every call of `program` in its code, as words: what follows the program up to the end of the command.
    fn calls(&self, program: &str) -> Vec<Vec<String>> {
        let commands = self.code().flat_map(|line| {
            let command = line.split(" #").next().unwrap_or_default();
            command.split(['|', ';', '&', '(', ')', '"']).map(|part| part.trim().trim_start_matches("$ "))
        });
        let words = commands.map(|command| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        words.filter_map(|words| (words.first()? == program).then(|| words[1..].to_vec())).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn reference() -> Document {
    Document::read("docs/reference.md")
}

fn documents() -> Vec<Document> {
    let inside = |folder: &str| std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let all = inside("").chain(inside("docs")).chain(inside("images/base/debian"));
    let named = all.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    named.map(|path| Document::read(path.strip_prefix(root()).unwrap().to_str().unwrap())).collect()
}

/// The help of hab or of a verb.
fn help(verb: Option<&str>) -> String {
    Test::new().run(verb.into_iter().flat_map(|verb| verb.split(' ')).chain(["--help"])).code(0).stdout()
}

/// What is in the words of `text` that begins with a hyphen.
fn flags(text: &str) -> BTreeSet<&str> {
    text.split([' ', ',', '\n', '|', '[', ']']).filter(|word| word.starts_with('-') && word.len() > 1).collect()
}

fn plain(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[test]
fn every_call_of_hab_is_one_it_takes() {
    let helps: BTreeMap<String, String> = verbs().into_iter().map(|verb| (verb.clone(), help(Some(&verb)))).collect();
    let mut seen = 0;
    for document in documents() {
        for mut call in document.calls("hab") {
            if call.first().is_some_and(|word| word == "-C") {
                call.drain(..2);
            }
            let Some(verb) = call.first().map(|word| word.trim_end_matches([':', ','])) else { continue };
            if verb.starts_with("--") {
                continue;
            }
            let path = document.path.display();
            let own = call.get(1).and_then(|word| helps.get(&format!("{verb} {word}")));
            let text = own.or_else(|| helps.get(verb)).unwrap_or_else(|| panic!("{path}: there is no `hab {verb}`"));
            // What is behind `--` is another program's.
            let own = call.iter().take_while(|word| *word != "--");
            for flag in own.filter(|word| word.starts_with('-')) {
                let name = flag.split_once('=').map_or(flag.as_str(), |(name, _)| name);
                assert!(flags(text).contains(name), "{path}: `hab {verb}` does not know {flag}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} calls were found");
}

#[test]
fn every_call_of_a_script_is_one_it_takes() {
    let documents = documents();
    for script in ["./test", "./demo"] {
        let text = read_to_string(root().join(script)).unwrap();
        let calls =
            documents.iter().flat_map(|document| document.calls(script).into_iter().map(move |call| (document, call)));
        let calls: Vec<_> = calls.collect();
        assert!(!calls.is_empty(), "no document calls {script}");
        for (document, call) in calls {
            for flag in call.iter().filter(|word| word.starts_with('-')) {
                let path = document.path.display();
                assert!(flags(&text).contains(flag.as_str()), "{path}: {script} does not know {flag}");
            }
        }
    }
}

#[test]
fn every_path_and_link_leads_somewhere() {
    let (mut seen_links, mut seen_paths) = (0, 0);
    for document in documents() {
        let folder = root().join(document.path.parent().unwrap());
        let links = document.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            assert!(folder.join(link).exists(), "{}: the link {link} leads nowhere", document.path.display());
            seen_links += 1;
        }
        for span in document.spans.iter().filter(|span| FOLDERS.iter().any(|folder| span.starts_with(folder))) {
            // `src/cli/VERB.rs`, `images/role/*.yaml` and commands stand for others.
            let stands_for = |part: &str| !part.contains(|c: char| c.is_ascii_lowercase()) && !part.is_empty();
            let example = span.contains(['*', '<', ' ']) || span.split(['/', '.']).any(stands_for);
            assert!(example || root().join(span).exists(), "{}: there is no {span}", document.path.display());
            seen_paths += usize::from(!example);
        }
    }
    assert!(seen_links > 10 && seen_paths > 10, "only {seen_links} links and {seen_paths} paths were found");
}

#[test]
fn the_reference_has_the_keys_and_defaults_of_a_new_lab() {
    let test = Test::new().run(["init", "--name", "demo"]).code(0).then();
    let template = read_to_string(test.path().join("hab.yaml")).unwrap();
    // Keys without a default stand there as indented comments, with an example.
    let without_default = |line: &str| match line.split_once("# ") {
        Some((indent, example)) if indent.len() >= 2 && indent.trim().is_empty() => {
            format!("{indent}{}: \"-\"\n", example.split_once(": ").unwrap().0)
        }
        _ => format!("{line}\n"),
    };
    let template: String = template.lines().map(without_default).collect();
    let mut known = BTreeMap::new();
    flatten("", &serde_yaml::from_str(&template).unwrap(), &mut known);
    // The lab's name is the user's.
    known.insert("lab".to_owned(), "-".to_owned());

    let reference = reference();
    let rows = reference.table("| key | type | default | rule |");
    let documented = rows.iter().map(|row| (plain(row[0]).to_owned(), plain(row[2]).to_owned())).collect();
    assert_eq!(known, documented);
}

/// Every value with the path to it.
fn flatten(path: &str, value: &serde_yaml::Value, into: &mut BTreeMap<String, String>) {
    let text = match value {
        serde_yaml::Value::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.as_str().unwrap();
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                flatten(&path, value, into);
            }
            return;
        }
        serde_yaml::Value::String(text) => text.clone(),
        serde_yaml::Value::Number(number) => number.to_string(),
        serde_yaml::Value::Bool(value) => value.to_string(),
        serde_yaml::Value::Sequence(items) if items.is_empty() => "[]".to_owned(),
        other => format!("{other:?}"),
    };
    into.insert(path.to_owned(), text);
}

#[test]
fn every_example_of_a_lab_is_a_good_one() {
    let examples: Vec<_> =
        documents().into_iter().flat_map(|d| d.blocks).filter(|(w, _)| w == "yaml hab.yaml").collect();
    assert!(!examples.is_empty());
    for (_, example) in examples {
        Test::new().file("hab.yaml", example).run(["check"]).code(0).quietly();
    }
}

#[test]
fn what_goes_together_is_said_for_every_base_provider_and_supply() {
    use hab::kinds::{Base, Provider, Supply};
    const HEAD: &str =
        "| `base` | `provider` | `supply` | `hab check`, `hab plan` | `hab lock`, `hab build` | `vagrant up` |";
    let reference = reference();
    let mut said = BTreeSet::new();
    for row in reference.table(HEAD) {
        let [base, provider, supply] = [0, 1, 2].map(|cell| plain(row[cell]));
        assert!(said.insert((base, provider, supply)), "{row:?} stands there twice");
        let lab = format!("lab: demo\nbase: {base}\nprovider: {provider}\nsupply: {supply}\n");
        let refused = row[3].strip_prefix("no: ");
        // What hab.yaml can't have is refused by whatever would act on it, before anything is asked of anybody.
        let verbs: &[&str] =
            if refused.is_some() { &["check", "plan", "lock", "fetch", "build", "render"] } else { &["check", "plan"] };
        for verb in verbs {
            let ran = Test::new().file("hab.yaml", &lab).run([verb]);
            match refused {
                None => {
                    assert_eq!(row[3], "yes", "{row:?}");
                    ran.code(0).quietly();
                }
                Some(why) => {
                    assert_eq!(row[4..], ["no", "no"], "{row:?}");
                    ran.code(2).complains(why);
                }
            }
        }
    }
    let names = Base::ALL.iter().flat_map(|(base, _)| {
        Provider::ALL
            .iter()
            .flat_map(move |(provider, _)| Supply::ALL.iter().map(move |(supply, _)| (*base, *provider, *supply)))
    });
    assert_eq!(said, names.collect());
}

#[test]
fn the_mistakes_of_the_session_are_said_as_they_stand_there() {
    let session = Document::read("docs/session.md");
    let at = session.blocks.iter().position(|(words, _)| words == "yaml mistakes").unwrap();
    let (command, said) = session.blocks[at + 1].1.split_once('\n').unwrap();
    assert_eq!(command, "$ hab check");
    let ran = Test::new().file("hab.yaml", &session.blocks[at].1).run(["check"]).code(2);
    assert_eq!(ran.stderr(), said);
}

/// `SNAPSHOTS=overwrite` draws it anew, and so does `cargo run --example picture >docs/picture.svg`.
#[test]
fn the_picture_is_what_its_command_draws() {
    let committed = Data::read_from(&root().join("docs/picture.svg"), Some(DataFormat::Text));
    snapbox::assert_data_eq!(picture::svg(), committed.raw());
}

#[test]
fn the_picture_shows_the_lab_of_the_readme() {
    let readme = Document::read("README.md");
    let (_, lab) = readme.blocks.iter().find(|(words, _)| words == "yaml hab.yaml").unwrap();
    let plan = Test::new().file("hab.yaml", lab).run(["plan", "--json"]).code(0).stdout();
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let picture = picture::svg();
    let texts: Vec<&str> = picture.split("</text>").filter_map(|part| part.rsplit('>').next()).collect();
    let nodes = plan["nodes"].as_array().unwrap();
    let known: Vec<&str> =
        nodes.iter().flat_map(|node| [&node["name"], &node["address"]]).map(|value| value.as_str().unwrap()).collect();
    // In the picture a node's address follows its name; the host's comes after all nodes.
    let first = texts.iter().position(|text| *text == known[0]).expect("the picture has the first node");
    let is_node = |text: &&str| text.contains(|c: char| c.is_ascii_digit()) && !text.contains(' ');
    let drawn: Vec<&str> = texts[first..].iter().copied().filter(is_node).collect();
    let (host, nodes) = drawn.split_last().unwrap();
    assert_eq!(nodes, known);
    assert_eq!(*host, plan["host"]);
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let text = help(None);
    let lines = text.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let known: Vec<(&str, &str)> =
        lines.map_while(|line| line.trim().split_once(' ')).map(|(code, meaning)| (code, meaning.trim())).collect();
    let reference = reference();
    let documented: Vec<_> = reference.table("| code | meaning |").iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(known, documented);
}

#[test]
fn the_verbs_that_print_json_are_named() {
    let known: BTreeSet<String> =
        verbs().into_iter().filter(|verb| flags(&help(Some(verb))).contains("--json")).collect();
    let spans = reference().spans;
    let named = spans.iter().filter_map(|span| span.strip_prefix("hab ")?.strip_suffix(" --json"));
    assert_eq!(known, named.map(str::to_owned).collect());
}

#[test]
fn the_packages_of_the_host_are_those_that_are_installed() {
    let script = read_to_string(root().join("tests/lib/install.sh")).unwrap();
    let list = script.split_once("demo_packages=(").unwrap().1.split_once("\n)").unwrap().0;
    let words = list.lines().filter(|line| !line.trim().starts_with('#')).flat_map(str::split_whitespace);
    let known: BTreeSet<&str> = words.collect();
    let install = Document::read("docs/install.md");
    let rows = install.table("| what | why |");
    let cells = rows.iter().filter_map(|row| row[0].strip_prefix("the package"));
    let documented = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert_eq!(known, documented);
}

#[test]
fn the_modules_stand_in_the_order_of_the_library() {
    let library = read_to_string(root().join("src/lib.rs")).unwrap();
    let known: Vec<&str> = library
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let document = Document::read("docs/architecture.md");
    let rows = document.table("| module | what goes in, what comes out |");
    assert_eq!(known, rows.iter().map(|row| plain(row[0])).collect::<Vec<_>>());
}

#[test]
fn the_rules_are_tests() {
    let tests = read_to_string(root().join("tests/architecture.rs")).unwrap();
    let known: BTreeSet<&str> = tests.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()).collect();
    let document = Document::read("CONTRIBUTING.md");
    let rows = document.table("| rule | checked by |");
    let named = rows.iter().flat_map(|row| row[1].split('`').skip(1).step_by(2));
    // Other rules are held by programs and files.
    let documented = named.filter(|span| span.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect();
    assert_eq!(known, documented);
}
