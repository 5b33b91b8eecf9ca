//! Why a command is refused: every code and its words.

use weir_json_patch::limits::{PATCH_OPERATIONS_MAX, PAYLOAD_BYTES_MAX};
use weir_json_patch::{Fault, PatchError, ReadError};
use weir_plugin_sdk::{Command, Problem, Rejection};

/// The payload of `create` or `replace` is no document.
pub const INVALID_DOCUMENT: &str = "INVALID_DOCUMENT";
/// The payload of `patch` or `merge` is no patch, or it can't be applied to this document.
pub const INVALID_PATCH: &str = "INVALID_PATCH";

/// Bytes of a path that a refusal repeats; a longer one helps nobody.
const POINTER_BYTES_MAX: usize = 1_000;

pub fn already_exists(command: &Command) -> Rejection {
    let message = format!("'{}' exists already in topic '{}'; replace or patch it", command.stream, command.topic);
    Rejection::conflict("ALREADY_EXISTS", message)
}

pub fn not_found(command: &Command) -> Rejection {
    Rejection::invalid("NOT_FOUND", format!("There is no '{}' in topic '{}'", command.stream, command.topic))
}

pub fn bytes(code: &str) -> Rejection {
    Rejection::invalid(code, "The payload is bytes, not JSON")
}

pub fn unreadable(code: &str, error: &ReadError) -> Rejection {
    Rejection::invalid(code, format!("The payload can't be read: {error}"))
}

pub fn payload_too_large(bytes: usize) -> Rejection {
    let message = format!("The payload has {bytes} bytes; a command may have {PAYLOAD_BYTES_MAX}");
    Rejection::invalid("PAYLOAD_TOO_LARGE", message)
}

pub fn too_many_operations(operations: usize) -> Rejection {
    let message = format!("The patch has {operations} operations; send at most {PATCH_OPERATIONS_MAX} at once");
    Rejection::invalid("PATCH_TOO_LONG", message)
}

/// A whole document that is beyond the limits.
pub fn document(fault: Fault) -> Rejection {
    Rejection::invalid(code(&fault), sentence(&fault.to_string()))
}

pub fn patch(error: PatchError) -> Rejection {
    let message = sentence(&error.to_string());
    let PatchError::Operation { pointer, fault, .. } = error else { return Rejection::invalid(INVALID_PATCH, message) };
    let pointer = pointer.filter(|pointer| pointer.len() <= POINTER_BYTES_MAX);
    let problem = Problem { code: code(&fault).into(), message, pointer };
    match fault {
        Fault::TestFailed => Rejection::Conflict(problem),
        _ => problem.into(),
    }
}

fn code(fault: &Fault) -> &'static str {
    match fault {
        Fault::TestFailed => "TEST_FAILED",
        Fault::TooLarge(_) => "DOCUMENT_TOO_LARGE",
        Fault::TooDeep(_) => "DOCUMENT_TOO_DEEP",
        _ => INVALID_PATCH,
    }
}

/// With a capital letter at its beginning.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
