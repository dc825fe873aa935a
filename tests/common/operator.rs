//! The operator itself, as the real binary under test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kubeconfig::Kubeconfig;
use super::process::{Process, Signal, free_port, logs, send, tail};
use super::wait::{eventually, poll_until};
use super::{init, paths};

/// How the operator shall run.
#[derive(Clone, Debug)]
pub struct Settings {
    kubeconfig: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    by_environment: bool,
    binary: PathBuf,
}

impl Settings {
    /// `drover run` with this way into Kubernetes. `namespace` is all it watches, and
    /// where its Lease is, so that the tests do not meet; its poll is quick.
    pub fn new(kubeconfig: &Kubeconfig, namespace: &str) -> Self {
        let flags = [
            ["--watch-namespaces", namespace],
            ["--lease-namespace", namespace],
            ["--poll-interval", "1s"],
        ];
        Self {
            kubeconfig: kubeconfig.write(),
            arguments: flags.concat().into_iter().map(str::to_owned).collect(),
            environment: Vec::new(),
            by_environment: false,
            binary: PathBuf::from(env!("CARGO_BIN_EXE_drover")),
        }
    }

    /// Sets a flag, in place of what was set before.
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        if let Some(at) = self.arguments.iter().position(|argument| argument == name) {
            value.clone_into(&mut self.arguments[at + 1]);
        } else {
            self.arguments.extend([name.to_owned(), value.to_owned()]);
        }
        self
    }

    /// Adds an argument that has no value.
    pub fn switch(mut self, name: &str) -> Self {
        self.arguments.push(name.to_owned());
        self
    }

    /// Sets an environment variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Names everything by environment variables, and nothing on the command line.
    pub fn by_environment(mut self) -> Self {
        self.by_environment = true;
        self
    }

    /// Another build of the operator.
    pub fn binary(mut self, binary: &Path) -> Self {
        binary.clone_into(&mut self.binary);
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Operator {
        let it = self.launch();
        it.ready().await;
        it
    }

    /// Starts it and does not wait.
    pub fn launch(self) -> Operator {
        init();
        let log = paths::scratch("operator").join("output.log");
        let port = free_port();
        let process = self.spawn(port, &log);
        Operator { settings: self, process, port, log }
    }

    fn spawn(&self, port: u16, log: &Path) -> Process {
        let mut arguments = vec!["--metrics-address".to_owned(), format!("127.0.0.1:{port}")];
        arguments.extend(self.arguments.iter().cloned());
        let kubeconfig = self.kubeconfig.to_str().expect("a plain path").to_owned();
        let mut environment = vec![("KUBECONFIG".to_owned(), kubeconfig)];
        environment.extend(self.environment.iter().cloned());
        if self.by_environment {
            environment.extend(arguments.chunks(2).map(variable));
            arguments.clear();
        }
        arguments.insert(0, "run".to_owned());
        let environment: Vec<(&str, String)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        Process::spawn("operator", log, &self.binary, arguments, &environment)
    }
}

/// A flag and its value as an environment variable.
fn variable(pair: &[String]) -> (String, String) {
    let [flag, value] = pair else { panic!("not a flag with a value: {pair:?}") };
    let name = flag.trim_start_matches('-').to_uppercase().replace('-', "_");
    (format!("DROVER_{name}"), value.clone())
}

/// A running operator; it is killed when dropped, or with the test process.
#[derive(Debug)]
pub struct Operator {
    settings: Settings,
    process: Process,
    port: u16,
    log: PathBuf,
}

impl Operator {
    /// Waits for `/readyz`.
    pub async fn ready(&self) {
        eventually("the operator is ready", Duration::from_mins(1), async || {
            if let Some(status) = self.process.status() {
                panic!("the operator ended with {status}{}", logs());
            }
            match self.get("/readyz").await? {
                (200, _) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Waits until it holds its Lease; while standing by it is ready too. After a SIGKILL the Lease has to run out first,
    /// unless it runs with `--leader-elect=false`.
    pub async fn leads(&self) {
        eventually("the operator holds the Lease", Duration::from_mins(1), async || {
            if self.metric("drover_leader", &[]).await > 0.0 { Ok(()) } else { Err("not yet") }
        })
        .await;
    }

    /// SIGTERM: its exit status, and how long it took.
    pub async fn stop(&self) -> (i32, Duration) {
        let began = Instant::now();
        self.process.signal(Signal::Term);
        (self.process.ended(Duration::from_mins(1)).await, began.elapsed())
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// What kills this very process from anywhere, such as a proxy's hook, and returns when it is gone.
    pub fn killer(&self) -> impl FnOnce() + Send + 'static {
        let pid = self.process.pid();
        move || {
            send(Signal::Kill, pid);
            let began = Instant::now();
            while is_alive(pid) {
                assert!(began.elapsed() < Duration::from_secs(10), "{pid} survives SIGKILL");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Freezes it, as a machine that hangs would.
    pub fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.process.signal(Signal::Cont);
    }

    /// Starts it anew with the same settings and log, whether it still runs or not, and waits.
    pub async fn restart(&mut self) {
        self.relaunch();
        self.ready().await;
    }

    /// Like [`Self::restart`], and does not wait.
    pub fn relaunch(&mut self) {
        self.process.kill();
        self.process = self.settings.spawn(self.port, &self.log);
    }

    /// Its exit status, once it has ended.
    pub fn status(&self) -> Option<i32> {
        self.process.status()
    }

    /// Waits for its end.
    pub async fn ended(&self, deadline: Duration) -> i32 {
        self.process.ended(deadline).await
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it logged, over restarts too.
    pub fn log(&self) -> String {
        tail(&self.log, usize::MAX)
    }

    /// Waits until a line of its log holds this text.
    pub async fn logged(&self, text: &str, deadline: Duration) {
        let seen = async || if self.log().contains(text) { Ok(()) } else { Err(()) };
        poll_until(deadline, Duration::from_millis(50), seen)
            .await
            .unwrap_or_else(|()| panic!("the operator did not log {text:?}{}", logs()));
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> u64 {
        self.proc_status("VmRSS:")
    }

    /// The most resident memory that it ever had, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.proc_status("VmHWM:")
    }

    fn proc_status(&self, key: &str) -> u64 {
        let file = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line of status");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// CPU time that it has used, user and system, to a hundredth of a second.
    pub fn cpu_time(&self) -> Duration {
        let file = format!("/proc/{}/stat", self.pid());
        let stat = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        // The name in parentheses may hold anything; the two times are the 12th and 13th field after it.
        let fields = stat.rsplit(')').next().expect("a name in parentheses").split_whitespace();
        let ticks: u64 =
            fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Its metrics, by name with labels, as in `drover_reconcile_total{controller="index"}`.
    pub async fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.get("/metrics").await.expect("metrics");
        assert_eq!(status, 200, "{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
            .collect()
    }

    /// The sum of all samples of one metric whose labels hold all these texts.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let of_this = |sample: &str| {
            sample.split('{').next() == Some(name)
                && labels.iter().all(|label| sample.contains(label))
        };
        self.metrics()
            .await
            .iter()
            .filter(|(sample, _)| of_this(sample))
            .map(|(_, value)| value)
            .sum()
    }

    /// One of its own pages: status and text.
    pub async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .expect("a client");
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = client.get(url).send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await.map_err(|error| format!("{error:?}"))?))
    }
}

fn is_alive(pid: u32) -> bool {
    // A zombie is dead: its guard has not looked yet.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim().starts_with('Z')))
}
