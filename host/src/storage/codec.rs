//! The stored bytes of one event: what the log files, redb's blocks and checksums know of an event.
//!
//! A header of fixed size, then the names, tags and metadata, and the payload last, so that a payload can be sliced out
//! of a bigger `Bytes` without a copy. **Invariant:** a CRC-32 covers every byte but itself; decoding any bytes at all
//! never panics and allocates no more than the bytes it was given. Numbers are little-endian.
//!
//! ```text
//!  0 format u8 · flags u8 · topic length u8 · stream length u8 (0 = no stream)
//!  4 length of all bytes u32 · 8 CRC-32 u32 · 12 tags u16 · 14 metadata entries u16
//! 16 position u64 · 24 sequence u64 · 32 version u64 · 40 time u64, in Unix milliseconds
//! 48 hash, 32 bytes
//! 80 topic · stream · (length u8, type) · (length u8, tag)… · (length u32, key, length u32, value)…
//!    · if flagged: idempotency key, 16 bytes, its request's digest, 16 bytes, events of the batch u32 · payload
//! ```
//!
//! The hash chains a topic's events: SHA-256 of the hash before it (32 zero bytes before the first), bytes 0 to 8, bytes 12
//! to 48, and the SHA-256 of everything from byte 80 on. Two steps, so that the writer hashes 108 bytes and not the payload.

use bytes::Bytes;
use crc32fast::Hasher;
use sha2::{Digest, Sha256};

use super::{Hash, Place};
use crate::model::{Event, EventType, Filter, IdempotencyKey, NewEvent, Payload, Position, StreamName, Tag, TopicName};

/// The number of this layout.
pub const EVENT_FORMAT: u8 = 2;
/// Bytes before the names.
pub const EVENT_HEADER_BYTES: usize = 80;

const HASH_AT: usize = 48;
const FLAG_JSON: u8 = 1;
const FLAG_KEYED: u8 = 2;

/// What is wrong with the bytes; the caller knows where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(pub &'static str);

/// What was computed of the bytes that follow the header.
#[derive(Debug, Clone, Copy)]
pub struct Body {
    crc: u32,
    digest: Hash,
}

/// The idempotency key that a batch was appended with, on the first of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyed {
    pub key: IdempotencyKey,
    /// Events in that batch.
    pub events: u32,
}

