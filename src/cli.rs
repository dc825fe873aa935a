//! The command line: every default and every environment variable in one place.

mod host;

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    path::PathBuf,
    time::Duration,
};

use clap::{ArgAction, Args, Parser, Subcommand};
pub use host::{CloudInitArguments, HostCommand};

use crate::{
    api::fields::DurationText, context::Settings, kubernetes::namespaces::Namespaces,
    telemetry::logs::LogFormat,
};

/// The longest that one reconcile may take. Longer work is left and found again by the next one.
const RECONCILE_DEADLINE: Duration = Duration::from_mins(2);

/// Keeps Elasticsearch clusters, and the Linux hosts under them, as declared in Kubernetes.
#[derive(Clone, Debug, Parser)]
#[command(name = "drover", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(RunArguments),
    /// Print the definitions of all custom resources as YAML, for
    /// `drover crd | kubectl apply --server-side -f -`.
    Crd,
    /// Bring in machines.
    #[command(subcommand)]
    Host(HostCommand),
}

/// How to run the operator. Durations are written as `90s`, `10m` or `1h30m`.
#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    /// Kubeconfig of the API server. Default: as kubectl finds it (KUBECONFIG, then
    /// ~/.kube/config), then the service account of the pod.
    #[arg(long, env = "DROVER_KUBECONFIG", value_name = "PATH")]
    pub kubeconfig: Option<PathBuf>,

    /// Namespaces to watch, with commas between. Empty: all.
    #[arg(
        long,
        env = "DROVER_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true,
        value_parser = namespaces
    )]
    pub watch_namespaces: Namespaces,

    /// Address of /metrics, /healthz and /readyz. The default is open to the network of the pod,
    /// where Prometheus and the kubelet ask; nothing secret is shown, and nothing can be changed.
    #[arg(
        long,
        env = "DROVER_METRICS_ADDRESS",
        value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080))
    )]
    pub metrics_address: SocketAddr,

    /// Whether to hold the Lease `drover` while working, so that of several replicas one works and
    /// the others stand by. Switch it off only where no second process can exist.
    #[arg(
        long,
        env = "DROVER_LEADER_ELECT",
        value_name = "BOOL",
        default_value_t = true,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub leader_elect: bool,

    /// Namespace of the Lease. Default: that of the pod, else of the kubeconfig's context.
    #[arg(
        long,
        env = "DROVER_LEASE_NAMESPACE",
        value_name = "NAME",
        value_parser = namespace
    )]
    pub lease_namespace: Option<String>,

    /// How the log on standard error looks. What it shows is set by DROVER_LOG, such as
    /// `info,drover=debug`.
    #[arg(long, env = "DROVER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// How often each Elasticsearch cluster is asked whether its state moved; from 1s to 1h.
    #[arg(
        long,
        env = "DROVER_POLL_INTERVAL",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = interval
    )]
    pub poll_interval: Duration,

    /// How often each host is asked whether it is still there and still the same; from 1s to 1h.
    #[arg(
        long,
        env = "DROVER_PROBE_INTERVAL",
        value_name = "DURATION",
        default_value = "60s",
        value_parser = interval
    )]
    pub probe_interval: Duration,

    /// How often figures that decide nothing (documents, bytes, heap, disk) are read, and written
    /// if they moved; from 1s to 1h.
    #[arg(
        long,
        env = "DROVER_STATS_INTERVAL",
        value_name = "DURATION",
        default_value = "5m",
        value_parser = interval
    )]
    pub stats_interval: Duration,

    /// How many objects of one kind are worked on at once.
    #[arg(
        long,
        env = "DROVER_MAX_CONCURRENT_RECONCILES",
        value_name = "NUMBER",
        default_value = "16"
    )]
    pub max_concurrent_reconciles: NonZeroU16,
}

impl RunArguments {
    /// What reconciles need to know.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            namespaces: self.watch_namespaces.clone(),
            poll_interval: self.poll_interval,
            probe_interval: self.probe_interval,
            stats_interval: self.stats_interval,
            max_concurrent_reconciles: self.max_concurrent_reconciles,
            reconcile_deadline: RECONCILE_DEADLINE,
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let span = DurationText::parse(text)?.0;
    let range = Duration::from_secs(1)..=Duration::from_hours(1);
    if range.contains(&span) { Ok(span) } else { Err("must be from '1s' to '1h'".into()) }
}

