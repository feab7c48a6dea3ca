/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/session_peer_rig.h"

TestSuite(session_peer, .timeout = 120);

static struct peer_rig rig;

/* A source that has offered one device that fits, and has been told so. */
static int agree(void)
{
	int fd = peer_control(&rig);

	peer_send_offer(fd, 1);
	peer_send_device(&rig, fd, 0, "");
	peer_await(fd, MESSAGE_AGREED);
	return fd;
}

/* The peer is told why, and the session ends with the same word. */
static void ends_with(int fd, enum vfiomig_code code, const char *name, const char *destination_state)
{
	peer_await_abort(fd, name);
	peer_end(&rig, code, name, destination_state);
}

static void cancelled(int fd, const char *destination_state)
{
	vfiomig_session_cancel(rig.session);
	if (fd >= 0)
		peer_await_end(fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, destination_state);
}

Test(session_peer, that_offers_what_fits_is_agreed_with)
{
	peer_start(&rig, 1);
	cancelled(agree(), "reset");
}

Test(session_peer, that_offers_twice_before_its_devices_ends_the_session)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_offer(fd, 1);
	peer_send_offer(fd, 2);
	ends_with(fd, VFIOMIG_PROTOCOL, "message-malformed", "untouched");
}

Test(session_peer, that_offers_again_when_all_is_agreed_is_out_of_phase)
{
	int fd;

	peer_start(&rig, 1);
	fd = agree();
	peer_send_offer(fd, 1);
	ends_with(fd, VFIOMIG_PROTOCOL, "message-out-of-phase", "reset");
}

Test(session_peer, that_offers_no_device_cannot_be_read)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_offer(fd, 0);
	ends_with(fd, VFIOMIG_PROTOCOL, "message-malformed", "untouched");
}

Test(session_peer, that_names_a_device_before_its_offer_ends_the_session)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_device(&rig, fd, 0, "");
	ends_with(fd, VFIOMIG_PROTOCOL, "message-malformed", "untouched");
}

Test(session_peer, that_numbers_its_devices_wrongly_cannot_be_read)
{
	int fd;

	peer_start(&rig, 2);
	fd = peer_control(&rig);
	peer_send_offer(fd, 2);
	peer_send_device(&rig, fd, 1, "");
	ends_with(fd, VFIOMIG_PROTOCOL, "message-malformed", "untouched");
}

Test(session_peer, that_names_more_devices_than_it_offered_ends_the_session)
{
	int fd;

	peer_start(&rig, 1);
	fd = agree();
	peer_send_device(&rig, fd, 1, "");
	ends_with(fd, VFIOMIG_PROTOCOL, "message-malformed", "reset");
}

Test(session_peer, with_two_devices_of_one_name_is_refused)
{
	int fd;

	peer_start(&rig, 2);
	fd = peer_control(&rig);
	peer_send_offer(fd, 2);
	peer_send_device(&rig, fd, 0, "twin");
	peer_send_device(&rig, fd, 1, "twin");
	ends_with(fd, VFIOMIG_PREFLIGHT, "same-name", "untouched");
}

Test(session_peer, with_more_devices_than_there_are_is_refused)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send_offer(fd, VFIOMIG_DEVICES_MAX);
	for (unsigned d = 0; d < VFIOMIG_DEVICES_MAX; d++)
		peer_send_device(&rig, fd, d, "");
	ends_with(fd, VFIOMIG_PREFLIGHT, "more-devices", "untouched");
}

Test(session_peer, that_says_what_only_a_destination_says_is_out_of_phase)
{
	static const uint16_t foreign[] = { MESSAGE_PREPARED, MESSAGE_LANES_READY };

	for (unsigned i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		int fd;

		peer_start(&rig, 1);
		fd = agree();
		peer_send(fd, foreign[i], NULL, 0);
		ends_with(fd, VFIOMIG_PROTOCOL, "message-out-of-phase", "reset");
	}
}

Test(session_peer, that_commits_before_all_is_loaded_is_out_of_phase)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_control(&rig);
	peer_send(fd, MESSAGE_COMMIT, NULL, 0);
	ends_with(fd, VFIOMIG_PROTOCOL, "message-out-of-phase", "untouched");

	peer_start(&rig, 1);
	fd = agree();
	peer_await(fd, MESSAGE_READY);
	peer_send(fd, MESSAGE_COMMIT, NULL, 0);
	ends_with(fd, VFIOMIG_PROTOCOL, "message-out-of-phase", "reset");
}

