/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profd's verbs. `run` is the daemon; `attach` and `detach` speak as a client where a daemon
 * answers; where none does, `attach` becomes the daemon in the foreground and has a child in front
 * that speaks to it as any client would. A helper process is another exec of this program
 * (`--helper ROLE`).
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "client/attach.h"
#include "client/commands.h"
#include "client/options.h"
#include "collect/encoder.h"
#include "profd.h"

static const helper_serve_fn serve[HELPER_ROLES] = {
	[HELPER_TARGET] = target_serve,
	[HELPER_SYMBOLIZER] = symbolizer_serve,
	[HELPER_ENCODER] = encoder_serve,
};

static const char *socket_of(const char *option)
{
	const char *env = getenv("PROFD_SOCKET");
	return option ? option : env && *env ? env : SOCKET_PATH;
}

/* Tells who waits for it (PROFD_READY_FD) that the socket is served. */
static void tell_ready(void)
{
	const char *text = getenv("PROFD_READY_FD");
	if (!text)
		return;
	int fd = atoi(text);
	if (fd > 2) {
		(void)!write(fd, "\n", 1);
		(void)close(fd);
	}
	(void)unsetenv("PROFD_READY_FD");
}

/* Starts the client in front of a foreground daemon: this program again, with the same words; it
 * finds the socket answering. */
static int start_front(struct profd *p, char **argv)
{
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		sigset_t none;
		sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)close_range(3, ~0U, 0);
		(void)execv("/proc/self/exe", argv);
		_exit(EXIT_CODE_FAILED);
	}
	p->front = pid;
	return 0;
}

static int on_front_exit(sd_event_source *source, const siginfo_t *si, void *userdata)
{
	struct profd *p = userdata;
	int code = si->si_code == CLD_EXITED ? si->si_status : EXIT_CODE_FAILED;

	(void)source;
	p->front = 0;
	if (p->front_waits || code != EXIT_CODE_OK) {
		p->exit_code = code;
		return sd_event_exit(p->event, code);
	}
	return 0;
}

/* front_argv: the words of the client in front; NULL: none. */
static int run_daemon(const struct profd_options *options, char **front_argv, bool front_waits)
{
	struct error error = ERROR_INIT;
	struct profd *p;

	if (profd_new(&p, options, &error) < 0)
		return complain(&error);
	if (front_argv) {
		p->front_waits = front_waits;
		int r = start_front(p, front_argv);
		if (r >= 0)
			r = sd_event_add_child(p->event, NULL, p->front, WEXITED, on_front_exit, p);
		if (r < 0) {
			profd_free(p);
			error_set(&error, r, EXIT_CODE_FAILED, "cannot start a client: %s",
				strerror(-r));
			return complain(&error);
		}
	}
	tell_ready();
	int code = profd_run(p);
	profd_free(p);
	return code;
}

static int cmd_run(int argc, char **argv)
{
	struct profd_options options = { 0 };
	struct error error = ERROR_INIT;
	struct options o = OPTIONS_INIT(program_verb(&profd_program, "run"), argc, argv);
	const char *socket = NULL;
	int id;

	while ((id = options_next(&o, &error)) != OPTION_END) {
		switch (id) {
		case OPTION_CONFIG:
			options.config_path = o.value;
			break;
		case OPTION_SOCKET:
			socket = o.value;
			break;
		case OPTION_PRIVATE:
			options.collect_nothing = true;
			break;
		case OPTION_OPERAND:
			unexpected_operand(o.verb, o.value, &error);
			return complain(&error);
		default:
			return complain(&error);
		}
	}
	options.socket_path = socket_of(socket);
	if (options.collect_nothing) {
		log_set_level(LOG_LEVEL_ERROR);
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	}
	return run_daemon(&options, NULL, false);
}

static int cmd_check_config(int argc, char **argv)
{
	struct error error = ERROR_INIT;
	struct options o = OPTIONS_INIT(program_verb(&profd_program, "check-config"), argc, argv);
	const char *path = NULL;
	struct config config;
	int id;

	while ((id = options_next(&o, &error)) != OPTION_END) {
		if (id == OPTION_CONFIG) {
			path = o.value;
			continue;
		}
		if (id == OPTION_OPERAND)
			unexpected_operand(o.verb, o.value, &error);
		return complain(&error);
	}
	config_init(&config);
	if (config_read(&config, path ? path : CONFIG_PATH, path != NULL, &error) < 0)
		return complain(&error);
	printf("%s is fine\n", path ? path : CONFIG_PATH);
	return EXIT_CODE_OK;
}

static bool daemon_answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return false;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static char **program_argv;

static int cmd_attach_or_become(int argc, char **argv)
{
	struct attach_options o = ATTACH_OPTIONS_INIT;
	struct error error = ERROR_INIT;
	int code;

	if (attach_parse(&o, &profd_program, argc, argv, &error) < 0) {
		code = complain(&error);
	} else if (daemon_answers(socket_of(o.socket))) {
		code = attach_run(&o);
	} else if (geteuid() != 0) {
		error_set(&error, -EPERM, EXIT_CODE_NO_DAEMON,
			"no daemon at %s, and becoming one needs root: sudo systemctl start profd, "
			"or sudo profd attach ...",
			socket_of(o.socket));
		code = complain(&error);
	} else {
		struct profd_options options = {
			.socket_path = socket_of(o.socket),
			.collect_nothing = true,
		};
		log_set_level(LOG_LEVEL_WARNING);
		code = run_daemon(&options, program_argv, attach_waits(&o));
	}
	attach_options_deinit(&o);
	return code;
}

int main(int argc, char **argv)
{
	static const struct verb_run runs[] = {
		{ "run", cmd_run },
		{ "attach", cmd_attach_or_become },
		{ "detach", cmd_detach },
		{ "check-config", cmd_check_config },
		{ 0 },
	};

	if (argc == 3 && strcmp(argv[1], "--helper") == 0)
		return helper_main(argv[2], serve);
	program_argv = argv;
	log_set_name("profd");
	return program_main(&profd_program, runs, argc, argv);
}
