//! What is done on a host besides looking at it: it is compared with how it shall be, made so, or
//! what Drover did there is undone. Each is safe to repeat, and whatever was cut off half-way is
//! found out on the host itself.

use jiff::Timestamp;

use super::{
    deploy::{care::Aim, report::Standing as Elasticsearch},
    error::Error,
    flanneld::{Flanneld, Standing},
    preparation::Preparation,
    session::Session,
    steps::{Drift, Prepared},
};

/// What is done on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Treatment {
    /// How the host shall be.
    pub preparation: Preparation,
    /// How flanneld shall be on it; nothing where that is nobody's business.
    pub flanneld: Option<Flanneld>,
    /// How Elasticsearch shall be on it; nothing where Drover does not run it there.
    pub elasticsearch: Option<Aim>,
    /// How far that is followed.
    pub deed: Deed,
}

/// How far it is followed how a host shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// What differs is told, and nothing is changed.
    Compare,
    /// What differs is changed.
    Prepare,
    /// What Drover changed is undone.
    Reset,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Treated {
    /// What was done.
    pub deed: Deed,
    /// What was not as it shall be, before.
    pub before: Vec<Drift>,
    /// What still is not, after.
    pub left: Vec<Drift>,
    /// What could not be changed, and why.
    pub failures: Vec<Error>,
    /// Kernel parameters that keep what Drover set, since nobody knows their values of before.
    pub lost: Vec<Box<str>>,
    /// Who runs flanneld there, after; nothing where that is nobody's business.
    pub flanneld: Option<Standing>,
    /// How Drover's Elasticsearch is there, after; nothing where it was not looked at.
    pub elasticsearch: Option<Elasticsearch>,
    /// When it was begun.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
}

impl Treatment {
    /// Whether something that Drover did there is undone.
    #[must_use]
    pub fn undoes(&self) -> bool {
        self.deed == Deed::Reset || self.removes()
    }

    /// Whether Elasticsearch is removed.
    #[must_use]
    pub fn removes(&self) -> bool {
        matches!(self.elasticsearch, Some(Aim::Gone { .. }))
    }
}

impl Treated {
    /// Whether all was done that should be.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Does it; as root, by sudo where `sudo` is true.
///
/// # Errors
/// Why the host could not be asked, or not be told on the way.
pub(super) async fn carry_out(
    session: &Session,
    treatment: &Treatment,
    sudo: bool,
) -> Result<Treated, Error> {
    let began = Timestamp::now();
    let Treatment { preparation, flanneld, elasticsearch, deed } = treatment;
    let mut all = Prepared::default();
    let mut found = None;
    let is_gone = matches!(elasticsearch, Some(Aim::Gone { .. }));
    // Elasticsearch goes before what it needs, and comes after it.
    if let Some(aim) = elasticsearch.as_ref().filter(|_| is_gone) {
        found = add(&mut all, see_to(session, aim, *deed, sudo).await?);
        if !all.failures.is_empty() {
            return Ok(told(*deed, all, None, found, began));
        }
    }
    let prepared = match deed {
        Deed::Compare => {
            let found = preparation.drift(&preparation.inspect(session, sudo).await?);
            Prepared { before: found.clone(), left: found, ..Prepared::default() }
        }
        Deed::Prepare => preparation.apply(session, sudo).await?,
        Deed::Reset => preparation.reset(session, sudo).await?,
    };
    add(&mut all, (prepared, ()));
    let mut standing = None;
    if let Some(flanneld) = flanneld {
        let seen = match deed {
            Deed::Compare => flanneld.compare(session, sudo).await?,
            Deed::Prepare => flanneld.apply(session, sudo).await?,
            Deed::Reset => Flanneld::gone().apply(session, sudo).await?,
        };
        standing = Some(add(&mut all, seen));
    }
    if let Some(aim) = elasticsearch.as_ref().filter(|_| !is_gone) {
        found = add(&mut all, see_to(session, aim, *deed, sudo).await?);
    }
    Ok(told(*deed, all, standing, found, began))
}

async fn see_to(
    session: &Session,
    aim: &Aim,
    deed: Deed,
    sudo: bool,
) -> Result<(Prepared, Option<Elasticsearch>), Error> {
    match deed {
        Deed::Compare => aim.compare(session, sudo).await,
        Deed::Prepare | Deed::Reset => aim.apply(session, sudo).await,
    }
}

/// Puts what came of one part beside the others.
fn add<T>(all: &mut Prepared, (one, found): (Prepared, T)) -> T {
    all.before.extend(one.before);
    all.left.extend(one.left);
    all.failures.extend(one.failures);
    all.lost.extend(one.lost);
    found
}

fn told(
    deed: Deed,
    all: Prepared,
    flanneld: Option<Standing>,
    elasticsearch: Option<Elasticsearch>,
    began: Timestamp,
) -> Treated {
    let Prepared { before, left, failures, lost } = all;
    let ended = Timestamp::now();
    Treated { deed, before, left, failures, lost, flanneld, elasticsearch, began, ended }
}
