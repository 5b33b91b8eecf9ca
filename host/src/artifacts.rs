//! Files of a deployment that are kept elsewhere: `artifacts.toml` in the config directory names each with its address and its
//! digest. They are fetched when an image is built (`weir fetch`) or when a server starts, whichever is first.
//!
//! **Invariant:** a file that has not the digest that was asked for is never put in place, and nobody sees half a file.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::model::hex;
use crate::model::limits::{ARTIFACT_ATTEMPTS, ARTIFACTS_MAX, PLUGIN_FILE_BYTES_MAX};

const FILE: &str = "artifacts.toml";

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("{path}: {why}")]
    List { path: String, why: String },
    #[error("{path} should have the digest {wanted}, and has {found}")]
    Other { path: String, wanted: String, found: String },
    #[error("{path} is not there; weir fetch brings it")]
    Missing { path: String },
    #[error("{path} is not put in place: {url} has the digest {found}, not {wanted}")]
    Digest { path: String, url: String, wanted: String, found: String },
    #[error("{path} cannot be put in place: {why}")]
    Fetch { path: String, why: String },
}

/// A file, and where to get it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// In the config directory: under `plugins` or `topics`.
    path: PathBuf,
    url: String,
    /// 64 hex digits, with or without `sha256:` before them.
    sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    artifact: Vec<Listed>,
}

/// All files that a deployment has from elsewhere.
#[derive(Debug)]
pub struct Artifacts(Vec<Artifact>);

#[derive(Debug, PartialEq, Eq)]
struct Artifact {
    /// Where it belongs.
    place: PathBuf,
    url: String,
    digest: String,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gathered {
    pub fetched: usize,
    /// Those that were there.
    pub kept: usize,
}

impl Artifacts {
    /// Reads the list of a config directory, which may have none.
    pub fn of(config_dir: &Path, plugins_dir: &Path) -> Result<Self, ArtifactError> {
        let path = config_dir.join(FILE);
        let refused = |why: String| ArtifactError::List { path: path.display().to_string(), why };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self(Vec::new())),
            Err(error) => return Err(refused(error.to_string())),
        };
        Self::parse(&text, config_dir, plugins_dir).map_err(refused)
    }

    fn parse(text: &str, config_dir: &Path, plugins_dir: &Path) -> Result<Self, String> {
        let List { artifact: listed } = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            format!("line {line}: {}", error.message())
        })?;
        if listed.len() > ARTIFACTS_MAX {
            return Err(format!("it lists {} artifacts; at most {ARTIFACTS_MAX} go", listed.len()));
        }
        let mut places = BTreeSet::new();
        let one = |Listed { path, url, sha256 }: Listed| {
            let shown = path.display().to_string();
            let place = place(&path, config_dir, plugins_dir).ok_or_else(|| {
                format!("path = \"{shown}\" must be a file under plugins/ or topics/, like plugins/rules.wasm")
            })?;
            if !places.insert(place.clone()) {
                return Err(format!("path = \"{shown}\" is there twice"));
            }
            let fits = Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !fits {
                return Err(format!("{shown}: url = \"{url}\" must begin with https:// or http://"));
            }
            let digest = sha256.strip_prefix("sha256:").unwrap_or(&sha256).to_ascii_lowercase();
            if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(format!("{shown}: sha256 = \"{sha256}\" must be 64 hex digits"));
            }
            Ok(Artifact { place, url, digest })
        };
        Ok(Self(listed.into_iter().map(one).collect::<Result<_, _>>()?))
    }

    /// Brings what is missing, and what has another digest.
    pub async fn gather(&self) -> Result<Gathered, ArtifactError> {
        let mut gathered = Gathered::default();
        for artifact in &self.0 {
            match artifact.found()? {
                Some(found) if found == artifact.digest => gathered.kept += 1,
                _ => {
                    artifact.bring().await?;
                    tracing::info!(path = artifact.shown(), url = artifact.url, "fetched");
                    gathered.fetched += 1;
                }
            }
        }
        Ok(gathered)
    }

    /// Whether all are there.
    pub fn check(&self) -> Result<Gathered, ArtifactError> {
        for artifact in &self.0 {
            let path = artifact.shown();
            match artifact.found()? {
                None => return Err(ArtifactError::Missing { path }),
                Some(found) if found != artifact.digest => {
                    return Err(ArtifactError::Other { path, wanted: artifact.digest.clone(), found });
                }
                Some(_) => {}
            }
        }
        Ok(Gathered { fetched: 0, kept: self.0.len() })
    }
}

impl Artifact {
    fn shown(&self) -> String {
        self.place.display().to_string()
    }

    fn failed(&self, why: impl ToString) -> ArtifactError {
        ArtifactError::Fetch { path: self.shown(), why: why.to_string() }
    }

