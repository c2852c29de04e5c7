//! `cargo xtask schema`.

use crate::cli::{Schema, SchemaOf};
use crate::error::Error;
use crate::{config, manifest, report};

pub(super) fn run(arguments: &Schema) -> Result<(), Error> {
    report::json(&match arguments.of {
        SchemaOf::Declaration => config::schema(),
        SchemaOf::Manifest => manifest::schema(),
    });
    Ok(())
}
