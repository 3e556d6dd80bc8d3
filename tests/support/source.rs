//! Rust source taken apart: its tokens without comments, and as a rule without tests; the paths in it, its functions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A file of the repository that is text.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    /// Whether it is of this language, by its name's ending.
    pub fn is(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == ending)
    }
}

/// Everything git tracks, or would.
pub fn tracked() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().unwrap();
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("every name in the repository is UTF-8");
    let paths: BTreeSet<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    let read = paths.into_iter().filter_map(|path| Some((path, std::fs::read(root.join(path)).ok()?)));
    let texts =
        read.filter_map(|(path, bytes)| Some(File { path: path.to_owned(), text: String::from_utf8(bytes).ok()? }));
    texts.collect()
}

/// A word or sign of the language.
#[derive(Debug)]
pub struct Token {
    pub text: String,
    pub line: usize,
    is_word: bool,
    /// How many modules there are around it in its file.
    depth: usize,
}

/// A path such as `crate::plan::Node`, as it stands in the code; one in braces is put together.
#[derive(Debug)]
pub struct Mention {
    pub segments: Vec<String>,
    pub line: usize,
    depth: usize,
    pub renamed: bool,
}

/// A function and how many parameters it takes, without `self`.
#[derive(Debug)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub parameters: usize,
}

/// The code of a file, without comments.
#[derive(Debug)]
pub struct Code {
    pub path: String,
    pub tokens: Vec<Token>,
    /// Also what is compiled for tests only.
    with_tests: bool,
    /// Files that only tests have.
    test_files: Vec<PathBuf>,
}

/// All Rust in the repository, tests and all.
pub fn all_rust(files: &[File]) -> Vec<Code> {
    files.iter().filter(|file| file.is("rs")).map(|file| Code::with_tests(&file.path, &file.text)).collect()
}

/// The code of all files in `src` that are not for tests only.
pub fn code(files: &[File]) -> Vec<Code> {
    let rust = files.iter().filter(|file| file.path.starts_with("src/") && file.is("rs"));
    let all: Vec<Code> = rust.map(|file| Code::new(&file.path, &file.text)).collect();
    let tests: Vec<PathBuf> = all.iter().flat_map(|code| code.test_files.clone()).collect();
    let is_test = |code: &Code| {
        tests
            .iter()
            .any(|test| Path::new(&code.path).starts_with(test) || Path::new(&code.path) == test.with_extension("rs"))
    };
    all.into_iter().filter(|code| !is_test(code)).collect()
}

impl Code {
    /// Without what is compiled for tests only.
    pub fn new(path: &str, text: &str) -> Self {
        Self::read(path, text, false)
    }

    pub fn with_tests(path: &str, text: &str) -> Self {
        Self::read(path, text, true)
    }

    fn read(path: &str, text: &str, with_tests: bool) -> Self {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut code = Self { path: path.to_owned(), tokens: Vec::new(), with_tests, test_files: Vec::new() };
        code.take(stream, 0);
        code
    }

