//! The sessions of one chapter, as they stand in the file.

/// A command, and what stands below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Its line in the file, from 1.
    pub(super) line: usize,
    /// The device, as the prompt names it.
    pub(super) device: String,
    /// The command, with its further lines.
    pub(super) command: String,
    /// The lines of the expected output.
    pub(super) expected: Vec<String>,
}

/// Returns the steps of all `console` blocks.
pub(super) fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut fresh) = (false, true);
    for (index, line) in text.lines().enumerate() {
        if let Some(kind) = line.strip_prefix("```") {
            inside = !inside && kind == "console";
            fresh = true;
            continue;
        }
        if !inside {
            continue;
        }
        if let Some((device, command)) = prompt(line) {
            let (device, command) = (device.to_owned(), command.to_owned());
            steps.push(Step { line: index + 1, device, command, expected: Vec::new() });
            fresh = false;
            continue;
        }
        let step = steps.last_mut().filter(|_| !fresh);
        let step = step.unwrap_or_else(|| panic!("line {}: output before a command", index + 1));
        match line.strip_prefix("> ").or(line.eq(">").then_some("")) {
            Some(more) if step.expected.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            Some(_) | None => step.expected.push(line.to_owned()),
        }
    }
    steps
}

/// Returns the device and the command of a line `laptop$ heirloom`; the device
/// of a bare `$` has no name.
fn prompt(line: &str) -> Option<(&str, &str)> {
    let (device, command) = line.split_once("$ ")?;
    device.chars().all(|letter| letter.is_ascii_lowercase()).then_some((device, command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_with_devices_further_lines_and_output() {
        let text = "Text $ x\n```console\n$ cat > a <<END\n> one\n>\n> END\nlaptop$ ls\na\n```\n\
                    ```sh\n$ never\n```\n";
        let step = |line, device: &str, command: &str, expected: &[&str]| Step {
            line,
            device: device.to_owned(),
            command: command.to_owned(),
            expected: expected.iter().map(|line| (*line).to_owned()).collect(),
        };
        let expected =
            [step(3, "", "cat > a <<END\none\n\nEND", &[]), step(7, "laptop", "ls", &["a"])];
        assert_eq!(steps(text), expected);
    }
}
