//! `weir plugin install`: brings a component into a plugin directory. Nothing that was not named by its digest gets in,
//! and nothing that a server would refuse. **Invariant:** a server that watches the directory never sees half a file.

use std::path::{Path, PathBuf};

use super::check;
use super::component::{BenchArgs, Component, read};
use super::output::bytes;
use crate::artifacts::{fetch, put};
use crate::cli::Failure;
use crate::model::PluginName;
use crate::model::limits::PLUGIN_FILE_BYTES_MAX;
use crate::plugin::{Sidecar, Workbench};

#[derive(Debug, clap::Args)]
pub struct InstallArgs {
    /// Where the component is: a URL or a file
    #[arg(value_name = "URL|FILE")]
    from: String,
    /// SHA-256 that the component must have, in hex; without it, you are told what it has
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Name of the plugin [default: the name of the file]
    #[arg(long)]
    name: Option<String>,
    /// Directory of components and side-cars
    #[arg(long, value_name = "DIR", env = "WEIR_PLUGINS", default_value = "config/plugins")]
    dir: PathBuf,
    /// Take the place of a component of that name
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    bench: BenchArgs,
}

pub async fn run(args: InstallArgs) -> Result<(), Failure> {
    println!("{}", install(&args).await?);
    Ok(())
}

/// Installs, and says what was done.
async fn install(args: &InstallArgs) -> Result<String, Failure> {
    let from = args.from.as_str();
    let url = from.starts_with("http://") || from.starts_with("https://");
    let name = match &args.name {
        Some(name) => name.clone(),
        None => stem(from, url).ok_or_else(|| format!("'{from}' names no file; give the plugin a name with --name"))?,
    };
    let name = PluginName::parse(&name).map_err(|error| format!("{error}; give it another one with --name"))?;
    let (file, sidecar_file) = (args.dir.join(format!("{name}.wasm")), args.dir.join(format!("{name}.toml")));
    if file.exists() && !args.replace {
        return Err(
            format!("{} is there already; say --replace to put the new one in its place", file.display()).into()
        );
    }
    let bytes_read = match url {
        true => fetch(from, PLUGIN_FILE_BYTES_MAX).await?,
        false => read(Path::new(from), PLUGIN_FILE_BYTES_MAX).map_err(|error| format!("'{from}' {error}"))?,
    };
    let found = Workbench::digest(&bytes_read);
    let Some(wanted) = &args.sha256 else {
        return Err(format!(
            "nothing was installed: {from} has the digest {found}; compare it with what its author tells, and say --sha256 {found}"
        )
        .into());
    };
    let wanted = wanted.strip_prefix("sha256:").unwrap_or(wanted).to_ascii_lowercase();
    if wanted.len() != 64 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("--sha256 must be 64 hex digits, not '{wanted}'").into());
    }
    if wanted != found {
        return Err(format!("nothing was installed: {from} has the digest {found}, not {wanted}").into());
    }
    std::fs::create_dir_all(&args.dir)
        .map_err(|error| format!("the directory {} could not be made: {error}", args.dir.display()))?;
    let mut component = Component {
        name: name.as_str().to_owned(),
        path: file.clone(),
        bytes: bytes_read,
        sidecar: Sidecar::default(),
        sidecar_path: None,
    };
    let has_sidecar = sidecar_file.is_file();
    if has_sidecar {
        component.read_sidecar(&sidecar_file)?;
        // The pin is for what the operator installs now, and its old value is told below.
        component.sidecar.digest = None;
    }
    component.read_config()?;
    let report = check::check(&component, &args.bench).await?;
    report.outcome()?;
    let mut done = String::new();
    match has_sidecar {
        // First the pin, then the file: a server that sees only one of them keeps what it has.
        false => write(&sidecar_file, format!("digest = \"sha256:{found}\"\n").as_bytes())?,
        true => done.push_str(&pin_note(&sidecar_file, &found)?),
    }
    write(&file, &component.bytes)?;
    let said = report.summary();
    let size = bytes(component.bytes.len() as u64);
    for warning in report.warnings() {
        done.push_str(&format!("note: {warning}\n"));
    }
    Ok(format!("{done}installed {} ({said}, {size})", file.display()))
}

/// What is to be done in a side-car that was there before: its words are the operator's own.
fn pin_note(sidecar: &Path, found: &str) -> Result<String, Failure> {
    let text =
        std::fs::read_to_string(sidecar).map_err(|error| format!("cannot read {}: {error}", sidecar.display()))?;
    let parsed = Sidecar::parse(&sidecar.display().to_string(), &text);
    let pinned = parsed.ok().and_then(|sidecar| sidecar.digest).map(|digest| digest.to_ascii_lowercase());
    let line = format!("digest = \"sha256:{found}\"");
    Ok(match pinned {
        Some(pinned) if pinned == format!("sha256:{found}") => String::new(),
        Some(pinned) => format!("note: {} pins {pinned}; change it to {line}\n", sidecar.display()),
        None => format!("note: {} pins no digest; add {line}\n", sidecar.display()),
    })
}

