/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon as a whole: every room's object, made in the order of the floors and unmade backwards
 * (profd.c). The files beside this one are the top floor: pipeline.c (the way of a sample),
 * unwind*.c (tables before they are needed), early*.c (samples before their tables), follow*.c
 * (attachments and the kernel), policy.c (what skews what), flush.c (what goes on), exes.c
 * (replaced executables), account.c (what was lost and what it cost), dumps*.c, living.c,
 * comments*.c, requests.c (what peers ask), status.c, listing.c, main.c.
 */
#ifndef PROFD_PROFD_H
#define PROFD_PROFD_H

#include <stdbool.h>
#include <systemd/sd-event.h>
#include "account.h"
#include "base/error.h"
#include "base/limits.h"
#include "collect/aggregate.h"
#include "collect/dump.h"
#include "early.h"
#include "flush.h"
#include "ipc/server.h"
#include "isolate/helper.h"
#include "kernel/kernel.h"
#include "proc/module.h"
#include "proc/process.h"
#include "proc/target.h"
#include "service/config.h"
#include "service/notify.h"
#include "session/attachment.h"
#include "session/types.h"
#include "symbol/symbolizer.h"
#include "unwind.h"

#define SOCKET_PATH    "/run/profd/profd.sock"
#define MAX_QUARANTINE 64
/* Of the symbolizer's strings; modules.c empties them long before, when no dump needs them. */
#define PROFD_MAX_SYMBOL_TEXT  (256 * MIB)
#define PROFD_MAX_SYMBOL_NAMES (4U << 20)

/* The executables that attachments name; exes.c. */
struct exes {
	struct array rules; /* struct exe */
	size_t next;	    /* to be looked up again */
	bool asking;	    /* one at a time: */
	uint64_t asked_attachment;
	unsigned asked_bit;
};

struct quarantine {
	char what[64], why[128];
};

struct profd {
	struct config config;
	sd_event *event;
	struct module_table *modules;
	struct target_io *io;
	struct process_table *processes;
	struct strings strings;
	struct symbolizer *symbolizer;
	struct helper_pool *encoder;
	struct aggregate *aggregate;
	struct kernel *kernel;
	struct unwind *unwind;
	struct early *early;
	struct flush flush;
	struct attachment_table *attachments;
	struct account_log accounts;
	struct exes exes;
	struct ipc_server *server;
	struct notify_watchdog *watchdog;
	sd_event_source *second; /* the timer behind profd_maintain() */
	sd_event_source *signals[3];
	struct quarantine quarantine[MAX_QUARANTINE]; /* a ring */
	size_t n_quarantine;
	uint64_t since_wall_ns;
	uint64_t sideband_lost;
	uint64_t dumped_ns;	/* when a dump was last under way; 0: idle workers have ended */
	uint64_t modules_ns;	/* of the last modules_maintain() that did something */
	uint64_t progress_ns;	/* when the loop last drained: what feeds the watchdog */
	struct dump_job *dumps; /* list of dumps.c */
	char *socket_path;	/* owned; unlinked at the end when we made it */
	pid_t front;		/* client in front of a foreground daemon (main.c); 0: none */
	bool front_waits;	/* the daemon ends with it */
	bool ending;		/* profd_free() has begun: the kernel is told nothing more */
	int exit_code;
};

struct profd_options {
	const char *config_path; /* NULL: CONFIG_PATH where it exists */
	const char *socket_path; /* NULL: SOCKET_PATH */
	bool collect_nothing;	 /* whatever [Collect] says: only what is asked for */
};

/* Builds the daemon up to listening; the socket is served from profd_run() on. */
int profd_new(struct profd **ret, const struct profd_options *options, struct error *error);
struct profd *profd_free(struct profd *p);
/* Runs the loop until a signal or sd_event_exit(). Returns the exit code. */
int profd_run(struct profd *p);

