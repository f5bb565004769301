//! Conversations with members: messages in, messages out.

use super::settle::{entry_at, read_entry};
use super::{Node, PendingFrame, Then};
use crate::command::{Event, Failure};
use crate::dialer::{Dial, Source};
use crate::failure;
use crate::input::Effect;
use crate::local::LocalState;
use crate::rows::{self, table};
use crate::storage::{Storage, StorageError};
use crate::view::View;
use crate::waits::Standing;
use heirloom_base::planted::{Bug, is_planted};
use heirloom_base::{Decode, DeviceId, Encode, Now, limits};
use heirloom_identity::{Signer, roster};
use heirloom_sync::message::Reachable;
use heirloom_sync::{Hello, Message, Output, other_version};
use std::collections::BTreeSet;

/// Pause between two reports of progress.
const PROGRESS_MS: u64 = 250;
/// Bytes of roster operations in one message.
const ROSTER_MESSAGE_BYTES: usize = 256 * 1024;

impl Node {
    /// Does everything that follows from what happened.
    pub(super) fn turn(&mut self, now: Now, storage: &mut dyn Storage) -> Result<(), StorageError> {
        self.owes_turn = false;
        self.conduct.now = now;
        self.settle_landed(now, storage)?;
        self.take_deferred(now, storage)?;
        if !self.started && self.start_again_ms.is_some_and(|due| due <= now.mono_ms) {
            self.start_again_ms = None;
            // What the start writes stands before the next append.
            self.append(Vec::new(), Vec::new(), Then::Started);
        }
        if self.may_edit_now() {
            self.edit_together(now, storage)?;
        }
        self.membership.expire(now);
        self.renew_epoch(now);
        self.drain(now, storage)?;
        self.preview_in_time(now, storage)?;
        if !self.is_showing() {
            self.catch_up_in_time(now, storage)?;
        }
        self.give_up_in_time(now, storage)?;
        self.write_again_in_time(now, storage)?;
        self.checkpoint_in_time(now, storage)?;
        let roster = &self.membership.roster;
        self.replication.receive_waiting(now, &|device| roster.state().is_member(device));
        self.end_pauses(now);
        self.replication.find_stalls(now);
        self.replication.resume(now);
        self.replication.ask_silent(now);
        self.replication.pump(now, &mut |log, seq| read_entry(storage, log, seq));
        self.replication.send_receipt(now, &self.config.device);
        self.drain(now, storage)?;
        self.store_arrived();
        self.fetch(now);
        self.answer_waits(now);
        self.answer_syncs(now);
        self.dial(now);
        self.say_pairing(now);
        Ok(())
    }

    /// Carries out what the replication wants; entries to be stored are gathered.
    pub(super) fn drain(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
    ) -> Result<(), StorageError> {
        while let Some(output) = self.replication.poll_output() {
            match output {
                Output::Send(device, message) => {
                    self.effect(Effect::Send { device, bytes: message.to_bytes() });
                }
                Output::Store { entry, from } => {
                    self.look_at_clock(storage, &entry);
                    self.sources.insert(from);
                    self.arrived.push(PendingFrame::Entry(entry));
                }
                Output::RolledBack(log) => self.rolled_back(log),
                Output::Forked(log, seq) => {
                    if !self.find_other_end(now, storage, (log, seq)) {
                        self.forked(storage, log, seq)?;
                    }
                }
                Output::Compare(entry) => {
                    let (log, seq) = (entry.header().log, entry.header().seq);
                    if let Some(held) = entry_at(storage, log, seq) {
                        self.replication.compare_end(&entry, held.id());
                    }
                }
                Output::OtherEnd(entry) => self.receive_other_end(now, storage, &entry),
                Output::Offence(device, what) => self.breach(device, what),
                Output::OtherVersion(device, is_newer) => self.other_version(device, is_newer),
                Output::Found(device, finding) => self.found(device, finding),
                Output::Stalled(device) => {
                    tracing::warn!(device = %device.short(), "a peer does not answer");
                    self.effect(Effect::Disconnect { device });
                }
                Output::AskedOut(device) => {
                    tracing::debug!(device = %device.short(), "a conversation begins anew");
                    self.effect(Effect::Disconnect { device });
                }
                Output::Receipt(device, bytes) => {
                    self.owes_look_for_lost = true;
                    Self::keep_receipt(storage, device, bytes)?;
                    self.compare_again(now, storage, device);
                }
                Output::Lives(device, lives) => Self::keep_lives(storage, device, &lives)?,
                Output::Contradiction(device, found) => self.found_out(storage, device, &found)?,
            }
        }
        Ok(())
    }

