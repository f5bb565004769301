//! Making an account.

use crate::folder::Beginning;
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
    folder::refuse_existing(home, Beginning::Founding)?;
    let entropy = randomness::bytes::<16>()?;
    let phrase = Phrase::from_entropy(*entropy);
    let root = phrase.root_keys();
    let seed = folder::seed(home)?;
    let keys = DeviceKeys::from_seed(*seed);
    let name = folder::device_name(device);
    let random = randomness::bytes::<32>()?;
    let frames = founding::found(&root, &keys, &name, Role::Member, *random);
    let store = folder::make(home, &seed, Beginning::Founding, frames)?;
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
    fn a_founding_that_was_cut_off_goes_on_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let seed = folder::seed(home).unwrap();
        folder::keep(home, &seed, Beginning::Founding).unwrap();
        let options = heirloom_store::StoreOptions::default();
        drop(Store::open(home, &options).unwrap());
        assert!(home.join("index").exists() && !folder::has_account(home));
        let failure = LocalNode::open(home).unwrap_err();
        assert_eq!((failure.exit, failure.code.as_str()), (1, "unfinished"));
        let founded = found(home, None).unwrap();
        assert_eq!(*founded.seed, *seed);
        drop(founded);
        LocalNode::open(home).unwrap();
        assert_eq!(heirloom_store::unfinished::found(home), None);
    }

    #[test]
    fn no_account_is_made_over_the_key_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let seed = folder::seed(home).unwrap();
        folder::keep(home, &seed, Beginning::Admission).unwrap();
        assert_eq!(init(home, None).unwrap_err().code, "unfinished");
        folder::refuse_existing(home, Beginning::Admission).unwrap();
        folder::unkeep(home);
        drop(found(home, None).unwrap());
        for part in ["log", "index"] {
            std::fs::remove_dir_all(home.join(part)).unwrap();
        }
        assert!(folder::has_account(home));
        for failure in [init(home, None).unwrap_err(), LocalNode::open(home).unwrap_err()] {
            assert_eq!(failure.exit, 5, "{}", failure.text);
            assert!(failure.text.contains("device.key"), "{}", failure.text);
        }
    }

    #[test]
    fn what_a_founding_left_that_the_disk_refused_is_no_account() {
        let folder = tempfile::tempdir().unwrap();
        drop(found(folder.path(), None).unwrap());
        assert!(folder::has_account(folder.path()));
        heirloom_store::unfinished::note(folder.path(), "founding").unwrap();
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
