/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patterns of an attachment as rules for the BPF programs. A path, a unit or a cgroup is what
 * the target helper finds under that name now; a pattern of comms needs nobody.
 */
#include "follow.h"

#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/limits.h"

static int rule_add(
	struct follow *f, struct attachment *a, enum rule_kind kind, const char *pattern, bool unit)
{
	unsigned bit = a->bit;
	if (f->rules.n > 0) {
		int r = attachment_table_take_bit(f->profd->attachments, a, &bit);
		if (r < 0)
			return error_set(&f->error, r, EXIT_CODE_FAILED,
				"all %u attachments are taken: each further pattern takes one",
				LIMIT_ATTACHMENTS);
	}
	if (kind == RULE_COMM && strlen(pattern) >= ABI_GLOB)
		return error_set(&f->error, -EINVAL, EXIT_CODE_USAGE,
			"--comm %s: at most %d characters", pattern, ABI_GLOB - 1);
	struct rule *rule = array_push(&f->rules);
	if (!rule)
		return -ENOMEM;
	*rule = (struct rule){ .kind = kind, .bit = bit, .pattern = pattern, .unit = unit };
	rule->wire.kind = kind;
	rule->wire.require = f->below_bit;
	if (kind == RULE_COMM)
		snprintf(rule->wire.glob, sizeof(rule->wire.glob), "%s", pattern);
	return 0;
}

int follow_make_rules(struct follow *f, struct attachment *a)
{
	const struct target_spec *t = &a->target;
	int r = 0;

	if (t->n_below > 0 && (t->n_comms || t->n_exes)) {
		unsigned bit;
		r = attachment_table_take_bit(f->profd->attachments, a, &bit);
		if (r < 0)
			return error_set(&f->error, r, EXIT_CODE_FAILED, "no attachment is free");
		f->below_bit = a->below_bit = 1ULL << bit;
	}
	for (size_t i = 0; i < t->n_comms && r >= 0; i++)
		r = rule_add(f, a, RULE_COMM, t->comms[i], false);
	for (size_t i = 0; i < t->n_exes && r >= 0; i++)
		r = rule_add(f, a, RULE_EXE, t->exes[i], false);
	for (size_t i = 0; i < t->n_cgroups && r >= 0; i++)
		r = rule_add(f, a, RULE_CGROUP, t->cgroups[i], false);
	for (size_t i = 0; i < t->n_units && r >= 0; i++)
		r = rule_add(f, a, RULE_CGROUP, t->units[i], true);
	return r;
}

static void on_resolved(void *userdata, int error, const struct target_resolved *r)
{
	struct follow *f = userdata;
	struct rule *rule = ARRAY_AT(&f->rules, struct rule, f->next_rule);

	/* Its pattern and its bits are gone, too. */
	if (!follow_attachment(f)) {
		follow_gone(f);
		return;
	}
	if (error < 0) {
		error_set(&f->error, error, EXIT_CODE_NO_TARGET, "%s %s: %s",
			rule->kind == RULE_EXE ? "executable"
			: rule->unit	       ? "unit"
					       : "cgroup",
			rule->pattern,
			error == -ENOENT ? "there is no such thing" : strerror(-error));
		follow_fail(f);
		return;
	}
	rule->wire.inode = r->inode;
	rule->wire.dev = (r->major << 20) | r->minor;
	rule->wire.cgroup_id = r->cgroup_id;
	rule->wire.cgroup_level = r->cgroup_level;
	f->next_rule++;
	follow_rules(f);
}

void follow_rules(struct follow *f)
{
	for (; f->next_rule < f->rules.n; f->next_rule++) {
		struct rule *rule = ARRAY_AT(&f->rules, struct rule, f->next_rule);
		if (rule->kind == RULE_COMM)
			continue;
		int r = target_resolve(f->profd->io,
			rule->kind == RULE_EXE ? TARGET_RESOLVE_EXE
			: rule->unit	       ? TARGET_RESOLVE_UNIT
					       : TARGET_RESOLVE_CGROUP,
			rule->pattern, on_resolved, f);
		if (r < 0) {
			error_set(&f->error, r, EXIT_CODE_FAILED, "%s: %s", rule->pattern,
				strerror(-r));
			follow_fail(f);
		}
		return;
	}
	struct attachment *a = follow_attachment(f);
	ARRAY_EACH(&f->rules, struct rule, rule) {
		kernel_target_rule(f->profd->kernel, rule->bit, &rule->wire);
		if (rule->kind == RULE_EXE)
			exes_add(f->profd, a, rule->bit, rule->pattern, &rule->wire);
	}
	follow_scan(f);
}
