//! What a process manager asked for and has not got yet: actions on their way out, and timers. They are notes beside its view,
//! so that they change together with it, and with how far it has read.
//!
//! ```text
//! number → the last errand's number     out/<number> → an errand
//! timer/<key> → when, and its payload   due/<when><key> → empty, or `q` for a timer that fires without actions
//! quiet → up to this position nothing is asked for: it was done by a generation before
//! heard/<number> → what it was told besides events, and behind which position
//! ```
//!
//! Timers that fired and commands that were refused are no events, and yet the view follows from them: they are kept in their
//! order, so that a view that is built anew is told of them where the one before was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::model::{EventType, IdempotencyKey, NewEvent, Payload, Position, StreamName, Tag, TopicName, hex};
use crate::plugin::{Action, Command, Refusal, Timer};
use crate::storage::StorageError;
use crate::storage::views::Shown;

const LAST_HEARD: &[u8] = b"last-heard";
const NUMBER: &[u8] = b"number";
const QUIET: &[u8] = b"quiet";
const OUT: &[u8] = b"out/";
const TIMER: &[u8] = b"timer/";
const DUE: &[u8] = b"due/";
/// A timer that was fired by a generation before: the plugin hears of it, and what it asks for then is not done.
const HEARD: &[u8] = b"heard/";
const FIRED_BEFORE: &[u8] = b"q";

pub type Note = (Vec<u8>, Option<Vec<u8>>);

/// Something to be done outside of the view, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub number: u64,
    pub key: IdempotencyKey,
    pub deed: Deed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    Append(NewEvent),
    Execute(Command),
}

impl Errand {
    /// Names what comes of its refusal.
    pub fn origin(&self) -> String {
        format!("refused {}", hex(&self.key.key))
    }
}

/// A timer that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub timer: Timer,
    pub fired_before: bool,
}

/// Something that a process manager was told besides events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub number: u64,
    /// Behind this position, and before the next.
    pub position: Position,
    pub news: News,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Fired(Vec<Timer>),
    Refused { command: Box<Command>, reasons: Vec<Refusal> },
}

