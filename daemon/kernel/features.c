/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel can do and what it lets us do: one table, each row probed once by trying.
 * Nothing is deduced from a version number.
 */
#include "kernel/internal.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"

/* ---- libbpf's words ---- */

static char libbpf_words[8192];
static size_t libbpf_words_n;

static int libbpf_keep(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t room;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	/* The end of what is said matters: make room by forgetting the older half. */
	if (libbpf_words_n > sizeof(libbpf_words) / 2) {
		size_t half = libbpf_words_n / 2;

		memmove(libbpf_words, libbpf_words + half, libbpf_words_n - half);
		libbpf_words_n -= half;
	}
	room = sizeof(libbpf_words) - libbpf_words_n;
	n = vsnprintf(libbpf_words + libbpf_words_n, room, format, args);
	if (n > 0)
		libbpf_words_n += MIN((size_t)n, room - 1);
	return 0;
}

void features_capture_libbpf(void)
{
	(void)libbpf_set_print(libbpf_keep);
}

void features_log_libbpf(void)
{
	char *save = NULL;

	libbpf_words[libbpf_words_n] = 0;
	for (char *line = strtok_r(libbpf_words, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save))
		log_debug("%s", line);
	libbpf_words_n = 0;
}

/* ---- probes: true: present; `detail` says what was seen ---- */

#define DETAIL_BYTES 128

bool features_capable(unsigned capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[capability / 32].effective >> capability % 32 & 1;
}

static bool says(char *detail, int r)
{
	(void)snprintf(detail, DETAIL_BYTES, "%s", r < 0 ? strerror(-r) : "ok");
	return r >= 0;
}

static bool probe_bpf(char *detail)
{
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "profd_probe", 4, 4, 1, NULL);

	return says(detail, fd);
}

static bool probe_btf(char *detail)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int r = btf ? (int)btf__type_cnt(btf) : -errno;

	btf__free(btf);
	if (r >= 0) {
		(void)snprintf(detail, DETAIL_BYTES, "%d types", r);
		return true;
	}
	return says(detail, r);
}

static bool probe_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t n,
	uint32_t flags, char *detail)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	_cleanup_close_ int fd = bpf_map_create(type, "profd_probe", key, value, n, &opts);

	return says(detail, fd);
}

static bool probe_ringbuf(char *detail)
{
	return probe_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)sysconf(_SC_PAGESIZE), 0, detail);
}

static bool probe_mmapable(char *detail)
{
	return probe_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE, detail);
}

static bool probe_arena(char *detail)
{
	return probe_map(MAP_TYPE_ARENA, 0, 0, 1, BPF_F_MMAPABLE, detail);
}

static bool probe_helper(enum bpf_func_id helper, char *detail)
{
	int r = libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, helper, NULL);

	return says(detail, r == 0 ? -EOPNOTSUPP : r);
}

static bool probe_loop(char *detail)
{
	return probe_helper(BPF_FUNC_loop, detail);
}

static bool probe_cookie(char *detail)
{
	return probe_helper(BPF_FUNC_get_attach_cookie, detail);
}

static bool probe_pt_regs(char *detail)
{
	return probe_helper(BPF_FUNC_task_pt_regs, detail);
}

static bool probe_tp_btf(char *detail)
{
	static const char *const needed[] = { "btf_trace_sched_process_fork",
		"btf_trace_sched_process_exec", "btf_trace_task_rename",
		"btf_trace_sched_process_free" };
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf != NULL;

	(void)snprintf(detail, DETAIL_BYTES, "%s", btf ? "ok" : "no BTF");
	for (size_t i = 0; i < ARRAY_SIZE(needed) && found; i++) {
		found = btf__find_by_name_kind(btf, needed[i], BTF_KIND_TYPEDEF) > 0;
		if (!found)
			(void)snprintf(
				detail, DETAIL_BYTES, "no %s", needed[i] + strlen("btf_trace_"));
	}
	btf__free(btf);
	return found;
}

