/* power_replay.c - is everything that was acknowledged there after a power loss, at any time?
 *
 *   power_replay LOG ROOT EXPECTED SCRATCH STATES SEED
 *
 * LOG is what power_record_preload.c wrote while the program worked in the folder ROOT; EXPECTED says
 * for each event what was sent (read_expected()). At each place between two records the power may
 * fail. Then a disk has what was synced, and of the rest (of contents and of names) whatever it
 * likes: nothing, all, all up to a time, some, also of a write some sectors only. Each such
 * state is put into SCRATCH, opened with the program's own store, and looked at:
 *
 * - it opens, and integrity_check has nothing to say
 * - each event that was acknowledged before is there once, with the body that was sent
 * - it is in a state that it can be in; what was running is given back by store_recover()
 * - now and then (DEEP_EVERY, WORK_EVERY): tables and counters agree; the tally, whatever became of
 *   it, does not know more events than there are; a further event is taken, and all are claimed
 *
 * Names are lost by two models: NAMES_STRICT, where a name is on disk only when its folder
 * was synced (and of the others any may be), and NAMES_ORDERED, as journalling file systems
 * have it: any sync takes along all names that were made before, and of the others those up to a time are there.
 * Two states with the same bytes are one: it is looked at once. STATES is how many different ones to look at,
 * by two processes.
 *
 * Prints one line of name=number. Exit: 0 nothing lost, 1 something lost or damaged, 2 the recording
 * is not to be trusted (it does not end in the files as they are, or answers are missing).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "alloc.h"
#include "buf.h"
#include "clock.h"
#include "store.h"
#include "tally.h"
#include "worker_runner.h"

#define JOBS 2
#define BLOCK 64        /* places in a row that one process takes */
#define PASSES_MAX 40   /* over the log, when random choices find nothing new any more */
#define DEEP_EVERY 16   /* states */
#define WORK_EVERY 64   /* states */
#define REPORTS_MAX 3   /* bad states of a process that are told */
#define EVENTS_MAX 1024 /* numbers */
#define SECTOR 512
#define ENDPOINT "power"

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("power_replay: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(2);
}

/*
 * The log, as power_record_preload.c has it
 */

#define LOG_MAGIC UINT64_C(0x31676f6c72776f70)
#define LOG_RECORDS 8192
enum record_kind {
	RECORD_CREATE = 1,
	RECORD_UNLINK,
	RECORD_RENAME,
	RECORD_WRITE,
	RECORD_TRUNCATE,
	RECORD_ALLOCATE,
	RECORD_SYNC_BEGIN,
	RECORD_SYNC_END,
	RECORD_ANSWER,
};
struct record {
	uint32_t kind, len;
	uint64_t inode;
	uint64_t a;
};
struct log_head {
	uint64_t magic;
	uint64_t count;
	uint64_t used;
	uint64_t root;
};

#define NAME_SIZE 48
#define FILES_MAX 512
#define NAMES_MAX 32

struct op {
	enum record_kind kind;
	unsigned file;   /* index into files; of names: that has the name */
	unsigned folder; /* of names: that the name is in */
	char name[NAME_SIZE], to[NAME_SIZE];
	uint64_t a;
	const uint8_t *data;
	size_t len;
};

static struct op *ops;
static size_t op_count;

/* A file that ever was, as it is on disk; no two have the same index, whatever their names. */
static struct file {
	bool is_folder;
	uint64_t inode;
	uint8_t *data; /* zeros from size on */
	size_t size, room;
	uint64_t hash;   /* of its sectors */
	size_t *pending; /* writes and sizes that are not synced, by number of the op */
	size_t pending_count, pending_size;
} files[FILES_MAX];
static unsigned file_count;

struct names {
	struct {
		unsigned folder, file;
		char name[NAME_SIZE];
	} list[NAMES_MAX];
	unsigned count;
};

enum names_model { NAMES_STRICT, NAMES_ORDERED, NAMES_MODELS };
static struct names synced_names[NAMES_MODELS];
static size_t pending_names[NAMES_MODELS][NAMES_MAX * 8];
static unsigned pending_name_count[NAMES_MODELS];