/// Changes of an agenda that are not committed yet: the next one sees those before it.
pub struct Draft<'a> {
    shown: &'a Shown,
    below: Option<&'a Draft<'a>>,
    notes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl<'a> Draft<'a> {
    pub fn new(shown: &'a Shown) -> Self {
        Self { shown, below: None, notes: BTreeMap::new() }
    }

    /// Changes after those of this draft, which may be left out of it still.
    pub fn over(&self) -> Draft<'_> {
        Draft { shown: self.shown, below: Some(self), notes: BTreeMap::new() }
    }

    /// Takes in the changes of one that was over this.
    pub fn add(&mut self, notes: Vec<Note>) {
        self.notes.extend(notes);
    }

    pub fn notes(self) -> impl Iterator<Item = Note> {
        self.notes.into_iter()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.notes.get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.below.map_or_else(|| self.shown.note(key), |below| below.get(key)),
        }
    }

    /// The number of the last thing that it was told.
    pub fn last_heard(&self) -> Result<u64, StorageError> {
        Ok(self.get(LAST_HEARD)?.map_or(0, |number| read_number(&number)))
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.notes.insert(key, Some(value));
    }

    fn remove(&mut self, key: Vec<u8>) {
        self.notes.insert(key, None);
    }

    /// Notes what was asked for. `origin` names the call that asked, the same whenever the call is made again; when it is
    /// `quiet`, only timers are taken.
    pub fn take(&mut self, plugin: &str, origin: &str, actions: Vec<Action>, quiet: bool) -> Result<(), StorageError> {
        for (index, action) in actions.into_iter().enumerate() {
            let deed = match action {
                Action::SetTimer(timer) => {
                    self.set(&timer, b"")?;
                    continue;
                }
                Action::CancelTimer(key) => {
                    self.cancel(&key)?;
                    continue;
                }
                Action::Append(event) => Deed::Append(event),
                Action::Execute(command) => Deed::Execute(command),
            };
            if !quiet {
                self.send(key_of(plugin, origin, index), &deed)?;
            }
        }
        Ok(())
    }

    /// Names the firing of timers: a timer of the same key and time may be set again, and fire again.
    pub fn origin_of_timers(&self, first: &Timer, position: Position) -> Result<String, StorageError> {
        let number = self.get(NUMBER)?.map_or(0, |number| read_number(&number));
        Ok(format!("timer {} {} {position} {number}", first.key, first.at_ms))
    }

    fn send(&mut self, key: IdempotencyKey, deed: &Deed) -> Result<(), StorageError> {
        let number = self.get(NUMBER)?.map_or(0, |number| read_number(&number)) + 1;
        let value = serde_json::to_vec(&Stored::of(key, deed)).map_err(|error| corrupt(&error.to_string()))?;
        self.put(NUMBER.to_vec(), number.to_be_bytes().to_vec());
        self.put(numbered(OUT, number), value);
        Ok(())
    }

    /// The errand is done, or will never be.
    pub fn done(&mut self, errand: &Errand) {
        self.remove(numbered(OUT, errand.number));
    }

    /// The timer has fired.
    pub fn fired(&mut self, timer: &Timer) -> Result<(), StorageError> {
        self.cancel(&timer.key)
    }

    fn set(&mut self, timer: &Timer, flag: &[u8]) -> Result<(), StorageError> {
        self.cancel(&timer.key)?;
        let value = serde_json::to_vec(&StoredTimer::of(timer)).map_err(|error| corrupt(&error.to_string()))?;
        self.put([TIMER, timer.key.as_bytes()].concat(), value);
        self.put([&numbered(DUE, timer.at_ms), timer.key.as_bytes()].concat(), flag.to_vec());
        Ok(())
    }

    fn cancel(&mut self, key: &str) -> Result<(), StorageError> {
        let name = [TIMER, key.as_bytes()].concat();
        let Some(value) = self.get(&name)? else { return Ok(()) };
        let StoredTimer { at_ms, .. } = read(&value)?;
        self.remove([&numbered(DUE, at_ms), key.as_bytes()].concat());
        self.remove(name);
        Ok(())
    }

    /// Keeps what it was told, for a view that is built anew.
    pub fn heard(&mut self, heard: &Heard) -> Result<(), StorageError> {
        let value = serde_json::to_vec(&StoredHeard::of(heard)).map_err(|error| corrupt(&error.to_string()))?;
        self.put(LAST_HEARD.to_vec(), heard.number.to_be_bytes().to_vec());
        self.put(numbered(HEARD, heard.number), value);
        Ok(())
    }

    /// Takes over from the generation that was live: what it has not done yet, and how far everything was done. A timer that is
    /// past and not set any more there has fired.
    pub fn adopt(&mut self, before: &Shown, reached: Position, now_ms: u64) -> Result<(), StorageError> {
        self.put(QUIET.to_vec(), reached.max(self.quiet_until()?).to_be_bytes().to_vec());
        // What it had itself was taken over by the one after it, long ago.
        errands(self.shown, usize::MAX)?.iter().for_each(|errand| self.done(errand));
        for errand in errands(before, usize::MAX)? {
            self.send(errand.key, &errand.deed)?;
        }
        for due in due(self.shown, now_ms, usize::MAX)? {
            if before.note(&[TIMER, due.timer.key.as_bytes()].concat())?.is_none() {
                self.set(&due.timer, FIRED_BEFORE)?;
            }
        }
        Ok(())
    }

    fn quiet_until(&self) -> Result<Position, StorageError> {
        Ok(self.get(QUIET)?.map_or(0, |position| read_number(&position)))
    }
}

/// Nothing up to here is asked for again.
pub fn quiet_up_to(position: Position) -> Vec<Note> {
    vec![(QUIET.to_vec(), Some(position.to_be_bytes().to_vec()))]
}

/// Up to which position nothing is asked for.
pub fn quiet_until(shown: &Shown) -> Result<Position, StorageError> {
    Draft::new(shown).quiet_until()
}

/// The number of the last thing that it was told.
pub fn last_heard(shown: &Shown) -> Result<u64, StorageError> {
    Draft::new(shown).last_heard()
}

/// What it was told with this number.
pub fn heard(shown: &Shown, number: u64) -> Result<Option<Heard>, StorageError> {
    let Some(value) = shown.note(&numbered(HEARD, number))? else { return Ok(None) };
    Ok(Some(read::<StoredHeard>(&value)?.heard(number)?))
}

/// The first errands, in order.
pub fn errands(shown: &Shown, limit: usize) -> Result<Vec<Errand>, StorageError> {
    let notes = shown.notes(OUT, None, limit)?;
    notes.iter().map(|(key, value)| read::<Stored>(value)?.errand(read_number(&key[OUT.len()..]))).collect()
}

