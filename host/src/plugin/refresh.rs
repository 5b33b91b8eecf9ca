//! Brings one name up to date with its files: loads, replaces, holds, switches off or removes it, and says what became of
//! it. **Invariant:** whatever is wrong with a new file, what served before it serves on, over a restart too.

use std::borrow::Cow;
use std::sync::Arc;

use super::directory::{self, Files};
use super::generation::Generation;
use super::load::{Candidate, Loaded, digest};
use super::plugins::Room;
use super::slot::{Content, Retry, Role, Slot};
use super::{Embedded, LoadError, ReloadMode, Sidecar, State, TrustedKeys};
use crate::model::PluginName;
use crate::model::limits::{PLUGIN_FILE_BYTES_MAX, SIDECAR_BYTES_MAX};

const EMBEDDED: &str = "embedded";
const DIRECTORY: &str = "directory";
const KEPT: &str = "kept";

/// Who wants a file to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    ByTheDirectory,
    /// Somebody who knows what is there: a file that was rolled back or held is taken all the same.
    BySomebody,
}

/// The caller holds the plugin's turn.
pub(super) async fn refresh(room: &Arc<Room>, name: String, files: Files, asked: Asked) {
    let embedded = room.config.embedded.iter().find(|embedded| embedded.name == name);
    if files == Files::default() && embedded.is_none() {
        tracing::info!(plugin = name, "plugin removed");
        room.change(|slots| drop(slots.remove(&name)));
        return;
    }
    let source = if files.component.is_some() { DIRECTORY } else { EMBEDDED };
    let read = read(room, &name, files, embedded).await;
    let (mut candidate, content) = match read {
        Ok(Read::Candidate(candidate, content)) => (*candidate, content),
        Ok(Read::Disabled(file, digest)) => {
            tracing::info!(plugin = name, file, "plugin switched off");
            room.change_one(&name, source, |slot| {
                let reason = Some(format!("switched off by enabled = false in {file}"));
                *slot = Slot { files: Some(files), ..Slot::new(source, slot.memory.clone()) };
                (slot.state, slot.reason, slot.digest) = (State::Disabled, reason, Some(digest));
            });
            return;
        }
        Err((error, digest)) => {
            let file = File { name: &name, files, source, digest, content: None };
            let instead = fall_back(room, &name, embedded, &Sidecar::default()).await;
            return fail(room, file, error, instead);
        }
    };
    // The same again, as after `touch`, is no reason to load; a failure whose time has come is.
    let same = room.look(|slots| {
        let slot = slots.get(&name);
        slot.is_some_and(|slot| slot.content.as_ref() == Some(&content) && slot.retry.is_none())
    });
    if same && asked == Asked::ByTheDirectory {
        room.seen(&name, files);
        return;
    }
    let digest = candidate.digest.clone();
    let file = File { name: &name, files, source, digest: Some(digest.clone()), content: Some(content) };
    let sidecar = candidate.sidecar.clone();
    let known = room.change_one(&name, source, |slot| {
        if asked == Asked::BySomebody {
            slot.memory.allow(&digest);
        }
        (slot.state, slot.digest, slot.source) = (State::Loading, Some(digest.clone()), source);
        Known {
            refused: slot.memory.refused.contains(&digest),
            last_good: slot.memory.last_good().map(|kept| kept.digest.clone()),
            before: slot.serving.as_ref().map(|active| active.role.clone()),
        }
    });
    if known.refused {
        let instead = fall_back(room, &name, embedded, &sidecar).await;
        return room.change_one(&name, source, |slot| {
            let reason = format!("plugin '{name}' was rolled back from this file; put in another, or reload this one");
            file.settle(slot, State::RolledBack, Some(reason), instead);
        });
    }
    let bytes = (source == DIRECTORY).then(|| candidate.bytes.clone());
    candidate.served = known.before.is_none() && known.last_good.as_ref() == Some(&digest);
    match room.loader.load(candidate, room.stage(), known.before.as_ref()).await {
        Ok(Loaded { generation, replay, .. }) => {
            // What was approved once may come back by itself, as after a restart; anything else waits to be approved.
            let waits = sidecar.reload.mode == ReloadMode::Manual
                && asked == Asked::ByTheDirectory
                && known.last_good.is_some_and(|last_good| last_good != digest);
            let instead = if waits { fall_back(room, &name, embedded, &sidecar).await } else { None };
            let _keeping = bytes.filter(|_| !waits).map(|bytes| room.archive.keep(&digest, &bytes));
            room.change_one(&name, source, |slot| {
                slot.replay = Some(replay.clone());
                if waits {
                    slot.held = Some(generation);
                    let (changed, compared) = (replay.changed, replay.compared);
                    let reason = format!(
                        "plugin '{name}' has a new file that waits: it answers {changed} of {compared} recent events \
                         differently; reload it to let it serve"
                    );
                    file.settle(slot, State::Held, Some(reason), instead);
                } else {
                    file.settle(slot, State::Active, None, Some(generation));
                }
            });
        }
        Err(error) => {
            let instead = fall_back(room, &name, embedded, &sidecar).await;
            fail(room, file, error, instead);
        }
    }
}

