//! The operator dies while a machine is in its hands: the next one ends where an undisturbed one
//! would have, and changes nothing twice.

use serde_json::json;

use super::{SOON, Stage, preparation::live};
use crate::common::{
    hosts::{Host, Os, Settings, SshKey},
    wait::eventually,
};

const FILE: &str = "/etc/sysctl.d/zz-drover.conf";

/// Lets the machine hang in this command, kills the operator there, and starts another one.
/// `command` is a program, or one with what its arguments begin with. `secret` is PEM, or nothing: it
/// may not be an argument of a process there.
pub async fn die_in(
    stage: &mut Stage,
    host: &Host,
    command: &str,
    secret: &str,
    begin: impl AsyncFnOnce(&Stage),
) {
    let before = host.calls().len();
    host.slow_command(command, 600);
    begin(stage).await;
    eventually(&format!("the machine is at {command}"), SOON, async || {
        let calls = host.calls();
        let mut since = calls.iter().skip(before);
        let is_at = since.any(|it| format!("{it} ").starts_with(&format!("{command} ")));
        if is_at { Ok(()) } else { Err(format!("{calls:?}")) }
    })
    .await;
    assert_no_secret_is_an_argument(stage, host, secret);
    stage.operator.kill();
    host.mend_commands();
    // What hangs there would do its work in ten minutes.
    let program = command.split(' ').next().expect("a program");
    host.inside(&format!("for it in $(pgrep -x {program}); do kill -9 \"$it\"; done; true"));
    stage.operator.restart().await;
}

/// Everybody on a machine may read the arguments of its processes.
fn assert_no_secret_is_an_argument(stage: &Stage, host: &Host, other: &str) {
    let there = host.inside("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'; true");
    assert!(there.contains("sshd: ") || there.contains("/usr/sbin/sshd"), "{there}");
    let here = std::fs::read(format!("/proc/{}/cmdline", stage.operator.pid())).expect("it runs");
    let here = String::from_utf8_lossy(&here).replace('\0', "\n");
    let key = SshKey::shared().private();
    let lines = key.lines().chain(other.lines()).filter(|it| !it.starts_with("-----"));
    // What is in a file is sent as a secret is, whether it is one or not.
    for secret in lines.chain(["# before: vm"]) {
        assert!(!there.contains(secret) && !here.contains(secret), "{there}\n{here}");
    }
}

#[tokio::test]
async fn an_operator_that_dies_at_any_step_of_a_preparation_is_followed_by_one_that_completes_it() {
    let mut stage = Stage::new("crash").await;
    let host = Settings::new(Os::Debian).start().await;
    stage.ready("es", &host, &json!({})).await;
    // Where it looks, before it writes, with the new file beside the old, and between the file and
    // the live value: nothing is there that restores contexts, so the script goes on without. Beside
    // each, how often the next operator may have to write the file.
    let points = [("cut", 1.0), ("mktemp", 1.0), ("sync", 1.0), ("restorecon", 0.0)];
    for (round, (command, writes)) in points.into_iter().enumerate() {
        let value = (round + 1).to_string();
        let spec = json!({
            "deletionPolicy": "Reset",
            "sysctls": { "vm.swappiness": value, "vm.max_map_count": "262144" },
        });
        let begin = async |stage: &Stage| stage.host("es", &host, &spec).await;
        die_in(&mut stage, &host, command, "", begin).await;
        stage.until("es", "Ready", "True").await;
        assert_eq!(live(&host, "swappiness"), value, "after {command}");
        let (written, set) =
            (stage.ran("write file").await, stage.ran("set kernel parameters").await);
        let is_once = written <= writes && (set - 1.0).abs() < f64::EPSILON;
        assert!(is_once, "written {written} times and set {set} times after {command}");
        let text = host.inside(&format!("cat {FILE}"));
        for line in ["# before: vm.max_map_count = 65530", "# before: vm.swappiness = 60"] {
            assert_eq!(text.matches(line).count(), 1, "after {command}: {text}");
        }
        assert_eq!(host.inside("ls -A /etc/sysctl.d | grep -c drover"), "1", "after {command}");
    }
    // One that finds all done does nothing.
    let made = host.inside(&format!("stat -c '%i %y' {FILE}"));
    let (status, _) = stage.operator.stop().await;
    assert_eq!(status, 0);
    stage.operator.restart().await;
    eventually("it has looked twice", SOON, async || {
        let looks = stage.ran("inspect preparation").await;
        if 2.0 <= looks { Ok(()) } else { Err(format!("{looks}")) }
    })
    .await;
    let changes = stage.ran("write file").await + stage.ran("set kernel parameters").await;
    assert!(changes < 1.0, "changed twice");
    assert_eq!(host.inside(&format!("stat -c '%i %y' {FILE}")), made);

    // The same for what undoes it: the values are back, and the file that tells them still there.
    die_in(&mut stage, &host, "rm", "", async |stage| stage.delete("es").await).await;
    stage.gone("es").await;
    assert_eq!((&*live(&host, "swappiness"), &*live(&host, "max_map_count")), ("60", "65530"));
    host.inside(&format!("test ! -e {FILE}"));
}
