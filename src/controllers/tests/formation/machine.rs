//! The machines: what is on their disks, and what runs.

use crate::ssh::deploy::{
    Deployment,
    installation::{Installation, Outcome, may_have_formed, unfit},
    report::{DataDirectory, Report},
};

/// What a node has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Of which Cluster the settings were that it was started with.
    pub cluster: usize,
    /// The cluster that it is in; nothing while it waits for one.
    pub uuid: Option<usize>,
}

/// What is about to be started.
#[derive(Clone, Debug)]
struct Job {
    deployment: Deployment,
    cluster: usize,
}

/// A machine.
pub struct Machine {
    pub report: Report,
    pub data: Option<Data>,
    /// Of which Cluster the settings are that it runs with.
    pub runs: Option<usize>,
    /// Whether data was taken from it.
    pub wiped: bool,
    /// Why it refused what was to come, last.
    pub refusal: Option<String>,
    job: Option<Job>,
}

impl Machine {
    pub fn bare() -> Self {
        let report = Report::bare();
        Self { report, data: None, runs: None, wiped: false, refusal: None, job: None }
    }

    /// Goes on with an installation as the prober does.
    pub fn carry_on(&mut self, installation: &Installation, cluster: usize) {
        let deployment = &installation.deployment;
        self.refusal = None;
        if deployment.is_running(&self.report) || self.job.is_some() {
            return;
        }
        if let Some(why) = unfit(&self.report, installation.cluster_uuid.as_deref()) {
            self.refusal = Some(why);
        } else if !deployment.is_staged(&self.report) {
            self.report.stage(deployment);
        } else if let Some(why) = may_have_formed(deployment, &self.report) {
            self.refusal = Some(why);
        } else {
            self.job = Some(Job { deployment: deployment.clone(), cluster });
        }
    }

    /// What came of it, for who asks.
    pub fn outcome(&self, installation: &Installation) -> Outcome {
        if installation.deployment.is_running(&self.report) {
            return Outcome::Done(Box::new(self.report.clone()));
        }
        match &self.refusal {
            Some(why) => Outcome::Refused(why.as_str().into()),
            None => Outcome::Starting,
        }
    }

    /// What is about to start does. Tells of which Cluster, and whether it would form one.
    pub fn start(&mut self) -> Option<(usize, bool)> {
        let Job { deployment, cluster } = self.job.take()?;
        if self.runs.is_some() || !deployment.is_staged(&self.report) {
            return None;
        }
        self.report.swap(&deployment, "run");
        self.runs = Some(cluster);
        let forms = self.data.is_none() && deployment.forms();
        self.data.get_or_insert(Data { cluster, uuid: None });
        Some((cluster, forms))
    }

    pub fn stop(&mut self) {
        self.report.stop("failed");
        self.runs = None;
    }

    /// What is in the data directory is gone.
    pub fn wipe(&mut self) {
        self.stop();
        self.wiped |= self.data.take().is_some();
        self.report.data = DataDirectory::Empty;
    }
}
