//! Lists and mappings in brackets that go on over several lines.

/// Brackets that are open at the end of a line.
#[derive(Debug, Default)]
struct Nesting {
    depth: usize,
}

impl Nesting {
    /// Takes in a line: brackets in quotes and behind a `#` do not count.
    fn read(&mut self, line: &str) {
        let mut quote = None;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match (quote, letter) {
                (Some('"'), '\\') => drop(letters.next()),
                (Some(open), letter) if open == letter => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(letter),
                (None, '[' | '{') => self.depth += 1,
                (None, ']' | '}') => self.depth = self.depth.saturating_sub(1),
                (None, '#') => return,
                (None, _) => {}
            }
        }
    }
}

/// Returns how many lines a value takes that begins so, where it is a list or
/// a mapping in brackets; one where it never ends.
pub(super) fn span(value: &str, more: impl Iterator<Item = String>) -> usize {
    if !value.trim_start().starts_with(['[', '{']) {
        return 1;
    }
    let mut nesting = Nesting::default();
    nesting.read(value);
    if nesting.depth == 0 {
        return 1;
    }
    let end = more.enumerate().find(|(_, line)| {
        nesting.read(line);
        nesting.depth == 0
    });
    end.map_or(1, |(at, _)| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_brackets_ends_where_they_are_closed() {
        let span = |text: &str| {
            let (first, more) = text.split_once('\n').unwrap_or((text, ""));
            span(first, more.lines().map(str::to_owned))
        };
        assert_eq!(span(" [1, 2]\na"), 1);
        assert_eq!(span(" [\n \"a]\",\n]\nb"), 3);
        assert_eq!(span("{a: [1, # ]}\n2],\n}\nb"), 3);
        assert_eq!(span("['it''s [',\n'b']\nc"), 2);
        assert_eq!(span("[\nnever closed"), 1);
        assert_eq!(span("text [\nb]"), 1);
    }
}
