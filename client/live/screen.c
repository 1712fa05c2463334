/* SPDX-License-Identifier: Apache-2.0 */
/* Owns the terminal's modes. State of the process: there is one terminal. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "live/screen.h"

/* Another screen, no cursor, no wrapping. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

static struct termios before;
static volatile sig_atomic_t entered;

bool screen_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
	       strcmp(term, "dumb") != 0;
}

/* Async-signal-safe. */
void screen_leave(void)
{
	if (!entered)
		return;
	entered = 0;
	(void)!write(STDOUT_FILENO, leave, sizeof(leave) - 1);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void on_fatal(int signal)
{
	screen_leave();
	(void)raise(signal); /* as it would have ended: the handler was for once */
}

static void watch_fatal_signals(void)
{
	static const int fatal[] = { SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	struct sigaction action = { .sa_handler = on_fatal, .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		(void)sigaction(fatal[i], &action, NULL);
}

int screen_enter(void)
{
	static bool watched;
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	if (!watched) {
		watch_fatal_signals();
		(void)atexit(screen_leave);
		watched = true;
	}
	raw = before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	raw.c_cc[VSUSP] = _POSIX_VDISABLE; /* KEY_SUSPEND */
	entered = 1;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return -errno;
	(void)!write(STDOUT_FILENO, enter, sizeof(enter) - 1);
	return 0;
}

void screen_suspend(void)
{
	screen_leave();
	(void)kill(0, SIGTSTP);
	(void)screen_enter();
}

void screen_size(unsigned *ret_width, unsigned *ret_height)
{
	struct winsize w;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col && w.ws_row;

	*ret_width = known ? w.ws_col : 80;
	*ret_height = known ? w.ws_row : 24;
}

static int control_key(char c)
{
	switch (c) {
	case '\r':
	case '\n':
		return KEY_ENTER;
	case 0x7f:
	case '\b':
		return KEY_BACK;
	case 0x1a:
		return KEY_SUSPEND;
	case 0x03:
	case 0x04:
		return KEY_QUIT;
	default:
		return KEY_NONE;
	}
}

int key_decode(const char *s, size_t n, size_t *ret_n)
{
	static const struct {
		const char *sequence;
		int key;
	} keys[] = {
		{ "[A", KEY_UP },
		{ "OA", KEY_UP },
		{ "[B", KEY_DOWN },
		{ "OB", KEY_DOWN },
		{ "[C", KEY_RIGHT },
		{ "OC", KEY_RIGHT },
		{ "[D", KEY_LEFT },
		{ "OD", KEY_LEFT },
		{ "[5~", KEY_PAGE_UP },
		{ "[6~", KEY_PAGE_DOWN },
		{ "[H", KEY_HOME },
		{ "[F", KEY_END },
		{ "OH", KEY_HOME },
		{ "OF", KEY_END },
		{ "[1~", KEY_HOME },
		{ "[4~", KEY_END },
	};
	size_t i = 2;

	*ret_n = 1;
	if (*s != '\033')
		return (unsigned char)*s >= 0x20 && *s != 0x7f ? (unsigned char)*s
							       : control_key(*s);
	if (n == 1)
		return KEY_ESCAPE;
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		size_t length = strlen(keys[k].sequence);

		if (n > length && !memcmp(s + 1, keys[k].sequence, length)) {
			*ret_n = length + 1;
			return keys[k].key;
		}
	}
	/* An unknown sequence (ECMA-48 5.4) is passed over as a whole. */
	while (s[1] == '[' && i < n && (s[i] < 0x40 || s[i] > 0x7e))
		i++;
	*ret_n = i < n ? i + 1 : n;
	return KEY_NONE;
}
