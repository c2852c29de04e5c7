//! The JSON Schema of a type, and a view of it that speaks of TOML.
//!
//! [`schema`] makes it (draft 2020-12, properties in declared order). [`Node`] reads one place of
//! it with references and `Option` already resolved, which is all the checker and the reference
//! need to know. Only what schemars emits for serde types is understood; see [`unchecked`].

mod node;
mod unchecked;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

pub(crate) use node::{Choice, Node, Others, Shape};
pub use unchecked::unchecked;

/// The JSON Schema (draft 2020-12) of what `T` reads, its properties in declared order.
#[must_use]
pub fn schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
