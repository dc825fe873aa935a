//! What Drover costs.
fn main() {}
