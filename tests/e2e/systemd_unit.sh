#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd_unit.sh security|verify PROFD.SERVICE PROFD.SOCKET: the unit as configured, without running it.
set -eu
what=$1 service=$2 socket=$3
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Nothing is installed yet: verify wants a program that is there.
sed 's|^ExecStart=.*|ExecStart=/bin/true|' "$service" >"$folder/profd.service"
cp "$socket" "$folder/profd.socket"
cd "$folder"

case $what in
security)
	systemd-analyze security --offline=true --threshold=30 ./profd.service
	;;
verify)
	systemd-analyze verify --man=no ./profd.service ./profd.socket >said 2>&1 || { cat said; exit 1; }
	# It exits 0 over words that it does not know.
	if [ -s said ]; then
		cat said
		exit 1
	fi
	;;
esac
