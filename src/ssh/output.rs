//! What came of a command.

use std::borrow::Cow;

use secrecy::ExposeSecret;

use super::{
    command::Command,
    error::{Cause, Ending, Error},
    exec::Ended,
};

/// The most that an error keeps of standard error, in bytes: its end, since that tells most.
const TAIL: usize = 1024;
/// Shorter lines of a secret could be anything.
const SHORTEST_SECRET: usize = 8;

/// What a command printed, and how it ended. What a host prints is a stranger's text.
#[derive(Debug)]
pub struct Output {
    host: Box<str>,
    what: &'static str,
    ended: Ended,
}

impl Output {
    pub(super) fn new(host: Box<str>, command: &Command, mut ended: Ended) -> Self {
        if let Some(secret) = command.secret() {
            blot(&mut ended.stderr, secret.expose_secret());
        }
        Self { host, what: command.what(), ended }
    }

    /// How it ended.
    #[must_use]
    pub fn ending(&self) -> &Ending {
        &self.ended.ending
    }

    /// What it printed, any bytes at all.
    #[must_use]
    pub fn stdout(&self) -> &[u8] {
        &self.ended.stdout
    }

    /// What it printed, as far as it is text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.ended.stdout)
    }

    /// The last line that it printed: what comes before may be a greeting of the login shell's.
    #[must_use]
    pub fn last_line(&self) -> String {
        self.text().lines().last().unwrap_or_default().trim().to_owned()
    }

    /// The end of what it printed to standard error, fit to be shown.
    #[must_use]
    pub fn complaint(&self) -> Cause {
        let text = String::from_utf8_lossy(&self.ended.stderr);
        let text = text.trim();
        let mut start = text.len().saturating_sub(TAIL);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        match &text[start..] {
            "" => Cause::new("it said nothing about it"),
            tail => Cause::new(tail),
        }
    }

    /// This, if the command ended with status 0.
    ///
    /// # Errors
    /// How it ended instead, with its complaint.
    pub fn succeeded(self) -> Result<Self, Error> {
        self.ended_with(&[0])
    }

    /// This, if the command ended with one of `statuses`.
    ///
    /// # Errors
    /// How it ended instead, with its complaint.
    pub fn ended_with(self, statuses: &[u32]) -> Result<Self, Error> {
        match self.ending() {
            Ending::Exited(status) if statuses.contains(status) => Ok(self),
            ending => {
                let (ending, cause) = (ending.clone(), self.complaint());
                Err(Error::Failed { host: self.host, what: self.what, ending, cause })
            }
        }
    }

    /// The error for output that is not what the command should print.
    #[must_use]
    pub fn unexpected(&self, problem: &str) -> Error {
        let cause = Cause::new(problem);
        Error::UnexpectedOutput { host: self.host.clone(), what: self.what, cause }
    }

    /// The error where it was sudo that did not run the command: it says so last, and with status 1.
    pub(super) fn sudo_refusal(&self) -> Option<Error> {
        if self.ended.ending != Ending::Exited(1) && self.ended.ending != Ending::Exited(127) {
            return None;
        }
        let text = String::from_utf8_lossy(&self.ended.stderr);
        let last = text.lines().rev().map(str::trim).find(|it| !it.is_empty())?;
        let by_sudo = match self.ended.ending {
            // The login shell's words: there is no sudo.
            Ending::Exited(127) => last.contains("sudo") && last.contains("not found"),
            // A warning of sudo's is no refusal.
            _ => {
                (last.starts_with("sudo: ") && !last.contains("unable to resolve host"))
                    || last.contains("sudoers")
                    || last.contains("not allowed to")
            }
        };
        by_sudo.then(|| Error::Sudo {
            host: self.host.clone(),
            what: self.what,
            cause: Cause::new(last),
        })
    }
}

/// Takes a secret, and each line of it, out of what a command printed.
fn blot(text: &mut Vec<u8>, secret: &[u8]) {
    let Ok(secret) = std::str::from_utf8(secret) else { return };
    let mut printed = String::from_utf8_lossy(text).into_owned();
    for part in std::iter::once(secret.trim()).chain(secret.lines().map(str::trim)) {
        if SHORTEST_SECRET <= part.len() {
            printed = printed.replace(part, "[redacted]");
        }
    }
    *text = printed.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::chain;

    fn output(ending: Ending, stderr: &[u8]) -> Output {
        let ended = Ended { ending, stdout: Vec::new(), stderr: stderr.to_vec() };
        let command = Command::new("test", "true", [""; 0]).stdin(b"line one\ns3cret\n".to_vec());
        Output::new("h1:22".into(), &command, ended)
    }

    #[test]
    fn only_the_expected_status_is_success() {
        assert!(output(Ending::Exited(0), b"").succeeded().is_ok());
        assert!(output(Ending::Exited(102), b"").ended_with(&[0, 102]).is_ok());
        for (ending, words) in [
            (Ending::Exited(3), "test on h1:22 failed with status 3: a\u{fffd}b c"),
            (
                Ending::Signalled("KILL".into()),
                "test on h1:22 was ended by the signal KILL: a\u{fffd}b c",
            ),
            (
                Ending::Unknown,
                "test on h1:22 was cut off before it said how it ended: a\u{fffd}b c",
            ),
        ] {
            let error = output(ending, b" a\xffb\nc\n").succeeded().unwrap_err();
            assert_eq!(chain(&error), words);
        }
    }

    #[test]
    fn of_a_long_complaint_the_end_is_kept() {
        let long = format!("{}the end", "é".repeat(2000));
        let complaint = output(Ending::Exited(1), long.as_bytes()).complaint().to_string();
        assert!(complaint.len() <= TAIL && complaint.ends_with("the end"), "{complaint}");
    }

    #[test]
    fn a_secret_that_a_command_complains_about_is_blotted_out() {
        let complaint = output(Ending::Exited(1), b"bad: line one: no, s3cret is short");
        let text = complaint.complaint().to_string();
        assert_eq!(text, "bad: [redacted]: no, s3cret is short");
    }

    #[test]
    fn sudo_refusing_is_told_from_a_command_that_failed() {
        let refuses = |status, text: &str| {
            output(Ending::Exited(status), text.as_bytes()).sudo_refusal().is_some()
        };
        assert!(refuses(1, "sudo: a password is required\n"));
        assert!(refuses(1, "bob is not in the sudoers file.\n"));
        assert!(refuses(1, "Sorry, user bob is not allowed to execute '/bin/sh' as root on h1.\n"));
        assert!(refuses(127, "bash: line 1: sudo: command not found\n"));
        assert!(refuses(127, "sh: 1: sudo: not found\n"));
        assert!(!refuses(1, "sudo: unable to resolve host h1: Name or service not known\n"));
        assert!(!refuses(1, "sudo: unable to resolve host h1\nE: disk is full\n"));
        assert!(!refuses(1, ""));
        assert!(!refuses(127, "sh: 1: apt-get: not found\n"));
        assert!(!refuses(2, "sudo: a password is required\n"));
    }
}