/* -1: none. */
static int
name_find(const struct names *names, unsigned folder, const char *name)
{
	for (unsigned i = 0; i < names->count; i++) {
		if (names->list[i].folder == folder && strcmp(names->list[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void
name_remove(struct names *names, unsigned folder, const char *name)
{
	int at = name_find(names, folder, name);
	if (at >= 0)
		names->list[at] = names->list[--names->count];
}

static void
name_set(struct names *names, unsigned folder, const char *name, unsigned file)
{
	name_remove(names, folder, name);
	if (names->count == NAMES_MAX)
		give_up("too many names");
	names->list[names->count].folder = folder;
	names->list[names->count].file = file;
	strcpy(names->list[names->count++].name, name);
}

static void
name_apply(struct names *names, const struct op *op)
{
	if (op->kind != RECORD_CREATE)
		name_remove(names, op->folder, op->name);
	if (op->kind != RECORD_UNLINK)
		name_set(
			names, op->folder, op->kind == RECORD_RENAME ? op->to : op->name, op->file);
}

static bool
is_name_op(const struct op *op)
{
	return op->kind == RECORD_CREATE || op->kind == RECORD_UNLINK || op->kind == RECORD_RENAME;
}

/* The last part of the path into out. Returns the folder that it is in. */
static unsigned
split(const struct names *names, const char *path, char out[NAME_SIZE])
{
	unsigned folder = 0;
	const char *slash;
	while ((slash = strchr(path, '/')) != NULL) {
		snprintf(out, NAME_SIZE, "%.*s", (int)(slash - path), path);
		int at = name_find(names, folder, out);
		if (at < 0)
			give_up("%s: in no folder", path);
		folder = names->list[at].file;
		path = slash + 1;
	}
	if (snprintf(out, NAME_SIZE, "%s", path) >= NAME_SIZE)
		give_up("%s: too long", path);
	return folder;
}

static unsigned
file_new(uint64_t inode, bool is_folder)
{
	if (file_count == FILES_MAX)
		give_up("too many files");
	files[file_count] = (struct file){ .inode = inode, .is_folder = is_folder };
	return file_count++;
}

/* The last one that had this inode. */
static unsigned
file_find(uint64_t inode)
{
	for (unsigned i = file_count; i > 0; i--) {
		if (files[i - 1].inode == inode)
			return i - 1;
	}
	give_up("a file that nobody made");
}

/* The log as ops that know their files. Returns how the names are in the end. */
static struct names
read_log(const char *path)
{
	struct names names = { .count = 0 };
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) != 0)
		give_up("%s: %s", path, strerror(errno));
	void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		give_up("%s: %s", path, strerror(errno));
	close(fd);
	const struct log_head *head = mapped;
	if (head->magic != LOG_MAGIC)
		give_up("%s: no log", path);
	const uint8_t *at = (const uint8_t *)mapped + LOG_RECORDS;
	ops = xcalloc(head->count, sizeof *ops);
	file_new(head->root, true);
	for (; op_count < head->count; op_count++) {
		struct op *op = &ops[op_count];
		struct record record;
		char text[8192] = "";
		memcpy(&record, at, sizeof record);
		at += sizeof record;
		*op = (struct op){
			.kind = record.kind, .a = record.a, .data = at, .len = record.len
		};
		at += (record.len + 7) & ~7u;
		if (!is_name_op(op)) {
			op->file = op->kind == RECORD_ANSWER ? 0 : file_find(record.inode);
			continue;
		}
		memcpy(text, op->data, op->len < sizeof text - 1 ? op->len : sizeof text - 1);
		op->folder = split(&names, text, op->name);
		if (op->kind == RECORD_CREATE) {
			op->file = file_new(record.inode, op->a != 0);
		} else {
			int name = name_find(&names, op->folder, op->name);
			if (name < 0)
				give_up("%s: a name that nobody made", text);
			op->file = names.list[name].file;
		}
		if (op->kind == RECORD_RENAME &&
			split(&names, text + strlen(text) + 1, op->to) != op->folder)
			give_up("%s: goes to another folder", text);
		name_apply(&names, op);
	}
	return names;
}

/*
 * Contents, with a way back
 */

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ (hash >> 29);
}

/* 0 for zeros: so a file's hash, the sum of these, does not change when it grows. */
static uint64_t
sector_hash(const uint8_t *sector, size_t number)
{
	uint64_t lanes[4] = { 1, 2, 3, 4 }, any = 0, words[4];
	for (size_t i = 0; i < SECTOR; i += sizeof words) {
		memcpy(words, sector + i, sizeof words);
		for (int j = 0; j < 4; j++) {
			any |= words[j];
			lanes[j] = mix(lanes[j], words[j]);
		}
	}
	return any == 0 ? 0 : mix(mix(mix(lanes[0], lanes[1]), mix(lanes[2], lanes[3])), number);
}

static void
rehash(struct file *file, size_t from, size_t to, bool add)
{
	for (size_t i = from / SECTOR; i * SECTOR < to; i++) {
		uint64_t hash = sector_hash(file->data + i * SECTOR, i);
		file->hash = add ? file->hash + hash : file->hash - hash;
	}
}

/* What to put back, newest last: a header, the bytes before it. */
struct undo {
	unsigned file;
	size_t size, at, len;
	uint64_t hash;
};
static uint8_t *undo_bytes;
static size_t undo_used, undo_room;
static bool undo_wanted;

static void
undo_note(unsigned number, size_t at, size_t len)
{
	struct file *file = &files[number];
	const struct undo undo = { number, file->size, at, len, file->hash };
	if (!undo_wanted)
		return;
	if (undo_used + len + sizeof undo > undo_room) {
		undo_room = (undo_used + len + sizeof undo) * 2;
		undo_bytes = xreallocarray(undo_bytes, undo_room, 1);
	}
	memcpy(undo_bytes + undo_used, file->data + at, len);
	memcpy(undo_bytes + undo_used + len, &undo, sizeof undo);
	undo_used += len + sizeof undo;
}

static void
undo_all(void)
{
	while (undo_used > 0) {
		struct undo undo;
		memcpy(&undo, undo_bytes + undo_used - sizeof undo, sizeof undo);
		undo_used -= sizeof undo + undo.len;
		struct file *file = &files[undo.file];
		memcpy(file->data + undo.at, undo_bytes + undo_used, undo.len);
		file->size = undo.size;
		file->hash = undo.hash;
	}
}

static void
file_fit(struct file *file, size_t size)
{
	size_t room = (size + SECTOR - 1) / SECTOR * SECTOR;
	if (room <= file->room)
		return;
	room = room * 2;
	file->data = xreallocarray(file->data, room, 1);
	memset(file->data + file->room, 0, room - file->room);
	file->room = room;
}

static void
file_write(unsigned number, size_t at, const uint8_t *data, size_t len)
{
	struct file *file = &files[number];
	file_fit(file, at + len);
	undo_note(number, at, len);
	rehash(file, at, at + len, false);
	memcpy(file->data + at, data, len);
	rehash(file, at, at + len, true);
	if (at + len > file->size)
		file->size = at + len;
}

static void
file_resize(unsigned number, size_t size)
{
	struct file *file = &files[number];
	size_t cut = size < file->size ? file->size - size : 0;
	file_fit(file, size);
	undo_note(number, size, cut);
	rehash(file, size, size + cut, false);
	memset(file->data + size, 0, cut);
	rehash(file, size, size + cut, true);
	file->size = size;
}

static void
file_apply(const struct op *op)
{
	const struct file *file = &files[op->file];
	if (op->kind == RECORD_WRITE)
		file_write(op->file, op->a, op->data, op->len);
	else if (op->kind == RECORD_TRUNCATE)
		file_resize(op->file, op->a);
	else if (op->a > file->size)
		file_resize(op->file, op->a);
}

/*
 * The walk: what is on disk for sure, and what is pending
 */

static void
walk_begin(void)
{
	for (unsigned i = 0; i < file_count; i++) {
		struct file *file = &files[i];
		memset(file->data != NULL ? file->data : (uint8_t *)"", 0, file->size);
		file->size = 0;
		file->hash = 0;
		file->pending_count = 0;
	}
	for (int model = 0; model < NAMES_MODELS; model++)
		synced_names[model].count = pending_name_count[model] = 0;
}

/* All of the file that was there when the sync began. */
static void
sync_file(struct file *file, size_t begun)
{
	size_t kept = 0;
	for (size_t i = 0; i < file->pending_count; i++) {
		if (file->pending[i] < begun)
			file_apply(&ops[file->pending[i]]);
		else
			file->pending[kept++] = file->pending[i];
	}
	file->pending_count = kept;
}

static void
sync_names(enum names_model model, const struct op *sync)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < pending_name_count[model]; i++) {
		size_t number = pending_names[model][i];
		if (number < sync->a &&
			(model == NAMES_ORDERED || ops[number].folder == sync->file))
			name_apply(&synced_names[model], &ops[number]);
		else
			pending_names[model][kept++] = number;
	}
	pending_name_count[model] = kept;
}

