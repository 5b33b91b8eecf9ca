//! Looking at everything that is stored: every record, event, hash and index row, from the first on.
//!
//! The log is walked from its files alone, as it is the truth; then the index is held against what the walk saw. It stops at
//! the first damage and names its position. **Invariant:** memory is bounded by one group and the number of topics and
//! streams; nothing is changed.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher};
use std::path::Path;
use std::sync::Arc;

use super::database;
use super::directory::{Directory, io_error, redb_error};
use super::disk::{How, OsDisk};
use super::group::{self, Header, Salt};
use super::index::Index;
use super::keys;
use super::prefix::{Prefix, StretchRows};
use super::reader::Reader;
use super::segments;
use super::stretch::Files;
use super::wal::WalEnd;
use crate::model::{Position, TopicName};
use crate::storage::codec::{self, Damage, View, claims};
use crate::storage::gap::{self, Gap};
use crate::storage::{Damaged, Hash, Progress, ProgressSink, StorageError, Tip, Verified};

/// Events between two reports of how far it is.
const REPORT_EVENTS: u64 = 10_000;

/// To open a directory would make a store there.
pub fn expect_store(dir: &Path) -> Result<(), StorageError> {
    if keys::format_file(dir).exists() {
        return Ok(());
    }
    let what = format!("there is no store in {}", dir.display());
    Err(StorageError::Io { what, detail: "it has no FORMAT file".into() })
}

/// Looks at a store that nobody has open.
pub fn verify(dir: &Path, progress: &ProgressSink) -> Result<Verified, StorageError> {
    expect_store(dir)?;
    let directory = Directory::open(Arc::new(OsDisk), dir)?;
    let mut verified = match open_index(&directory) {
        // The snapshot is good only as long as the index is open.
        Ok((_index, prefix)) => walk(&prefix.files, directory.salt, Some(&prefix), None, progress)?,
        Err(damaged) => {
            // Without an index the log can be looked at still, and its damage matters more.
            let log_dir = keys::log_dir(dir);
            let found = segments::generations(&*directory.disk, &log_dir).map_err(io_error("cannot list", &log_dir))?;
            let files = Files::new(directory.disk.clone(), log_dir, found);
            let log = walk(&files, directory.salt, None, None, progress)?;
            Verified { damage: log.damage.or(Some(damaged)), ..log }
        }
    };
    for file in [keys::index_file(dir), keys::records_file(dir)] {
        let damage = verified.damage.take().or_else(|| pages(&directory, &file).err());
        verified.damage = damage;
    }
    Ok(verified)
}

fn open_index(directory: &Directory) -> Result<(Index, Prefix), Damaged> {
    let path = keys::index_file(&directory.path);
    guarded(&path, || {
        let index = Index::open(directory, 0)?;
        let (prefix, _) = index.snapshot()?;
        Ok((index, prefix))
    })
}

/// redb's own checksums of its pages.
fn pages(directory: &Directory, path: &Path) -> Result<(), Damaged> {
    let sound = guarded(path, || {
        let mut db = database::open(directory, path, 0, |_| Ok(()))?;
        db.check_integrity().map_err(|error| redb_error(path, redb::Error::from(error)))
    })?;
    let detail = "its pages were damaged; redb repaired what it could".to_owned();
    if sound { Ok(()) } else { Err(Damaged { position: None, place: path.display().to_string(), detail }) }
}

/// redb may panic on pages that make no sense.
fn guarded<T: Send>(path: &Path, work: impl FnOnce() -> Result<T, StorageError> + Send) -> Result<T, Damaged> {
    let done = std::thread::scope(|scope| scope.spawn(work).join());
    let detail = match done {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it makes no sense; without it the index is made anew from the log".to_owned(),
    };
    Err(Damaged { position: None, place: path.display().to_string(), detail })
}

/// Walks the log, up to `head` if that is given, and holds the index against it.
pub fn walk(
    files: &Files,
    salt: Salt,
    prefix: Option<&Prefix>,
    head: Option<Position>,
    progress: &ProgressSink,
) -> Result<Verified, StorageError> {
    let indexed = prefix.map_or(0, |prefix| prefix.position);
    let mut walk = Walk {
        salt,
        seen: Seen::default(),
        stretches: prefix.map(Prefix::stretch_rows).transpose()?,
        indexed,
        end: head.unwrap_or(Position::MAX),
        expected: head.unwrap_or(indexed).max(indexed),
        progress,
    };
    let mut damage = walk.run(files)?;
    if let (None, Some(prefix)) = (&damage, prefix) {
        damage = prefix.compare(&walk.seen.sums)?;
    }
    let mut topics: Vec<_> = walk.seen.tips.into_iter().collect();
    topics.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Verified { events: walk.seen.position, topics, damage })
}

/// What the walk has seen so far.
#[derive(Default)]
struct Seen {
    position: Position,
    group: u64,
    time_ms: u64,
    tips: HashMap<TopicName, Tip>,
    /// Versions by a hash of topic and stream.
    versions: HashMap<u64, u64>,
    sums: Sums,
}

