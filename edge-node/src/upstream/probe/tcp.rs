//! The probe that is a connection, TLS included, and nothing more.

use super::Target;
use super::connection::{Fault, connect};

/// Connects.
pub async fn ask(target: &Target) -> Result<(), Fault> {
    connect(target, target.pool.settings().protocol).await.map(drop)
}