/// What a slot knew before its file was tried.
struct Known {
    refused: bool,
    last_good: Option<String>,
    before: Option<Role>,
}

/// A file that was handled.
struct File<'n> {
    name: &'n str,
    files: Files,
    source: &'static str,
    digest: Option<String>,
    content: Option<Content>,
}

impl File<'_> {
    /// Notes what became of it, and what serves from now on if that changes.
    fn settle(self, slot: &mut Slot, state: State, reason: Option<String>, serves: Option<Arc<Generation>>) {
        (slot.state, slot.reason, slot.retry) = (state, reason, None);
        (slot.digest, slot.source) = (self.digest, self.source);
        (slot.files, slot.content) = (Some(self.files), self.content);
        if state != State::Held {
            slot.held = None;
        }
        if let Some(generation) = serves {
            slot.activate(generation);
        }
    }
}

enum Read {
    Candidate(Box<Candidate>, Content),
    /// Which file says so, and the digest of the component.
    Disabled(String, String),
}

/// Reads component and side-car, each once. An error comes with the digest of the component, if it was read.
async fn read(
    room: &Arc<Room>,
    name: &str,
    files: Files,
    embedded: Option<&Embedded>,
) -> Result<Read, (LoadError, Option<String>)> {
    let early = |error| (error, None);
    PluginName::parse(name).map_err(|error| early(LoadError::Name(error.to_string())))?;
    let sidecar_path = directory::sidecar_path(&room.config.dir, name);
    let sidecar_file = sidecar_path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let (bytes, source): (Cow<'static, [u8]>, _) = match (files.component, embedded) {
        (Some(stamp), _) if stamp.bytes > PLUGIN_FILE_BYTES_MAX => {
            return Err(early(LoadError::TooLarge { bytes: stamp.bytes, max: PLUGIN_FILE_BYTES_MAX }));
        }
        (Some(_), _) => {
            let path = directory::component_path(&room.config.dir, name);
            let bytes = on_a_blocking_thread(move || directory::read(&path, PLUGIN_FILE_BYTES_MAX)).await;
            (bytes.map_err(early)?.into(), DIRECTORY)
        }
        (None, Some(embedded)) => (embedded.bytes.into(), EMBEDDED),
        (None, None) => return Err(early(LoadError::Orphan { file: sidecar_file, stem: name.into() })),
    };
    let digest = digest(&bytes);
    if let (Some(keys), Some(_)) = (&room.config.keys, files.component) {
        signed(room, name, files, keys, &bytes).await.map_err(|error| (error, Some(digest.clone())))?;
    }
    let late = |error| (error, Some(digest.clone()));
    let (sidecar, sidecar_digest) = match files.sidecar {
        Some(_) => {
            let text = on_a_blocking_thread(move || directory::read(&sidecar_path, SIDECAR_BYTES_MAX)).await;
            let text = text.map_err(late)?;
            let bad = |_| late(LoadError::Sidecar(format!("{sidecar_file} is not UTF-8 text")));
            let parsed = Sidecar::parse(&sidecar_file, std::str::from_utf8(&text).map_err(bad)?);
            (parsed.map_err(late)?, Some(super::load::digest(&text)))
        }
        None => (embedded.map(|embedded| embedded.sidecar.clone()).unwrap_or_default(), None),
    };
    let (sidecar, config_digest) = match files.config {
        Some(_) => with_config(room, name, sidecar).await.map_err(late)?,
        None => (sidecar, None),
    };
    if !sidecar.enabled {
        return Ok(Read::Disabled(sidecar_file, digest));
    }
    let content = Content { component: digest.clone(), sidecar: sidecar_digest, config: config_digest, source };
    let candidate = Candidate { name: name.to_owned(), bytes, digest, sidecar, source, served: false };
    Ok(Read::Candidate(Box::new(candidate), content))
}

