//! `weir plugin new`: a project that builds. It has all that it needs in itself: the contract, and for Rust the SDK, as
//! they are in this program; so a plugin fits the server that came with it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::component::kind_word;
use crate::cli::Failure;
use crate::model::PluginName;
use crate::plugin::Kind;

/// Paths and texts: `templates/…`, `wit/…`, `sdk/…` and what the examples share. host/build.rs makes the list.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/project_files.rs"));

#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// Name of the plugin
    name: String,
    /// What it shall do
    #[arg(long, value_enum)]
    kind: KindArg,
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
    /// Directory to make [default: one of the plugin's name]
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum KindArg {
    /// Accepts, changes or refuses events before they are stored
    Validator,
    /// Shows recorded events in their newest form
    Upcaster,
    /// Answers commands with events
    Decider,
    /// Folds events into a view, and answers queries
    Projection,
    /// Reacts to events and timers with events and commands
    ProcessManager,
    /// Delivers events elsewhere
    Sink,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Rust,
    #[value(name = "typescript")]
    TypeScript,
    Python,
    C,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::TypeScript => "typescript",
            Self::Python => "python",
            Self::C => "c",
        })
    }
}

impl KindArg {
    fn kind(self) -> Kind {
        match self {
            Self::Validator => Kind::Validator,
            Self::Upcaster => Kind::Upcaster,
            Self::Decider => Kind::Decider,
            Self::Projection => Kind::Projection,
            Self::ProcessManager => Kind::ProcessManager,
            Self::Sink => Kind::Sink,
        }
    }

    /// The world of wit/ that the template is built against.
    fn world(self) -> &'static str {
        match self {
            Self::Projection => "projection-with-queries",
            other => kind_word(other.kind()),
        }
    }
}

pub async fn run(args: NewArgs) -> Result<(), Failure> {
    let dir = new(&args)?;
    println!("made {}; build it with: weir plugin build {}", dir.display(), dir.display());
    Ok(())
}

fn new(args: &NewArgs) -> Result<PathBuf, Failure> {
    let name = PluginName::parse(&args.name)?;
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    if dir.exists() {
        return Err(format!("{} is there already; choose another name or --dir", dir.display()).into());
    }
    let files = project(&name, args.kind, args.lang)?;
    for (path, text) in files {
        let path = dir.join(path);
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(&dir))?;
            std::fs::write(&path, text)
        };
        write().map_err(|error: std::io::Error| format!("{} could not be written: {error}", path.display()))?;
    }
    Ok(dir)
}

/// The files of a project, as paths in it and texts.
fn project(name: &PluginName, kind: KindArg, lang: Language) -> Result<Vec<(String, String)>, Failure> {
    let word = kind_word(kind.kind());
    let source = match lang {
        Language::Rust => ("lib.rs", "src/lib.rs"),
        Language::TypeScript => ("plugin.ts", "plugin.ts"),
        Language::Python => ("plugin.py", "plugin.py"),
        Language::C => ("plugin.c", "plugin.c"),
    };
    let template = |file: &str| format!("templates/{lang}/{file}");
    let Some(text) = file(&template(&format!("{word}/{}", source.0))) else {
        return Err(format!("there is no template of a {word} in {lang}, only in rust; say --lang rust").into());
    };
    let mut files = vec![
        (source.1.to_owned(), text),
        ("plugin.test.toml".to_owned(), needed(&format!("templates/spec/{word}.toml"))?),
    ];
    let own: &[(&str, &str)] = match lang {
        Language::Rust => &[("Cargo.toml", "Cargo.toml"), ("vendor-Cargo.toml", "vendor/weir-plugin-sdk/Cargo.toml")],
        Language::TypeScript => &[("package.json", "package.json"), ("tsconfig.json", "tsconfig.json")],
        Language::Python | Language::C => &[("build.py", "build.py"), ("requirements.txt", "requirements.txt")],
    };
    for (from, to) in own.iter().chain(&[("README.md", "README.md"), ("gitignore", ".gitignore")]) {
        files.push(((*to).to_owned(), needed(&template(from))?));
    }
    let shared: &[&str] = match lang {
        Language::TypeScript => &["typescript/weir.d.ts"],
        Language::C => &["c/json.c", "c/json.h", "c/memory.h"],
        Language::Rust | Language::Python => &[],
    };
    for path in shared {
        files.push((path.rsplit('/').next().unwrap_or(path).to_owned(), needed(path)?));
    }
    let krate = krate(name.as_str());
    let words = [
        ("{{name}}", name.as_str()),
        ("{{crate}}", krate.as_str()),
        ("{{kind}}", word),
        ("{{world}}", kind.world()),
        ("{{version}}", env!("CARGO_PKG_VERSION")),
    ];
    for (_, text) in &mut files {
        *text = words.iter().fold(std::mem::take(text), |text, (word, value)| text.replace(word, value));
    }
    // The contract and the SDK as they are: no word in them is for this place.
    for (path, text) in FILES {
        if let Some(file) = path.strip_prefix("wit/") {
            files.push((format!("vendor/wit/{file}"), (*text).to_owned()));
        }
        if let Some(file) = path.strip_prefix("sdk/").filter(|_| lang == Language::Rust) {
            files.push((format!("vendor/weir-plugin-sdk/src/{file}"), (*text).to_owned()));
        }
    }
    Ok(files)
}

