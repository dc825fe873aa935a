//! All that Drover knows of Elasticsearch.

pub mod values;