/// Appends an event without its place, and answers what was computed of its body. `seal` does the rest.
///
/// Two steps, because everything that takes time can so be done before the single writer sees the event.
pub fn encode(event: &NewEvent, keyed: Option<Keyed>, out: &mut Vec<u8>) -> Result<Body, Damage> {
    let start = out.len();
    let topic_length = short(event.topic.as_str())?;
    let stream_length = event.stream.as_ref().map_or(Ok(0), |stream| short(stream.as_str()))?;
    let tags = u16::try_from(event.tags.len()).map_err(|_| Damage("more than 65,535 tags"))?;
    let entries = u16::try_from(event.metadata.len()).map_err(|_| Damage("more than 65,535 metadata entries"))?;
    let (json, payload) = match &event.payload {
        Payload::Json(bytes) => (FLAG_JSON, bytes),
        Payload::Bytes(bytes) => (0, bytes),
    };
    let flags = json | if keyed.is_some() { FLAG_KEYED } else { 0 };
    out.extend_from_slice(&[EVENT_FORMAT, flags, topic_length, stream_length, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&tags.to_le_bytes());
    out.extend_from_slice(&entries.to_le_bytes());
    out.extend_from_slice(&[0; EVENT_HEADER_BYTES - 16]);
    out.extend_from_slice(event.topic.as_str().as_bytes());
    out.extend_from_slice(event.stream.as_ref().map_or("", StreamName::as_str).as_bytes());
    put_short(event.event_type.as_str(), out)?;
    event.tags.iter().try_for_each(|tag| put_short(tag.as_str(), out))?;
    for (key, value) in &event.metadata {
        put_long(key, out)?;
        put_long(value, out)?;
    }
    if let Some(Keyed { key, events }) = keyed {
        out.extend_from_slice(&key.key);
        out.extend_from_slice(&key.request);
        out.extend_from_slice(&events.to_le_bytes());
    }
    out.extend_from_slice(payload);
    let length = u32::try_from(out.len() - start).map_err(|_| Damage("longer than 4 GiB"))?;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    Ok(body(&out[start + EVENT_HEADER_BYTES..]))
}

fn body(bytes: &[u8]) -> Body {
    Body { crc: crc32fast::hash(bytes), digest: Sha256::digest(bytes).into() }
}

/// Gives an encoded event its place and time, its hash behind that of its topic's last event, and its checksum.
pub fn seal(event: &mut [u8], body: &Body, place: &Place, before: &Hash) -> Hash {
    event[16..24].copy_from_slice(&place.position.to_le_bytes());
    event[24..32].copy_from_slice(&place.sequence.to_le_bytes());
    event[32..40].copy_from_slice(&place.version.unwrap_or(0).to_le_bytes());
    event[40..48].copy_from_slice(&place.time_ms.to_le_bytes());
    let hash = chain(event, &body.digest, before);
    event[HASH_AT..EVENT_HEADER_BYTES].copy_from_slice(&hash);
    let crc = header_crc(event, body.crc);
    event[8..12].copy_from_slice(&crc.to_le_bytes());
    hash
}

fn chain(event: &[u8], body_digest: &Hash, before: &Hash) -> Hash {
    let hasher = Sha256::new().chain_update(before).chain_update(&event[..8]).chain_update(&event[12..HASH_AT]);
    hasher.chain_update(body_digest).finalize().into()
}

/// Whether an event's hash is the one that its bytes give behind the hash of its topic's event before.
/// **Invariant:** the bytes are whole: `View::parse` took them.
pub fn follows(event: &[u8], before: &Hash) -> bool {
    let digest = Sha256::digest(&event[EVENT_HEADER_BYTES..]).into();
    event[HASH_AT..EVENT_HEADER_BYTES] == chain(event, &digest, before)
}

/// The body first, then the header: so the writer only has to run over 76 bytes.
fn header_crc(event: &[u8], body_crc: u32) -> u32 {
    let mut hasher = Hasher::new_with_initial(body_crc);
    hasher.update(&event[..8]);
    hasher.update(&event[12..EVENT_HEADER_BYTES]);
    hasher.finalize()
}

fn short(text: &str) -> Result<u8, Damage> {
    u8::try_from(text.len()).map_err(|_| Damage("a name longer than 255 bytes"))
}

pub(super) fn put_short(text: &str, out: &mut Vec<u8>) -> Result<(), Damage> {
    out.push(short(text)?);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_long(text: &str, out: &mut Vec<u8>) -> Result<(), Damage> {
    let length = u32::try_from(text.len()).map_err(|_| Damage("metadata longer than 4 GiB"))?;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Stored bytes, checked but not copied: enough to filter by before an `Event` is built.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub place: Place,
    pub topic: &'a str,
    pub stream: Option<&'a str>,
    pub event_type: &'a str,
    pub hash: Hash,
    /// The first event of a batch that came with an idempotency key has it.
    pub keyed: Option<Keyed>,
    /// Where in the stored bytes the payload starts; it ends with them.
    pub payload_at: usize,
    json: bool,
    tags: Strings<'a>,
    metadata: Strings<'a>,
}

impl<'a> View<'a> {
    /// Checks length, checksum and shape of exactly one event's bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Damage> {
        if bytes.len() < EVENT_HEADER_BYTES {
            return Err(Damage("shorter than an event's header"));
        }
        if bytes[0] != EVENT_FORMAT {
            return Err(Damage("an event format that this program does not know"));
        }
        if number::<4>(bytes, 4) != bytes.len() as u64 {
            return Err(Damage("an event's length is not that of its bytes"));
        }
        if number::<4>(bytes, 8) != u64::from(header_crc(bytes, crc32fast::hash(&bytes[EVENT_HEADER_BYTES..]))) {
            return Err(Damage("an event's checksum does not match its bytes"));
        }
        if bytes[1] & !(FLAG_JSON | FLAG_KEYED) != 0 {
            return Err(Damage("an event with flags that this program does not know"));
        }
        let mut rest = Cursor { bytes, at: EVENT_HEADER_BYTES };
        let topic = rest.text(usize::from(bytes[2]))?;
        let stream = rest.text(usize::from(bytes[3]))?;
        let event_type = rest.sized::<1>()?;
        let tags = Strings { count: number::<2>(bytes, 12) as usize, rest };
        for _ in 0..tags.count {
            rest.sized::<1>()?;
        }
        let metadata = Strings { count: number::<2>(bytes, 14) as usize, rest };
        for _ in 0..metadata.count * 2 {
            rest.sized::<4>()?;
        }
        let keyed = if bytes[1] & FLAG_KEYED != 0 { Some(rest.keyed()?) } else { None };
        let stream = (!stream.is_empty()).then_some(stream);
        let mut hash = [0; 32];
        hash.copy_from_slice(&bytes[HASH_AT..EVENT_HEADER_BYTES]);
        let version = number::<8>(bytes, 32);
        if stream.is_none() && version != 0 {
            return Err(Damage("a version without a stream"));
        }
        let version = stream.map(|_| version);
        let (position, sequence, time_ms) = (number::<8>(bytes, 16), number::<8>(bytes, 24), number::<8>(bytes, 40));
        let place = Place { position, sequence, version, time_ms };
        let (json, payload_at) = (bytes[1] & FLAG_JSON != 0, rest.at);
        Ok(Self { place, topic, stream, event_type, hash, keyed, payload_at, json, tags, metadata })
    }

    /// The same answer as `Filter::matches` on the event.
    pub fn matches(&self, filter: &Filter) -> bool {
        (filter.types.is_empty() || filter.types.iter().any(|t| t.as_str() == self.event_type))
            && filter.tags.iter().all(|wanted| self.tags().any(|tag| tag == wanted.as_str()))
            && filter.time_ms.as_ref().is_none_or(|range| range.contains(&self.place.time_ms))
    }

    pub fn tags(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.tags.rest;
        (0..self.tags.count).map_while(move |_| rest.sized::<1>().ok())
    }

    /// Builds the event around its payload, which the caller slices or copies from `payload_at` on.
    pub fn event(&self, payload: Bytes) -> Result<Event, Damage> {
        let bad = |_| Damage("a name that is none");
        let stream = match (self.stream, self.place.version) {
            (Some(stream), Some(version)) => Some((StreamName::parse(stream).map_err(bad)?, version)),
            _ => None,
        };
        let mut rest = self.metadata.rest;
        let mut metadata = Vec::with_capacity(self.metadata.count);
        for _ in 0..self.metadata.count {
            metadata.push((rest.sized::<4>()?.to_owned(), rest.sized::<4>()?.to_owned()));
        }
        Ok(Event {
            position: self.place.position,
            topic: TopicName::parse(self.topic).map_err(bad)?,
            sequence: self.place.sequence,
            stream,
            event_type: EventType::parse(self.event_type).map_err(bad)?,
            time_ms: self.place.time_ms,
            payload: if self.json { Payload::Json(payload) } else { Payload::Bytes(payload) },
            tags: self.tags().map(Tag::parse).collect::<Result<_, _>>().map_err(bad)?,
            metadata,
        })
    }
}

/// Makes the checksum that of the bytes: what somebody would do who changes an event on disk.
pub fn refit_checksum(event: &mut [u8]) {
    let crc = header_crc(event, crc32fast::hash(&event[EVENT_HEADER_BYTES..]));
    event[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// The length and (first) position that the header of an event or gap claims, or `None` if not even a header is there. Checks
/// nothing.
pub fn claims(bytes: &[u8]) -> Option<(usize, Position)> {
    (bytes.len() >= EVENT_HEADER_BYTES).then(|| (number::<4>(bytes, 4) as usize, number::<8>(bytes, 16)))
}

/// Makes format, length and checksum right, whatever the rest is; `false` if there is no header.
pub fn dress_up(bytes: &mut [u8]) -> bool {
    let Ok(length) = u32::try_from(bytes.len()) else { return false };
    if bytes.len() < EVENT_HEADER_BYTES {
        return false;
    }
    bytes[0] = EVENT_FORMAT;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    refit_checksum(bytes);
    true
}

/// `WIDTH` bytes at `at` as a number. **Invariant:** the caller knows that they are there.
pub(super) fn number<const WIDTH: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut wide = [0; 8];
    wide[..WIDTH].copy_from_slice(&bytes[at..at + WIDTH]);
    u64::from_le_bytes(wide)
}

/// How many texts (or pairs of them) follow, and where.
#[derive(Debug, Clone, Copy)]
struct Strings<'a> {
    count: usize,
    rest: Cursor<'a>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
}

impl<'a> Cursor<'a> {
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let end = self.at.checked_add(length).ok_or(Damage("a length that overflows"))?;
        let taken = self.bytes.get(self.at..end).ok_or(Damage("a field that ends after its event"))?;
        self.at = end;
        Ok(taken)
    }

    fn text(&mut self, length: usize) -> Result<&'a str, Damage> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Damage("a text that is not UTF-8"))
    }

    fn keyed(&mut self) -> Result<Keyed, Damage> {
        let mut key = IdempotencyKey { key: [0; 16], request: [0; 16] };
        key.key.copy_from_slice(self.take(16)?);
        key.request.copy_from_slice(self.take(16)?);
        Ok(Keyed { key, events: number::<4>(self.take(4)?, 0) as u32 })
    }

    /// A text after its length of `WIDTH` bytes.
    pub fn sized<const WIDTH: usize>(&mut self) -> Result<&'a str, Damage> {
        let length = number::<WIDTH>(self.take(WIDTH)?, 0);
        self.text(usize::try_from(length).map_err(|_| Damage("a length that overflows"))?)
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