static void
walk_step(size_t number)
{
	const struct op *op = &ops[number];
	struct file *file = &files[op->file];
	if (is_name_op(op)) {
		for (int model = 0; model < NAMES_MODELS; model++) {
			if (pending_name_count[model] == NAMES_MAX * 8)
				give_up("too many names are never synced");
			pending_names[model][pending_name_count[model]++] = number;
		}
		return;
	}
	switch (op->kind) {
	case RECORD_WRITE:
	case RECORD_TRUNCATE:
	case RECORD_ALLOCATE:
		if (file->pending_count == file->pending_size) {
			file->pending_size = file->pending_size * 2 + 64;
			file->pending = xreallocarray(
				file->pending, file->pending_size, sizeof *file->pending);
		}
		file->pending[file->pending_count++] = number;
		break;
	case RECORD_SYNC_END:
		if (!file->is_folder)
			sync_file(file, op->a);
		sync_names(NAMES_STRICT, op);
		sync_names(NAMES_ORDERED, op);
		break;
	case RECORD_CREATE:
	case RECORD_UNLINK:
	case RECORD_RENAME:
	case RECORD_SYNC_BEGIN:
	case RECORD_ANSWER: break;
	}
}

/*
 * What was sent
 */

static struct event {
	bool known;
	bool handled;  /* its handler has run: it may be done */
	int64_t gone;  /* from this op on it may have been removed; -1: never */
	size_t answer; /* op that acknowledged it first */
	char key[64];  /* its sender's number of it */
	uint8_t *body;
	size_t len;
} events[EVENTS_MAX];
static int64_t event_max; /* largest number */
static unsigned answer_count;

