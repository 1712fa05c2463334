#!/bin/busybox sh
# shellcheck shell=dash
# SPDX-License-Identifier: Apache-2.0
# Runs in the guest as process 1, prints sections "<<NAME ... >>NAME" on the serial line for smoke.sh.
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/bin
export TERM=dumb PAGER=cat
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /run /tmp /var/lib
exec </dev/null >/dev/ttyS0 2>&1
# profd must manage with what the kernel has at boot; the kernel's console must not mix with ours.
dmesg -n 1

begin() {
	echo "<<$1"
}
end() {
	echo ">>$1"
}
try() {
	"$@" || echo "guest: failed: status $? of: $*"
}

echo "guest: up after $(cut -d' ' -f1 /proc/uptime) s, $(uname -r)"
begin paranoid
cat /proc/sys/kernel/perf_event_paranoid
end paranoid

# A private daemon, the command below it.
try profctl record -F 499 -o /tmp/record.pb.gz -- cpu_tree 8 >/tmp/record.truth
begin record.truth
cat /tmp/record.truth
end record.truth
try profctl report --top -n 8 --no-pager /tmp/record.pb.gz
begin record.profile
base64 /tmp/record.pb.gz
end record.profile

# Waits, where the kernel takes their stacks at the switch.
try profctl record --type offcpu,mutex --threshold 0 -o /tmp/waits.pb.gz -- \
	waits 5 /tmp/waits.log /tmp/waits.scratch path_mutex path_nanosleep path_pipe path_futex >/tmp/waits.truth
begin waits.truth
cat /tmp/waits.truth
end waits.truth
for type in offcpu mutex; do
	begin waits.$type
	base64 /tmp/waits.$type.pb.gz
	end waits.$type
done
try profctl report --top -n 12 --no-pager /tmp/waits.offcpu.pb.gz

# A daemon that collects everything, asked afterwards.
mkdir -p /run/profd /etc/profd
printf '[Collect]\nFrequency=499\n' >/etc/profd/profd.conf
profd run --config /etc/profd/profd.conf &
daemon=$!
for _ in $(seq 300); do
	[ -S /run/profd/profd.sock ] && break
	sleep 0.1
done
echo "guest: daemon after $(cut -d' ' -f1 /proc/uptime) s"
try profctl status --features
cpu_tree 8 >/tmp/dump.truth
begin dump.truth
cat /tmp/dump.truth
end dump.truth
try profctl dump --type cpu --comm cpu_tree -o /tmp/dump.pb.gz
begin dump.profile
base64 /tmp/dump.pb.gz
end dump.profile
try profctl status
kill $daemon
wait $daemon || echo "guest: failed: profd ended with status $?"
# What the kernel had to say is the host's to judge.
dmesg | grep -E 'BUG:|WARNING: CPU|Oops|general protection'
echo "guest: done"
poweroff -f
