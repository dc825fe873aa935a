//! The decisions about an Index, tried on an Elasticsearch that is a model.

mod fixtures;
mod model;
mod scene;

mod adoption;
mod aliases;
mod drift;
mod failures;
mod farewell;
mod gate;
mod in_place;
mod ledger;
mod lists;
mod mappings;
mod marks;
mod plan_mode;
mod properties;
mod stands;
