//! Builds the example plugins that are not written in Rust. Their tools are installed below `target/examples` and nowhere
//! else; what the tools do is told in each language's README. A plugin whose inputs did not change is not built again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::run::{Failure, cargo_command, output, root};

const FOLDER: &str = "plugins/examples";
/// The crate of the same release as the SDK's wit-bindgen; the C compiler is pinned in `c/requirements.txt`.
const WIT_BINDGEN: &str = "0.61.0";
/// Other recipes make other plugins.
const RECIPES: &str = include_str!("examples.rs");

struct Language {
    folder: &'static str,
    prefix: &'static str,
    install: fn(&Language) -> Result<(), Failure>,
    compile: fn(&Language, &Example) -> Result<(), Failure>,
}

/// `name` is the source's stem as well; the compilers leave `build/<prefix>-<name>.wasm`.
struct Example {
    name: &'static str,
    world: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language { folder: "typescript", prefix: "ts", install: npm_install, compile: compile_typescript },
    Language { folder: "python", prefix: "python", install: pip_install, compile: compile_python },
    Language { folder: "c", prefix: "c", install: install_c, compile: compile_c },
];

const EXAMPLES: [Example; 2] = [
    Example { name: "validator", world: "validator" },
    Example { name: "projection", world: "projection-with-queries" },
];

/// Builds what changed and puts it into `plugins/examples/dist`.
pub fn build() -> Result<(), Failure> {
    LANGUAGES.iter().try_for_each(Language::build)
}

impl Language {
    fn build(&self) -> Result<(), Failure> {
        let sources = Sources::read(self)?;
        let stale: Vec<_> = EXAMPLES.iter().filter(|example| !self.is_fresh(example, &sources)).collect();
        if !stale.is_empty() {
            sources.copy_to(&self.work())?;
            (self.install)(self)?;
        }
        for example in stale {
            (self.compile)(self, example)?;
            self.place(example).map_err(|error| failed(&self.placed(example), &error))?;
            mark(&self.stamp(example.name), &sources.fingerprint(example))?;
        }
        EXAMPLES.iter().for_each(|example| self.show(example));
        Ok(())
    }

    fn is_fresh(&self, example: &Example, sources: &Sources) -> bool {
        self.placed(example).is_file() && is_marked(&self.stamp(example.name), &sources.fingerprint(example))
    }

    /// Written beside and renamed, because a server or a test may be reading the folder.
    fn place(&self, example: &Example) -> io::Result<()> {
        let placed = self.placed(example);
        let beside = placed.with_extension("wasm.part");
        fs::create_dir_all(root().join(FOLDER).join("dist"))?;
        fs::copy(self.work().join(self.built(example)), &beside)?;
        fs::rename(&beside, &placed)
    }

    fn show(&self, example: &Example) {
        let bytes = fs::metadata(self.placed(example)).map_or(0, |file| file.len());
        eprintln!("  {FOLDER}/dist/{}-{}.wasm {} KB", self.prefix, example.name, bytes / 1024);
    }

    fn built(&self, example: &Example) -> String {
        format!("build/{}-{}.wasm", self.prefix, example.name)
    }

    fn placed(&self, example: &Example) -> PathBuf {
        root().join(FOLDER).join("dist").join(format!("{}-{}.wasm", self.prefix, example.name))
    }

    /// Where it is built: a copy of the sources, with the tools beside them.
    fn work(&self) -> PathBuf {
        workshop().join(self.folder)
    }

    fn stamp(&self, of: &str) -> PathBuf {
        self.work().join(format!("{of}.stamp"))
    }

    /// Runs a tool of this language in its folder.
    fn run(&self, mut command: Command, shown: &str) -> Result<(), Failure> {
        eprintln!("+ {shown}");
        match command.current_dir(self.work()).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!("`{shown}` failed ({status}) in {}", self.work().display()))),
            Err(error) => Err(Failure::new(format!("`{shown}` did not start: {error}"))),
        }
    }

    /// Installs only what is not there yet: `pins` is what decides it.
    fn once(&self, what: &str, pins: &str, install: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let stamp = self.stamp(what);
        if is_marked(&stamp, pins) {
            return Ok(());
        }
        install().and_then(|()| mark(&stamp, pins))
    }
}

// TypeScript: the compiler and componentize-qjs, from npm.

fn npm_install(language: &Language) -> Result<(), Failure> {
    for program in ["node", "npm"] {
        needs(program, "TypeScript", "nodejs npm")?;
    }
    language.once("npm", &read(&language.work().join("package-lock.json"))?, || {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        language.run(npm, "npm ci")
    })
}

fn compile_typescript(language: &Language, example: &Example) -> Result<(), Failure> {
    for script in ["compile", example.name] {
        let mut npm = Command::new("npm");
        npm.args(["run", "--silent", script]).env("WEIR_WIT", "../wit");
        language.run(npm, &format!("npm run {script}"))?;
    }
    Ok(())
}

// Python: componentize-py, from PyPI.

fn pip_install(language: &Language) -> Result<(), Failure> {
    needs("python3", language.folder, "python3 python3-venv")?;
    language.once("pip", &read(&language.work().join("requirements.txt"))?, || {
        let _ = fs::remove_dir_all(language.work().join("lib"));
        let mut pip = Command::new(pip_python(language)?);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", "lib"]);
        // A person's own `user = true` does not go with a target.
        pip.args(["--requirement", "requirements.txt"]).env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
        language.run(pip, "pip install --target lib --requirement requirements.txt")
    })
}

