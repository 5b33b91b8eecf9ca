//! Secrets that plugins use and never see: the host puts them into the headers of requests that it sends for a plugin.
//!
//! A secret is a file in the secrets directory, named like the secret; white space at its end is not part of it. It is
//! read when a generation is loaded, so a new secret needs a reload. **Invariant:** no text of this file shows a value.

use std::fmt;
use std::path::PathBuf;

use super::{LoadError, directory};
use crate::model::PluginName;
use crate::model::limits::SECRET_BYTES_MAX;

const OPEN: &str = "{{secret:";
const CLOSE: &str = "}}";

/// Where secrets are.
pub(super) struct Secrets {
    dir: PathBuf,
}

/// The secrets of one generation: what it wishes and the operator grants.
#[derive(Default)]
pub(super) struct Granted(Vec<(String, String)>);

impl Secrets {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Reads those that are wished and granted.
    pub fn of(&self, wishes: &[String], grants: &[String]) -> Result<Granted, LoadError> {
        let both = wishes.iter().filter(|wish| grants.contains(wish));
        Ok(Granted(both.map(|name| Ok((name.clone(), self.read(name)?))).collect::<Result<_, LoadError>>()?))
    }

    fn read(&self, name: &str) -> Result<String, LoadError> {
        let path = self.dir.join(name);
        let unreadable = |why: String| LoadError::Secret { name: name.into(), file: path.display().to_string(), why };
        // The rules for names keep it inside of the directory.
        PluginName::parse(name).map_err(|error| unreadable(format!("its name {}", error.reason)))?;
        let bytes = match directory::read(&path, SECRET_BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(LoadError::Io { error, .. }) => return Err(unreadable(error)),
            Err(other) => return Err(unreadable(other.to_string())),
        };
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".into()))?;
        let text = text.trim_end();
        // In a header, a control character would end the line and begin another header.
        match text.is_empty() || text.chars().any(char::is_control) {
            true => Err(unreadable("it is empty, or has more than one line".into())),
            false => Ok(text.to_owned()),
        }
    }
}

impl Granted {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Puts secrets where a text names them as `{{secret:NAME}}`.
    pub fn put_into(&self, text: String) -> Result<String, String> {
        if !text.contains(OPEN) {
            return Ok(text);
        }
        let mut pieces = text.split(OPEN);
        let mut done = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once(CLOSE).ok_or("a header has '{{secret:' without '}}'")?;
            let secret = self.0.iter().find(|(known, _)| known == name);
            let (_, value) = secret.ok_or_else(|| {
                format!("the secret '{name}' is not granted; the plugin must wish it and its side-car grant it")
            })?;
            done.push_str(value);
            done.push_str(rest);
        }
        Ok(done)
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_wished_granted_and_never_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("TOKEN"), "s3cret\n").expect("a file");
        std::fs::write(dir.path().join("OTHER"), "two\nlines").expect("a file");
        let secrets = Secrets::new(dir.path().to_owned());
        let token = ["TOKEN".to_owned()];
        let granted = secrets.of(&token, &token).expect("granted");
        assert_eq!(granted.put_into("Bearer {{secret:TOKEN}}!".into()).expect("a header"), "Bearer s3cret!");
        assert_eq!(granted.put_into("plain".into()).expect("a header"), "plain");
        assert!(!format!("{granted:?}").contains("s3cret"));
        assert!(granted.put_into("{{secret:OTHER}}".into()).expect_err("refused").contains("not granted"));
        assert!(granted.put_into("{{secret:TOKEN".into()).expect_err("refused").contains("without"));
        for (wish, grant) in [(&token[..], &[][..]), (&[], &token)] {
            let none = secrets.of(wish, grant).expect("nothing granted");
            assert!(none.put_into("{{secret:TOKEN}}".into()).is_err());
        }
        for name in ["OTHER", "MISSING", "../TOKEN"] {
            let name = [name.to_owned()];
            let error = secrets.of(&name, &name).expect_err("unreadable").to_string();
            assert!(error.contains("which cannot be read") && !error.contains("two"), "{error}");
        }
    }
}