    /// Stores the entries that arrived, so many at a time that they take effect in
    /// a moment.
    pub(super) fn store_arrived(&mut self) {
        let (mut frames, mut bytes) = (Vec::new(), 0);
        for frame in std::mem::take(&mut self.arrived) {
            bytes += frame.size();
            frames.push(frame);
            if bytes >= limits::ARRIVED_BYTES {
                bytes = 0;
                self.append(Vec::new(), std::mem::take(&mut frames), Then::Rest);
            }
        }
        if !frames.is_empty() {
            self.append(Vec::new(), frames, Then::Rest);
        }
    }

    fn rolled_back(&mut self, log: heirloom_base::LogId) {
        if self.journal.log() == Some(log) && !is_planted(Bug::ActorReused) {
            self.begin_incarnation();
        }
        self.warn(
            "rolled-back",
            "This folder is older than what this device had sent: it goes on under a new log.",
        );
    }

    pub(super) fn warn(&mut self, code: &str, text: &str) {
        let (code, text) = (code.to_owned(), text.to_owned());
        self.event(Event::Warning { code, text, aside: None });
    }

    pub(super) fn peer_up(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        device: DeviceId,
    ) -> Result<(), StorageError> {
        if !self.membership.is_peer(device) || self.conduct.is_paused(device) {
            self.effect(Effect::Disconnect { device });
            return Ok(());
        }
        self.dialer.connected(now, device);
        self.fetches.peer_up(device);
        let reachable = self.reachable_for(device);
        self.membership.introduced.remove(&device);
        let heads = self.membership.heads_said();
        let holes = self.holes(storage)?;
        self.replication.peer_up(now, device, heads, reachable, holes);
        let (device_id, name) = (device.to_string(), self.name_of(device));
        self.event(Event::PeerUp { device_id, device: name });
        self.keep_seen(now, storage, device)
    }

    pub(super) fn peer_down(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        device: DeviceId,
    ) -> Result<(), StorageError> {
        self.replication.peer_down(device);
        self.preview_without(device);
        self.dialer.disconnected(now, device);
        let (device_id, name) = (device.to_string(), self.name_of(device));
        self.event(Event::PeerDown { device_id, device: name });
        self.keep_seen(now, storage, device)
    }

    /// Keeps over a restart when a device was there.
    fn keep_seen(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        device: DeviceId,
    ) -> Result<(), StorageError> {
        self.last_seen.insert(device, now.wall_ms);
        let mut view = View::new(storage);
        let key = rows::key(table::SEEN, &[&device.0]);
        view.put_bytes(key, now.wall_ms.to_be_bytes().to_vec());
        view.commit(None)
    }

    /// Returns where this device and the others can be reached, for `device`.
    fn reachable_for(&self, device: DeviceId) -> Vec<Reachable> {
        let own = Reachable { device: self.device(), addresses: self.listening.clone() };
        let others = self
            .dialer
            .known()
            .filter(|(known, _)| *known != device)
            .map(|(device, addresses)| Reachable { device, addresses });
        std::iter::once(own).chain(others).collect()
    }

    pub(super) fn listen(&mut self, now: Now, addresses: Vec<String>) {
        if self.listening == addresses {
            return;
        }
        self.listening = addresses.clone();
        let own = Reachable { device: self.device(), addresses };
        self.replication.broadcast(&Message::Reachable(vec![own]));
        self.dialer.hurry(now);
    }

