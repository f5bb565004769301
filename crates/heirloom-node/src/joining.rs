//! Joining an account, and restoring one.

use crate::first_sync::{self, Goal, Wanted};
use crate::options::{JoinOptions, Joined, RecoverOptions, Recovered, UpOptions};
use crate::{admission, failure, signals};
use heirloom_core::command::Failure;
use std::future::Future;
use std::pin::pin;
use zeroize::Zeroizing;

/// Joins an account by an invite, does the first sync and stops.
///
/// # Errors
/// When no peer can be reached (exit 69) or the invite is refused (77),
/// nothing is left behind. When only the first sync did not end (75), this
/// device has joined. SIGTERM and SIGINT end it: before this device is let in
/// with [`crate::INTERRUPTED`], afterwards as a first sync that did not end.
pub async fn join(options: JoinOptions) -> Result<Joined, Failure> {
    join_until(options, signals::stop()?).await
}

/// As [`join`], until `stop` is done.
///
/// # Errors
/// As [`join`].
pub(crate) async fn join_until(
    options: JoinOptions,
    stop: impl Future<Output = ()>,
) -> Result<Joined, Failure> {
    let mut stop = pin!(stop);
    let admitted = admission::by_invite(&options, None, &mut stop).await?;
    let account_id = admitted.account.to_string();
    let (device_id, peer_id) =
        (admitted.device.to_string(), heirloom_net::peer_id_text(admitted.device));
    let node = UpOptions {
        home: options.home,
        listen: options.listen,
        peers: options.peers,
        mdns: options.mdns,
        ..UpOptions::default()
    };
    let wanted = Wanted { goal: Goal::Inviter, progress: &mut |_, _| {} };
    let settled = first_sync::run(admitted, &node, wanted, &mut stop).await?;
    if !settled.complete && settled.is_full {
        return Err(failure::first_sync_full());
    }
    if !settled.complete {
        return Err(failure::first_sync_incomplete(settled.interrupted));
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
/// see [`Recovered::complete`]. SIGTERM and SIGINT end it: before this device is
/// let in with [`crate::INTERRUPTED`], afterwards as an incomplete restoration.
pub async fn recover(
    options: RecoverOptions,
    progress: impl FnMut(u64, u64),
) -> Result<Recovered, Failure> {
    recover_until(options, progress, signals::stop()?).await
}

/// As [`recover`], until `stop` is done.
///
/// # Errors
/// As [`recover`].
pub(crate) async fn recover_until(
    mut options: RecoverOptions,
    mut progress: impl FnMut(u64, u64),
    stop: impl Future<Output = ()>,
) -> Result<Recovered, Failure> {
    let mut stop = pin!(stop);
    let phrase = Zeroizing::new(std::mem::take(&mut options.phrase));
    let admitted = admission::by_phrase(&options, &phrase, &mut stop).await?;
    drop(phrase);
    let (account_id, device_id) = (admitted.account.to_string(), admitted.device.to_string());
    let node = UpOptions {
        home: options.home,
        listen: options.listen,
        peers: options.peers,
        mdns: options.mdns,
        ..UpOptions::default()
    };
    let wanted = Wanted { goal: Goal::Everybody, progress: &mut progress };
    let settled = first_sync::run(admitted, &node, wanted, &mut stop).await?;
    Ok(Recovered {
        account_id,
        device_id,
        restored_from: settled.sources.iter().map(ToString::to_string).collect(),
        records: settled.records,
        complete: settled.complete,
        disk_full: settled.is_full,
        interrupted: settled.interrupted,
        as_of: settled.newest_at,
    })
}
