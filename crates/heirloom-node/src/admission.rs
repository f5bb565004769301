//! Being let into an account: by an invite or by the phrase. Nothing but this
//! device's key is written before the grant is here.

use crate::folder::Beginning;
use crate::meeting::{Meeting, Wanted};
use crate::options::{JoinOptions, RecoverOptions};
use crate::{failure, folder, randomness};
use heirloom_base::{AccountId, DeviceId};
use heirloom_core::command::Failure;
use heirloom_core::founding;
use heirloom_identity::{
    Code, DeviceKeys, Grant, Joiner, PairingError, Phrase, Recoverer, Role, Step, parse_code,
};
use heirloom_net::{Network, OpenError, StreamError};
use heirloom_store::Store;
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Longest time for one conversation: the other side only computes and writes.
const CONVERSATION_TIME_MAX: Duration = Duration::from_secs(30);

/// Conversations that may break off and are begun again: the other side may
/// have no place for a stranger at the moment.
const CONVERSATIONS_BROKEN_MAX: u32 = 3;

/// Keys that a device comes with at most: one of an earlier try, and a new one.
const KEYS_MAX: u32 = 2;

/// A device that was let in, its folder open.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) store: Store,
    pub(crate) seed: Zeroizing<[u8; 32]>,
    pub(crate) account: AccountId,
    pub(crate) device: DeviceId,
    /// Who let it in.
    pub(crate) inviter: DeviceId,
}

/// Why one device did not let this one in.
#[derive(Debug)]
enum Rejection {
    /// It says why.
    Said(PairingError),
    /// The conversation broke off.
    Broken(String),
}

impl From<StreamError> for Rejection {
    fn from(error: StreamError) -> Self {
        Self::Broken(failure::causes(&error))
    }
}

impl From<OpenError> for Rejection {
    fn from(error: OpenError) -> Self {
        Self::Broken(failure::causes(&error))
    }
}

/// Returns the account that a code is for, where the code says it.
///
/// # Errors
/// When the code is none.
pub(crate) fn account_of(code: &str) -> Result<Option<AccountId>, Failure> {
    match parse(code)? {
        Code::Link(link) => Ok(Some(link.account)),
        Code::Words(_) => Ok(None),
    }
}

fn parse(code: &str) -> Result<Code, Failure> {
    parse_code(code).map_err(|error| failure::bad_code(&error))
}

/// Joins by an invite, in the role that is asked for, if one is.
///
/// # Errors
/// When nobody can be reached, the invite is refused, the folder cannot be
/// made, or `stop` is done before.
pub(crate) async fn by_invite<S: Future<Output = ()> + Unpin>(
    options: &JoinOptions,
    asked: Option<Role>,
    stop: &mut S,
) -> Result<Admitted, Failure> {
    folder::refuse_existing(&options.home, Beginning::Admission)?;
    let code = parse(&options.code)?;
    folder::check_room(&options.home)?;
    let mut wanted = Wanted {
        peers: options.peers.clone(),
        listen: options.listen.clone(),
        mdns: options.mdns,
        ..Wanted::default()
    };
    if let Code::Link(link) = &code {
        agree(asked, link.role)?;
        wanted.device = Some(link.device);
        wanted.addresses = link.addresses.clone();
    }
    let name = folder::device_name(options.device.as_deref());
    let newcomer = |keys, device| {
        let random = randomness::bytes::<32>()?;
        let (joiner, first) = Joiner::new(code.clone(), keys, &name, device, *random);
        Ok((Newcomer::Joiner(Box::new(joiner)), first))
    };
    let found = admit(&options.home, wanted, newcomer, stop).await?;
    agree(asked, found.grant.role)?;
    settle(&options.home, found)
}

/// Restores by the recovery phrase.
///
/// # Errors
/// When the phrase is wrong, nobody can be reached or knows the account, the
/// folder cannot be made, or `stop` is done before.
pub(crate) async fn by_phrase<S: Future<Output = ()> + Unpin>(
    options: &RecoverOptions,
    phrase: &Zeroizing<String>,
    stop: &mut S,
) -> Result<Admitted, Failure> {
    folder::refuse_existing(&options.home, Beginning::Admission)?;
    let phrase =
        Phrase::parse(phrase).map_err(|error| heirloom_core::failure::bad_phrase(&error))?;
    folder::check_room(&options.home)?;
    let wanted = Wanted {
        peers: options.peers.clone(),
        listen: options.listen.clone(),
        mdns: options.mdns,
        ..Wanted::default()
    };
    let name = folder::device_name(options.device.as_deref());
    let newcomer = |keys, device| {
        let random = randomness::bytes::<32>()?;
        let (recoverer, first) = Recoverer::new(phrase.root_keys(), keys, &name, device, *random);
        Ok((Newcomer::Recoverer(Box::new(recoverer)), first))
    };
    let found = admit(&options.home, wanted, newcomer, stop).await?;
    settle(&options.home, found)
}