    /// Takes in addresses at which a device is said to be.
    pub(super) fn learn(
        &mut self,
        now: Now,
        device: DeviceId,
        addresses: &[String],
        source: Source,
    ) {
        if device != self.device() && !addresses.is_empty() && self.membership.is_peer(device) {
            self.dialer.learn(now, device, addresses, source);
        }
    }

    /// Keeps over a restart where a device was reached. What is only said of
    /// it is not kept: anybody can say it.
    fn keep_route(&mut self, device: DeviceId) {
        let addresses = self.dialer.own_addresses(device).to_vec();
        if addresses.is_empty() || self.membership.route(device) == Some(addresses.as_slice()) {
            return;
        }
        self.membership.note_route(device, addresses.clone());
        let route = LocalState::Route { device, addresses };
        self.append(Vec::new(), vec![PendingFrame::Local(route)], Then::Rest);
    }

    pub(super) fn receive(
        &mut self,
        now: Now,
        storage: &mut dyn Storage,
        device: DeviceId,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        self.replication.heard(now, device);
        let Ok(message) = Message::from_bytes(bytes) else {
            match Message::hello_versions(bytes).and_then(other_version) {
                Some(is_newer) => self.other_version(device, is_newer),
                None => self.breach(device, "a message that is not well formed"),
            }
            self.effect(Effect::Disconnect { device });
            return Ok(());
        };
        match message {
            Message::Hello(_) if !self.replication.may_greet(device) => {}
            Message::Hello(hello) => {
                self.receive_hello(now, device, &hello);
                self.compare_own_logs(now, storage, device, &hello.vector);
                self.offer_checkpoints(storage, device, &hello)?;
                self.ask_tail(device);
            }
            Message::Roster(ops) => self.receive_roster(now, Some(device), ops),
            Message::Entries { urgent, entries } => {
                let roster = &self.membership.roster;
                let known = |device| roster.state().devices.contains_key(&device);
                self.replication.receive_entries(now, device, urgent, entries, &known);
                self.tell_progress(now, device);
            }
            Message::Credit { entries, bytes } => {
                self.replication.receive_credit(now, device, entries, bytes);
            }
            Message::Want { log, after } => self.replication.receive_want(now, device, log, after),
            Message::Receipts(receipts) => {
                let state = self.membership.roster.state();
                let member = |device| state.is_member(device);
                self.replication.receive_receipts(now, device, receipts, &member);
            }
            Message::AskReceipt => self.replication.receive_ask(now, device),
            Message::Reachable(reachable) => self.receive_reachable(now, device, &reachable),
            Message::Checkpoints(blocks) => {
                self.receive_checkpoints(now, storage, Some(device), blocks)?;
            }
            Message::AskTail(vector) => self.send_tail(storage, device, &vector),
            Message::Tail { last, entries } => self.receive_tail(now, device, last, entries),
            Message::Fed(logs) => self.replication.receive_fed(device, &logs),
            Message::Declined(logs) => self.replication.receive_declined(device, &logs),
            // The one is an answer to a presentation, the other is read as Entries.
            Message::Knows(_) | Message::Packed { .. } => {}
            Message::Unknown(kind) => {
                tracing::debug!(kind, "a message of a newer version was passed over");
            }
        }
        Ok(())
    }

    fn receive_hello(&mut self, now: Now, device: DeviceId, hello: &Hello) {
        let said: Vec<&Reachable> =
            hello.reachable.iter().filter(|known| known.device == device).collect();
        for known in said {
            self.learn(now, device, &known.addresses, Source::Itself);
        }
        self.keep_route(device);
        for blocks in roster_messages(self.membership.roster.ops_beyond(&hello.roster_heads)) {
            self.replication.send(device, Message::Roster(blocks));
        }
        self.receive_reachable(now, device, &hello.reachable);
        self.replication.receive_hello(now, device, hello);
        if self.waits.is_waiting() {
            self.replication.hurry();
            self.replication.send(device, Message::AskReceipt);
        }
    }

