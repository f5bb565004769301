use super::*;

#[test]
fn a_revoked_device_is_out_and_gets_no_new_key() {
    let mut household = Household::of(3);
    let old = household.roster.state().writing_epoch().unwrap();
    household.revoke(1, 3, &[(1, 5), (2, 7)]);
    assert_eq!(household.members(), [1, 2]);
    assert_eq!(household.rights(3), Capabilities::NONE);
    assert_eq!(household.readers_of_writing_epoch(), [1, 2]);
    let new = household.roster.state().writing_epoch().unwrap();
    assert!(household.keyring(3).epoch_key(&new).is_none());
    assert!(household.keyring(3).epoch_key(&old).is_some());
    assert!(household.keyring(2).epoch_key(&old).is_some());
    assert_eq!(household.verdict(3, 1, 5), WriteVerdict::Valid);
    assert_eq!(household.verdict(3, 1, 6), WriteVerdict::Quarantined);
    assert_eq!(household.verdict(3, 9, 1), WriteVerdict::Quarantined);
    let add = plain_add(&household, 9, READ);
    let refused = household.attempt(3, OpBody::AddDevice(add));
    assert_eq!(refused, Err(RosterError::NotEntitled(Author::Device(id(3)))));
}

#[test]
fn two_admins_who_revoke_each_other_are_both_out() {
    let mut one = Household::of(3);
    let mut two = one.fork();
    one.revoke(1, 2, &[]);
    two.revoke(2, 1, &[]);
    one.sync(&mut two);
    assert_eq!(one.members(), [3]);
    assert_eq!(one.roster.state().writing_epoch(), None);
    assert!(one.roster.state().needs_epoch());
    one.epoch(3);
    assert_eq!(one.readers_of_writing_epoch(), [3]);
}

#[test]
fn three_admins_who_revoke_each_other_in_a_circle_are_all_out() {
    let mut one = Household::of(4);
    let (mut two, mut three) = (one.fork(), one.fork());
    one.revoke(1, 2, &[]);
    two.revoke(2, 3, &[]);
    three.revoke(3, 1, &[]);
    one.sync(&mut two);
    two.sync(&mut three);
    one.sync(&mut three);
    assert_eq!(one.members(), [4]);
}

#[test]
fn what_a_revoked_admin_did_meanwhile_is_void_with_all_that_follows_from_it() {
    let mut honest = Household::of(3);
    let mut thief = honest.fork();
    thief.add(3, 10, Role::Member);
    thief.add(10, 11, Role::Member);
    thief.set(3, 2, READ);
    honest.revoke(1, 3, &[]);
    honest.sync(&mut thief);
    assert_eq!(honest.members(), [1, 2]);
    assert_eq!(honest.rights(2), Role::Member.capabilities());
    assert_eq!(honest.verdict(11, 1, 1), WriteVerdict::Quarantined);
    // The thief gave the old key away, so that nobody writes under it; the
    // revocation's key it never had.
    assert_eq!(honest.readers_of_writing_epoch(), [1, 2]);
    // A revocation counts even so.
    let mut thief = honest.fork();
    let parents = vec![honest.roster.ops()[4].0];
    let op = Op { author: Author::Device(id(3)), generation: 0, parents, body: plain_revoke(2) };
    let device = keys(3);
    let op = author::sign(honest.roster.account(), Signer::Device(&device), &op);
    thief.take(&op);
    assert_eq!(thief.members(), [1]);
}

#[test]
fn what_an_admin_did_before_its_revocation_stays() {
    let mut household = Household::of(2);
    household.add(2, 3, Role::Member);
    household.revoke(1, 2, &[]);
    assert_eq!(household.members(), [1, 3]);
}

#[test]
fn a_device_let_in_twice_at_once_has_the_rights_of_both_and_is_out_when_one_revokes_it() {
    let mut one = Household::of(2);
    let mut two = one.fork();
    one.add(1, 3, Role::Member);
    two.add(2, 3, Role::Keeper);
    one.sync(&mut two);
    assert_eq!(one.members(), [1, 2, 3]);
    assert_eq!(one.rights(3), READ | WRITE);
    one.revoke(1, 3, &[]);
    assert_eq!(one.members(), [1, 2]);
}

