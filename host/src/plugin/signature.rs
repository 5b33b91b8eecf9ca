//! Signed components: an ed25519 signature in a file beside the component, made by a key that the operator trusts.
//!
//! A key file has lines `ed25519:<base64 of 32 bytes>` (what follows is a note), a signature file the same with 64 bytes.
//! **Invariant:** with keys configured, no byte of a file from the directory is parsed before its signature was checked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::LoadError;

const SCHEME: &str = "ed25519:";

/// The keys that components must be signed with.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<Vec<u8>>);

/// What is wrong with a key or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

impl TrustedKeys {
    /// Reads a key file: a key a line; empty lines and lines that begin with '#' are left out.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let keys = values(text, 32).collect::<Result<Vec<_>, _>>()?;
        match keys.is_empty() {
            true => Err(KeyError(format!("there is no key in it; write a line `{SCHEME}<base64>` for each"))),
            false => Ok(Self(keys)),
        }
    }

    /// Whether one of the signatures in the text was made by one of the keys.
    pub(super) fn check(&self, bytes: &[u8], signatures: &str) -> Result<(), LoadError> {
        let bad = |error: KeyError| LoadError::Signature(error.to_string());
        for signature in values(signatures, 64) {
            let signature = signature.map_err(bad)?;
            let made_by = |key: &Vec<u8>| UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok();
            if self.0.iter().any(made_by) {
                return Ok(());
            }
        }
        Err(LoadError::Signature("no key that this server trusts made it for this file".into()))
    }
}

/// The values of a file, each of so many bytes.
fn values(text: &str, bytes: usize) -> impl Iterator<Item = Result<Vec<u8>, KeyError>> + '_ {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(move |(number, line)| {
        let word = line.split_whitespace().next().and_then(|word| word.strip_prefix(SCHEME));
        let value = word.and_then(|word| STANDARD.decode(word).ok()).filter(|value| value.len() == bytes);
        value.ok_or_else(|| KeyError(format!("line {number} is not `{SCHEME}` and the base64 of {bytes} bytes")))
    })
}

/// A key to sign with. Its text form is secret.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes one, and its text form: PKCS#8 in base64.
    pub fn generate() -> Result<(Self, String), KeyError> {
        let failed = |_| KeyError("the system gave no random numbers".into());
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(failed)?;
        let text = format!("{SCHEME}{}\n", STANDARD.encode(pkcs8.as_ref()));
        Ok((Self::parse(&text)?, text))
    }

    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let pkcs8 = text.trim().strip_prefix(SCHEME).and_then(|text| STANDARD.decode(text).ok());
        let pair = pkcs8.and_then(|pkcs8| Ed25519KeyPair::from_pkcs8(&pkcs8).ok());
        pair.map(Self).ok_or_else(|| KeyError("it is not a key that `weir plugin keygen` made".into()))
    }

    /// The line for the servers' key file.
    pub fn public_line(&self) -> String {
        format!("{SCHEME}{}\n", STANDARD.encode(self.0.public_key().as_ref()))
    }

    /// The text of the signature file of a component.
    pub fn sign(&self, bytes: &[u8]) -> String {
        format!("{SCHEME}{}\n", STANDARD.encode(self.0.sign(bytes).as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_one_file_and_trusted_keys() {
        let (mine, text) = SigningKey::generate().expect("a key");
        let (other, _) = SigningKey::generate().expect("a key");
        let again = SigningKey::parse(&text).expect("the same key");
        assert_eq!(again.public_line(), mine.public_line());
        let keys =
            TrustedKeys::parse(&format!("# ours\n\n{} build machine\n", mine.public_line().trim())).expect("keys");
        let signature = mine.sign(b"component");
        keys.check(b"component", &signature).expect("signed");
        keys.check(b"component", &format!("{}{signature}", other.sign(b"component"))).expect("one of two");
        for (bytes, signature) in [
            (&b"Component"[..], signature.clone()),
            (b"component", other.sign(b"component")),
            (b"component", String::new()),
        ] {
            let error = keys.check(bytes, &signature).expect_err("not trusted").to_string();
            assert!(error.contains("no key that this server trusts"), "{error}");
        }
        let error = keys.check(b"component", "nonsense").expect_err("no signature").to_string();
        assert!(error.contains("line 1 is not `ed25519:` and the base64 of 64 bytes"), "{error}");
        for bad in ["", "# none", "ed25519:AAAA", "rsa:AAAA"] {
            assert!(TrustedKeys::parse(bad).is_err(), "{bad}");
        }
        assert!(SigningKey::parse(&mine.public_line()).is_err());
    }
}