/// A Python that has pip: the machine's own, else that of a virtual environment.
fn pip_python(language: &Language) -> Result<PathBuf, Failure> {
    if output("python3", &["-m", "pip", "--version"]).is_some() {
        return Ok("python3".into());
    }
    if output("python3", &["-c", "import ensurepip, venv"]).is_none() {
        return Err(Failure::new(format!(
            "python3 has neither pip nor venv, with which the tools for {} are installed; on Debian: apt install python3-venv",
            language.folder
        )));
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "venv"]);
    language.run(venv, "python3 -m venv venv")?;
    Ok(language.work().join("venv/bin/python"))
}

/// Python with what `pip_install` installed.
fn python(language: &Language) -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", language.work().join("lib"));
    python
}

fn compile_python(language: &Language, example: &Example) -> Result<(), Failure> {
    make_folder(&language.work().join("build"))?;
    let mut componentize = python(language);
    componentize.args(["lib/bin/componentize-py", "--quiet", "--wit-path", "../wit", "--world", example.world]);
    componentize.args(["componentize", example.name, "--output", &language.built(example)]);
    language.run(componentize, &format!("componentize-py --world {} componentize {}", example.world, example.name))
}

// C: wit-bindgen, built from its crate, and Zig's C compiler, from PyPI.

fn install_c(language: &Language) -> Result<(), Failure> {
    pip_install(language)?;
    language.once("wit-bindgen", WIT_BINDGEN, || {
        let mut cargo = cargo_command();
        // Unoptimised, as it runs for a moment and is half the time to build.
        cargo.args(["install", "wit-bindgen-cli", "--version", WIT_BINDGEN, "--locked", "--debug"]);
        cargo.args(["--no-default-features", "--features", "c", "--root", "tools", "--quiet"]);
        language.run(cargo, &format!("cargo install wit-bindgen-cli --version {WIT_BINDGEN} (about a minute, once)"))
    })
}

fn compile_c(language: &Language, example: &Example) -> Result<(), Failure> {
    let name = example.name;
    let bindings = format!("build/{name}");
    let mut bindgen = Command::new(language.work().join("tools/bin/wit-bindgen"));
    bindgen.args(["c", "../wit", "--world", example.world, "--rename-world", "plugin", "--out-dir", &bindings]);
    language.run(bindgen, &format!("wit-bindgen c --world {}", example.world))?;

    let mut zig = python(language);
    zig.args(["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"]);
    zig.args(["-Os", "-s", "-Wall", "-Wextra"]);
    zig.args(["-I", ".", "-I", &bindings, &format!("{name}.c"), "json.c"]);
    zig.args([format!("{bindings}/plugin.c"), format!("{bindings}/plugin_component_type.o")]);
    zig.args(["-o", &language.built(example)]);
    zig.env("ZIG_GLOBAL_CACHE_DIR", "zig-cache").env("ZIG_LOCAL_CACHE_DIR", "zig-cache");
    language.run(zig, &format!("zig cc -target wasm32-wasi {name}.c"))
}

/// The files of a language and the contract's.
struct Sources {
    own: Vec<(String, Vec<u8>)>,
    wit: Vec<(String, Vec<u8>)>,
}

impl Sources {
    fn read(language: &Language) -> Result<Self, Failure> {
        let own = root().join(FOLDER).join(language.folder);
        Ok(Self { own: files(&own)?, wit: files(&root().join("wit"))? })
    }

    /// Everything that this example is made from, which is not the other one's source.
    fn fingerprint(&self, example: &Example) -> String {
        let is_of = |name: &str, example: &Example| name.split('.').next() == Some(example.name);
        let of_another = |name: &str| EXAMPLES.iter().any(|other| other.name != example.name && is_of(name, other));
        let own: Vec<_> = self.own.iter().filter(|(name, _)| !of_another(name)).collect();
        let mut hasher = DefaultHasher::new();
        (RECIPES, own, &self.wit).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// The contract is copied anew, as a file that is gone from it would still count.
    fn copy_to(&self, work: &Path) -> Result<(), Failure> {
        let wit = workshop().join("wit");
        let _ = fs::remove_dir_all(&wit);
        for (folder, files) in [(work, &self.own), (&wit, &self.wit)] {
            make_folder(folder)?;
            for (name, bytes) in files {
                let to = folder.join(name);
                fs::write(&to, bytes).map_err(|error| failed(&to, &error))?;
            }
        }
        Ok(())
    }
}

/// The files directly in a folder, by name, without what is only for reading.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let read = || -> io::Result<_> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_file() && name != "README.md" {
                files.push((name, fs::read(entry.path())?));
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|error| failed(folder, &error))
}

fn workshop() -> PathBuf {
    root().join("target/examples")
}

/// Says what is missing, and what it is called on Debian.
fn needs(program: &str, language: &str, packages: &str) -> Result<(), Failure> {
    if output(program, &["--version"]).is_some() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the examples in {language} need {program}, which is not installed; on Debian: apt install {packages}"
    )))
}

fn is_marked(stamp: &Path, text: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|old| old == text)
}

fn mark(stamp: &Path, text: &str) -> Result<(), Failure> {
    fs::write(stamp, text).map_err(|error| failed(stamp, &error))
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| failed(file, &error))
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))
}

fn failed(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", file.display()))
}
