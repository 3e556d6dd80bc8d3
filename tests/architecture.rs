//! The project's rules, as tests. A rule that stands in the way is changed here, in the open. Each is first tried on
//! made-up files that break it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic; clippy knows only test functions"
)]

#[path = "support/rules.rs"]
mod rules;
#[path = "support/source.rs"]
mod source;

use std::sync::LazyLock;

use rules::{go_parameters, layers, lengths, modules, panics, parameters, places, prints, programs, readers, writes};
use source::{Code, File, all_rust, code, tracked};

/// The longest that a file may be, in lines, and how long the one in the middle may be.
const MAX_LINES: usize = 400;
const MEDIAN_LINES: usize = 120;

/// Files that a package manager writes, and the folder of what hab writes: nobody splits these.
const WRITTEN: [&str; 3] = ["Cargo.lock", "go.mod", "go.sum"];
const GOLDEN: &str = "tests/golden/";

/// The most parameters of a function, `self` aside.
const MAX_PARAMETERS: usize = 5;

/// The data folders, and the module that compiles each into hab.
const DATA: [(&str, &str); 4] =
    [("images", "embedded"), ("ignition", "embedded"), ("templates", "embedded"), ("vagrant", "provider")];

/// The modules that write files themselves: `atomic_fs` to the lab's folder, `pki` whole folders of keys to its private
/// part, the others to entries of the cache or to temporary folders.
const WRITERS: [&str; 15] = [
    "atomic_fs",
    "provider",
    "cache",
    "download",
    "pki",
    "exec",
    "disk",
    "debian",
    "base",
    "artifacts",
    "container_images",
    "payload",
    "boot_test",
    "vagrant_box",
    "build",
];

/// What writes, by names that nothing else has, and by those that only a file system's module has.
const WRITES: [&str; 12] = [
    "OpenOptions",
    "DirBuilder",
    "create_new",
    "create_dir",
    "create_dir_all",
    "remove_file",
    "remove_dir",
    "remove_dir_all",
    "hard_link",
    "symlink",
    "symlinkat",
    "set_permissions",
];
const FS_WRITES: [&str; 7] = ["*", "write", "rename", "copy", "linkat", "renameat", "unlinkat"];
const FILE_WRITES: [&str; 3] = ["create", "options", "create_buffered"];

/// The module that runs other programs, and its file in which they are started.
const EXEC: &str = "exec";
const CHILD: &str = "src/exec/child.rs";

const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "/bin/sh", "/bin/bash"];

/// The one file that writes to standard output and error.
const PRINT: &str = "src/cli/print.rs";

/// All of hab's own code, taken apart once.
static SOURCE: LazyLock<Vec<Code>> = LazyLock::new(|| {
    let all = code(&tracked());
    assert!(all.iter().any(|code| code.path == "src/lib.rs"), "no source was found");
    all
});

#[track_caller]
fn none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

/// The rule finds something in this file.
#[track_caller]
fn finds(rule: impl Fn(&[Code]) -> Vec<String>, path: &str, text: &str) {
    assert!(!rule(&[Code::new(path, text)]).is_empty(), "nothing is found in {path}: {text}");
}

/// The rule finds nothing in this file.
#[track_caller]
fn passes(rule: impl Fn(&[Code]) -> Vec<String>, path: &str, text: &str) {
    none(&format!("{path}: {text}"), &rule(&[Code::new(path, text)]));
}

