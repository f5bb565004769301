//! The completions, as a shell uses them.

use crate::common::run;
use std::path::Path;
use std::process::Command;

/// Returns what bash offers for the last word of a line.
fn offered(script: &Path, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [.., before, last] = words.as_slice() else { panic!("{line}: two words at least") };
    let text = r#"
        source "$1" || exit 1
        COMP_WORDS=("${@:4}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
        COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}
        _heirloom heirloom "$2" "$3"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash")
        .args(["--norc", "-c", text, "bash"])
        .arg(script)
        .args([last, before])
        .args(&words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_categories_and_options() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions");
    let generated = run(folder.path(), &["completions", "bash"]).expect(0);
    std::fs::write(&script, generated.stdout).unwrap();
    assert_eq!(offered(&script, "heirloom cont"), ["contacts"]);
    assert_eq!(offered(&script, "heirloom app"), ["apps"]);
    assert_eq!(offered(&script, "heirloom notes li"), ["list"]);
    assert_eq!(offered(&script, "heirloom notes a"), ["add"]);
    assert_eq!(offered(&script, "heirloom apps a"), [""]);
    assert_eq!(offered(&script, "heirloom notes add --body"), ["--body-file"]);
    assert_eq!(offered(&script, "heirloom invite --role blind"), ["blind-keeper"]);
    assert_eq!(offered(&script, "heirloom devices r"), ["rename", "revoke"]);
    assert_eq!(offered(&script, "heirloom notes add --wait "), ["local", "keeper", "peer:"]);
    assert_eq!(offered(&script, "heirloom import x --wait p"), ["peer:"]);
    assert_eq!(offered(&script, "heirloom sync --timeout "), [""], "a number is no file");
}

#[test]
fn every_shell_has_completions_and_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let shells = [
        ("bash", Some(["bash", "-n"])),
        ("zsh", Some(["zsh", "-n"])),
        ("fish", Some(["fish", "-n"])),
        ("elvish", None),
        ("powershell", None),
    ];
    for (shell, check) in shells {
        let generated = run(folder.path(), &["completions", shell]).expect(0).stdout;
        for category in ["contacts", "notes", "calendar", "settings", "apps"] {
            assert!(generated.contains(category), "{shell}: {category}");
        }
        if shell == "fish" {
            let own = "using_subcommand completions\" -f -a \"bash elvish fish powershell zsh\"";
            assert!(generated.contains(own), "fish offers the shells");
            let levels = generated.lines().filter(|line| line.contains("-l wait"));
            let mut levels = levels.peekable();
            assert!(levels.peek().is_some());
            assert!(levels.all(|line| line.contains("-f -a \"local") && line.contains("peer:")));
        }
        let script = folder.path().join(shell);
        std::fs::write(&script, generated).unwrap();
        let Some([program, flag]) = check else { continue };
        // A shell that is not installed cannot read its script.
        let Ok(read) = Command::new(program).arg(flag).arg(&script).output() else { continue };
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}
