//! What Drover tells about itself: logs, metrics, and whether it is well.

pub mod logs;
pub mod metrics;
pub mod objects;
pub mod server;
