//! `weir plugin build`: runs the build that a project has, says where the component is, and checks it. It knows how the
//! projects of `weir plugin new` build, and those of the same shape.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::component::{BenchArgs, Component};
use super::{check, new};
use crate::cli::Failure;

#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// Directory of the project
    #[arg(default_value = ".")]
    dir: PathBuf,
    #[command(flatten)]
    bench: BenchArgs,
}

pub async fn run(args: BuildArgs) -> Result<(), Failure> {
    let project = Project::find(&args.dir)?;
    let file = project.build(&args.dir)?;
    println!("built {}\n", file.display());
    // The operator's side-car of this plugin, if the author keeps one in the project.
    let sidecar = file.file_name().map(|name| args.dir.join(name).with_extension("toml")).filter(|path| path.is_file());
    let component = Component::open(&file, sidecar.as_deref())?;
    let report = check::check(&component, &args.bench).await?;
    print!("{}", report.text());
    report.outcome()
}

/// How a project builds, which its files tell.
#[derive(Debug, PartialEq, Eq)]
enum Project {
    Cargo { library: String, name: String },
    Npm { install: bool },
    Python,
    Make,
}

impl Project {
    fn find(dir: &Path) -> Result<Self, Failure> {
        let has = |file: &str| dir.join(file).is_file();
        if has("Cargo.toml") {
            let manifest = dir.join("Cargo.toml");
            let (library, name) = new::name_in_manifest(&manifest)
                .ok_or_else(|| format!("{} has no package whose name is a plugin's", manifest.display()))?;
            return Ok(Self::Cargo { library, name });
        }
        if has("package.json") {
            return Ok(Self::Npm { install: !dir.join("node_modules").is_dir() });
        }
        if has("build.py") {
            return Ok(Self::Python);
        }
        if has("Makefile") || has("makefile") {
            return Ok(Self::Make);
        }
        Err(format!(
            "{} has no Cargo.toml, package.json, build.py or Makefile; name the directory of a plugin project",
            dir.display()
        )
        .into())
    }

    /// Builds, and gives the component's file.
    fn build(&self, dir: &Path) -> Result<PathBuf, Failure> {
        match self {
            Self::Cargo { library, name } => {
                needs("cargo", "Rust, from https://rustup.rs")?;
                needs_target(dir)?;
                run_in(dir, "cargo", &["build", "--release", "--target", "wasm32-wasip2", "--target-dir", "target"])?;
                let made = dir.join("target/wasm32-wasip2/release").join(format!("{library}.wasm"));
                // Under the plugin's own name: a server calls it after its file.
                let named = dir.join("build").join(format!("{name}.wasm"));
                let copy = || {
                    std::fs::create_dir_all(dir.join("build"))?;
                    std::fs::copy(&made, &named)
                };
                copy().map_err(|error| {
                    format!("{}: {error}; has Cargo.toml a [lib] with crate-type = [\"cdylib\"]?", made.display())
                })?;
                return Ok(named);
            }
            Self::Npm { install } => {
                needs("npm", "Node.js with npm, on Debian: apt install nodejs npm")?;
                if *install {
                    run_in(dir, "npm", &["install", "--no-audit", "--no-fund"])?;
                }
                run_in(dir, "npm", &["run", "build"])?;
            }
            Self::Python => {
                needs("python3", "Python 3, on Debian: apt install python3 python3-venv")?;
                run_in(dir, "python3", &["build.py"])?;
            }
            Self::Make => {
                needs("make", "make, on Debian: apt install make")?;
                run_in(dir, "make", &[])?;
            }
        }
        newest(dir).ok_or_else(|| {
            format!("the build of {} left no .wasm file in build/, dist/ or the directory itself", dir.display()).into()
        })
    }
}

/// The component that was written last: a build that had nothing to do wrote none.
fn newest(dir: &Path) -> Option<PathBuf> {
    let folders = [dir.join("build"), dir.join("dist"), dir.to_owned()];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let wasm = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|ending| ending == "wasm"));
    wasm.max_by_key(|path| std::fs::metadata(path).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH))
}

/// Whether a tool starts; if not, what to install.
fn needs(tool: &str, what: &str) -> Result<(), Failure> {
    let started = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match started.is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err(format!("'{tool}' does not start; install {what}").into()),
    }
}

/// Whether Rust can compile for WebAssembly components. Only the compiler that the project uses knows.
fn needs_target(dir: &Path) -> Result<(), Failure> {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", "wasm32-wasip2"])
        .current_dir(dir)
        .stderr(Stdio::null())
        .output();
    let folder = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    match Path::new(folder.trim()).is_dir() && !folder.trim().is_empty() {
        true => Ok(()),
        false => Err("Rust has no target wasm32-wasip2 here; install it with: rustup target add wasm32-wasip2".into()),
    }
}

/// Runs a tool that speaks for itself.
fn run_in(dir: &Path, tool: &str, args: &[&str]) -> Result<(), Failure> {
    let shown = format!("{tool} {}", args.join(" "));
    eprintln!("+ {}", shown.trim_end());
    let status = Command::new(tool).args(args).current_dir(dir).status();
    let status = status.map_err(|error| format!("'{tool}' does not start: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`{}` failed in {} ({status})", shown.trim_end(), dir.display()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::guests;
    use super::*;

    #[test]
    fn a_project_is_known_by_its_files() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = Project::find(dir.path()).expect_err("nothing").to_string();
        assert!(error.contains("has no Cargo.toml, package.json, build.py or Makefile"), "{error}");
        std::fs::write(dir.path().join("Makefile"), "").expect("a file");
        assert_eq!(Project::find(dir.path()).expect("make"), Project::Make);
        std::fs::write(dir.path().join("build.py"), "").expect("a file");
        assert_eq!(Project::find(dir.path()).expect("python"), Project::Python);
        std::fs::write(dir.path().join("package.json"), "{}").expect("a file");
        assert_eq!(Project::find(dir.path()).expect("npm"), Project::Npm { install: true });
        std::fs::write(dir.path().join("Cargo.toml"), "[package]\nname = \"a-b\"\n").expect("a file");
        let cargo = Project::Cargo { library: "a_b".to_owned(), name: "a-b".to_owned() };
        assert_eq!(Project::find(dir.path()).expect("cargo"), cargo);
    }

    #[tokio::test]
    async fn what_a_build_leaves_is_found_and_checked() {
        let dir = tempfile::tempdir().expect("a directory");
        let bench = BenchArgs { cache: Some(dir.path().join("cache")), ..BenchArgs::default() };
        let script = "import os, shutil\nos.makedirs('build', exist_ok=True)\nshutil.copy('made', 'build/mood.wasm')\n";
        std::fs::write(dir.path().join("build.py"), script).expect("a file");
        let args = || BuildArgs { dir: dir.path().to_owned(), bench: bench.clone() };
        let failed = run(args()).await.expect_err("nothing to copy").to_string();
        assert!(failed.contains("`python3 build.py` failed in"), "{failed}");
        let guest = guests::validator(&guests::Validator::default());
        std::fs::write(dir.path().join("made"), guest).expect("a file");
        run(args()).await.expect("a good component");
        assert!(needs("no-such-tool", "it").expect_err("missing").to_string().contains("install it"));
    }
}