#[test]
fn a_revoked_device_returns_only_with_a_new_key() {
    let mut household = Household::of(2);
    household.revoke(1, 2, &[]);
    let again = plain_add(&household, 2, READ);
    let refused = household.attempt(1, OpBody::AddDevice(again));
    assert_eq!(refused, Err(RosterError::KnownDevice(id(2))));
    household.add(1, 12, Role::Member);
    assert_eq!(household.members(), [1, 12]);
}

#[test]
fn concurrent_cuts_combine_by_minimum_and_a_log_unnamed_has_none() {
    let mut one = Household::of(3);
    let mut two = one.fork();
    one.revoke(1, 3, &[(1, 5), (2, 9), (3, 4)]);
    two.revoke(2, 3, &[(1, 7), (2, 3)]);
    one.sync(&mut two);
    for (log, cut) in [(1, 5), (2, 3), (3, 0)] {
        assert_eq!(one.verdict(3, log, cut + 1), WriteVerdict::Quarantined);
        if cut > 0 {
            assert_eq!(one.verdict(3, log, cut), WriteVerdict::Valid);
        }
    }
    let device = keys(1);
    let cuts = [(LogId([3; 16]), 2)].into();
    let op = accept(&one.roster, Signer::Device(&device), id(3), &cuts);
    one.take(&op);
    assert_eq!(one.verdict(3, 3, 2), WriteVerdict::Valid);
    assert_eq!(one.verdict(3, 3, 3), WriteVerdict::Quarantined);
    assert_eq!(one.verdict(3, 1, 5), WriteVerdict::Valid);
}

#[test]
fn after_two_concurrent_revocations_any_writer_makes_the_epoch() {
    let mut one = Household::of(4);
    one.add(1, 5, Role::Keeper);
    let mut two = one.fork();
    one.revoke(1, 3, &[]);
    two.revoke(2, 4, &[]);
    one.sync(&mut two);
    assert_eq!(one.members(), [1, 2, 5]);
    assert_eq!(one.roster.state().writing_epoch(), None);
    one.epoch(5);
    assert_eq!(one.readers_of_writing_epoch(), [1, 2, 5]);
    assert!(!one.roster.state().needs_epoch());
    let all = one.roster.state().epochs.len();
    assert_eq!(one.keyring(2).epochs().count(), all);
}

#[test]
fn nobody_writes_under_a_key_that_a_revoked_device_made_or_could_know() {
    let mut honest = Household::of(3);
    let mut thief = honest.fork();
    thief.epoch(3);
    honest.revoke(1, 3, &[]);
    honest.sync(&mut thief);
    let state = honest.roster.state();
    let unclean = state.epochs.values().filter(|epoch| !epoch.clean).count();
    assert_eq!((state.epochs.len(), unclean), (3, 2));
    assert_eq!(honest.readers_of_writing_epoch(), [1, 2]);
}

#[test]
fn concurrent_statements_about_a_device_leave_it_the_rights_of_both() {
    let mut one = Household::of(3);
    let mut two = one.fork();
    one.set(1, 3, READ | WRITE);
    two.set(2, 3, READ | ADMIN);
    one.sync(&mut two);
    assert_eq!(one.rights(3), READ);
    one.set(1, 3, READ | WRITE | ADMIN);
    assert_eq!(one.rights(3), READ | WRITE | ADMIN);
}

#[test]
fn concurrent_names_are_the_same_everywhere() {
    let mut one = Household::of(2);
    let mut two = one.fork();
    for (household, by, name) in [(&mut one, 1, "red"), (&mut two, 2, "blue")] {
        let (random, signer, ring) = (household.random(), keys(by), household.keyring(by));
        let op = rename(&household.roster, &ring, Signer::Device(&signer), id(2), name, &random);
        household.take(&op);
    }
    one.sync(&mut two);
    let name = one.keyring(1).name_of(id(2), one.roster.state());
    assert!(name == Some("red".into()) || name == Some("blue".into()));
}

#[test]
fn the_root_key_always_wins() {
    let mut owner = Household::of(3);
    let mut thief = owner.fork();
    // The thief throws everybody out and brings a device of its own.
    thief.revoke(3, 1, &[]);
    thief.revoke(3, 2, &[]);
    thief.add(3, 10, Role::Member);
    owner.reset(&[1, 2]);
    owner.sync(&mut thief);
    assert_eq!(owner.members(), [1, 2]);
    assert_eq!(owner.readers_of_writing_epoch(), [1, 2]);
    assert_eq!(owner.roster.state().generation, 1);
    assert_eq!(owner.verdict(10, 1, 1), WriteVerdict::Quarantined);
    assert_eq!(owner.verdict(1, 1, 1), WriteVerdict::Valid);
    // Whatever the thief still builds on the old generation is void.
    let mut late = thief.fork();
    let parents = vec![thief.roster.ops()[4].0];
    let op = Op { author: Author::Device(id(3)), generation: 0, parents, body: plain_revoke(1) };
    let device = keys(3);
    let op = author::sign(owner.roster.account(), Signer::Device(&device), &op);
    late.take(&op);
    assert_eq!(late.members(), [1, 2]);
    // Life goes on in the new generation.
    late.add(2, 4, Role::Member);
    assert_eq!(late.members(), [1, 2, 4]);
}

