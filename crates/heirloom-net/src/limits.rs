//! The limits that concern the network alone, each with its reason; the ones
//! shared with other crates stand in [`heirloom_base::limits`].

/// Frames that wait to be sent to one peer: twice what the core's credit lets travel, with room
/// for answers.
pub const SEND_FRAMES_MAX: usize = 1_024;
/// Bytes that wait to be sent to one peer: four times the core's credit.
pub const SEND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Frames received from one peer that the host has not taken yet.
pub const INBOX_FRAMES_MAX: usize = 1_024;
/// Bytes received from one peer that the host has not taken yet.
pub const INBOX_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events that the host has not taken yet.
pub const EVENTS_MAX: usize = 256;
/// Events that wait for room among those; past it the swarm rests until the host catches up.
pub const OUTBOX_MAX: usize = 1_024;
/// Calls that wait for the swarm.
pub const COMMANDS_MAX: usize = 64;
/// One pairing frame, unless it is the grant.
pub const PAIRING_FRAME_BYTES_MAX: usize = 16 * 1024;
/// The grant that ends a pairing: it carries the roster.
pub const PAIRING_GRANT_BYTES_MAX: usize = 512 * 1024;
/// What one side of a hello presents: room for the largest operation.
pub const HELLO_BYTES_MAX: usize = 128 * 1024;
/// A sealed chunk: its plaintext, padding and tag.
pub const SEALED_CHUNK_BYTES_MAX: usize = heirloom_base::limits::CHUNK_BYTES_MAX + 4_096;
/// Encryption, framing and negotiation on top of what a stranger may send.
pub const STRANGER_OVERHEAD_BYTES_MAX: usize = 16 * 1024;
/// Pairing conversations of one peer that are answered at one time; more wait their turn.
pub const PAIRING_STREAMS_MAX: usize = 4;
/// Streams that one connection opened and that nobody took yet; more are dropped.
pub const INBOUND_STREAMS_MAX: usize = 128;
/// Streams of one connection in each direction.
pub const CONNECTION_STREAMS_MAX: usize = 256;
/// Frames of one peer that are taken at once; then one each [`FRAME_US`], and the others wait with
/// the peer: whoever has much to say says it in few frames, and a flood of small ones costs little.
pub const FRAMES_AT_ONCE_MAX: u32 = 4_096;
/// See [`FRAMES_AT_ONCE_MAX`], in microseconds.
pub const FRAME_US: u64 = 500;
/// Streams that the other side of a connection may open at once; then one more each [`STREAM_MS`],
/// and beyond that the connection ends.
pub const STREAMS_AT_ONCE_MAX: u32 = 1_024;
/// See [`STREAMS_AT_ONCE_MAX`], in milliseconds.
pub const STREAM_MS: u64 = 5;
/// Connections that a member may open at once; then one more each [`VISIT_MS`]. One more is refused,
/// and breaks the rules.
pub const VISITS_AT_ONCE_MAX: u32 = 64;
/// See [`VISITS_AT_ONCE_MAX`], in milliseconds.
pub const VISIT_MS: u64 = 1_000;
/// Sync streams that a member may open at once; then one more each [`TALK_MS`]. One more ends the
/// connection, and breaks the rules.
pub const TALKS_AT_ONCE_MAX: u32 = 64;
/// See [`TALKS_AT_ONCE_MAX`], in milliseconds.
pub const TALK_MS: u64 = 1_000;
/// Inbound connections that have not proven a key yet; the oldest of the address with the most
/// gives way to another one.
pub const HANDSHAKES_MAX: usize = 64;
/// Inbound connections that are taken at once; then one each [`ACCEPT_MS`], and the others wait
/// with the system.
pub const ACCEPTS_MAX: u32 = 16;
/// See [`ACCEPTS_MAX`], in milliseconds: a hundred handshakes a second take a tenth of a processor.
pub const ACCEPT_MS: u64 = 10;
/// Inbound connections that wait with the system: those that are taken within three seconds.
pub const BACKLOG_MAX: u32 = 256;
/// Connections that are being dialled.
pub const PENDING_CONNECTIONS_MAX: usize = 16;
/// Connections of a device.
pub const CONNECTIONS_MAX: usize = 64;
/// Connections of a keeper.
pub const KEEPER_CONNECTIONS_MAX: usize = 128;
/// Connections with one peer: with one, two devices that dial each other at once lose both.
pub const PEER_CONNECTIONS_MAX: usize = 4;
/// Dials that run at one time.
pub const DIALS_MAX: usize = 64;
/// Addresses tried by one dial.
pub const DIAL_ADDRESSES_MAX: usize = 16;
/// Time for one dial, names included, in milliseconds.
pub const DIAL_MS_MAX: u64 = 10_000;
/// Time for looking up one name, in milliseconds.
pub const LOOKUP_MS_MAX: u64 = 5_000;
/// Wait for the listeners' addresses at the start, in milliseconds.
pub const LISTEN_MS_MAX: u64 = 2_000;
/// Idle time after which a duplicate connection closes, in milliseconds.
pub const DUPLICATE_IDLE_MS: u64 = 1_000;
/// Life of a duplicate connection at most, in milliseconds.
pub const DUPLICATE_MS_MAX: u64 = 10_000;
/// Wait for a sign of life when a connection is in doubt, in milliseconds.
pub const LIFE_MS_MAX: u64 = 5_000;
/// Rest of the interfaces before what has changed is acted on, in milliseconds.
pub const INTERFACES_REST_MS: u64 = 250;
/// First pause before `sync/1` is opened again, in milliseconds.
pub const SYNC_RETRY_MS: u64 = 250;
/// Longest pause before `sync/1` is opened again, in milliseconds.
pub const SYNC_RETRY_MS_MAX: u64 = 5_000;
/// Wait for a host's answer to a hello, in milliseconds.
pub const HELLO_MS_MAX: u64 = 10_000;
/// Wait for the next piece of a chunk, or for the host's answer, in milliseconds.
pub const CHUNK_MS_MAX: u64 = 30_000;
/// Idle time after which a stream of chunks is closed by the side that serves it, in milliseconds.
pub const CHUNK_IDLE_MS_MAX: u64 = 60_000;
/// Wait for one of the [`heirloom_base::limits::BLOB_STREAMS_MAX`] slots, in milliseconds.
pub const SLOT_MS_MAX: u64 = 60_000;
/// Wait for queued frames when the network stops, in milliseconds.
pub const SHUTDOWN_MS_MAX: u64 = 2_000;
/// Wait for the polite end of a connection before it is cut, in milliseconds.
pub const CLOSE_MS_MAX: u64 = 1_000;
/// Reservations that a keeper's relay holds: more than an account has devices that need one.
pub const RESERVATIONS_MAX: usize = 64;
/// Reservations of one device at a keeper: one, and one on a connection that replaces its own.
pub const PEER_RESERVATIONS_MAX: usize = 2;
/// Life of a reservation, in milliseconds: a hundred years, that is, as long as its connection.
/// Both sides measure it by the time of day, and clocks may be wrong by decades.
pub const RESERVATION_MS_MAX: u64 = 36_525 * 24 * 60 * 60 * 1_000;
/// Circuits that a keeper relays at one time.
pub const CIRCUITS_MAX: usize = 64;
/// Circuits of one device that a keeper relays at one time.
pub const PEER_CIRCUITS_MAX: usize = 8;
/// Life of a circuit, in milliseconds; the devices then connect anew.
pub const CIRCUIT_MS_MAX: u64 = 12 * 60 * 60 * 1_000;
/// Reservations and circuits that one device may ask for at once, and one more each
/// [`RELAY_ASK_MS`].
pub const RELAY_ASKS_MAX: u32 = 60;
/// See [`RELAY_ASKS_MAX`], in milliseconds.
pub const RELAY_ASK_MS: u64 = 10_000;
/// Keepers at which a device reserves, and through which it dials.
pub const RELAYS_MAX: usize = 2;
/// First pause before a keeper that refused a reservation is asked again, in milliseconds.
pub const RESERVE_RETRY_MS: u64 = 1_000;
/// Longest pause before a keeper that refused a reservation is asked again, in milliseconds.
pub const RESERVE_RETRY_MS_MAX: u64 = 5 * 60 * 1_000;
/// Head start of a direct dial before a keeper is asked to relay, in milliseconds.
pub const RELAY_AFTER_MS: u64 = 1_500;
/// Head start that the lower identity has with a circuit before the higher, in milliseconds.
pub const RELAY_TURN_MS: u64 = 3_000;
/// Time between two looks at how a member sees this device's address, in milliseconds.
pub const IDENTIFY_MS: u64 = 12 * 60 * 60 * 1_000;
