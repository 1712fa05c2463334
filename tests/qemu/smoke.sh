#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# smoke.sh PROFD PROFCTL CPU_TREE WAITS: boots Debian's stock 6.1 kernel in software emulation, with
# perf_event_paranoid at Debian's 3, loads everything, profiles a workload and compares the shares with the
# workload's own truth, waits too. Its last line is PASS or FAIL. The kernel package is downloaded once.
set -eu
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../e2e/lib.sh
. "$here/../e2e/lib.sh"
profd=$1 profctl=$2 workload=$3 waits=$4

need qemu-system-x86_64 busybox cpio gzip dpkg-deb apt-get apt-cache python3 ldd strip
[ -e /usr/share/seabios/bios-256k.bin ] || skip "no seabios"
need_plain "$profd" "$profctl" "$workload" "$waits"

# kernel: prints the path of a vmlinuz.
kernel() {
	mkdir -p "$cache/kernel"
	package=$(apt-cache search --names-only '^linux-image-6\.1\.0-[0-9]+-cloud-amd64$' | cut -d' ' -f1 |
		sort -V | tail -n 1)
	[ -n "$package" ] || package=$(find "$cache/kernel" -maxdepth 1 -name "linux-image-6.1.*" -printf "%f\n" | sort -V | tail -n 1)
	[ -n "$package" ] || return 1
	if [ ! -d "$cache/kernel/$package" ]; then
		(cd "$cache/kernel" && apt-get -q download "$package" && mkdir "$package.new" &&
			dpkg-deb -x "$package"_*.deb "$package.new" && rm "$package"_*.deb &&
			mv "$package.new" "$package") >&2 || return 1
	fi
	ls "$cache/kernel/$package"/boot/vmlinuz-*
}
vmlinuz=$(kernel) || skip "no 6.1 kernel package to be had"
echo "kernel: $(basename "$vmlinuz")"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
root=$folder/root
for place in bin proc sys dev tmp run etc var new usr/bin usr/sbin; do
	mkdir -p "$root/$place"
done
copy_with_libraries "$root" "$(command -v busybox)" /bin/busybox
copy_with_libraries "$root" "$profd" /usr/sbin/profd
copy_with_libraries "$root" "$profctl" /usr/bin/profctl
copy_with_libraries "$root" "$workload" /usr/bin/cpu_tree
copy_with_libraries "$root" "$waits" /usr/bin/waits
strip -g "$root/usr/sbin/profd" "$root/usr/bin/profctl"
cp "$here/guest.sh" "$root/guest.sh"
cp "$here/init.sh" "$root/init"
chmod +x "$root/init" "$root/guest.sh"
printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
(cd "$root" && find . | cpio -o -H newc --quiet) | gzip -1 >"$folder/initrd"

# cx16=off: guests with a 6.12 kernel fault in QEMU 7.2 otherwise; one command for all of them.
timeout 170 qemu-system-x86_64 -accel tcg,thread=multi,tb-size=512 -M q35 \
	-cpu max,pmu=off,cx16=off -m 1024 -smp 2 -nographic -nodefaults -no-reboot -serial stdio \
	-kernel "$vmlinuz" -initrd "$folder/initrd" \
	-append "console=ttyS0 quiet panic=-1 mitigations=off loglevel=4 random.trust_cpu=on" \
	</dev/null 2>&1 | tr -d '\r' >"$folder/serial" || true
grep -v '^[A-Za-z0-9+/=]\{60,\}$' "$folder/serial" || true

# section NAME: what the guest printed between "<<NAME" and ">>NAME".
section() {
	sed -n "/^<<$1\$/,/^>>$1\$/p" "$folder/serial" | sed '1d;$d'
}

result=PASS
check() {
	echo "FAIL: $*"
	result=FAIL
}
grep -q '^guest: done$' "$folder/serial" || check "the guest did not come to its end"
[ "$(section paranoid)" = 3 ] || check "perf_event_paranoid is not 3"
grep '^guest: failed:' "$folder/serial" && result=FAIL
if grep -E 'BUG:|WARNING: CPU|Oops|general protection' "$folder/serial"; then
	check "the kernel complained"
fi
for kind in record dump; do
	section "$kind.truth" >"$folder/$kind.truth"
	section "$kind.profile" | base64 -d >"$folder/$kind.pb.gz" 2>/dev/null || true
	echo "$kind against the workload's truth:"
	"$here/../e2e/shares.py" "$folder/$kind.pb.gz" "$folder/$kind.truth" ||
		check "shares of $kind differ from the truth"
done
for type in offcpu mutex; do
	section waits.$type | base64 -d >"$folder/waits.$type.pb.gz" 2>/dev/null || true
done
section waits.truth >"$folder/waits.truth"
echo "waits against their own clocks:"
"$here/waits.py" "$folder/waits.offcpu.pb.gz" "$folder/waits.mutex.pb.gz" "$folder/waits.truth" ||
	check "waits differ from the truth"
echo "$result"
[ "$result" = PASS ]
