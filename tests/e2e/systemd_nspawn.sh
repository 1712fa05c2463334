#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# systemd_nspawn.sh BUILD_FOLDER CPU_TREE: installs profd as shipped into a small Debian 12, boots that with
# its own systemd on the running kernel, and lets systemd_guest.sh use it. The root file system is made
# once (about a minute) and kept. Its last line is PASS or FAIL.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
build=$1 workload=$2
suite=bookworm
packages=systemd,systemd-sysv,dbus,procps

[ "$(id -u)" = 0 ] || skip "needs root"
need systemd-nspawn cmake python3 ldd
need_plain "$build/daemon/profd" "$build/client/profctl" "$workload"

base=$cache/$suite-$packages
if [ ! -d "$base" ]; then
	need debootstrap
	rm -rf "$base.new"
	mkdir -p "$cache"
	debootstrap --variant=minbase --include="$packages" $suite "$base.new" >"$cache/debootstrap.log" 2>&1 ||
		skip "debootstrap failed, see $cache/debootstrap.log"
	mv "$base.new" "$base"
fi

folder=$(mktemp -d "$cache/nspawn-XXXXXX")
trap 'rm -rf "$folder"' EXIT
root=$folder/root
cp -a --reflink=auto "$base" "$root"
DESTDIR=$root cmake --install "$build" >"$folder/install.log" 2>&1 || {
	cat "$folder/install.log"
	fail "cmake --install"
}
# The libraries that a package would depend on.
unit=$(find "$root/usr/lib/systemd/system" "$root/lib/systemd/system" -name profd.service | head -n 1)
[ -n "$unit" ] || fail "no unit was installed"
profd=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
[ -x "$root$profd" ] || fail "the unit starts $profd, which is not installed"
profctl=$(cd "$root" && find usr -path '*/bin/profctl' -type f | head -n 1)
copy_with_libraries "$root" "$build/daemon/profd" /test/profd
copy_with_libraries "$root" "$build/client/profctl" /test/profctl
rm "$root/test/profd" "$root/test/profctl"

# The workload belongs to a user, in a home that nobody else may enter.
echo 'tester:x:1500:1500::/home/tester:/bin/sh' >>"$root/etc/passwd"
echo 'tester:x:1500:' >>"$root/etc/group"
copy_with_libraries "$root" "$workload" /home/tester/cpu_tree
chown -R 1500:1500 "$root/home/tester"
chmod 0700 "$root/home/tester" "$root/home/tester/cpu_tree"

cp "$here/systemd_guest.sh" "$root/test/guest.sh"
cat >"$root/etc/systemd/system/guest-test.service" <<UNIT
[Unit]
After=profd.service profd.socket
[Service]
Type=oneshot
ExecStart=/bin/sh /test/guest.sh /$profctl
ExecStopPost=systemctl --no-block --force poweroff
StandardOutput=file:/test/log
StandardError=inherit
[Install]
WantedBy=multi-user.target
UNIT
for name in profd.service guest-test.service; do
	systemctl --root="$root" -q enable $name
done
# What a laptop's or server's first boot would ask.
systemctl --root="$root" -q mask systemd-firstboot.service getty.target console-getty.service
: >"$root/etc/machine-id"

timeout 240 systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --console=pipe \
	--capability=all \
	--system-call-filter="bpf perf_event_open landlock_create_ruleset landlock_add_rule landlock_restrict_self" \
	</dev/null >"$folder/console" 2>&1 || true
if [ ! -s "$root/test/log" ]; then
	tail -n 40 "$folder/console"
	fail "the guest did not run its test"
fi
cat "$root/test/log"

result=PASS
grep -q '^guest: failed' "$root/test/log" && result=FAIL
grep -q '^guest: done$' "$root/test/log" || {
	echo "FAIL: the guest did not come to its end"
	result=FAIL
}
for kind in all own; do
	echo "profile '$kind' against the workload's truth:"
	"$here/shares.py" "$root/test/$kind.pb.gz" "$root/test/truth" cpu_tree || {
		echo "FAIL: shares differ from the truth"
		result=FAIL
	}
done
echo $result
[ $result = PASS ]
