//! How much memory the heap of Java gets.

use super::{Member, Problem, groups::PATH};
use crate::api::elasticsearch::NodeGroup;

/// Above about this Java's pointers take twice the room.
const MOST: u64 = 31 * 1024;
/// Elasticsearch does little with less.
const LEAST: u64 = 512;

/// Below this memory is counted by the first of these, from it on by the second.
const SMALL: u64 = 4 * 1024;
const STEPS: [u64; 2] = [256, 1024];

/// In megabytes: what the group says, or half of the host's memory, so that the other half caches
/// files.
pub(super) fn megabytes(group: &NodeGroup, member: &Member) -> Result<u64, Problem> {
    let path = || format!("{PATH}[{}].heap", group.name);
    let memory = member.memory_bytes.map(|it| it / 1024 / 1024);
    match (&group.heap, memory) {
        (Some(heap), memory) => {
            let wanted = heap.megabytes().ok_or_else(|| Problem::new(path(), "is no size"))?;
            match memory {
                Some(memory) if memory <= wanted => {
                    let message =
                        format!("is no less than all the memory of host '{}'", member.name);
                    Err(Problem::new(path(), message))
                }
                _ => Ok(wanted),
            }
        }
        (None, Some(memory)) => Ok((rounded(memory) / 2).clamp(LEAST, MOST)),
        (None, None) => {
            let message = format!("the memory of host '{}' is not known yet", member.name);
            Err(Problem::new(path(), message))
        }
    }
}

/// The memory that was built in: a kernel tells less, and another kernel another little. A heap that
/// followed that would take a restart.
fn rounded(memory: u64) -> u64 {
    let step = STEPS[usize::from(SMALL <= memory)];
    memory.next_multiple_of(step)
}