/// Refuses a role that was not asked for.
fn agree(asked: Option<Role>, granted: Role) -> Result<(), Failure> {
    match asked {
        Some(asked) if asked != granted => {
            Err(failure::other_role(&asked.to_string(), &granted.to_string()))
        }
        Some(_) | None => Ok(()),
    }
}

/// Makes the folder of a device that was let in.
fn settle(home: &Path, found: Found) -> Result<Admitted, Failure> {
    let Found { seed, grant, inviter } = found;
    let random = randomness::bytes::<32>()?;
    let store = folder::make(home, &seed, Beginning::Admission, founding::joined(&grant, *random))?;
    let device = DeviceKeys::from_seed(*seed).id();
    Ok(Admitted { store, seed, account: grant.account, device, inviter })
}

/// This device's side of a conversation.
enum Newcomer {
    Joiner(Box<Joiner>),
    Recoverer(Box<Recoverer>),
}

impl Newcomer {
    fn handle(&mut self, frame: &[u8]) -> Step {
        match self {
            Self::Joiner(joiner) => joiner.handle(frame),
            Self::Recoverer(recoverer) => recoverer.handle(frame),
        }
    }
}

/// A device that let this one in, with the key that it knows.
struct Found {
    seed: Zeroizing<[u8; 32]>,
    grant: Box<Grant>,
    inviter: DeviceId,
}

/// How a search ended where nothing failed.
enum Searched {
    In(Box<Grant>, DeviceId),
    /// An earlier try let this device's key in, and it was taken out meanwhile.
    TakenOut,
}

/// Is let in with the key that an earlier try has left here; with a new one
/// where that was taken out: the folder never held anything of its account.
async fn admit<S: Future<Output = ()> + Unpin>(
    home: &Path,
    wanted: Wanted,
    mut newcomer: impl FnMut(DeviceKeys, DeviceId) -> Result<(Newcomer, Vec<u8>), Failure>,
    stop: &mut S,
) -> Result<Found, Failure> {
    for _ in 0..KEYS_MAX {
        let seed = folder::seed(home)?;
        match search(home, &seed, wanted.clone(), &mut newcomer, stop).await? {
            Searched::In(grant, inviter) => return Ok(Found { seed, grant, inviter }),
            Searched::TakenOut => folder::unkeep(home),
        }
    }
    Err(explain(&Rejection::Said(PairingError::TakenOut)))
}

/// Asks one device after the other until one lets this one in, or until `stop`.
///
/// This device's key is kept before each conversation, and taken back where no
/// device can have let it in.
async fn search<S: Future<Output = ()> + Unpin>(
    home: &Path,
    seed: &Zeroizing<[u8; 32]>,
    wanted: Wanted,
    newcomer: &mut impl FnMut(DeviceKeys, DeviceId) -> Result<(Newcomer, Vec<u8>), Failure>,
    stop: &mut S,
) -> Result<Searched, Failure> {
    let mut meeting = Meeting::begin(seed, wanted).await?;
    let mut asked = Asked::default();
    let searched = tokio::select! {
        biased;
        searched = ask_each(home, seed, &mut meeting, newcomer, &mut asked) => searched,
        () = stop => {
            asked.may_be_in |= asked.proven;
            Err(failure::interrupted())
        }
    };
    meeting.end().await;
    if asked.is_kept && !asked.may_be_in && !matches!(searched, Ok(Some(_))) {
        folder::unkeep(home);
    }
    let refused = || asked.refusal.map_or_else(failure::unreachable_peer, |told| explain(&told));
    searched?.ok_or_else(refused)
}

/// What has come of the conversations of a search.
#[derive(Debug, Default)]
struct Asked {
    /// How many broke off.
    broken: u32,
    /// Whether the key was written for this search.
    is_kept: bool,
    /// Whether this side has said all that the other of the last one needs.
    proven: bool,
    /// Whether a device may have let this one in without its hearing of it.
    may_be_in: bool,
    /// What tells the user most.
    refusal: Option<Rejection>,
}

impl Asked {
    /// Notes why a device did not let this one in; returns whether to ask it again.
    fn note(&mut self, rejection: Rejection) -> bool {
        let again =
            matches!(rejection, Rejection::Broken(_)) && self.broken < CONVERSATIONS_BROKEN_MAX;
        self.broken += u32::from(again);
        self.may_be_in |= self.proven && leaves_open(&rejection);
        self.proven = false;
        self.refusal = Some(telling(self.refusal.take(), rejection));
        again
    }
}