static bool probe_tracepoint(const char *name, char *detail)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int r = btf ? btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF) : -errno;

	btf__free(btf);
	return says(detail, r);
}

static bool probe_sched_exit(char *detail)
{
	return probe_tracepoint("btf_trace_sched_exit_tp", detail);
}

static bool probe_contention(char *detail)
{
	return probe_tracepoint("btf_trace_contention_begin", detail);
}

static bool probe_task_iterator(char *detail)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int r = btf ? btf__find_by_name_kind(btf, "bpf_iter__task", BTF_KIND_STRUCT) : -errno;

	btf__free(btf);
	return says(detail, r);
}

static bool probe_cpu_clock(char *detail)
{
	return says(detail, event_probe("cpu-clock"));
}

static bool probe_pmu(char *detail)
{
	return says(detail, event_probe("cycles"));
}

static bool probe_cgroup(char *detail)
{
	_cleanup_free_ char *mounts = NULL;
	const char *at;
	size_t n;
	int r = io_read_file(AT_FDCWD, "/proc/self/mounts", 16U << 20, &mounts, &n);

	if (r < 0)
		return says(detail, r);
	at = strstr(mounts, " cgroup2 ");
	if (!at)
		return says(detail, -ENOENT);
	while (at > mounts && at[-1] != ' ')
		at--;
	(void)snprintf(detail, DETAIL_BYTES, "%.*s", (int)strcspn(at, " \n"), at);
	return true;
}

static bool probe_kernel_symbols(char *detail)
{
	_cleanup_close_ int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	ssize_t n;

	if (fd < 0)
		return says(detail, -errno);
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return says(detail, n < 0 ? -errno : -ENODATA);
	/* The very first symbol may be at 0; hidden ones all are. */
	if (strtoull(text, NULL, 16) != 0 || features_capable(CAP_SYSLOG))
		return says(detail, 0);
	return says(detail, -EPERM);
}

static bool probe_lockdown(char *detail)
{
	_cleanup_free_ char *text = NULL;
	const char *at;
	size_t n;

	if (io_read_file(AT_FDCWD, "/sys/kernel/security/lockdown", 256, &text, &n) < 0) {
		(void)snprintf(detail, DETAIL_BYTES, "not readable: taken for off");
		return true;
	}
	at = strchr(text, '[');
	(void)snprintf(
		detail, DETAIL_BYTES, "%.*s", at ? (int)strcspn(at + 1, "]") : 0, at ? at + 1 : "");
	return !strstr(text, "[confidentiality]");
}

