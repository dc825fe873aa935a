//! Careless operators. Each is one that a check must catch: a check that can't fail proves nothing. There
//! is none yet that is careless with drains, pauses or the pace.

use drover::{
    elasticsearch::{
        cluster_reads::HealthStatus,
        evidence::{Counts, Evidence},
    },
    rollout::{planner::Act, run::Step},
};

use super::operator::{Decided, Look};

/// What it does not care for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It takes no notice of copies, votes and health.
    Ungated,
    /// It begins more hosts at once than it may.
    Crowded,
    /// It has hosts stopped that nothing protects.
    Unprotected,
    /// It leaves allocation held back, or puts another setting in the place of the one before.
    AllocationLeft,
    WrongPrior,
    /// It leaves shutdown records.
    RecordLeft,
}

/// Each with what it is caught by.
pub const FLAWS: [(Flaw, &str); 6] = [
    (Flaw::Ungated, "has its only copy on"),
    (Flaw::Crowded, "more hosts are begun than may be at once"),
    (Flaw::Unprotected, "stopped without protection"),
    (Flaw::AllocationLeft, "does not come to rest"),
    (Flaw::WrongPrior, "the setting did not come back"),
    (Flaw::RecordLeft, "does not come to rest"),
];

impl Flaw {
    pub fn decide(self, look: &Look) -> Decided {
        let mut seen = look.clone();
        self.overlook(&mut seen);
        let mut decided = seen.decide();
        if self == Self::Ungated {
            // Drains go on as they should.
            let Decided { status, drain, .. } = look.decide();
            (decided.status.drain, decided.drain) = (status.drain, drain);
        }
        self.spoil(look, &mut decided);
        decided
    }

    /// What it does not see.
    fn overlook(self, look: &mut Look) {
        match self {
            Self::Ungated => {
                if let Some(evidence) = &mut look.evidence {
                    embellish(evidence);
                }
            }
            Self::Crowded => look.spec.unavailable += 1,
            _ => {}
        }
    }

    /// What it makes of the right answer.
    fn spoil(self, look: &Look, decided: &mut Decided) {
        let Decided { status, act, .. } = decided;
        match self {
            Self::Unprotected => {
                let hosts = status.run.iter_mut().flat_map(|it| &mut it.hosts);
                for host in hosts.filter(|it| it.step == Step::Protect) {
                    host.enter(Step::Stop, look.now);
                }
            }
            Self::AllocationLeft => {
                act.take_if(|it| matches!(it, Act::Unprotect(_)));
            }
            Self::RecordLeft => {
                act.take_if(|it| matches!(it, Act::Retract(_)));
            }
            _ => {}
        }
    }
}

/// No copies that could be lost, and no votes.
fn embellish(evidence: &mut Evidence) {
    let nodes = evidence.nodes.len();
    evidence.copies.clear();
    evidence.voters.clear();
    evidence.health = Counts {
        status: HealthStatus::Green,
        nodes,
        active: 0,
        relocating: 0,
        initializing: 0,
        unassigned: 0,
        delayed: 0,
        fetches: 0,
    };
}
