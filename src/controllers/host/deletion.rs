//! What becomes of a machine whose object is deleted, and how long the object waits for it. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    elasticsearch::{is_home, wish::Wish},
    network::record,
    observe::{Observed, pinned},
    plan::Stand,
    treatment::applied,
};
use crate::{
    api::{
        condition::whole_second,
        host::{Host, HostDeletionPolicy},
        host_status::{HostStatus, Operation, OperationKind},
    },
    chain::chain,
    kubernetes::events::Notice,
    ssh::{
        deploy::{layout, report},
        flanneld::Standing,
        treatment::Deed,
    },
};

/// How often a machine is asked in vain to undo what Drover did, before the object goes without.
pub const TRIES: u32 = 8;

/// How far a deletion is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The machine stays as it is, or has nothing of Drover's on it.
    Nothing,
    /// Nothing is undone yet: Elasticsearch goes first, or its shards do, once its Cluster says so.
    Waiting,
    /// What Drover did is being undone.
    Undoing,
    /// What Drover did is undone.
    Undone,
    /// What Drover did is undone but for these kernel parameters: nobody knows what they were before.
    Forgotten(Vec<Box<str>>),
    /// What Drover did stays there, since it can't be undone.
    LeftBehind(String),
}

impl Farewell {
    /// Whether the object may go.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Undoing)
    }
}

/// How far the deletion of `host` is.
#[must_use]
pub fn farewell(host: &Host, seen: &Observed, stand: &Stand) -> Farewell {
    let Some(machine) = pinned(host) else { return Farewell::Nothing };
    // Nobody has to reach the machine for that.
    if matches!(seen.elasticsearch, Wish::Drains { .. }) {
        return Farewell::Waiting;
    }
    // Its Cluster may take Elasticsearch along where all else stays.
    let removes = matches!(seen.elasticsearch, Wish::Remove { .. });
    let waits = matches!(seen.elasticsearch, Wish::Leaves { .. });
    let retains = host.spec.deletion_policy == HostDeletionPolicy::Retain;
    if retains && !removes && !waits {
        return Farewell::Nothing;
    }
    let left = |why: &str| Farewell::LeftBehind(why.to_owned());
    let another = seen.view.identity.as_ref().map(|it| it.machine_id.as_deref() != Some(machine));
    match stand {
        // It was the older object's machine all along, and what it needs is not known here.
        Stand::Claimed { by, .. } if !applied(host).is_empty() || record(host).is_some() => {
            return left(&format!("Host {by} is older and stands for the same machine"));
        }
        Stand::Claimed { .. } => return Farewell::Nothing,
        Stand::Unapproved => return left("the machine is not approved"),
        _ if !removes && !waits && is_home(host) => {
            return left(
                "Elasticsearch is a member of a cluster there, and needs what Drover prepared: to \
                 have it removed, delete its Cluster under deletionPolicy Delete first",
            );
        }
        _ if host.spec.paused => return left("spec.paused holds back all changes"),
        _ if another == Some(true) => return left("another machine answers"),
        Stand::Unresolved if seen.way().is_none() => {
            return left("what leads to the machine is gone: see ResolvedRefs");
        }
        _ if waits => return Farewell::Waiting,
        _ => {}
    }
    let treated = seen.treated().filter(|_| seen.view.fault.is_none());
    if let Some(Ok(treated)) = treated
        && (treated.deed == Deed::Reset || retains)
        && treated.failures.is_empty()
        && treated.flanneld.is_none_or(|it| it == Standing::Gone)
        && (!removes || treated.elasticsearch == Some(report::Standing::Gone))
    {
        return match treated.lost.as_slice() {
            [] => Farewell::Undone,
            lost => Farewell::Forgotten(lost.to_vec()),
        };
    }
    match why_not(seen) {
        Some(why) if TRIES <= tries(host, seen) => Farewell::LeftBehind(why),
        Some(why) if seen.view.fault.as_ref().is_some_and(|it| it.is_terminal()) => {
            Farewell::LeftBehind(why)
        }
        _ => Farewell::Undoing,
    }
}

