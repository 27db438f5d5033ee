#!/usr/bin/env bash
# Installs PostgreSQL from the distribution's packages for tests/postgres, where that can be done without asking.
# It never fails: without a server those tests are left out, and say so.
set -u
if command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
	echo "PostgreSQL is installed."
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "No apt-get here; install PostgreSQL yourself for tests/postgres."
	exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "Without root PostgreSQL cannot be installed; tests/postgres are left out."
		exit 0
	fi
	as_root=(sudo -n)
fi
export DEBIAN_FRONTEND=noninteractive
# The tests start a server of their own; the package's one is not wanted.
"${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" |
	"${as_root[@]}" tee /etc/postgresql-common/createcluster.d/no-cluster.conf >/dev/null
"${as_root[@]}" apt-get -qq update </dev/null || true
"${as_root[@]}" apt-get -qq install -y --no-install-recommends postgresql </dev/null ||
	echo "PostgreSQL cannot be installed; tests/postgres are left out."
exit 0
