//! What a user is told when the daemon itself fails.

use heirloom_api::BindError;
use heirloom_base::wording::{capitalized, shell_word};
use heirloom_core::command::{Answer, Failure};
use heirloom_core::failure::{STORE_DAMAGED, exit};
use heirloom_core::input::AppendError;
use std::fmt::Display;
use std::io;
use std::path::Path;

/// Exit code: data of a newer version.
const NEWER: u8 = 6;
/// Exit code: saved here, but not (yet) at the level asked for.
const INCOMPLETE: u8 = 75;

fn failure(exit: u8, code: &str, text: String, fix: &str) -> Failure {
    Failure { exit, code: code.to_owned(), text, fix: fix.to_owned() }
}

pub(crate) fn no_account(home: &Path) -> Failure {
    failure(
        exit::FAILED,
        "no-account",
        format!("There is no account in {}.", home.display()),
        "Make one with `heirloom init`, or join one with `heirloom join CODE`.",
    )
}

pub(crate) fn cut_off(home: &Path) -> Failure {
    failure(
        exit::FAILED,
        "unfinished",
        format!(
            "An account was about to come into {}, and that was cut off: it holds no records.",
            home.display()
        ),
        "Give the same command again: `heirloom join CODE`, `heirloom recover` or `heirloom init`. \
         Or use another folder with `--home DIR`.",
    )
}

pub(crate) fn all_lost(home: &Path) -> Failure {
    let text = format!(
        "The log and the index in {} are gone: of its account only device.key is there.",
        home.display()
    );
    let fix = format!("Put them back if there is a copy of them. Otherwise {AFRESH}");
    failure(exit::DAMAGED, STORE_DAMAGED, text, &fix)
}

pub(crate) fn account_exists(home: &Path) -> Failure {
    failure(
        exit::FAILED,
        "account-exists",
        format!("There is an account in {} already; nothing was changed.", home.display()),
        "Go on with it: `heirloom up`, also where a restore or a join was interrupted. \
         Or use another folder with `--home DIR`.",
    )
}

/// The code of the failure of a folder that another process holds.
pub const IN_USE: &str = "held";

pub(crate) fn held(home: &Path, pid: Option<u32>) -> Failure {
    let holder = pid.map_or("Another program".to_owned(), |pid| format!("The process {pid}"));
    failure(
        exit::FAILED,
        IN_USE,
        format!("{holder} is using {}.", home.display()),
        "Stop that process, or use another folder with `--home DIR`.",
    )
}

pub(crate) fn newer(text: String) -> Failure {
    let text = sentence(&text);
    failure(NEWER, "newer-format", text, "Update heirloom on this device; nothing was changed.")
}

pub(crate) fn damaged(text: String) -> Failure {
    failure(
        exit::DAMAGED,
        STORE_DAMAGED,
        sentence(&text),
        &format!("Check the disk. If that does not help, {AFRESH}"),
    )
}

/// What to do where a folder cannot be used any more: what only this device had
/// may still be read from it.
const AFRESH: &str = "move the folder away and keep it: changes that no other device has are only \
                      in it. Then restore this device with `heirloom recover` while another device \
                      of the account is on; what that one holds is safe.";

pub(crate) fn key_lost(text: &str) -> Failure {
    let fix = format!("Put the file back if there is a copy of it. Otherwise {AFRESH}");
    failure(exit::DAMAGED, STORE_DAMAGED, sentence(&text), &fix)
}

pub(crate) fn key_is_open(text: &str, path: &Path) -> Failure {
    let word = shell_word(&path.to_string_lossy());
    let fix = format!("Close it with `chmod 600 {word}`, and give the command again.");
    failure(exit::FAILED, "folder-unusable", sentence(&text), &fix)
}

pub(crate) fn no_key_file(exit: u8, path: &Path, kind: &str) -> Failure {
    let text = format!("The device key should be at {}, and that is {kind}.", path.display());
    let fix = format!(
        "Move it aside, and put the file back if there is a copy of it. Otherwise {AFRESH}"
    );
    let code = if exit == exit::DAMAGED { STORE_DAMAGED } else { "folder-unusable" };
    failure(exit, code, text, &fix)
}

pub(crate) fn in_the_way(path: &Path, kind: &str, wanted: &str) -> Failure {
    let text = format!(
        "The data folder cannot be used: {} is {kind}, and {wanted} belongs there.",
        path.display()
    );
    let fix = "Move it aside, and put back what belongs there if it stood there before; then give \
               the command again. Nothing was changed.";
    failure(exit::FAILED, "folder-unusable", text, fix)
}

