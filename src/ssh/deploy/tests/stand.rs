//! A host that is a folder: scripts run in it with programs of the test's own in front of the
//! machine's.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::ssh::steps::HEADER;

/// Keeps the state of one unit, and writes down what it is asked.
const SYSTEMCTL: &str = r#"#!/bin/sh
here=$(dirname "$0")/..
echo "$*" >>"$here/asked"
state() { cat "$here/state" 2>/dev/null || echo inactive; }
case $* in
show*--value*) state ;;
show*) printf 'ActiveState=%s\nLoadState=loaded\nMainPID=0\n' "$(state)" ;;
stop*) [ ! -e "$here/lingers" ] || exec sleep 60; [ ! -e "$here/hangs" ] && echo inactive >"$here/state" ;;
start*) [ ! -e "$here/broken" ] && echo active >"$here/state" ;;
esac
"#;
const RUNUSER: &str = "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
const NOTHING: &str = "#!/bin/sh\nexit 0\n";

/// What such a distribution says of itself.
pub const BUILD: &str =
    "Version: 8.19.0, Build: tar/93788a8/2025-07-23T22:10:18.138212839Z, JVM: 21";

/// Gone when dropped.
pub struct Stand(pub PathBuf);

impl Stand {
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("drover-deploy-{}-{count}", std::process::id());
        let it = Self(std::env::temp_dir().join(name));
        for folder in ["bin", "trees", "logs", "config/next", "config/jvm.options.d"] {
            fs::create_dir_all(it.0.join(folder)).unwrap();
        }
        it.program("bin/systemctl", SYSTEMCTL);
        it.program("bin/runuser", RUNUSER);
        it.program("bin/chown", NOTHING);
        it
    }

    /// `version` runs with settings that say `old`, and 8.19.0 waits with some that say `new`.
    pub fn of_two(version: &str) -> Self {
        let stand = Self::new();
        for version in [version, "8.19.0"] {
            stand.distribution(&format!("trees/{version}"), BUILD);
            stand.write(&format!("trees/{version}/.drover"), &format!("{HEADER}\n{BUILD}\n"));
        }
        symlink(stand.path(&format!("trees/{version}")), stand.path("trees/current")).unwrap();
        for (name, text) in [
            ("config/revision", format!("{HEADER}\nold\n")),
            ("config/elasticsearch.yml", "old".into()),
            ("config/jvm.options.d/drover.options", "old".into()),
            ("config/elasticsearch.keystore", "old".into()),
            ("units/es.service", "old".into()),
            ("config/next/revision", format!("{HEADER}\nnew\n")),
            ("config/next/elasticsearch.yml", "new".into()),
            ("config/next/drover.options", "new".into()),
            ("config/next/es.service", "new".into()),
            ("state", "active".into()),
        ] {
            stand.write(name, &text);
        }
        stand
    }

    /// Has `script` put the revision and its version in place for a run.
    pub fn swap(
        &self,
        script: &str,
        revision: &str,
        version: &str,
        run: &str,
    ) -> Result<String, String> {
        let (trees, config) = (self.path("trees"), self.path("config"));
        let unit = self.path("units/es.service");
        let lines =
            ["es.service", revision, version, &trees, &config, &unit, "elasticsearch", "1", run];
        let settings = self.write("settings", &(lines.join("\n") + "\n"));
        self.run(script, &[&settings])
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        fs::create_dir_all(self.0.join(name).parent().unwrap()).unwrap();
        fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.join(name).symlink_metadata().is_ok()
    }

    pub fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What systemctl was asked to change.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.read("asked");
        let lines = asked.lines().filter(|it| !it.starts_with("show"));
        lines.map(str::to_owned).collect()
    }

    /// Runs a script; its last line of output, or all of standard error where it fails without one.
    pub fn run(&self, script: &str, arguments: &[&str]) -> Result<String, String> {
        self.run_in(script, arguments, &machine_path())
    }

    pub fn run_in(&self, script: &str, arguments: &[&str], path: &str) -> Result<String, String> {
        told(&self.output(script, arguments, path))
    }

    fn output(&self, script: &str, arguments: &[&str], path: &str) -> Output {
        Command::new("/bin/sh")
            .args(["-c", script, "sh"])
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.path("bin")))
            .current_dir(&self.0)
            .output()
            .unwrap()
    }

    /// A distribution below the folder of this name; `words` is what it says of itself.
    pub fn distribution(&self, folder: &str, words: &str) {
        let bin = |name: &str| format!("{folder}/bin/{name}");
        self.program(&bin("elasticsearch"), &format!("#!/bin/sh\necho '{words}'\n"));
        let keystore = "#!/bin/sh\necho \"$1\" >\"$ES_PATH_CONF/elasticsearch.keystore\"\n";
        self.program(&bin("elasticsearch-keystore"), keystore);
        self.program(&format!("{folder}/jdk/bin/java"), NOTHING);
        self.write(&format!("{folder}/lib/es.jar"), "a jar");
        self.write(&format!("{folder}/logs/old.log"), "of the archive");
        self.write(&format!("{folder}/config/jvm.options"), &format!("# of {folder}"));
        self.write(&format!("{folder}/config/log4j2.properties"), "status = error");
    }

    /// The archive of a folder, and its digest.
    pub fn archive(&self, folder: &str) -> (Vec<u8>, String) {
        let file = self.path("archive.tar.gz");
        let parent = self.0.join(folder).parent().unwrap().to_owned();
        let name = Path::new(folder).file_name().unwrap();
        let status =
            Command::new("tar").arg("-C").arg(parent).args(["-czf", &file]).arg(name).status();
        assert!(status.unwrap().success());
        let bytes = fs::read(&file).unwrap();
        fs::remove_file(file).unwrap();
        let digest = sha512(&bytes);
        (bytes, digest)
    }
}

/// Where this machine's programs are.
pub fn machine_path() -> String {
    std::env::var("PATH").unwrap()
}

pub fn sha512(bytes: &[u8]) -> String {
    crate::digest::hex(ring::digest::digest(&ring::digest::SHA512, bytes).as_ref())
}

fn told(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (said, complaint) = (text(&output.stdout), text(&output.stderr));
    let last = said.lines().last().unwrap_or_default().to_owned();
    match output.status.success() {
        true => Ok(last),
        false if last.is_empty() => Err(complaint),
        false => Err(last),
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
