//! Which generation of which plugin may answer when; and whether what was answered fits that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};

use super::load::Publish;

/// What may stand under a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Serves {
    Nobody,
    Version(String),
}

/// What a generation of a validator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Accept,
    Stamp,
    Reject,
    /// Traps on events of type `odd.trap`, and accepts others.
    TrapByType,
}

/// A stretch of time begins, in which these may answer; it ends where the next begins.
#[derive(Debug)]
struct Stretch {
    from: Instant,
    may: BTreeSet<Serves>,
}

#[derive(Debug, Default)]
pub struct Book {
    stretches: BTreeMap<String, Vec<Stretch>>,
    /// By version: every version is one file.
    does: BTreeMap<String, Does>,
}

/// What all answers came to.
#[derive(Debug, Default)]
pub struct Judged {
    pub answers: BTreeMap<&'static str, usize>,
    pub signatures: usize,
    pub signers: BTreeSet<String>,
}

impl Book {
    pub fn note(&mut self, plugin: &str, from: Instant, may: impl IntoIterator<Item = Serves>) {
        let stretch = Stretch { from, may: may.into_iter().collect() };
        self.stretches.entry(plugin.to_owned()).or_default().push(stretch);
    }

    pub fn know(&mut self, version: &str, does: Does) {
        self.does.insert(version.to_owned(), does);
    }

    /// What may have answered a request that was on its way between these moments.
    fn may(&self, plugin: &str, sent: Instant, answered: Instant) -> BTreeSet<&Serves> {
        let Some(stretches) = self.stretches.get(plugin) else { return BTreeSet::new() };
        let ended = |index: usize| stretches.get(index + 1).is_some_and(|next| next.from < sent);
        let live = stretches.iter().enumerate().filter(|(index, it)| it.from <= answered && !ended(*index));
        live.flat_map(|(_, stretch)| &stretch.may).collect()
    }

    fn may_do(&self, plugin: &str, publish: &Publish, version: &str, does: Does) -> bool {
        let there = self.may(plugin, publish.sent, publish.answered).contains(&Serves::Version(version.to_owned()));
        there && self.does.get(version) == Some(&does)
    }

    /// Whether this rule may have let an event through without a signature.
    fn may_be_silent(&self, plugin: &str, publish: &Publish) -> bool {
        self.may(plugin, publish.sent, publish.answered).into_iter().any(|serves| match serves {
            Serves::Nobody => true,
            Serves::Version(version) => matches!(self.does.get(version), Some(Does::Accept | Does::TrapByType)),
        })
    }

    fn rules(&self) -> impl Iterator<Item = &String> {
        self.stretches.keys().filter(|name| name.starts_with("rule-"))
    }

    /// Accounts for every answer, and for every event that is there.
    ///
    /// # Panics
    /// When one cannot be accounted for.
    pub fn judge(&self, publishes: &[Publish], events: &[Value]) -> Judged {
        let mut judged = Judged::default();
        let mut acknowledged = BTreeMap::new();
        for publish in publishes {
            let what = self.account_for(publish);
            let what =
                what.unwrap_or_else(|| panic!("nobody may have answered this: {publish:?} {:?}", self.all(publish)));
            *judged.answers.entry(what).or_default() += 1;
            if publish.status == 201 {
                let id = publish.body["eventIds"][0].as_str().expect("an id").to_owned();
                assert!(acknowledged.insert(id, publish).is_none(), "acknowledged twice: {publish:?}");
            }
        }
        assert_eq!(events.len(), acknowledged.len(), "every recorded event was acknowledged, and the other way round");
        for (event, number) in events.iter().zip(1..) {
            assert_eq!(event["sequence"], json!(number), "gapless, in order: {event}");
            let publish = acknowledged.remove(event["id"].as_str().expect("an id"));
            let publish = publish.unwrap_or_else(|| panic!("it was not acknowledged, or is there twice: {event}"));
            self.read_back(event, publish, &mut judged);
        }
        assert!(acknowledged.is_empty(), "acknowledged and lost: {acknowledged:?}");
        judged
    }

    fn all(&self, publish: &Publish) -> BTreeMap<&String, BTreeSet<&Serves>> {
        self.stretches.keys().map(|name| (name, self.may(name, publish.sent, publish.answered))).collect()
    }