pub(crate) fn of_another(home: &Path, owner: u32) -> Failure {
    let text = format!(
        "The folder {} belongs to another user, with the number {owner}, and this user may not \
         use it.",
        home.display()
    );
    let fix = "Give the command as the user whose folder it is, or use another folder with \
               `--home DIR`.";
    failure(exit::FAILED, "folder-foreign", text, fix)
}

pub(crate) fn out_of_reach(home: &Path) -> Failure {
    let text =
        format!("This user may not look at {}: a folder above it is closed.", home.display());
    let fix = "Give the command as the user whose folder it is, or use another folder with \
               `--home DIR`.";
    failure(exit::FAILED, "folder-foreign", text, fix)
}

pub(crate) fn closed(home: &Path, mode: u32) -> Failure {
    let text = format!(
        "The folder {} is closed to its own owner: its mode is {mode:o}, not 700.",
        home.display()
    );
    let word = shell_word(&home.to_string_lossy());
    let fix = format!("Open it with `chmod 700 {word}`, and give the command again.");
    failure(exit::FAILED, "folder-unusable", text, &fix)
}

pub(crate) fn expelled(home: &Path) -> Failure {
    failure(
        exit::DAMAGED,
        STORE_DAMAGED,
        format!(
            "The log in {} does not say that this device belongs to the account: a part is lost, \
             or the log or device.key is of another folder.",
            home.display()
        ),
        "Where a part is lost, run `heirloom up` near another device of the account: it sends it \
         again. Otherwise put back the file that belongs here, or move the folder away, keep it, and \
         restore this device with `heirloom recover` near another one that is on.",
    )
}

pub(crate) fn other_device(home: &Path) -> Failure {
    failure(
        exit::DAMAGED,
        STORE_DAMAGED,
        format!(
            "The file device.key in {} is of another device of the account than the log.",
            home.display()
        ),
        &format!("Put back the file that belongs here. Otherwise {AFRESH}"),
    )
}

pub(crate) fn log_lost() -> Failure {
    failure(
        exit::FAILED,
        "log-lost",
        "The disk has lost a part of the log that was acknowledged.".to_owned(),
        "Check the disk and start heirloom again: it then asks the other devices for what is missing.",
    )
}

pub(crate) fn unusable(home: &Path, error: &dyn Display) -> Failure {
    failure(
        exit::FAILED,
        "folder-unusable",
        format!("The data folder {} cannot be used: {error}.", home.display()),
        "Check the folder's rights and the free space, then try again.",
    )
}

pub(crate) fn read_only(home: &Path) -> Failure {
    failure(
        exit::FAILED,
        "folder-unusable",
        format!("The folder {} lies on a file system that is read-only.", home.display()),
        "Mount it for writing, or copy the folder to a disk that can be written, and use the copy \
         with `--home DIR`; nothing was changed.",
    )
}

pub(crate) fn full(home: &Path) -> Failure {
    failure(
        exit::FAILED,
        "disk-full",
        format!("The disk that holds {} is full.", home.display()),
        "Free some space and run the same command again, with a new invite where the time of the \
         old one is over.",
    )
}

pub(crate) fn no_room(home: &Path, free: u64, needed: u64) -> Failure {
    const MIB: u64 = 1024 * 1024;
    failure(
        exit::FAILED,
        "disk-full",
        format!(
            "The disk that holds {} is full: {} MiB are free, and an account begins with {}.",
            home.display(),
            free / MIB,
            needed.div_ceil(MIB)
        ),
        "Free some space and run the same command again; nothing was changed or used up.",
    )
}

pub(crate) fn no_randomness(error: &dyn Display) -> Failure {
    let text = format!("The system gave no random bytes: {error}.");
    failure(exit::FAILED, "no-randomness", text, "Try again; nothing was changed.")
}

pub(crate) fn network(error: &dyn Display) -> Failure {
    failure(
        exit::FAILED,
        "network",
        format!("The network cannot be used: {error}."),
        "Choose another address with `--listen /ip4/0.0.0.0/tcp/0`.",
    )
}

