//! What stands on a machine where people and packages put things that stay.

use std::collections::BTreeSet;

use super::Host;

/// Each file and folder there: of the settings what is in them, of all others their sizes. What `/run` holds
/// is gone with the next boot.
const LIST: &str = "find /etc -xdev -type f -exec sha256sum {} +
find /etc -xdev ! -type f -printf '%p %y %l\\n'
for it in /opt /usr/local /usr/lib/systemd; do
  test -d \"$it\" || continue
  find \"$it\" -xdev -type d -printf '%p/\\n' -o -printf '%p %s %l\\n'
done
find /var/lib -xdev -mindepth 1 -maxdepth 1 -printf '%p\\n'";

/// What stood on a machine at some time.
pub struct Footprint(BTreeSet<String>);

impl Footprint {
    /// What stands there now.
    pub fn of(host: &Host) -> Self {
        Self(host.inside(LIST).lines().map(str::to_owned).collect())
    }

    /// What has come there since, or has gone.
    pub fn changes(&self, host: &Host) -> Vec<String> {
        let now = Self::of(host);
        self.0.symmetric_difference(&now.0).cloned().collect()
    }
}
