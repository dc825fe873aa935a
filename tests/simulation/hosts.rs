//! Hosts as their controller brings them along: it takes permits, says so, looks again, and acts.

mod life;

use std::collections::{BTreeMap, BTreeSet};

use drover::rollout::{
    hosts::{Answer, Match, Member, Progress},
    run::{FRESH, HostRun, Kind, Run, RunId, Step},
    safety::since,
};
use jiff::Timestamp;

pub use self::life::{Known, Life};
use super::elasticsearch::{Duties, Elasticsearch};

/// One machine.
#[derive(Clone, Debug)]
pub struct Host {
    pub number: usize,
    pub cordoned: bool,
    pub answer: Option<Answer>,
    /// Whether it has stopped Elasticsearch for the permit that it works at.
    stopped: bool,
    /// Which start of its unit ran when it took that permit: another one is the proof of a restart.
    start_before: Option<u64>,
    /// How often the machine has booted, and had when it took that permit.
    boots: u64,
    boots_before: u64,
    /// Whether a person has stopped its unit, so that the machine does not start it.
    pub disabled: bool,
    /// What became of its object, and which one of the name it is.
    pub life: Life,
    generation: u32,
    /// Whether a person lets it go without a drain.
    pub skips: bool,
    /// What its node is to do.
    pub wanted: Duties,
    pub in_maintenance: bool,
    /// Whether Elasticsearch does not start here until somebody mends it.
    pub broken: bool,
    /// The target that it was last brought to.
    pub reached: u64,
    /// The target of which all waits here that takes the place of what runs, until it does.
    staged: Option<u64>,
    /// The target that what starts now is of, and the one that the permit at hand leads to.
    in_place: u64,
    aim: Option<u64>,
    /// The target that what ran before that was of, and what its node did.
    previous: (u64, Duties),
    /// Whether it has upgraded its packages, and asks for another permit to boot.
    due: bool,
    /// How often Elasticsearch was stopped, by run.
    pub stops: BTreeMap<RunId, usize>,
    /// Whether it can be worked on.
    pub fit: bool,
}

impl Host {
    pub fn new(number: usize, elasticsearch: &Elasticsearch) -> Self {
        Self {
            number,
            cordoned: false,
            answer: None,
            stopped: false,
            start_before: None,
            boots: 0,
            boots_before: 0,
            disabled: false,
            life: Life::Member,
            generation: 0,
            skips: false,
            wanted: elasticsearch.configured[number],
            in_maintenance: false,
            broken: false,
            reached: 0,
            staged: None,
            in_place: 0,
            aim: None,
            previous: (0, elasticsearch.configured[number]),
            due: false,
            stops: BTreeMap::new(),
            fit: true,
        }
    }

    pub fn member(&self, elasticsearch: &Elasticsearch) -> Member {
        let running = elasticsearch.nodes_of(self.number).into_iter();
        let running = running.filter(|it| elasticsearch.running[*it].is_some());
        let (of_unit, others): (BTreeSet<usize>, BTreeSet<usize>) =
            running.partition(|it| *it == self.number);
        let (runs, others_run) = (!of_unit.is_empty(), !others.is_empty());
        let ids = |it: BTreeSet<usize>| it.into_iter().map(Elasticsearch::id).collect();
        let nodes = if runs || others_run {
            Match::Nodes { of_unit: ids(of_unit), others: ids(others) }
        } else {
            Match::Stopped
        };
        Member {
            name: self.name(),
            uid: self.uid(),
            addresses: [Elasticsearch::address(self.number)].into(),
            nodes,
            is_home: !elasticsearch.removed.contains(&self.number),
            is_failing: false,
            roles: self.roles(),
            runs,
            others_run,
            fit: if self.fit { Ok(()) } else { Err("it can't be reached".into()) },
            may_hold_shards: elasticsearch.copy_on(self.number).is_some(),
            may_vote: !elasticsearch.is_silent(self.number),
            has_images: Some(true),
            in_maintenance: self.in_maintenance,
            is_cordoned: self.cordoned,
            answer: self.answer.clone(),
        }
    }

    fn has_noted(&self, run: &Run, permit: &HostRun) -> bool {
        let permit = (&run.id, permit.step, permit.attempt);
        self.answer.as_ref().is_some_and(|it| (&it.run, it.step, it.attempt) == permit)
    }

    /// The nodes that stop where `kind` is done to it.
    pub fn going(&self, kind: Kind, elasticsearch: &Elasticsearch) -> Vec<usize> {
        if kind.is_of_machine() { elasticsearch.nodes_of(self.number) } else { vec![self.number] }
    }