    /// Tells whoever watches how much is still to come and to go.
    fn tell_progress(&mut self, now: Now, device: DeviceId) {
        if now.mono_ms < self.progress_ms + PROGRESS_MS {
            return;
        }
        let (sending, receiving) = self.replication.distance(device);
        if receiving > 0 {
            self.progress_ms = now.mono_ms;
            let (device_id, device) = (device.to_string(), self.name_of(device));
            self.event(Event::Progress { device_id, device, receiving, sending });
        }
    }

    fn receive_reachable(&mut self, now: Now, from: DeviceId, reachable: &[Reachable]) {
        for known in reachable {
            let source = if known.device == from { Source::Itself } else { Source::Others };
            self.learn(now, known.device, &known.addresses, source);
        }
    }

    /// Takes in roster operations from whoever has them: they prove themselves.
    pub(super) fn receive_roster(&mut self, now: Now, from: Option<DeviceId>, ops: Vec<Vec<u8>>) {
        let mut news = Vec::new();
        for bytes in ops {
            let inserted = match from {
                Some(_) => self.membership.insert(&bytes),
                None => self.membership.insert_shown(&bytes),
            };
            match inserted {
                Ok(added) => news.extend(added),
                Err(error) => self.roster_refused(from, &error),
            }
        }
        if news.is_empty() {
            return;
        }
        let frames = news.iter().cloned().map(PendingFrame::RosterOp).collect();
        self.append(Vec::new(), frames, Then::Rest);
        for blocks in roster_messages(news) {
            self.replication.broadcast(&Message::Roster(blocks));
        }
        self.membership_changed(now);
    }

    /// Tells everybody who the members are, after the roster changed.
    pub(super) fn membership_changed(&mut self, now: Now) {
        let own = self.device();
        for joined in self.membership.refresh(&self.config.device) {
            if joined != own && self.started {
                let (device_id, device) = (joined.to_string(), self.name_of(joined));
                self.event(Event::DeviceJoined { device_id, device });
            }
        }
        self.replication.set_named(self.membership.logs_cut());
        let members = self.membership.peers(own);
        let keepers: BTreeSet<DeviceId> =
            members.iter().filter(|member| self.membership.is_keeper(**member)).copied().collect();
        // Where it is lost who belongs here, those who were reached are asked.
        let reached = || self.membership.routes().into_iter().map(|(device, _)| device);
        let knows_itself = self.knows_itself();
        let sought = if knows_itself { self.membership.others(own) } else { reached().collect() };
        self.dialer.set_members(&sought, keepers);
        self.dialer.rest(now, knows_itself && !self.membership.is_peer(own));
        for (device, addresses) in self.membership.routes() {
            self.dialer.learn(now, device, &addresses, Source::Itself);
        }
        let revoked = self.membership.revoked();
        for device in &revoked {
            self.replication.forget_receipts(*device);
        }
        let gone: Vec<DeviceId> =
            self.replication.peers().filter(|peer| !members.contains(peer)).collect();
        for device in gone {
            self.effect(Effect::Disconnect { device });
        }
        self.say_members();
        self.checkpoints.reconsider(now, self.config.checkpoint_quiet_ms);
        self.tell_out();
    }

    /// Says who may talk to this device: the members, but for those that are not
    /// listened to for now.
    pub(super) fn say_members(&mut self) {
        let members = self.membership.peers(self.device()).into_iter();
        let devices: BTreeSet<DeviceId> =
            members.filter(|member| !self.conduct.is_paused(*member)).collect();
        let keepers: BTreeSet<DeviceId> =
            devices.iter().filter(|member| self.membership.is_keeper(**member)).copied().collect();
        self.effect(Effect::SetMembers { devices, keepers });
    }

