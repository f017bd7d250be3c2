/* config.c - a configuration that was read: what is in force, and what it was read from
 *
 * config_load.c reads it; here is what it is asked afterwards, and the two lists
 * that grow while it is read: the faults, and the files whose change means that
 * it has to be read again. What is read is what was checked: files are opened
 * once and judged by their descriptor (safety.c), and what they were then is
 * what config_changed() compares with.
 */
#include "config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"

#define SYSTEM_PATH "/etc/hookcgi/hookcgi.conf"
#define SETTLE_MS 300 /* a file that was written to less than this ago may be half there */
#define MESSAGE_MAX ((size_t)4000) /* bytes; a path has at most 4096 and hardly ever 200 */

/* Where it is. */

char *
config_home(void)
{
	char *home = NULL;
	FILE *file = fopen("/etc/passwd", "re");
	if (file == NULL)
		return NULL;
	for (const struct passwd *user; home == NULL && (user = fgetpwent(file)) != NULL;) {
		if (user->pw_uid == geteuid() && user->pw_dir[0] == '/')
			home = xstrdup(user->pw_dir);
	}
	fclose(file);
	return home;
}

/* The effective user's own. NULL: has no home. */
static char *
home_path(void)
{
	char *home = config_home();
	char *path = NULL;
	if (home != NULL && asprintf(&path, "%s/.config/hookcgi/hookcgi.conf", home) == -1)
		path = NULL;
	free(home);
	return path;
}

char *
config_path(const char *given, const char *requested)
{
	const char *named = given != NULL ? given : getenv("HOOKCGI_CONFIG");
	if (named == NULL || named[0] == '\0')
		named = requested;
	if (named != NULL && named[0] != '\0')
		return xstrdup(named);
	char *path = home_path();
	if (path != NULL && access(path, F_OK) == 0)
		return path;
	free(path);
	return xstrdup(SYSTEM_PATH);
}

char *
config_missing_fault(const char *path)
{
	if (strcmp(path, SYSTEM_PATH) != 0 || access(path, F_OK) == 0 || errno != ENOENT)
		return NULL;
	char *own = home_path();
	char *message = NULL;
	if ((own == NULL || access(own, F_OK) != 0) &&
		asprintf(&message,
			"no configuration: neither ~/.config/hookcgi/hookcgi.conf (%s) nor %s "
			"exists: create one, or name it with -c or HOOKCGI_CONFIG",
			own != NULL ? own : "this user has no home", path) == -1)
		message = NULL;
	free(own);
	return message;
}

/* What is in force. */

static int
compare_name(const void *name, const void *endpoint)
{
	const struct slice *wanted = name;
	const char *have = ((const struct config_endpoint *)endpoint)->name;
	size_t len = strlen(have);
	int order = memcmp(wanted->data, have, wanted->len < len ? wanted->len : len);
	return order != 0 ? order : (wanted->len > len) - (wanted->len < len);
}

/* What is learned comes into its place whole (learn.h). */
static bool
is_learned(const struct config *config, const char *path)
{
	for (size_t i = 0; i < config->endpoint_count; i++) {
		const char *learned = config->endpoints[i].learned;
		if (learned != NULL && strcmp(learned, path) == 0)
			return true;
	}
	return false;
}

bool
config_has_settled(const struct config *config)
{
	int64_t now = clock_wall_ms();
	for (size_t i = 0; i < config->watch_count; i++) {
		struct stat status;
		if (is_learned(config, config->watches[i].path) ||
			stat(config->watches[i].path, &status) != 0)
			continue;
		int64_t age_ms = now - (int64_t)status.st_mtim.tv_sec * 1000 -
				 status.st_mtim.tv_nsec / 1000000;
		if (age_ms >= 0 && age_ms < SETTLE_MS)
			return false;
	}
	return true;
}

const struct config_endpoint *
config_find(const struct config *config, struct slice name)
{
	if (name.len == 0 || config->endpoint_count == 0)
		return NULL;
	return bsearch(&name, config->endpoints, config->endpoint_count, sizeof *config->endpoints,
		compare_name);
}

const struct config_run *
config_run_for(const struct config_endpoint *endpoint, struct slice event)
{
	for (size_t i = 0; i < endpoint->rule_count; i++) {
		if (config_pattern_matches(endpoint->rules[i].pattern, event))
			return &endpoint->rules[i];
	}
	for (size_t i = 0; i < endpoint->event_count; i++) {
		if (config_pattern_matches(endpoint->events[i], event))
			return &endpoint->run;
	}
	return NULL;
}

bool
config_awaits_secret(const struct config_endpoint *endpoint)
{
	return endpoint->unusable == NULL && endpoint->learned != NULL &&
	       endpoint->secret_count == 0;
}

/* Patterns. */

