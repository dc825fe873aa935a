//! Upgrades of the packages of a host, or of its image, and another image that takes its place: fetched
//! while all runs, and then installed. The host boots where what was installed takes that, and else nothing
//! is restarted.

use std::time::Duration;

use super::{Deed, Outcome, Verdict, Work, image, is_steady, swap};
use crate::ssh::{
    command::Command,
    deploy::job::{Beginning, Job},
    error::Error,
    facts::Identity,
    families::{Action, Family, Name},
    service::{Look, State, Unit},
    session::Session,
};

pub(super) const PACKAGES: &str =
    concat!(include_str!("blot.sh"), include_str!("staged.sh"), include_str!("packages.sh"));
/// Where what outlives a boot is kept.
pub(super) const STATE: &str = "/var/lib/drover";
/// What tells which run has last brought an upgrade to its end, whatever was booted since.
const UPGRADED: &str = "/var/lib/drover/upgraded";
/// In a command, what stands for a package that is held.
const HELD: &str = "HELD";
/// For simulating and fetching.
const FETCHING: Duration = Duration::from_hours(2);
/// For installing.
const UPGRADING: Duration = Duration::from_hours(4);
/// What a host says that has upgraded its packages, and would have to boot later than it may.
pub(super) const DUE: &str =
    "the packages are upgraded, and the machine has to boot: that takes a permit of its own";
/// The same of one that has deployed an image.
const IMAGE_DUE: &str =
    "the image is deployed, and the machine has to boot: that takes a permit of its own";
/// What a host says that was told to boot and runs on: it may boot yet.
pub(super) const UNBOOTED: &str = "it was told to boot, and did not";
/// What is said of a host that was not told to boot, and did.
const CUT_OFF: &str =
    "it booted before the upgrade had come to its end: see to its packages by hand";

/// What is upgraded, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upgrade {
    pub(super) job: Job,
    run: Box<str>,
    family: Family,
    /// What takes the place of the image that is booted; nothing where what is there is upgraded.
    image: Option<Name>,
}

impl Work {
    /// Fetches what an upgrade will install on a host of `family`, as the attempt `attempt` of the run
    /// `run`. Fails where that would change what the Elasticsearch of `unit` needs.
    #[must_use]
    pub fn fetch(
        (run, attempt): (&str, u32),
        family: Family,
        unit: Option<Unit>,
        boot_before: &str,
    ) -> Option<Self> {
        let work = Self::new((run, attempt), Deed::Fetch, unit, None, boot_before)?;
        Some(work.of_packages(run, family, Job::fetch(run, attempt)))
    }

    /// Installs that, and boots the host where it has to be.
    #[must_use]
    pub fn upgrade(
        (run, attempt): (&str, u32),
        family: Family,
        unit: Option<Unit>,
        invocation_before: Option<&str>,
        boot_before: &str,
    ) -> Option<Self> {
        let work = Self::new((run, attempt), Deed::Upgrade, unit, invocation_before, boot_before)?;
        Some(work.of_packages(run, family, Job::upgrade(run, attempt)))
    }

    fn of_packages(self, run: &str, family: Family, job: Job) -> Self {
        let name = job.unit().into();
        let upgrade = Upgrade { job, run: run.into(), family, image: None };
        Self { name, upgrade: Some(upgrade), ..self }
    }

    /// The same, where `image` takes the place of the one that is booted, instead of an upgrade of what
    /// is there. Nothing where the host has no images.
    #[must_use]
    pub fn with_image(self, image: Name) -> Option<Self> {
        let upgrade = self.upgrade?;
        upgrade.family.deploy(&image)?;
        Some(Self { upgrade: Some(Upgrade { image: Some(image), ..upgrade }), ..self })
    }

    pub(super) fn judge_fetch(step: &State) -> Verdict {
        match &*step.active {
            // After a boot nobody knows how far it came.
            _ if !step.is_loaded() => Verdict::NotBegun { is_as_before: true },
            "active" => Verdict::Done,
            "failed" | "inactive" => Verdict::Failed,
            _ => Verdict::UnderWay,
        }
    }

    pub(super) fn judge_upgrade(
        &self,
        look: &Look,
        [step, start]: [&State; 2],
        identity: &Identity,
    ) -> Verdict {
        let Some(boot) = &identity.boot_id else { return Verdict::UnderWay };
        if *boot != self.boot_before {
            return self.judge_boot(look, start);
        }
        let unit = look.service.as_ref().map(|it| &it.unit);
        let is_as_before = unit.is_none_or(|it| it.invocation == self.invocation_before);
        match &*step.active {
            _ if &*look.system == "stopping" => Verdict::UnderWay,
            _ if !step.is_loaded() => Verdict::NotBegun { is_as_before },
            // Until it goes down, one that boots is not at its end.
            "active" if is_as_before => Verdict::Spared,
            // What some package has stopped is started, whatever came of the rest.
            "active" => self.judge_boot(look, start),
            "failed" | "inactive" if is_as_before => Verdict::Failed,
            "failed" | "inactive" => match self.judge_boot(look, start) {
                Verdict::Done => Verdict::Failed,
                verdict => verdict,
            },
            _ => Verdict::UnderWay,
        }
    }

