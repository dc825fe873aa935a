//! Where the provisioned servers are, and where this test process keeps its files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A script of the test bed.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bed").join(name)
}

/// Asks `where.sh`, the one place that knows the layout; `None` when the part is not there.
fn find(arguments: &[&str]) -> Result<PathBuf, String> {
    let answer = Command::new(script("where.sh")).args(arguments).output().expect("where.sh runs");
    if answer.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&answer.stdout).trim()))
    } else {
        Err(String::from_utf8_lossy(&answer.stderr).trim().to_owned())
    }
}

/// The folder with `etcd`, `kube-apiserver` and `kubectl`.
pub fn control_plane() -> PathBuf {
    find(&["control-plane"]).unwrap_or_else(|missing| panic!("{missing}"))
}

/// Whether tests of that version run here: 9.x needs a Java that not every machine has, and only
/// where there is none they are left out, and that is told. Whatever else is missing fails them.
pub fn runs_here(version: &str) -> bool {
    let left_out = version.starts_with("9.") && find(&["java", version]).is_err();
    if left_out {
        say(&format!("left out: this machine has no Java that runs Elasticsearch {version}"));
    }
    !left_out
}

/// Prints a line past the harness, which shows nothing of a test that passes.
pub fn say(line: &str) {
    // With nobody to read it there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Panics with the way out when that version is not provisioned.
pub fn require_elasticsearch(version: &str) {
    find(&["java", version])
        .and_then(|_| find(&["elasticsearch", version]))
        .unwrap_or_else(|missing| panic!("{missing}"));
}

/// Panics with the way out when this machine can't run hosts.
pub fn require_hosts() {
    find(&["hosts"]).unwrap_or_else(|missing| panic!("{missing}"));
}

/// The folder with that version's archive, as hosts fetch it, and its digest.
pub fn archive(version: &str) -> PathBuf {
    find(&["archive", version]).unwrap_or_else(|missing| panic!("{missing}"))
}

/// The same; `None` for a version that the bed does not have.
pub fn archive_if_there(version: &str) -> Option<PathBuf> {
    find(&["archive", version]).ok()
}

/// Panics with the way out when this machine can't be a Node of Kubernetes.
pub fn require_kubernetes_node() {
    find(&["kubernetes-node"]).unwrap_or_else(|missing| panic!("{missing}"));
}

/// A new folder below this test process's own, which goes when the process ends.
/// With `DROVER_KEEP=1` it stays, to look into the logs.
pub fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let dir = root().join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir(&dir).expect("a new scratch folder");
    open_to_all(&dir);
    dir
}

fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("drover-bed-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder for temporary files");
        open_to_all(&dir);
        if std::env::var_os("DROVER_KEEP").is_some() {
            eprintln!("keeping {}", dir.display());
        } else {
            remove_when_this_process_ends(&dir);
        }
        dir
    })
}

/// Elasticsearch may run as another user than the tests.
fn open_to_all(dir: &Path) {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).expect("own folder");
}

fn remove_when_this_process_ends(dir: &Path) {
    let mut janitor = Command::new("sh")
        .args([
            "-c",
            r#"read -r _; for _ in 1 2 3 4 5; do sleep 1; rm -rf "$1" && exit; done"#,
            "sh",
        ])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0) // out of reach of Ctrl-C
        .spawn()
        .expect("sh runs");
    // Its end of the pipe closes with this process, which the janitor outlives.
    std::mem::forget(janitor.stdin.take());
    std::mem::forget(janitor);
}
