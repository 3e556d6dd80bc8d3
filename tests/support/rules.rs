//! The rules of `architecture.rs`: each finds what breaks it.

use super::source::{Code, File};
use super::{CHILD, EXEC, FILE_WRITES, FS_WRITES, IN_IMAGES, MAX_LINES, MAX_PARAMETERS, PLACES, PRINT, SHELLS, WRITES};

/// The modules in the order in which the library names them.
pub fn modules(library: &Code) -> Vec<String> {
    let names = library.tokens.windows(3).filter(|words| words[0].text == "mod" && words[2].text == ";");
    names.map(|words| words[1].text.clone()).collect()
}

pub fn layers(modules: &[String], all: &[Code]) -> Vec<String> {
    let place = |name: &str| modules.iter().position(|module| module == name);
    let mut found = Vec::new();
    for code in all.iter().filter(|code| !code.module().is_empty()) {
        let own = place(code.module());
        for mention in code.mentions() {
            if let Some(target) = code.target(&mention)
                && (own.is_none() || place(target).is_none_or(|target| Some(target) > own))
            {
                found.push(code.at(mention.line, &format!("{} uses {target}", code.module())));
            }
        }
    }
    found
}

/// Files that are too long, and all if the one in the middle is.
pub fn lengths(files: &[File], median: usize) -> Vec<String> {
    let mut lines: Vec<(usize, &str)> =
        files.iter().map(|file| (file.text.lines().count(), file.path.as_str())).collect();
    lines.sort_unstable();
    let middle = lines.get(lines.len() / 2).filter(|(lines, _)| *lines > median);
    let long = lines.iter().filter(|(lines, _)| *lines > MAX_LINES);
    let middle = middle.map(|(lines, _)| format!("the file in the middle has {lines} lines"));
    long.map(|(lines, path)| format!("{path}: {lines} lines")).chain(middle).collect()
}

pub fn parameters(all: &[Code]) -> Vec<String> {
    let functions = all.iter().flat_map(|code| code.functions().into_iter().map(move |function| (code, function)));
    let many = functions.filter(|(_, function)| function.parameters > MAX_PARAMETERS);
    many.map(|(code, found)| code.at(found.line, &format!("{} has {}", found.name, found.parameters))).collect()
}

/// The same of files in Go, whose functions begin at the beginning of a line.
pub fn go_parameters(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is("go")) {
        for (start, _) in file.text.match_indices("\nfunc ") {
            let after = &file.text[start + "\nfunc ".len()..];
            // What is in parentheses first is what a method belongs to.
            let after = if after.starts_with('(') { after.split_once(')').map_or("", |(_, rest)| rest) } else { after };
            let (name, list) = after.split_once('(').unwrap_or((after, ""));
            let (mut depth, mut commas, mut last) = (1, 0, ' ');
            for sign in list.chars() {
                depth += i32::from(sign == '(') - i32::from(sign == ')');
                if depth == 0 {
                    break;
                }
                commas += usize::from(sign == ',' && depth == 1);
                last = if sign.is_whitespace() { last } else { sign };
            }
            // Alone on its line the last one has a comma, too.
            let count = if last == ' ' { 0 } else { commas + usize::from(last != ',') };
            if count > MAX_PARAMETERS {
                let line = file.text[..=start].lines().count() + 1;
                found.push(format!("{}:{line}: {} has {count}", file.path, name.trim()));
            }
        }
    }
    found
}

