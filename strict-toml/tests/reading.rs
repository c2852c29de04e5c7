//! Texts in, rendered diagnostics out: one test for each kind of mistake, with its full text.
//!
//! All of them read one small type, [`sample::Config`], that uses every feature of a schema.

#[path = "reading/enums.rs"]
mod enums;
#[path = "reading/every_key.rs"]
mod every_key;
#[path = "reading/hostile.rs"]
mod hostile;
#[path = "reading/look.rs"]
mod look;
#[path = "reading/recover.rs"]
mod recover;
#[path = "reading/sample.rs"]
mod sample;
#[path = "reading/syntax.rs"]
mod syntax;
#[path = "reading/tables.rs"]
mod tables;
#[path = "reading/values.rs"]
mod values;