/// Asks whoever is met; returns nothing where nobody else shows up.
async fn ask_each(
    home: &Path,
    seed: &Zeroizing<[u8; 32]>,
    meeting: &mut Meeting,
    newcomer: &mut impl FnMut(DeviceKeys, DeviceId) -> Result<(Newcomer, Vec<u8>), Failure>,
    asked: &mut Asked,
) -> Result<Option<Searched>, Failure> {
    while let Some(device) = meeting.next().await {
        asked.is_kept |= folder::keep(home, seed, Beginning::Admission)?;
        let (newcomer, first) = newcomer(DeviceKeys::from_seed(**seed), device)?;
        let network = meeting.network().clone();
        let conversation = converse(network, device, newcomer, first, &mut asked.proven);
        match meeting.during(conversation).await {
            Ok(grant) => return Ok(Some(Searched::In(grant, device))),
            Err(Rejection::Said(PairingError::TakenOut)) => return Ok(Some(Searched::TakenOut)),
            Err(rejection) => {
                tracing::debug!(?rejection, device = %device.short(), "not let in");
                if knows_the_code(&rejection) {
                    meeting.hurry();
                }
                if asked.note(rejection) {
                    meeting.forget(device);
                } else if meeting.is_for_one() {
                    break;
                }
            }
        }
    }
    Ok(None)
}

async fn converse(
    network: Network,
    device: DeviceId,
    newcomer: Newcomer,
    first: Vec<u8>,
    proven: &mut bool,
) -> Result<Box<Grant>, Rejection> {
    let late = |_| Rejection::Broken("the other side took too long".to_owned());
    timeout(CONVERSATION_TIME_MAX, exchange(network, device, newcomer, first, proven))
        .await
        .map_err(late)?
}

/// Carries the conversation's frames. Only the first answer comes from a side
/// that has proven nothing, and must be short. `proven` tells whether this side
/// has said all that the other needs to let it in.
async fn exchange(
    network: Network,
    device: DeviceId,
    mut newcomer: Newcomer,
    first: Vec<u8>,
    proven: &mut bool,
) -> Result<Box<Grant>, Rejection> {
    let mut stream = network.open_pairing(device).await?;
    stream.send(&first).await?;
    let mut received = stream.receive().await;
    loop {
        // One that ended without a word may be a network that broke.
        let frame = received?;
        match newcomer.handle(&frame) {
            Step::Send(frame) => {
                *proven = true;
                stream.send(&frame).await?;
            }
            Step::Wait => {}
            Step::Done(grant) => {
                if let Err(error) = stream.finish().await {
                    tracing::debug!(%error, "the conversation ended impolitely");
                }
                return Ok(grant);
            }
            Step::Failed(error) => return Err(Rejection::Said(error)),
        }
        received = stream.receive_grant().await;
    }
}

/// Returns whether the other side may have let this device in nevertheless,
/// which has proven that it may.
fn leaves_open(rejection: &Rejection) -> bool {
    match rejection {
        Rejection::Broken(_) => true,
        Rejection::Said(error) => match error {
            PairingError::Closed
            | PairingError::Unable
            | PairingError::Form(_)
            | PairingError::OutOfTurn
            | PairingError::Roster(_)
            | PairingError::NotGranted => true,
            PairingError::Expired
            | PairingError::UsedUp
            | PairingError::Burned
            | PairingError::NoInvite
            | PairingError::WrongCode { .. }
            | PairingError::WrongAccount
            | PairingError::WrongDevice { .. }
            | PairingError::NotThisAccount
            | PairingError::Impostor
            | PairingError::Version
            | PairingError::TakenOut
            | PairingError::Keys(_) => false,
        },
    }
}

/// Returns whether it is said by a device that has, or had, an invite open: it
/// is most likely the one that was meant.
fn knows_the_code(rejection: &Rejection) -> bool {
    match rejection {
        Rejection::Said(error) => matches!(
            error,
            PairingError::Expired
                | PairingError::UsedUp
                | PairingError::Burned
                | PairingError::WrongCode { .. }
        ),
        Rejection::Broken(_) => false,
    }
}

/// Returns the rejection that tells the user more.
fn telling(earlier: Option<Rejection>, later: Rejection) -> Rejection {
    match earlier {
        Some(earlier) if weight(&earlier) >= weight(&later) => earlier,
        Some(_) | None => later,
    }
}

