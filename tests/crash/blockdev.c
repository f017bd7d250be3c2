/* blockdev.c - a disk that remembers each write and each flush, for faults.py
 *
 *     blockdev FOLDER MEGABYTES LOG
 *
 * Mounts itself on FOLDER, where one file, "disk", is a disk in memory. A file system is made in it and
 * mounted by loop(4); whatever that writes is appended to LOG before it is answered:
 * offset and length (8 bytes each, the host's order) and the data; a flush has the offset FLUSH. From that
 * a disk can be made as a power loss leaves it: all that was flushed, and of the rest what chance has it.
 *
 * Speaks the kernel's FUSE protocol itself, so that no library is needed; only root can mount.
 * Ends when it is unmounted. Exit status 77: there is no FUSE here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FLUSH UINT64_MAX
#define WRITE_MAX (128 * 1024)
#define REQUEST_MAX (WRITE_MAX + 64 * 1024)
#define DISK_NODE 2
#define EXIT_CANNOT 77

static int device, record;
static char *disk;
static uint64_t disk_size;

static void
die(const char *what, int status)
{
	fprintf(stderr, "blockdev: %s: %s\n", what, strerror(errno));
	exit(status);
}

static void
answer(const struct fuse_in_header *in, int error, const void *data, size_t len)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof out + len), .error = -error, .unique = in->unique
	};
	const struct iovec parts[] = { { &out, sizeof out }, { (void *)(uintptr_t)data, len } };
	/* ENOENT: whoever asked has gone. */
	if (writev(device, parts, len > 0 ? 2 : 1) < 0 && errno != ENOENT)
		die("answer", EXIT_FAILURE);
}

static struct fuse_attr
attributes(uint64_t node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == DISK_NODE ? disk_size : 0,
		.blocks = node == DISK_NODE ? disk_size / 512 : 0,
		.mode = node == DISK_NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = 4096,
	};
}

static void
on_init(const struct fuse_in_header *in, const struct fuse_init_in *init)
{
	const struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = init->minor < FUSE_KERNEL_MINOR_VERSION ? init->minor
								 : FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = init->max_readahead,
		.flags = init->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
		.max_background = 16,
		.congestion_threshold = 12,
		.max_write = WRITE_MAX,
		.time_gran = 1,
		.max_pages = WRITE_MAX / 4096,
	};
	answer(in, 0, &out, sizeof out);
}

static void
on_lookup(const struct fuse_in_header *in, const char *name)
{
	const struct fuse_entry_out out = { .nodeid = DISK_NODE,
		.attr_valid = 3600,
		.entry_valid = 3600,
		.attr = attributes(DISK_NODE) };
	if (in->nodeid != FUSE_ROOT_ID || strcmp(name, "disk") != 0)
		answer(in, ENOENT, NULL, 0);
	else
		answer(in, 0, &out, sizeof out);
}

static void
on_attributes(const struct fuse_in_header *in)
{
	const struct fuse_attr_out out = { .attr_valid = 3600, .attr = attributes(in->nodeid) };
	answer(in, 0, &out, sizeof out);
}

static void
on_read(const struct fuse_in_header *in, const struct fuse_read_in *read_in)
{
	uint64_t len = read_in->size;
	if (read_in->offset >= disk_size)
		len = 0;
	else if (len > disk_size - read_in->offset)
		len = disk_size - read_in->offset;
	answer(in, 0, disk + read_in->offset, len);
}

/* In one piece: faults.py looks at the length of the log to learn what came before an answer. */
static void
remember(uint64_t offset, uint64_t len, const void *data)
{
	const uint64_t head[2] = { offset, len };
	const struct iovec parts[] = { { (void *)(uintptr_t)head, sizeof head },
		{ (void *)(uintptr_t)data, len } };
	if (writev(record, parts, len > 0 ? 2 : 1) != (ssize_t)(sizeof head + len))
		die("log", EXIT_FAILURE);
}

static void
on_write(const struct fuse_in_header *in, const struct fuse_write_in *write_in)
{
	const struct fuse_write_out out = { .size = write_in->size };
	if (write_in->offset > disk_size || write_in->size > disk_size - write_in->offset) {
		answer(in, ENOSPC, NULL, 0);
		return;
	}
	remember(write_in->offset, write_in->size, write_in + 1);
	memcpy(disk + write_in->offset, write_in + 1, write_in->size);
	answer(in, 0, &out, sizeof out);
}

/* One request. false: it was the last one. */
static bool
serve(const struct fuse_in_header *in)
{
	const struct fuse_open_out opened = { .open_flags = 0 };
	const void *rest = in + 1;

	switch (in->opcode) {
	case FUSE_INIT: on_init(in, rest); break;
	case FUSE_LOOKUP: on_lookup(in, rest); break;
	case FUSE_GETATTR:
	case FUSE_SETATTR: on_attributes(in); break;
	case FUSE_OPEN:
	case FUSE_OPENDIR: answer(in, 0, &opened, sizeof opened); break;
	case FUSE_READ: on_read(in, rest); break;
	case FUSE_WRITE: on_write(in, rest); break;
	case FUSE_FSYNC:
		remember(FLUSH, 0, NULL);
		answer(in, 0, NULL, 0);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FSYNCDIR:
	case FUSE_ACCESS: answer(in, 0, NULL, 0); break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: break; /* nobody waits */
	case FUSE_DESTROY: return false;
	default: answer(in, ENOSYS, NULL, 0); break;
	}
	return true;
}

int
main(int argc, char **argv)
{
	char options[96];
	if (argc != 4) {
		fputs("usage: blockdev FOLDER MEGABYTES LOG\n", stderr);
		return 2;
	}
	disk_size = strtoull(argv[2], NULL, 10) << 20;
	disk = calloc(1, disk_size);
	char *request = malloc(REQUEST_MAX);
	record = open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (disk == NULL || request == NULL || record < 0)
		die(argv[3], EXIT_FAILURE);
	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d",
		device, WRITE_MAX);
	if (device < 0 || mount("blockdev", argv[1], "fuse", MS_NODEV | MS_NOSUID, options) != 0)
		die("no FUSE", EXIT_CANNOT);
	for (;;) {
		ssize_t n = read(device, request, REQUEST_MAX);
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n < 0 && errno == ENODEV) /* unmounted */
			return EXIT_SUCCESS;
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			die("request", EXIT_FAILURE);
		if (!serve((const struct fuse_in_header *)request))
			return EXIT_SUCCESS;
	}
}
