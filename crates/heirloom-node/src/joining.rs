//! Joining an account, and restoring one.

use crate::first_sync::{self, Goal};
use crate::options::{JoinOptions, Joined, RecoverOptions, Recovered, UpOptions};
use crate::{admission, failure};
use heirloom_core::command::Failure;
use zeroize::Zeroizing;

/// Joins an account by an invite, does the first sync and stops.
///
/// # Errors
/// When no peer can be reached (exit 69) or the invite is refused (77),
/// nothing is left behind. When only the first sync did not end (75), this
/// device has joined.
pub async fn join(options: JoinOptions) -> Result<Joined, Failure> {
    let admitted = admission::by_invite(&options, None).await?;
    let account_id = admitted.account.to_string();
    let (device_id, peer_id) =
        (admitted.device.to_string(), heirloom_net::peer_id_text(admitted.device));
    let node = UpOptions {
        home: options.home,
        peers: options.peers,
        mdns: options.mdns,
        ..UpOptions::default()
    };
    let settled = first_sync::run(admitted, &node, Goal::Inviter, &mut |_, _| {}).await?;
    if !settled.complete && settled.is_full {
        return Err(failure::first_sync_full());
    }
    if !settled.complete {
        return Err(failure::first_sync_incomplete());
    }
    Ok(Joined { account_id, device_id, peer_id, records: settled.records })
}

/// Restores an account on this new device from any reachable peer.
///
/// `progress` hears how many entries arrived, and how many are expected so far.
///
/// # Errors
/// When no peer can be reached (exit 69) or the phrase is wrong or unknown to
/// them (77), nothing is left behind. An incomplete restoration is no error:
/// see [`Recovered::complete`].
pub async fn recover(
    mut options: RecoverOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<Recovered, Failure> {
    let phrase = Zeroizing::new(std::mem::take(&mut options.phrase));
    let admitted = admission::by_phrase(&options, &phrase).await?;
    drop(phrase);
    let (account_id, device_id) = (admitted.account.to_string(), admitted.device.to_string());
    let node = UpOptions {
        home: options.home,
        peers: options.peers,
        mdns: options.mdns,
        ..UpOptions::default()
    };
    let settled = first_sync::run(admitted, &node, Goal::Everybody, &mut progress).await?;
    Ok(Recovered {
        account_id,
        device_id,
        restored_from: settled.sources.iter().map(ToString::to_string).collect(),
        records: settled.records,
        complete: settled.complete,
        disk_full: settled.is_full,
        as_of: settled.newest_at,
    })
}
