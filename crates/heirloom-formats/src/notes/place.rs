//! Where a note or an attachment stands among other files.

use super::{Notes, attachment};
use crate::file_name;
use crate::format::Format;
use heirloom_schema::category::notes::NOTES;
use heirloom_schema::{Content, Value};

/// The folder, with `/` between its parts; none at the top.
pub(super) const FOLDER: &str = "folder";
/// The file's name without its ending, where the text tells no title that is the same.
pub(super) const NAME: &str = "name";
/// The ending, where it is not `md`; empty where the file has none.
pub(super) const ENDING: &str = "ending";

/// Endings of notes.
pub(super) const NOTE_ENDINGS: &[&str] =
    &["md", "markdown", "txt", "mdown", "mdwn", "mkd", "mkdn", "qmd", "rmd", "text"];

/// Adds where a file stands to the content that was read from it. What an
/// export added to the name to tell uids apart is taken off again.
pub(super) fn placed(mut content: Content, path: &str, uid: Option<&str>) -> Content {
    let folder = file_name::folder_of(path);
    if !folder.is_empty() {
        content.insert(FOLDER.to_owned(), Value::Str(folder));
    }
    // What no ending is made of belongs to the name.
    let ending = file_name::ending_of(path).filter(|ending| is_ending(ending));
    let (stem, ending) = match ending {
        Some(ending) => (file_name::stem_of(path), ending),
        None => (file_name::name_of(path), ""),
    };
    if ending != NOTES.extension {
        content.insert(ENDING.to_owned(), Value::Str(ending.to_owned()));
    }
    if let Some((name, suffix)) = stem.rsplit_once('-') {
        let content = named(&content, name);
        let uid = uid.map_or_else(|| crate::uid_of_content(&NOTES, &content), str::to_owned);
        if suffix == file_name::short(&uid) {
            return content;
        }
    }
    named(&content, stem)
}

/// Adds a file's name, unless the text of a note tells the same.
fn named(content: &Content, name: &str) -> Content {
    let mut content = content.clone();
    let name = file_name::kept(name);
    let is_untold = || name != file_name::readable(&Notes.project(&content).title);
    if attachment::is_in(&content) || is_untold() {
        content.insert(NAME.to_owned(), Value::Str(name));
    }
    content
}

/// Returns a key's text.
fn text<'a>(content: &'a Content, key: &str) -> Option<&'a str> {
    content.get(key).and_then(Value::as_str)
}

/// Returns the name of a record's file without folder and ending.
pub(super) fn stem(content: &Content) -> String {
    match text(content, NAME) {
        Some(name) => file_name::kept(name),
        None => file_name::readable(&Notes.project(content).title),
    }
}

/// Returns the path of a record's file with this stem. What the record says
/// may come from anybody, so nothing of it leads elsewhere.
pub(super) fn path(content: &Content, stem: &str) -> String {
    let file = with_ending(content, stem);
    let folder = text(content, FOLDER).unwrap_or_default();
    match file_name::folder_of(&format!("{folder}/x")) {
        folder if folder.is_empty() => file,
        folder => format!("{folder}/{file}"),
    }
}

/// Returns a name with the ending of a record's file.
pub(super) fn with_ending(content: &Content, stem: &str) -> String {
    let is_safe = |ending: &&str| ending.is_empty() || is_ending(ending);
    match text(content, ENDING).filter(is_safe).unwrap_or(NOTES.extension) {
        "" => stem.to_owned(),
        ending => format!("{stem}.{ending}"),
    }
}

/// Returns whether what stands behind the last dot of a name is an ending.
fn is_ending(ending: &str) -> bool {
    const LETTERS_MAX: usize = 16;
    (1..=LETTERS_MAX).contains(&ending.len())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns what of the place belongs to a record's fingerprint: two files of
/// the same bytes in two folders are two records.
pub(super) fn fingerprint(content: &Content) -> Vec<u8> {
    let part = |key| text(content, key).unwrap_or_default();
    let name = part(NAME);
    match content.contains_key(FOLDER) || content.contains_key(ENDING) {
        true => format!("{}/{name}/{}", part(FOLDER), part(ENDING)).into_bytes(),
        false => name.as_bytes().to_vec(),
    }
}