/* "NUMBER KEY HANDLED GONE LENGTH", newline, the body, newline: for each event. */
static void
read_expected(const char *path)
{
	FILE *in = fopen(path, "r");
	int64_t id, gone;
	int handled;
	char key[64];
	size_t len;
	if (in == NULL)
		give_up("%s: %s", path, strerror(errno));
	while (fscanf(in, "%" SCNd64 " %63s %d %" SCNd64 " %zu", &id, key, &handled, &gone, &len) ==
		5) {
		if (id <= 0 || id >= EVENTS_MAX || events[id].known || fgetc(in) != '\n')
			give_up("%s: event %" PRId64, path, id);
		struct event *event = &events[id];
		*event = (struct event){ true, handled != 0, gone, SIZE_MAX, "", xmalloc(len + 1),
			len };
		strcpy(event->key, key);
		if (fread(event->body, 1, len, in) != len)
			give_up("%s: cut", path);
		if (id > event_max)
			event_max = id;
	}
	fclose(in);
	for (size_t i = 0; i < op_count; i++) {
		if (ops[i].kind != RECORD_ANSWER)
			continue;
		answer_count++;
		if (ops[i].a >= EVENTS_MAX || !events[ops[i].a].known)
			give_up("an answer for event %" PRIu64 ", which nobody got", ops[i].a);
		if (events[ops[i].a].answer == SIZE_MAX)
			events[ops[i].a].answer = i;
	}
	for (id = 1; id <= event_max; id++) {
		if (events[id].known && events[id].answer == SIZE_MAX)
			give_up("the answer for event %" PRId64 " was not recorded", id);
	}
	if (answer_count == 0)
		give_up("no answer was recorded");
}

/*
 * Is the recording whole? It must end in the files as they are.
 */

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void
compare(const char *path, const struct file *file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0 || fstat(fd, &status) != 0)
		give_up("%s: the recording has it, the disk does not", path);
	uint8_t *data = xmalloc((size_t)status.st_size + 1);
	if (read(fd, data, (size_t)status.st_size) != status.st_size ||
		(size_t)status.st_size != file->size ||
		(file->size > 0 && memcmp(data, file->data, file->size) != 0))
		give_up("%s: is not as it was recorded", path);
	free(data);
	close(fd);
}

static void
check_recording(const char *root, const struct names *names)
{
	char path[4096];
	unsigned compared = 0;
	walk_begin();
	for (size_t i = 0; i < op_count; i++)
		walk_step(i);
	for (unsigned i = 0; i < file_count; i++)
		sync_file(&files[i], SIZE_MAX);
	for (unsigned i = 0; i < names->count; i++) {
		const struct file *file = &files[names->list[i].file];
		const char *name = names->list[i].name;
		/* These two are written through a mapping. */
		if (file->is_folder || ends_with(name, "-shm") || ends_with(name, "-tally"))
			continue;
		int folder = -1;
		for (unsigned j = 0; j < names->count; j++) {
			if (names->list[j].file == names->list[i].folder)
				folder = (int)j;
		}
		snprintf(path, sizeof path, "%s/%s/%s", root,
			folder >= 0 ? names->list[folder].name : ".", name);
		compare(path, file);
		compared++;
	}
	if (compared == 0)
		give_up("nothing was recorded");
}

/*
 * One state: choose, and put it into the scratch folder
 */

static uint64_t random_state;

