/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal as a screen of our own, with the sequences that xterm, screen, tmux, linux and what
 * descends from VT100 share. It is given back by screen_leave(), at exit(), and when a signal ends
 * the process.
 */
#ifndef PROFCTL_LIVE_SCREEN_H
#define PROFCTL_LIVE_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum key {
	KEY_NONE,
	KEY_UP = 256,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
	KEY_ENTER,
	KEY_BACK,
	KEY_ESCAPE,
	KEY_SUSPEND,
	KEY_QUIT,
};

/* Standard input and output are a terminal that can move its cursor. */
bool screen_possible(void);
/* 0 or -errno. */
int screen_enter(void);
void screen_leave(void);
/* Stops the process as Ctrl-Z does, with the terminal given back meanwhile. */
void screen_suspend(void);
void screen_size(unsigned *ret_width, unsigned *ret_height);

/* The next key in n bytes of input: a printable character, or an enum key. *ret_n: bytes it took.
 * KEY_NONE: nothing that is known. */
int key_decode(const char *s, size_t n, size_t *ret_n);

#endif
