//! What a machine told of itself, as the status shows it. Pure.

use crate::{
    api::{
        host_status::{Disk, Disks, HostFacts, OperatingSystem, OsFamily, Ostree},
        line::Line,
    },
    elasticsearch::snapshot::moved,
    ssh::{
        facts::{self, Facts},
        families::Family,
    },
};

/// A clock is worth a write when it moved against Drover's by more than this, in seconds.
const SKEW: u64 = 5;

/// The facts of `machine`. Figures that move all the time stay as they were `before` unless it is
/// time to write them, and they moved enough.
#[must_use]
pub fn shown(before: Option<&HostFacts>, told: &Facts, machine: &str, is_time: bool) -> HostFacts {
    let before = before.filter(|it| it.machine_id.as_str() == machine);
    let disks = Disks {
        root: disk(before.map(|it| it.disks.root), told.root_disk, is_time).unwrap_or_default(),
        data: disk(before.and_then(|it| it.disks.data), told.data_disk, is_time),
    };
    let skew = before.and_then(|it| it.clock_skew_seconds);
    HostFacts {
        os: OperatingSystem {
            id: line(told.os.id.as_deref()),
            version: told.os.version.as_deref().map(Line::new),
            variant: told.os.variant.as_deref().map(Line::new),
            // One that systemd does not run has none of the commands.
            family: told.os.family.filter(|_| told.has_systemd).map(family),
        },
        kernel: line(told.kernel.as_deref()),
        architecture: line(told.architecture.as_deref()),
        hostname: line(told.hostname.as_deref()),
        machine_id: Line::new(machine),
        boot_id: line(told.identity.boot_id.as_deref()),
        cpus: told.cpus.unwrap_or_default(),
        memory_bytes: told.memory_bytes.unwrap_or_default(),
        disks,
        package_manager: told.package_manager.as_deref().map(Line::new),
        ostree: told.ostree.as_ref().map(|it| Ostree {
            booted: line(it.booted.as_deref()),
            staged: it.staged.as_deref().map(Line::new),
        }),
        elasticsearch_version: told.elasticsearch_version.as_deref().map(Line::new),
        clock_skew_seconds: match (skew, told.clock_skew_seconds) {
            (Some(before), Some(now)) if !is_time || before.abs_diff(now) <= SKEW => Some(before),
            (before, now) => now.or(before),
        },
    }
}

fn line<const MAX: usize>(text: Option<&str>) -> Line<MAX> {
    Line::new(text.unwrap_or_default())
}

fn disk(before: Option<Disk>, told: Option<facts::Disk>, is_time: bool) -> Option<Disk> {
    let told = told.map(|it| Disk { total: it.total_bytes, free: it.free_bytes });
    match (before, told) {
        (Some(before), Some(told)) => {
            let is_same = before.total == told.total;
            let stays = is_same && (!is_time || !moved(before.free, told.free));
            Some(if stays { before } else { told })
        }
        (before, told) => told.or(before),
    }
}

/// The family that a word in the status stands for.
#[must_use]
pub fn family_of(word: OsFamily) -> Family {
    match word {
        OsFamily::Debian => Family::Debian,
        OsFamily::Fedora => Family::Fedora,
        OsFamily::Rhel => Family::Rhel,
        OsFamily::Suse => Family::Suse,
        OsFamily::Ostree => Family::Ostree,
    }
}

fn family(family: Family) -> OsFamily {
    match family {
        Family::Debian => OsFamily::Debian,
        Family::Fedora => OsFamily::Fedora,
        Family::Rhel => OsFamily::Rhel,
        Family::Suse => OsFamily::Suse,
        Family::Ostree => OsFamily::Ostree,
    }
}