static uint64_t
random_next(void)
{
	random_state += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t value = random_state;
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static bool
chance(unsigned percent)
{
	return random_next() % 100 < percent;
}

/* What of the pending is on disk. */
struct choice {
	enum names_model model;
	unsigned names;  /* percent; strict: of each, ordered: how many of them from the first on */
	unsigned writes; /* percent of each, after `until` none */
	size_t until;    /* number of an op */
	bool torn;       /* of writes sectors instead */
	bool holes;      /* where a write is missing, the file has grown all the same */
};

static const struct choice fixed_choices[] = {
	{ .writes = 0, .names = 0 },
	{ .writes = 100, .names = 100 },
	{ .writes = 0, .names = 100 },
	{ .writes = 100, .names = 0 },
};
#define FIXED_COUNT (sizeof fixed_choices / sizeof *fixed_choices)

static struct choice
choose(size_t place)
{
	static const unsigned some[] = { 10, 50, 50, 90 };
	struct choice choice = { .model = random_next() % NAMES_MODELS,
		.names = random_next() % 101,
		.writes = some[random_next() % 4],
		.until = SIZE_MAX,
		.torn = chance(50),
		.holes = chance(25) };
	if (chance(20)) { /* all up to a time not long ago */
		choice.writes = 100;
		choice.torn = choice.holes = false;
		choice.until = place - random_next() % (place < 40 ? place + 1 : 40);
	}
	return choice;
}

static struct names
choose_names(const struct choice *choice)
{
	struct names names = synced_names[choice->model];
	unsigned count = pending_name_count[choice->model];
	const size_t *pending = pending_names[choice->model];
	for (unsigned i = 0; i < count; i++) {
		bool there = choice->model == NAMES_STRICT ? chance(choice->names)
							   : i < (count * choice->names + 50) / 100;
		if (there && pending[i] < choice->until)
			name_apply(&names, &ops[pending[i]]);
	}
	return names;
}

static void
choose_write(const struct op *op, const struct choice *choice)
{
	for (size_t at = 0; at < op->len;) {
		size_t part = SECTOR - (op->a + at) % SECTOR;
		if (part > op->len - at)
			part = op->len - at;
		if (chance(choice->writes))
			file_write(op->file, op->a + at, op->data + at, part);
		at += part;
	}
}

/* The file as it might be; undo_all() takes it back. */
static void
choose_contents(unsigned number, const struct choice *choice)
{
	struct file *file = &files[number];
	for (size_t i = 0; i < file->pending_count; i++) {
		const struct op *op = &ops[file->pending[i]];
		if (file->pending[i] >= choice->until)
			break;
		if (op->kind == RECORD_WRITE && choice->torn && choice->writes < 100)
			choose_write(op, choice);
		else if (chance(choice->writes))
			file_apply(op);
		if (op->kind == RECORD_WRITE && choice->holes && op->a + op->len > file->size)
			file_resize(number, op->a + op->len);
	}
}

static char scratch[4096]; /* the folder of the database */
enum role { ROLE_DATABASE, ROLE_LOG, ROLE_JOURNAL, ROLE_COUNT };
static const char *const role_names[ROLE_COUNT] = { "hookcgi.db", "hookcgi.db-wal",
	"hookcgi.db-journal" };

static char *
scratch_path(const char *name)
{
	static char path[sizeof scratch + 256];
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return path;
}

/* A process remembers what it had open under a name, and a machine that comes up does not: each state has a
 * name of its own. */
static void
rename_scratch(size_t number)
{
	char next[sizeof scratch];
	char *dot = strrchr(scratch, '.');
	int length = snprintf(next, sizeof next, "%.*s.%zu", (int)(dot - scratch), scratch, number);
	if (length < 0 || (size_t)length >= sizeof next || rename(scratch, next) != 0)
		give_up("%s: %s", next, strerror(errno));
	memcpy(scratch, next, sizeof scratch);
}

static void
put(const char *name, const void *data, size_t size)
{
	int fd = open(scratch_path(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || (size > 0 && pwrite(fd, data, size, 0) != (ssize_t)size) ||
		ftruncate(fd, (off_t)size) != 0)
		give_up("%s: %s", scratch_path(name), strerror(errno));
	close(fd);
}

/*
 * Looking at a state
 */

/* Of all processes together. */
static struct total {
	_Atomic uint64_t states, places, alike, lost, damaged, recovered;
} * total;

struct verdict {
	uint64_t state; /* hash; 0: this place of the table is free */
	uint64_t whole[EVENTS_MAX / 64];
	uint64_t there[EVENTS_MAX / 64];
	bool sound;
	char why[160];
};

static bool
has(const uint64_t *set, int64_t id)
{
	return (set[id / 64] >> (id % 64)) & 1;
}

static bool __attribute__((format(printf, 2, 3)))
unsound(struct verdict *verdict, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (verdict->sound)
		vsnprintf(verdict->why, sizeof verdict->why, format, arguments);
	va_end(arguments);
	verdict->sound = false;
	return false;
}

/* The store's own connection, for questions that it has no function for. */
static sqlite3 *connection;

int
sqlite3_open_v2(const char *path, sqlite3 **out, int flags, const char *vfs)
{
	static __typeof__(sqlite3_open_v2) *next;
	if (next == NULL && (*(void **)&next = dlsym(RTLD_NEXT, "sqlite3_open_v2")) == NULL)
		give_up("no sqlite3_open_v2");
	int result = next(path, out, flags, vfs);
	connection = *out;
	return result;
}

/* The first word that it says must be this. */
static bool
says(struct verdict *verdict, const char *sql, const char *wanted)
{
	sqlite3_stmt *statement = NULL;
	const char *said = "nothing";
	if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) != SQLITE_OK)
		said = sqlite3_errmsg(connection);
	else if (sqlite3_step(statement) == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(statement, 0);
	bool right = said != NULL && strcmp(said, wanted) == 0;
	if (!right)
		unsound(verdict, "%.60s: %.80s", sql, said != NULL ? said : "NULL");
	sqlite3_finalize(statement);
	return right;
}

struct looking {
	struct verdict *verdict;
	unsigned states[4];
};

static bool
look_at_row(void *context, const struct store_row *row)
{
	struct looking *looking = context;
	struct verdict *verdict = looking->verdict;
	if (row->id <= 0 || row->id > event_max || !events[row->id].known)
		return unsound(verdict, "event %" PRId64 " was never answered", row->id);
	const struct event *event = &events[row->id];
	looking->states[row->state]++;
	verdict->there[row->id / 64] |= UINT64_C(1) << (row->id % 64);
	if (strlen(event->key) != row->sender_id.len ||
		memcmp(event->key, row->sender_id.data, row->sender_id.len) != 0)
		return unsound(verdict, "event %" PRId64 " is another one", row->id);
	if (row->state == STORE_DEAD || (row->state == STORE_DONE && !event->handled))
		return unsound(verdict, "event %" PRId64 " is %s: %.60s", row->id,
			store_state_name(row->state), row->reason);
	return true;
}

static bool
look_away(void *context, const struct store_row *row)
{
	(void)context;
	(void)row;
	return true;
}

static bool
look_at_all(struct store *store, struct looking *looking)
{
	const struct store_filter all = { .oldest_first = true };
	memset(looking->states, 0, sizeof looking->states);
	if (store_list(store, &all, look_at_row, looking) != STORE_OK)
		return unsound(looking->verdict, "list: %s", store_reason(store));
	return looking->verdict->sound;
}

static bool
look_at_bodies(struct store *store, struct verdict *verdict)
{
	struct buf variables, body;
	buf_init(&variables, SIZE_MAX / 2);
	buf_init(&body, SIZE_MAX / 2);
	for (int64_t id = 1; id <= event_max && verdict->sound; id++) {
		bool damaged = false;
		if (!has(verdict->there, id))
			continue;
		buf_clear(&variables);
		buf_clear(&body);
		if (store_show(store, id, look_away, NULL, &variables, &body, &damaged) != STORE_OK)
			unsound(verdict, "show %" PRId64 ": %s", id, store_reason(store));
		else if (damaged || body.len != events[id].len ||
			 memcmp(body.data, events[id].body, body.len) != 0)
			unsound(verdict, "event %" PRId64 " has another body", id);
		else
			verdict->whole[id / 64] |= UINT64_C(1) << (id % 64);
	}
	buf_free(&variables);
	buf_free(&body);
	return verdict->sound;
}

/* What was running when the power failed is given back. */
static bool
recover(struct store *store, struct looking *looking)
{
	unsigned given = 0, running = looking->states[STORE_RUNNING];
	if (running == 0)
		return true;
	total->recovered++;
	if (store_recover(store, clock_wall_ms(), WORKER_LONGEST_WAIT_MS, &given) != STORE_OK)
		return unsound(looking->verdict, "recover: %s", store_reason(store));
	if (given != running)
		return unsound(looking->verdict, "%u of %u given back", given, running);
	return look_at_all(store, looking) &&
	       (looking->states[STORE_RUNNING] == 0 ||
		       unsound(looking->verdict, "%u still run", looking->states[STORE_RUNNING]));
}

/* Tables and counters agree. */
static void
look_deeper(struct verdict *verdict)
{
	says(verdict,
		"SELECT count(*) FROM event AS e LEFT JOIN detail AS d ON d.event = e.id"
		" LEFT JOIN body AS b ON b.event = e.id LEFT JOIN key AS k ON k.key = d.key"
		" WHERE d.event IS NULL OR b.event IS NULL OR k.event IS NOT e.id OR k.gone",
		"0");
	says(verdict,
		"SELECT count(DISTINCT n) FROM (SELECT count(*) AS n FROM event UNION ALL"
		" SELECT count(*) FROM detail UNION ALL SELECT count(*) FROM body UNION ALL"
		" SELECT count(*) FROM key WHERE NOT gone)",
		"1");
	says(verdict, "SELECT count(*) FROM attempt WHERE event NOT IN (SELECT id FROM event)",
		"0");
	says(verdict,
		"SELECT count(*) FROM endpoint AS p WHERE (queued, running, done, dead) IS NOT"
		" (SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 1),"
		" count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)"
		" FROM event WHERE endpoint = p.id)",
		"0");
}

/* Whatever is left of the tally, it may not say that events are missing. */
static void
look_at_tally(struct store *store, struct verdict *verdict)
{
	static uint8_t rubbish[600000];
	char reason[256];
	int64_t last = 0;
	size_t size = random_next() % sizeof rubbish;
	unsigned kind = random_next() % 3;
	if (kind > 0) {
		memset(rubbish, 0, size);
		for (size_t i = 0; kind == 2 && i < size; i++)
			rubbish[i] = (uint8_t)random_next();
		put("hookcgi.db-tally", rubbish, size);
	}
	struct tally *tally = tally_open(scratch_path("hookcgi.db"), reason);
	if (tally == NULL)
		unsound(verdict, "tally: %.100s", reason);
	else if (store_last_id(store, &last) != STORE_OK || tally_acknowledged(tally) > last)
		unsound(verdict, "the tally knows %" PRId64 " events", tally_acknowledged(tally));
	tally_close(tally);
	unlink(scratch_path("hookcgi.db-tally"));
}

/* It goes on: a further event is taken, and all that wait are claimed as they were sent. */
static void
go_on(struct store *store, struct looking *looking)
{
	const struct store_lane lane = { ENDPOINT, 1000, 60000 };
	const int64_t later_ms = clock_wall_ms() + WORKER_LONGEST_WAIT_MS;
	unsigned wait = looking->states[STORE_QUEUED] + 1, claimed = 0;
	struct store_event event = { .endpoint = ENDPOINT,
		.provider = "idfy",
		.key = slice_of("a further one"),
		.received_ms = clock_wall_ms(),
		.body = slice_of("a further one"),
		.state = STORE_QUEUED };
	struct store_event *one = &event;
	enum store_result result = store_put(store, &one, 1, clock_ms() + 10000);
	if (result != STORE_OK || event.put != STORE_ACCEPTED) {
		unsound(looking->verdict, "put: %s", store_reason(store));
		return;
	}
	while (result == STORE_OK) {
		struct store_job job;
		int64_t next_ms;
		store_job_init(&job);
		result = store_claim(store, &lane, 1, false, later_ms, &job, &next_ms);
		if (result == STORE_OK)
			claimed++;
		if (result == STORE_OK && job.id != event.id &&
			(job.body.len != events[job.id].len ||
				memcmp(job.body.data, events[job.id].body, job.body.len) != 0))
			unsound(looking->verdict, "event %" PRId64 " is claimed as another",
				job.id);
		store_job_free(&job);
	}
	if (result != STORE_NONE || claimed != wait)
		unsound(looking->verdict, "%u of %u claimed: %s", claimed, wait,
			store_reason(store));
}

static void
look(struct verdict *verdict, size_t number)
{
	struct looking looking = { .verdict = verdict };
	verdict->sound = true;
	verdict->why[0] = '\0';
	struct store *store = store_new(scratch_path("hookcgi.db"));
	if (store_ready(store) != STORE_OK) {
		unsound(verdict, "ready: %s", store_reason(store));
		store_free(store);
		return;
	}
	/* Around what only reads, since SQLite then locks once; and seldom is the log written back at the end. */
	sqlite3_exec(connection, "BEGIN", NULL, NULL, NULL);
	bool good = says(verdict, "PRAGMA integrity_check(1)", "ok") &&
		    look_at_all(store, &looking) && look_at_bodies(store, verdict);
	if (number % DEEP_EVERY == 0)
		look_deeper(verdict);
	else
		sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_exec(connection, "COMMIT", NULL, NULL, NULL);
	if (good && recover(store, &looking)) {
		if (number % DEEP_EVERY == 0)
			look_at_tally(store, verdict);
		if (number % WORK_EVERY == 0)
			go_on(store, &looking);
	}
	store_free(store);
}

/*
 * All states
 */

static struct verdict *verdicts; /* a table, and a thing for this process alone */
static size_t verdict_size, verdict_count;
static unsigned reports;

static void
forget_verdicts(size_t wanted)
{
	for (verdict_size = 1024; verdict_size < wanted * 2; verdict_size *= 2)
		continue;
	verdicts = xcalloc(verdict_size, sizeof *verdicts);
}

static struct verdict *
verdict_of(uint64_t state)
{
	size_t at = state % verdict_size;
	while (verdicts[at].state != 0 && verdicts[at].state != state)
		at = (at + 1) % verdict_size;
	return &verdicts[at];
}

static void
report(const struct verdict *verdict, size_t place, const struct choice *choice, int64_t lost)
{
	if (reports++ >= REPORTS_MAX)
		return;
	fprintf(stderr,
		"power_replay: before record %zu of %zu, names %s %u %%, writes %u %%%s%s, until "
		"%zd: ",
		place, op_count, choice->model == NAMES_STRICT ? "strict" : "ordered",
		choice->names, choice->writes, choice->torn ? " torn" : "",
		choice->holes ? " with holes" : "", (ssize_t)choice->until);
	if (lost > 0)
		fprintf(stderr, "acknowledged event %" PRId64 " is lost%s%s\n", lost,
			verdict->sound ? "" : ": ", verdict->why);
	else
		fprintf(stderr, "%s\n", verdict->why);
}

/* Is what was acknowledged by then in this state? */
static void
judge(const struct verdict *verdict, size_t place, const struct choice *choice)
{
	int64_t lost = 0; /* the first of them */
	for (int64_t id = 1; id <= event_max && lost == 0; id++) {
		const struct event *event = &events[id];
		bool removed = event->gone >= 0 && (size_t)event->gone <= place &&
			       !has(verdict->there, id);
		if (event->known && event->answer < place && !has(verdict->whole, id) && !removed)
			lost = id;
	}
	total->lost += lost > 0;
	total->damaged += !verdict->sound;
	if (lost > 0 || !verdict->sound)
		report(verdict, place, choice, lost);
}

/* Build one state and look at it, unless one like it was seen. false: it was. */
static bool
try(size_t place, const struct choice *choice)
{
	struct names names = choose_names(choice);
	int at[ROLE_COUNT], data = name_find(&names, 0, "data");
	uint64_t hash = 1;

	undo_wanted = true;
	for (int role = 0; role < ROLE_COUNT; role++) {
		at[role] =
			data < 0 ? -1 : name_find(&names, names.list[data].file, role_names[role]);
		if (at[role] < 0)
			continue;
		at[role] = (int)names.list[at[role]].file;
		choose_contents((unsigned)at[role], choice);
		hash = mix(
			mix(mix(hash, (uint64_t)role), files[at[role]].hash), files[at[role]].size);
	}
	struct verdict *verdict = verdict_of(hash | 1);
	bool is_new = verdict->state == 0;
	if (is_new) {
		verdict->state = hash | 1;
		verdict_count++;
		rename_scratch(verdict_count);
		for (int role = 0; role < ROLE_COUNT; role++) {
			if (at[role] >= 0)
				put(role_names[role], files[at[role]].data, files[at[role]].size);
			else if (role != ROLE_DATABASE) /* the store makes that itself */
				unlink(scratch_path(role_names[role]));
			else
				put(role_names[role], "", 0);
		}
		/* The -shm is what the state before has left, or rubbish. */
		if (verdict_count % DEEP_EVERY == 1) {
			uint64_t rubbish[4096];
			for (size_t i = 0; i < sizeof rubbish / sizeof *rubbish; i++)
				rubbish[i] = random_next();
			put("hookcgi.db-shm", rubbish, sizeof rubbish);
		}
		look(verdict, verdict_count);
		total->states++;
		judge(verdict, place, choice);
	} else {
		/* It may have been seen before that was acknowledged which is missing in it. */
		struct verdict seen = *verdict;
		seen.sound = true;
		total->alike++;
		judge(&seen, place, choice);
	}
	undo_all();
	undo_wanted = false;
	return is_new;
}

/* One process's share of the places, again and again, until there are enough states. */
static void
work_through(unsigned job, size_t wanted, uint64_t seed)
{
	/* Where there are more places than states, the ones behind an answer, and some of the others. */
	size_t share = op_count / JOBS + 1;
	unsigned percent = wanted / 8 >= share ? 100 : (unsigned)(wanted * 100 / 8 / share) + 1;
	size_t draws = wanted / share * 2 + 4;
	random_state = seed * JOBS + job;
	for (unsigned pass = 0; pass < PASSES_MAX && verdict_count < wanted; pass++) {
		size_t before = verdict_count;
		walk_begin();
		for (size_t place = 0; place <= op_count; place++) {
			if (place > 0)
				walk_step(place - 1);
			if (place / BLOCK % JOBS != job || verdict_count >= wanted)
				continue;
			bool answered = place > 0 && ops[place - 1].kind == RECORD_ANSWER;
			if (!chance(percent) && !(answered && pass == 0))
				continue;
			total->places += pass == 0;
			for (size_t i = 0; i < FIXED_COUNT * NAMES_MODELS && pass == 0; i++) {
				struct choice choice = fixed_choices[i % FIXED_COUNT];
				choice.model = i / FIXED_COUNT;
				choice.until = SIZE_MAX;
				try(place, &choice);
			}
			for (size_t i = 0; i < draws; i++) {
				struct choice choice = choose(place);
				try(place, &choice);
			}
		}
		if (verdict_count - before < wanted / 1000 + 1)
			break;
	}
}

/* How often the database itself was synced; without a write-ahead log that is each commit. */
static unsigned
count_checkpoints(void)
{
	unsigned database = 0, count = 0;
	for (size_t i = 0; i < op_count; i++) {
		if (ops[i].kind == RECORD_CREATE &&
			strcmp(ops[i].name, role_names[ROLE_DATABASE]) == 0)
			database = ops[i].file;
		count += ops[i].kind == RECORD_SYNC_END && database != 0 && ops[i].file == database;
	}
	return count;
}

static void
run_job(unsigned job, const char *folder, size_t wanted, uint64_t seed)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(scratch, sizeof scratch, "%s/%u.0", folder, job);
	if (mkdir(scratch, 0700) != 0)
		give_up("%s: %s", scratch, strerror(errno));
	forget_verdicts(wanted);
	work_through(job, wanted, seed);
	exit(0);
}