    /// What has come of it that did not come to a good end, and said `why`. Where an upgrade of packages
    /// fails, Elasticsearch goes on, or was started again: nothing is to be held back for it any longer.
    pub(super) fn failed(&self, why: Box<str>, look: &Look) -> Outcome {
        let unit = look.service.as_ref().map(|it| &it.unit);
        let is_back = match (unit, &self.invocation_before) {
            (Some(unit), Some(_)) => unit.is_active() && is_steady(unit, look.uptime),
            _ => true,
        };
        let is_upgrade = self.deed == Deed::Upgrade;
        if is_upgrade && is_back && *why != *UNBOOTED {
            Outcome::Vain(why)
        } else {
            Outcome::Failed(why)
        }
    }
}

impl Upgrade {
    /// What begins it; `latest` is the second after the boot from which on it is too late.
    fn beginning(&self, deed: Deed, unit: Option<&Unit>, latest: &str) -> Beginning {
        let limit = if deed == Deed::Fetch { FETCHING } else { UPGRADING };
        let settings = self.settings(deed, unit, latest);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        self.job.begin_packages(PACKAGES, &settings, limit, latest)
    }

    /// What the script is told, a line each.
    pub(super) fn settings(&self, deed: Deed, unit: Option<&Unit>, latest: &str) -> Vec<String> {
        let what = if deed == Deed::Fetch { "fetch" } else { "upgrade" };
        let held: Vec<Name> = Name::new(HELD).into_iter().collect();
        let family = self.family;
        let commands = match &self.image {
            None => [
                Some(family.refresh()),
                Some(family.simulate(&held)),
                Some(family.download(&held)),
                Some(family.upgrade(&held)),
                family.hold(&held),
                family.unhold(&held),
                family.unstage(),
            ],
            // What it changes can be told only once it is staged.
            Some(image) => [
                None,
                None,
                family.fetch_image(image),
                family.deploy(image),
                None,
                None,
                family.unstage(),
            ],
        };
        let commands = commands.map(|it| it.as_ref().map(Action::line).unwrap_or_default());
        let unit = unit.map_or("", Unit::as_str);
        let image = self.image.as_ref().map_or("", AsRef::as_ref);
        let settings = [family.as_str(), what, &self.run, unit, latest, self.due(), "", image];
        settings.into_iter().map(str::to_owned).chain(commands).collect()
    }

    /// What the host says that has done all but boot, and would have to do that later than it may.
    pub(super) fn due(&self) -> &'static str {
        if self.image.is_some() { IMAGE_DUE } else { DUE }
    }

    /// What is known of it where it was not begun, and need or may not be; else nothing.
    ///
    /// # Errors
    /// Why the host could not be asked, or does not tell.
    pub(super) async fn foregone(
        &self,
        session: &Session,
        deed: Deed,
    ) -> Result<Option<Outcome>, Error> {
        match &self.image {
            Some(image) => image::foregone(session, image, deed == Deed::Fetch).await,
            None => Ok(None),
        }
    }
}

/// Has the host begin it, unless that comes too late.
pub(super) async fn begin(
    session: &Session,
    (work, upgrade): (&Work, &Upgrade),
    latest: &str,
    sudo: bool,
) -> Result<Outcome, Error> {
    let beginning = upgrade.beginning(work.deed, work.unit.as_ref(), latest);
    swap::hand_over(session, beginning, sudo).await
}

/// Why work that looks done is not; nothing where it is.
///
/// # Errors
/// Why the host could not be asked.
pub(super) async fn flaw(
    session: &Session,
    work: &Work,
    identity: &Identity,
    sudo: bool,
) -> Result<Option<Box<str>>, Error> {
    let Some(upgrade) = work.upgrade.as_ref().filter(|_| work.deed == Deed::Upgrade) else {
        return Ok(None);
    };
    if let Some(image) = &upgrade.image {
        return image::flaw(session, image).await;
    }
    let has_booted = identity.boot_id.as_ref() != Some(&work.boot_before);
    let is_cut_off = has_booted && !is_whole(session, upgrade, sudo).await?;
    Ok(is_cut_off.then(|| CUT_OFF.into()))
}

/// Whether an upgrade that a boot came after had come to its end before.
async fn is_whole(session: &Session, upgrade: &Upgrade, sudo: bool) -> Result<bool, Error> {
    let command = Command::new("read the last upgrade", "cat", ["--", UPGRADED]);
    let command = command.read_only().sudo(sudo).deadline(super::LIMIT);
    let output = session.run(&command).await?;
    Ok(*output.last_line() == *upgrade.run)
}
