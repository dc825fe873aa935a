//! What is left of a machine of the bed, whatever became of the test that it was for.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Set for a test process that is to be killed.
const VICTIM: &str = "DROVER_BED_VICTIM";

/// Whether this process is a [`victim`].
pub fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

/// Runs a test of this binary once more, as a process of its own that is to be killed, and returns it with what it tells of
/// itself by [`tell`].
pub fn victim(test: &str) -> (Child, Vec<String>) {
    let mut victim = Command::new(std::env::current_exe().expect("a program"))
        .args(["--exact", test, "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(victim.stdout.take().expect("piped")).lines();
    let line =
        lines.map_while(Result::ok).find_map(|it| it.strip_prefix("victim ").map(String::from));
    let line = line.expect("it tells of itself before it ends");
    (victim, line.split(' ').map(str::to_owned).collect())
}

/// What a victim has to tell; then it waits to be killed.
pub async fn tell(words: &str) -> ! {
    println!("\nvictim {words}");
    std::future::pending::<std::convert::Infallible>().await;
    unreachable!("it waits for ever")
}

/// Its control groups, and the processes that had its folder as their root, as the source of a mount or in their
/// command line. `pid` is the process that it hangs, or hung, on.
pub fn left_of(pid: u32, dir: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    for top in control_groups() {
        for entry in std::fs::read_dir(top).into_iter().flatten() {
            let group = entry.expect("an entry").path();
            if group.to_string_lossy().contains(&format!("/drover-bed-{pid}.")) {
                left.push(group);
            }
        }
    }
    let dir = dir.to_str().expect("a plain path");
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        // It may end meanwhile.
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mounts = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(dir) || mounts.contains(dir) {
            left.push(entry.path());
        }
    }
    left
}

/// The tops of the machine's hierarchies: one in version 2, else one for each controller.
pub fn control_groups() -> Vec<PathBuf> {
    let top = PathBuf::from("/sys/fs/cgroup");
    if top.join("cgroup.procs").exists() {
        return vec![top];
    }
    let entries = std::fs::read_dir(top).into_iter().flatten().flatten();
    entries.map(|it| it.path()).filter(|it| it.join("cgroup.procs").exists()).collect()
}