/// Returns how much a rejection tells: on a network with several devices most
/// have no invite open, or belong to others. What an account says that knew the
/// code tells most; then who has an invite open that this code is not for,
/// because a mistyped word is mended in a moment; then whose invite is over.
fn weight(rejection: &Rejection) -> u8 {
    match rejection {
        Rejection::Broken(_) | Rejection::Said(PairingError::Closed) => 0,
        Rejection::Said(PairingError::NoInvite | PairingError::NotThisAccount) => 1,
        Rejection::Said(
            PairingError::WrongAccount
            | PairingError::WrongDevice { .. }
            | PairingError::Impostor
            | PairingError::Unable
            | PairingError::Form(_)
            | PairingError::OutOfTurn,
        ) => 2,
        Rejection::Said(PairingError::Expired | PairingError::UsedUp | PairingError::Burned) => 3,
        Rejection::Said(PairingError::WrongCode { .. } | PairingError::Version) => 4,
        Rejection::Said(
            PairingError::Roster(_)
            | PairingError::NotGranted
            | PairingError::TakenOut
            | PairingError::Keys(_),
        ) => 5,
    }
}

/// Returns what the user is told.
fn explain(rejection: &Rejection) -> Failure {
    let error = match rejection {
        Rejection::Broken(cause) => return failure::broken_off(cause),
        Rejection::Said(error) => error,
    };
    match error {
        PairingError::NotThisAccount => failure::unknown_phrase(),
        PairingError::Expired
        | PairingError::UsedUp
        | PairingError::Burned
        | PairingError::NoInvite
        | PairingError::WrongAccount
        | PairingError::WrongDevice { .. }
        | PairingError::Impostor
        | PairingError::Keys(_) => failure::refused(error),
        PairingError::WrongCode { .. } => failure::wrong_code(error),
        PairingError::Closed
        | PairingError::Version
        | PairingError::Unable
        | PairingError::Form(_)
        | PairingError::OutOfTurn
        | PairingError::Roster(_)
        | PairingError::NotGranted
        | PairingError::TakenOut => failure::pairing_failed(&failure::causes(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rejection_that_tells_most_is_told() {
        let broken = || Rejection::Broken("x".to_owned());
        let told = telling(None, broken());
        let told = telling(Some(told), Rejection::Said(PairingError::NoInvite));
        let told = telling(Some(told), Rejection::Said(PairingError::Expired));
        let told = telling(Some(told), Rejection::Said(PairingError::NoInvite));
        assert!(matches!(told, Rejection::Said(PairingError::Expired)));
        assert!(explain(&told).text.contains("expired"));
    }

    #[test]
    fn wrong_words_are_told_whatever_the_neighbours_say_and_in_any_order() {
        let wrong = || Rejection::Said(PairingError::WrongCode { tries_left: u8::MAX });
        for neighbour in [
            PairingError::NoInvite,
            PairingError::UsedUp,
            PairingError::Expired,
            PairingError::Burned,
            PairingError::Impostor,
            PairingError::Unable,
        ] {
            let first = telling(Some(Rejection::Said(neighbour.clone())), wrong());
            let last = telling(Some(wrong()), Rejection::Said(neighbour));
            for told in [first, last] {
                let failure = explain(&told);
                assert_eq!(failure.text, "The code is wrong.");
                assert!(failure.fix.contains("again"), "{}", failure.fix);
            }
        }
        let few = Rejection::Said(PairingError::WrongCode { tries_left: 2 });
        assert!(explain(&few).text.contains("burns: 2"), "{}", explain(&few).text);
    }

    #[test]
    fn what_the_right_account_says_is_told_before_a_neighbours_wrong_code() {
        let ours = Rejection::Said(PairingError::NotGranted);
        let wrong = Rejection::Said(PairingError::WrongCode { tries_left: u8::MAX });
        let told = telling(Some(wrong), ours);
        assert!(matches!(told, Rejection::Said(PairingError::NotGranted)));
    }

    #[test]
    fn exit_codes_tell_refusals_from_silence() {
        assert_eq!(explain(&Rejection::Broken("x".to_owned())).exit, 69);
        for error in [
            PairingError::Expired,
            PairingError::UsedUp,
            PairingError::Burned,
            PairingError::NoInvite,
            PairingError::WrongCode { tries_left: 2 },
            PairingError::WrongAccount,
            PairingError::NotThisAccount,
        ] {
            assert_eq!(explain(&Rejection::Said(error)).exit, 77);
        }
        assert_eq!(explain(&Rejection::Said(PairingError::Version)).exit, 1);
    }

    #[test]
    fn a_mistyped_code_names_the_word() {
        let failure = account_of("abandon ability ablee about above absent").unwrap_err();
        assert_eq!(failure.exit, 77);
        assert!(
            failure.text.contains("ablee") && failure.text.contains("able"),
            "{}",
            failure.text
        );
        assert!(matches!(account_of("abandon ability able about above absent"), Ok(None)));
    }
}
