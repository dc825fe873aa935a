//! What each family of systems calls the same thing: the one table of commands for packages,
//! restarts and images. Whether a restart is due is a fact, asked of whatever the host has.

use std::fmt;

use super::command::Command;

/// A family of systems with the same commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Debian, Ubuntu and kin: apt.
    Debian,
    /// Fedora: dnf.
    Fedora,
    /// RHEL, `CentOS`, Rocky, Alma, Oracle and kin: yum, which newer ones have as another name of
    /// dnf.
    Rhel,
    /// SLES and openSUSE Leap: zypper.
    Suse,
    /// Images instead of packages, of any of these: rpm-ostree.
    Ostree,
}

/// Systems that Drover knows the commands of, for messages.
pub const SUPPORTED: &str = "Debian and Ubuntu, Fedora, RHEL with CentOS, Rocky, Alma and Oracle \
                             Linux, SLES and openSUSE Leap, and systems that rpm-ostree manages";

/// A program with its arguments, and the statuses with which it ends well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The program.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Statuses that mean success.
    pub success: &'static [u32],
}

/// How flanneld comes onto hosts of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flannel {
    /// The package that brings it.
    pub package: &'static str,
    /// The program, where that package brings no unit to run it; else it brings `flanneld.service`.
    pub program: Option<&'static str>,
}

/// The name of a package or the version of an image: nothing that a program could take for an
/// option.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// Takes `text` for a name: letters, digits and `+._:~-`, not a dash first.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"+._:~-".contains(&it);
        let good = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && text.bytes().all(plain)
            && text.len() <= 128;
        good.then(|| Self(text.into()))
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Systems that look like a member of a family, and are none: their root can't be written to, or
/// they are upgraded in another way.
const NOT: [&str; 6] = [
    "opensuse-tumbleweed",
    "opensuse-microos",
    "opensuse-aeon",
    "sle-micro",
    "sl-micro",
    "suse-microos",
];

impl Family {
    /// The family of a system, by `ID` and `ID_LIKE` of its os-release and by whether it was booted
    /// from an image. Nothing where Drover does not know its commands.
    #[must_use]
    pub fn of(id: &str, like: &str, has_rpm_ostree: bool, ostree_booted: bool) -> Option<Self> {
        if ostree_booted {
            return has_rpm_ostree.then_some(Self::Ostree);
        }
        if NOT.contains(&id) {
            return None;
        }
        let by_name = |name: &str| match name {
            "debian" | "ubuntu" => Some(Self::Debian),
            "fedora" => Some(Self::Fedora),
            "rhel" | "redhat" | "centos" | "rocky" | "almalinux" | "ol" | "scientific" => {
                Some(Self::Rhel)
            }
            "sles" | "sled" | "sle_hpc" | "opensuse-leap" | "opensuse" | "suse" => Some(Self::Suse),
            _ => None,
        };
        // The closest kin comes first: "rhel fedora".
        by_name(id).or_else(|| like.split(' ').find_map(by_name))
    }