    /// What an answer was, if it may have been.
    fn account_for(&self, publish: &Publish) -> Option<&'static str> {
        let body = &publish.body;
        match (publish.status, body["code"].as_str().unwrap_or_default()) {
            (201, _) => (!publish.trap).then_some("recorded"),
            (409, "CONFLICT") => publish.trap.then_some("conflict, as asked for"),
            (400, "EVENT_PUBLISH_FAILED") if body["plugin"] == "schema" => {
                let unchanged = self.rules().all(|rule| self.may_be_silent(rule, publish));
                (!publish.valid && unchanged).then_some("refused by the schema, as it is wrong")
            }
            (400, "EVENT_PUBLISH_FAILED") => {
                let message = body["errors"][0]["message"].as_str()?;
                let version = message.strip_prefix("version ")?.strip_suffix(" says no")?;
                let justified = self.may_do(body["plugin"].as_str()?, publish, version, Does::Reject);
                justified.then_some("refused by a generation that refuses all")
            }
            (503, "PLUGIN_FAILED") => {
                let (plugin, version) = (body["plugin"]["name"].as_str()?, body["plugin"]["version"].as_str()?);
                let justified = publish.trap && self.may_do(plugin, publish, version, Does::TrapByType);
                justified.then_some("trapped, as its type asks for")
            }
            (503, "VALIDATOR_UNAVAILABLE") => {
                let paused = self.may("schema", publish.sent, publish.answered).contains(&Serves::Nobody);
                (paused && body["plugin"] == "schema").then_some("the schema plugin is paused")
            }
            _ => None,
        }
    }

    /// Every rule either signed as a generation that may have served, or may have been silent.
    fn read_back(&self, event: &Value, publish: &Publish, judged: &mut Judged) {
        let signatures = event["metadata"]["weir.plugin"].as_str().unwrap_or_default();
        let signed: Vec<(&str, &str)> = signatures.split(", ").filter_map(signature).collect();
        let place = || format!("{event}\n{publish:?}\n{:?}", self.all(publish));
        for (plugin, version) in &signed {
            assert!(self.may_do(plugin, publish, version, Does::Stamp), "{plugin} {version} signed: {}", place());
            judged.signers.insert((*version).to_owned());
        }
        judged.signatures += signed.len();
        assert!(signed.is_sorted_by(|a, b| a.0 < b.0), "each once, in order: {}", place());
        for rule in self.rules().filter(|rule| !signed.iter().any(|(plugin, _)| plugin == rule)) {
            assert!(self.may_be_silent(rule, publish), "{rule} was left out: {}", place());
        }
        assert_eq!(event["metadata"]["n"], publish.number.to_string(), "{}", place());
        match signed.last() {
            Some((_, version)) => assert_eq!(event["payload"], json!({"version": version}), "{}", place()),
            None => assert!(publish.valid && event["payload"] == json!({"n": publish.number}), "{}", place()),
        }
    }
}

/// `<plugin> <version> sha256:<digest>`
fn signature(text: &str) -> Option<(&str, &str)> {
    let mut words = text.split(' ');
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn version(text: &str) -> Serves {
        Serves::Version(text.to_owned())
    }

    /// Version 1 refuses everything for a second, then version 2 stamps.
    fn book() -> (Book, Instant) {
        let (mut book, start) = (Book::default(), Instant::now());
        let second = Duration::from_secs(1);
        book.know("1", Does::Reject);
        book.know("2", Does::Stamp);
        book.note("rule-1", start, [version("1")]);
        book.note("rule-1", start + second, [version("1"), version("2")]);
        book.note("rule-1", start + 2 * second, [version("2")]);
        (book, start)
    }

    fn publish(sent: Instant, status: u16, body: Value) -> Publish {
        Publish { number: 7, valid: true, trap: false, sent, answered: sent, status, body }
    }

    fn recorded(sent: Instant) -> Publish {
        publish(sent, 201, json!({"eventIds": ["t1-1"]}))
    }

    fn event(signature: &str) -> Value {
        let metadata = json!({"n": "7", "weir.plugin": signature});
        json!({"id": "t1-1", "sequence": 1, "payload": {"version": "2"}, "metadata": metadata})
    }

    #[test]
    fn a_refusal_is_justified_only_while_its_generation_may_serve() {
        let (book, start) = book();
        let refusal = json!({"code": "EVENT_PUBLISH_FAILED", "plugin": "rule-1",
            "errors": [{"message": "version 1 says no"}]});
        let account = |ms| book.account_for(&publish(start + Duration::from_millis(ms), 400, refusal.clone()));
        assert!(account(500).is_some() && account(1_500).is_some());
        assert_eq!(account(2_500), None);
    }

    #[test]
    fn a_stamped_event_is_accounted_for() {
        let (book, start) = book();
        let judged = book.judge(&[recorded(start + Duration::from_secs(3))], &[event("rule-1 2 sha256:0")]);
        assert_eq!((judged.signatures, judged.answers["recorded"]), (1, 1));
    }

    #[test]
    #[should_panic(expected = "rule-1 was left out")]
    fn an_event_that_passed_a_validator_by_is_seen() {
        let (book, start) = book();
        book.judge(&[recorded(start + Duration::from_secs(3))], &[event("")]);
    }

    #[test]
    #[should_panic(expected = "rule-1 2 signed")]
    fn a_generation_that_answers_before_its_time_is_seen() {
        let (book, start) = book();
        book.judge(&[recorded(start)], &[event("rule-1 2 sha256:0")]);
    }

    #[test]
    #[should_panic(expected = "every recorded event was acknowledged")]
    fn a_lost_event_is_seen() {
        let (book, start) = book();
        book.judge(&[recorded(start + Duration::from_secs(3))], &[]);
    }
}