/// The first timers that are due, in the order of their times.
pub fn due(shown: &Shown, now_ms: u64, limit: usize) -> Result<Vec<Due>, StorageError> {
    let mut found = Vec::new();
    for (key, flag) in shown.notes(DUE, None, limit)? {
        let Some((at_ms, name)) = split_due(&key) else { return Err(corrupt("a timer's key")) };
        if at_ms > now_ms {
            break;
        }
        let value =
            shown.note(&[TIMER, name.as_bytes()].concat())?.ok_or_else(|| corrupt("a timer without a payload"))?;
        let StoredTimer { payload, .. } = read(&value)?;
        let timer = Timer { key: name, at_ms, payload: payload.payload() };
        found.push(Due { timer, fired_before: flag == FIRED_BEFORE });
    }
    Ok(found)
}

/// When the first timer is due.
pub fn next_due(shown: &Shown) -> Result<Option<u64>, StorageError> {
    Ok(shown.notes(DUE, None, 1)?.first().and_then(|(key, _)| Some(split_due(key)?.0)))
}

fn split_due(key: &[u8]) -> Option<(u64, String)> {
    let (at_ms, name) = key.get(DUE.len()..)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*at_ms), String::from_utf8(name.to_vec()).ok()?))
}

/// The same for the same call of the same plugin, whenever it is made.
fn key_of(plugin: &str, origin: &str, index: usize) -> IdempotencyKey {
    let digest = Sha256::digest(format!("process {plugin} {origin} {index}"));
    let (mut key, mut request) = ([0; 16], [0; 16]);
    key.copy_from_slice(&digest[..16]);
    request.copy_from_slice(&digest[16..]);
    IdempotencyKey { key, request }
}

fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, number.to_be_bytes().as_slice()].concat()
}

