//! What is run on a host: a program with its arguments, or a script of Drover's own.
//!
//! SSH hands a host one line of text, which the user's login shell reads. That shell has to read
//! quotes as POSIX has it; sh, bash, dash, ksh and zsh do. All of what is not part of Drover's own
//! source goes through [`quote`] or over standard input.

use std::{borrow::Cow, time::Duration};

use secrecy::SecretSlice;

/// How long a command may take where nothing else is said.
const DEADLINE: Duration = Duration::from_mins(1);
/// The most that is read of a command's output where nothing else is said, in bytes.
const OUTPUT: usize = 1024 * 1024;
/// The longest line that is sent: Linux takes no single argument of 128 KiB.
const LINE: usize = 64 * 1024;

/// Something to be run on a host.
#[derive(Clone, Debug)]
pub struct Command {
    what: &'static str,
    program: Program,
    arguments: Vec<String>,
    sudo: bool,
    effect: Effect,
    stdin: Option<SecretSlice<u8>>,
    deadline: Duration,
    output: usize,
}

#[derive(Clone, Debug)]
enum Program {
    Named(String),
    /// The text is part of Drover's source, so nothing can have been put into it.
    Script(&'static str),
}

/// What a command does to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It looks.
    Reads,
    /// It changes something, or may.
    Writes,
}

/// Why a command can't be sent. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// There is no program.
    #[error("it names no program")]
    Empty,
    /// No program can be given such an argument.
    #[error("an argument holds a zero byte")]
    ZeroByte,
    /// The host would not take it.
    #[error("it is longer than {LINE} bytes")]
    TooLong,
}

impl Command {
    /// `program` with `arguments`, which anybody on the host can see while it runs: no secrets.
    /// `what` names it in metrics and errors.
    pub fn new<I>(what: &'static str, program: &str, arguments: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self::with(what, Program::Named(program.to_owned()), arguments)
    }

    /// A script for a POSIX shell, which sees `arguments` as `$1` and so on. It is sent over
    /// standard input, or, where [`Command::stdin`] is given, as an argument.
    pub fn script<I>(what: &'static str, text: &'static str, arguments: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self::with(what, Program::Script(text), arguments)
    }

    fn with<I>(what: &'static str, program: Program, arguments: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        Self {
            what,
            program,
            arguments: arguments.into_iter().map(Into::into).collect(),
            sudo: false,
            effect: Effect::Writes,
            stdin: None,
            deadline: DEADLINE,
            output: OUTPUT,
        }
    }

    /// The same, as root by sudo without a password, where `sudo` is true.
    #[must_use]
    pub fn sudo(mut self, sudo: bool) -> Self {
        self.sudo = sudo;
        self
    }

    /// The same, known to change nothing: by default a command is taken to.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.effect = Effect::Reads;
        self
    }

    /// The same, with `bytes` on its standard input: the place for secrets.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<SecretSlice<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// The same, given up after `deadline` (default 60 s).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same, given up when its output, standard error included, is longer than `bytes`
    /// (default 1 MiB).
    #[must_use]
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output = bytes;
        self
    }

    pub(super) fn what(&self) -> &'static str {
        self.what
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn runs_by_sudo(&self) -> bool {
        self.sudo
    }

    pub(super) fn time_limit(&self) -> Duration {
        self.deadline
    }

    pub(super) fn byte_limit(&self) -> usize {
        self.output
    }

    pub(super) fn secret(&self) -> Option<&SecretSlice<u8>> {
        self.stdin.as_ref()
    }

    /// The script to be sent over standard input. The braces make the shell read all of it before
    /// it does any of it: a connection that breaks half-way runs nothing.
    pub(super) fn script_on_stdin(&self) -> Option<String> {
        match self.program {
            Program::Script(text) if self.stdin.is_none() => Some(format!("{{\n{text}\n}}\n")),
            _ => None,
        }
    }

    /// The line for the login shell.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn line(&self) -> Result<String, InvalidCommand> {
        let mut words: Vec<&str> = Vec::with_capacity(self.arguments.len() + 7);
        if self.sudo {
            words.extend(["sudo", "-n", "--"]);
        }
        match &self.program {
            Program::Named(program) if program.is_empty() => return Err(InvalidCommand::Empty),
            Program::Named(program) => words.push(program),
            Program::Script(text) if self.stdin.is_some() => words.extend(["sh", "-c", text, "sh"]),
            Program::Script(_) => words.extend(["sh", "-s", "--"]),
        }
        words.extend(self.arguments.iter().map(String::as_str));
        if words.iter().any(|it| it.contains('\0')) {
            return Err(InvalidCommand::ZeroByte);
        }
        let line = words.into_iter().map(quote).collect::<Vec<_>>().join(" ");
        if LINE < line.len() { Err(InvalidCommand::TooLong) } else { Ok(line) }
    }
}

/// `word` as a POSIX shell reads it as one word that means itself. The only way in which text gets
/// into a line for a shell.
#[must_use]
pub fn quote(word: &str) -> Cow<'_, str> {
    // An unquoted '=' at the start means something to zsh, '~' to all of them.
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_./:,@%+".contains(&it);
    if !word.is_empty() && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
pub(super) mod tests;