pub(crate) fn control(error: &BindError) -> Failure {
    let fix = match error {
        BindError::InUse { .. } => "End the node that answers there, or use it.",
        BindError::ForeignFolder { .. } => {
            "Make the folder your own and close it to others (mode 0700), or set XDG_RUNTIME_DIR."
        }
        BindError::System { source, .. } if is_forbidden(source) => {
            "Take back the right to write in the folder (mode 0700), and start the node again."
        }
        BindError::System { .. } => {
            "Move away what stands at `control.sock` in the folder if it is no socket."
        }
    };
    let text = format!("The control socket cannot be opened: {}.", causes(error));
    failure(exit::FAILED, "control-socket", text, fix)
}

/// Returns whether the folder takes no new name, whatever stands there.
fn is_forbidden(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    [PermissionDenied, ReadOnlyFilesystem].contains(&error.kind())
}

pub(crate) fn control_broke() -> Failure {
    failure(
        exit::FAILED,
        "control-socket",
        "The control socket broke.".to_owned(),
        "Start the node again with `heirloom up`; everything that was answered is saved.",
    )
}

pub(crate) fn stopped(what: &str) -> Failure {
    failure(
        exit::FAILED,
        "node-stopped",
        format!("The node stopped by itself: {what}."),
        "Start it again with `heirloom up`; everything that was answered is saved.",
    )
}

pub(crate) fn unanswered() -> Failure {
    failure(
        exit::FAILED,
        "unanswered",
        "The command needs a running node.".to_owned(),
        "Start one with `heirloom up` in another terminal.",
    )
}

pub(crate) fn unexpected(answer: &Answer) -> Failure {
    tracing::error!(answer = ?std::mem::discriminant(answer), "an answer to another command");
    failure(
        exit::FAILED,
        "unexpected-answer",
        "The node gave an answer to another command.".to_owned(),
        "Give the command again.",
    )
}

pub(crate) fn repaired() -> Failure {
    failure(
        exit::FAILED,
        "index-rebuilt",
        "The index was damaged and has been rebuilt from the log.".to_owned(),
        "Give the command again; a write may have been saved already.",
    )
}

/// What is to be done about a damaged log of which nothing is missing any more.
pub(crate) fn mended() -> String {
    "Nothing needs to be done: what is known to have been there is here again. The folder \
     `quarantine` keeps what was damaged."
        .to_owned()
}

pub(crate) fn interrupted_by_full_disk(home: &Path) -> Failure {
    failure(
        exit::FAILED,
        "disk-full",
        format!("The disk that holds {} is full, or refuses to be written.", home.display()),
        "Free some space and give the command again; what was saved before is whole, and a write may have been saved already.",
    )
}

pub(crate) fn busy() -> Failure {
    failure(
        exit::FAILED,
        "node-busy",
        "The node is busy with too many commands.".to_owned(),
        "Try again in a moment; nothing was changed.",
    )
}

pub(crate) fn usage(text: String, fix: &str) -> Failure {
    failure(exit::USAGE, "usage", text, fix)
}

pub(crate) fn unreachable_peer() -> Failure {
    failure(
        exit::UNREACHABLE,
        "unreachable",
        "No device of the account could be reached; nothing was changed here.".to_owned(),
        "Check that the other device runs `heirloom up` in the same network, or give its address with `--peer`.",
    )
}

pub(crate) fn broken_off(cause: &str) -> Failure {
    failure(
        exit::UNREACHABLE,
        "unreachable",
        format!("The other device was reached, but the pairing broke off: {cause}."),
        "Try again with the other device near; nothing was changed here.",
    )
}

pub(crate) fn pairing_failed(cause: &str) -> Failure {
    failure(
        exit::FAILED,
        "pairing-failed",
        sentence(&cause),
        "Where the device.key of this folder was taken out of the account, use another folder \
         with `--home DIR`. Otherwise update heirloom on both devices and try again; nothing was \
         changed here.",
    )
}

pub(crate) fn bad_code(error: &dyn Display) -> Failure {
    failure(
        exit::FORBIDDEN,
        "invite-unreadable",
        format!("The invite cannot be read: {error}."),
        "Give the link or the six words as `heirloom invite` shows them.",
    )
}

pub(crate) fn refused(error: &dyn Display) -> Failure {
    failure(
        exit::FORBIDDEN,
        "invite-refused",
        sentence(error),
        "Open a new invite on the other device with `heirloom invite`.",
    )
}

