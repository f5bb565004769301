//! Names of files that are safe on every system.

use heirloom_base::{hash, id};

/// Bytes of the readable part.
const READABLE_BYTES_MAX: usize = 80;
/// Bytes of a name that came from a file: 255 of most systems, less the room
/// for an ending and for what tells uids apart.
const KEPT_BYTES_MAX: usize = 220;

/// Returns a readable and unique name without an ending.
pub(crate) fn stem(title: &str, uid: &str) -> String {
    format!("{}-{}", readable(title), short(uid))
}

/// Returns eight hex digits that tell uids apart.
pub(crate) fn short(uid: &str) -> String {
    id::to_hex(&hash::truncate::<4>(hash::content("file name", &[uid.as_bytes()])))
}

/// Returns a text without what some system does not take in a file's name.
/// A readable name stays as it is.
pub(crate) fn readable(text: &str) -> String {
    let kept = text.chars().filter(|letter| !is_invisible(*letter)).map(|letter| match letter {
        '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '-',
        white if white.is_whitespace() || white.is_control() => ' ',
        other => other,
    });
    let mut name = String::new();
    for letter in kept {
        if name.len() + letter.len_utf8() > READABLE_BYTES_MAX {
            break;
        }
        name.push(letter);
    }
    let name = name.trim_matches(|letter| matches!(letter, ' ' | '.'));
    if name.is_empty() { "untitled".to_owned() } else { name.to_owned() }
}

/// Returns a name of a file as it may stand in a folder again: nothing but
/// what no system takes is changed, so that links to the file hold.
pub(crate) fn kept(name: &str) -> String {
    let turns = |letter: &char| matches!(letter, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let letters = name.chars().filter(|letter| !turns(letter)).map(|letter| match letter {
        '/' | '\\' => '-',
        control if control.is_control() => ' ',
        other => other,
    });
    let mut kept = String::new();
    for letter in letters.skip_while(|letter| *letter == '.') {
        if kept.len() + letter.len_utf8() > KEPT_BYTES_MAX {
            break;
        }
        kept.push(letter);
    }
    if kept.is_empty() { "untitled".to_owned() } else { kept }
}

/// Returns whether a hidden folder holds what notes refer to: Nextcloud keeps
/// the attachments of a note in a folder beside it whose name begins so.
pub(crate) fn is_attachment_folder(name: &str) -> bool {
    name.strip_prefix(".attachments.").is_some_and(|number| !number.is_empty())
}

/// Returns the folder of a path, with `/` between its parts; empty for none.
pub(crate) fn folder_of(path: &str) -> String {
    const PARTS_MAX: usize = 64;
    let part = |part: &str| {
        let (kept, hidden) = (kept(part), format!(".{}", kept(part)));
        if is_attachment_folder(part) && is_attachment_folder(&hidden) { hidden } else { kept }
    };
    let mut parts: Vec<String> =
        path.split(['/', '\\']).filter(|part| !part.is_empty()).map(part).collect();
    parts.pop();
    parts.truncate(PARTS_MAX);
    parts.join("/")
}

/// Returns the ending of a path's last part, without the dot.
pub(crate) fn ending_of(path: &str) -> Option<&str> {
    name_of(path).rsplit_once('.').map(|(_, ending)| ending)
}

/// Returns the last part of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Characters that change how a name reads without being seen.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Returns the last part of a path without its ending.
pub(crate) fn stem_of(path: &str) -> &str {
    let name = name_of(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Returns whether a path ends in one of these endings, in any case.
pub(crate) fn ends_in(path: &str, endings: &[&str]) -> bool {
    ending_of(path).is_some_and(|ending| endings.iter().any(|one| one.eq_ignore_ascii_case(ending)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_readable_and_tell_uids_apart() {
        assert_eq!(stem("Ada Lindqvist", "1"), format!("Ada Lindqvist-{}", short("1")));
        assert_ne!(stem("Ada", "1"), stem("Ada", "2"));
        assert_eq!(readable("../../etc/passwd"), "-..-etc-passwd");
        assert_eq!(readable("a\u{202e}b\r\nc: d"), "ab  c- d");
        assert_eq!(readable("a\u{61c}b"), "ab");
        assert_eq!(readable(" .. "), "untitled");
    }

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(stem_of("notes/a.b.md"), "a.b");
        assert_eq!(stem_of("plain"), "plain");
        assert!(ends_in("X/y.MD", &["md"]) && !ends_in("x.md/y", &["md"]));
        assert_eq!(folder_of("a//b c/../d.md"), "a/b c/untitled");
        assert_eq!(folder_of("d.md"), "");
        assert_eq!(folder_of("a/.attachments.12/p.png"), "a/.attachments.12");
        assert_eq!(
            folder_of(".attachments./.attachments/.x/..attachments.1/p"),
            "attachments./attachments/x/attachments.1"
        );
        assert_eq!(
            folder_of(".attachments.1/.attachments.2"),
            ".attachments.1",
            "no file is hidden"
        );
        assert_eq!((ending_of("a.b/c"), ending_of("a/b.tar.gz")), (None, Some("gz")));
    }

    #[test]
    fn a_name_of_a_file_stays_as_it_was_unless_no_system_takes_it() {
        for name in ["Was ist das?", "a: b", " x ", "👩\u{200d}👧", "نامه\u{200c}ها", "a.b"]
        {
            assert_eq!(kept(name), name);
        }
        assert_eq!(kept("..\u{202e}a\nb\\c"), "a b-c");
        assert_eq!(kept("a\u{61c}b"), "ab");
        assert_eq!(kept(".."), "untitled");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_title_makes_a_safe_name(title in any::<String>(), uid in any::<String>()) {
            let name = stem(&title, &uid);
            prop_assert!(name.len() <= 95);
            prop_assert!(!name.starts_with('.') && !name.contains(['/', '\\', '\0', ':']));
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert_eq!(readable(&readable(&title)), readable(&title));
            let kept = kept(&title);
            prop_assert_eq!(super::kept(&kept), kept.as_str());
            prop_assert!(!kept.is_empty() && !kept.starts_with('.') && !kept.contains(['/', '\\']));
            prop_assert!(kept.len() <= 220 && !kept.chars().any(char::is_control));
            let folder = folder_of(&format!(".attachments.{title}/x"));
            prop_assert_eq!(folder_of(&format!("{folder}/x")), folder);
        }
    }
}
