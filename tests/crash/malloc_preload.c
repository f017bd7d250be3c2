/* malloc_preload.c - fail allocation number N of a program and all that it forks
 *
 * MALLOC_FAIL_NOTE names a file (struct note) that all processes of the run share by mapping it.
 * Allocations are counted in it in the order in which they come, whoever makes
 * them, and the harness reads from it whether one was failed.
 *
 * Of a process that dies of a signal it is noted in whose code: not all libraries look whether
 * they were given memory, and that is not the program's to mend.
 *
 * Without the variable nothing is counted and nothing fails. Memory comes from glibc's own
 * functions: to ask dlsym(3) for them would allocate.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#define FRAMES_MAX 32

static struct note {
	int64_t fail_at;        /* 0: none; N: the Nth, counted from 1; -N: that and all after it */
	_Atomic int64_t count;  /* allocations so far */
	_Atomic int64_t failed; /* of them */
	char died_in[64];       /* the file whose code a signal came from; "": none did */
} * note;

/* The innermost frame that is neither the C library's nor ours. */
static void
note_death(int number)
{
	void *frames[FRAMES_MAX];
	int count = backtrace(frames, FRAMES_MAX);
	Dl_info ours, info;

	if (dladdr((void *)&note, &ours) == 0)
		ours.dli_fname = "";
	for (int i = 0; i < count; i++) {
		if (dladdr(frames[i], &info) == 0 || strstr(info.dli_fname, "/libc.so") != NULL ||
			strcmp(info.dli_fname, ours.dli_fname) == 0)
			continue;
		const char *slash = strrchr(info.dli_fname, '/');
		strncpy(note->died_in, slash != NULL ? slash + 1 : info.dli_fname,
			sizeof note->died_in - 1);
		break;
	}
	signal(number, SIG_DFL);
	raise(number);
}

__attribute__((constructor)) static void
open_note(void)
{
	const char *path = getenv("MALLOC_FAIL_NOTE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *frame;

	if (fd < 0)
		return;
	backtrace(&frame, 1); /* loads what it needs */
	signal(SIGSEGV, note_death);
	signal(SIGABRT, note_death);
	signal(SIGBUS, note_death);
	void *map = mmap(NULL, sizeof *note, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		note = map;
}

static int
fails(void)
{
	if (note == NULL)
		return 0;
	int64_t number = atomic_fetch_add(&note->count, 1) + 1;
	if (note->fail_at == 0 ||
		(note->fail_at > 0 ? number != note->fail_at : number < -note->fail_at))
		return 0;
	atomic_fetch_add(&note->failed, 1);
	errno = ENOMEM;
	return 1;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *
reallocarray(void *old, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails() ? NULL : __libc_realloc(old, bytes);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	if (fails())
		return ENOMEM;
	void *memory = __libc_memalign(alignment, size);
	if (memory == NULL)
		return ENOMEM;
	*out = memory;
	return 0;
}