/* One that has been invited, and ends the stream of device @number. */
static int end_stream_of(uint16_t number)
{
	const struct message_stream_end end = { .number = number, .packets = 1 };
	uint8_t body[MESSAGE_BYTES_MAX];
	int fd;

	peer_start(&rig, 1);
	fd = agree();
	peer_await(fd, MESSAGE_READY);
	peer_send(fd, MESSAGE_STREAM_END, body, message_encode_stream_end(body, &end));
	return fd;
}

Test(session_peer, that_ends_a_stream_that_has_not_begun_or_never_can_ends_the_session)
{
	ends_with(end_stream_of(0), VFIOMIG_PROTOCOL, "message-out-of-phase", "reset");
	ends_with(end_stream_of(VFIOMIG_DEVICES_MAX - 1), VFIOMIG_PROTOCOL, "message-out-of-phase", "reset");
	ends_with(end_stream_of(65535), VFIOMIG_PROTOCOL, "message-malformed", "reset");
}

Test(session_peer, that_hangs_up_has_its_devices_reset)
{
	int fd;

	peer_start(&rig, 1);
	fd = agree();
	peer_await(fd, MESSAGE_READY);
	shutdown(fd, SHUT_WR);
	peer_await_end(fd);
	peer_end(&rig, VFIOMIG_FABRIC, "peer-closed", "reset");
}

Test(session_peer, that_sends_a_frame_of_no_type_breaks_the_protocol)
{
	int fd;

	peer_start(&rig, 1);
	fd = agree();
	peer_send(fd, 4711, NULL, 0);
	peer_await_end(fd);
	peer_end(&rig, VFIOMIG_PROTOCOL, "frame-type", "reset");
}

Test(session_peer, that_is_a_stranger_and_hangs_up_leaves_the_place_to_the_source)
{
	int fd;

	peer_start(&rig, 1);
	fd = peer_connect(&rig);
	close(fd);
	fd = peer_control(&rig);
	shutdown(fd, SHUT_WR);
	peer_await_end(fd);
	cr_assert_eq(vfiomig_session_dispatch(rig.session), 0);
	cancelled(agree(), "reset");
}

Test(session_peer, that_is_a_stranger_and_talks_garbage_leaves_the_place_to_the_source)
{
	char garbage[64];
	int fd;

	memset(garbage, 'x', sizeof(garbage));
	peer_start(&rig, 1);
	fd = peer_connect(&rig);
	peer_write(fd, garbage, sizeof(garbage));
	peer_await_end(fd);
	fd = peer_control(&rig);
	peer_write(fd, garbage, sizeof(garbage));
	peer_await_end(fd);
	cr_assert_eq(vfiomig_session_dispatch(rig.session), 0);
	cancelled(agree(), "reset");
}

Test(session_peer, who_never_comes_keeps_nobody_from_cancelling)
{
	peer_start(&rig, 1);
	cancelled(-1, "untouched");
}

Test(session_peer, that_comes_second_is_told_that_the_place_is_taken)
{
	int first, second;

	peer_start(&rig, 1);
	first = agree();
	second = peer_control(&rig);
	peer_await_abort(second, "busy");
	peer_await(first, MESSAGE_READY); /* and the first one goes on */
	cancelled(first, "reset");
}

struct flood {
	int fd;
	sem_t on;
};

static void *flood(void *argument)
{
	static uint8_t frames[24 * 1000];
	struct flood *flood = argument;

	for (size_t at = 0; at < sizeof(frames); at += 24)
		memcpy(frames + at, (const uint8_t[24]){ [5] = 1, [7] = MESSAGE_HEARTBEAT }, 24);
	while (send(flood->fd, frames, sizeof(frames), MSG_NOSIGNAL) == sizeof(frames))
		sem_post(&flood->on);
	sem_post(&flood->on);
	return NULL;
}

Test(session_peer, that_floods_keeps_nobody_from_cancelling)
{
	struct flood state;
	struct peer_message message;
	pthread_t thread;

	peer_start(&rig, 1);
	state.fd = agree();
	cr_assert_eq(sem_init(&state.on, 0, 0), 0);
	cr_assert_eq(pthread_create(&thread, NULL, flood, &state), 0);
	for (unsigned i = 0; i < 10; i++)
		cr_assert_eq(sem_wait(&state.on), 0);
	vfiomig_session_cancel(rig.session);
	do {
		peer_receive(state.fd, &message);
		cr_assert_neq(message.type, 0, "it closed without a word");
	} while (message.type != MESSAGE_ABORT); /* while the flood goes on */
	shutdown(state.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(state.fd);
	peer_end(&rig, VFIOMIG_CANCELLED, NULL, "reset");
}