/// The name of the file at the end of a path or URL, without `.wasm`.
fn stem(from: &str, url: bool) -> Option<String> {
    let path = if url { from.split(['?', '#']).next().unwrap_or_default().split_once("://")?.1 } else { from };
    let (host, file) = path.rsplit_once('/').unwrap_or(("", path));
    let named = !file.is_empty() && (!url || !host.is_empty());
    named.then(|| file.strip_suffix(".wasm").unwrap_or(file).to_owned())
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    Ok(put(path, content).map_err(|error| format!("{} could not be written: {error}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::super::tests::guests;
    use super::*;

    struct House {
        dir: tempfile::TempDir,
        bytes: Vec<u8>,
    }

    impl House {
        fn new() -> Self {
            let (dir, bytes) =
                (tempfile::tempdir().expect("a directory"), guests::validator(&guests::Validator::default()));
            std::fs::write(dir.path().join("mood.wasm"), &bytes).expect("a file");
            Self { dir, bytes }
        }

        fn args(&self, from: &str, sha256: Option<String>) -> InstallArgs {
            InstallArgs {
                from: from.to_owned(),
                sha256,
                name: None,
                dir: self.dir.path().join("plugins"),
                replace: false,
                bench: BenchArgs { cache: Some(self.dir.path().join("cache")), ..BenchArgs::default() },
            }
        }

        fn file(&self) -> String {
            self.dir.path().join("mood.wasm").display().to_string()
        }

        fn digest(&self) -> String {
            Workbench::digest(&self.bytes)
        }

        fn installed(&self) -> Vec<String> {
            let files = std::fs::read_dir(self.dir.path().join("plugins")).into_iter().flatten();
            let mut names: Vec<_> =
                files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names
        }
    }

    async fn refused(args: &InstallArgs) -> String {
        install(args).await.expect_err("refused").to_string()
    }

    #[tokio::test]
    async fn a_file_is_installed_with_its_pin_and_not_twice() {
        let house = House::new();
        let mut args = house.args(&house.file(), Some(house.digest().to_uppercase()));
        let done = install(&args).await.expect("installed");
        assert!(done.contains("mood.wasm (validator mood 1.0.0"), "{done}");
        assert_eq!(house.installed(), ["mood.toml", "mood.wasm"]);
        let pin = std::fs::read_to_string(args.dir.join("mood.toml")).expect("a side-car");
        assert_eq!(pin, format!("digest = \"sha256:{}\"\n", house.digest()));
        assert!(refused(&args).await.contains("say --replace"));
        args.replace = true;
        install(&args).await.expect("replaced");
        args.name = Some("other".to_owned());
        let done = install(&args).await.expect("under another name");
        assert!(done.starts_with("note: it calls itself 'mood'"), "{done}");
    }

    #[tokio::test]
    async fn without_the_right_digest_nothing_is_installed() {
        let house = House::new();
        let told = refused(&house.args(&house.file(), None)).await;
        assert!(told.contains(&format!("say --sha256 {}", house.digest())), "{told}");
        let told = refused(&house.args(&house.file(), Some("0".repeat(64)))).await;
        assert!(told.contains(&format!("has the digest {}, not 000", house.digest())), "{told}");
        assert!(refused(&house.args(&house.file(), Some("abc".into()))).await.contains("64 hex digits"));
        assert!(house.installed().is_empty());
    }

    #[tokio::test]
    async fn what_a_server_would_refuse_is_not_installed() {
        let house = House::new();
        std::fs::write(house.file(), b"no component").expect("a file");
        let told = refused(&house.args(&house.file(), Some(Workbench::digest(b"no component")))).await;
        assert!(told.contains("plugin 'mood' is no WebAssembly"), "{told}");
        assert!(house.installed().is_empty());
        let told = refused(&house.args("/nowhere/x.wasm", None)).await;
        assert!(told.contains("could not be read: /nowhere/x.wasm"), "{told}");
        let told = refused(&house.args("http://example.com", None)).await;
        assert!(told.contains("give the plugin a name with --name"), "{told}");
        let mut args = house.args(&house.file(), None);
        args.name = Some("../x".into());
        assert!(refused(&args).await.contains("plugin '../x' may only have letters"));
    }

    #[tokio::test]
    async fn a_side_car_that_is_there_stays_and_its_pin_is_told() {
        let house = House::new();
        let args = house.args(&house.file(), Some(house.digest()));
        std::fs::create_dir_all(&args.dir).expect("a directory");
        let sidecar = format!("digest = \"sha256:{}\"\n", "0".repeat(64));
        std::fs::write(args.dir.join("mood.toml"), &sidecar).expect("a side-car");
        let done = install(&args).await.expect("installed");
        assert!(done.contains("change it to digest = "), "{done}");
        assert_eq!(std::fs::read_to_string(args.dir.join("mood.toml")).expect("a side-car"), sidecar);
    }

    #[tokio::test]
    async fn a_url_is_fetched_up_to_its_limit() {
        let house = House::new();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/files/mood.wasm?x=1", listener.local_addr().expect("an address"));
        let body = house.bytes.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten().take(3) {
                let (mut stream, mut head) = (stream, [0; 4_096]);
                let _ = stream.read(&mut head);
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(&body);
            }
        });
        install(&house.args(&url, Some(house.digest()))).await.expect("installed");
        assert_eq!(house.installed(), ["mood.toml", "mood.wasm"]);
        assert!(fetch(&url, 100).await.expect_err("too long").to_string().contains("more than the 100 bytes"));
        let gone = fetch("http://127.0.0.1:1/x.wasm", 100).await.expect_err("nobody").to_string();
        assert!(gone.starts_with("http://127.0.0.1:1/x.wasm could not be fetched: "), "{gone}");
    }
}