#[test]
fn a_module_uses_only_modules_above_it() {
    let library =
        "pub mod low;\npub(crate) mod own;\n#[cfg(test)]\nmod testing;\nmod high;\nmod inline { mod not_this {} }";
    let known = modules(&Code::new("src/lib.rs", library));
    assert_eq!(known, ["low", "own", "high"]);
    let rule = |all: &[Code]| layers(&known, all);
    assert_eq!(rule(&[Code::new("src/own/x.rs", "\nuse crate::{low, high::A};")]), ["src/own/x.rs:2: own uses high"]);
    for text in [
        "fn f() { crate::high::f() }",
        "use {crate::{low::{A, B}, high}};",
        "use super::high;",
        "use self::super::{low as l, high as h};",
        "use crate::*;",
        "use crate as all;",
        "mod inner { use super::super::high; }",
        "macro_rules! m { () => { $crate::high::f() } }",
        "fn f() { println!(\"{}\", crate::high::f()) }",
        "fn f(a: Vec<crate::high::A>) {}",
        "pub(in crate::high) fn f() {}",
        "use hab::high;",
        "#[cfg(test)]\nmod tests {}\nuse crate::high;",
        "#[cfg(test)]\nuse low::{A};\nuse crate::high;",
    ] {
        finds(rule, "src/own.rs", text);
    }
    finds(rule, "src/own/deep/mod.rs", "use super::super::high;");
    finds(rule, "src/own/deep/x.rs", "use super::super::super::high;");
    finds(rule, "src/unknown.rs", "use crate::low;");
    for text in [
        "use crate::{low::{self, A}, own};",
        "use super::low;",
        "// crate::high\n/// [`crate::high`]\nconst A: &str = \"crate::high\";",
        "#[cfg(test)]\nmod tests { use crate::high; }",
        "#[cfg(test)]\n#[allow(unused)]\nfn f() { crate::high::f() }",
        "mod inner { use super::high; }",
        "pub(crate) fn f(a: A) { a.crate_high(); high::f() }",
    ] {
        passes(rule, "src/own.rs", text);
    }
    passes(rule, "src/own/x.rs", "use super::high;");
    passes(rule, "src/main.rs", "use hab::high;");

    let known = modules(SOURCE.iter().find(|code| code.path == "src/lib.rs").unwrap());
    assert!(known.len() > 10, "{known:?}");
    let rule = "A module may use only what stands above it in src/lib.rs:";
    none(rule, &layers(&known, &SOURCE));
    let upside_down: Vec<String> = known.into_iter().rev().collect();
    assert!(layers(&upside_down, &SOURCE).len() > 10, "in the wrong order, most uses are found");
}

#[test]
fn files_are_small() {
    let file = |lines: usize| File { path: "src/x.rs".to_owned(), text: "\n".repeat(lines) };
    let all =
        |lines: &[usize]| lengths(&lines.iter().map(|lines| file(*lines)).collect::<Vec<_>>(), MEDIAN_LINES).len();
    assert_eq!(all(&[MAX_LINES, MEDIAN_LINES, 1]), 0);
    assert_eq!(all(&[MAX_LINES + 1, MEDIAN_LINES, 1]), 1);
    assert_eq!(all(&[MAX_LINES, MEDIAN_LINES + 1, 1]), 1);

    let name = |file: &File| file.path.rsplit('/').next().unwrap_or_default().to_owned();
    let ours = |file: &File| !file.path.starts_with(GOLDEN) && !WRITTEN.contains(&name(file).as_str());
    let (src, others): (Vec<File>, Vec<File>) =
        tracked().into_iter().filter(ours).partition(|file| file.path.starts_with("src/") && file.is("rs"));
    for path in ["demo", "docs/architecture.md", "images/supply/source/probe/main.go"] {
        assert!(others.iter().any(|file| file.path == path), "{path} is not looked at");
    }
    let rule =
        format!("A file has at most {MAX_LINES} lines, the middle one of src at most {MEDIAN_LINES}; split these:");
    none(&rule, &lengths(&src, MEDIAN_LINES));
    none(&rule, &lengths(&others, MAX_LINES));
}

