//! The name of this process, among its replicas and its earlier lives.

/// The pod's or the machine's name and a random part, so that a restarted process is another one.
#[must_use]
pub fn of_this_process() -> String {
    let host = std::env::var("POD_NAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .unwrap_or_else(|| "drover".to_owned());
    // An event's reportingInstance takes 128 characters.
    let host: String = host.chars().take(100).collect();
    format!("{host}_{:016x}", fastrand::u64(..))
}
