//! Making an account.

use crate::options::Account;
use crate::{folder, randomness};
use heirloom_core::command::Failure;
use heirloom_core::founding;
use heirloom_identity::{DeviceKeys, Phrase, Role};
use heirloom_store::Store;
use std::path::Path;
use zeroize::Zeroizing;

/// Makes an account and its first device in a new data folder.
///
/// # Errors
/// When the folder holds an account already or cannot be written.
pub fn init(home: &Path, device: Option<&str>) -> Result<Account, Failure> {
    found(home, device).map(|founded| founded.account)
}

/// An account that was made just now, its folder still open.
pub(crate) struct Founded {
    pub(crate) account: Account,
    pub(crate) store: Store,
    pub(crate) seed: Zeroizing<[u8; 32]>,
}

/// As [`init`], leaving the folder open.
///
/// # Errors
/// As [`init`].
pub(crate) fn found(home: &Path, device: Option<&str>) -> Result<Founded, Failure> {
    folder::refuse_existing(home)?;
    let entropy = randomness::bytes::<16>()?;
    let phrase = Phrase::from_entropy(*entropy);
    let root = phrase.root_keys();
    let seed = folder::seed(home)?;
    let keys = DeviceKeys::from_seed(*seed);
    let name = folder::device_name(device);
    let random = randomness::bytes::<32>()?;
    let frames = founding::found(&root, &keys, &name, Role::Member, *random);
    let store = folder::make(home, &seed, frames)?;
    let account = Account {
        account_id: root.account_id().to_string(),
        device_id: keys.id().to_string(),
        peer_id: heirloom_net::peer_id_text(keys.id()),
        phrase: phrase.words(),
    };
    Ok(Founded { account, store, seed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalNode;
    use heirloom_core::command::{Answer, Command};

    #[test]
    fn a_new_account_can_be_opened_and_made_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        assert!(!folder::has_account(&home));
        let account = init(&home, Some("laptop")).unwrap();
        assert_eq!(account.phrase.split(' ').count(), 12);
        assert!(folder::has_account(&home));
        let failure = init(&home, None).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (1, "account-exists"));
        let mut node = LocalNode::open(&home).unwrap();
        let Answer::Status(status) = node.run(Command::Status).unwrap() else {
            panic!("another answer")
        };
        assert_eq!(status.account_id, account.account_id);
        assert_eq!(status.device_id, account.device_id);
        assert_eq!(status.devices[0].name, "laptop");
        assert!(!status.running);
    }

    #[test]
    fn a_key_without_an_account_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder::seed(folder.path()).unwrap();
        heirloom_store::keyfile::write(folder.path(), &seed).unwrap();
        assert!(!folder::has_account(folder.path()));
        let founded = found(folder.path(), None).unwrap();
        assert_eq!(*founded.seed, *seed);
    }

    #[test]
    fn what_a_founding_left_that_the_disk_refused_is_no_account() {
        let folder = tempfile::tempdir().unwrap();
        drop(found(folder.path(), None).unwrap());
        assert!(folder::has_account(folder.path()));
        folder::forget(folder.path());
        assert!(!folder::has_account(folder.path()));
        found(folder.path(), None).unwrap();
    }

    #[test]
    fn a_folder_in_use_names_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let founded = found(folder.path(), None).unwrap();
        let failure = folder::open(folder.path(), std::time::Duration::ZERO).unwrap_err();
        assert_eq!(failure.exit, 1);
        assert!(failure.text.contains(&std::process::id().to_string()), "{}", failure.text);
        drop(founded);
        assert!(folder::open(folder.path(), std::time::Duration::ZERO).is_ok());
    }
}
