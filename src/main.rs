//! drover
fn main() {
    for crd in drover::api::all_crds() {
        print!("---\n{}", serde_yaml_ng::to_string(&crd).unwrap_or_default());
    }
}
