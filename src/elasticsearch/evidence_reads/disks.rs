//! How full the disks of nodes are, held against the cluster's own high watermark.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::{
    evidence::{Node, NodeId},
    values::settings::bytes,
};

/// A whole, in the unit of shares.
const WHOLE: u64 = 1_000_000;

/// Above which a disk is given no more copies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Watermark {
    /// Elasticsearch does not look.
    Off,
    /// This many bytes have to be free.
    Free(u64),
    /// This share of the disk has to be free, in millionths, or `headroom` where that is less.
    Share {
        /// Millionths of the disk.
        free: u64,
        /// Bytes; no limit before 8.5, and none where the watermark itself is set.
        headroom: Option<u64>,
    },
}

impl Watermark {
    /// As Elasticsearch reads it: `90%` and `0.9` are used, `500gb` is free. Nothing where it would
    /// not be understood.
    pub(super) fn of(high: &str, headroom: Option<&str>) -> Option<Self> {
        let high = high.trim();
        let used = match high.strip_suffix('%') {
            Some(percent) => Some(millionths(percent)? / 100),
            // Without a unit zero is bytes.
            None => millionths(high).filter(|it| *it != 0),
        };
        let Some(used) = used else { return Some(Self::Free(size(high)?)) };
        let headroom = match headroom {
            None | Some("-1") => None,
            Some(text) => Some(size(text)?),
        };
        Some(Self::Share { free: WHOLE.checked_sub(used)?, headroom })
    }

    /// How much has to be free of a disk of `total` bytes.
    fn least_free(&self, total: u64) -> u64 {
        match self {
            Self::Off => 0,
            Self::Free(bytes) => *bytes,
            Self::Share { free, headroom } => {
                let share = u128::from(total) * u128::from(*free) / u128::from(WHOLE);
                let share = u64::try_from(share).unwrap_or(u64::MAX);
                headroom.map_or(share, |it| share.min(it))
            }
        }
    }
}

fn size(text: &str) -> Option<u64> {
    u64::try_from(bytes(text)?).ok()
}

/// A plain number, such as `92.5`, in millionths.
fn millionths(text: &str) -> Option<u64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if 6 < fraction.len() || !fraction.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(WHOLE)?.checked_add(fraction)
}

#[derive(Deserialize)]
pub(super) struct Disks {
    nodes: BTreeMap<NodeId, NodeDisks>,
}

#[derive(Deserialize)]
struct NodeDisks {
    fs: FileSystems,
}

#[derive(Deserialize)]
struct FileSystems {
    data: Vec<Disk>,
}

/// Elasticsearch leaves away what the system does not tell.
#[derive(Deserialize)]
struct Disk {
    total_in_bytes: Option<u64>,
    available_in_bytes: Option<u64>,
}

impl Disks {
    /// The nodes of which any data disk is above `watermark`.
    pub(super) fn full(
        &self,
        nodes: &BTreeMap<NodeId, Node>,
        watermark: &Watermark,
    ) -> Result<BTreeSet<NodeId>, &'static str> {
        let mut full = BTreeSet::new();
        if *watermark == Watermark::Off {
            return Ok(full);
        }
        for id in nodes.iter().filter(|(_, it)| heeds_watermark(it)).map(|(id, _)| id) {
            let disks = self.nodes.get(id).map_or(&[][..], |it| &it.fs.data);
            let spans = disks.iter().map(|it| Some((it.total_in_bytes?, it.available_in_bytes?)));
            let spans = spans.collect::<Option<Vec<_>>>().filter(|it| !it.is_empty());
            let spans = spans.ok_or("a node does not tell how full its disks are")?;
            if spans.iter().any(|(total, free)| *free < watermark.least_free(*total)) {
                full.insert(id.clone());
            }
        }
        Ok(full)
    }
}

/// Whether the high watermark means the node: one that holds mounted indices alone fills its disk
/// with their cache from the start, and has a watermark of its own.
fn heeds_watermark(node: &Node) -> bool {
    node.roles
        .iter()
        .any(|it| &**it == "data" || (it.starts_with("data_") && &**it != "data_frozen"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    #[test]
    fn a_watermark_is_a_share_or_bytes_that_are_free() {
        let share = |free, headroom| Some(Watermark::Share { free, headroom });
        for (high, headroom, expected) in [
            ("90%", None, share(100_000, None)),
            ("90%", Some("150GB"), share(100_000, Some(150 * GB))),
            ("92.5%", Some("-1"), share(75_000, None)),
            (" 0.85", None, share(150_000, None)),
            ("100%", None, share(0, None)),
            ("0%", None, share(WHOLE, None)),
            ("1.0", None, share(0, None)),
            ("500gb", Some("150GB"), Some(Watermark::Free(500 * GB))),
            ("2MB", None, Some(Watermark::Free(2 << 20))),
            ("0", None, Some(Watermark::Free(0))),
            ("101%", None, None),
            ("1.5", None, None),
            ("", None, None),
            ("-1", None, None),
            ("a lot", None, None),
            ("90%", Some("a lot"), None),
        ] {
            assert_eq!(Watermark::of(high, headroom), expected, "{high} {headroom:?}");
        }
    }

    #[test]
    fn the_headroom_is_what_has_to_be_free_of_a_large_disk() {
        let watermark = Watermark::of("90%", Some("150gb")).unwrap();
        assert_eq!(watermark.least_free(1000 * GB), 100 * GB);
        assert_eq!(watermark.least_free(10_000 * GB), 150 * GB);
        assert_eq!(Watermark::Free(7).least_free(1), 7);
    }

    #[test]
    fn a_node_is_full_as_soon_as_one_of_its_data_disks_is() {
        let node = |roles: &[&str]| Node {
            roles: roles.iter().map(|it| (*it).into()).collect(),
            ..Node::default()
        };
        let nodes = BTreeMap::from([
            ("room".into(), node(&["data", "master"])),
            ("edge".into(), node(&["data_hot"])),
            ("full".into(), node(&["data_content", "data_frozen"])),
            ("frozen".into(), node(&["data_frozen"])),
            ("master".into(), node(&["master"])),
        ]);
        let disks = |full: &str| -> Disks {
            let text = r#"{"nodes":{
                "room":{"fs":{"data":[{"total_in_bytes":100,"available_in_bytes":50}]}},
                "edge":{"fs":{"data":[{"total_in_bytes":100,"available_in_bytes":10}]}},
                "full":{"fs":{"data":[{"total_in_bytes":100,"available_in_bytes":50},FULL]}},
                "frozen":{"fs":{"data":[{"total_in_bytes":100,"available_in_bytes":1}]}},
                "master":{"fs":{"data":[{"total_in_bytes":100,"available_in_bytes":0}]}}}}"#;
            serde_json::from_str(&text.replace("FULL", full)).unwrap()
        };
        let watermark = Watermark::of("90%", None).unwrap();
        let nine = r#"{"total_in_bytes":100,"available_in_bytes":9}"#;
        assert_eq!(disks(nine).full(&nodes, &watermark), Ok(BTreeSet::from(["full".into()])));
        // Nobody looks, so nothing has to be known either.
        assert_eq!(disks("{}").full(&nodes, &Watermark::Off), Ok(BTreeSet::new()));
        for unknown in ["{}", r#"{"total_in_bytes":100}"#] {
            assert!(disks(unknown).full(&nodes, &watermark).is_err(), "{unknown}");
        }
    }
}
