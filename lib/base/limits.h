/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every cap of the two programs but those of `profctl serve` (client/http/limits.h). A limit
 * protects either against a hostile target (files, maps, names), a hostile peer (messages,
 * connections) or against our own growth.
 */
#ifndef PROFD_BASE_LIMITS_H
#define PROFD_BASE_LIMITS_H

#define KIB (1024ULL)
#define MIB (1024ULL * 1024ULL)
#define GIB (1024ULL * 1024ULL * 1024ULL)

/* sampling */
#define LIMIT_FREQ_MIN_HZ 1U
#define LIMIT_FREQ_MAX_HZ 10000U
#define LIMIT_ATTACHMENTS 64U	/* at once; one bit each in bpf/abi.h */
#define LIMIT_PIDS	  4096U /* pids named in one target */

/* processes */
#define LIMIT_PROCESSES	      65536U	 /* processes known at once */
#define LIMIT_MAPPINGS	      65536U	 /* executable mappings of one process */
#define LIMIT_MODULES	      65536U	 /* distinct mapped files and pseudo-modules */
#define LIMIT_MODULE_FDS      4096U	 /* files held open for symbolizing later */
#define LIMIT_PROC_FILE_BYTES (32 * MIB) /* one /proc/PID file */
#define LIMIT_PATH	      4096U

/* files that a target wrote */
#define LIMIT_ELF_BYTES	     (4 * GIB)
#define LIMIT_PERF_MAP_BYTES (64 * MIB)
#define LIMIT_PERF_MAP_LINE  4096U
#define LIMIT_SYMBOL_NAME    4096U /* longer names are cut, and marked so */
#define LIMIT_INLINE_DEPTH   64U

/* helper processes */
#define LIMIT_HELPER_STUCK	 8U /* abandoned and still not dead */
#define LIMIT_HELPER_QUEUE	 65536U
#define LIMIT_HELPER_MESSAGE	 (64 * KIB) /* larger data travels as memfd */
#define LIMIT_HELPER_FDS	 8U
#define LIMIT_HELPER_REPLY_BYTES (256 * MIB)
#define LIMIT_TARGET_DEADLINE_MS 2000U
#define LIMIT_SYMBOL_DEADLINE_MS 10000U
#define LIMIT_ENCODE_DEADLINE_MS 120000U

/* collection */
#define LIMIT_STACK_FRAMES 1152U /* 1024 user + 127 kernel, rounded */
#define LIMIT_SLOT_NS	   1000000000ULL

/* the socket */
#define LIMIT_MESSAGE_BYTES	  (1 * MIB)
#define LIMIT_CONNECTIONS	  1024U
#define LIMIT_CONNECTIONS_PER_UID 64U
#define LIMIT_REQUESTS_PER_UID	  16U /* dumps pending at once */
#define LIMIT_HANDSHAKE_MS	  5000U
#define LIMIT_FRAME_MS		  10000U
#define LIMIT_OUT_QUEUE_BYTES	  (1 * MIB)

/* profiles that are read */
#define LIMIT_PROFILE_BYTES   (8 * GIB) /* after gunzip */
#define LIMIT_PROFILE_STRINGS 67108864U

#endif
