//! How the machine of a scene is looked at.

use std::sync::Arc;

use jiff::Timestamp;

use super::Scene;
use crate::ssh::{
    deploy::installation::Installed,
    host_key::{Accepted, Trust},
    operation::{Worked, spent::Cleared},
    remote::{Checked, Glanced, View, Watch},
};

impl Scene {
    /// Asks the machine as the prober does.
    pub(super) fn probe(&mut self) {
        let Some(watch) = self.watched.clone() else { return };
        self.view.asked = true;
        if let Some(error) = self.machine.refusal(&watch.target) {
            self.view.fault = Some(Arc::new(error));
            self.view.tried = Some(Timestamp::new(self.now, 0).unwrap());
            return;
        }
        let facts = self.machine.facts.clone();
        let is_meant = watch.machine.is_some() && watch.machine == facts.identity.machine_id;
        let checked = Checked {
            facts: self.machine.untold.clone().map_or_else(|| Ok(facts.clone()), Err),
            root: self.machine.root.clone(),
            service: watch.unit.as_ref().map(|_| match &self.machine.service_fault {
                Some(error) => Err(error.clone()),
                None => Ok(self.machine.service.clone()),
            }),
            treated: watch
                .treatment
                .as_ref()
                .filter(|_| is_meant && self.machine.root.is_ok())
                .map(|it| Ok(self.machine.treat(it, Timestamp::new(self.now, 0).unwrap()))),
        };
        let checked = match self.view.checked.take() {
            before if self.machine.is_slow => before,
            _ => Some(Arc::new(checked)),
        };
        let checked = checked.filter(|_| is_meant);
        let in_vain = checked.as_ref().is_some_and(|it| !it.is_whole());
        let worked = watch.work.as_ref().filter(|_| is_meant).map(|work| {
            let leave = self.leave.take().is_some_and(|until| self.now <= until);
            let outcome = Ok(self.machine.work(leave));
            Arc::new(Worked { work: (**work).clone(), outcome })
        });
        self.view = View {
            asked: true,
            fault: None,
            tried: in_vain.then(|| Timestamp::new(self.now, 0).unwrap()),
            keys: self
                .machine
                .keys
                .iter()
                .map(|it| Accepted { fingerprint: *it, by: Trust::Pinned })
                .collect(),
            identity: Some(facts.identity.clone()),
            answered: Some(Timestamp::new(self.now, 0).unwrap()),
            checked,
            worked,
            installed: watch.installation.as_ref().filter(|_| is_meant).map(|it| {
                let (outcome, is_working) = self.machine.install(it);
                let installation = (**it).clone();
                Arc::new(Installed { installation, outcome: Ok(outcome), is_working })
            }),
            glanced: watch.glance.as_ref().filter(|_| is_meant).map(|it| self.glance(&watch, it)),
            cleared: watch.spent.clone().filter(|_| is_meant).map(|spent| {
                if self.machine.cleared.last() != Some(&spent) {
                    self.machine.cleared.push(spent.clone());
                }
                Arc::new(Cleared { spent, is_all: true })
            }),
        };
    }

    /// What was seen once under this name is not looked at again.
    fn glance(&self, watch: &Watch, glance: &str) -> Arc<Glanced> {
        let identity = self.machine.facts.identity.clone();
        let known = self.view.glanced.as_ref();
        if let Some(known) = known.filter(|it| *it.glance == *glance && it.identity == identity) {
            return Arc::clone(known);
        }
        let service = watch.unit.as_ref().map(|_| self.machine.service.clone());
        Arc::new(Glanced { glance: glance.into(), identity, service })
    }
}
