//! What is left of a machine of the bed.

use std::path::{Path, PathBuf};

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
