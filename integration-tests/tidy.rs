//! The house rules that no compiler checks: who may import whom, what pure
//! crates may not touch, and how long a file may be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates of ours that each crate may import. A crate that is not named here
/// has no place in the house yet.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("schema", &["base"]),
    ("identity", &["base"]),
    ("blob", &["base"]),
    ("doc", &["base", "schema"]),
    ("formats", &["base", "schema"]),
    ("media", &["base"]),
    ("sync", &["base", "identity"]),
    ("core", &["base", "schema", "identity", "blob", "doc", "formats", "sync"]),
    ("store", &["base", "core"]),
    ("net", &["base"]),
    ("api", &["base", "schema", "core"]),
    ("node", &["base", "schema", "identity", "blob", "sync", "core", "store", "net", "api"]),
    ("cli", &["base", "schema", "identity", "formats", "core", "api", "node"]),
    ("bench", &["api"]),
    ("sim", &["base", "schema", "identity", "blob", "doc", "formats", "sync", "core"]),
];

/// Crates of rings 0 to 2, and the simulator: no clock, file, socket, thread,
/// environment or chance of their own.
const PURE: &[&str] =
    &["base", "schema", "identity", "blob", "doc", "formats", "media", "sync", "core", "sim"];

/// Packages that only one crate (or ring) may name.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("automerge", &["doc"]),
    ("ed25519-dalek", &["identity"]),
    ("libp2p", &["net"]),
    ("libp2p-stream", &["net"]),
    ("sled", &["store"]),
    ("tokio", &["net", "api", "node", "cli", "bench"]),
];

/// Modules of the standard library that pure crates do not name.
const IMPURE_MODULES: &[&str] =
    &["std::fs", "std::net", "std::env", "std::thread", "std::process", "std::io::stdin"];