/*
 * At "[": does the set hold the byte? *pattern goes behind "]". A set without
 * an end matches nothing and moves to the pattern's end.
 */
static bool
set_matches(const char **pattern, unsigned char byte)
{
	const char *p = *pattern + 1;
	bool negated = *p == '!' || *p == '^';
	bool found = false;
	if (negated)
		p++;
	const char *start = p;
	while (*p != '\0' && (*p != ']' || p == start)) {
		unsigned char low = (unsigned char)*p;
		unsigned char high = low;
		if (p[1] == '-' && p[2] != ']' && p[2] != '\0') {
			high = (unsigned char)p[2];
			p += 2;
		}
		found = found || (byte >= low && byte <= high);
		p++;
	}
	*pattern = *p == ']' ? p + 1 : p;
	return *p == ']' && found != negated;
}

/* Does the pattern's next element, which is not "*", take the byte? It is stepped over. */
static bool
element_matches(const char **pattern, unsigned char byte)
{
	const char *p = *pattern;
	if (*p == '[')
		return set_matches(pattern, byte);
	bool escaped = *p == '\\' && p[1] != '\0';
	if (escaped)
		p++;
	*pattern = p + 1;
	return (*p == '?' && !escaped) || (unsigned char)*p == byte;
}

/* Not fnmatch(3): that wants a NUL behind a sender's bytes, obeys the locale, and
 * takes exponential time with many "*". Here only the last "*" is ever retried. */
bool
config_pattern_matches(const char *pattern, struct slice event)
{
	const char *p = pattern;
	const char *star = NULL; /* behind the last "*" */
	size_t at = 0;
	size_t retry = 0;
	while (at < event.len) {
		if (*p == '*') {
			star = ++p;
			retry = at;
		} else if (*p != '\0' && element_matches(&p, (unsigned char)event.data[at])) {
			at++;
		} else if (star != NULL) {
			p = star;
			at = ++retry;
		} else {
			return false;
		}
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}

const char *
config_pattern_fault(const char *pattern)
{
	if (*pattern == '\0')
		return "is empty and matches nothing: write \"*\" for every event";
	while (*pattern != '\0') {
		if (*pattern == '[') {
			const char *start = pattern;
			set_matches(&pattern, 0);
			if (pattern[-1] != ']' || pattern - start < 3)
				return "has a [ without its ]: close it, or write \\[";
		} else if (*pattern == '\\' && pattern[1] == '\0') {
			return "ends in a backslash: write \\\\ for one";
		} else {
			pattern += *pattern == '\\' ? 2 : 1;
		}
	}
	return NULL;
}

/* Faults. */

/* On one line and of bounded length, whatever the configuration holds. */
static char *
clean_message(const char *message)
{
	char *text = xmemdup0(message, strnlen(message, MESSAGE_MAX));
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == '\177')
			*c = ' ';
	}
	return text;
}

static char *
located(const char *file, unsigned line, const char *message)
{
	size_t size = strlen(file) + strlen(message) + 16;
	char *text = xmalloc(size);
	if (line == 0)
		snprintf(text, size, "%s: %s", file, message);
	else
		snprintf(text, size, "%s:%u: %s", file, line, message);
	return text;
}

static int
compare_places(const struct config_fault *fault, const char *file, unsigned line)
{
	int order = strcmp(fault->file, file);
	return order != 0 ? order : (fault->line > line) - (fault->line < line);
}

/* Insert in order of file and line, behind its equals, and once only (a provider
 * that two endpoints name is compiled twice). Takes message. */
static void
insert_fault(struct config *config, enum config_severity severity, const char *file, unsigned line,
	char *message)
{
	size_t place = config->fault_count;
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *old = &config->faults[i];
		int order = compare_places(old, file, line);
		if (order == 0 && strcmp(old->message, message) == 0) {
			free(message);
			return;
		}
		if (order > 0) {
			place = i;
			break;
		}
	}
	config->faults =
		xreallocarray(config->faults, config->fault_count + 1, sizeof *config->faults);
	memmove(&config->faults[place + 1], &config->faults[place],
		(config->fault_count - place) * sizeof *config->faults);
	config->faults[place] = (struct config_fault){ severity, xstrdup(file), line, message };
	config->fault_count++;
}

void
config_add_fault(struct config *config, struct config_endpoint *endpoint,
	enum config_severity severity, const char *file, unsigned line, const char *message)
{
	char *text = clean_message(message);
	if (endpoint != NULL && endpoint->unusable == NULL)
		endpoint->unusable = located(file, line, text);
	insert_fault(config, severity, file, line, text);
}

/* Watched files. */

