//! Entries: sealed and signed bundles of changes, the unit of replication.

use heirloom_base::{
    ChunkId, Decode, DecodeError, DeviceId, Encode, EntryId, EpochId, Hlc, Incarnation, LogId,
    OpId, Reader, RecordId, SpaceId, Writer, hash, limits,
};

mod seal;

pub use seal::EntryError;

const MAGIC: [u8; 2] = *b"HE";
const VERSION: u8 = 1;
/// XChaCha20-Poly1305, BLAKE3, ed25519.
const SUITE: u8 = 1;
const FLAG_ORIGIN: u8 = 1;
const SIGNATURE_BYTES: usize = 64;
/// Where the id of the entry before stands: behind magic, version, suite, kind,
/// flags, space, log and number.
const PREVIOUS_AT: usize = 2 + 3 + 1 + SpaceId::SIZE + LogId::SIZE + 8;

/// The device and incarnation that a log belongs to; stands in its first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The device.
    pub device: DeviceId,
    /// Its incarnation.
    pub incarnation: Incarnation,
}

impl Origin {
    /// Returns the id of this incarnation's log in a space.
    #[must_use]
    pub fn log(&self, space: SpaceId) -> LogId {
        let parts: [&[u8]; 3] = [&self.device.0, &space.0, &self.incarnation.0];
        LogId(hash::truncate(hash::content("log", &parts)))
    }
}

/// What an entry carries, by number; unknown kinds are stored and relayed.
pub mod kind {
    /// Changes of records.
    pub const CHANGES: u8 = 1;
    /// A checkpoint.
    pub const CHECKPOINT: u8 = 2;
    /// A co-signature of a checkpoint.
    pub const COSIGNATURE: u8 = 3;
    /// Ends of the author's logs that count no more; its body is not sealed.
    pub const DISOWNED: u8 = 4;
}

/// The part of an entry that everybody can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// See [`kind`].
    pub kind: u8,
    /// The space.
    pub space: SpaceId,
    /// The log.
    pub log: LogId,
    /// Position in the log, from 1.
    pub seq: u64,
    /// Id of the entry before it in the log; zero for the first.
    pub previous: EntryId,
    /// Whose log it is; only in the first entry.
    pub origin: Option<Origin>,
    /// The roster that the author saw, 1 to 8 heads.
    pub roster_heads: Vec<OpId>,
    /// The author's clock.
    pub hlc: Hlc,
    /// The epoch whose key seals the body.
    pub epoch: EpochId,
    /// How far the author holds other logs, where that changed since its last entry.
    pub seen: Vec<(LogId, u64)>,
    /// Chunks that the body refers to.
    pub chunks: Vec<ChunkId>,
}

impl Header {
    fn encode(&self, nonce: &[u8; 24], ciphertext_length: usize) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(&MAGIC);
        writer.array(&[VERSION, SUITE, self.kind]);
        writer.u8(if self.origin.is_some() { FLAG_ORIGIN } else { 0 });
        self.space.encode(&mut writer);
        self.log.encode(&mut writer);
        writer.u64(self.seq);
        self.previous.encode(&mut writer);
        if let Some(origin) = &self.origin {
            origin.device.encode(&mut writer);
            origin.incarnation.encode(&mut writer);
        }
        writer.list(&self.roster_heads);
        self.hlc.encode(&mut writer);
        self.epoch.encode(&mut writer);
        writer.u32(u32::try_from(self.seen.len()).expect("the delta is limited"));
        for (log, seq) in &self.seen {
            log.encode(&mut writer);
            writer.u64(*seq);
        }
        writer.list(&self.chunks);
        writer.array(nonce);
        writer.u32(u32::try_from(ciphertext_length).expect("a body is limited"));
        writer.into_bytes()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<(Self, [u8; 24], usize), DecodeError> {
        expect("entry magic", reader.u16()?.into(), u16::from_le_bytes(MAGIC).into())?;
        expect("entry version", reader.u8()?.into(), VERSION.into())?;
        expect("entry suite", reader.u8()?.into(), SUITE.into())?;
        let kind = reader.u8()?;
        let flags = reader.u8()?;
        if flags & !FLAG_ORIGIN != 0 {
            return Err(DecodeError::Unknown { what: "entry flags", value: flags.into() });
        }
        let (space, log) = (SpaceId::decode(reader)?, LogId::decode(reader)?);
        let (seq, previous) = (reader.u64()?, EntryId::decode(reader)?);
        let origin = match flags & FLAG_ORIGIN {
            0 => None,
            _ => Some(Origin {
                device: DeviceId::decode(reader)?,
                incarnation: Incarnation::decode(reader)?,
            }),
        };
        let roster_heads = reader.list(limits::ENTRY_ROSTER_HEADS_MAX)?;
        let (hlc, epoch) = (Hlc::decode(reader)?, EpochId::decode(reader)?);
        let seen = decode_seen(reader)?;
        let chunks = reader.list(limits::ENTRY_CHUNKS_MAX)?;
        let nonce = reader.array()?;
        let length = reader.u32()? as usize;
        let header = Self {
            kind,
            space,
            log,
            seq,
            previous,
            origin,
            roster_heads,
            hlc,
            epoch,
            seen,
            chunks,
        };
        header.check()?;
        Ok((header, nonce, length))
    }