int
main(int argc, char **argv)
{
	if (argc != 7)
		give_up("usage: power_replay LOG ROOT EXPECTED SCRATCH STATES SEED");
	struct names last = read_log(argv[1]);
	read_expected(argv[3]);
	check_recording(argv[2], &last);
	size_t wanted = strtoul(argv[5], NULL, 10) / JOBS;
	uint64_t seed = strtoul(argv[6], NULL, 10);
	total = mmap(
		NULL, sizeof *total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (total == MAP_FAILED)
		give_up("mmap: %s", strerror(errno));

	int64_t began = clock_ms();
	int status, failed = 0;
	for (unsigned job = 0; job < JOBS; job++) {
		pid_t pid = fork();
		if (pid < 0)
			give_up("fork: %s", strerror(errno));
		if (pid == 0)
			run_job(job, argv[4], wanted, seed);
	}
	while (wait(&status) > 0)
		failed += status != 0;
	printf("records=%zu answers=%u checkpoints=%u places=%" PRIu64 " states=%" PRIu64
	       " alike=%" PRIu64 " recovered=%" PRIu64 " lost=%" PRIu64 " damaged=%" PRIu64
	       " ms=%" PRId64 "\n",
		op_count, answer_count, count_checkpoints(), total->places, total->states,
		total->alike, total->recovered, total->lost, total->damaged, clock_ms() - began);
	if (failed > 0)
		give_up("%d processes failed", failed);
	return total->lost > 0 || total->damaged > 0;
}