    fn start(&mut self, kind: Kind, elasticsearch: &mut Elasticsearch) {
        if kind.is_of_machine() {
            self.boots += 1;
        }
        for node in self.going(kind, elasticsearch) {
            // A unit that is restarted starts in any case.
            let is_left = self.disabled && node == self.number;
            if !kind.is_of_machine() || !is_left {
                elasticsearch.start(node);
            }
        }
    }

    /// Whether what it was permitted is done; `is_anew` says that its unit runs in another start.
    fn is_proven(&self, kind: Kind, is_anew: bool) -> bool {
        if kind.is_of_machine() {
            return self.boots != self.boots_before;
        }
        is_anew && (!kind.swaps() || self.aim == Some(self.in_place))
    }

    /// What waits takes the place of what was there, and is used up, also where that fails half-way.
    fn swap(&mut self, declared: u64, fails: bool, elasticsearch: &mut Elasticsearch) {
        (self.staged, self.aim) = (None, Some(declared));
        if fails {
            return;
        }
        if self.in_place != declared {
            self.previous = (self.in_place, elasticsearch.configured[self.number]);
        }
        self.in_place = declared;
        elasticsearch.configured[self.number] = self.wanted;
    }

    /// What ran before the run runs again, unless its data is no longer what it could read.
    fn roll_back(
        &mut self,
        elasticsearch: &mut Elasticsearch,
        rng: &mut fastrand::Rng,
    ) -> Progress {
        match elasticsearch.running[self.number] {
            Some(_) if self.in_place == self.previous.0 => Progress::Done,
            Some(_) => failed("what is taken back runs by now", true),
            None if rng.u8(..) < 64 => failed("the data may have been opened", true),
            None => {
                (self.in_place, self.reached) = (self.previous.0, self.previous.0);
                elasticsearch.configured[self.number] = self.previous.1;
                self.broken = false;
                elasticsearch.start(self.number);
                Progress::Working { touched: true }
            }
        }
    }

    /// It names another Cluster, so that no run has anything for it. What was begun on the machine
    /// goes on there all the same.
    fn finish_alone(&mut self, elasticsearch: &mut Elasticsearch) {
        (self.answer, self.cordoned) = (None, false);
        if self.stopped && !self.broken {
            self.stopped = false;
            self.start(Kind::HostRestart, elasticsearch);
        }
    }

    /// Whether it has said before that it has begun.
    fn has_begun(&self) -> bool {
        self.answer.as_ref().is_some_and(|it| match &it.progress {
            Progress::Working { touched } | Progress::Failed { touched, .. } => *touched,
            Progress::Done | Progress::Spared | Progress::Vain { .. } | Progress::Late { .. } => {
                false
            }
        })
    }

    /// Whether it finds out again by itself what it has done, so that it may forget to say so.
    pub fn may_forget(&self) -> bool {
        let is_found_again =
            |it: &Answer| matches!(it.progress, Progress::Working { .. } | Progress::Done);
        // What it has got ready for a boot it does not do once more.
        !self.due && self.answer.as_ref().is_some_and(is_found_again)
    }

