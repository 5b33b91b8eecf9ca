//! Brings one name up to date with its files: loads, replaces, switches off or removes it, and says what became of it.

use std::borrow::Cow;
use std::sync::Arc;

use super::directory::{self, Files};
use super::generation::Generation;
use super::load::{Candidate, digest};
use super::plugins::Room;
use super::slot::{Content, Retry, Slot};
use super::{Embedded, LoadError, Rehearsal, Sidecar, State};
use crate::model::PluginName;
use crate::model::limits::{PLUGIN_FILE_BYTES_MAX, SIDECAR_BYTES_MAX};

const EMBEDDED: &str = "embedded";
const DIRECTORY: &str = "directory";

pub(super) async fn refresh(room: &Arc<Room>, rehearsal: &dyn Rehearsal, name: String, files: Files) {
    let embedded = room.config.embedded.iter().find(|embedded| embedded.name == name);
    if files == Files::default() && embedded.is_none() {
        tracing::info!(plugin = name, "plugin removed");
        room.change(|slots| drop(slots.remove(&name)));
        return;
    }
    let source = if files.component.is_some() { DIRECTORY } else { EMBEDDED };
    let read = read(room, &name, files, embedded).await;
    let (candidate, content) = match read {
        Ok(Read::Candidate(candidate, content)) => (*candidate, content),
        Ok(Read::Disabled(file, digest)) => {
            tracing::info!(plugin = name, file, "plugin switched off");
            room.change(|slots| {
                let slot = slots.entry(name).or_insert_with(|| Slot::new(source));
                let reason = Some(format!("switched off by enabled = false in {file}"));
                *slot = Slot { generations: slot.generations, files: Some(files), ..Slot::new(source) };
                (slot.state, slot.reason, slot.digest) = (State::Disabled, reason, Some(digest));
            });
            return;
        }
        Err((error, digest)) => return fail(room, name, files, source, digest, None, error, None),
    };
    // The same again, as after `touch`, is no reason to load; a failure whose time has come is.
    let same = room.look(|slots| {
        let slot = slots.get(&name);
        slot.is_some_and(|slot| slot.content.as_ref() == Some(&content) && slot.retry.is_none())
    });
    if same {
        room.seen(&name, files);
        return;
    }
    let digest = candidate.digest.clone();
    loading(room, &name, source, &digest);
    let sidecar = candidate.sidecar.clone();
    match room.loader.load(candidate, rehearsal).await {
        Ok((generation, _)) => room.change(|slots| {
            let slot = slots.entry(name).or_insert_with(|| Slot::new(source));
            (slot.state, slot.reason, slot.retry) = (State::Active, None, None);
            (slot.digest, slot.source) = (Some(digest), source);
            (slot.files, slot.content) = (Some(files), Some(content));
            slot.activate(generation);
        }),
        Err(error) => {
            let instead = fall_back(room, rehearsal, &name, source, embedded, &sidecar).await;
            fail(room, name, files, source, Some(digest), Some(content), error, instead);
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
    if !sidecar.enabled {
        return Ok(Read::Disabled(sidecar_file, digest));
    }
    let content = Content { component: digest.clone(), sidecar: sidecar_digest, source };
    let candidate = Candidate { name: name.to_owned(), bytes, digest, sidecar, source };
    Ok(Read::Candidate(Box::new(candidate), content))
}

async fn on_a_blocking_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let crashed = |error: tokio::task::JoinError| LoadError::Io { path: String::new(), error: error.to_string() };
    tokio::task::spawn_blocking(read).await.map_err(crashed)?
}

fn loading(room: &Room, name: &str, source: &'static str, digest: &str) {
    room.change(|slots| {
        let slot = slots.entry(name.to_owned()).or_insert_with(|| Slot::new(source));
        (slot.state, slot.digest, slot.source) = (State::Loading, Some(digest.to_owned()), source);
    });
}

/// The embedded plugin of that name, when the operator's file is broken and nothing serves: better than no plugin.
async fn fall_back(
    room: &Room,
    rehearsal: &dyn Rehearsal,
    name: &str,
    source: &'static str,
    embedded: Option<&Embedded>,
    sidecar: &Sidecar,
) -> Option<Arc<Generation>> {
    let embedded = embedded.filter(|_| source == DIRECTORY)?;
    if room.look(|slots| slots.get(name).is_some_and(|slot| slot.serving.is_some())) {
        return None;
    }
    // The pin names the operator's file; everything else that the operator says holds for this one too.
    let sidecar = Sidecar { digest: None, ..sidecar.clone() };
    let bytes = embedded.bytes.into();
    let candidate = Candidate { name: name.into(), bytes, digest: digest(embedded.bytes), sidecar, source: EMBEDDED };
    room.loader.load(candidate, rehearsal).await.ok().map(|(generation, _)| generation)
}

/// Writes down why; what serves goes on serving.
#[allow(clippy::too_many_arguments)]
fn fail(
    room: &Room,
    name: String,
    files: Files,
    source: &'static str,
    digest: Option<String>,
    content: Option<Content>,
    error: LoadError,
    instead: Option<Arc<Generation>>,
) {
    let reason = format!("plugin '{name}' {error}");
    tracing::error!(plugin = name, %error, "a plugin was not taken");
    room.change(|slots| {
        let slot = slots.entry(name).or_insert_with(|| Slot::new(source));
        (slot.state, slot.reason) = (State::Failed, Some(reason));
        (slot.digest, slot.source) = (digest, source);
        slot.retry = error.may_pass().then(|| Retry::after(slot.retry.take()));
        (slot.files, slot.content) = (Some(files), content);
        if let Some(generation) = instead {
            slot.activate(generation);
        }
    });
}
