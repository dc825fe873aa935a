use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command as Process, Output, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::{collection::vec, prelude::*};
use secrecy::ExposeSecret;

use super::*;

/// What a careless line would run, or take for an option.
const CANARIES: [&str; 14] = [
    "; touch canary",
    "$(touch canary)",
    "`touch canary`",
    "'; touch canary; '",
    "\"; touch canary; \"",
    "a\ntouch canary\n",
    "-oProxyCommand=touch canary",
    "| touch canary",
    "&& touch canary",
    "> canary",
    "'\\''; touch canary; '\\''",
    "$IFS*?[a]~!#{a,b}",
    "=touch",
    "\\",
];

/// An empty folder, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("drover-command-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Programs that stand in for those of this machine.
pub struct Programs(Folder);

impl Programs {
    /// Each with its name and its script.
    pub fn new(programs: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = Folder::new();
        for (name, text) in programs {
            let path = folder.0.join(name);
            fs::write(&path, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self(folder)
    }

    /// Runs a command as a host with them would.
    pub fn run(&self, command: &Command) -> Output {
        let usual = std::env::var("PATH").unwrap_or_default();
        run_with(command, &format!("{}:{usual}", self.0.0.display()))
    }

    /// Where `name` is in their folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    /// What they have noted in their folder under `name`.
    pub fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.0.0.join(name)).unwrap_or_default()
    }
}

/// Runs a command as a host would: the line goes to a shell, the rest over standard input.
pub fn run(command: &Command) -> Output {
    run_with(command, &std::env::var("PATH").unwrap_or_default())
}

fn run_with(command: &Command, path: &str) -> Output {
    let folder = Folder::new();
    let mut process = Process::new("sh")
        .args(["-c", &command.line().unwrap()])
        .env("PATH", path)
        .current_dir(&folder.0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    if let Some(script) = command.script_on_stdin() {
        stdin.write_all(script.as_bytes()).unwrap();
    }
    if let Some(secret) = command.secret() {
        stdin.write_all(secret.expose_secret()).unwrap();
    }
    drop(stdin);
    let output = process.wait_with_output().unwrap();
    let made = fs::read_dir(&folder.0).unwrap().count();
    assert_eq!(made, 0, "{command:?} ran what it carries");
    output
}

/// Prints each argument, ended by a zero byte.
fn printed(command: &Command) -> Vec<String> {
    let output = run(command);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

const PRINT: &str = r#"for it in "$@"; do printf '%s\0' "$it"; done"#;

fn by_program(words: &[String]) -> Command {
    let format = ["%s\\0".to_owned()];
    Command::new("print", "printf", format.iter().chain(words))
}

proptest! {
    #[test]
    fn a_shell_reads_every_quoted_word_as_it_was(words in vec("[^\0]{0,12}", 1..8)) {
        prop_assert_eq!(printed(&by_program(&words)), words.clone());
        prop_assert_eq!(printed(&Command::script("print", PRINT, &words)), words);
    }
}

#[test]
fn nothing_that_an_argument_carries_is_run() {
    let words: Vec<String> = CANARIES.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(printed(&by_program(&words)), words);
    assert_eq!(printed(&Command::script("print", PRINT, &words)), words);
    assert_eq!(printed(&Command::script("print", PRINT, &words).stdin(Vec::new())), words);
}

#[test]
fn an_argument_that_looks_like_an_option_is_none_of_the_shell() {
    for word in ["-x", "--", "-c", "-"] {
        assert_eq!(printed(&Command::script("print", PRINT, [word])), [word]);
        assert_eq!(printed(&Command::script("print", PRINT, [word]).stdin(vec![])), [word]);
    }
}

#[test]
fn a_secret_reaches_the_script_but_not_its_line() {
    let command = Command::script("echo", "cat; echo \" $1\"", ["a"]).stdin(b"s3cret".to_vec());
    assert_eq!(run(&command).stdout, b"s3cret a\n");
    assert_eq!(command.script_on_stdin(), None);
    assert!(!command.line().unwrap().contains("s3cret"));
    assert!(!format!("{command:?}").contains("s3cret"));
}

#[test]
fn a_script_that_is_cut_off_runs_nothing() {
    let text = "touch canary\nrm canary\nexit 0";
    let command = Command::script("cut", text, [""; 0]);
    let whole = command.script_on_stdin().unwrap();
    assert!(run(&command).status.success());
    let folder = Folder::new();
    for end in 2..whole.len() - 1 {
        let mut process = Process::new("sh")
            .arg("-s")
            .current_dir(&folder.0)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(&whole.as_bytes()[..end]).unwrap();
        // The closing brace counts as soon as it is there.
        let complete = whole[..end].ends_with("\n}");
        assert_eq!(process.wait().unwrap().success(), complete, "{:?}", &whole[..end]);
    }
}

#[test]
fn sudo_never_asks_and_takes_no_option_from_an_argument() {
    let command = Command::new("list", "-s", ["/root"]).sudo(true);
    assert_eq!(command.line().unwrap(), "sudo -n -- -s /root");
    let script = Command::script("list", "ls", ["a b"]).sudo(true);
    assert_eq!(script.line().unwrap(), "sudo -n -- sh -s -- 'a b'");
}

#[test]
fn what_no_host_can_take_is_not_sent() {
    let nothing: [&str; 0] = [];
    assert_eq!(Command::new("none", "", nothing).line(), Err(InvalidCommand::Empty));
    assert_eq!(Command::new("zero", "a", ["\0"]).line(), Err(InvalidCommand::ZeroByte));
    let long = "a".repeat(LINE);
    assert_eq!(Command::new("long", "a", [long]).line(), Err(InvalidCommand::TooLong));
}
