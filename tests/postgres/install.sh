#!/usr/bin/env bash
# Installs PostgreSQL and nginx from the distribution's packages for tests/postgres, where that can be done without
# asking. It never fails: without them those tests are left out, and say so.
set -u
# shellcheck source=tests/packages.sh
. "$(dirname "${BASH_SOURCE[0]}")/../packages.sh"
wanted=()
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
	echo "PostgreSQL is installed."
else
	wanted+=(postgresql)
fi
if PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v nginx >/dev/null; then
	echo "nginx is installed."
else
	wanted+=(nginx)
fi
# The tests start servers of their own; those of the packages are not wanted.
policy=/usr/sbin/policy-rc.d
if [ "${#wanted[@]}" -gt 0 ] && root mkdir -p /etc/postgresql-common/createcluster.d 2>/dev/null; then
	echo "create_main_cluster = false" | root tee /etc/postgresql-common/createcluster.d/no-cluster.conf >/dev/null
	if [ ! -e "$policy" ]; then
		trap 'root rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' | root tee "$policy" >/dev/null
		root chmod +x "$policy"
	fi
fi
install_packages tests/postgres "${wanted[@]}"
exit 0
