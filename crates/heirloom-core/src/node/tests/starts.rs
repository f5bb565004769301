//! A start that the disk refuses.

use super::super::*;
use super::household::House;
use crate::storage::MemoryStorage;
use heirloom_base::limits;

/// A device whose start is on its way to the disk.
struct Starting {
    node: Node,
    storage: MemoryStorage,
    now: Now,
    phone: DeviceId,
}

impl Starting {
    fn new() -> Self {
        let house = House::of(&["phone", "desk"]);
        let (now, phone) = (house.now, house.id(0));
        let mut storage = house.devices[1].storage.clone();
        let config = NodeConfig {
            device: house.devices[1].keys.clone(),
            seed: [1; 32],
            networked: true,
            fresh_incarnation: false,
            arrears_from: limits::ARREARS_FROM,
            checkpoint_from: u64::MAX,
            checkpoint_quiet_ms: 1_000,
            place: None,
            grounds: Vec::new(),
        };
        let mut node = Node::open(now, config, &mut storage).unwrap();
        node.start(now, &mut storage).unwrap();
        Self { node, storage, now, phone }
    }

    fn input(&mut self, input: Input) {
        self.node.handle_input(self.now, &mut self.storage, input).unwrap();
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.node.poll_effect()).collect()
    }

    /// Returns the one append among the effects, and the number of its frames.
    fn append(&mut self) -> Option<(EffectId, usize)> {
        self.effects().into_iter().find_map(|effect| match effect {
            Effect::Append { id, frames, .. } => Some((id, frames.len())),
            _ => None,
        })
    }

    fn refuse(&mut self) {
        let (id, _) = self.append().unwrap();
        self.input(Input::Appended { id, result: Err(AppendError::Full) });
    }
}

#[test]
fn a_start_that_the_disk_refused_is_recorded_later_and_conversations_begin() {
    let mut starting = Starting::new();
    starting.refuse();
    let device = starting.phone;
    starting.input(Input::PeerUp { device });
    let says_something =
        |effect: &Effect| matches!(effect, Effect::Send { .. } | Effect::Append { .. });
    assert!(!starting.effects().iter().any(says_something));
    for _ in 0..9 {
        starting.now.mono_ms = starting.node.poll_timeout().unwrap();
        starting.node.handle_timeout(starting.now, &mut starting.storage).unwrap();
        let Some((id, frames)) = starting.append() else { continue };
        let lsns = (0..frames as u64).map(|number| Lsn(1_000 + number)).collect();
        starting.input(Input::Appended { id, result: Ok(lsns) });
        let greets = |effect: &Effect| matches!(effect, Effect::Send { device, .. } if *device == starting.phone);
        assert!(frames > 0);
        let effects: Vec<Effect> = std::iter::from_fn(|| starting.node.poll_effect()).collect();
        return assert!(effects.iter().any(greets));
    }
    panic!("the start is never recorded");
}

#[test]
fn what_is_heard_with_the_news_of_the_start_comes_behind_what_was_heard_before() {
    for ends in [false, true] {
        let mut starting = Starting::new();
        let (device, now) = (starting.phone, starting.now);
        let (id, frames) = starting.append().unwrap();
        starting.input(Input::PeerUp { device });
        let lsns = (0..frames as u64).map(|number| Lsn(1_000 + number)).collect();
        let (node, storage) = (&mut starting.node, &mut starting.storage);
        node.take_in(now, storage, Input::Appended { id, result: Ok(lsns) }).unwrap();
        let next = match ends {
            true => Input::PeerDown { device },
            false => Input::Frame { device, bytes: vec![0] },
        };
        node.take_in(now, storage, next).unwrap();
        let told: Vec<Effect> = std::iter::from_fn(|| node.poll_effect()).collect();
        let greets =
            |effect: &Effect| matches!(effect, Effect::Send { device: to, .. } if *to == device);
        assert!(told.iter().any(greets), "the conversation has begun: {told:?}");
        node.handle_timeout(now, storage).unwrap();
        let after: Vec<Effect> = std::iter::from_fn(|| node.poll_effect()).collect();
        assert!(!ends || !after.iter().any(greets), "and it has ended: {after:?}");
    }
}

#[test]
fn what_is_heard_before_the_start_is_recorded_is_bounded_and_ends_with_its_conversation() {
    let mut starting = Starting::new();
    starting.refuse();
    let device = starting.phone;
    starting.input(Input::PeerUp { device });
    for _ in 0..2 * limits::DEFERRED_MAX {
        starting.input(Input::Frame { device, bytes: vec![1] });
    }
    assert_eq!(starting.node.deferred.len(), limits::DEFERRED_MAX);
    assert!(starting.effects().contains(&Effect::Disconnect { device }));
    starting.input(Input::PeerDown { device });
    assert!(starting.node.deferred.is_empty());
}

#[test]
fn a_clock_that_was_ahead_is_said() {
    let mut house = House::of(&["phone", "desk"]);
    let codes = |house: &mut House| -> Vec<String> {
        house.status(0).problems.into_iter().map(|problem| problem.code).collect()
    };
    let wall_ms = house.now.wall_ms;
    house.now.wall_ms += 43_200_000;
    house.add(0, "notes", &["title=x"]);
    house.now.wall_ms = wall_ms;
    assert!(codes(&mut house).contains(&"clock-ahead".to_owned()));
    house.now.wall_ms += 43_200_000;
    assert!(!codes(&mut house).contains(&"clock-ahead".to_owned()));
}

#[test]
fn an_index_says_whose_it_is() {
    let house = House::of(&["phone", "desk"]);
    let [phone, desk] = [0, 1].map(|device| &house.devices[device].storage);
    assert!(!Node::is_index_of_another(phone, house.id(0)).unwrap());
    assert!(Node::is_index_of_another(desk, house.id(0)).unwrap());
}