/* What the file is: status as it was when it was opened, NULL to look now. */
static void
add_watch(struct config *config, const char *path, const struct stat *status)
{
	struct stat now;
	for (size_t i = 0; i < config->watch_count; i++) {
		if (strcmp(config->watches[i].path, path) == 0)
			return;
	}
	if (status == NULL && stat(path, &now) == 0)
		status = &now;
	config->watches =
		xreallocarray(config->watches, config->watch_count + 1, sizeof *config->watches);
	struct config_watch *watch = &config->watches[config->watch_count++];
	*watch = (struct config_watch){ .path = xstrdup(path) };
	if (status != NULL) {
		watch->present = true;
		watch->device = status->st_dev;
		watch->inode = status->st_ino;
		watch->size = status->st_size;
		watch->modified = status->st_mtim;
		watch->changed = status->st_ctim;
	}
}

void
config_watch_refused(struct config *config, const char *path, const struct safety_refusal *refusal)
{
	add_watch(config, path, NULL);
	if (refusal->culprit != NULL)
		add_watch(config, refusal->culprit, NULL);
}

/*
 * All of a file of at most max bytes, with a NUL behind it, for free_secret().
 * NULL: errno says why, EFBIG that it is longer.
 */
static char *
read_all(int fd, size_t max, size_t *len_out)
{
	char *text = xmalloc(max + 1);
	size_t len = 0;
	ssize_t got;
	do {
		got = read(fd, text + len, max + 1 - len);
		if (got > 0)
			len += (size_t)got;
	} while ((got > 0 && len <= max) || (got < 0 && errno == EINTR));
	if (got < 0 || len > max) {
		int error = got < 0 ? errno : EFBIG;
		free_secret(text, len);
		errno = error;
		return NULL;
	}
	text[len] = '\0';
	*len_out = len;
	return text;
}

char *
config_read_file(struct config *config, const char *path, enum safety_kind kind, size_t max,
	size_t *len_out, mode_t *mode_out, struct safety_refusal *refusal)
{
	struct stat status;
	int fd = safety_open(path, kind, &status, refusal);
	if (fd == -1) {
		config_watch_refused(config, path, refusal);
		return NULL;
	}
	add_watch(config, path, &status);
	*mode_out = status.st_mode;
	char *text = read_all(fd, max, len_out);
	int error = errno;
	close(fd);
	errno = error;
	return text;
}

static bool
same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool
config_changed(const struct config *config)
{
	for (size_t i = 0; i < config->watch_count; i++) {
		const struct config_watch *watch = &config->watches[i];
		struct stat status;
		if ((stat(watch->path, &status) == 0) != watch->present)
			return true;
		if (watch->present &&
			(status.st_dev != watch->device || status.st_ino != watch->inode ||
				status.st_size != watch->size ||
				!same_time(status.st_mtim, watch->modified) ||
				!same_time(status.st_ctim, watch->changed)))
			return true;
	}
	return false;
}

/* The end. */

static void
free_texts(char **texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(texts[i]);
	free(texts);
}

static void
free_run(struct config_run *run)
{
	for (size_t i = 0; i < run->argc; i++)
		template_free(run->argv[i]);
	free(run->argv);
	free(run->cannot_run);
	free(run->pattern);
}

static void
free_endpoint(struct config_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->secret_count; i++) {
		free_secret(endpoint->secrets[i].text, endpoint->secrets[i].len);
		free(endpoint->secrets[i].source);
		free(endpoint->secrets[i].key_id);
	}
	free(endpoint->secrets);
	for (size_t i = 0; i < endpoint->parameter_count; i++) {
		free(endpoint->parameters[i].name);
		free_secret(endpoint->parameters[i].value, strlen(endpoint->parameters[i].value));
	}
	free(endpoint->parameters);
	free(endpoint->learned);
	for (size_t i = 0; i < endpoint->rule_count; i++)
		free_run(&endpoint->rules[i]);
	free(endpoint->rules);
	free_run(&endpoint->run);
	for (size_t i = 0; i < endpoint->env_count; i++) {
		free(endpoint->env[i].name);
		template_free(endpoint->env[i].value);
	}
	free(endpoint->env);
	free_texts(endpoint->events, endpoint->event_count);
	free_texts(endpoint->headers, endpoint->header_count);
	provider_free(endpoint->provider);
	free(endpoint->reply_type);
	free(endpoint->url);
	free(endpoint->directory);
	free(endpoint->unusable);
	free(endpoint->name);
}

void
config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->endpoint_count; i++)
		free_endpoint(&config->endpoints[i]);
	free(config->endpoints);
	for (size_t i = 0; i < config->fault_count; i++) {
		free(config->faults[i].file);
		free(config->faults[i].message);
	}
	free(config->faults);
	for (size_t i = 0; i < config->watch_count; i++)
		free(config->watches[i].path);
	free(config->watches);
	free(config->log);
	free(config->store);
	free(config->path);
	free(config);
}
