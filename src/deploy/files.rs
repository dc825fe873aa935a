//! The texts of a node's files, but for elasticsearch.yml.

use std::{fmt::Write as _, net::Ipv6Addr};

use crate::ssh::{
    deploy::layout,
    preparation::{ACCOUNT_NAME, Limit, UNIT_LIMITS},
    steps::HEADER,
};

/// Options of Java besides the archive's own, which come first and count less.
pub(super) fn java_options(heap: u64, data: &str) -> String {
    format!("{HEADER}\n-Xms{heap}m\n-Xmx{heap}m\n-XX:HeapDumpPath={data}\n")
}

/// Where master-eligible nodes are, by address and port.
pub(super) fn seeds<'a>(nodes: impl IntoIterator<Item = (&'a str, u16)>) -> String {
    let mut lines: Vec<String> =
        nodes.into_iter().map(|(address, port)| authority(address, port)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.iter().fold(format!("{HEADER}\n"), |mut text, it| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{it}");
        text
    })
}

/// An address with a port.
pub(super) fn authority(address: &str, port: u16) -> String {
    match address.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]:{port}"),
        Err(_) => format!("{address}:{port}"),
    }
}

/// The file realm's users; `hash` is that of Drover's own.
pub(super) fn users(user: &str, hash: &str) -> String {
    format!("{HEADER}\n{user}:{hash}\n")
}

/// And their roles.
pub(super) fn users_roles(user: &str) -> String {
    format!("{HEADER}\nsuperuser:{user}\n")
}

/// The unit. Elasticsearch is never killed while it stops: it may be writing. One that fails again
/// and again is left failed, for its own words to be read. It waits for the mount with its data: it
/// would begin anew in the folder below.
pub(super) fn unit(version: &str, revision: &str, java_home: Option<&str>, data: &str) -> String {
    let mut text = format!(
        "{HEADER}\n\
         [Unit]\n\
         Description=Elasticsearch, as Drover runs it\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         RequiresMountsFor={data}\n\
         StartLimitIntervalSec=600\n\
         StartLimitBurst=5\n\
         [Service]\n\
         Type=simple\n\
         User={ACCOUNT_NAME}\n\
         Group={ACCOUNT_NAME}\n\
         WorkingDirectory={current}\n\
         PrivateTmp=true\n\
         UMask=0027\n\
         Environment=ES_PATH_CONF={config}\n",
        current = layout::CURRENT,
        config = layout::CONFIG,
    );
    // Writing to a String can't fail.
    if let Some(java_home) = java_home {
        let _ = writeln!(text, "Environment=ES_JAVA_HOME={java_home}");
    }
    let _ = writeln!(text, "Environment={}={version}", layout::VERSION);
    let _ = writeln!(text, "Environment={}={revision}", layout::REVISION);
    let _ = writeln!(text, "ExecStart={}/bin/elasticsearch", layout::CURRENT);
    for (name, limit) in UNIT_LIMITS {
        let _ = match limit {
            Limit::AtLeast(number) => writeln!(text, "{name}={number}"),
            Limit::Infinity => writeln!(text, "{name}=infinity"),
        };
    }
    text + "KillSignal=SIGTERM\n\
            KillMode=process\n\
            SendSIGKILL=no\n\
            SuccessExitStatus=143\n\
            TimeoutStartSec=900\n\
            TimeoutStopSec=0\n\
            Restart=on-failure\n\
            RestartSec=10\n\
            [Install]\n\
            WantedBy=multi-user.target\n"
}
