//! What a host tells, in tests: changed as the scripts change a host.

use super::{
    Deployment, File, files::waiting_place, layout, report::Report, report::Tree, waiting_revision,
};
use crate::ssh::steps::{File as Seen, HEADER};

impl Report {
    /// A host on which nothing of Elasticsearch is.
    #[must_use]
    pub fn bare() -> Self {
        Self::read("data=missing\nunit.LoadState=not-found\nunit.ActiveState=inactive\n")
    }

    /// The file is there.
    pub fn put(&mut self, path: &str, file: &File) {
        let (state, sum) = (file.state().into(), file.sum().into());
        self.files.insert(path.into(), Seen { state, first: HEADER.into(), sum });
    }

    /// The version is unpacked, and the files of its start wait.
    pub fn stage(&mut self, deployment: &Deployment) {
        let build = format!("Version: {}, Build: tar/0/2025-01-01T00:00:00Z", deployment.version);
        let tree = || Tree { build: build.into(), ..Tree::default() };
        self.trees.entry(deployment.version.clone()).or_insert_with(tree);
        for file in deployment.at_start.iter().chain([&waiting_revision(&deployment.revision)]) {
            self.put(&waiting_place(file.path), file);
        }
        self.next = Some(deployment.revision.clone());
    }

    /// What waits is in place and runs, as this run of the unit.
    pub fn swap(&mut self, deployment: &Deployment, invocation: &str) {
        for file in &deployment.at_start {
            self.put(file.path, file);
        }
        self.next = None;
        self.revision = Some(deployment.revision.clone());
        self.current = Some(deployment.version.clone());
        self.data = super::report::DataDirectory::Used;
        for (property, value) in [
            ("LoadState", "loaded"),
            ("ActiveState", "active"),
            ("UnitFileState", "enabled"),
            ("InvocationID", invocation),
        ] {
            self.unit.insert(property.into(), value.into());
        }
        let running = self.running.get_or_insert_default();
        running.take(layout::VERSION, &deployment.version);
        running.take(layout::REVISION, &deployment.revision);
    }

    /// The unit came up at this second after the boot, and now it is that.
    pub fn came_up_at(&mut self, second: u64, now: u64) {
        self.uptime = Some(now);
        let since = (second * 1_000_000).to_string();
        self.unit.insert("ActiveEnterTimestampMonotonic".into(), since.into());
    }

    /// The unit ends.
    pub fn stop(&mut self, word: &str) {
        self.unit.insert("ActiveState".into(), word.into());
        self.running = None;
    }
}
