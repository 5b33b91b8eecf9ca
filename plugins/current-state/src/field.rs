//! Where in a document a filter, an order or an index looks.

use compact_str::CompactString;
use weir_json_patch::Path;

/// Bytes of a field as it is written.
pub const FIELD_BYTES_MAX: usize = 200;

/// A field: names with dots between them (`customer.name`, `lines.0.sku`), or a JSON pointer (`/customer/name`) where a
/// name has a dot.
#[derive(Debug, Clone)]
pub struct Field {
    text: String,
    tokens: Vec<CompactString>,
}

impl Field {
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > FIELD_BYTES_MAX {
            return Err(format!("a field has at most {FIELD_BYTES_MAX} bytes, this one {}", text.len()));
        }
        let tokens = match text.starts_with('/') {
            true => Path::read(text).map(|path| path.tokens().to_vec()),
            false => Some(text.split('.').map(CompactString::from).collect()).filter(|_| !text.is_empty()),
        };
        let tokens = tokens.ok_or_else(|| {
            format!("'{text}' is no field: names with dots between them, or a JSON pointer, which begins with '/'")
        })?;
        Ok(Self { text: text.to_owned(), tokens })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn tokens(&self) -> &[CompactString] {
        &self.tokens
    }
}

/// However it is written.
impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.tokens == other.tokens
    }
}

impl Eq for Field {}
