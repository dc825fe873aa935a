//! What is done on a host besides looking at it: it is compared with how it shall be, made so, or
//! what Drover did there is undone. Each is safe to repeat, and whatever was cut off half-way is
//! found out on the host itself.

use jiff::Timestamp;

use super::{
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
    /// When it was begun.
    pub began: Timestamp,
    /// When it was over.
    pub ended: Timestamp,
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
    let Treatment { preparation, flanneld, deed } = treatment;
    let Prepared { mut before, mut left, mut failures, lost } = match deed {
        Deed::Compare => {
            let found = preparation.drift(&preparation.inspect(session, sudo).await?);
            Prepared { before: found.clone(), left: found, ..Prepared::default() }
        }
        Deed::Prepare => preparation.apply(session, sudo).await?,
        Deed::Reset => preparation.reset(session, sudo).await?,
    };
    let mut standing = None;
    if let Some(flanneld) = flanneld {
        let (prepared, now) = match deed {
            Deed::Compare => flanneld.compare(session, sudo).await?,
            Deed::Prepare => flanneld.apply(session, sudo).await?,
            Deed::Reset => Flanneld::gone().apply(session, sudo).await?,
        };
        before.extend(prepared.before);
        left.extend(prepared.left);
        failures.extend(prepared.failures);
        standing = Some(now);
    }
    let (deed, flanneld, ended) = (*deed, standing, Timestamp::now());
    Ok(Treated { deed, before, left, failures, lost, flanneld, began, ended })
}