fn namespaces(text: &str) -> Result<Namespaces, String> {
    let names = text.split(',').map(str::trim).filter(|it| !it.is_empty());
    Ok(Namespaces::new(names.map(namespace).collect::<Result<_, _>>()?))
}

/// A name goes into paths of the API server, so nothing else may come in.
fn namespace(name: &str) -> Result<String, String> {
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
    let edges = name.starts_with('-') || name.ends_with('-');
    if name.is_empty() || 63 < name.len() || edges || !name.chars().all(plain) {
        return Err(format!("'{name}' is not the name of a namespace"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn run(arguments: &[&str]) -> Result<RunArguments, String> {
        let all = ["drover", "run"].iter().chain(arguments);
        match Arguments::try_parse_from(all).map(|it| it.command) {
            Ok(Command::Run(arguments)) => Ok(arguments),
            Ok(other) => panic!("`run` was read as {other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_help() {
        let arguments = run(&[]).unwrap();
        assert_eq!(arguments.watch_namespaces, Namespaces::All);
        assert_eq!(arguments.metrics_address.to_string(), "0.0.0.0:8080");
        assert!(arguments.leader_elect);
        assert_eq!(arguments.poll_interval, Duration::from_secs(10));
        assert_eq!(arguments.probe_interval, Duration::from_mins(1));
        assert_eq!(arguments.stats_interval, Duration::from_mins(5));
        assert_eq!(arguments.max_concurrent_reconciles.get(), 16);
    }

    #[test]
    fn every_flag_has_an_environment_variable_and_a_line_of_help() {
        let command = Arguments::command();
        let run = command.find_subcommand("run").unwrap();
        for flag in run.get_arguments().filter(|it| it.get_id() != "help") {
            let name = flag.get_long().unwrap().to_uppercase().replace('-', "_");
            let variable = flag.get_env().unwrap().to_str().unwrap();
            assert_eq!(variable, format!("DROVER_{name}"));
            assert!(flag.get_help().is_some(), "{name}");
        }
    }

    #[test]
    fn what_a_machine_can_not_be_told_is_refused_with_the_reason() {
        let cases = [
            (["--token-lifetime", "1m"], "must be from '10m' to '24h'"),
            (["--namespace", "a/b"], "'a/b' is not the name of a namespace"),
            (["--credentials", "a/b"], "'a/b' is not the name of an object"),
            (["--cluster", "a..b"], "'a..b' is not the name of an object"),
            (["--service-account", "A"], "'A' is not the name of an object"),
            (["--user", "-o"], "unexpected argument"),
            (["--user", "a b"], "'a b' is not the name of a user"),
        ];
        let given = ["drover", "host", "cloud-init", "--authorized-key", "k.pub"];
        for (arguments, reason) in cases {
            let rest =
                if arguments[0] == "--credentials" { &[][..] } else { &["--credentials", "k"] };
            let all = given.iter().chain(rest).chain(&arguments);
            let error = Arguments::try_parse_from(all).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn namespaces_are_a_set() {
        let arguments = run(&["--watch-namespaces", "b, a,b,"]).unwrap();
        assert_eq!(arguments.watch_namespaces, Namespaces::Only(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn leader_election_is_switched_off_only_by_an_explicit_false() {
        assert!(!run(&["--leader-elect=false"]).unwrap().leader_elect);
        assert!(run(&["--leader-elect"]).unwrap().leader_elect);
        assert!(run(&["--leader-elect=maybe"]).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let cases = [
            (["--poll-interval", "0s"], "must be from '1s' to '1h'"),
            (["--poll-interval", "10"], "is not a duration"),
            (["--probe-interval", "2h"], "must be from '1s' to '1h'"),
            (["--stats-interval", "2h"], "must be from '1s' to '1h'"),
            (["--max-concurrent-reconciles", "0"], "invalid value '0'"),
            (["--watch-namespaces", "a,../b"], "'../b' is not the name of a namespace"),
            (["--lease-namespace", "A"], "'A' is not the name of a namespace"),
            (["--metrics-address", "8080"], "invalid socket address"),
            (["--log-format", "xml"], "text, json"),
        ];
        for (arguments, reason) in cases {
            let error = run(&arguments).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
