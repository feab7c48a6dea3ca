/* SPDX-License-Identifier: MIT */
#include "base/peer_user.h"

#include <sys/socket.h>
#include <unistd.h>

bool peer_user_trusted(int fd)
{
	struct sockaddr_storage own = { 0 };
	struct ucred peer = { 0 };
	socklen_t bytes = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &bytes) || own.ss_family != AF_UNIX)
		return true;
	bytes = sizeof(peer);
	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) && (peer.uid == 0 || peer.uid == geteuid());
}
