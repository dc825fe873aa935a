//! What several controllers come to together.

mod formation;