fn file(path: &str) -> Option<String> {
    FILES.iter().find(|(known, _)| *known == path).map(|(_, text)| (*text).to_owned())
}

fn needed(path: &str) -> Result<String, Failure> {
    file(path).ok_or_else(|| format!("this program was built without {path}; build it from a whole checkout").into())
}

/// A name that Cargo and npm take too: small letters, digits and dashes, and a letter first.
fn krate(name: &str) -> String {
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .collect();
    match plain.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => plain,
        false => format!("plugin-{}", plain.trim_start_matches('-')),
    }
}

/// What a project calls the file that it builds.
pub fn name_in_manifest(manifest: &Path) -> Option<(String, String)> {
    let text = std::fs::read_to_string(manifest).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let package = table.get("package")?;
    let krate = package.get("name")?.as_str()?;
    let library = table.get("lib").and_then(|lib| lib.get("name")).and_then(|name| name.as_str());
    let library = library.map_or_else(|| krate.replace('-', "_"), str::to_owned);
    let plugin = package.get("metadata").and_then(|metadata| metadata.get("weir")).and_then(|weir| weir.get("name"));
    let plugin = plugin.and_then(|name| name.as_str()).unwrap_or(krate);
    Some((library, PluginName::parse(plugin).ok()?.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    fn args(dir: &Path, name: &str, kind: KindArg, lang: Language) -> NewArgs {
        NewArgs { name: name.to_owned(), kind, lang, dir: Some(dir.join("project")) }
    }

    #[test]
    fn every_template_is_whole_and_no_word_is_left() {
        for lang in Language::value_variants() {
            for kind in KindArg::value_variants() {
                let name = PluginName::parse("My.plugin").expect("a name");
                let files = match project(&name, *kind, *lang) {
                    Ok(files) => files,
                    Err(error) => {
                        assert_ne!(*lang, Language::Rust);
                        assert!(error.to_string().contains("only in rust"), "{error}");
                        continue;
                    }
                };
                let has = |path: &str| files.iter().any(|(known, _)| known == path);
                assert!(
                    has("plugin.test.toml") && has("README.md") && has(".gitignore") && has("vendor/wit/types.wit")
                );
                assert_eq!(has("vendor/weir-plugin-sdk/src/lib.rs"), *lang == Language::Rust);
                for (path, text) in files.iter().filter(|(path, _)| !path.starts_with("vendor/weir-plugin-sdk/src")) {
                    for word in ["{{name}}", "{{crate}}", "{{kind}}", "{{world}}", "{{version}}"] {
                        assert!(!text.contains(word), "{path} of {lang} has {word}");
                    }
                }
                let named =
                    files.iter().any(|(path, text)| !path.starts_with("vendor") && text.contains("\"My.plugin\""));
                assert!(named, "{lang} {kind:?}");
            }
        }
    }

    #[test]
    fn a_project_is_made_once_and_knows_its_name() {
        let dir = tempfile::tempdir().expect("a directory");
        let args = args(dir.path(), "7.Totals", KindArg::Projection, Language::Rust);
        let made = new(&args).expect("made");
        let (library, name) = name_in_manifest(&made.join("Cargo.toml")).expect("a manifest");
        assert_eq!((library.as_str(), name.as_str()), ("plugin_7_totals", "7.Totals"));
        assert!(new(&args).expect_err("twice").to_string().contains("is there already"));
        let bad = NewArgs { name: "../x".to_owned(), ..args };
        assert!(new(&bad).expect_err("no name").to_string().contains("plugin '../x'"));
    }

    /// The copy of the SDK must ask for the wit-bindgen that the SDK here is built with, and for nothing more.
    #[test]
    fn the_copied_sdk_asks_for_what_the_sdk_asks_for() {
        let copy: toml::Table = needed("templates/rust/vendor-Cargo.toml").expect("a file").parse().expect("TOML");
        let own: toml::Table = include_str!("../../../../plugin-sdk/Cargo.toml").parse().expect("TOML");
        let names = |table: &toml::Table| {
            table["dependencies"].as_table().expect("dependencies").keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(&copy), names(&own));
        let version = copy["dependencies"]["wit-bindgen"]["version"].as_str().expect("a version");
        let lock = include_str!("../../../../Cargo.lock");
        let locked = format!("name = \"wit-bindgen\"\nversion = \"{}\"", version.trim_start_matches('='));
        assert!(lock.contains(&locked), "Cargo.lock has another wit-bindgen than {version}");
    }
}
