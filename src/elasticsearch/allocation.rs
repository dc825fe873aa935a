//! Who may be given which shards, and how Drover restricts that for a while.

/// The setting that says who may be given which shards.
pub(super) const ENABLE: &str = "cluster.routing.allocation.enable";
/// The setting that keeps what [`ENABLE`] was before Drover restricted it. Elasticsearch lets anybody
/// keep anything under `cluster.metadata`.
pub(super) const PRIOR: &str = "cluster.metadata.drover.prior";
/// The setting that keeps for whom Drover did: the uid of a Cluster object.
pub(super) const OWNER: &str = "cluster.metadata.drover.owner";

/// The value with which replicas wait for their nodes.
pub(super) const RESTRICTED: &str = "primaries";

/// `cluster.routing.allocation.enable`, in its places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// The persistent setting.
    pub persistent: Option<Box<str>>,
    /// The transient setting, which wins.
    pub transient: Option<Box<str>>,
    /// What Drover keeps beside it while hosts are down: the persistent setting as it was before,
    /// which may be none.
    pub prior: Option<Prior>,
    /// Who keeps it: the uid of a Cluster object. Nothing where nothing is kept.
    pub owner: Option<Box<str>>,
}

/// A persistent setting as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prior {
    /// There was none.
    Unset,
    /// This.
    Value(Box<str>),
}

impl Prior {
    /// What is kept in the cluster for it. Elasticsearch's own values are words in lower case.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Unset => "UNSET",
            Self::Value(value) => value,
        }
    }

    /// The same, read back.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        if text == "UNSET" { Self::Unset } else { Self::Value(text.into()) }
    }
}

impl Allocation {
    /// Whether Drover has restricted it, and it is so still.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.prior.is_some() && !self.is_overruled()
    }

    /// Whether somebody has written another value since Drover has restricted it.
    fn is_overruled(&self) -> bool {
        self.prior.is_some() && self.persistent.as_deref() != Some(RESTRICTED)
    }

    /// Whether a run of somebody else than `owner` has restricted it.
    #[must_use]
    pub fn is_kept_by_other(&self, owner: &str) -> bool {
        self.prior.is_some() && self.owner.as_deref() != Some(owner)
    }

    /// What is put back when the run of `owner` is over; nothing where it keeps nothing. What somebody
    /// has written since is the last word.
    #[must_use]
    pub fn kept_for(&self, owner: &str) -> Option<Prior> {
        let prior = self.prior.as_ref().filter(|_| !self.is_kept_by_other(owner))?;
        Some(if self.is_overruled() { self.as_prior() } else { prior.clone() })
    }

    /// Whether all shards may be allocated, as far as anybody but Drover says.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let persistent = match self.prior.as_ref().filter(|_| !self.is_overruled()) {
            Some(Prior::Unset) => None,
            Some(Prior::Value(value)) => Some(value),
            None => self.persistent.as_ref(),
        };
        [persistent, self.transient.as_ref()]
            .into_iter()
            .flatten()
            .all(|it| it.eq_ignore_ascii_case("all"))
    }

    /// What protection has to put back one day.
    #[must_use]
    pub fn as_prior(&self) -> Prior {
        self.persistent.clone().map_or(Prior::Unset, Prior::Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restricted(now: Option<&str>) -> Allocation {
        Allocation {
            persistent: now.map(Into::into),
            transient: None,
            prior: Some(Prior::Value("new_primaries".into())),
            owner: Some("us".into()),
        }
    }

    #[test]
    fn what_was_before_comes_back_to_whom_it_is_kept_for() {
        let allocation = restricted(Some(RESTRICTED));
        assert!(allocation.is_protected());
        assert_eq!(allocation.kept_for("us"), Some(Prior::Value("new_primaries".into())));
        assert_eq!(allocation.kept_for("others"), None);
        assert!(allocation.is_kept_by_other("others") && !allocation.is_kept_by_other("us"));
    }

    #[test]
    fn what_somebody_has_written_since_is_the_last_word() {
        let cases = [(Some("all"), Prior::Value("all".into())), (None, Prior::Unset)];
        for (now, expected) in cases {
            let allocation = restricted(now);
            assert!(!allocation.is_protected(), "replicas would be allocated: {now:?}");
            assert_eq!(allocation.kept_for("us"), Some(expected));
            assert!(allocation.is_free(), "{now:?}");
        }
        assert!(!restricted(Some("none")).is_free());
    }
}
