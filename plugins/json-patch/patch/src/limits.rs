//! Every number that bounds something, with its unit. Streams keep what was allowed once: raise these, never lower
//! them.

/// Bytes of a document, as compact JSON text. Its `created` event must fit into a request's 1 MiB, and a view's value
/// too.
pub const DOCUMENT_BYTES_MAX: usize = 1_000_000;

/// Arrays and objects inside each other in a document. Readers of JSON give up at about 128, and a document is shown
/// inside other JSON.
pub const DOCUMENT_DEPTH_MAX: usize = 100;

/// Arrays and objects inside each other in any text that is read here.
pub const TEXT_DEPTH_MAX: usize = 128;

/// Operations of one patch that a client sends, and of one that is made of two documents.
pub const PATCH_OPERATIONS_MAX: usize = 1_000;

/// Bytes of a command's payload.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Cells of the table in which two arrays are compared; larger ones are compared place by place.
pub const ARRAY_CELLS_MAX: usize = 1 << 20;