/// The side-car with the config of the file that is for it alone, and the file's digest.
async fn with_config(room: &Arc<Room>, name: &str, sidecar: Sidecar) -> Result<(Sidecar, Option<String>), LoadError> {
    let path = directory::config_path(&room.config.dir, name);
    let file = path.file_name().map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
    let bytes = on_a_blocking_thread(move || directory::read(&path, SIDECAR_BYTES_MAX)).await?;
    Ok((sidecar.with_config(&file, &bytes)?, Some(digest(&bytes))))
}

/// Whether a component of the directory has a signature that holds.
async fn signed(room: &Arc<Room>, name: &str, files: Files, keys: &TrustedKeys, bytes: &[u8]) -> Result<(), LoadError> {
    let path = directory::signature_path(&room.config.dir, name);
    if files.signature.is_none() {
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
        return Err(LoadError::Unsigned(file.unwrap_or_default()));
    }
    let text = on_a_blocking_thread(move || directory::read(&path, SIDECAR_BYTES_MAX)).await?;
    keys.check(bytes, &String::from_utf8_lossy(&text))
}

async fn on_a_blocking_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let crashed = |error: tokio::task::JoinError| LoadError::Io { path: String::new(), error: error.to_string() };
    tokio::task::spawn_blocking(read).await.map_err(crashed)?
}

/// When nothing serves and the newest file may not: the generation that served last, else the embedded plugin of that
/// name. Better than no plugin.
async fn fall_back(room: &Room, name: &str, embedded: Option<&Embedded>, sidecar: &Sidecar) -> Option<Arc<Generation>> {
    if room.look(|slots| slots.get(name).is_some_and(|slot| slot.serving.is_some())) {
        return None;
    }
    let memory =
        room.look(|slots| slots.get(name).map(|slot| slot.memory.clone())).unwrap_or_else(|| room.archive.recall(name));
    for kept in memory.kept.iter().rev().filter(|kept| !memory.refused.contains(&kept.digest)) {
        match revive(room, name, &kept.digest, sidecar).await {
            Ok(generation) => return Some(generation),
            Err(error) => tracing::warn!(plugin = name, %error, "the generation that served last cannot come back"),
        }
    }
    let embedded = embedded?;
    let digest = digest(embedded.bytes);
    if memory.refused.contains(&digest) {
        return None;
    }
    // The pin names the operator's file; everything else that the operator says holds for this one too.
    let sidecar = Sidecar { digest: None, ..sidecar.clone() };
    let candidate =
        Candidate { name: name.into(), bytes: embedded.bytes.into(), digest, sidecar, source: EMBEDDED, served: false };
    room.loader.load(candidate, room.stage(), None).await.ok().map(|loaded| loaded.generation)
}

/// Loads a generation that served once, with the side-car of today.
pub(super) async fn revive(
    room: &Room,
    name: &str,
    wanted: &str,
    sidecar: &Sidecar,
) -> Result<Arc<Generation>, LoadError> {
    let embedded = room.config.embedded.iter().find(|embedded| embedded.name == name);
    let embedded = embedded.filter(|embedded| digest(embedded.bytes) == wanted);
    let (bytes, source): (Cow<'static, [u8]>, _) = match embedded {
        Some(embedded) => (embedded.bytes.into(), EMBEDDED),
        None => (room.archive.fetch(wanted)?.into(), KEPT),
    };
    let sidecar = Sidecar { digest: None, ..sidecar.clone() };
    let candidate =
        Candidate { name: name.to_owned(), bytes, digest: wanted.to_owned(), sidecar, source, served: true };
    Ok(room.loader.load(candidate, room.stage(), None).await?.generation)
}

/// The operator's side-car of a plugin as it is now; a broken one counts as none.
pub(super) async fn sidecar(room: &Arc<Room>, name: &str) -> Sidecar {
    let embedded = room.config.embedded.iter().find(|embedded| embedded.name == name);
    let files = directory::scan(&room.config.dir).ok().and_then(|found| found.get(name).copied()).unwrap_or_default();
    match read(room, name, files, embedded).await {
        Ok(Read::Candidate(candidate, _)) => candidate.sidecar,
        _ => embedded.map(|embedded| embedded.sidecar.clone()).unwrap_or_default(),
    }
}

/// Writes down why; what serves goes on serving.
fn fail(room: &Room, file: File<'_>, error: LoadError, instead: Option<Arc<Generation>>) {
    let name = file.name;
    let reason = format!("plugin '{name}' {error}");
    tracing::error!(plugin = name, %error, "a plugin was not taken");
    room.change_one(name, file.source, |slot| {
        let retry = error.may_pass().then(|| Retry::after(slot.retry.take()));
        file.settle(slot, State::Failed, Some(reason), instead);
        slot.retry = retry;
    });
}
