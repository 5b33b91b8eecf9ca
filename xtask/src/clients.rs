//! Installs the public packages with which stories talk to the server as its users' programs do: `tests/clients` pins them,
//! `target/clients` has them. The stories say what is done with them.

use crate::run::{Failure, root};
use crate::tools::{Tools, files, write_files};

type Install = fn(&Tools) -> Result<(), Failure>;

const CLIENTS: [(&str, Install); 2] = [("python", Tools::pip_install), ("javascript", Tools::npm_install)];

/// Installs what is not there yet.
pub fn install() -> Result<(), Failure> {
    for (language, install) in CLIENTS {
        let folder = root().join("target/clients").join(language);
        write_files(&folder, &files(&root().join("tests/clients").join(language))?)?;
        install(&Tools { folder, user: format!("the clients of the tests in {language}") })?;
    }
    Ok(())
}
