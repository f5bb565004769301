//! Every limit of the house, in one table with its reason.

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// Its value.
    pub value: usize,
    /// Why it exists and why it has this value.
    pub reason: &'static str,
}

macro_rules! limits {
    ($($name:ident = $value:expr, $reason:literal;)*) => {
        $(#[doc = $reason] pub const $name: usize = $value;)*
        /// All limits, for the manual and the tests.
        pub const ALL: &[Limit] = &[$(Limit { name: stringify!($name), value: $value, reason: $reason },)*];
    };
}

limits! {
    ENTRY_BODY_BYTES_MAX = 256 * 1024, "The plaintext of one entry: small enough to verify and apply without a pause.";
    ENTRY_BYTES_MAX = 320 * 1024, "A whole entry on disk or wire: body, padding, header and signature.";
    CHANGE_BYTES_MAX = 256 * 1024, "One automerge change.";
    CHANGE_OPS_MAX = 8_192, "Operations in one automerge change: 69 crafted bytes can claim 134 million.";
    ENTRY_OPS_MAX = 64 * 1024, "Operations of one entry and those that they overwrite: a few bytes can stand for thousands, and all are unfolded.";
    CHANGE_DEPS_MAX = 256, "Dependencies of one automerge change.";
    VALUE_INLINE_BYTES_MAX = 16 * 1024, "A field's value inside its document; a larger one is a sealed chunk.";
    CARD_TEXT_BYTES_MAX = 1024 * 1024, "The text of one card, event (with all components of its UID) or note without its photo.";
    CARD_PHOTO_BYTES_MAX = 10 * 1024 * 1024, "The photos of one card, or one file beside notes; in a card the encoding comes on top.";
    CARD_PROPERTIES_MAX = 1_000, "Properties of one card, without `BEGIN`, `VERSION` and `END`.";
    CARD_DEPTH_MAX = 64, "Nested components of one calendar item.";
    CALENDAR_FILE_BYTES_MAX = 64 * 1024 * 1024, "One calendar file: components of one UID may stand anywhere in it, so it is held whole.";
    CALENDAR_HEAD_BYTES_MAX = 16 * 1024, "A calendar's own lines: each of its events keeps them, so that a file could grow by its number of events.";
    CALENDAR_FILE_PARTS_MAX = 200_000, "Components that are read of one calendar file: each is some 400 bytes of memory.";
    CARD_FILE_BUFFER_BYTES_MAX = 17 * 1024 * 1024, "What is held of a file of cards while it is cut: the largest card and its line ends.";
    JSON_DEPTH_MAX = 64, "Arrays and objects within each other: deeper text is made to exhaust a stack.";
    CHUNK_BYTES_MAX = 1024 * 1024, "Plaintext of one chunk.";
    ENTRY_CHUNKS_MAX = 64, "Chunks that one entry may name.";
    INTRODUCTION_BYTES = 60 * 1024, "Operations in one frame of hello, in either direction, unless one alone is larger: they fit what earlier versions read.";
    ROSTER_OPS_MAX = 4_096, "Operations of one account's roster by those who are in; revocations and the root key have twice that.";
    ROSTER_ALL_OPS_MAX = 16_384, "All operations of one account's roster, those of devices that are out among them.";
    ROSTER_SHARE_OPS_MAX = 512, "Operations of one device beside those that let others in and take others out; more are taken only where somebody else builds on them.";
    ROSTER_SHARE_BYTES_MAX = 2 * 1024 * 1024, "Their bytes.";
    ROSTER_SIGNER_BYTES_MAX = 16 * 1024 * 1024, "Bytes of all operations of one device.";
    ROSTER_HEADS_SAID_MAX = 1_024, "Heads of the roster that a hello names: they fit its frame beside a full vector.";
    ROSTER_OP_BYTES_MAX = 64 * 1024, "One signed roster operation.";
    ROSTER_PARENTS_MAX = 16, "Parents of one roster operation.";
    ENTRY_ROSTER_HEADS_MAX = 8, "Roster heads that one entry names.";
    ENTRY_VECTOR_DELTA_MAX = 64, "Logs in one entry's vector delta; more simply follow in the next entry.";
    DEVICES_MAX = 64, "Devices of one account.";
    LOGS_MAX = 4_096, "Logs of one space.";
    LOGS_OF_DEVICE_MAX = 256, "Logs of one device that are taken in, beside those that a revocation names: an honest one begins one per restore, copy or damage.";
    DISOWNED_MAX = 16, "Ends of logs that one entry disowns: a device that was rolled back wrote one log.";
    LOG_ENTRIES_MAX = 1 << 40, "Entries of one log: nobody writes so many, so who names a later one breaks the rules.";
    HOLES_MAX = 16, "Ranges of missing entries that a hello may name.";
    HELLOS_MAX = 8, "Hellos of one conversation: one is needed; more are an offence and not read.";
    TAILS_MAX = 16, "Requests of one conversation for entries before their turn; the first is answered, more than these are an offence.";
    WANTS_MAX = 256, "Requests of one conversation to send a part of a log again; more are an offence.";
    WANTS_SENT_MAX = 128, "Requests of one conversation to send a part of a log again after which a device begins it anew itself: the other side may count some that a lost one had made.";
    FRAME_BYTES_MAX = 512 * 1024, "One frame of the sync protocol, checked before allocation.";
    STRANGER_BYTES_MAX = 1024 * 1024, "Everything a stranger may send on one connection: a member that is not known yet shows up to so much of the roster.";

    STRANGERS_MAX = 4, "Connections of strangers at one time.";
    STRANGER_MS_MAX = 10_000, "Life of a stranger's connection.";
    PAIRING_MS_MAX = 300_000, "Life of an invite unless it was given another.";
    PAIRING_TRIES_MAX = 4_096, "Wrong tries that burn an invite: newcomers of a whole network knock with the words of others.";
    CREDIT_BYTES = 1024 * 1024, "Bytes of entries that may travel unacknowledged to one peer.";
    CREDIT_ENTRIES = 256, "Entries that may travel unacknowledged to one peer.";
    RECEIPT_ENTRIES_MAX = 64, "Entries after which a receipt is due at the latest.";
    RECEIPT_DELAY_MS_MAX = 1_000, "Time after which a receipt is due at the latest.";
    RECEIPTS_AT_ONCE_MAX = 256, "Receipts of one peer that are taken in at once.";
    RECEIPT_MS = 4, "Time after which one more is taken in; of those beyond the last of each device waits.";
    MESSAGE_FIRST_BYTES = 128 * 1024, "Bytes of entries in the first message of a conversation; more where it is acknowledged soon.";
    MESSAGE_LEAST_BYTES = 16 * 1024, "Bytes of entries in one message on the slowest link.";
    BREACHES_MAX = 8, "Breaches of the rules by one device, without a minute between them, that end a conversation and begin a pause.";
    BREACH_PAUSE_MS = 5_000, "First pause in which a device that broke the rules so often is not listened to; each further one is twice as long.";
    BREACH_PAUSE_MS_MAX = 300_000, "Longest such pause.";
    COMPLAINTS_AT_ONCE_MAX = 10, "Lines of the log about one device at once; then one a second, with a count of what was left out.";
    REFUSED_PAUSE_MS = 10_000, "Pause in which nothing is taken in after the disk refused a write.";
    DOUBLES_PAUSE_MS = 2_000, "Time for which credit is kept back for what another peer had brought.";
    RELAY_PAUSE_MS = 1_500, "Time after which a peer is sent what its author seems to send it: longer than a receipt takes.";
    DEFERRED_MAX = 1_024, "Frames of members that a node keeps until its own start is durable: four windows of credit.";
    WORD_MS = 10_000, "Time for which a peer that is heard may fall short of its word before it is named: what travels makes it so for a moment.";
    DOUBT_PAUSE_MS = 2_500, "Time for which a peer that falls short of its word may be silent before it is asked for a receipt.";
    STALL_MS_MAX = 30_000, "Wait for any answer of a peer before its conversation begins anew.";
    BLOB_STREAMS_MAX = 4, "Transfers of chunks at one time with one peer.";
    DOCUMENTS_LOADED_MAX = 256, "Documents held loaded at one time: each costs 17.5 kB.";
    WAITING_PER_RECORD_MAX = 1_024, "Changes of one author that wait in one record and go unmentioned: an honest one's wait only until those of the others arrive.";
    WAITING_PER_AUTHOR_MAX = 10_000, "Changes of one author that wait in all records and go unmentioned: as many as a large import edits.";
    WAKE_CHANGES_MAX = 256, "Changes of one log that waited and are tried at one time.";
    WAKE_BYTES_MAX = 1024 * 1024, "Bytes of changes of one log that waited and are tried at one time.";
    ARREARS_FROM = 64, "Entries that arrive in one moment from which on their changes are noted first and applied together.";
    ARREARS_MOMENT_MS = 90, "Such a moment.";
    ARREARS_ENTRY_BYTES_MAX = 4 * 1024, "One entry whose changes are noted first: it is read again for each of its records.";
    ARREARS_MAX = 64 * 1024, "Entries whose changes are noted and not applied.";
    ARREARS_MS_MAX = 200, "Time after the last of many entries until they are applied at the latest.";
    ARREARS_AGE_MS_MAX = 1_000, "Time after the first of many entries until they are applied, however many more come.";
    ARRIVED_BYTES = 64 * 1024, "Bytes of entries that arrived from which on they are stored, and take effect, apart from those behind them: commands are heard in between.";
    CHECKPOINT_FROM = 4_096, "Entries since the last checkpoint from which on another one is made, or a quarter of all, if that is more.";
    CHECKPOINT_QUIET_MS = 30_000, "Time without a new change before a checkpoint is made or signed: it holds one state of everything.";
    CHECKPOINT_TURNS = 20, "Times of quiet after which a device makes the checkpoint that was another one's to make.";
    CHECKPOINT_BYTES_MAX = 32 * 1024 * 1024, "Sealed packs of one checkpoint: they are held in memory until all are made.";
    CHECKPOINTS_OFFERED_MAX = 4, "Checkpoints that are shown to a device that lacks much.";
    COSIGNATURES_OFFERED_MAX = 64, "Co-signatures that are shown with them.";
    PACK_RECORDS_MIN = 256, "Records of one pack, unless there are so many that packs have more.";
    PACKS_MAX = 60, "Packs of one checkpoint: an entry names their chunks.";
    PACK_BYTES_MAX = 8 * 1024 * 1024, "Changes of one pack; records beyond are named without them.";
    PACK_RECORD_BYTES_MAX = 64 * 1024, "Changes of one record in a pack; one with more is named without them.";
    PREVIEW_REST_MS = 300_000, "Milliseconds for which a checkpoint is shown whose entries nobody who is connected says to hold.";
    TAIL_BYTES_MAX = 2 * 1024 * 1024, "Entries behind a checkpoint that are shown before their turn.";
    PACKS_UNREAD_MAX = 8, "Packs of one checkpoint that had come and could not be read, after which it is not shown any more.";
    PACKS_FIRST_MS = 8_000, "Time for which credit is kept back, once, while packs of a checkpoint come: they show everything sooner than entries.";
    CREDIT_FIRST_BYTES = 64 * 1024, "Bytes of entries that travel to a device that was shown checkpoints before it gives credit for the first time.";
    QUARANTINE_PER_ENTRY_MAX = 64, "Records of one entry that are listed as kept aside: it can name thousands.";
    SEGMENT_BYTES = 16 * 1024 * 1024, "One segment file of the log.";
    PACK_FILE_BYTES = 64 * 1024 * 1024, "One file of many sealed chunks: large enough that a sync costs little, small enough to be copied.";
    INDEX_VALUE_BYTES_MAX = 60 * 1024, "One value in the index: sled puts larger ones into files it never syncs.";
    INDEX_BATCH_MAX = 4_000, "Writes in one batch of the index: much larger ones grow the memory past 1 GB.";
    API_REQUEST_BYTES_MAX = 24 * 1024 * 1024, "One request on the control socket.";
    IMPORT_BATCH_BYTES_MAX = 4 * 1024 * 1024, "Item text that one import request carries.";
    BACKOFF_MS_MAX = 60_000, "Longest pause between two dials of one peer.";
    PING_MS = 60_000, "Pause between two pings of an idle connection.";
    PING_TIMEOUT_MS = 10_000, "Wait for the answer to a ping before the connection is closed.";
    STREAM_OPEN_MS_MAX = 10_000, "Wait for the first byte of an opened stream.";
    DISK_RESERVE_BYTES = 4 * 1024 * 1024, "Reserve released on a full disk so that deletes still work.";
    LOCK_WAIT_MS_MAX = 10_000, "Wait of a command for the folder's lock.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_entry_fits_its_frame_and_a_body_fits_its_entry() {
        const { assert!(ENTRY_BYTES_MAX < FRAME_BYTES_MAX) };
        const { assert!(CHANGE_BYTES_MAX <= ENTRY_BODY_BYTES_MAX) };
        const { assert!(ENTRY_BODY_BYTES_MAX < ENTRY_BYTES_MAX) };
        assert!(ALL.iter().all(|limit| limit.value > 0 && !limit.reason.is_empty()));
    }

    #[test]
    fn the_table_has_every_limit_once_and_a_sentence_for_it() {
        let names: BTreeSet<&str> = ALL.iter().map(|limit| limit.name).collect();
        assert_eq!(names.len(), ALL.len());
        for limit in ALL {
            let fits = |letter: char| letter.is_ascii_uppercase() || letter == '_';
            assert!(limit.name.chars().all(fits), "{}", limit.name);
            assert!(limit.reason.ends_with('.'), "{}: {}", limit.name, limit.reason);
        }
        let row = ALL.iter().find(|limit| limit.name == "CHUNK_BYTES_MAX");
        assert_eq!(row.map(|row| row.value), Some(CHUNK_BYTES_MAX));
    }

    #[test]
    fn limits_leave_room_for_each_other() {
        // A whole window of credit is acknowledged before it is used up.
        const { assert!(RECEIPT_ENTRIES_MAX < CREDIT_ENTRIES) };
        const { assert!(RECEIPT_DELAY_MS_MAX < STALL_MS_MAX && PING_TIMEOUT_MS < PING_MS) };
        const { assert!(ENTRY_BYTES_MAX <= CREDIT_BYTES && ENTRY_BYTES_MAX < SEGMENT_BYTES) };
        const { assert!(ROSTER_OP_BYTES_MAX < FRAME_BYTES_MAX) };
        const { assert!(WANTS_SENT_MAX < WANTS_MAX && REFUSED_PAUSE_MS < STALL_MS_MAX) };
        // The largest card is one request, in base64, and its photo one entry's chunks.
        const PHOTO: usize = CARD_PHOTO_BYTES_MAX / 3 * 4 / 16 * 17;
        const { assert!((CARD_TEXT_BYTES_MAX + PHOTO) / 3 * 4 < API_REQUEST_BYTES_MAX) };
        const { assert!(CARD_TEXT_BYTES_MAX + PHOTO < CARD_FILE_BUFFER_BYTES_MAX) };
        const { assert!(PHOTO <= ENTRY_CHUNKS_MAX * CHUNK_BYTES_MAX) };
        const { assert!(VALUE_INLINE_BYTES_MAX < CHANGE_BYTES_MAX) };
        const { assert!(INDEX_VALUE_BYTES_MAX < 64 * 1024 && DEVICES_MAX <= LOGS_MAX) };
    }

    #[test]
    fn limits_that_decide_what_is_valid_are_frozen() {
        let frozen = [
            ENTRY_BODY_BYTES_MAX,
            ENTRY_BYTES_MAX,
            CHANGE_BYTES_MAX,
            CHANGE_OPS_MAX,
            ENTRY_OPS_MAX,
            CHANGE_DEPS_MAX,
            CHUNK_BYTES_MAX,
            ENTRY_CHUNKS_MAX,
            ROSTER_OP_BYTES_MAX,
            ROSTER_PARENTS_MAX,
            ENTRY_ROSTER_HEADS_MAX,
            ENTRY_VECTOR_DELTA_MAX,
            FRAME_BYTES_MAX,
        ];
        let expected = [
            262_144, 327_680, 262_144, 8_192, 65_536, 256, 1_048_576, 64, 65_536, 16, 8, 64,
            524_288,
        ];
        assert_eq!(frozen, expected, "a device of today would refuse what another one makes");
    }
}
