/* handover.c - bytes, and perhaps a descriptor, over a Unix stream socket */
#include "handover.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

bool
handover_send(int fd, const void *data, size_t len, int passed)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (passed >= 0) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof control.space;
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof passed),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &passed, sizeof passed);
	}
	while (part.iov_len > 0) {
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		part.iov_base = (char *)part.iov_base + n;
		part.iov_len -= (size_t)n;
		message.msg_control = NULL;
		message.msg_controllen = 0;
	}
	return true;
}

bool
handover_receive(int fd, void *data, size_t len, int *passed_out)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	const struct cmsghdr *first;
	size_t received = 0;
	ssize_t n;

	while (received < len) {
		struct iovec part = { (char *)data + received, len - received };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

		if (passed_out != NULL) {
			message.msg_control = control.space;
			message.msg_controllen = sizeof control.space;
		}
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		received += (size_t)n;
		first = CMSG_FIRSTHDR(&message);
		if (passed_out != NULL && first != NULL && first->cmsg_type == SCM_RIGHTS)
			memcpy(passed_out, CMSG_DATA(first), sizeof *passed_out);
	}
	return true;
}
