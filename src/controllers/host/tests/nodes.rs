//! Other API servers as a Host meets them.

use std::collections::BTreeMap;

use super::super::registration::{
    apply::Ending,
    observe::{Access, Manager, Seen},
    plan::Step,
    record,
};
use crate::{
    api::{host::Host, line::Line},
    nodes::{
        cordon::{Cordoned, Uncordoned},
        drain::Drained,
        error::Error,
        member::Origin,
        register::{Listed, Readiness, Registered, Unregistered},
    },
};

/// All of them, and which one the Host's Cluster names.
#[derive(Default)]
pub struct Nodes {
    pub wish: Option<&'static str>,
    pub managers: BTreeMap<&'static str, Model>,
}

/// One of them.
pub struct Model {
    pub access: Access,
    /// Address of the server.
    pub server: &'static str,
    pub is_leaving: bool,
    /// Why it refuses whatever is asked, where it does.
    pub refusal: Option<Error>,
    /// Whose cordon is found there.
    pub cordon: Cordoned,
    /// Whether what a step is decided on turns out not to be so.
    pub is_stale: bool,
    /// Pods that a budget holds back; one goes with each drain.
    pub pods: usize,
    /// The steps that were taken, by their first word.
    pub steps: Vec<String>,
}

impl Model {
    pub fn new(access: Access) -> Self {
        let cordon = Cordoned::Ours { is_new: true };
        Self {
            access,
            server: "https://nodes.example/",
            is_leaving: false,
            refusal: None,
            cordon,
            is_stale: false,
            pods: 0,
            steps: Vec::new(),
        }
    }

    pub fn node(&mut self) -> &mut Option<Listed> {
        match &mut self.access {
            Access::Open { node } => node,
            other => panic!("nobody may ask {other:?}"),
        }
    }
}

impl Nodes {
    pub fn seen(&self, host: &Host) -> Seen {
        let manager = |name: &str| {
            let model = self.managers.get(name);
            Manager {
                name: name.to_owned(),
                is_leaving: model.is_some_and(|it| it.is_leaving),
                server: model
                    .filter(|it| it.access != Access::Trivial)
                    .map(|it| Line::new(it.server)),
                access: model.map_or(Access::Absent, |it| it.access.clone()),
            }
        };
        Seen {
            wished: self.wish.map(manager),
            recorded: record(host).map(|it| manager(&it.name)),
            is_held: false,
        }
    }

    pub fn take(&mut self, host: &Host, step: &Step) -> Ending {
        let name = match (step, record(host)) {
            (Step::Record { manager, .. }, None) => manager.clone(),
            (_, Some(record)) => record.name.clone(),
            (step, None) => panic!("{step:?} without a record"),
        };
        let Some(model) = self.managers.get_mut(name.as_str()) else {
            assert!(matches!(step, Step::Abandon { absent: Some(_), .. }), "{step:?}");
            return Ending::Nothing;
        };
        let word = format!("{step:?}");
        model.steps.push(word.split(' ').next().unwrap_or_default().to_owned());
        if model.is_stale {
            return Ending::Stale;
        }
        match step {
            Step::Record { .. } | Step::RecordCordon | Step::Abandon { .. } => {
                return Ending::Nothing;
            }
            Step::Leave { is_trivial: true, .. } => return Ending::Left(Unregistered::Absent),
            _ => {}
        }
        if let Some(error) = &model.refusal {
            return Ending::Failed(error.clone());
        }
        match step {
            Step::Register => {
                let readiness = Readiness::Unreported;
                *model.node() = Some(node(readiness.clone()));
                Ending::Registered(Registered { origin: Origin::Made, is_new: true, readiness })
            }
            Step::Cordon => {
                model.node().as_mut().unwrap().is_cordoned = true;
                Ending::Cordoned(model.cordon.clone())
            }
            Step::Drain => {
                let mut drained = Drained::default();
                drained.blocked_by_budget.count = model.pods;
                drained.blocked_by_budget.names = vec!["shop/web".into(); model.pods];
                model.pods = model.pods.saturating_sub(1);
                Ending::Drained(Box::new(drained))
            }
            Step::Uncordon => {
                model.node().as_mut().unwrap().is_cordoned = false;
                Ending::Uncordoned(Uncordoned::Lifted)
            }
            _ => Ending::Left(match model.node().take() {
                Some(_) => Unregistered::Deleted,
                None => Unregistered::Absent,
            }),
        }
    }
}

/// The Node of the Host, with what its kubelet says.
pub fn node(readiness: Readiness) -> Listed {
    Listed {
        node: "es-1".into(),
        uid: "uid-1".into(),
        readiness,
        machine_id: None,
        is_cordoned: false,
        is_leaving: false,
    }
}