    /// The word as it stands in status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debian => "Debian",
            Self::Fedora => "Fedora",
            Self::Rhel => "RHEL",
            Self::Suse => "SUSE",
            Self::Ostree => "ostree",
        }
    }

    /// Brings what is known of packages up to date.
    #[must_use]
    pub fn refresh(self) -> Action {
        match self {
            Self::Debian => apt(&["update"]),
            Self::Fedora => manager("dnf", &["-y", "makecache"]),
            Self::Rhel => manager("yum", &["-y", "makecache"]),
            Self::Suse => zypper(&["refresh"]),
            Self::Ostree => manager("rpm-ostree", &["refresh-md"]),
        }
    }

    /// Installs packages; with images they are there after the next restart.
    #[must_use]
    pub fn install(self, packages: &[Name]) -> Action {
        match self {
            Self::Debian => apt(&["install", "--no-install-recommends"]).with(packages),
            Self::Fedora => manager("dnf", &["-y", "install"]).with(packages),
            Self::Rhel => manager("yum", &["-y", "install"]).with(packages),
            Self::Suse => zypper(&["install", "--no-recommends"]).with(packages),
            Self::Ostree => manager("rpm-ostree", &["install", "--idempotent"]).with(packages),
        }
    }

    /// Downloads what [`Family::upgrade`] will install, and changes nothing.
    #[must_use]
    pub fn download(self, held: &[Name]) -> Action {
        match self {
            Self::Debian => apt(&["--with-new-pkgs", "--download-only", "upgrade"]),
            Self::Fedora | Self::Rhel => self.upgrade(held).with(&["--downloadonly"]),
            Self::Suse => zypper(&["update", "--download-only"]),
            Self::Ostree => manager("rpm-ostree", &["upgrade", "--download-only"]),
        }
    }

    /// Prints what [`Family::upgrade`] would install, and changes nothing. yum and dnf end with
    /// status 1, since they are told to say no.
    #[must_use]
    pub fn simulate(self, held: &[Name]) -> Action {
        match self {
            Self::Debian => apt(&["--with-new-pkgs", "--simulate", "upgrade"]),
            Self::Fedora => Action {
                success: &[0, 1],
                ..manager("dnf", &["--assumeno", "upgrade"]).with(&excluded(held))
            },
            Self::Rhel => Action {
                success: &[0, 1],
                ..manager("yum", &["--assumeno", "upgrade"]).with(&excluded(held))
            },
            Self::Suse => zypper(&["update", "--dry-run"]),
            Self::Ostree => {
                // 77: there is nothing new.
                Action { success: &[0, 77], ..manager("rpm-ostree", &["upgrade", "--check"]) }
            }
        }
    }

    /// Installs all that is newer, but for `held`, without asking: files that somebody changed are
    /// kept. Where packages are held by [`Family::hold`], that has to come first. With images this
    /// only stages a new one, for the next restart.
    #[must_use]
    pub fn upgrade(self, held: &[Name]) -> Action {
        match self {
            Self::Debian => apt(&["--with-new-pkgs", "upgrade"]),
            Self::Fedora => manager("dnf", &["-y", "upgrade"]).with(&excluded(held)),
            Self::Rhel => manager("yum", &["-y", "upgrade"]).with(&excluded(held)),
            Self::Suse => zypper(&["update"]),
            Self::Ostree => manager("rpm-ostree", &["upgrade"]),
        }
    }

    /// Keeps `packages` at their version until [`Family::unhold`]. Nothing where upgrades leave them
    /// out by themselves, or where there are images and no packages.
    #[must_use]
    pub fn hold(self, packages: &[Name]) -> Option<Action> {
        match self {
            Self::Debian => Some(manager("apt-mark", &["hold"]).with(packages)),
            Self::Suse => Some(zypper(&["addlock"]).with(packages)),
            Self::Fedora | Self::Rhel | Self::Ostree => None,
        }
    }

    /// Undoes [`Family::hold`].
    #[must_use]
    pub fn unhold(self, packages: &[Name]) -> Option<Action> {
        match self {
            Self::Debian => Some(manager("apt-mark", &["unhold"]).with(packages)),
            Self::Suse => Some(zypper(&["removelock"]).with(packages)),
            Self::Fedora | Self::Rhel | Self::Ostree => None,
        }
    }

    /// Restarts the host. Its answer may never come.
    #[must_use]
    pub fn reboot(self) -> Action {
        action("systemctl", &["reboot"])
    }

    /// Stages the image `version` for the next restart. Only where there are images.
    #[must_use]
    pub fn deploy(self, version: &Name) -> Option<Action> {
        match self {
            Self::Ostree => Some(manager("rpm-ostree", &["deploy", version.as_ref()])),
            _ => None,
        }
    }

    /// Downloads what [`Family::deploy`] will stage, and changes nothing. Only where there are images.
    #[must_use]
    pub fn fetch_image(self, version: &Name) -> Option<Action> {
        Some(self.deploy(version)?.with(&["--download-only"]))
    }

    /// Takes back an image that is staged. Only where there are images.
    #[must_use]
    pub fn unstage(self) -> Option<Action> {
        (self == Self::Ostree).then(|| manager("rpm-ostree", &["cleanup", "--pending"]))
    }

    /// How flanneld comes onto hosts, where the distribution itself has it as a package.
    #[must_use]
    pub fn flannel(self) -> Option<Flannel> {
        match self {
            Self::Fedora => Some(Flannel { package: "flannel", program: None }),
            Self::Suse => Some(Flannel { package: "flannel", program: Some("/usr/sbin/flanneld") }),
            Self::Debian | Self::Rhel | Self::Ostree => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn action(program: &'static str, arguments: &[&str]) -> Action {
    Action { program, arguments: Vec::new(), success: &[0] }.with(arguments)
}

/// A package manager, whose words are read: they are not to be in the user's language.
fn manager(program: &str, arguments: &[&str]) -> Action {
    action("env", &["LC_ALL=C", program]).with(arguments)
}

/// apt-get as it runs alone: it waits for another's lock, asks nothing, keeps changed files, and
/// restarts no service, Elasticsearch least of all (needrestart).
fn apt(arguments: &[&str]) -> Action {
    let environment = ["LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1"];
    let always = [
        "apt-get",
        "-q",
        "-y",
        "-o",
        "DPkg::Lock::Timeout=120",
        "-o",
        "Dpkg::Options::=--force-confdef",
        "-o",
        "Dpkg::Options::=--force-confold",
    ];
    action("env", &environment).with(&always).with(arguments)
}

/// zypper as it runs alone. 102 and 103: done, and something has to be restarted.
fn zypper(arguments: &[&str]) -> Action {
    let action = manager("zypper", &["--non-interactive"]).with(arguments);
    Action { success: &[0, 102, 103], ..action }
}

fn excluded(packages: &[Name]) -> Vec<String> {
    packages.iter().map(|it| format!("--exclude={}", it.as_ref())).collect()
}

impl Action {
    /// This as a command, called `what`; its output is to be judged by `success`.
    #[must_use]
    pub fn command(&self, what: &'static str) -> Command {
        Command::new(what, self.program, &self.arguments)
    }

    /// This in one line: the statuses that mean success, and then the command. No argument of one
    /// holds a blank.
    #[must_use]
    pub(super) fn line(&self) -> String {
        let statuses: Vec<_> = self.success.iter().map(u32::to_string).collect();
        let words = [statuses.join(","), self.program.to_owned()];
        let words: Vec<_> = words.iter().chain(&self.arguments).map(String::as_str).collect();
        words.join(" ")
    }

    fn with<T: AsRef<str>>(mut self, arguments: &[T]) -> Self {
        self.arguments.extend(arguments.iter().map(|it| it.as_ref().to_owned()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Family; 5] =
        [Family::Debian, Family::Fedora, Family::Rhel, Family::Suse, Family::Ostree];

    #[test]
    fn a_system_is_known_by_its_name_its_kin_or_its_images() {
        let of = |id, like| Family::of(id, like, false, false);
        assert_eq!(of("debian", ""), Some(Family::Debian));
        assert_eq!(of("linuxmint", "ubuntu debian"), Some(Family::Debian));
        assert_eq!(of("fedora", ""), Some(Family::Fedora));
        assert_eq!(of("centos", "rhel fedora"), Some(Family::Rhel));
        assert_eq!(of("somebodys", "rhel fedora"), Some(Family::Rhel));
        assert_eq!(of("ol", "fedora"), Some(Family::Rhel));
        assert_eq!(of("opensuse-leap", "suse opensuse"), Some(Family::Suse));
        assert_eq!(of("opensuse-tumbleweed", "opensuse suse"), None);
        assert_eq!(of("alpine", ""), None);
        assert_eq!(of("", ""), None);
        assert_eq!(Family::of("fedora", "", true, true), Some(Family::Ostree));
        assert_eq!(Family::of("endless", "debian", false, true), None);
        // Layered packages are no reason to take a plain system for an image.
        assert_eq!(Family::of("fedora", "", true, false), Some(Family::Fedora));
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn nothing_that_a_program_could_take_for_an_option_is_a_name() {
        for good in ["elasticsearch", "libstdc++6", "g++-12", "40.20240519.3.0", "1:2.3~rc1-4"] {
            assert_eq!(name(good).as_ref(), good);
        }
        let long = "a".repeat(129);
        for bad in
            ["", "-y", "--root=/", "a b", "a;b", "$(a)", "../a", "a=b", "a/b", "\u{e9}", &long]
        {
            assert_eq!(Name::new(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_asks_and_what_only_looks_changes_nothing() {
        for family in ALL {
            let text =
                |action: Action| format!("{} {}", action.program, action.arguments.join(" "));
            let upgrade = text(family.upgrade(&[name("elasticsearch")]));
            let says_yes = [" -y ", "--non-interactive", "rpm-ostree"];
            assert!(says_yes.iter().any(|it| upgrade.contains(it)), "{upgrade}");
            let simulated = text(family.simulate(&[]));
            let dry = ["--simulate", "--assumeno", "--dry-run", "--check"];
            assert!(dry.iter().any(|it| simulated.contains(it)), "{simulated}");
            let downloaded = text(family.download(&[name("elasticsearch")]));
            let only = ["--download-only", "--downloadonly"];
            assert!(only.iter().any(|it| downloaded.contains(it)), "{downloaded}");
        }
    }

    #[test]
    fn packages_that_are_to_stay_are_held_or_left_out_in_each_family_that_has_packages() {
        for family in ALL {
            let excluded =
                |action: Action| action.arguments.contains(&"--exclude=elasticsearch".to_owned());
            let held = &[name("elasticsearch")];
            let left_out = excluded(family.upgrade(held));
            assert_eq!(excluded(family.download(held)), left_out);
            assert_eq!(excluded(family.simulate(held)), left_out);
            assert_eq!(family.hold(held).is_some(), family.unhold(held).is_some());
            let one_way = left_out != family.hold(held).is_some();
            assert_eq!(one_way, family != Family::Ostree, "{family}");
        }
    }

    #[test]
    fn images_are_deployed_and_taken_back_only_where_there_are_images() {
        for family in ALL {
            let has_images = family == Family::Ostree;
            assert_eq!(family.deploy(&name("40.1")).is_some(), has_images);
            let fetched = family.fetch_image(&name("40.1")).map(|it| it.arguments);
            let only = |it: Vec<String>| it.contains(&"--download-only".to_owned());
            assert_eq!(fetched.is_some_and(only), has_images);
            assert_eq!(family.unstage().is_some(), has_images);
        }
    }
}
