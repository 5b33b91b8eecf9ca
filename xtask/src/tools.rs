//! Packages from npm and PyPI, installed below `target` in a folder of their own and nowhere else. What a folder's lock file
//! pins is installed once. What is built or tested with them is told by who calls this.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::run::{Failure, output};

/// A folder with a lock file, and the packages beside it. `user` is who needs them, for the person at the keyboard.
pub struct Tools {
    pub folder: PathBuf,
    pub user: String,
}

impl Tools {
    /// Runs a program in the folder.
    pub fn run(&self, mut command: Command, shown: &str) -> Result<(), Failure> {
        eprintln!("+ {shown}");
        match command.current_dir(&self.folder).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(format!("`{shown}` failed ({status}) in {}", self.folder.display()))),
            Err(error) => Err(Failure::new(format!("`{shown}` did not start: {error}"))),
        }
    }

    pub fn stamp(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.stamp"))
    }

    /// Installs only what is not there yet: `pins` is what decides it.
    pub fn once(&self, what: &str, pins: &str, install: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let stamp = self.stamp(what);
        if is_marked(&stamp, pins) {
            return Ok(());
        }
        install().and_then(|()| mark(&stamp, pins))
    }

    /// What `package-lock.json` pins.
    pub fn npm_install(&self) -> Result<(), Failure> {
        for program in ["node", "npm"] {
            self.needs(program, "nodejs npm")?;
        }
        self.once("npm", &read(&self.folder.join("package-lock.json"))?, || {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
            self.run(npm, "npm ci")
        })
    }

    /// What `requirements.txt` pins, into `lib`.
    pub fn pip_install(&self) -> Result<(), Failure> {
        self.needs("python3", "python3 python3-venv")?;
        self.once("pip", &read(&self.folder.join("requirements.txt"))?, || {
            let _ = fs::remove_dir_all(self.folder.join("lib"));
            let mut pip = Command::new(self.pip_python()?);
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", "lib"]);
            // What the machine has beside it is not its business.
            pip.arg("--no-warn-conflicts");
            // A person's own `user = true` does not go with a target.
            pip.args(["--requirement", "requirements.txt"]).env("PIP_USER", "0").env("PIP_ROOT_USER_ACTION", "ignore");
            self.run(pip, "pip install --target lib --requirement requirements.txt")
        })
    }

    /// A Python that has pip: the machine's own, else that of a virtual environment.
    fn pip_python(&self) -> Result<PathBuf, Failure> {
        if output("python3", &["-m", "pip", "--version"]).is_some() {
            return Ok("python3".into());
        }
        if output("python3", &["-c", "import ensurepip, venv"]).is_none() {
            return Err(Failure::new(format!(
                "python3 has neither pip nor venv, with which what {} need is installed; on Debian: apt install python3-venv",
                self.user
            )));
        }
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "venv"]);
        self.run(venv, "python3 -m venv venv")?;
        Ok(self.folder.join("venv/bin/python"))
    }

    /// Python with what `pip_install` installed.
    pub fn python(&self) -> Command {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", self.folder.join("lib"));
        python
    }

    /// Says what is missing, and what it is called on Debian.
    fn needs(&self, program: &str, packages: &str) -> Result<(), Failure> {
        if output(program, &["--version"]).is_some() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} need {program}, which is not installed; on Debian: apt install {packages}",
            self.user
        )))
    }
}

pub fn is_marked(stamp: &Path, text: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|old| old == text)
}

pub fn mark(stamp: &Path, text: &str) -> Result<(), Failure> {
    fs::write(stamp, text).map_err(|error| failed(stamp, &error))
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| failed(file, &error))
}

/// The files directly in a folder, by name, without what is only for reading.
pub fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
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

/// Makes the folder, and writes these files into it.
pub fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    make_folder(folder)?;
    for (name, bytes) in files {
        let to = folder.join(name);
        fs::write(&to, bytes).map_err(|error| failed(&to, &error))?;
    }
    Ok(())
}

pub fn make_folder(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))
}

pub fn failed(file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", file.display()))
}