    /// What `run` permits it to do.
    fn permit<'a>(&self, run: &'a Run) -> Option<&'a HostRun> {
        let uid = self.uid();
        run.hosts.iter().find(|it| it.uid == uid && it.step.is_permit())
    }

    /// Whether there is a permit that it had not taken note of: that is all it does then.
    fn notes(
        &mut self,
        seen: Option<&Run>,
        run: Option<&Run>,
        elasticsearch: &Elasticsearch,
    ) -> bool {
        // What it takes note of may be an older state than there is.
        let noted = seen.and_then(|run| Some((run, self.permit(run)?)));
        // But none from before what it has taken note of: the API server itself is asked for that.
        let noted = noted.filter(|(older, permit)| {
            let Some(answer) = &self.answer else { return true };
            let is_same = answer.run == older.id;
            let is_later = (answer.attempt, answer.step) < (permit.attempt, permit.step);
            if is_same { is_later } else { run.is_none_or(|it| it.id != answer.run) }
        });
        if let Some((run, permit)) = noted
            && !self.has_noted(run, permit)
        {
            if self.in_maintenance && permit.step != Step::Uncordon {
                return true;
            }
            // It says so before it acts; whether the permit still stands it looks at the next time.
            let (step, attempt) = (permit.step, permit.attempt);
            let touched = run.kind.swaps() && permit.touched && permit.step == Step::Stop;
            if touched && elasticsearch.running[self.number].is_some() {
                // What has come up by itself is not stopped without the gates.
                return true;
            }
            let progress = Progress::Working { touched };
            self.answer = Some(Answer { run: run.id.clone(), step, attempt, progress });
            (self.stopped, self.aim, self.due) = (false, None, false);
            self.start_before = elasticsearch.running[self.number];
            self.boots_before = self.boots;
            return true;
        }
        false
    }

    /// One reconcile, of which nothing is remembered but what the status and the machine hold.
    /// `declared` is the target that the spec asks for by now. Returns what it stopped Elasticsearch
    /// for.
    pub fn reconcile(
        &mut self,
        seen: Option<&Run>,
        (run, declared): (Option<&Run>, u64),
        elasticsearch: &mut Elasticsearch,
        rng: &mut fastrand::Rng,
        troubled: bool,
        now: Timestamp,
    ) -> Option<RunId> {
        if !self.is_member() {
            self.finish_alone(elasticsearch);
            return None;
        }
        if !self.fit {
            return None;
        }
        if self.notes(seen, run, elasticsearch) {
            return None;
        }
        let run = run?;
        let permit = self.permit(run)?;
        if !self.has_noted(run, permit) {
            return None;
        }
        let is_over = !matches!(self.answer.as_ref()?.progress, Progress::Working { .. });
        let is_final = matches!(
            self.answer.as_ref()?.progress,
            Progress::Spared | Progress::Vain { .. } | Progress::Late { .. }
        );
        if is_over && permit.step != Step::Stop || is_final {
            return None;
        }
        let may_fail = troubled && rng.u8(..) < 8;
        let mut stopped_for = None;
        let progress = match permit.step {
            Step::Stage if may_fail => failed("no room for the archive", false),
            Step::Stage if run.kind.swaps() => {
                self.staged = Some(declared);
                Progress::Done
            }
            // It has booted what is asked for already.
            Step::Stage if run.kind == Kind::HostDeploy && rng.u8(..) < 64 => {
                self.reached = run.target.parse().unwrap();
                Progress::Spared
            }
            Step::Cordon => {
                self.cordoned = true;
                Progress::Done
            }
            Step::Uncordon => {
                self.cordoned = false;
                Progress::Done
            }
            Step::Stop => {
                let running = elasticsearch.running[self.number];
                let is_anew = running.is_some() && running != self.start_before;
                if self.is_proven(run.kind, is_anew) {
                    let target = || run.target.parse().unwrap();
                    self.reached = self.aim.unwrap_or_else(target);
                    Progress::Done
                } else if self.due {
                    self.due = false;
                    failed("the machine has to boot by a permit of its own", false)
                } else if !self.stopped {
                    // One that was begun before goes on whenever it can.
                    let has_begun = self.has_begun() && permit.touched;
                    if !has_begun && FRESH < since(permit.since, now) {
                        Progress::Late { reason: "the permit is too old".into() }
                    } else if may_fail || self.in_maintenance && !has_begun {
                        failed("sudo asks for a password", false)
                    } else if run.kind.swaps() && self.staged != Some(declared) {
                        failed("what is declared by now does not wait here", false)
                    } else if troubled && run.kind == Kind::HostUpgrade && rng.u8(..) < 16 {
                        Progress::Vain { reason: "a package could not be fetched".into() }
                    } else if run.kind.may_spare() && rng.u8(..) < 160 {
                        self.due = rng.bool();
                        if self.due {
                            Progress::Working { touched: true }
                        } else {
                            self.reached = run.target.parse().unwrap();
                            Progress::Spared
                        }
                    } else {
                        self.stopped = true;
                        let fails = troubled && rng.u8(..) < 24;
                        if run.kind.swaps() {
                            self.swap(declared, fails, elasticsearch);
                        }
                        let mut going = self.going(run.kind, elasticsearch).into_iter();
                        if going.any(|it| elasticsearch.running[it].is_some()) {
                            stopped_for = Some(run.id.clone());
                        }
                        self.broken |= fails;
                        // It may end before it says that it has begun.
                        Progress::Working { touched: rng.bool() }
                    }
                } else if self.broken {
                    failed("the unit fails to start", true)
                } else if is_anew {
                    failed("what ran before was started again", true)
                } else {
                    self.start(run.kind, elasticsearch);
                    Progress::Working { touched: true }
                }
            }
            Step::Rollback => self.roll_back(elasticsearch, rng),
            _ => Progress::Done,
        };
        self.answer.as_mut()?.progress = progress;
        stopped_for
    }
}

fn failed(reason: &str, touched: bool) -> Progress {
    Progress::Failed { reason: reason.into(), touched }
}