fn tokens(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// Finds any of these, each one or more tokens apart by blanks.
fn words(all: &[Code], wanted: &[&str]) -> Vec<String> {
    let each = all.iter().flat_map(|code| wanted.iter().map(move |word| (code, word)));
    let found = each.flat_map(|(code, word)| code.find(&tokens(word)).into_iter().map(move |line| (code, line, word)));
    found.map(|(code, line, word)| code.at(line, &word.replace(' ', ""))).collect()
}

pub fn panics(all: &[Code]) -> Vec<String> {
    // Clippy forbids `unwrap`, `expect`, `panic!` and `todo!`; this forbids to switch that off.
    let lints = ["clippy :: unwrap_used", "clippy :: expect_used", "clippy :: panic", "clippy :: todo"];
    let macros = ["unreachable !", "todo !", "unimplemented !", "panic !", "assert !", "assert_eq !", "assert_ne !"];
    words(all, &[&lints[..], &macros].concat())
}

pub fn writes(all: &[Code], writers: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for code in all.iter().filter(|code| !writers.contains(&code.module())) {
        for mention in code.mentions() {
            let segments: Vec<&str> = mention.segments.iter().map(String::as_str).collect();
            let pairs = segments.windows(2).any(|pair| match pair[0] {
                "fs" | "fs_err" => FS_WRITES.contains(&pair[1]),
                "File" => FILE_WRITES.contains(&pair[1]),
                _ => false,
            });
            let hidden = mention.renamed && matches!(segments.last(), Some(&("fs" | "File")));
            // hab's own module has functions of these names, which are the ones to use.
            let own = segments.contains(&"atomic_fs");
            if !own && (pairs || hidden || segments.iter().any(|segment| WRITES.contains(segment))) {
                found.push(code.at(mention.line, &segments.join("::")));
            }
        }
        found.extend(words(std::slice::from_ref(code), &[". set_permissions", ". create_new"]));
    }
    found
}

pub fn programs(all: &[Code]) -> Vec<String> {
    let mut found = Vec::new();
    for code in all {
        let outside = code.module() != EXEC;
        for mention in code.mentions().into_iter().filter(|_| outside) {
            let hidden = mention.renamed && mention.segments.last().is_some_and(|segment| segment == "Command");
            if hidden
                || mention.segments.windows(2).any(|pair| pair == ["process", "Command"] || pair == ["Command", "new"])
            {
                found.push(code.at(mention.line, &mention.segments.join("::")));
            }
        }
        if code.path != CHILD {
            let starts = [". spawn ( )", "command . output ( )", "command . status ( )"];
            found.extend(words(std::slice::from_ref(code), &starts));
        }
        for shell in SHELLS {
            found.extend(words(std::slice::from_ref(code), &[&format!("\"{shell}\"")]));
        }
    }
    found
}

pub fn prints(all: &[Code]) -> Vec<String> {
    let macros = ["println !", "print !", "eprintln !", "eprint !", "dbg !"];
    let streams = ["io :: stdout", "io :: stderr"];
    let mut found = Vec::new();
    for code in all.iter().filter(|code| code.path != PRINT) {
        found.extend(words(std::slice::from_ref(code), &macros));
        for stream in streams {
            // To ask what it is writes nothing.
            let asked = code.find(&tokens(&format!("{stream} ( ) . is_terminal")));
            let used = code.find(&tokens(stream)).into_iter().filter(|line| !asked.contains(line));
            found.extend(used.map(|line| code.at(line, &stream.replace(' ', ""))));
        }
    }
    found
}

pub fn readers(all: &[Code], data: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for code in all {
        for words in code.tokens.windows(4) {
            let [word, mark, _, file] = words else { continue };
            let inside = |folder: &str| file.text.split(['/', '"']).any(|part| part == folder);
            let is_include = word.text.starts_with("include") && mark.text == "!";
            let others =
                data.iter().filter(|(folder, reader)| is_include && inside(folder) && code.module() != *reader);
            found.extend(
                others.map(|(folder, reader)| code.at(word.line, &format!("{folder}/ is read by src/{reader}"))),
            );
        }
    }
    found
}

pub fn places(files: &[File]) -> Vec<String> {
    // cargo itself writes the registry's name into its lock.
    let lines = files
        .iter()
        .filter(|file| file.path != "Cargo.lock")
        .flat_map(|file| file.text.lines().enumerate().map(move |(number, line)| (file, number + 1, line)));
    let found = lines.flat_map(|(file, number, line)| {
        let line = IN_IMAGES.iter().fold(line.to_owned(), |line, path| line.replace(path, ""));
        let words = PLACES.iter().filter(|word| line.contains(**word));
        words.map(|word| format!("{}:{number}: {word}", file.path)).collect::<Vec<_>>()
    });
    found.collect()
}
