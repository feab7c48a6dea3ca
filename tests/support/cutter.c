/* SPDX-License-Identifier: MIT */
/*
 * The way between two processes, which a test can cut: a forwarder on loopback that knows a control connection from a lane by its
 * preface, and a control message by its frame. It listens on a port of the kernel's choice ("listening on PORT"), forwards to
 * TARGET_PORT, and takes a word a line on its standard input, each acknowledged by "did WORD ...":
 *
 *   cut control|lanes    reset the connections that stand; new ones pass
 *   mute control|lanes   those that stand, and new ones, carry nothing any more, and nobody is told
 *   hold TYPE            stop a control connection before the next message of this type; "held TYPE" when one is there
 *   pass                 end of hold and mute
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/frame.h"
#include "wire/hello.h"

enum { PAIRS_MAX = 160, BUFFER_BYTES = 1 << 16, LINE_BYTES = 64, NO_TYPE = -1 };

enum kind { KIND_UNKNOWN, KIND_CONTROL, KIND_LANE, KIND_COUNT };

/* What came from one end and goes to the other. */
struct direction {
	uint8_t buffer[BUFFER_BYTES];
	size_t bytes;	  /* in the buffer */
	size_t known;	  /* of them, those whose frames have been looked at: they may go */
	uint64_t skip;	  /* bytes that come yet and belong to what was looked at */
	bool ended, told; /* its end was read, and handed on */
	bool held;
};

struct pair {
	int fd[2]; /* 0: who connected; 1: the target; -1: no pair */
	enum kind kind;
	struct direction to[2]; /* to[1]: what fd[0] said */
};

static struct pair pairs[PAIRS_MAX];
static bool muted[KIND_COUNT];
static int held_type = NO_TYPE;
static uint16_t target_port;

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static int check(int rc, const char *what)
{
	if (rc < 0) {
		perror(what);
		exit(1);
	}
	return rc;
}

static void end_pair(struct pair *pair, bool reset)
{
	struct linger at_once = { 1, 0 };

	for (int side = 0; side < 2; side++) {
		if (reset)
			setsockopt(pair->fd[side], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(pair->fd[side]);
	}
	memset(pair, 0, sizeof(*pair));
	pair->fd[0] = pair->fd[1] = -1;
}

static void take_guest(int listener)
{
	struct sockaddr_in target = loopback(target_port);
	int guest = check(accept(listener, NULL, NULL), "accept"), on = socket(AF_INET, SOCK_STREAM, 0);

	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		if (pairs[i].fd[0] >= 0)
			continue;
		if (connect(on, (struct sockaddr *)&target, sizeof(target)))
			break;
		pairs[i].fd[0] = guest;
		pairs[i].fd[1] = on;
		return;
	}
	close(guest);
	close(on);
}

/* Both ends' prefaces open a connection, and the first one's says what it is. */
static void look_at_preface(struct pair *pair, int side)
{
	struct direction *way = &pair->to[side];
	struct preface preface;

	if (pair->kind != KIND_UNKNOWN || side != 1 || way->bytes < PREFACE_BYTES)
		return;
	pair->kind = !preface_decode(&preface, way->buffer) && preface.kind == PREFACE_LANE ? KIND_LANE : KIND_CONTROL;
	pair->to[0].skip = pair->to[1].skip = PREFACE_BYTES;
}

static void look_at_frames(struct direction *way)
{
	struct frame_head head;

	for (;;) {
		size_t fresh = way->bytes - way->known, part = way->skip < fresh ? (size_t)way->skip : fresh;

		way->known += part;
		way->skip -= part;
		if (way->skip || way->bytes - way->known < FRAME_HEAD_BYTES)
			return;
		frame_head_decode(&head, way->buffer + way->known);
		if (head.type == held_type) {
			if (!way->held)
				printf("held %d\n", held_type);
			way->held = true;
			return;
		}
		way->held = false;
		way->skip = FRAME_HEAD_BYTES + (uint64_t)head.bytes;
	}
}

static bool is_muted(const struct pair *pair)
{
	return muted[pair->kind];
}

static void read_side(struct pair *pair, int side)
{
	struct direction *way = &pair->to[!side];
	ssize_t got = read(pair->fd[side], way->buffer + way->bytes, BUFFER_BYTES - way->bytes);

	if (got > 0)
		way->bytes += (size_t)got;
	else
		way->ended = true;
}