    /// The modules that the file is in: `src/config/yaml.rs` is `config`, `yaml`.
    pub fn modules(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).unwrap_or(&self.path);
        let parts: Vec<&str> = inside.split('/').filter(|part| *part != "mod").collect();
        if matches!(parts[..], ["lib" | "main"]) { Vec::new() } else { parts }
    }

    /// The first of them; empty for `lib.rs` and `main.rs`.
    pub fn module(&self) -> &str {
        self.modules().first().copied().unwrap_or_default()
    }

    /// A finding in it.
    pub fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    fn take(&mut self, stream: TokenStream, depth: usize) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while let Some(tree) = trees.get(at) {
            let line = tree.span().start().line;
            if !self.with_tests && is_for_tests(&trees[at..]) {
                // To the end of the item; what ends at a comma, as a field does, ends there.
                let ends = |tree: &TokenTree| match tree {
                    TokenTree::Punct(punct) => [';', ','].contains(&punct.as_char()),
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    _ => false,
                };
                let item = &trees[at + 2..];
                let length = item.iter().position(ends).map_or(item.len(), |last| last + 1);
                self.note_test_file(&item[..length]);
                at += 2 + length;
                continue;
            }
            let mut push =
                |text: &str, is_word| self.tokens.push(Token { text: text.to_owned(), line, is_word, depth });
            match tree {
                TokenTree::Group(group) => {
                    let [open, close] = match group.delimiter() {
                        Delimiter::Parenthesis => ["(", ")"],
                        Delimiter::Brace => ["{", "}"],
                        Delimiter::Bracket => ["[", "]"],
                        Delimiter::None => ["", ""],
                    };
                    let is_module = at >= 2 && open == "{" && trees[at - 2].to_string() == "mod";
                    push(open, false);
                    self.take(group.stream(), depth + usize::from(is_module));
                    self.tokens.push(Token {
                        text: close.to_owned(),
                        line: group.span_close().start().line,
                        is_word: false,
                        depth,
                    });
                }
                TokenTree::Ident(ident) => push(&ident.to_string(), true),
                TokenTree::Literal(literal) => push(&literal.to_string(), false),
                TokenTree::Punct(punct) => {
                    // Two signs that mean something other together than each alone.
                    let next = trees.get(at + 1).map(ToString::to_string);
                    let both = format!("{}{}", punct.as_char(), next.unwrap_or_default());
                    if punct.spacing() == Spacing::Joint && ["::", "->", "=>"].contains(&both.as_str()) {
                        push(&both, false);
                        at += 1;
                    } else {
                        push(&punct.to_string(), false);
                    }
                }
            }
            at += 1;
        }
    }

    /// `mod NAME;` says which file it is.
    fn note_test_file(&mut self, item: &[TokenTree]) {
        let words: Vec<String> = item.iter().map(ToString::to_string).collect();
        if let [.., module, name, end] = &words[..]
            && (module.as_str(), end.as_str()) == ("mod", ";")
        {
            let folder: PathBuf = ["src"].into_iter().chain(self.modules()).collect();
            self.test_files.push(folder.join(name));
        }
    }

    /// Where these tokens stand one after the other.
    pub fn find(&self, wanted: &[&str]) -> Vec<usize> {
        let matches = |window: &&[Token]| window.iter().map(|token| token.text.as_str()).eq(wanted.iter().copied());
        self.tokens.windows(wanted.len()).filter(matches).map(|window| window[0].line).collect()
    }

    /// Every path in it.
    pub fn mentions(&self) -> Vec<Mention> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < self.tokens.len() {
            // What follows a dot is a field or a method.
            let begins = self.tokens[at].is_word && (at == 0 || self.tokens[at - 1].text != ".");
            at = if begins { self.path_at(at, &[], &mut found) } else { at + 1 };
        }
        found
    }

    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text.as_str())
    }

    /// Reads a path, and all those in its braces; returns what comes after it.
    fn path_at(&self, mut at: usize, before: &[String], found: &mut Vec<Mention>) -> usize {
        let Token { line, depth, .. } = self.tokens[at];
        let mut segments = before.to_vec();
        loop {
            segments.push(self.text(at).to_owned());
            at += 1;
            let more = self.text(at) == "::"
                && (self.text(at + 1) == "*" || self.tokens.get(at + 1).is_some_and(|t| t.is_word));
            if more {
                at += 1;
                continue;
            }
            if self.text(at) == "::" && self.text(at + 1) == "{" {
                at += 2;
                while self.text(at) != "}" {
                    at = if self.text(at) == "," { at + 1 } else { self.path_at(at, &segments, found) };
                }
                return at + 1;
            }
            let renamed = self.text(at) == "as";
            found.push(Mention { segments, line, depth, renamed });
            return if renamed && !before.is_empty() { at + 2 } else { at };
        }
    }

    /// The module of the crate that a path leads into, by whatever way; `None` if it stays where it is or leads into
    /// another crate.
    pub fn target<'m>(&self, mention: &'m Mention) -> Option<&'m str> {
        let segments = &mention.segments[usize::from(mention.segments[0] == "self")..];
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        let from_root = match segments.first().map(String::as_str)? {
            "crate" | "hab" => &segments[1..],
            "super" if ups >= self.modules().len() + mention.depth => &segments[ups..],
            _ => return None,
        };
        match from_root.first() {
            Some(module) => Some(module),
            // As in `pub(crate)`; but under another name anything could be reached.
            None => mention.renamed.then_some("the whole crate"),
        }
    }

    /// Every function with a name.
    pub fn functions(&self) -> Vec<Function> {
        let starts = (0..self.tokens.len())
            .filter(|at| self.text(*at) == "fn" && self.tokens.get(at + 1).is_some_and(|t| t.is_word));
        starts
            .map(|at| Function {
                name: self.text(at + 1).to_owned(),
                line: self.tokens[at].line,
                parameters: self.parameters(at + 2),
            })
            .collect()
    }

    /// How many parameters a function takes whose name ends before `at`.
    fn parameters(&self, mut at: usize) -> usize {
        let (mut angles, mut groups) = (0, 0);
        // The generics may have parentheses of their own.
        while angles > 0 || self.text(at) != "(" {
            angles += i32::from(self.text(at) == "<") - i32::from(self.text(at) == ">");
            at += 1;
        }
        let mut list: Vec<Vec<&str>> = vec![Vec::new()];
        for token in &self.tokens[at..] {
            match token.text.as_str() {
                "(" | "[" | "{" => groups += 1,
                ")" | "]" | "}" if groups == 1 => break,
                ")" | "]" | "}" => groups -= 1,
                "<" => angles += 1,
                ">" => angles -= 1,
                "," if groups == 1 && angles == 0 => list.push(Vec::new()),
                text => list.last_mut().unwrap().push(text),
            }
        }
        let is_self = |words: &[&str]| words.iter().take_while(|word| **word != ":").any(|word| *word == "self");
        list.iter().filter(|words| !words.is_empty() && !is_self(words)).count()
    }
}

fn is_for_tests(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = trees else { return false };
    let words: String = group.stream().to_string().split_whitespace().collect();
    hash.as_char() == '#' && group.delimiter() == Delimiter::Bracket && words == "cfg(test)"
}

#[test]
fn what_only_tests_have_is_not_looked_at() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let files = [
        file("src/own/mod.rs", "#[cfg(test)]\nmod fixtures;\nmod tests;"),
        file("src/own/fixtures.rs", ""),
        file("src/own/fixtures/deep.rs", ""),
        file("src/own/tests.rs", ""),
        file("tests/own.rs", ""),
    ];
    let paths: Vec<String> = code(&files).into_iter().map(|code| code.path).collect();
    assert_eq!(paths, ["src/own/mod.rs", "src/own/tests.rs"]);
}
