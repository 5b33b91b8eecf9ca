//! The five commands: what each makes of a document.

use weir_json_patch::limits::{PATCH_OPERATIONS_MAX, PAYLOAD_BYTES_MAX};
use weir_json_patch::{CREATED, DELETED, Document, Json, Object, Operation, PATCHED, Patch, Path, difference, merged};
use weir_plugin_sdk::{Command, NewEvent, Payload, Rejection};

use crate::refusals::{self, INVALID_DOCUMENT, INVALID_PATCH};

pub fn decide(document: &Document, command: &Command) -> Result<Vec<NewEvent>, Rejection> {
    let verb = Verb::of(&command.name).ok_or(Rejection::UnknownCommand)?;
    match (verb, document.json()) {
        (Verb::Create, None) => create(command),
        (Verb::Create, Some(_)) => Err(refusals::already_exists(command)),
        (_, None) => Err(refusals::not_found(command)),
        (Verb::Replace, Some(old)) => becomes(command, old, json(command, INVALID_DOCUMENT)?),
        (Verb::Merge, Some(old)) => becomes(command, old, merged(Some(old), json(command, INVALID_PATCH)?)),
        (Verb::Patch, Some(old)) => patch(command, document, old),
        (Verb::Delete, Some(_)) => Ok(vec![deleted(command)]),
    }
}

#[derive(Clone, Copy)]
enum Verb {
    Create,
    Replace,
    Patch,
    Merge,
    Delete,
}

impl Verb {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "patch" => Self::Patch,
            "merge" => Self::Merge,
            "delete" => Self::Delete,
            _ => return None,
        })
    }
}

fn create(command: &Command) -> Result<Vec<NewEvent>, Rejection> {
    let new = json(command, INVALID_DOCUMENT)?;
    Document::new(new.clone()).map_err(refusals::document)?;
    Ok(vec![event(command, CREATED, &whole(|path| Operation::Add(path, new)))])
}

/// The document becomes another: the event is the difference, and there is none where there is no difference.
fn becomes(command: &Command, old: &Json, new: Json) -> Result<Vec<NewEvent>, Rejection> {
    let patch = difference(old, &new);
    Document::new(new).map_err(refusals::document)?;
    Ok(if patch.0.is_empty() { Vec::new() } else { vec![event(command, PATCHED, &patch)] })
}

/// The event has the patch as it was sent, because it says more than a difference: what was moved, and what was tested.
/// One that takes the whole document away deletes it.
fn patch(command: &Command, document: &Document, old: &Json) -> Result<Vec<NewEvent>, Rejection> {
    let patch = Patch::read(json(command, INVALID_PATCH)?).map_err(refusals::patch)?;
    if patch.0.len() > PATCH_OPERATIONS_MAX {
        return Err(refusals::too_many_operations(patch.0.len()));
    }
    let event = event(command, PATCHED, &patch);
    let patched = document.clone().patched(patch).map_err(refusals::patch)?;
    match patched.json() {
        None => Ok(vec![deleted(command)]),
        Some(new) if new == old => Ok(Vec::new()),
        Some(_) => Ok(vec![event]),
    }
}

/// The command's payload; one that is not JSON is refused with this code.
fn json(command: &Command, code: &str) -> Result<Json, Rejection> {
    let Some(text) = command.payload.as_json() else { return Err(refusals::bytes(code)) };
    if text.len() > PAYLOAD_BYTES_MAX {
        return Err(refusals::payload_too_large(text.len()));
    }
    Json::read(text).map_err(|error| refusals::unreadable(code, &error))
}

fn deleted(command: &Command) -> NewEvent {
    event(command, DELETED, &whole(Operation::Remove))
}

/// One operation on the whole document.
fn whole(operation: impl FnOnce(Path) -> Operation) -> Patch {
    Path::read("").map(operation).into_iter().collect()
}

fn event(command: &Command, event_type: &str, patch: &Patch) -> NewEvent {
    let payload = Json::Object(Object::of(vec![("patch".into(), patch.to_json())]));
    NewEvent {
        topic: command.topic.clone(),
        stream: Some(command.stream.clone()),
        event_type: event_type.into(),
        payload: Payload::Json(payload.to_string()),
        tags: Vec::new(),
        metadata: Vec::new(),
    }
}
