//! Under which name, and as ended how, a step about the Node of a Host is counted. Pure.

use super::{apply::Ending, plan::Step};
use crate::{
    nodes::{member::Origin, register::Registered},
    telemetry::metrics::StepEnding,
};

/// The name; nothing for what is but put on record. `ending` is absent where Drover's own API server
/// could not be asked.
pub(super) fn label(step: &Step, ending: Option<&Ending>) -> Option<&'static str> {
    Some(match (step, ending) {
        (Step::Record { .. } | Step::RecordCordon, _) => return None,
        (Step::Register, Some(Ending::Registered(Registered { origin: Origin::Adopted, .. }))) => {
            "adopt"
        }
        (Step::Register, _) => "register",
        (Step::Cordon, _) => "cordon",
        (Step::Drain, _) => "drain",
        (Step::Uncordon, _) => "uncordon",
        (Step::Leave { .. }, _) => "leave",
        (Step::Abandon { .. }, _) => "abandon",
    })
}

/// How it ended. A drain that has to go on later is done as far as it goes now.
pub(super) fn counted(ending: Option<&Ending>) -> StepEnding {
    match ending {
        Some(Ending::Failed(_)) => StepEnding::Error,
        Some(Ending::Drained(drained)) if drained.fault.is_some() => StepEnding::Error,
        None | Some(Ending::Deferred | Ending::Stale | Ending::NoWay) => StepEnding::PutOff,
        Some(
            Ending::Nothing
            | Ending::Registered(_)
            | Ending::Cordoned(_)
            | Ending::Drained(_)
            | Ending::Uncordoned(_)
            | Ending::Left(_),
        ) => StepEnding::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::{
        drain::Drained,
        error::{Error, NotOwned},
        register::{Readiness, Unregistered},
    };

    fn failure() -> Error {
        Error::NotOwned { node: "es-1".into(), reason: NotOwned::NoMachine }
    }

    fn leave() -> Step {
        Step::Leave { is_trivial: false, moved_from: None }
    }

    #[test]
    fn a_node_that_is_made_is_told_from_one_that_is_adopted() {
        let by = |origin| {
            let readiness = Readiness::Unreported;
            let ending = Ending::Registered(Registered { origin, is_new: true, readiness });
            (label(&Step::Register, Some(&ending)), counted(Some(&ending)))
        };
        assert_eq!(by(Origin::Made), (Some("register"), StepEnding::Success));
        assert_eq!(by(Origin::Adopted), (Some("adopt"), StepEnding::Success));
        let refused = Ending::Failed(failure());
        assert_eq!(label(&Step::Register, Some(&refused)), Some("register"));
    }

    #[test]
    fn what_is_but_put_on_record_is_no_step() {
        let record = Step::Record { manager: "a".into(), is_trivial: false };
        for step in [record, Step::RecordCordon] {
            assert_eq!(label(&step, Some(&Ending::Nothing)), None);
        }
        assert_eq!(label(&leave(), Some(&Ending::NoWay)), Some("leave"));
        let abandon = Step::Abandon { absent: None, moved_from: None };
        assert_eq!(label(&abandon, Some(&Ending::Nothing)), Some("abandon"));
    }

    #[test]
    fn a_step_that_was_not_begun_is_told_from_one_that_failed() {
        let broken_off = Drained { fault: Some(failure()), ..Drained::default() };
        for ending in [Ending::Failed(failure()), Ending::Drained(Box::new(broken_off))] {
            assert_eq!(counted(Some(&ending)), StepEnding::Error, "{ending:?}");
        }
        for ending in [Ending::Deferred, Ending::Stale, Ending::NoWay] {
            assert_eq!(counted(Some(&ending)), StepEnding::PutOff, "{ending:?}");
        }
        assert_eq!(counted(None), StepEnding::PutOff);
        let waits_for_a_budget = Drained { untried: 1, ..Drained::default() };
        let done = [
            Ending::Drained(Box::new(waits_for_a_budget)),
            Ending::Left(Unregistered::Leaving),
            Ending::Nothing,
        ];
        for ending in done {
            assert_eq!(counted(Some(&ending)), StepEnding::Success, "{ending:?}");
        }
    }
}
