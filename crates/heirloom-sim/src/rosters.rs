//! Random rosters: what every graph of operations amounts to, in whatever
//! order and grouping it comes.
//!
//! The judge of a roster is compared with rules that are written down here a
//! second time, each on its own and without regard for speed.

use crate::rng::Rng;
use heirloom_base::{DeviceId, Encode as _, EpochId, LogId, OpId};
use heirloom_identity::roster::op::{
    AddDevice, Author, EpochKeys, Op, OpBody, ResetMember, Revoke, RootReset,
};
use heirloom_identity::roster::{self, Roster};
use heirloom_identity::{Capabilities, DeviceKeys, Inserted, Phrase, Role, RootKeys, signed};
use std::collections::{BTreeMap, BTreeSet};

/// Devices that take part; the first begins the account.
const DEVICES: usize = 6;
/// Members in the beginning.
const MEMBERS: usize = 4;
/// Operations that are tried in one history, at most.
const ACTS_MAX: usize = 16;

/// What the histories showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Operations that were admitted after the beginning.
    pub admitted: u64,
    /// Operations that were refused.
    pub refused: u64,
    /// Of those, devices that were to come back under their old key.
    pub returns_refused: u64,
    /// Histories in which two devices took each other out.
    pub mutual: u64,
    /// Histories with a reset by the phrase.
    pub resets: u64,
    /// Devices that were out in the end.
    pub out: u64,
}

impl Report {
    /// Adds what another history showed.
    pub fn add(&mut self, other: &Self) {
        let Self { admitted, refused, returns_refused, mutual, resets, out } = other;
        self.admitted += admitted;
        self.refused += refused;
        self.returns_refused += returns_refused;
        self.mutual += mutual;
        self.resets += resets;
        self.out += out;
    }
}

/// What all histories begin with.
#[derive(Debug)]
pub struct Ground {
    root: RootKeys,
    devices: Vec<DeviceKeys>,
    newcomers: Vec<AddDevice>,
    roster: Roster,
}

impl Default for Ground {
    fn default() -> Self {
        Self::new()
    }
}

impl Ground {
    /// Begins an account with some members.
    ///
    /// # Panics
    /// When a well-formed beginning is refused.
    #[must_use]
    pub fn new() -> Self {
        let root = Phrase::from_entropy([9; 16]).root_keys();
        let device = |number: usize| DeviceKeys::from_seed([u8::try_from(number).unwrap_or(0); 32]);
        let devices: Vec<DeviceKeys> = (1..=DEVICES).map(device).collect();
        let member = Role::Member.capabilities();
        let newcomer = |keys: &DeviceKeys| AddDevice {
            device: keys.id(),
            encryption_public: keys.encryption_public(),
            binding: keys.bind_encryption_key(root.account_id()),
            capabilities: member,
            sealed_name: Vec::new(),
            wraps: BTreeMap::new(),
        };
        let newcomers: Vec<AddDevice> = devices.iter().map(newcomer).collect();
        let first = devices.first().expect("there are devices");
        let (ops, _) = roster::genesis(&root, first, "first", member, &[200; 32]);
        let mut roster = Roster::new(root.account_id());
        for op in &ops {
            roster.insert(op).expect("a beginning is well formed");
        }
        let mut ground = Self { root, devices, newcomers, roster };
        for number in 1..MEMBERS {
            let add = ground.newcomers[number].clone();
            let (parents, body) = (ground.roster.heads(), OpBody::AddDevice(add));
            let author = Some(0);
            let bytes = ground.sign(author, &ground.roster, parents, body);
            ground.roster.insert(&bytes).expect("the first lets members in");
        }
        ground
    }

    /// Signs an operation by a device, or by the root key.
    fn sign(
        &self,
        author: Option<usize>,
        roster: &Roster,
        parents: Vec<OpId>,
        body: OpBody,
    ) -> Vec<u8> {
        let known = parents.iter().filter_map(|id| roster.op(id)).map(|op| op.generation).max();
        let step = u32::from(matches!(body, OpBody::RootReset(_)));
        let keys = author.and_then(|author| self.devices.get(author));
        let author = keys.map_or(Author::Root, |keys| Author::Device(keys.id()));
        let op = Op { author, generation: known.unwrap_or(0) + step, parents, body };
        let mut bytes = op.to_bytes();
        let signature = match keys {
            Some(keys) => keys.sign(signed::ROSTER_OP, roster.account(), &bytes),
            None => self.root.sign(signed::ROSTER_OP, &bytes),
        };
        bytes.extend_from_slice(&signature);
        bytes
    }
}