#[test]
fn a_reset_may_take_a_revoked_device_back() {
    let mut household = Household::of(2);
    household.revoke(1, 2, &[]);
    household.reset(&[1, 2]);
    assert_eq!(household.members(), [1, 2]);
    assert_eq!(household.readers_of_writing_epoch(), [1, 2]);
    assert_eq!(household.verdict(2, 1, 99), WriteVerdict::Valid);
}

#[test]
fn of_concurrent_resets_each_keeps_and_each_revokes() {
    let mut one = Household::of(4);
    let mut two = one.fork();
    one.reset(&[1, 2, 3]);
    two.reset(&[1, 2, 4]);
    one.sync(&mut two);
    assert_eq!(one.members(), [1, 2]);
    assert!(one.roster.state().needs_epoch());
    one.reset(&[1, 2, 3]);
    assert_eq!(one.members(), [1, 2, 3]);
    assert!(!one.roster.state().needs_epoch());
}

#[test]
fn a_generation_that_does_not_follow_is_refused() {
    let mut household = Household::of(2);
    let device = keys(2);
    let parents = household.roster.heads();
    let body = plain_revoke(1);
    let op = Op { author: Author::Device(id(2)), generation: 1, parents, body };
    let op = author::sign(household.roster.account(), Signer::Device(&device), &op);
    assert_eq!(household.roster.insert(&op), Err(RosterError::Generation(1)));
}

#[test]
fn the_root_key_lets_a_device_in_from_the_beginning_alone() {
    let mut household = Household::of(2);
    household.revoke(1, 2, &[]);
    let parents = vec![household.roster.ops()[0].0];
    let body = OpBody::AddDevice(plain_add(&household, 5, Role::Member.capabilities()));
    let op = Op { author: Author::Root, generation: 0, parents, body };
    let op = author::sign(household.roster.account(), Signer::Root(&household.root), &op);
    household.take(&op);
    assert_eq!(household.members(), [1, 5]);
    assert!(household.roster.state().needs_epoch());
}

/// What somebody wrote is judged by the roster that the author had seen.
#[test]
fn entries_counted_for_those_who_had_not_heard_of_a_later_cut() {
    let mut household = Household::of(3);
    let log = LogId([7; 16]);
    let before = household.roster.heads();
    household.revoke(1, 2, &[(7, 5)]);
    let first = household.roster.heads();
    household.revoke(3, 2, &[(7, 3)]);
    let counted = |heads: &[OpId]| household.roster.counted_until(heads, id(2), log);
    assert_eq!((counted(&before), counted(&first)), (u64::MAX, 5));
    assert_eq!(counted(&household.roster.heads()), 3);
    assert_eq!(household.roster.state().counts_until(id(2), log), 3);
    assert_eq!(household.roster.state().counts_until(id(9), log), 0, "a stranger's never count");
    assert_eq!(counted(&[OpId([1; 32])]), 0, "unknown heads say nothing");
}

/// The reset does not know of the key that a removal beside it made.
#[test]
fn a_key_that_a_reader_lacks_is_withheld_until_somebody_hands_it_on() {
    let mut household = Household::of(3);
    let mut other = household.fork();
    household.revoke(1, 3, &[]);
    other.reset(&[1, 2, 3]);
    household.sync(&mut other);
    assert!(!household.roster.state().needs_epoch(), "the key of the reset is everybody's");
    let withheld: Vec<EpochId> = household.roster.state().withheld_epochs().collect();
    assert_eq!(withheld.len(), 1);
    assert!(household.keyring(3).epoch_key(&withheld[0]).is_none());
    household.epoch(1);
    assert_eq!(household.roster.state().withheld_epochs().count(), 0);
    assert!(household.keyring(3).epoch_key(&withheld[0]).is_some());
}