#[test]
fn functions_have_few_parameters() {
    let five = "a: A, (b, c): (B, C), d: HashMap<D, [E; 2]>, f: impl Fn(F, G) -> H, mut i: &'a mut I";
    for text in [
        format!("fn f({five}) {{}}"),
        format!("fn f({five},) {{}}"),
        format!(
            "impl A {{ pub(crate) fn f<'a, T: Fn(A, B) -> C, const N: usize>(&'a mut self, {five}) -> Vec<(A, B)> {{}} }}"
        ),
        format!("fn f(self: &Self, {five}) {{ |a, b, c, d, e, f, g| 1 }}"),
        format!("type F = fn(A, B, C, D, E, F, G); #[cfg(test)] fn f({five}) {{}}"),
    ] {
        let rule = |text: &str| parameters(&[Code::with_tests("src/own.rs", text)]);
        none(&text, &rule(&text));
        assert!(!rule(&text.replace("a: A,", "a: A, more: A,")).is_empty(), "nothing is found in {text}");
    }
    let go = |list: &str| {
        let text = format!("package main\n\nfunc (o *own) f({list}) (int, error) {{\n\tg(1, 2, 3, 4, 5, 6)\n}}\n");
        go_parameters(&[File { path: "own.go".to_owned(), text }])
    };
    none("five", &go("a A, b, c func(int, int), d []D, e E"));
    none("none, and five on lines of their own", &[go(""), go("\n\ta, b, c, d A,\n\te E,\n")].concat());
    assert_eq!(go("a A, b, c func(int, int), d []D, e E, f F"), ["own.go:3: f has 6"]);

    let files = tracked();
    let found = [parameters(&all_rust(&files)), go_parameters(&files)].concat();
    none(&format!("A function has at most {MAX_PARAMETERS} parameters; hand it a struct:"), &found);
}

#[test]
fn nothing_panics_on_purpose() {
    finds(panics, "src/own.rs", "#[allow(clippy::unwrap_used)]\nfn f() {}");
    finds(panics, "src/own.rs", "fn f() { unreachable! {} }");
    passes(panics, "src/own.rs", "fn f() { g(\"todo!()\") } #[cfg(test)] mod tests { fn f() { unreachable!() } }");
    none("Outside of tests an error is returned:", &panics(&SOURCE));
}

#[test]
fn only_some_modules_write() {
    let rule = |all: &[Code]| writes(all, &WRITERS);
    for text in [
        "fn f() { fs::write(a, b) }",
        "use std::fs::{read, write};",
        "use fs_err::{self, os::unix::fs::symlink};",
        "fn f() { std::fs::File::create(a) }",
        "fn f() { File::options().append(true) }",
        "use std::fs::{File as F};",
        "use std::{fs as files};",
        "use fs_err::*;",
        "fn f() { file.set_permissions(p) }",
        "use std::fs::remove_file as read;",
    ] {
        finds(rule, "src/plan/x.rs", text);
        passes(rule, "src/atomic_fs.rs", text);
    }
    passes(
        rule,
        "src/plan/x.rs",
        "fn f() { fs::read(a); atomic_fs::write(a); atomic_fs::create_dir(b); out.write(c) }",
    );
    let all = writes(&SOURCE, &[]);
    let idle: Vec<&str> = WRITERS.into_iter().filter(|module| !found_in(&all, module)).collect();
    assert!(idle.is_empty(), "these do not write and need not be in the list: {idle:?}");
    none("Files are written by atomic_fs, with their mode; these do it themselves:", &rule(&SOURCE));
}

/// Whether one of these findings is in the module.
fn found_in(found: &[String], module: &str) -> bool {
    found.iter().any(|place| [".rs:", "/"].iter().any(|end| place.starts_with(&format!("src/{module}{end}"))))
}

