#!/usr/bin/env bash
# Installs PostgreSQL and nginx from the distribution's packages for tests/postgres, where that can be done without
# asking. It never fails: without them those tests are left out, and say so.
set -u
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
if [ "${#wanted[@]}" -eq 0 ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "No apt-get here; install ${wanted[*]} yourself for tests/postgres."
	exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "Without root ${wanted[*]} cannot be installed; tests of tests/postgres are left out."
		exit 0
	fi
	as_root=(sudo -n)
fi
export DEBIAN_FRONTEND=noninteractive
# The tests start servers of their own; those of the packages are not wanted.
"${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" |
	"${as_root[@]}" tee /etc/postgresql-common/createcluster.d/no-cluster.conf >/dev/null
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap '"${as_root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
	"${as_root[@]}" chmod +x "$policy"
fi
"${as_root[@]}" apt-get -qq update </dev/null || true
for package in "${wanted[@]}"; do
	"${as_root[@]}" apt-get -qq install -y --no-install-recommends "$package" </dev/null ||
		echo "$package cannot be installed; tests of tests/postgres are left out."
done
exit 0
