//! Elasticsearch on a host, as Drover runs it.

pub mod layout;

mod files;

pub use files::File;