static struct kernel_feature features[] = {
	{ .name = "bpf",
		.needed = "everything",
		.required = true,
		.enable = "run profd as root or give its unit CAP_BPF; "
			  "the kernel needs CONFIG_BPF_SYSCALL" },
	{ .name = "btf",
		.needed = "everything",
		.required = true,
		.enable = "a kernel with CONFIG_DEBUG_INFO_BTF=y; "
			  "/sys/kernel/btf/vmlinux must be readable "
			  "(lockdown=confidentiality and some containers hide it)" },
	{ .name = "ringbuf",
		.needed = "everything",
		.required = true,
		.enable = "Linux 5.8 or newer" },
	{ .name = "mmapable_maps",
		.needed = "everything",
		.required = true,
		.enable = "Linux 5.5 or newer" },
	{ .name = "bpf_loop",
		.needed = "user stacks",
		.required = true,
		.enable = "Linux 5.17 or newer, and CAP_PERFMON" },
	{ .name = "attach_cookie",
		.needed = "cpu",
		.required = true,
		.enable = "Linux 5.15 or newer, and CAP_PERFMON" },
	{ .name = "task_pt_regs",
		.needed = "user stacks",
		.required = true,
		.enable = "Linux 5.15 or newer, and CAP_PERFMON" },
	{ .name = "tp_btf",
		.needed = "following targets",
		.required = true,
		.enable = "a kernel with BTF and tracepoints" },
	{ .name = "task_iterator",
		.needed = "targets by pid",
		.required = true,
		.enable = "Linux 6.1 or newer, with BTF" },
	{ .name = "perf_cpu_clock",
		.needed = "cpu",
		.required = true,
		.enable = "CONFIG_PERF_EVENTS=y and CAP_PERFMON; "
			  "with kernel.perf_event_paranoid=3 (Debian) CAP_SYS_ADMIN, "
			  "or set it to 2" },
	{ .name = "pmu",
		.needed = "--event cycles, instructions, ...",
		.enable = "a machine, or a hypervisor setting, with performance counters" },
	{ .name = "cgroup2",
		.needed = "--cgroup, --unit, the label cgroup",
		.enable = "mount -t cgroup2; systemd.unified_cgroup_hierarchy=1" },
	{ .name = "kernel_symbols",
		.needed = "names of kernel functions",
		.enable = "CAP_SYSLOG, or kernel.kptr_restrict=0" },
	{ .name = "bpf_arena",
		.needed = "unwind tables that take only the memory they fill",
		.enable = "Linux 6.9 or newer; an array of fixed size takes its place" },
	{ .name = "sched_exit",
		.needed = "stacks of waits at the price of those that are kept",
		.enable = "Linux 6.16 or newer; else each wait of a target pays for its stack" },
	{ .name = "contention",
		.needed = "the state kernel-lock",
		.enable = "Linux 5.19 or newer" },
	{ .name = "no_lockdown",
		.needed = "kernel stacks, BTF",
		.enable = "boot with lockdown=integrity or without" },
};

static bool (*const probes[])(char *detail) = {
	probe_bpf,
	probe_btf,
	probe_ringbuf,
	probe_mmapable,
	probe_loop,
	probe_cookie,
	probe_pt_regs,
	probe_tp_btf,
	probe_task_iterator,
	probe_cpu_clock,
	probe_pmu,
	probe_cgroup,
	probe_kernel_symbols,
	probe_arena,
	probe_sched_exit,
	probe_contention,
	probe_lockdown,
};
_Static_assert(ARRAY_SIZE(probes) == ARRAY_SIZE(features), "a probe for each feature");

const struct kernel_feature *kernel_features(size_t *ret_n)
{
	static bool probed;

	if (!probed) {
		features_capture_libbpf();
		for (size_t i = 0; i < ARRAY_SIZE(features); i++)
			features[i].present = probes[i](features[i].detail);
		probed = true;
	}
	*ret_n = ARRAY_SIZE(features);
	return features;
}

bool features_present(const char *name)
{
	size_t n;
	const struct kernel_feature *f = kernel_features(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(f[i].name, name) == 0)
			return f[i].present;
	return false;
}

int features_check(struct error *error)
{
	size_t n;
	const struct kernel_feature *f = kernel_features(&n);

	for (size_t i = 0; i < n; i++) {
		if (f[i].present || !f[i].required)
			continue;
		if (strcmp(f[i].name, "perf_cpu_clock") == 0) {
			int r = event_probe("cpu-clock");

			return r < 0 ? event_explain(r, "the perf event cpu-clock", error) : 0;
		}
		if (!features_capable(CAP_SYS_ADMIN) &&
			!(features_capable(CAP_BPF) && features_capable(CAP_PERFMON)))
			return error_set(error, -EPERM, EXIT_CODE_DENIED,
				"collecting needs CAP_BPF and CAP_PERFMON (or root), "
				"and %s is missing; run profd as root or as its systemd unit",
				features_capable(CAP_BPF) ? "CAP_PERFMON" : "CAP_BPF");
		return error_set(error, -EOPNOTSUPP, EXIT_CODE_KERNEL,
			"this kernel lacks %s (%s), which %s needs: %s", f[i].name, f[i].detail,
			f[i].needed, f[i].enable);
	}
	return 0;
}
