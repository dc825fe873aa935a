//! What is seen to about Elasticsearch on a host each time that the host is looked at: files that need
//! no restart, its node's certificate, the note which cluster the host is in, and versions that nobody
//! needs any more. Nothing here stops or starts it, but for its removal.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::{
    Deployment, File, Removal, layout, note_cluster, remove,
    report::{DataDirectory, Report, Standing},
};
use crate::{
    authority::{
        Authority, Unfit,
        trust::{Peers, retained},
    },
    ssh::{
        error::{Category, Error},
        session::Session,
        steps::{Drift, Prepared},
    },
};

/// A certificate that has no more time than this is replaced whoever trusts the new one.
const LAST: SignedDuration = SignedDuration::from_hours(48);

/// How Elasticsearch shall be on a host, as far as that takes no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aim {
    /// It is only looked at: by this, since another may run there.
    Seen(Box<Deployment>),
    /// It is kept as it shall be.
    Kept(Box<Care>),
    /// Nothing of Drover's is there.
    Gone(Removal),
}

/// What is kept so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Care {
    /// What shall run there, but for the certificate of its node.
    pub deployment: Deployment,
    /// Who signs that.
    pub authority: Arc<Authority>,
    /// What the other nodes have of authorities and certificates.
    pub peers: Peers,
    /// The host's name.
    pub name: Box<str>,
    /// What the certificate has to be good for.
    pub names: Vec<Box<str>>,
    /// The cluster that the host is a member of; absent while none is formed.
    pub cluster_uuid: Option<Box<str>>,
    /// Whether files are written where nothing of Drover's is yet.
    pub is_begun: bool,
    /// Whether versions that neither run nor shall are removed, and what a run has kept of what ran before
    /// it: no run is under way that may need them.
    pub prunes: bool,
    /// Whether files that differ are told and not written; the certificate is renewed all the same,
    /// and the file of the password follows that.
    pub is_left_alone: bool,
}

impl Aim {
    /// Tells what differs, and changes nothing; as root, by sudo where `sudo` is true.
    ///
    /// # Errors
    /// Why the host could not be looked at.
    pub(in crate::ssh) async fn compare(
        &self,
        session: &Session,
        sudo: bool,
    ) -> Result<(Prepared, Option<Standing>), Error> {
        let care = match self {
            Self::Kept(care) => care,
            Self::Seen(deployment) => return seen(deployment, session, sudo).await,
            Self::Gone(_) => return Ok((Prepared::default(), None)),
        };
        let report = care.deployment.inspect(session, sudo).await?;
        let left = care.differences(&report, Timestamp::now());
        let prepared = Prepared { before: left.clone(), left, ..Prepared::default() };
        Ok((prepared, Some(Standing::there(report))))
    }

    /// Makes it so. Safe to repeat.
    ///
    /// # Errors
    /// Why the host could not be asked, or not be told on the way. That one thing could not be
    /// changed is no error here.
    pub(in crate::ssh) async fn apply(
        &self,
        session: &Session,
        sudo: bool,
    ) -> Result<(Prepared, Option<Standing>), Error> {
        match self {
            Self::Seen(deployment) => seen(deployment, session, sudo).await,
            Self::Kept(care) => {
                let (prepared, report) = care.apply(session, sudo).await?;
                Ok((prepared, Some(Standing::there(report))))
            }
            Self::Gone(removal) => match remove(session, sudo, removal).await {
                Ok(()) => Ok((Prepared::default(), Some(Standing::Gone))),
                Err(error) if error.category() == Category::Failed => {
                    let failures = vec![error];
                    Ok((Prepared { failures, ..Prepared::default() }, None))
                }
                Err(error) => Err(error),
            },
        }
    }
}

async fn seen(
    deployment: &Deployment,
    session: &Session,
    sudo: bool,
) -> Result<(Prepared, Option<Standing>), Error> {
    let report = deployment.inspect(session, sudo).await?;
    Ok((Prepared::default(), Some(Standing::there(report))))
}

impl Care {
    async fn apply(&self, session: &Session, sudo: bool) -> Result<(Prepared, Report), Error> {
        let now = Timestamp::now();
        let report = self.deployment.inspect(session, sudo).await?;
        if !self.may_write(&report) {
            let mut prepared = Prepared::default();
            if let Some(uuid) = self.cluster_uuid.as_deref().filter(|_| self.is_of_another(&report))
            {
                // The host itself refuses it, in its own words.
                keep(&mut prepared, note_cluster(session, sudo, uuid).await)?;
            }
            return Ok((prepared, report));
        }
        let mut told =
            if self.is_left_alone { self.trusting(&report).drift(&report) } else { vec![] };
        let (deployment, refusal) = match self.wanted(&report, now) {
            Ok(deployment) => (deployment, None),
            Err(error) => (self.kept(&report), Some(error)),
        };
        told.retain(|it| !deployment.live.iter().any(|file| *file.path == *it.path));
        let (mut prepared, mut report) = deployment.settle_seen(session, sudo, report).await?;
        prepared.failures.extend(refusal);
        prepared.before.extend(told.iter().cloned());
        prepared.left.append(&mut told);
        let mut changed = false;
        if let Some(uuid) = self.note(&report) {
            changed |= keep(&mut prepared, note_cluster(session, sudo, uuid).await)?;
        }
        if self.is_to_prune(&report) {
            let kept = self.needed(&report);
            changed |= keep(&mut prepared, self.deployment.prune(session, sudo, &kept).await)?;
        }
        if changed {
            report = self.deployment.inspect(session, sudo).await?;
        }
        Ok((prepared, report))
    }

