//! What the service tells about itself: log lines and metrics. Whoever has something to tell is
//! given the means as a value; nothing here is global.

pub mod event_log;
pub mod exposition;
pub mod logs;
pub mod metrics;
pub mod process;
mod queue;