static void write_side(struct pair *pair, int side)
{
	struct direction *way = &pair->to[side];
	ssize_t put;

	look_at_preface(pair, side);
	if (pair->kind == KIND_CONTROL)
		look_at_frames(way);
	else
		way->known = pair->kind == KIND_LANE ? way->bytes : 0;
	if (is_muted(pair))
		return;
	put = way->known ? send(pair->fd[side], way->buffer, way->known, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
	if (put > 0) {
		memmove(way->buffer, way->buffer + put, way->bytes - (size_t)put);
		way->bytes -= (size_t)put;
		way->known -= (size_t)put;
	}
	if (way->ended && !way->told && (!way->known || (put < 0 && errno != EAGAIN))) {
		shutdown(pair->fd[side], SHUT_WR); /* what is held is lost with who said it */
		way->told = true;
	}
}

static void each_of(enum kind kind, bool reset)
{
	for (unsigned i = 0; reset && i < PAIRS_MAX; i++)
		if (pairs[i].fd[0] >= 0 && pairs[i].kind == kind)
			end_pair(&pairs[i], true);
	if (!reset)
		muted[kind] = true;
}

static void obey(char *line)
{
	char *word = strtok(line, " \n"), *what = strtok(NULL, " \n");
	bool lanes = what && !strcmp(what, "lanes");

	if (!word)
		return;
	if (!strcmp(word, "hold") && what) {
		held_type = atoi(what);
	} else if (!strcmp(word, "pass")) {
		held_type = NO_TYPE;
		memset(muted, 0, sizeof(muted));
	} else if (!strcmp(word, "cut") || !strcmp(word, "mute")) {
		each_of(lanes ? KIND_LANE : KIND_CONTROL, !strcmp(word, "cut"));
	} else {
		fprintf(stderr, "not a word of ours: %s\n", word);
		exit(2);
	}
	printf("did %s%s%s\n", word, what ? " " : "", what ? what : "");
}

static void forward(struct pair *pair, const struct pollfd fds[2])
{
	for (int side = 0; side < 2; side++)
		if (fds[side].revents & (POLLIN | POLLHUP | POLLERR) && !pair->to[!side].ended &&
		    pair->to[!side].bytes < BUFFER_BYTES)
			read_side(pair, side);
	for (int side = 0; side < 2; side++)
		write_side(pair, side);
	if (pair->to[0].told && pair->to[1].told)
		end_pair(pair, false);
}

static void wait_for(struct pollfd *fds, const struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		const struct direction *from = &pair->to[!side], *to = &pair->to[side];
		bool room = !from->ended && from->bytes < BUFFER_BYTES;

		fds[side].events = (short)((room ? POLLIN : 0) | (to->known && !is_muted(pair) ? POLLOUT : 0));
		fds[side].fd = fds[side].events ? pair->fd[side] : -1;
	}
}

static void serve(int listener)
{
	static struct pollfd fds[2 + 2 * PAIRS_MAX];
	char line[LINE_BYTES];

	for (;;) {
		fds[0] = (struct pollfd){ listener, POLLIN, 0 };
		fds[1] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
		for (unsigned i = 0; i < PAIRS_MAX; i++)
			wait_for(fds + 2 + 2 * i, &pairs[i]);
		check(poll(fds, 2 + 2 * PAIRS_MAX, -1), "poll");
		if (fds[1].revents) {
			if (!fgets(line, sizeof(line), stdin))
				return;
			obey(line);
		}
		for (unsigned i = 0; i < PAIRS_MAX; i++)
			if (pairs[i].fd[0] >= 0)
				forward(&pairs[i], fds + 2 + 2 * i);
		if (fds[0].revents)
			take_guest(listener);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = loopback(0);
	socklen_t bytes = sizeof(address);
	int listener = check(socket(AF_INET, SOCK_STREAM, 0), "socket");

	if (argc != 2 || !(target_port = (uint16_t)atoi(argv[1]))) {
		fprintf(stderr, "usage: cutter TARGET_PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0); /* poll(2) sees what is left */
	for (unsigned i = 0; i < PAIRS_MAX; i++)
		pairs[i].fd[0] = pairs[i].fd[1] = -1;
	check(bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	check(listen(listener, PAIRS_MAX), "listen");
	check(getsockname(listener, (struct sockaddr *)&address, &bytes), "getsockname");
	printf("listening on %d\n", ntohs(address.sin_port));
	serve(listener);
	return 0;
}
