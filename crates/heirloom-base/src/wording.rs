//! What people read: how a text begins a sentence, and a word one of a shell.

/// Returns a text with a capital letter at its beginning, unless that belongs to
/// a name: a path, a value or an option is told letter by letter.
#[must_use]
pub fn capitalized(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let word = first.trim_end_matches([',', ';', ':', '.', '!', '?']);
    if !word.chars().all(|character| character.is_alphabetic() || character == '\'') {
        return text.to_owned();
    }
    let mut characters = text.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters).collect()
}

/// Returns a word as a shell takes it.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/._-+:@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_a_capital_letter_and_a_name_with_its_own() {
        assert_eq!(capitalized("äh so"), "Äh so");
        assert_eq!(capitalized("usage: up"), "Usage: up");
        assert_eq!(capitalized("it's here"), "It's here");
        for text in ["", "rt1 is full", "./home is full", "a/b is full", "\"a\" is none", "--x"] {
            assert_eq!(capitalized(text), text);
        }
    }

    #[test]
    fn a_word_for_a_shell_can_be_pasted() {
        assert_eq!(shell_word("/home/zoë/x"), "/home/zoë/x");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
