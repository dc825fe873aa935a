//! What the features share: one API server with the definitions, one Elasticsearch of each version.

use crate::common::control_plane::ControlPlane;

/// The API server of this run, with Drover's definitions in it.
pub async fn control_plane() -> &'static ControlPlane {
    static DEFINITIONS: std::sync::Once = std::sync::Once::new();
    crate::common::init();
    let control_plane = ControlPlane::shared().await;
    DEFINITIONS.call_once(|| {
        let definitions: Vec<String> = drover::api::all_crds()
            .iter()
            .map(|it| serde_json::to_string(it).expect("a definition is plain data"))
            .collect();
        control_plane.install_crds(&definitions.join("\n"));
    });
    control_plane
}