/* ---- pipeline.c ---- */
extern const struct kernel_callbacks pipeline_callbacks; /* .userdata is to be set */
/* Drains all that is there, for at most budget_ns. */
void pipeline_drain(struct profd *p, uint64_t budget_ns);
/* What /proc said of a process's mappings is in the table. */
void pipeline_maps_read(void *userdata, struct process *process);
/* Every second: history, memory, ended lives, ended targets. */
void pipeline_maintain(struct profd *p);
/* An exact boundary of slots and accounts now; returns that time. */
uint64_t pipeline_split(struct profd *p);

/* ---- modules.c ---- */
/* Every second: gives back files, modules and names that nobody needs. */
void modules_maintain(struct profd *p);

/* ---- follow.c ---- */
struct follow_request {
	struct target_spec target; /* moved from */
	uint32_t types;		   /* bits 1 << enum profile_type */
	uint32_t freq_hz;	   /* 0: nothing of them samples CPU time */
	uint64_t threshold_ns;	   /* of waits; 0: all are kept */
	const char *event, *unwind;
	struct peer peer;
	uint64_t connection; /* 0: lasts */
	bool own_processes;  /* of the peer's uid, whatever the target */
	bool from_config;
	bool transient; /* for the time of one request */
};
/* attachment is NULL on error. */
typedef void (*follow_done_fn)(
	void *userdata, struct attachment *attachment, bool updated, const struct error *error);
/* Makes the kernel follow; done() follows from the loop, or before this returns. */
void follow_attach(
	struct profd *p, struct follow_request *request, follow_done_fn done, void *userdata);
void follow_detach(struct profd *p, struct attachment *a);
/* Detaches pid attachments whose processes have all ended. */
void follow_expire(struct profd *p);
/* Living processes with this attachment. */
unsigned follow_count(struct profd *p, const struct attachment *a);
/* True when the life `process` is, or descends from, the process now or last called `pid`. */
bool follow_descends(struct profd *p, const struct process *process, uint32_t pid);

/* ---- exes.c ---- */
void exes_init(struct exes *s);
void exes_deinit(struct exes *s);
/* The attachment follows what runs the file at that path, by that rule, which is in force. */
void exes_add(struct profd *p, const struct attachment *a, unsigned bit, const char *path,
	const struct target_rule *rule);
/* Every second: looks one of the paths up again. */
void exes_refresh(struct profd *p);

/* What an ipc_request that is answered later has as its userdata: the first member of who answers
 * it. */
struct pending {
	/* The peer cancelled (finish: wants what there is), or is gone: then the request must not
	 * be used any more. */
	void (*cancel)(struct pending *self, bool finish, bool gone);
};

/* ---- dumps.c ---- */
void dumps_start(struct profd *p, struct ipc_request *r, const Profd__V1__DumpRequest *m, int *fds,
	size_t n_fds);
/* Ends the jobs but those that follow_attach() still owes a call: they end with it. */
void dumps_free_all(struct profd *p);

/* ---- requests.c, status.c, listing.c ---- */
extern const struct ipc_handlers request_handlers; /* .userdata and .types are to be set */
void status_reply(struct profd *p, struct ipc_request *r, bool features);
void list_reply(struct profd *p, struct ipc_request *r, bool all);
/* Fills in the wire form of an attachment; strings are owned by the message (free with
 * profd__v1__attachment__free_unpacked). NULL: no memory. */
Profd__V1__Attachment *attachment_message(struct profd *p, const struct attachment *a);
/* What the symbolizer has read of the process's own program: "go1.19.8", or "". */
const char *program_runtime(struct profd *p, const struct process *process, const char *exe);
/* The name of a drop or truncate reason and its text, from bpf/drops.def. */
const char *drop_name(enum drop_reason reason);
const char *drop_text(enum drop_reason reason);
const char *truncate_name(enum truncate_reason reason);
const char *truncate_text(enum truncate_reason reason);

#endif