    fn check(&self) -> Result<(), DecodeError> {
        let first = self.seq == 1;
        if self.seq == 0 || self.origin.is_some() != first {
            return Err(DecodeError::NotCanonical("only a log's first entry names its origin"));
        }
        if first != (self.previous == EntryId([0; 32])) {
            return Err(DecodeError::NotCanonical("only a log's first entry has no predecessor"));
        }
        if self.origin.is_some_and(|origin| origin.log(self.space) != self.log) {
            return Err(DecodeError::NotCanonical("the log is not its origin's"));
        }
        if self.roster_heads.is_empty() {
            return Err(DecodeError::NotCanonical("an entry names its roster"));
        }
        Ok(())
    }
}

fn decode_seen(reader: &mut Reader<'_>) -> Result<Vec<(LogId, u64)>, DecodeError> {
    let count = reader.u32()? as usize;
    if count > limits::ENTRY_VECTOR_DELTA_MAX {
        return Err(DecodeError::TooLong { length: count, limit: limits::ENTRY_VECTOR_DELTA_MAX });
    }
    (0..count).map(|_| Ok((LogId::decode(reader)?, reader.u64()?))).collect()
}

fn expect(what: &'static str, found: u64, wanted: u64) -> Result<(), DecodeError> {
    if found == wanted { Ok(()) } else { Err(DecodeError::Unknown { what, value: found }) }
}

/// One change of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The record.
    pub record: RecordId,
    /// The change's raw bytes.
    pub change: Vec<u8>,
}

impl Part {
    /// Returns the bytes that this part takes in a body.
    #[must_use]
    pub fn size(&self) -> usize {
        RecordId::SIZE + 4 + self.change.len()
    }
}

/// The sealed part of an entry of changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The changes of one transaction or one flush.
    pub parts: Vec<Part>,
}

impl Encode for Part {
    fn encode(&self, writer: &mut Writer) {
        self.record.encode(writer);
        writer.bytes(&self.change);
    }
}

impl Decode for Part {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let record = RecordId::decode(reader)?;
        Ok(Self { record, change: reader.bytes(limits::CHANGE_BYTES_MAX)?.to_vec() })
    }
}

impl Encode for Body {
    fn encode(&self, writer: &mut Writer) {
        writer.list(&self.parts);
    }
}

impl Decode for Body {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { parts: reader.list(limits::ENTRY_BODY_BYTES_MAX / RecordId::SIZE)? })
    }
}

/// What an author decides about an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPlan {
    /// The header.
    pub header: Header,
    /// The plaintext.
    pub body: Body,
}

/// An entry as it stands on disk and wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    header: Header,
    id: EntryId,
    bytes: Vec<u8>,
    header_length: usize,
    nonce: [u8; 24],
}

impl Entry {
    /// Reads an entry without believing it: see [`Entry::verify`].
    ///
    /// # Errors
    /// When the bytes are not the canonical form of an entry.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, DecodeError> {
        if bytes.len() > limits::ENTRY_BYTES_MAX {
            let limit = limits::ENTRY_BYTES_MAX;
            return Err(DecodeError::TooLong { length: bytes.len(), limit });
        }
        let mut reader = Reader::new(&bytes);
        let (header, nonce, length) = Header::decode(&mut reader)?;
        let header_length = bytes.len() - reader.remaining();
        reader.take(length)?;
        reader.take(SIGNATURE_BYTES)?;
        reader.finish()?;
        let signed = bytes.len() - SIGNATURE_BYTES;
        let id = EntryId(hash::plain(bytes.get(..signed).unwrap_or_default()));
        Ok(Self { header, id, bytes, header_length, nonce })
    }

    /// Returns the bytes of an entry without the id of the one before.
    pub(crate) fn without_previous(bytes: &[u8]) -> Option<Vec<u8>> {
        let (front, rest) = bytes.split_at_checked(PREVIOUS_AT)?;
        Some([front, rest.get(EntryId::SIZE..)?].concat())
    }

    /// Puts the id of the one before back.
    pub(crate) fn with_previous(bytes: &[u8], previous: EntryId) -> Option<Vec<u8>> {
        let (front, rest) = bytes.split_at_checked(PREVIOUS_AT)?;
        Some([front, &previous.0, rest].concat())
    }

    /// Returns the id that the bytes of an entry have.
    pub(crate) fn id_in(bytes: &[u8]) -> Option<EntryId> {
        let signed = bytes.len().checked_sub(SIGNATURE_BYTES)?;
        Some(EntryId(hash::plain(bytes.get(..signed)?)))
    }

    /// Returns the readable part.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the id: BLAKE3 over header and ciphertext.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Returns the whole entry as bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the whole entry as bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn header_bytes(&self) -> &[u8] {
        self.bytes.get(..self.header_length).unwrap_or_default()
    }

    /// Returns the body of an entry whose kind says that it is not sealed.
    #[must_use]
    pub fn plain_body(&self) -> &[u8] {
        self.ciphertext()
    }

    fn ciphertext(&self) -> &[u8] {
        self.bytes.get(self.header_length..self.bytes.len() - SIGNATURE_BYTES).unwrap_or_default()
    }

    fn signature(&self) -> &[u8] {
        self.bytes.get(self.bytes.len() - SIGNATURE_BYTES..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