    /// The digest of the file that is there.
    fn found(&self) -> Result<Option<String>, ArtifactError> {
        match std::fs::read(&self.place) {
            Ok(bytes) => Ok(Some(digest(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn bring(&self) -> Result<(), ArtifactError> {
        let mut wait = Duration::from_secs(1);
        let mut attempts = 1..=ARTIFACT_ATTEMPTS;
        let bytes = loop {
            let attempt = attempts.next();
            match (fetch(&self.url, PLUGIN_FILE_BYTES_MAX).await, attempt) {
                (Ok(bytes), _) => break bytes,
                (Err(error), Some(attempt)) if attempt < ARTIFACT_ATTEMPTS => {
                    tracing::warn!(attempt, %error, "an artifact could not be fetched; trying again");
                    tokio::time::sleep(wait).await;
                    wait *= 2;
                }
                (Err(error), _) => return Err(self.failed(error)),
            }
        };
        let found = digest(&bytes);
        if found != self.digest {
            let (url, wanted) = (self.url.clone(), self.digest.clone());
            return Err(ArtifactError::Digest { path: self.shown(), url, wanted, found });
        }
        let dir = self.place.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).and_then(|()| put(&self.place, &bytes)).map_err(|error| self.failed(error))
    }
}

/// Where a path of the list belongs; `None` for any but a file under one of the two directories.
fn place(path: &Path, config_dir: &Path, plugins_dir: &Path) -> Option<PathBuf> {
    let mut parts = path.components();
    let Some(Component::Normal(first)) = parts.next() else { return None };
    let rest = parts.as_path();
    let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || rest.as_os_str().is_empty() {
        return None;
    }
    match first.to_str() {
        Some("plugins") => Some(plugins_dir.join(rest)),
        Some("topics") => Some(config_dir.join("topics").join(rest)),
        _ => None,
    }
}

fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(String);

/// Fetches a file from anywhere, through proxies and redirects that the user's environment asks for, but never more than
/// `bytes_max`.
pub async fn fetch(url: &str, bytes_max: u64) -> Result<Vec<u8>, FetchError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = Url::parse(url).map_err(|error| FetchError(format!("'{url}' is no URL: {error}")))?;
    let failed = |error: reqwest::Error| FetchError(format!("{url} could not be fetched: {}", cause(&error)));
    let patience = Duration::from_secs(30);
    let http = reqwest::Client::builder().connect_timeout(patience).read_timeout(patience).build().map_err(failed)?;
    let mut response = http.get(url.clone()).send().await.map_err(failed)?;
    if !response.status().is_success() {
        let status = response.status();
        return Err(FetchError(format!("{url} could not be fetched: the server answered {status}")));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if (bytes.len() + chunk.len()) as u64 > bytes_max {
            return Err(FetchError(format!("{url} is more than the {bytes_max} bytes that a component may have")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The innermost reason: the outer ones only say that a request failed.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

/// Writes beside the place, under a name that no server takes for a plugin, and renames.
pub fn put(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{file}.{}", uuid::Uuid::new_v4()));
    let put = || {
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        out.write_all(content)?;
        out.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    put().inspect_err(|_| {
        let _ = std::fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef";

    fn parse(path: &str, url: &str, sha256: &str) -> Result<Vec<Artifact>, String> {
        let text = format!("[[artifact]]\npath = \"{path}\"\nurl = \"{url}\"\nsha256 = \"{sha256}\"\n");
        Artifacts::parse(&text, Path::new("c"), Path::new("p")).map(|artifacts| artifacts.0)
    }

    #[test]
    fn a_path_leads_to_plugins_or_topics_and_nowhere_else() {
        let place = |path: &str| parse(path, "https://host/x", DIGEST).ok().map(|found| found[0].place.clone());
        assert_eq!(place("plugins/rules.wasm"), Some(PathBuf::from("p/rules.wasm")));
        assert_eq!(place("topics/orders.json"), Some(PathBuf::from("c/topics/orders.json")));
        for bad in [
            "",
            "rules.wasm",
            "plugins",
            "plugins/",
            "/plugins/x",
            "plugins/../x",
            "../x",
            "secrets/x",
            "./plugins/../x",
        ] {
            let why = parse(bad, "https://host/x", DIGEST).expect_err(bad);
            assert!(why.contains("must be a file under plugins/ or topics/"), "{why}");
        }
    }

    #[test]
    fn what_is_listed_has_an_address_and_a_digest_and_is_there_once() {
        let found = parse("plugins/a.wasm", "http://host/a", &format!("sha256:{DIGEST}")).expect("valid");
        assert_eq!(found[0].digest, DIGEST.to_ascii_lowercase());
        assert!(parse("plugins/a", "file:///etc/passwd", DIGEST).expect_err("a file").contains("url"));
        assert!(parse("plugins/a", "https://host/a", "abc").expect_err("short").contains("64 hex digits"));
        let unknown = Artifacts::parse("\n[[artifacts]]\n", Path::new("c"), Path::new("p")).expect_err("unknown");
        assert!(unknown.starts_with("line 2: "), "{unknown}");
        let one = format!("[[artifact]]\npath = \"plugins/a\"\nurl = \"https://h/a\"\nsha256 = \"{DIGEST}\"\n");
        let twice = Artifacts::parse(&one.repeat(2), Path::new("c"), Path::new("p")).expect_err("twice");
        assert!(twice.contains("twice"), "{twice}");
    }

    #[test]
    fn what_is_there_is_told_by_its_digest() {
        let dir = tempfile::tempdir().expect("a directory");
        let text = |digest: &str| {
            format!("[[artifact]]\npath = \"plugins/a\"\nurl = \"https://h/a\"\nsha256 = \"{digest}\"\n")
        };
        let of = |digest: &str| Artifacts::parse(&text(digest), dir.path(), dir.path()).expect("valid").check();
        assert!(matches!(of(DIGEST), Err(ArtifactError::Missing { .. })));
        put(&dir.path().join("a"), b"content").expect("written");
        assert!(matches!(of(DIGEST), Err(ArtifactError::Other { .. })));
        assert_eq!(of(&digest(b"content")).expect("there"), Gathered { fetched: 0, kept: 1 });
        let none = Artifacts::of(dir.path(), dir.path()).expect("no list").check().expect("nothing is missing");
        assert_eq!(none, Gathered::default());
    }
}