    /// Whether anything may be written: an installation was begun, now or before, and the host is
    /// no member of another cluster.
    fn may_write(&self, report: &Report) -> bool {
        (self.is_begun || report.is_there()) && !self.is_of_another(report)
    }

    /// Whether the host was noted to be a member of another cluster than this, or of one while
    /// nobody knows which this is.
    fn is_of_another(&self, report: &Report) -> bool {
        report.cluster_uuid.is_some() && report.cluster_uuid != self.cluster_uuid
    }

    /// What is to be so on the host now, with another certificate where its node needs one.
    fn wanted(&self, report: &Report, now: Timestamp) -> Result<Deployment, Error> {
        let deployment = self.kept(report);
        if self.unfit(report, now).is_none() {
            return Ok(deployment);
        }
        let issued = self.authority.issue(&self.name, &self.names, now);
        Ok(deployment.with_certificate(&issued.map_err(|problem| Error::Unsigned { problem })?))
    }

    /// What is written where it differs, but for the certificate.
    fn kept(&self, report: &Report) -> Deployment {
        let mut deployment = self.trusting(report);
        if self.is_left_alone {
            deployment.at_start.clear();
            // Nobody has noted what it was made from: it can't be told from one that somebody changed.
            deployment.live.retain(|it| it.path == layout::USERS);
        }
        deployment
    }

    /// The same where whoever has signed the certificate of any node stays trusted.
    fn trusting(&self, report: &Report) -> Deployment {
        let mut deployment = self.deployment.clone();
        for file in deployment.live.iter_mut().filter(|it| it.path == layout::AUTHORITIES) {
            let wanted = file.content.expose_secret();
            let signers = self.peers.signers.as_ref();
            let kept = retained(wanted, report.authorities.as_bytes(), signers);
            if !kept.is_empty() {
                let both = [wanted, kept.as_bytes()].concat();
                *file = File::readable(layout::AUTHORITIES, both);
            }
        }
        deployment
    }

    /// Whether an authority stays trusted on the host that is not to be any more, as long as a node needs
    /// that.
    #[must_use]
    pub fn retains(&self, report: &Report) -> bool {
        self.trusting(report) != self.deployment
    }

    /// Why the node needs another certificate, and may have it.
    fn unfit(&self, report: &Report, now: Timestamp) -> Option<Unfit> {
        if !report.has_key() {
            return Some(Unfit::Unreadable);
        }
        let found = self.authority.check(report.certificate.as_bytes(), &self.names, now);
        let unfit = found.err().or_else(|| (!report.has_pair()).then_some(Unfit::Key));
        // What else it lacks is put right whoever signs.
        unfit.filter(|it| *it != Unfit::NotSigned || !self.is_held(report, now))
    }

    /// Whether the node keeps the certificate of the authority before: all trust that, and not all trust the
    /// one that signs now. Not to its very end: a certificate that is over cuts its node off from all.
    fn is_held(&self, report: &Report, now: Timestamp) -> bool {
        let (shown, trusted) = (report.certificate.as_bytes(), report.authorities.as_bytes());
        let is_good = |then: Timestamp| self.authority.is_preceded(shown, trusted, then);
        // That it is good at its end alone would be one whose time has not begun.
        !self.peers.trust_it && report.has_pair() && is_good(now) && is_good(now + LAST)
    }

    fn differences(&self, report: &Report, now: Timestamp) -> Vec<Drift> {
        if !self.may_write(report) {
            return Vec::new();
        }
        let mut drift = self.trusting(report).drift(report);
        if let Some(unfit) = self.unfit(report, now) {
            let desired = "good for its node".into();
            let live = unfit.to_string().into();
            drift.push(Drift { path: layout::CERTIFICATE.into(), desired, live });
        }
        drift
    }

    /// Which cluster is to be noted on the host: none before Elasticsearch runs there as a part of it
    /// and has data, and none twice.
    fn note(&self, report: &Report) -> Option<&str> {
        let uuid = self.cluster_uuid.as_deref()?;
        let is_noted = report.cluster_uuid.as_deref() == Some(uuid);
        let is_member = report.is_active() && report.revision.is_some();
        (is_member && report.data == DataDirectory::Used && !is_noted).then_some(uuid)
    }

    fn is_to_prune(&self, report: &Report) -> bool {
        let is_needed =
            |it: &str| it == &*self.deployment.version || report.current.as_deref() == Some(it);
        let has_more =
            self.deployment.is_running(report) && report.trees.keys().any(|it| !is_needed(it));
        self.prunes && (has_more || report.keeps_before)
    }

    /// The versions that stay whatever else goes: all, as long as what shall run does not.
    fn needed(&self, report: &Report) -> Vec<Box<str>> {
        let is_settled = self.deployment.is_running(report);
        report.trees.keys().filter(|_| !is_settled).cloned().collect()
    }
}

/// Whether it was done. What only failed there is kept beside all else.
fn keep(prepared: &mut Prepared, result: Result<(), Error>) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.category() == Category::Failed => {
            prepared.failures.push(error);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
