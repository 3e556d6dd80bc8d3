//! Units and drop-ins: their names, and their text as far as Ignition looks at it.

use anyhow::{Context as _, Result, ensure};

/// The types of units that Ignition takes (`config/v3_3/types/unit.go`).
const UNIT_TYPES: [&str; 12] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "snapshot",
    "slice",
    "scope",
];

/// The longest name: a file's has at most 255 bytes (`NAME_MAX`), and `.d` is put behind a unit's.
const MAX_NAME: usize = 255 - ".d".len();

/// From how many bytes on a line is too long for Ignition (go-systemd 22.0.0, `SYSTEMD_LINE_MAX`).
const MAX_LINE: usize = 2048;

/// Whether a unit may be called so.
pub fn is_unit(name: &str) -> bool {
    is_name(name, &UNIT_TYPES)
}

/// Whether a drop-in may be called so.
pub fn is_drop_in(name: &str) -> bool {
    is_name(name, &["conf"])
}

/// A file name of one of these types, in the characters of systemd.unit(5).
fn is_name(name: &str, types: &[&str]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    !stem.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with('.')
        && name.chars().all(plain)
        && types.contains(&kind)
}

/// The template that a unit is an instance of: `a@.service` of `a@b.service`, and of itself.
pub fn template(name: &str) -> Option<String> {
    let (stem, kind) = name.rsplit_once('.')?;
    let (prefix, _) = stem.split_once('@')?;
    Some(format!("{prefix}@.{kind}"))
}

/// Refuses text that Ignition can't parse. It does so with go-systemd 22.0.0, `unit/deserialize.go`, which this follows,
/// other than in that every long line is refused: there it depends on how the lines before it fill a buffer.
pub fn check_text(text: &str) -> Result<()> {
    let long = text.split(['\n', '\r']).find(|line| line.len() >= MAX_LINE);
    ensure!(long.is_none(), "a line of it has {MAX_LINE} bytes or more");
    let mut rest = text;
    let mut in_section = false;
    loop {
        if in_section {
            rest = rest.trim_start();
        }
        let Some(first) = rest.chars().next() else { return Ok(()) };
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '[' => {
                in_section = true;
                let (name, after) = after.split_once(']').context("a section's name has no ] at its end")?;
                let (garbage, after) = line(after);
                ensure!(garbage.trim().is_empty(), "{garbage:?} stands behind [{name}]");
                after
            }
            '#' | ';' => continued(after, |line| line.strip_suffix(' ').unwrap_or(line)),
            _ if in_section => {
                let end = rest.find(['\n', '\r', '=']).filter(|end| rest[*end..].starts_with('='));
                let (shown, _) = line(rest);
                let end = end.with_context(|| format!("{shown:?} is neither a section nor NAME=VALUE"))?;
                continued(&rest[end + 1..], |line| line)
            }
            // Before the first section everything is passed over.
            _ => after,
        }
    }
}

/// The first line, and what comes behind it (`toEOL`).
fn line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or_else(|| (text.strip_suffix('\r').unwrap_or(text), ""))
}

/// What comes behind the first line and those that a `\` at the end adds to it.
fn continued(text: &str, trim: impl Fn(&str) -> &str) -> &str {
    let (mut first, mut rest) = line(text);
    while trim(first).ends_with('\\') {
        (first, rest) = line(rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_units_and_no_paths() {
        let long = format!("{}.service", "x".repeat(MAX_NAME));
        for name in [
            "x",
            "./a.service",
            "../a.service",
            "../../kubernetes/a.service",
            ".service",
            "a b.service",
            "a.txt",
            &long,
        ] {
            assert!(!is_unit(name) && !is_drop_in(name), "{name}");
        }
        assert!(is_unit("getty@tty1.service") && is_drop_in("10-a.conf"));
    }

    #[test]
    fn the_template_of_an_instance() {
        assert_eq!(template("a@b.c.service").as_deref(), Some("a@.service"));
        assert_eq!(template("a@.service").as_deref(), Some("a@.service"));
        assert_eq!(template("a.service"), None);
    }

    #[test]
    fn text_that_can_be_parsed() {
        let line = format!("[Unit]\nx={}\n", "y".repeat(MAX_LINE - 3));
        for text in [
            "",
            "x",
            "[Unit]",
            "[Unit]\n\n# why\n; why \\\nnot a line\n[Service] \nExecStart=a \\\n b\nNice=1",
            "[Unit]\nx=\\",
            "[Unit]\n=",
            "[U\nnit]\nx=y\r\n",
            "#\\",
            &line,
        ] {
            check_text(text).unwrap();
        }
    }

    #[test]
    fn text_that_can_not_be_parsed() {
        let line = format!("[Unit]\nx={}\n", "y".repeat(MAX_LINE - 2));
        for (text, why) in [
            ("[", "no ]"),
            ("x [Unit", "no ]"),
            ("[Unit] x", "\" x\" stands behind [Unit]"),
            ("[Unit]\nx", "\"x\" is neither"),
            ("[Unit]\nx\ny=z", "\"x\" is neither"),
            ("[Unit]\nx\ry=z", "is neither"),
            ("[Unit]\nx=y\\\r\nz", "\"z\" is neither"),
            (&line, "2048 bytes"),
        ] {
            let error = check_text(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
