//! The help: every verb has one, none is wider than a page, and a change of it is seen in review.
//! `SNAPSHOTS=overwrite cargo test --test cli help` writes the golden file anew - and fails, for nothing was compared.

use super::support::{Test, verbs};

/// The widest line of help.
const WIDTH: usize = 100;

fn help(verb: &[&str]) -> String {
    let args = verb.iter().chain(&["--help"]);
    Test::new().run(args).code(0).quietly().stdout()
}

#[test]
fn help_is_as_reviewed_and_fits_a_page() {
    let verbs = verbs();
    assert!(verbs.len() >= 7, "{verbs:?}");
    let of_verbs =
        verbs.iter().map(|verb| format!("\n$ hab {verb} --help\n{}", help(&verb.split(' ').collect::<Vec<_>>())));
    let all: String = std::iter::once(help(&[])).chain(of_verbs).collect();
    for line in all.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
    }
    snapbox::assert_data_eq!(all, snapbox::file!["../golden/help.txt"]);
    assert!(std::env::var_os("SNAPSHOTS").is_none_or(|action| action != "overwrite"), "recorded, not compared");
}

#[test]
fn exit_codes_are_documented() {
    for code in ["0    fine", "1    the work failed", "2    the command line", "130", "143"] {
        assert!(help(&[]).contains(code), "{code}");
    }
}