impl Seen {
    /// The last version of a stream.
    fn version(&mut self, topic: &str, stream: &str) -> &mut u64 {
        self.versions.entry(entry(topic.as_bytes(), 0, entry(stream.as_bytes(), 0, 0))).or_default()
    }
}

/// A sum over all entries of each list, in whatever order they come: of the log and of the index they must be the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub topics: u64,
    pub streams: u64,
    pub tags: u64,
    pub types: u64,
}

/// One entry's share of a sum: the key without its number, the place (or position), and the position.
pub fn entry(list: &[u8], place: u64, position: Position) -> u64 {
    let mut hasher = DefaultHasher::new();
    (list, place, position).hash(&mut hasher);
    hasher.finish()
}

struct Walk<'a> {
    salt: Salt,
    seen: Seen,
    stretches: Option<StretchRows<'a>>,
    /// The last position that the index holds.
    indexed: Position,
    /// Nothing after it is looked at.
    end: Position,
    /// What must be there at least.
    expected: Position,
    progress: &'a ProgressSink,
}

impl Walk<'_> {
    fn run(&mut self, files: &Files) -> Result<Option<Damaged>, StorageError> {
        let mut segment = 1;
        while self.seen.position < self.end {
            let path = files.path(segment);
            if !files.disk.exists(&path).map_err(io_error("cannot look for", &path))? {
                break;
            }
            let reader = files.disk.open(&path, How::Read).and_then(|file| Reader::new(file, 0));
            let mut reader = reader.map_err(io_error("cannot open", &path))?;
            let before = self.seen.group;
            if let Err(damaged) = self.segment(segment, &mut reader).map_err(io_error("cannot read", &path))? {
                return Ok(Some(damaged.named(&path)));
            }
            // A segment in which nothing is the next group is one that was made ahead.
            if self.seen.group == before && self.seen.position >= self.expected {
                break;
            }
            segment += 1;
        }
        (self.progress)(Progress { position: self.seen.position, head: self.seen.position.max(self.expected) });
        if self.seen.position >= self.expected {
            return Ok(None);
        }
        let place = files.path(segment.saturating_sub(1).max(1)).display().to_string();
        let detail = format!("the log ends here, though it had {} events", self.expected);
        Ok(Some(Damaged { position: Some(self.seen.position + 1), place, detail }))
    }

    /// All groups of a segment. The outer error is the disk's, the inner one damage.
    fn segment(&mut self, number: u64, reader: &mut Reader) -> std::io::Result<Result<(), Found>> {
        while self.seen.position < self.end {
            let at = reader.offset();
            let Some(bytes) = reader.peek(group::HEADER_BYTES)? else { return Ok(Ok(())) };
            let header = group::header(bytes, self.salt).filter(|header| header.number == self.seen.group + 1);
            let Some(header) = header else {
                // Before the end of what must be there, only the end of the segment may be here: zeros.
                let begun = group::has_magic(bytes) || bytes.iter().any(|byte| *byte != 0);
                let damaged = begun && self.seen.position < self.expected;
                let found = Found { position: self.seen.position + 1, offset: at, detail: "no whole group is here" };
                return Ok(if damaged { Err(found) } else { Ok(()) });
            };
            let Some(record) = reader.peek(group::HEADER_BYTES + header.body_bytes)? else {
                let detail = "the file ends within this group";
                return Ok(Err(Found { position: self.seen.position + 1, offset: at, detail }));
            };
            let place = WalEnd { segment: number, offset: at };
            if let Err(found) = self.group(&header, record, place) {
                // Of a group that nobody was told of, a part may be missing.
                let torn = self.seen.position >= self.expected && group::record(record, self.salt).is_none();
                return Ok(if torn { Ok(()) } else { Err(found) });
            }
            reader.skip(header.record_bytes().min(reader.left()));
        }
        Ok(Ok(()))
    }

    fn group(&mut self, header: &Header, record: &[u8], place: WalEnd) -> Result<(), Found> {
        let whole = group::record(record, self.salt).is_some();
        let found = |seen: &Seen, at: usize, detail| Found {
            position: seen.position + 1,
            offset: place.offset + at as u64,
            detail,
        };
        if header.first != self.seen.position + 1 {
            return Err(found(&self.seen, 0, "a group whose first position does not go on from the one before"));
        }
        let mut at = group::HEADER_BYTES;
        let mut left = header.events as u64;
        while left > 0 {
            let length = claims(&record[at..]).map(|(length, _)| length);
            let end = length.and_then(|length| at.checked_add(length)).filter(|end| *end <= record.len() && *end > at);
            let end = end.ok_or_else(|| found(&self.seen, at, "an event whose length does not fit its group"))?;
            let here = WalEnd { offset: place.offset + at as u64, ..place };
            let before = self.seen.position;
            self.entry(&record[at..end], here).map_err(|Damage(detail)| found(&self.seen, at, detail))?;
            left = left.saturating_sub(self.seen.position - before);
            at = end;
        }
        if at != record.len() || !whole {
            return Err(found(&self.seen, at, "a group whose checksum or length does not match its events"));
        }
        self.seen.group = header.last;
        Ok(())
    }

    fn entry(&mut self, stored: &[u8], at: WalEnd) -> Result<(), Damage> {
        let before = self.seen.position;
        if gap::is_gap(stored) {
            self.gap(Gap::parse(stored)?, at)?
        } else {
            self.event(stored, at)?
        }
        if self.seen.position / REPORT_EVENTS > before / REPORT_EVENTS {
            (self.progress)(Progress { position: self.seen.position, head: self.expected.max(self.seen.position) });
        }
        Ok(())
    }

    /// Of deleted events only what they left can be looked at: that everything goes on from there.
    fn gap(&mut self, gap: Gap, at: WalEnd) -> Result<(), Damage> {
        let seen = &mut self.seen;
        if gap.first != seen.position + 1 || gap.time_ms < seen.time_ms {
            return Err(Damage("a position or time that does not go on from the event before"));
        }
        for (topic, left) in gap.topics {
            for (stream, version) in left.streams {
                let known = seen.version(topic.as_str(), stream.as_str());
                if version <= std::mem::replace(known, version) {
                    return Err(Damage("a version that does not go on from its stream's event before"));
                }
            }
            let tip = seen.tips.entry(topic).or_default();
            if left.tip.sequence <= tip.sequence {
                return Err(Damage("a sequence that does not go on from the event before"));
            }
            *tip = left.tip;
        }
        (seen.position, seen.time_ms) = (gap.last, gap.time_ms);
        match &mut self.stretches {
            Some(stretches) if gap.first <= self.indexed => stretches.check(gap.first, at),
            _ => Ok(()),
        }
    }

    fn event(&mut self, stored: &[u8], at: WalEnd) -> Result<(), Damage> {
        let view = View::parse(stored)?;
        let topic = TopicName::parse(view.topic).map_err(|_| Damage("a topic that is no name"))?;
        let seen = &mut self.seen;
        let tip = seen.tips.get(&topic).copied().unwrap_or_default();
        if view.place.position != seen.position + 1 || view.place.sequence != tip.sequence + 1 {
            return Err(Damage("a position or sequence that does not go on from the event before"));
        }
        if view.place.time_ms < seen.time_ms {
            return Err(Damage("a time before that of the event before"));
        }
        check_chain(stored, &tip.hash)?;
        if let (Some(stream), Some(version)) = (view.stream, view.place.version) {
            let known = seen.version(view.topic, stream);
            if version != *known + 1 {
                return Err(Damage("a version that does not go on from its stream's event before"));
            }
            *known = version;
        }
        self.hold_index_against(&view, at)?;
        let seen = &mut self.seen;
        seen.tips.insert(topic, Tip { sequence: view.place.sequence, hash: view.hash });
        (seen.position, seen.time_ms) = (view.place.position, view.place.time_ms);
        Ok(())
    }

    fn hold_index_against(&mut self, view: &View<'_>, at: WalEnd) -> Result<(), Damage> {
        let position = view.place.position;
        if position > self.indexed {
            return Ok(());
        }
        if let Some(stretches) = &mut self.stretches {
            stretches.check(position, at)?;
        }
        self.seen.sums.add(view);
        Ok(())
    }
}

