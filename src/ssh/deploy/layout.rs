//! Where things of an Elasticsearch that Drover runs are on a host. No package uses these places.

/// The unit that runs it.
pub const UNIT: &str = "drover-elasticsearch.service";
/// The file of that unit.
pub const UNIT_FILE: &str = "/etc/systemd/system/drover-elasticsearch.service";
/// Each version in a folder of its own, by its number.
pub const TREES: &str = "/opt/drover/elasticsearch";
/// A link to the version that runs.
pub const CURRENT: &str = "/opt/drover/elasticsearch/current";
/// What Elasticsearch reads. It can read all of it and write none.
pub const CONFIG: &str = "/etc/drover-elasticsearch";
/// Files that take the places of others when Elasticsearch is started the next time.
pub const NEXT: &str = "/etc/drover-elasticsearch/next";
/// Its logs.
pub const LOGS: &str = "/var/log/drover-elasticsearch";
/// What a command that outlives its session is told, and tells.
pub const RUN: &str = "/run/drover";
/// What the settings in place belong to.
pub const REVISION_FILE: &str = "/etc/drover-elasticsearch/revision";
/// The cluster that this host is a member of; it is written once, when that is formed.
pub const CLUSTER_UUID: &str = "/etc/drover-elasticsearch/cluster-uuid";

/// Settings of the node.
pub const SETTINGS: &str = "/etc/drover-elasticsearch/elasticsearch.yml";
/// Options of Java, besides those of the archive.
pub const JAVA_OPTIONS: &str = "/etc/drover-elasticsearch/jvm.options.d/drover.options";
/// Where master-eligible nodes are; Elasticsearch reads it again whenever it changes.
pub const SEEDS: &str = "/etc/drover-elasticsearch/unicast_hosts.txt";
/// Users whose passwords are in a file, and their roles; read again whenever they change.
pub const USERS: &str = "/etc/drover-elasticsearch/users";
/// See [`USERS`].
pub const USERS_ROLES: &str = "/etc/drover-elasticsearch/users_roles";
/// Whom nodes and clients trust; read again whenever it changes, and so are the next two.
pub const AUTHORITIES: &str = "/etc/drover-elasticsearch/ca.crt";
/// The node's own certificate.
pub const CERTIFICATE: &str = "/etc/drover-elasticsearch/node.crt";
/// Its key.
pub const KEY: &str = "/etc/drover-elasticsearch/node.key";

/// The setting that forms a cluster. It counts once in the life of one, and has to go after that.
pub const FORMS: &str = "cluster.initial_master_nodes";

/// What a running Elasticsearch was started with, in its environment.
pub const REVISION: &str = "DROVER_REVISION";
/// Which version that is.
pub const VERSION: &str = "DROVER_VERSION";