pub(crate) fn wrong_code(error: &dyn Display) -> Failure {
    failure(
        exit::FORBIDDEN,
        "invite-refused",
        sentence(error),
        "Type or copy it again as the other device shows it; nothing was changed here. If it is right, \
         open a new invite there with `heirloom invite`.",
    )
}

pub(crate) fn unknown_phrase() -> Failure {
    failure(
        exit::FORBIDDEN,
        "phrase-unknown",
        "No reachable device knows an account with this phrase; nothing was changed here."
            .to_owned(),
        "Check the twelve words, or give the address of a device of the account with `--peer`.",
    )
}

pub(crate) fn other_account() -> Failure {
    failure(
        exit::FORBIDDEN,
        "other-account",
        "The invite is for another account than the one in this folder.".to_owned(),
        "Use another folder with `--home DIR`.",
    )
}

pub(crate) fn other_role(asked: &str, granted: &str) -> Failure {
    failure(
        exit::FORBIDDEN,
        "other-role",
        format!("The role {asked} was asked for, but this device's role is {granted}."),
        "Open an invite with the role wanted: `heirloom invite --role member|keeper|blind-keeper`.",
    )
}

pub(crate) fn first_sync_incomplete(interrupted: bool) -> Failure {
    let how = if interrupted { "was interrupted" } else { "did not end" };
    failure(
        INCOMPLETE,
        "first-sync-incomplete",
        format!("This device has joined the account, but the first sync {how}."),
        "Run `heirloom up`: the rest follows as soon as another device is reachable.",
    )
}

/// The code of the failure of a join or a restoration that was asked to stop
/// before this device was let in.
pub const INTERRUPTED: &str = "interrupted";

pub(crate) fn interrupted() -> Failure {
    failure(
        exit::FAILED,
        INTERRUPTED,
        "It was interrupted before this device was let into the account; no record came here."
            .to_owned(),
        "Give the same command again; where an invite is used up or its time is over, open a new \
         one on the other device with `heirloom invite`.",
    )
}

pub(crate) fn first_sync_full() -> Failure {
    failure(
        INCOMPLETE,
        "disk-full",
        "This device has joined the account, but its disk is full: not everything fitted."
            .to_owned(),
        "Free some space, then run `heirloom up`: the rest follows.",
    )
}

/// Returns what the node needs to know of a failed append.
pub(crate) fn plain(error: &heirloom_store::AppendError) -> AppendError {
    if matches!(error, heirloom_store::AppendError::Full) {
        AppendError::Full
    } else {
        AppendError::Failed(causes(error))
    }
}

/// Returns an error's text with those of its causes.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Makes a sentence of an error's text.
fn sentence(error: &dyn Display) -> String {
    format!("{}.", capitalized(error.to_string().trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_the_key_hears_what_is_safe_and_what_to_keep() {
        for failure in [key_lost("no key"), all_lost(Path::new("/x")), damaged("x".to_owned())] {
            assert_eq!(failure.exit, 5);
            for said in ["is safe", "keep it", "only in it", "`heirloom recover`", "is on"] {
                assert!(failure.fix.contains(said), "{said}: {}", failure.fix);
            }
        }
        let open = key_is_open("it is open", Path::new("/a b/device.key"));
        assert!(open.fix.contains("`chmod 600 '/a b/device.key'`"), "{}", open.fix);
    }

    #[test]
    fn an_errors_text_becomes_a_sentence() {
        assert_eq!(sentence(&"the invite has expired"), "The invite has expired.");
        assert_eq!(sentence(&""), ".");
    }

    #[test]
    fn a_folder_that_takes_no_socket_is_told_from_something_in_its_place() {
        let bind = |kind: io::ErrorKind| {
            control(&BindError::System { home: "/x".into(), source: kind.into() }).fix
        };
        assert!(bind(io::ErrorKind::PermissionDenied).contains("right to write"));
        assert!(bind(io::ErrorKind::AlreadyExists).contains("control.sock"));
    }

    #[test]
    fn exit_codes_are_those_of_the_command_line() {
        let home = Path::new("/x");
        assert_eq!(held(home, Some(7)).exit, 1);
        assert!(held(home, Some(7)).text.contains('7'));
        assert_eq!(newer(String::new()).exit, 6);
        assert_eq!(damaged(String::new()).exit, 5);
        assert_eq!(unreachable_peer().exit, 69);
        assert_eq!(first_sync_incomplete(true).exit, 75);
        assert_eq!(other_account().exit, 77);
    }
}
