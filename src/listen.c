/* listen.c - a listening socket for FastCGI
 *
 * FCGX_OpenSocket() is not used: it removes whatever lies at the path, steals
 * the socket of a program that runs, listens on all addresses for ":9000", and
 * ends the process when it fails.
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

bool
listen_is_on(int fd)
{
	int listening = 0;
	socklen_t size = sizeof listening;
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

static int
refuse(char reason_out[256], const char *where, const char *why)
{
	snprintf(reason_out, 256, "cannot listen on %.120s: %s", where, why);
	return -1;
}

/* Close fd, if any, and say why from errno. */
static int
refuse_errno(char reason_out[256], const char *where, int fd)
{
	int error = errno;
	if (fd >= 0)
		close(fd);
	return refuse(reason_out, where, strerror(error));
}

/* A lock on the directory, so that of two programs that start at the same moment the later one
 * sees the other's socket live and not stale. Waits for a second. */
static int
lock_directory(const char *path)
{
	char directory[sizeof((struct sockaddr_un *)NULL)->sun_path];
	const char *slash = strrchr(path, '/');

	snprintf(directory, sizeof directory, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		slash == NULL ? "." : path);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int tries = 20; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0; tries--) {
		if (tries == 0) {
			close(fd);
			errno = EWOULDBLOCK;
			return -1;
		}
		poll(NULL, 0, 50);
	}
	return fd;
}

/* Remove a socket that nobody listens on. NULL: the path is free; else why not. */
static const char *
free_path(const struct sockaddr_un *address)
{
	struct stat status;
	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? NULL : strerror(errno);
	if (!S_ISSOCK(status.st_mode))
		return "something that is not a socket is there";

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return strerror(errno);
	bool live = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
		    errno != ECONNREFUSED;
	close(fd);
	if (live)
		return "another program listens there";
	return unlink(address->sun_path) == 0 ? NULL : strerror(errno);
}

static int
listen_unix(const char *path, char reason_out[256])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
		return refuse(reason_out, path, "the path must have 1 to 107 bytes");
	memcpy(address.sun_path, path, strlen(path) + 1);

	int lock = lock_directory(path);
	if (lock < 0)
		return refuse_errno(reason_out, path, -1);
	int fd = -1;
	const char *why = free_path(&address);
	if (why != NULL) {
		refuse(reason_out, path, why);
		goto out;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Connecting needs write permission: 0660 from the first moment. */
	mode_t old_umask = umask(0117);
	bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
	umask(old_umask);
	if (!bound || listen(fd, BACKLOG) < 0)
		fd = refuse_errno(reason_out, path, fd);
out:
	close(lock);
	return fd;
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT" or "localhost:PORT". Numeric only: names would need the
 * resolver, and a socket whose place depends on it. */
static socklen_t
parse_address(const char *where, struct sockaddr_storage *address_out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address_out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address_out;
	char host[64];
	const char *colon = strrchr(where, ':');
	char *end;

	if (colon == NULL || colon == where || (size_t)(colon - where) >= sizeof host)
		return 0;
	if (colon[1] < '1' || colon[1] > '9' || strlen(colon + 1) > 5)
		return 0;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return 0;
	snprintf(host, sizeof host, "%.*s", (int)(colon - where), where);

	memset(address_out, 0, sizeof *address_out);
	size_t len = strlen(host);
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? sizeof *v6 : 0;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	return inet_pton(AF_INET, numeric, &v4->sin_addr) == 1 ? sizeof *v4 : 0;
}

static int
listen_tcp(const char *where, char reason_out[256])
{
	struct sockaddr_storage address;
	socklen_t size = parse_address(where, &address);
	if (size == 0)
		return refuse(reason_out, where,
			"neither unix:PATH nor ADDRESS:PORT with a numeric address or localhost");

	static const int on = 1;
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refuse_errno(reason_out, where, -1);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (address.ss_family == AF_INET6) /* "[::]" is not "0.0.0.0" as well */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, BACKLOG) < 0)
		return refuse_errno(reason_out, where, fd);
	return fd;
}

/* sd_listen_fds(3): the sockets are 3 and up, and meant for us if the process id is ours. */
static int
listen_inherited(char reason_out[256])
{
	enum { FIRST = 3 };
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	char own_pid[24];

	snprintf(own_pid, sizeof own_pid, "%ld", (long)getpid());
	if (pid == NULL || count == NULL || strcmp(pid, own_pid) != 0)
		return refuse(reason_out, "LISTEN_FDS", "systemd passed no socket");
	if (strcmp(count, "1") != 0)
		return refuse(reason_out, "LISTEN_FDS", "exactly one socket is needed");
	if (!listen_is_on(FIRST))
		return refuse(reason_out, "LISTEN_FDS", "descriptor 3 is not a listening socket");
	fcntl(FIRST, F_SETFD, FD_CLOEXEC);
	unsetenv("LISTEN_PID"); /* not for programs that are started from here */
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return FIRST;
}

bool
listen_is_place(const char *where)
{
	struct sockaddr_storage address;

	return strncmp(where, "unix:", 5) == 0 || parse_address(where, &address) > 0;
}

int
listen_open(const char *where, char reason_out[256])
{
	if (where == NULL)
		return listen_inherited(reason_out);
	if (strncmp(where, "unix:", 5) == 0)
		return listen_unix(where + 5, reason_out);
	return listen_tcp(where, reason_out);
}