/// Why the last try was in vain.
fn why_not(seen: &Observed) -> Option<String> {
    if let Some(fault) = &seen.view.fault {
        return Some(chain(&**fault));
    }
    let checked = seen.view.checked.as_deref()?;
    if let Err(error) = &checked.root {
        return Some(chain(error));
    }
    match checked.treated.as_ref()? {
        Err(error) => Some(chain(error)),
        Ok(treated) => match (treated.failures.first(), treated.flanneld) {
            (Some(error), _) => Some(chain(error)),
            (None, Some(standing)) if treated.deed == Deed::Reset && standing != Standing::Gone => {
                Some("flanneld still runs with Drover's settings".into())
            }
            (None, _) => None,
        },
    }
}

/// How many tries were in vain, with the last one.
fn tries(host: &Host, seen: &Observed) -> u32 {
    let known = known(host);
    let tries = known.map_or(0, |it| it.attempt.saturating_sub(1));
    let is_new = seen.view.tried.map(whole_second).is_some_and(|tried| {
        seen.is_resetting() && known.is_some_and(|known| known.started_at.0 < tried)
    });
    if is_new { tries + 1 } else { tries }
}

fn known(host: &Host) -> Option<&Operation> {
    let operation = host.status.as_ref()?.operation.as_ref()?;
    (operation.kind == OperationKind::Reset).then_some(operation)
}

/// Whether the status says that what Drover did is being undone: then it may be begun.
#[must_use]
pub fn is_on_record(host: &Host) -> bool {
    known(host).is_some()
}

/// The work in hand, as it stands in the status.
#[must_use]
pub fn operation(host: &Host, seen: &Observed, now: Timestamp) -> Operation {
    let now = Time(whole_second(now));
    let before = known(host);
    let tries = tries(host, seen);
    let is_same = before.is_some_and(|it| it.attempt == tries + 1);
    let last = seen.view.tried.map(|it| Time(whole_second(it)));
    Operation {
        run_id: format!("reset-{}", host.metadata.uid.as_deref().unwrap_or_default()),
        kind: OperationKind::Reset,
        step: "undo".into(),
        attempt: tries + 1,
        started_at: match before {
            Some(before) if is_same => before.started_at.clone(),
            Some(_) => last.unwrap_or(now),
            None => now,
        },
        deadline: None,
        boot_id_before: None,
        unit: None,
        elasticsearch_unit: None,
        target: None,
        previous: None,
        image: None,
        cordoned_by_us: false,
        invocation_id_before: None,
        status: None,
        message: None,
        touched: false,
        vain: false,
    }
}

/// What people should hear of how it ended.
#[must_use]
pub fn notice(host: &Host, farewell: &Farewell, after: &HostStatus) -> Option<Notice> {
    match farewell {
        Farewell::Nothing | Farewell::Waiting | Farewell::Undoing => None,
        Farewell::Undone => {
            let note = "what Drover wrote on the machine is undone";
            Some(Notice::normal("HostReset", "Delete", note))
        }
        Farewell::Forgotten(names) => {
            let address = &host.spec.address.0;
            let note = format!("{}, on {address}; all else is undone", forgotten(names));
            Some(Notice::warning("LeftBehind", "Delete", note))
        }
        Farewell::LeftBehind(why) => {
            let names: Vec<&str> = applied(host).keys().map(String::as_str).collect();
            let what = match names.as_slice() {
                [] => "whatever Drover wrote there".to_owned(),
                names => format!("kernel parameters {}", names.join(", ")),
            };
            let flanneld = match record(host) {
                Some(_) => "; flanneld.service, told by /etc/drover-flanneld",
                None => "",
            };
            let elasticsearch = if is_home(host) {
                format!("; Elasticsearch in {}, run by {}", layout::TREES, layout::UNIT)
            } else {
                String::new()
            };
            let address = &host.spec.address.0;
            let machine = after.facts.as_ref().map_or("", |it| it.machine_id.as_str());
            let note = format!(
                "left behind on {address}, machine {machine}: {what}, in \
                 /etc/sysctl.d/zz-drover.conf, which tells the values of before{flanneld}{elasticsearch}; \
                 {why}"
            );
            Some(Notice::warning("LeftBehind", "Delete", note))
        }
    }
}

/// What people should hear of kernel parameters whose values of before nobody knows.
pub(super) fn forgotten(names: &[Box<str>]) -> String {
    format!(
        "left behind: kernel parameters {} as Drover has set them, since what they were before was \
         in /etc/sysctl.d/zz-drover.conf, which somebody removed or replaced",
        names.join(", ")
    )
}
