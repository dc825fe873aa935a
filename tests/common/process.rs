//! A child process that can't outlive the tests, can be signalled, and whose log shows in failures.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::paths;
use super::wait::poll_until;

thread_local! {
    /// Logs of what the test that runs on this thread has started.
    static LOGS: RefCell<Vec<(String, PathBuf)>> = const { RefCell::new(Vec::new()) };
}

/// A signal, by the name that `kill` knows.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    Term,
    Kill,
    Stop,
    Cont,
}

/// A running command under `guard.sh`.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    guard: Mutex<Child>,
}

impl Process {
    /// Starts it; its output goes to `log`, which is appended to.
    pub fn spawn<S: AsRef<OsStr>>(
        name: &str,
        log: &Path,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, String)],
    ) -> Self {
        let mut guard = Command::new(paths::script("guard.sh"))
            .arg(log)
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0) // Ctrl-C is for the tests; the guard notices their end
            .spawn()
            .unwrap_or_else(|error| panic!("guard.sh for {name}: {error}"));
        let mut pid = String::new();
        BufReader::new(guard.stdout.take().expect("piped"))
            .read_line(&mut pid)
            .expect("guard.sh prints the process id");
        let pid = pid.trim().parse().unwrap_or_else(|_| panic!("{name} did not start"));
        LOGS.with_borrow_mut(|logs| logs.push((name.to_owned(), log.to_owned())));
        Self { name: name.to_owned(), pid, log: log.to_owned(), guard: Mutex::new(guard) }
    }

    /// The process itself, not its guard.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        send(signal, self.pid);
    }

    /// Its exit status as a shell tells it (128 + signal), once it has ended.
    pub fn status(&self) -> Option<i32> {
        let ended = self.guard.lock().unwrap().try_wait().expect("our own child");
        ended.map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end.
    pub async fn ended(&self, deadline: Duration) -> i32 {
        poll_until(deadline, Duration::from_millis(10), async || self.status().ok_or(()))
            .await
            .unwrap_or_else(|()| {
                panic!("{} (pid {}) still runs after {deadline:?}{}", self.name, self.pid, logs())
            })
    }

    /// Kills it and all that it started, and waits until they are gone.
    pub fn kill(&self) {
        let mut guard = self.guard.lock().unwrap();
        drop(guard.stdin.take());
        let _ = guard.wait();
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        LOGS.with_borrow_mut(|logs| {
            if !std::thread::panicking() {
                logs.retain(|(_, log)| *log != self.log);
            }
        });
    }
}

/// Sends a signal to any process of ours.
pub fn send(signal: Signal, pid: u32) {
    let name = match signal {
        Signal::Term => "-TERM",
        Signal::Kill => "-KILL",
        Signal::Stop => "-STOP",
        Signal::Cont => "-CONT",
    };
    // It may have ended by itself; only that nothing can be sent at all is a fault.
    let sent = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
    sent.expect("the program kill: `apt-get install procps`");
}

/// The ends of the logs of what this test started, for a panic's message.
pub fn logs() -> String {
    let tail_of = |(name, log): &(String, PathBuf)| {
        format!("\n--- the end of {name}'s log ---\n{}", tail(log, 25))
    };
    LOGS.with_borrow(|logs| logs.iter().map(tail_of).collect())
}

/// The last lines of a file.
pub fn tail(file: &Path, lines: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A port that nothing listens on now. Each is handed out once in a process.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Vec<u16>> = Mutex::new(Vec::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let mut taken = TAKEN.lock().unwrap();
        if !taken.contains(&port) {
            taken.push(port);
            return port;
        }
    }
}
