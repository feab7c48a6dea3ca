/* SPDX-License-Identifier: MIT */
/*
 * What the two VMMs say to each other: their own migration protocol, over any reliable stream. Theirs carries the guest's memory as well;
 * here it is six words.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

enum word {
	WORD_NONE = 0,
	WORD_HERE,     /* destination: its session listens at this address */
	WORD_PLATFORM, /* source: the VMM's own state, interrupt controller included */
	WORD_PREPARED, /* destination: its session is prepared */
	WORD_COMMIT,   /* source: the devices are yours */
	WORD_RUNS,     /* destination: they run here */
	WORD_ABORT,    /* either: no, they do not run here and never will */
};

struct message {
	enum word word;
	char text[120];
};

/* 0, or -1 when the other VMM has gone. */
int channel_say(int fd, enum word word, const char *text);
int channel_hear(int fd, struct message *message);

#endif
