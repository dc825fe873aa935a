//! What an Index needs done, or why nothing can be done. Pure.

use kube::ResourceExt as _;

use super::{
    changes::{Changes, Declared, changes, declared},
    cluster_gate::ClusterGate,
    decision::{Plan, Stand, Step},
    farewell::farewell,
    observe::Observed,
    owned::owned,
    ownership::{Owner, owner, stored_uuid},
};
use crate::{
    api::{
        RECREATE,
        index::{AdoptionPolicy, Index, IndexState, Mode},
    },
    elasticsearch::snapshot::{IndexView, LiveIndex},
};

/// Decides what is next for `index`.
#[must_use]
pub fn next(index: &Index, seen: &Observed) -> Plan {
    if index.metadata.deletion_timestamp.is_some() {
        return farewell(index, seen);
    }
    let declared = match declared(index) {
        Ok(declared) => declared,
        Err(problems) => return Plan::stand(Stand::Invalid(problems)),
    };
    if let Some(rival) = &seen.rival {
        let name = index.public_name();
        return Plan::stand(Stand::Conflict(format!(
            "Index '{rival}' is older and claims '{name}' in the same Cluster; delete one of the two"
        )));
    }
    match seen.gate {
        ClusterGate::Open { .. } => {}
        ClusterGate::Pending => return Plan::default(),
        ClusterGate::Absent | ClusterGate::Blocked(_) => return Plan::stand(Stand::NoCluster),
    }
    let plan = match &seen.live {
        IndexView::Unread => Plan::default(),
        IndexView::Unreadable => Plan::stand(Stand::Unreadable),
        IndexView::TooLarge(_) => Plan::stand(Stand::TooLarge),
        IndexView::Missing => missing(index),
        IndexView::Present(live) => present(index, seen, &declared, live),
    };
    let plan = Plan { declared: Some(declared), ..plan };
    match index.spec.mode {
        Mode::Apply => plan,
        Mode::Plan => {
            let held = plan.steps.into_iter().chain(plan.later).collect();
            Plan { held, steps: Vec::new(), later: Vec::new(), ..plan }
        }
    }
}

fn missing(index: &Index) -> Plan {
    let later = match index.spec.state {
        IndexState::Open => Vec::new(),
        IndexState::Closed => vec![Step::Close],
    };
    let steps = vec![Step::Create];
    let create = Plan { stand: Stand::ToCreate, steps, later, ..Plan::default() };
    match stored_uuid(index) {
        None => create,
        Some(lost) if index.annotations().get(RECREATE).is_some_and(|it| it == lost) => create,
        Some(lost) => Plan::stand(Stand::Lost(lost.to_owned())),
    }
}

fn present(index: &Index, seen: &Observed, declared: &Declared, live: &LiveIndex) -> Plan {
    let changes = changes(index, declared, live);
    match owner(index, seen, live) {
        Owner::This => owned(index, declared, live, changes),
        Owner::Rival(why) => Plan::stand(Stand::Conflict(why)),
        Owner::Other(whose) => {
            Plan::stand(Stand::NotOwned(format!("{whose}, which stays as it is")))
        }
        Owner::Nobody => adoption(index, declared, live, changes),
    }
}

fn adoption(index: &Index, declared: &Declared, live: &LiveIndex, changes: Changes) -> Plan {
    let name = index.public_name();
    let drift = changes.differences(index);
    let refuse =
        |why: String| Plan { stand: Stand::NotOwned(why), drift: drift.clone(), ..Plan::default() };
    if let Some(lost) = stored_uuid(index) {
        return refuse(format!(
            "index '{name}' is another one than the one Drover kept, which had uuid {lost}; set \
             adoptionPolicy and take away status by making this object anew to take it over"
        ));
    }
    match index.spec.adoption_policy {
        AdoptionPolicy::Always => {}
        AdoptionPolicy::IfMatching if drift.is_empty() => {}
        AdoptionPolicy::IfMatching => {
            return refuse(format!(
                "index '{name}' is already there and differs from the spec: status.drift shows \
                 where; make them match, or set adoptionPolicy Always"
            ));
        }
        AdoptionPolicy::Never => {
            return refuse(format!("index '{name}' is already there and adoptionPolicy is Never"));
        }
    }
    owned(index, declared, live, changes)
}