const FILE_LINES_MAX: usize = 800;
const NORMAL_PACKAGES_MAX: usize = 350;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn manifest(name: &str) -> String {
    let path = root().join(format!("crates/heirloom-{name}/Cargo.toml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the names under `[dependencies]` of a crate.
fn dependencies(name: &str) -> BTreeSet<String> {
    dependencies_in(&manifest(name))
}

/// Returns the names under `[dependencies]` of a manifest.
fn dependencies_in(text: &str) -> BTreeSet<String> {
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn crates() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("crates")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_prefix("heirloom-").unwrap().to_owned()).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources_of(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&root().join(format!("crates/heirloom-{name}/src")), &mut found);
    found
}

/// Returns a file's lines up to its tests, or nothing for a file of tests.
fn product_lines(path: &Path) -> Vec<String> {
    let is_test = path.file_name().is_some_and(|name| name == "tests.rs" || name == "scripted.rs")
        || path.components().any(|part| part.as_os_str() == "tests");
    if is_test {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(str::to_owned);
    lines.take_while(|line| line.trim() != "#[cfg(test)]").collect()
}

#[test]
fn every_crate_imports_only_what_its_ring_allows() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    for name in crates() {
        let may = allowed.get(name.as_str()).unwrap_or_else(|| panic!("{name} has no ring"));
        for dependency in dependencies(&name) {
            let Some(ours) = dependency.strip_prefix("heirloom-") else { continue };
            assert!(may.contains(&ours), "heirloom-{name} must not import heirloom-{ours}");
        }
    }
}

#[test]
fn the_packages_with_one_home_are_named_nowhere_else() {
    for name in crates() {
        for (package, homes) in ONLY_IN {
            let named = dependencies(&name).contains(*package);
            assert!(!named || homes.contains(&name.as_str()), "heirloom-{name} names {package}");
        }
    }
}

#[test]
fn the_pure_crates_share_one_set_of_lints() {
    let clippy = |name: &str| {
        std::fs::read_to_string(root().join(format!("crates/heirloom-{name}/clippy.toml"))).unwrap()
    };
    let model = clippy("base");
    let shared = std::fs::read_to_string(root().join("clippy.toml")).unwrap();
    for line in shared.lines() {
        assert!(model.contains(line), "the pure crates' clippy.toml lacks: {line}");
    }
    for name in PURE {
        assert_eq!(clippy(name), model, "heirloom-{name}/clippy.toml differs");
    }
}

#[test]
fn pure_crates_touch_nothing_outside() {
    for name in PURE {
        for path in sources_of(name) {
            for (number, line) in product_lines(&path).iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let is_program = path.ends_with("heirloom-sim/src/main.rs");
                for module in IMPURE_MODULES {
                    let found = code.contains(module) && !is_program;
                    assert!(!found, "{}:{}: {module}", path.display(), number + 1);
                }
                let is_async = code.contains("async fn") || code.contains("async move");
                assert!(!is_async, "{}:{}: async", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn no_source_file_is_too_long() {
    for name in crates() {
        for path in sources_of(&name) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn a_category_is_named_only_where_it_is_defined() {
    // `"notes"` and the like, as a whole text.
    let ids = ["\"contacts\"", "\"notes\"", "\"calendar\"", "\"settings\"", "\"apps\""];
    let homes = ["schema", "formats"];
    for name in crates().iter().filter(|name| !homes.contains(&name.as_str())) {
        for path in sources_of(name) {
            // The demo, the simulator and the bench play users, who name categories.
            if path.components().any(|part| part.as_os_str() == "demo")
                || path.ends_with("demo.rs")
                || name == "sim"
                || name == "bench"
            {
                continue;
            }
            for (number, line) in product_lines(&path).iter().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let named = ids.iter().find(|id| code.contains(**id));
                assert!(named.is_none(), "{}:{}: {named:?}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn every_direct_dependency_has_its_line_in_the_table() {
    let table = std::fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    for name in crates() {
        for dependency in dependencies(&name) {
            let ours = dependency.starts_with("heirloom-");
            let listed = table.contains(&format!("| {dependency} |"));
            assert!(ours || listed, "docs/dependencies.md lacks {dependency} (heirloom-{name})");
        }
    }
}

#[test]
fn fuzzing_keeps_the_house_rules_and_is_imported_by_nobody() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let table = read("docs/dependencies.md");
    for dependency in dependencies_in(&read("fuzz/Cargo.toml")) {
        let listed = [format!("| {dependency} |"), format!("`{dependency}`")];
        let ours = dependency.starts_with("heirloom-");
        let found = ours || listed.iter().any(|name| table.contains(name));
        assert!(found, "docs/dependencies.md lacks {dependency} (fuzz)");
    }
    for name in crates() {
        assert!(!manifest(&name).contains("heirloom-fuzz"), "heirloom-{name} names heirloom-fuzz");
    }
    let mut found = Vec::new();
    sources(&root().join("fuzz"), &mut found);
    for path in found {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_program_is_built_from_few_enough_packages() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-e", "normal", "-p", "heirloom-cli", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let packages: BTreeSet<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    assert!(packages.len() <= NORMAL_PACKAGES_MAX, "{} packages", packages.len());
}

/// Returns the numbers of a README row's first cell: `S4`, `S9, S10`, `S34–S38`.
fn numbers(cell: &str) -> Vec<u32> {
    let number = |text: &str| text.trim().trim_start_matches('S').parse::<u32>().unwrap();
    cell.split(',')
        .flat_map(|part| match part.split_once('–') {
            Some((first, last)) => (number(first)..=number(last)).collect::<Vec<u32>>(),
            None => vec![number(part)],
        })
        .collect()
}

#[test]
fn every_capability_that_works_is_named_by_a_test_and_the_readme_counts_them() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut tests = String::new();
    for entry in std::fs::read_dir(root().join("integration-tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            tests.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    let (mut works, mut in_part, mut rows) = (0, 0, 0);
    for line in readme.lines().filter(|line| line.starts_with("| S")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        for number in numbers(cells[1]) {
            rows += 1;
            in_part += usize::from(cells[3].starts_with("in part"));
            if cells[3].starts_with("works") {
                works += 1;
                let name = format!("S{number}");
                let ends = [',', '.', ':', ' '];
                let named = ends.iter().any(|end| tests.contains(&format!("{name}{end}")));
                assert!(named, "{name} works, but no test names it");
            }
        }
    }
    assert_eq!(rows, 78, "the README has a row for every number");
    let counted = format!("{works} work, {in_part} in part");
    assert!(readme.contains(&counted), "the README should say: {counted}");
}
