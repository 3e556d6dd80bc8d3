//! Bytes to text: what is no sensible text file is refused here, before any YAML is looked at.

use crate::problems::{Place, Problems};

/// The largest `hab.yaml` that is read. A lab of every key is under 4 KiB; a mebibyte leaves room for any comment.
pub const MAX_BYTES: usize = 1 << 20;

/// After this many problems of one kind the rest is not worth reading.
const MAX_SAME: usize = 20;

/// The byte order mark some editors put first; YAML allows it (YAML 1.2.2, section 5.2).
const BOM: char = '\u{feff}';

/// Turns the file's bytes into text with `\n` line ends and without a byte order mark.
///
/// `None` when it is no text at all; otherwise problems that make parsing pointless may have been noted.
pub fn decode(file: &str, bytes: &[u8]) -> (Option<String>, Problems) {
    let mut problems = Problems::new(file, "");
    if bytes.len() > MAX_BYTES {
        problems.error(None, format!("is {} bytes long; at most {MAX_BYTES} are read", bytes.len()), None);
        return (None, problems);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let place = place_of(&bytes[..error.valid_up_to()]);
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            // The readable lines, so that the caret has something to stand under.
            problems.source = String::from_utf8_lossy(bytes).chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
            let hint = "save the file as UTF-8 in your editor".to_owned();
            problems.error(Some(place), format!("the byte 0x{byte:02x} here is not UTF-8"), Some(hint));
            return (None, problems);
        }
    };
    let text = text.strip_prefix(BOM).unwrap_or(text).replace("\r\n", "\n");
    problems.source = text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
    odd_characters(&text, &mut problems);
    tabs(&text, &mut problems);
    (Some(text), problems)
}

/// The place just after `before`, which is valid UTF-8.
fn place_of(before: &[u8]) -> Place {
    let before = String::from_utf8_lossy(before);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line, column, width: 1 }
}

/// Control characters, other line ends than `\n`, and the characters that make text look other than it is
/// (<https://trojansource.codes>): none has a use in `hab.yaml`, and each could reach a terminal.
fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, BOM | '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn odd_characters(text: &str, problems: &mut Problems) {
    let all = text.split('\n').enumerate().flat_map(|(line, content)| {
        content.chars().enumerate().filter(|(_, c)| is_odd(*c)).map(move |(column, c)| (line, column, c))
    });
    for (line, column, c) in all.take(MAX_SAME) {
        let place = Place { line: line + 1, column: column + 1, width: 1 };
        problems.error(
            Some(place),
            format!("the invisible character U+{:04X} is not allowed here", u32::from(c)),
            Some("delete it, or type the line anew".to_owned()),
        );
    }
}

/// YAML allows no tab in indentation (YAML 1.2.2, section 6.1); the parser's own words for it help nobody.
fn tabs(text: &str, problems: &mut Problems) {
    let all = text.split('\n').enumerate().filter_map(|(line, content)| {
        let indent = &content[..content.len() - content.trim_start_matches([' ', '\t']).len()];
        let blank = indent.len() == content.len();
        if blank { None } else { indent.find('\t').map(|column| (line, column)) }
    });
    for (line, column) in all.take(MAX_SAME) {
        let place = Place { line: line + 1, column: column + 1, width: 1 };
        problems.error(
            Some(place),
            "a tab in the indentation, which YAML does not allow",
            Some("indent with spaces".to_owned()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        decode("hab.yaml", bytes).1.to_string()
    }

    #[test]
    fn a_byte_order_mark_and_windows_line_ends_are_fine() {
        let (text, problems) = decode("hab.yaml", b"\xef\xbb\xbflab: demo\r\nbase: debian\r\n");
        assert_eq!(text.unwrap(), "lab: demo\nbase: debian\n");
        assert!(problems.list.is_empty());
    }

    #[test]
    fn latin_1_is_refused_at_its_place() {
        assert!(said(b"lab: demo\n# caf\xe9\n").starts_with("hab.yaml:2:6: error: the byte 0xe9 here is not UTF-8"));
    }

    #[test]
    fn invisible_characters_are_refused_and_not_repeated() {
        let said = said("lab: a\u{1b}[31m\nbase: \u{202e}x\0\rq\n".as_bytes());
        for code in ["1:7: error: the invisible character U+001B", "2:7", "U+202E", "U+0000", "U+000D"] {
            assert!(said.contains(code), "{code} in {said}");
        }
        assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
    }

    #[test]
    fn tabs_are_found_in_every_line_but_blank_ones() {
        let said = said(b"nodes:\n\tetcd:\n  \tcount: 1\n\t\n");
        assert!(said.contains("hab.yaml:2:1: error: a tab") && said.contains("hab.yaml:3:3: error: a tab"), "{said}");
        assert_eq!(said.matches("error").count(), 2);
    }

    #[test]
    fn a_file_too_long_is_not_read() {
        assert!(decode("hab.yaml", &vec![b'#'; MAX_BYTES + 1]).0.is_none());
    }
}
