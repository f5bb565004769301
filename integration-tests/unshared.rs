//! Tests that need namespaces of their own carry themselves out again below
//! `unshare`, as root there: nothing of this machine is touched, and what was
//! left running or mounted ends with it.

use std::process::{Command, Stdio};

/// Says to a test that it runs inside of its namespaces.
const INSIDE: &str = "HEIRLOOM_TEST_UNSHARED";
/// Set where such a test must not be skipped.
const REQUIRED: &str = "HEIRLOOM_REQUIRE_NAMESPACES";

/// Carries out the body in namespaces of its own; `test` is the path of the
/// test that calls, `kinds` what `unshare` is asked for and `more` what it is
/// told besides. Where the system does not allow `what`, it says so and leaves.
#[track_caller]
pub(crate) fn unshared(test: &str, kinds: &[&str], more: &[&str], what: &str, body: impl Fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    let allowed = Command::new("unshare").args(kinds).arg("true").stderr(Stdio::null()).status();
    if !allowed.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os(REQUIRED).is_none(), "this system allows no {what}");
        eprintln!("skipped: this system allows no {what}");
        return;
    }
    let ended = Command::new("unshare")
        .args(kinds)
        .args(more)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text =
        [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(text[0].contains("1 passed"), "{}\n{}", text[0], text[1]);
    print!("{}", text[1]);
}
