# shellcheck shell=bash
# Puts Elasticsearch into a host as its package does: user, unit, kernel parameter, and the configuration of the caller's. Its files in
# /usr/share/elasticsearch are this machine's own, read-only, which run-host.sh gives to the host.

# install_elasticsearch ROOT CONFIG VERSION
install_elasticsearch() {
  local root=$1 config=$2 version=$3 place
  chroot "$root" useradd --system --user-group --home-dir /nonexistent --shell /sbin/nologin elasticsearch
  mkdir -p "$root"/{usr/share,etc,var/lib,var/log}/elasticsearch "$root/usr/lib/sysctl.d" "$root/etc/default"
  cp -r "$(elasticsearch_home "$version")"/config/. "$config/." "$root/etc/elasticsearch/"
  sed -i 's#=logs/#=/var/log/elasticsearch/#; s#HeapDumpPath=data#HeapDumpPath=/var/lib/elasticsearch#' "$root/etc/elasticsearch/jvm.options"
  for place in var/lib var/log; do
    chroot "$root" chown elasticsearch: "/$place/elasticsearch"
    chmod 2750 "$root/$place/elasticsearch"
  done
  chroot "$root" chown -R root:elasticsearch /etc/elasticsearch
  # It makes its keystore there.
  chmod -R u=rwX,g=rwX,o= "$root/etc/elasticsearch"
  chmod 2770 "$root/etc/elasticsearch"
  echo vm.max_map_count=262144 >"$root/usr/lib/sysctl.d/elasticsearch.conf"
  # The second keeps the server from making its security index in the first seconds, and from refusing users in the meantime.
  printf '%s\n' "ES_JAVA_HOME=$(java_in_hosts "$version")" \
    'ES_JAVA_OPTS="-XX:-UsePerfData -Des.queryable_built_in_roles_enabled=false"' >"$root/etc/default/elasticsearch"
  # The real one notifies systemd by a module that this distribution lacks.
  cat >"$root/usr/lib/systemd/system/elasticsearch.service" <<'UNIT'
[Unit]
Description=Elasticsearch
Wants=network-online.target
After=network-online.target
[Service]
Type=exec
RuntimeDirectory=elasticsearch
PrivateTmp=true
Environment=ES_HOME=/usr/share/elasticsearch
Environment=ES_PATH_CONF=/etc/elasticsearch
Environment=PID_DIR=/run/elasticsearch
EnvironmentFile=-/etc/default/elasticsearch
WorkingDirectory=/usr/share/elasticsearch
User=elasticsearch
Group=elasticsearch
ExecStart=/usr/share/elasticsearch/bin/elasticsearch -p ${PID_DIR}/elasticsearch.pid --quiet
StandardOutput=journal
StandardError=inherit
LimitNOFILE=65535
LimitNPROC=4096
LimitAS=infinity
LimitFSIZE=infinity
TimeoutStopSec=0
KillSignal=SIGTERM
KillMode=process
SendSIGKILL=no
SuccessExitStatus=143
Restart=on-failure
[Install]
WantedBy=multi-user.target
UNIT
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -s /usr/lib/systemd/system/elasticsearch.service "$root/etc/systemd/system/multi-user.target.wants/"
}
