//! Installs the public packages with which stories talk to the server as its users' programs do: `tests/clients` pins them,
//! `target/clients` has them. The stories say what is done with them.

use crate::run::{Failure, root};
use crate::tools::{Tools, files, write_files};

type Install = fn(&Tools) -> Result<(), Failure>;

const CLIENTS: [(&str, Install); 3] =
    [("python", Tools::pip_install), ("javascript", Tools::npm_install), ("openapi", Tools::pip_install)];

/// Installs what is not there yet.
pub fn install() -> Result<(), Failure> {
    for (folder, install) in CLIENTS {
        let user = format!("the clients of the tests in tests/clients/{folder}");
        let own = root().join("tests/clients").join(folder);
        let folder = root().join("target/clients").join(folder);
        write_files(&folder, &files(&own)?)?;
        install(&Tools { folder, user })?;
    }
    Ok(())
}