#[test]
fn other_programs_are_run_by_their_own_file_in_exec() {
    for text in
        ["use std::process::{self, Command};", "fn f() { Command::new(a) }", "fn f() { process::Command::new(a) }"]
    {
        finds(programs, "src/plan.rs", text);
        passes(programs, "src/exec/go.rs", text);
    }
    finds(programs, "src/exec/go.rs", "fn f() { self.command.spawn() }");
    finds(programs, "src/exec/go.rs", "fn f() { command.output() }");
    passes(programs, CHILD, "fn f() { command.spawn() }");
    finds(programs, "src/exec/go.rs", "fn f() { Tool::find(\"sh\", \"dash\") }");
    passes(
        programs,
        "src/plan.rs",
        "fn f() { scope.spawn(|| 1); Tool::find(\"apt\", \"apt\").arg(\"-c\"); say(\"a sh in it\") }",
    );
    let rule = format!("Programs are run through src/{EXEC}, started in {CHILD}, and no argument meets a shell:");
    none(&rule, &programs(&SOURCE));
}

#[test]
fn standard_output_and_error_are_written_in_one_place() {
    for text in ["fn f() { println!(\"a\") }", "fn f() { eprint! { } }", "fn f() { std::io::stdout().lock() }"] {
        finds(prints, "src/plan.rs", text);
        passes(prints, PRINT, text);
    }
    passes(prints, "src/plan.rs", "/// `println!`\nfn f() { print::out(\"println!()\"); io::stderr().is_terminal() }");
    none(&format!("Write through {PRINT}, which knows full disks and closed pipes:"), &prints(&SOURCE));
}

#[test]
fn every_data_folder_has_one_reader() {
    let rule = |all: &[Code]| readers(all, &DATA);
    for (folder, reader) in DATA {
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).is_dir(), "there is no {folder}/");
        for text in [
            format!("const A: &str = include_str!(\"../{folder}/a\");"),
            format!("include_dir! {{\"$CARGO_MANIFEST_DIR/{folder}\"}}"),
        ] {
            finds(rule, "src/plan.rs", &text);
            passes(rule, &format!("src/{reader}/x.rs"), &text);
        }
        assert!(found_in(&readers(&SOURCE, &[(folder, "")]), reader), "src/{reader} does not read {folder}/");
    }
    passes(rule, "src/plan.rs", "const A: &str = include_str!(\"images.yaml\");");
    none("Each data folder is compiled into hab by one module:", &rule(&SOURCE));
}

/// Words that say where somebody's machine keeps or gets things. In pieces, so that this file is not found itself.
const PLACES: [&str; 10] = [
    concat!("crates", ".io"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("deb.debian", ".org"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("/work", "/"),
    concat!("/root", "/"),
    concat!("/home", "/"),
    concat!("/tmp", "/wt"),
];

/// Paths that begin like these, and are inside of a container image that others have made.
const IN_IMAGES: [&str; 1] = [concat!("/home", "/weave/")];

#[test]
fn nothing_names_this_machine_or_a_registry() {
    for word in PLACES {
        let file = File { path: "docs/a.md".to_owned(), text: format!("\nsee {word}a") };
        assert_eq!(places(&[file]), [format!("docs/a.md:2: {word}")]);
    }
    let file = |text: String| [File { path: "a.yaml".to_owned(), text }];
    assert_eq!(places(&file(format!("command: [{}init.sh]", IN_IMAGES[0]))), [""; 0]);
    assert_eq!(places(&file(format!("command: [{}init.sh, {}]", IN_IMAGES[0], PLACES[8]))).len(), 1);
    none("Where things come from is the machine's own setting, and paths are relative:", &places(&tracked()));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = |files: &[File]| -> Vec<String> {
        let code = code(files);
        let is_code = |file: &&File| code.iter().any(|code| code.path == file.path);
        files
            .iter()
            .filter(is_code)
            .filter(|file| !file.text.starts_with("//! "))
            .map(|file| file.path.clone())
            .collect()
    };
    let file = |text: &str| File { path: "src/plan.rs".to_owned(), text: text.to_owned() };
    assert_eq!(silent(&[file("use a;\n//! Late.")]), ["src/plan.rs"]);
    assert!(silent(&[file("//! The plan.\n")]).is_empty());
    none("A file begins with a line that says what it is for:", &silent(&tracked()));
}
