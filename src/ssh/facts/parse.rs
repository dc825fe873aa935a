//! Reads what the script printed. Any text at all may come: what is not as it should be is left
//! out.

use std::cmp::Ordering;

use serde::Deserialize;

use super::{Asked, Disk, Facts, Family, Identity, Os, Ostree};

/// The longest value that is kept, in bytes.
const LENGTH: usize = 128;
/// More than one is told of these; so many are looked at.
const KERNELS: usize = 64;

pub(super) fn facts(text: &str, asked: Asked) -> Facts {
    let said = Said(text);
    let managers: Vec<&str> = said.all("package_manager").collect();
    let ostree_booted = said.first("ostree") == Some("yes");
    let id = said.release("ID");
    let like = said.release("ID_LIKE");
    let has_rpm_ostree = managers.contains(&"rpm-ostree");
    let family = Family::of(
        id.as_deref().unwrap_or_default(),
        like.as_deref().unwrap_or_default(),
        has_rpm_ostree,
        ostree_booted,
    );
    let kernel = said.word("kernel");
    let ostree = ostree_booted.then(|| ostree(said.first("ostree_status").unwrap_or_default()));
    let jar = said
        .first("elasticsearch_jar")
        .and_then(|it| it.strip_prefix("elasticsearch-")?.strip_suffix(".jar").and_then(word));
    let reboot_required = match (&ostree, said.first("reboot")) {
        (Some(ostree), _) => Some(ostree.staged.is_some()),
        (None, Some("yes")) => Some(true),
        (None, Some("no")) => Some(false),
        _ => {
            let installed: Vec<&str> = said.all("installed_kernel").take(KERNELS).collect();
            // Debian's own way is a file, and the absence of one.
            newer_kernel(kernel.as_deref(), &installed)
                .or_else(|| managers.contains(&"apt-get").then_some(false))
        }
    };
    Facts {
        os: Os {
            id,
            version: said.release("VERSION_ID"),
            variant: said.release("VARIANT_ID"),
            family,
        },
        architecture: said.word("architecture"),
        hostname: said.word("hostname"),
        identity: Identity {
            machine_id: said.all("machine_id").find_map(|it| id_of(it, 32)),
            boot_id: said.all("boot_id").find_map(|it| id_of(it, 36)),
            init_started: said.number("init_started"),
        },
        cpus: said.number("cpus").filter(|it| *it != 0).and_then(|it| u32::try_from(it).ok()),
        memory_bytes: said.first("memory").and_then(memory),
        root_disk: said.first("disk_root").and_then(disk),
        data_disk: said.first("disk_data").and_then(disk),
        // With images, what is there besides rpm-ostree can change nothing.
        package_manager: managers
            .iter()
            .find(|it| (**it == "rpm-ostree") == ostree_booted)
            .and_then(|it| word(it)),
        ostree,
        elasticsearch_version: jar.or_else(|| said.word("elasticsearch_package")),
        has_systemd: said.first("init") == Some("systemd"),
        runs_units: said.first("runs_units") == Some("yes"),
        is_stopping: said.first("system") == Some("stopping"),
        reboot_required,
        clock_skew_seconds: said.number("clock").and_then(|it| skew(it, asked)),
        kernel,
    }
}

/// Lines of the form `key=value`.
struct Said<'a>(&'a str);

impl<'a> Said<'a> {
    fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        let of_key = move |line: &'a str| {
            line.strip_prefix(key).and_then(|it| it.strip_prefix('=')).map(str::trim)
        };
        self.0.lines().filter_map(of_key)
    }

    fn first(&self, key: &str) -> Option<&'a str> {
        self.all(key).next()
    }

    fn word(&self, key: &str) -> Option<Box<str>> {
        self.first(key).and_then(word)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.first(key).and_then(|it| it.parse().ok())
    }

    /// A field of os-release, which is written as shells read it.
    fn release(&self, field: &str) -> Option<Box<str>> {
        let text = self.first(&format!("os.{field}"))?;
        let quoted = |quote| text.strip_prefix(quote).and_then(|it| it.strip_suffix(quote));
        word(quoted('"').or_else(|| quoted('\'')).unwrap_or(text))
    }
}

/// `text`, if it is something to show.
fn word(text: &str) -> Option<Box<str>> {
    let plain = text.bytes().all(|it| it.is_ascii_graphic() || it == b' ');
    (plain && !text.is_empty() && text.len() <= LENGTH).then(|| text.into())
}