/// Plays the history of a seed and checks what it amounts to.
///
/// # Panics
/// When a promise is broken; the message names the seed.
#[must_use]
pub fn play(ground: &Ground, seed: u64) -> Report {
    let mut history = History {
        ground,
        seed,
        rng: Rng::new(seed ^ 0x2057_e200_0000_0000),
        roster: ground.roster.clone(),
        ids: ground.roster.ops().iter().skip(2).map(|(id, _)| *id).collect(),
        report: Report::default(),
    };
    for _ in 0..2 + history.rng.index(ACTS_MAX - 1) {
        history.act();
    }
    history.check_orders();
    history.check_groups();
    history.check_rules();
    history.report
}

struct History<'a> {
    ground: &'a Ground,
    seed: u64,
    rng: Rng,
    roster: Roster,
    /// What an author may know: everything behind the first member.
    ids: Vec<OpId>,
    report: Report,
}

impl History<'_> {
    /// Lets somebody sign something who knows a part of what was signed.
    fn act(&mut self) {
        let mut parents: Vec<OpId> = (0..1 + self.rng.index(3))
            .filter_map(|_| {
                // Mostly what is new: else nobody would build on anybody.
                let reach =
                    if self.rng.chance(70) { self.ids.len().min(3) } else { self.ids.len() };
                self.ids.get(self.ids.len() - 1 - self.rng.index(reach)).copied()
            })
            .collect();
        parents.sort_unstable();
        parents.dedup();
        let device = self.rng.index(DEVICES);
        let (body, by_root) = self.body(device);
        let author = if by_root { None } else { Some(self.rng.index(DEVICES)) };
        let bytes = self.ground.sign(author, &self.roster, parents, body.clone());
        match self.roster.insert(&bytes) {
            Ok(Inserted::New(new)) => {
                self.report.admitted += new.len() as u64;
                self.report.resets += u64::from(matches!(body, OpBody::RootReset(_)));
                self.ids.extend(new);
            }
            Ok(Inserted::Known) => {}
            Ok(Inserted::Waiting { .. }) => panic!("seed {}: its parents are here", self.seed),
            Err(error) => {
                self.report.refused += 1;
                let returns = matches!(error, roster::RosterError::KnownDevice(_));
                self.report.returns_refused += u64::from(returns);
            }
        }
    }

    fn body(&mut self, device: usize) -> (OpBody, bool) {
        let id = self.ground.devices[device].id();
        let body = match self.rng.below(20) {
            0..=3 => return (self.newcomer(device), self.rng.chance(20)),
            4..=5 => OpBody::SetCapabilities { device: id, capabilities: self.rights() },
            6..=11 => {
                let (cuts, epoch) = (self.cuts(), Some(self.keys(Some(device))));
                OpBody::Revoke(Revoke { device: id, cuts, epoch })
            }
            12..=13 => OpBody::Epoch(self.keys(None)),
            14 => OpBody::Name { device: id, sealed: vec![1] },
            15..=16 => OpBody::Accept { device: id, cuts: self.cuts() },
            17 => return (self.reset(), true),
            _ => OpBody::Unknown { kind: 99, body: vec![self.rng.byte()] },
        };
        (body, false)
    }

    fn newcomer(&mut self, device: usize) -> OpBody {
        let capabilities = self.rights();
        OpBody::AddDevice(AddDevice { capabilities, ..self.ground.newcomers[device].clone() })
    }

    fn rights(&mut self) -> Capabilities {
        let some = [Role::Member, Role::Member, Role::Keeper, Role::BlindKeeper];
        some[self.rng.index(some.len())].capabilities()
    }

    fn cuts(&mut self) -> BTreeMap<LogId, u64> {
        [(LogId([1; 16]), self.rng.below(5)), (LogId([2; 16]), 5)].into()
    }

    /// Keys that open nothing: what counts does not depend on what they wrap.
    fn keys(&mut self, without: Option<usize>) -> EpochKeys {
        let recipients = (0..DEVICES).filter(|device| Some(*device) != without);
        EpochKeys {
            commitment: self.rng.bytes(),
            wraps: recipients.map(|device| (self.ground.devices[device].id(), vec![1])).collect(),
            recovery_wrap: Vec::new(),
            predecessors: BTreeMap::<EpochId, Vec<u8>>::new(),
        }
    }

    fn reset(&mut self) -> OpBody {
        let (mut members, mut revoked) = (BTreeMap::new(), BTreeMap::new());
        for device in 0..DEVICES {
            let keys = &self.ground.devices[device];
            if self.rng.chance(50) {
                let (capabilities, sealed_name) = (Role::Member.capabilities(), Vec::new());
                let encryption_public = keys.encryption_public();
                let member = ResetMember { encryption_public, capabilities, sealed_name };
                members.insert(keys.id(), member);
            } else {
                revoked.insert(keys.id(), [(LogId([1; 16]), 3)].into());
            }
        }
        let epoch = self.keys(None);
        OpBody::RootReset(RootReset { members, revoked, epoch })
    }

    fn same(&self, other: &Roster, what: &str) {
        let seed = self.seed;
        assert!(other.state() == self.roster.state(), "seed {seed}: {what} gives another state");
        assert!(other.heads() == self.roster.heads(), "seed {seed}: {what} gives other heads");
        assert!(other.ops() == self.roster.ops(), "seed {seed}: {what} gives another order");
    }

    /// Any order, with repetitions, gives the same.
    fn check_orders(&mut self) {
        let mut ops = self.roster.ops_beyond(&[]);
        let mut other = Roster::new(self.roster.account());
        while !ops.is_empty() {
            let index = self.rng.index(ops.len());
            let op = ops.swap_remove(index);
            let taken = other.insert(&op).and_then(|_| other.insert(&op));
            assert!(taken.is_ok(), "seed {}: another order is refused: {taken:?}", self.seed);
        }
        self.same(&other, "another order");
    }

    /// Two who know a part each, and then all, see the same.
    fn check_groups(&mut self) {
        let beginning = self.ground.roster.len();
        let mut two = [self.ground.roster.clone(), self.ground.roster.clone()];
        let ops: Vec<Vec<u8>> =
            self.roster.ops().into_iter().skip(beginning).map(|(_, op)| op.to_vec()).collect();
        for op in ops {
            for roster in &mut two {
                if self.rng.chance(60) {
                    drop(roster.insert(&op));
                }
            }
        }
        let [one, other] = &mut two;
        // What waits here is not named as known, and may bring forth more when it is admitted.
        while one.heads() != other.heads() {
            for op in other.ops_beyond(&one.heads()) {
                drop(one.insert(&op));
            }
            for op in one.ops_beyond(&other.heads()) {
                drop(other.insert(&op));
            }
        }
        assert!(one.state() == other.state(), "seed {}: two that are level differ", self.seed);
        for op in self.roster.ops_beyond(&one.heads()) {
            drop(one.insert(&op));
        }
        let one = one.clone();
        self.same(&one, "another grouping");
    }

    fn check_rules(&mut self) {
        let seed = self.seed;
        let state = self.roster.state();
        let ops: Vec<(OpId, &Op)> = self
            .roster
            .ops()
            .into_iter()
            .filter_map(|(id, _)| Some((id, self.roster.op(&id)?)))
            .collect();
        let last: Vec<(OpId, &Op)> =
            ops.iter().copied().filter(|(_, op)| op.generation == state.generation).collect();
        let removals: Vec<(OpId, &Op, DeviceId)> =
            last.iter().filter_map(|(id, op)| Some((*id, *op, taken_out(op)?))).collect();
        for (_, _, device) in &removals {
            assert!(!state.is_member(*device), "seed {seed}: {device:?} was taken out and is in");
        }
        let removed_by = |author: Author| -> BTreeSet<DeviceId> {
            let of = removals.iter().filter(|(_, op, _)| op.author == author);
            of.map(|(_, _, device)| *device).collect()
        };
        let takes_back = |device: &DeviceId| {
            let theirs = removed_by(Author::Device(*device));
            theirs.iter().any(|other| removed_by(Author::Device(*other)).contains(device))
        };
        let mutual = self.ground.devices.iter().any(|keys| takes_back(&keys.id()));
        for (id, op) in &ops {
            self.check_author(&ops, *id, op);
        }
        self.check_members(&last, &removals);
        self.report.mutual += u64::from(mutual);
        self.report.out += state.devices.values().filter(|member| member.revoked).count() as u64;
    }

    /// Nobody signs what it knew itself to be out of, and nobody comes back
    /// under a key that was in before.
    fn check_author(&self, ops: &[(OpId, &Op)], id: OpId, op: &Op) {
        let seed = self.seed;
        let known = ops.iter().filter(|(earlier, _)| self.roster.is_within(earlier, &op.parents));
        for (_, earlier) in known.filter(|(_, earlier)| earlier.generation == op.generation) {
            if let OpBody::Revoke(revoke) = &earlier.body {
                let is_own = op.author == Author::Device(revoke.device);
                assert!(!is_own, "seed {seed}: {id:?} is by who knew that it was out");
            }
            if let (OpBody::AddDevice(one), OpBody::AddDevice(other)) = (&earlier.body, &op.body) {
                assert!(one.device != other.device, "seed {seed}: {id:?} lets in who was in");
            }
        }
    }

    /// Who is in was stated by the phrase, or let in by somebody who was not
    /// taken out by anybody that had not heard of it.
    fn check_members(&self, last: &[(OpId, &Op)], removals: &[(OpId, &Op, DeviceId)]) {
        let (seed, state) = (self.seed, self.roster.state());
        let stands = |id: OpId, op: &Op| match op.author {
            Author::Root => true,
            Author::Device(author) => removals
                .iter()
                .filter(|(_, _, device)| *device == author)
                .all(|(_, removal, _)| self.roster.is_within(&id, &removal.parents)),
        };
        let mut may_be_in = BTreeSet::new();
        for (id, op) in last {
            if let OpBody::AddDevice(add) = &op.body
                && stands(*id, op)
            {
                may_be_in.insert(add.device);
            }
            if let Some(reset) = reset_by(op) {
                may_be_in.extend(reset.members.keys().copied());
            }
        }
        for (device, member) in &state.devices {
            let is_in = !member.revoked;
            assert!(!is_in || may_be_in.contains(device), "seed {seed}: who let {device:?} in?");
            assert!(is_in || member.capabilities.is_empty(), "seed {seed}: {device:?} may act");
        }
        let resets: Vec<&RootReset> = last.iter().filter_map(|(_, op)| reset_by(op)).collect();
        if let ([reset], true) = (&resets[..], last.len() == 1) {
            let members: BTreeSet<DeviceId> = reset.members.keys().copied().collect();
            let found = state.devices.iter().filter(|(_, member)| !member.revoked);
            let found: BTreeSet<DeviceId> = found.map(|(device, _)| *device).collect();
            assert!(found == members, "seed {seed}: the phrase said {members:?}, not {found:?}");
        }
        if let Some(epoch) = state.writing_epoch() {
            let readers = state.read_devices();
            let fits =
                state.epochs.get(&epoch).is_some_and(|one| one.recipients.is_subset(&readers));
            assert!(fits, "seed {seed}: {epoch:?} is known to who is out");
        }
    }
}

/// Returns the device that an operation takes out by itself.
fn taken_out(op: &Op) -> Option<DeviceId> {
    if let OpBody::Revoke(revoke) = &op.body { Some(revoke.device) } else { None }
}

fn reset_by(op: &Op) -> Option<&RootReset> {
    if let OpBody::RootReset(reset) = &op.body { Some(reset) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heirloom_base::planted::{Bug, plant};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn three_hundred_rosters_are_the_same_in_any_order_and_follow_the_rules() {
        let (ground, mut sum) = (Ground::new(), Report::default());
        for seed in 0..300 {
            sum.add(&play(&ground, seed));
        }
        let Report { admitted, refused, returns_refused, mutual, resets, out } = sum;
        let enough = admitted > 900 && refused > 100 && returns_refused > 20 && out > 100;
        assert!(enough && mutual > 3 && resets > 20, "the histories are empty: {sum:?}");
    }

    #[test]
    fn a_roster_that_is_judged_by_arrival_is_found() {
        let ground = Ground::new();
        plant(Some(Bug::RosterByArrival));
        let found = (0..300)
            .find(|seed| catch_unwind(AssertUnwindSafe(|| drop(play(&ground, *seed)))).is_err());
        plant(None);
        assert!(found.is_some());
    }
}
