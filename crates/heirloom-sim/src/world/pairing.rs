//! Founding, joining and recovering, by the very conversations of the real thing.

use super::{Device, World};
use heirloom_core::command::{Answer, Command};
use heirloom_core::founding;
use heirloom_core::input::{Input, PairingId};
use heirloom_identity::{
    DeviceKeys, Grant, Joiner, PairingError, Phrase, Recoverer, Role, RootKeys, Step, parse_code,
};

impl World {
    /// Makes an account on a device and switches it on; returns the phrase.
    pub fn found(&mut self, device: usize) -> Phrase {
        let mut entropy = [0; 16];
        entropy.copy_from_slice(&self.rng.bytes()[..16]);
        let phrase = Phrase::from_entropy(entropy);
        let random = self.rng.bytes();
        if let Some(machine) = self.devices.get_mut(device) {
            let root = phrase.root_keys();
            let frames = founding::found(&root, &machine.keys, &machine.name, Role::Member, random);
            machine.disk.write_now(frames);
        }
        self.boot(device);
        phrase
    }

    /// Lets a device in by an invite of another that is on, and switches it on.
    ///
    /// # Panics
    /// When the pairing fails: nothing in its way may fail here.
    pub fn join(&mut self, device: usize, inviter: usize, role: Role) {
        let invite = Command::Invite { role: role.to_string(), ttl_ms: None };
        let answer = self.ask(inviter, invite).expect("the inviter is on").expect("it may invite");
        let Answer::Invite { link, .. } = answer else { panic!("an invite answers with a link") };
        let code = parse_code(&link).expect("the link was just made");
        let (keys, peer, name) = self.ends(device, inviter);
        let (mut joiner, first) = Joiner::new(code, keys, &name, peer, self.rng.bytes());
        let grant = self.converse(device, inviter, first, &mut |bytes| joiner.handle(bytes));
        self.move_in(device, &grant.expect("an honest pairing succeeds"));
    }

    /// Recovers a device by the phrase from another that is on, and switches it on.
    ///
    /// # Errors
    /// When the other device refuses.
    pub fn recover(
        &mut self,
        device: usize,
        from: usize,
        phrase: &Phrase,
    ) -> Result<(), PairingError> {
        let (keys, peer, name) = self.ends(device, from);
        let root: RootKeys = phrase.root_keys();
        let (mut recoverer, first) = Recoverer::new(root, keys, &name, peer, self.rng.bytes());
        let grant = self.converse(device, from, first, &mut |bytes| recoverer.handle(bytes))?;
        self.move_in(device, &grant);
        Ok(())
    }

    fn ends(&self, device: usize, other: usize) -> (DeviceKeys, heirloom_base::DeviceId, String) {
        let get = |number: usize| -> &Device {
            self.devices.get(number).expect("devices are known by their number")
        };
        (get(device).keys.clone(), get(other).keys.id(), get(device).name.clone())
    }

    fn converse(
        &mut self,
        device: usize,
        responder: usize,
        first: Vec<u8>,
        handle: &mut dyn FnMut(&[u8]) -> Step,
    ) -> Result<Grant, PairingError> {
        self.ticket += 1;
        let id = PairingId(self.ticket);
        let own = self.ends(device, responder).0.id();
        self.input(responder, Input::Pairing { id, device: own, bytes: first });
        let until = self.now_ms + 60_000;
        loop {
            let frames = self
                .devices
                .get_mut(responder)
                .and_then(|machine| machine.pairing_out.remove(&id))
                .unwrap_or_default();
            for (bytes, _) in frames {
                match handle(&bytes) {
                    Step::Send(bytes) => {
                        self.input(responder, Input::Pairing { id, device: own, bytes });
                    }
                    Step::Wait => {}
                    Step::Done(grant) => return Ok(*grant),
                    Step::Failed(error) => return Err(error),
                }
            }
            let waiting = self
                .devices
                .get(responder)
                .is_some_and(|machine| !machine.pairing_out.contains_key(&id));
            if waiting && !self.step(until) {
                return Err(PairingError::Closed);
            }
        }
    }

    fn move_in(&mut self, device: usize, grant: &Grant) {
        let frames = founding::joined(grant, self.rng.bytes());
        if let Some(machine) = self.devices.get_mut(device) {
            machine.disk.write_now(frames);
        }
        self.boot(device);
    }
}
