#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd_guest.sh PROFCTL: runs in the booted system after profd.service; a line "guest: failed ..." for
# each thing that is not as it should be.
profctl=$1
cd /test || exit 1

wrong() {
	echo "guest: failed: $*"
}
property() {
	systemctl show -P "$1" profd.service
}

[ "$(property ActiveState)" = active ] || wrong "profd.service is $(property ActiveState), $(property Result)"
started_s=$(($(property ActiveEnterTimestampMonotonic) / 1000000))
echo "guest: profd.service active: $(property StatusText)"
[ "$(stat -c %a /run/profd/profd.sock)" = 666 ] || wrong "mode of the socket"
getent group profd >/dev/null || wrong "no group profd"
[ "$(stat -c '%U %a' /var/lib/profd)" = "root 700" ] || wrong "state directory: $(stat -c '%U %a' /var/lib/profd)"

# Nothing but the capabilities that the unit names, in the process that runs.
main=$(property MainPID)
echo "guest: profd's bounding set: $(sed -n 's/^CapBnd:\t//p' "/proc/$main/status")"

runuser -u tester -- /home/tester/cpu_tree 20 >truth || wrong "cpu_tree"

# Asked afterwards, of a daemon that nobody told anything.
"$profctl" dump --type cpu --since 1m -o all.pb.gz || wrong "dump: status $?"
"$profctl" report --top --no-pager -n 10 all.pb.gz || wrong "report: status $?"
"$profctl" report --top --no-pager all.pb.gz | grep -q spin_leaf || wrong "spin_leaf is not in the report"
"$profctl" status || wrong "status: status $?"

# The owner may see its own, and nobody's else.
mkdir -m 0777 own
runuser -u tester -- "$profctl" dump --type cpu --comm cpu_tree --since 1m -o own/own.pb.gz ||
	wrong "the owner's dump: status $?"
mv own/own.pb.gz .
runuser -u nobody -- "$profctl" dump --type cpu --comm cpu_tree --since 1m -o own/not.pb.gz 2>own/said &&
	wrong "nobody may see tester's process"
cat own/said
[ -e own/not.pb.gz ] && wrong "nobody was given a profile"

# Longer than the watchdog's period.
period_s=$(systemctl show -P WatchdogUSec profd.service | sed -n 's/^\([0-9]*\)s$/\1/p')
[ -n "$period_s" ] || { wrong "no watchdog"; period_s=1; }
while [ "$(cut -d. -f1 /proc/uptime)" -lt $((started_s + period_s + 3)) ]; do
	sleep 1
done
[ "$(property ActiveState)" = active ] || wrong "after the watchdog's period: $(property Result)"
[ "$(property NRestarts)" = 0 ] || wrong "$(property NRestarts) restarts"
[ "$(property MainPID)" = "$main" ] || wrong "another process"

# The socket outlives the service; a stop of both leaves nothing.
systemctl stop profd.service || wrong "stop"
[ "$(property Result)" = success ] || wrong "stop: $(property Result)"
[ -S /run/profd/profd.sock ] || wrong "the service took the socket away"
"$profctl" status >/dev/null || wrong "not started by its socket"
systemctl stop profd.socket profd.service || wrong "stop"
[ -e /run/profd/profd.sock ] && wrong "the socket is left"
pgrep -a profd && wrong "processes are left"

echo "guest: journal:"
journalctl -q --no-pager -u profd.service -u profd.socket -o cat
journalctl -q --no-pager -u profd.service -u profd.socket -p err -o cat | grep . && wrong "errors in the journal"

# A daemon that hangs is ended by its watchdog and comes back. The period is made short for this.
mkdir -p /run/systemd/system/profd.service.d
printf '[Service]\nWatchdogSec=2\n' >/run/systemd/system/profd.service.d/watchdog.conf
systemctl daemon-reload
systemctl start profd.socket profd.service || wrong "start"
kill -STOP "$(property MainPID)"
for _ in $(seq 30); do
	[ "$(property NRestarts)" = 0 ] || [ "$(property ActiveState)" != active ] || break
	sleep 1
done
[ "$(property NRestarts)" = 1 ] || wrong "$(property NRestarts) restarts of a daemon that hung"
"$profctl" status >/dev/null || wrong "no answer after the watchdog's restart"
echo "guest: done"