fn check_chain(stored: &[u8], before: &Hash) -> Result<(), Damage> {
    if codec::follows(stored, before) {
        Ok(())
    } else {
        Err(Damage("its hash does not go on from its topic's event before"))
    }
}

impl Sums {
    fn add(&mut self, view: &View<'_>) {
        let (position, mut key) = (view.place.position, Vec::with_capacity(64));
        let mut list = |names: &[&str], place| {
            key.clear();
            names.iter().for_each(|name| keys::put_name(name, &mut key));
            entry(&key, place, position)
        };
        self.topics = self.topics.wrapping_add(list(&[view.topic], view.place.sequence));
        if let (Some(stream), Some(version)) = (view.stream, view.place.version) {
            self.streams = self.streams.wrapping_add(list(&[view.topic, stream], version));
        }
        self.types = self.types.wrapping_add(list(&[view.event_type], position));
        let mut tags: Vec<&str> = view.tags().collect();
        tags.sort_unstable();
        tags.dedup();
        self.tags = tags.into_iter().fold(self.tags, |sum, tag| sum.wrapping_add(list(&[tag], position)));
    }
}

/// Damage in a segment.
struct Found {
    position: Position,
    offset: u64,
    detail: &'static str,
}

impl Found {
    fn named(self, path: &Path) -> Damaged {
        let place = format!("{} at offset {}", path.display(), self.offset);
        Damaged { position: Some(self.position), place, detail: self.detail.to_owned() }
    }
}
