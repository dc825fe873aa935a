//! Errors as text, for logs and for people.

use std::error::Error;

/// `error` and what caused it, in one line. A log line takes this: the JSON format shows of an
/// error as such the outermost text alone.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += ": ";
        text += &cause.to_string();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Fault {
        text: &'static str,
        source: Option<Box<Fault>>,
    }

    #[test]
    fn a_chain_names_every_cause_in_order() {
        let fault = |text, source: Option<Fault>| Fault { text, source: source.map(Box::new) };
        let error = fault("no poll", Some(fault("no connection", Some(fault("refused", None)))));
        assert_eq!(chain(&error), "no poll: no connection: refused");
        assert_eq!(chain(&fault("alone", None)), "alone");
    }
}