    /// Tells whoever watches that this device was taken out: at each start,
    /// and when it hears of it.
    fn tell_out(&mut self) {
        let is_out = self.membership.is_out(self.device());
        // Before the start not all that is known has been read.
        let Some(told) = &mut self.told_out else { return };
        let was_told = std::mem::replace(told, is_out);
        if is_out && !was_told {
            let Failure { text, fix, .. } = failure::taken_out();
            self.warn("revoked", &format!("{text} {fix}"));
        }
    }

    /// Makes a new content key where there is none that is safe and that all
    /// readers have, or where a reader lacks one that this device has. Any
    /// device that writes may; if several do at once, all of these keys are good.
    fn renew_epoch(&mut self, now: Now) {
        if !self.started || !self.membership.may_write(self.device()) {
            return;
        }
        let withheld = self.membership.withheld();
        if !self.membership.roster.state().needs_epoch() && withheld.is_empty() {
            return;
        }
        // Each is handed on once: what that could not mend, the next cannot.
        self.membership.handed_on.extend(withheld);
        let seed = self.random.bytes();
        let Some(keyring) = self.membership.keyring.as_ref() else { return };
        let signer = Signer::Device(&self.config.device);
        let op = roster::epoch(&self.membership.roster, keyring, signer, &seed);
        if self.publish(now, op, Then::Rest).is_err() {
            tracing::warn!("a new content key was refused by the roster");
        }
    }

    fn fetch(&mut self, now: Now) {
        let mut missing = self.replication.chunks_missing();
        missing.extend(self.preview.iter().flat_map(|preview| preview.lacks()));
        missing.extend(self.checkpoints.lacks());
        let peers: Vec<DeviceId> = self.replication.peers_ready().collect();
        for (device, chunks) in self.fetches.plan(now, &missing, &peers) {
            let id = self.effect_id();
            self.fetches.begun(id, device, chunks.clone());
            self.effect(Effect::Fetch { id, device, chunks });
        }
    }

    fn dial(&mut self, now: Now) {
        if !self.config.networked {
            return;
        }
        let own = self.device();
        for Dial { device, addresses, keepers } in self.dialer.due(now, &mut self.random, own) {
            if self.conduct.is_paused(device) {
                continue;
            }
            self.effect(Effect::Dial { device, addresses, keepers });
        }
    }

    fn say_pairing(&mut self, now: Now) {
        if let Some(open) = self.membership.pairing_changed(now) {
            self.effect(Effect::SetPairing { open });
        }
    }

    /// Returns how the other members stand.
    pub(super) fn standing(&self) -> Standing {
        let ready: BTreeSet<DeviceId> = self.replication.peers_ready().collect();
        let level = ready.iter().filter(|device| self.is_level(**device)).count();
        let members = self.membership.peers(self.device()).len();
        Standing { members, connected: ready.len(), level }
    }

    /// Returns whether a device and this one hold the same, by its own word.
    pub(super) fn is_level(&self, device: DeviceId) -> bool {
        self.replication.distance(device) == (0, 0)
            && self.appends.is_empty()
            && self.replication.chunks_missing().is_empty()
    }
}

/// Groups roster operations into messages that fit a frame.
fn roster_messages(ops: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    const { assert!(ROSTER_MESSAGE_BYTES + limits::ROSTER_OP_BYTES_MAX < limits::FRAME_BYTES_MAX) };
    let mut messages: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut size = usize::MAX;
    for op in ops {
        if size.saturating_add(op.len()) > ROSTER_MESSAGE_BYTES {
            messages.push(Vec::new());
            size = 0;
        }
        size += op.len();
        if let Some(message) = messages.last_mut() {
            message.push(op);
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roster_operations_are_split_over_messages_and_none_is_lost() {
        let ops: Vec<Vec<u8>> = (0..30).map(|number| vec![number; 20_000]).collect();
        let messages = roster_messages(ops.clone());
        assert_eq!(messages.concat(), ops);
        assert_eq!(messages.len(), 3);
        assert!(roster_messages(Vec::new()).is_empty());
    }
}