/// `text`, if it is so many hexadecimal digits and dashes.
fn id_of(text: &str, length: usize) -> Option<Box<str>> {
    let plain = text.bytes().all(|it| it.is_ascii_hexdigit() || it == b'-');
    (plain && text.len() == length).then(|| text.to_ascii_lowercase().into())
}

fn memory(text: &str) -> Option<u64> {
    let kilobytes: u64 = text.strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// A line of `df -Pk`: device, blocks, used, free, part in use, directory. Device and directory may
/// hold blanks, but only one field is a percentage after three numbers.
fn disk(line: &str) -> Option<Disk> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    fields.windows(4).find_map(|it| {
        let number = |text: &str| text.parse::<u64>().ok()?.checked_mul(1024);
        let part = it[3].strip_suffix('%')?;
        part.parse::<u8>().ok()?;
        number(it[1])?;
        Some(Disk { total_bytes: number(it[0])?, free_bytes: number(it[2])? })
    })
}

/// How far a clock is ahead that showed `seconds` somewhen while it was asked.
fn skew(seconds: u64, asked: Asked) -> Option<i64> {
    let shown = i64::try_from(seconds).ok()?;
    // Nobody reckons with clocks that are off by more than a thousand years.
    if !(0..=i64::from(u32::MAX) * 8).contains(&shown) {
        return None;
    }
    let (before, after) = (asked.before.as_second(), asked.after.as_second());
    Some(if shown < before {
        shown - before
    } else if after < shown {
        shown - after
    } else {
        0
    })
}

#[derive(Deserialize)]
struct Status {
    deployments: Vec<Deployment>,
}

#[derive(Deserialize)]
struct Deployment {
    version: Option<String>,
    checksum: Option<String>,
    /// The version and the checksum of the image itself, where packages were added to it.
    #[serde(rename = "base-version")]
    base_version: Option<String>,
    #[serde(rename = "base-checksum")]
    base_checksum: Option<String>,
    #[serde(default)]
    booted: bool,
    #[serde(default)]
    staged: bool,
}

/// What rpm-ostree says of its deployments.
fn ostree(json: &str) -> Ostree {
    let Ok(status) = serde_json::from_str::<Status>(json) else { return Ostree::default() };
    let named = |is: fn(&Deployment) -> bool| {
        let deployment = status.deployments.iter().find(|it| is(it))?;
        let name = deployment.version.as_ref().or(deployment.checksum.as_ref())?;
        word(name)
    };
    // Without staging, the one that comes next is listed before the one that runs.
    let next = status.deployments.first().filter(|it| !it.booted);
    let next = next.filter(|_| status.deployments.iter().any(|it| it.booted));
    let next = next.and_then(|it| word(it.version.as_ref().or(it.checksum.as_ref())?));
    Ostree { booted: named(|it| it.booted), staged: named(|it| it.staged).or(next) }
}

/// What rpm-ostree calls the image that is booted: its version first, where it has one, and its checksum;
/// nothing where it does not tell.
pub(in crate::ssh) fn booted_names(json: &str) -> Vec<String> {
    let status = serde_json::from_str::<Status>(json).ok();
    let booted = status.and_then(|it| it.deployments.into_iter().find(|it| it.booted));
    let names = booted.map(|it| [it.version, it.base_version, it.checksum, it.base_checksum]);
    names.into_iter().flatten().flatten().collect()
}

/// Whether a kernel is installed that is newer than the one that runs, of the same make (`amd64`,
/// `el9.x86_64`). Nothing where the running one is not among them: then they are not of this host.
fn newer_kernel(running: Option<&str>, installed: &[&str]) -> Option<bool> {
    let running = running?;
    let make = |release: &str| -> String {
        release
            .rsplit('-')
            .next()
            .unwrap_or_default()
            .trim_start_matches(|it: char| it.is_ascii_digit() || it == '.')
            .to_owned()
    };
    installed.contains(&running).then(|| {
        installed
            .iter()
            .filter(|it| make(it) == make(running))
            .any(|it| compare(it, running) == Ordering::Greater)
    })
}

/// Compares releases part by part, numbers as numbers.
fn compare(one: &str, other: &str) -> Ordering {
    fn parts(release: &str) -> impl Iterator<Item = Result<u64, &str>> {
        release.split(['.', '-', '_', '+']).map(|it| it.parse().map_err(|_| it))
    }
    parts(one).cmp(parts(other))
}