fn read_number(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn corrupt(detail: &str) -> StorageError {
    StorageError::Corrupt { place: "a process manager's agenda".into(), detail: detail.to_owned() }
}

fn read<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, StorageError> {
    serde_json::from_slice(value).map_err(|error| corrupt(&error.to_string()))
}

#[derive(Serialize, Deserialize)]
struct StoredTimer {
    at_ms: u64,
    payload: StoredPayload,
}

#[derive(Serialize, Deserialize)]
struct StoredHeard {
    position: Position,
    news: StoredNews,
}

#[derive(Serialize, Deserialize)]
enum StoredNews {
    Fired(Vec<(String, StoredTimer)>),
    Refused { command: StoredDeed, reasons: Vec<Refusal> },
}

impl StoredHeard {
    fn of(heard: &Heard) -> Self {
        let news = match &heard.news {
            News::Fired(timers) => {
                StoredNews::Fired(timers.iter().map(|timer| (timer.key.clone(), StoredTimer::of(timer))).collect())
            }
            News::Refused { command, reasons } => {
                let command = StoredDeed::of(&Deed::Execute((**command).clone()));
                StoredNews::Refused { command, reasons: reasons.clone() }
            }
        };
        Self { position: heard.position, news }
    }

    fn heard(self, number: u64) -> Result<Heard, StorageError> {
        let timer =
            |(key, timer): (String, StoredTimer)| Timer { key, at_ms: timer.at_ms, payload: timer.payload.payload() };
        let news = match self.news {
            StoredNews::Fired(timers) => News::Fired(timers.into_iter().map(timer).collect()),
            StoredNews::Refused { command, reasons } => match command.deed()? {
                Deed::Execute(command) => News::Refused { command: Box::new(command), reasons },
                Deed::Append(_) => return Err(corrupt("an event was refused instead of a command")),
            },
        };
        Ok(Heard { number, position: self.position, news })
    }
}

impl StoredTimer {
    fn of(timer: &Timer) -> Self {
        Self { at_ms: timer.at_ms, payload: StoredPayload::of(&timer.payload) }
    }
}

#[derive(Serialize, Deserialize)]
enum StoredPayload {
    Json(Box<RawValue>),
    Bytes(Vec<u8>),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    key: [u8; 16],
    request: [u8; 16],
    deed: StoredDeed,
}

#[derive(Serialize, Deserialize)]
enum StoredDeed {
    Append {
        topic: String,
        stream: Option<String>,
        event_type: String,
        payload: StoredPayload,
        tags: Vec<String>,
        metadata: Vec<(String, String)>,
    },
    Execute {
        id: String,
        name: String,
        topic: String,
        stream: String,
        payload: StoredPayload,
        actor: Option<String>,
        tags: Vec<String>,
        metadata: Vec<(String, String)>,
        time_ms: u64,
    },
}

impl StoredPayload {
    fn of(payload: &Payload) -> Self {
        let json = match payload {
            Payload::Json(text) => serde_json::from_slice(text).ok(),
            Payload::Bytes(_) => None,
        };
        json.map_or_else(|| Self::Bytes(payload.as_bytes().to_vec()), Self::Json)
    }

    fn payload(self) -> Payload {
        match self {
            Self::Json(text) => Payload::Json(String::from(Box::<str>::from(text)).into()),
            Self::Bytes(bytes) => Payload::Bytes(bytes.into()),
        }
    }
}

impl Stored {
    fn of(IdempotencyKey { key, request }: IdempotencyKey, deed: &Deed) -> Self {
        Self { key, request, deed: StoredDeed::of(deed) }
    }

    fn errand(self, number: u64) -> Result<Errand, StorageError> {
        let key = IdempotencyKey { key: self.key, request: self.request };
        Ok(Errand { number, key, deed: self.deed.deed()? })
    }
}

impl StoredDeed {
    fn of(deed: &Deed) -> Self {
        match deed {
            Deed::Append(event) => StoredDeed::Append {
                topic: event.topic.to_string(),
                stream: event.stream.as_ref().map(ToString::to_string),
                event_type: event.event_type.to_string(),
                payload: StoredPayload::of(&event.payload),
                tags: event.tags.iter().map(ToString::to_string).collect(),
                metadata: event.metadata.to_vec(),
            },
            Deed::Execute(command) => StoredDeed::Execute {
                id: command.id.clone(),
                name: command.name.clone(),
                topic: command.topic.to_string(),
                stream: command.stream.to_string(),
                payload: StoredPayload::of(&command.payload),
                actor: command.actor.clone(),
                tags: command.tags.iter().map(ToString::to_string).collect(),
                metadata: command.metadata.to_vec(),
                time_ms: command.time_ms,
            },
        }
    }

    fn deed(self) -> Result<Deed, StorageError> {
        let odd = |error: crate::model::NameError| corrupt(&error.to_string());
        let stream_name = |stream: String| StreamName::parse(&stream).map_err(odd);
        let labels = |tags: Vec<String>| tags.iter().map(|tag| Tag::parse(tag).map_err(odd)).collect::<Result<_, _>>();
        Ok(match self {
            StoredDeed::Append { topic, stream, event_type, payload, tags, metadata } => Deed::Append(NewEvent {
                topic: TopicName::parse(&topic).map_err(odd)?,
                stream: stream.map(stream_name).transpose()?,
                event_type: EventType::parse(&event_type).map_err(odd)?,
                payload: payload.payload(),
                tags: labels(tags)?,
                metadata,
            }),
            StoredDeed::Execute { id, name, topic, stream, payload, actor, tags, metadata, time_ms } => {
                let topic = TopicName::parse(&topic).map_err(odd)?;
                let (stream, payload, tags) = (stream_name(stream)?, payload.payload(), labels(tags)?);
                Deed::Execute(Command { id, name, topic, stream, payload, actor, tags, metadata, time_ms })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::views::{View, ViewCommit};

    fn timer(key: &str, at_ms: u64) -> Timer {
        Timer { key: key.into(), at_ms, payload: Payload::Json("[1]".into()) }
    }

    fn append(topic: &str) -> Action {
        Action::Append(NewEvent {
            topic: TopicName::parse(topic).expect("a name"),
            stream: None,
            event_type: EventType::parse("t").expect("a name"),
            payload: Payload::Bytes(vec![0, 255].into()),
            tags: vec![],
            metadata: vec![("a".into(), "b".into())],
        })
    }

    fn command() -> Action {
        Action::Execute(Command {
            id: "1".into(),
            name: "pay".into(),
            topic: TopicName::parse("t").expect("a name"),
            stream: StreamName::parse("s/1").expect("a name"),
            payload: Payload::Json(r#"{"by":1}"#.into()),
            actor: Some("ann".into()),
            tags: vec![Tag::parse("tenant:a").expect("a tag")],
            metadata: vec![],
            time_ms: 7,
        })
    }

    fn commit(view: &View, change: impl FnOnce(&mut Draft<'_>)) {
        let shown = view.shown();
        let mut draft = Draft::new(&shown);
        change(&mut draft);
        let notes = draft.notes().collect();
        view.commit(&ViewCommit { notes, checkpoint: 1, ..ViewCommit::default() }).expect("a commit");
    }

    fn view(dir: &tempfile::TempDir, name: &str) -> View {
        View::open(&dir.path().join(name)).expect("a view")
    }

    #[test]
    fn errands_come_back_as_they_were_in_their_order_under_the_same_keys() {
        let dir = tempfile::tempdir().expect("a directory");
        let (one, other) = (view(&dir, "one"), view(&dir, "other"));
        for view in [&one, &other] {
            commit(view, |draft| draft.take("p", "7", vec![append("a"), command()], false).expect("noted"));
            commit(view, |draft| draft.take("p", "8", vec![append("b")], false).expect("noted"));
            commit(view, |draft| draft.take("p", "9", vec![append("c")], true).expect("noted"));
        }
        let found = errands(&one.shown(), 9).expect("errands");
        assert_eq!(found, errands(&other.shown(), 9).expect("errands"), "keys follow from who asked and when");
        let deeds: Vec<Action> = found
            .iter()
            .map(|errand| match errand.deed.clone() {
                Deed::Append(event) => Action::Append(event),
                Deed::Execute(command) => Action::Execute(command),
            })
            .collect();
        assert_eq!(deeds, [append("a"), command(), append("b")]);
        assert!(found[0].key != found[1].key && found[0].key != found[2].key);
        commit(&one, |draft| draft.done(&found[0]));
        commit(&one, |draft| draft.take("p", "10", vec![append("d")], false).expect("noted"));
        let numbers: Vec<u64> = errands(&one.shown(), 9).expect("errands").iter().map(|errand| errand.number).collect();
        assert_eq!(numbers, [2, 3, 4], "a number is given once");
    }

    #[test]
    fn a_timer_is_due_in_its_time_and_the_last_one_of_its_key_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let view = view(&dir, "one");
        let set = |key: &str, at| Action::SetTimer(timer(key, at));
        commit(&view, |draft| {
            draft.take("p", "1", vec![set("a", 50), set("b", 20), set("a", 30)], true).expect("noted")
        });
        assert_eq!(next_due(&view.shown()).expect("a look"), Some(20));
        let keys = |now| {
            let due = due(&view.shown(), now, 9).expect("timers");
            due.into_iter().map(|due| (due.timer.key, due.timer.at_ms)).collect::<Vec<_>>()
        };
        assert_eq!((keys(19), keys(25)), (vec![], vec![("b".into(), 20)]));
        assert_eq!(keys(99), [("b".into(), 20), ("a".into(), 30)]);
        commit(&view, |draft| draft.take("p", "2", vec![Action::CancelTimer("b".into())], false).expect("noted"));
        assert_eq!(keys(99), [("a".into(), 30)]);
        let first = due(&view.shown(), 99, 1).expect("timers");
        commit(&view, |draft| draft.fired(&first[0].timer).expect("noted"));
        assert_eq!((keys(99), next_due(&view.shown()).expect("a look")), (vec![], None));
    }

    #[test]
    fn a_generation_takes_over_what_is_not_done_and_what_was_done_is_not_done_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let (before, next) = (view(&dir, "before"), view(&dir, "next"));
        let set = |key: &str, at| Action::SetTimer(timer(key, at));
        commit(&before, |draft| draft.take("p", "1", vec![append("a"), set("kept", 10)], false).expect("noted"));
        commit(&next, |draft| {
            draft
                .take("p", "1", vec![append("a"), set("kept", 10), set("fired", 10), set("later", 90)], true)
                .expect("noted");
        });
        commit(&next, |draft| draft.adopt(&before.shown(), 5, 50).expect("adopted"));
        let shown = next.shown();
        assert_eq!(errands(&shown, 9).expect("errands")[0].key, errands(&before.shown(), 9).expect("errands")[0].key);
        assert_eq!(quiet_until(&shown).expect("a look"), 5);
        let due = due(&shown, 99, 9).expect("timers");
        let due: Vec<_> = due.iter().map(|due| (due.timer.key.as_str(), due.fired_before)).collect();
        assert_eq!(due, [("fired", true), ("kept", false), ("later", false)]);
    }
}
