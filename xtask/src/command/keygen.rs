//! `cargo xtask keygen`.

use crate::cli::Keygen;
use crate::config::model::Secret;
use crate::error::Error;
use crate::exec::keys::{self, Process};
use crate::report;
use std::path::Path;

pub(super) fn run(arguments: &Keygen) -> Result<(), Error> {
    let mut public_key = arguments.file.clone().into_os_string();
    public_key.push(".pub");
    let request = keys::Keygen {
        secret_key: arguments.file.clone(),
        public_key: public_key.into(),
        password: arguments.password_environment.clone().map(Secret::Environment),
    };
    let made = keys::keygen(&request, Path::new("."), &Process)?;
    eprintln!(
        "key {} in {} and {}",
        made.id,
        request.secret_key.display(),
        request.public_key.display()
    );
    report::data(&made.public_key);
    Ok(())
}
