/* handler.c - what a handler is given: argv, environment and input for one event
 *
 * Names are taken first come, first served, so a leaf can never replace one of
 * our own variables nor an earlier leaf: all candidates are written one behind
 * the other, sorted once, and of equal names the first is kept: O(n log n) whatever
 * names a sender thinks up, and two pieces of memory whatever their number.
 * What does not fit into the system's limits (execve(2): 128 KiB for one
 * string, a quarter of the stack for all) is left out and HOOK_DATA_TRUNCATED
 * says so: the whole event is always on standard input.
 */
#include "handler.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "alloc.h"
#include "text.h"

/* execve(2): MAX_ARG_STRLEN is 32 pages of 4 KiB, the NUL included. */
#define STRING_MAX ((size_t)131072)
/* A ceiling of our own, far above what a handler reads and far below what hurts. */
#define ENVIRONMENT_MAX ((size_t)1 << 20)
#define ENVIRONMENT_USUAL ((size_t)6 << 10)
/* Kept free for argv, the auxiliary vector and the interpreter's own start. */
#define ENVIRONMENT_RESERVE ((size_t)1 << 16)

/* Bytes of a leaf's path that still becomes a name. */
#define PATH_LEN_MAX 1024

/* Fixed: a handler finds the same programs whoever started the web server. */
#define HANDLER_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define HANDLER_LANG "C.UTF-8"

/* "NAME=value" in the environment's text. */
struct variable {
	size_t at;
	unsigned name_len;
	unsigned len; /* the NUL included */
	bool taken;   /* by one before it */
};

struct environment {
	struct buf text;
	struct variable *variables;
	size_t count;
	size_t size;
	bool truncated;
};

static char *home;
static pthread_once_t home_once = PTHREAD_ONCE_INIT;

/* Once in a process: the user database is read to its end for it. */
static void
find_home(void)
{
	home = config_home();
	if (home == NULL)
		home = xstrdup("/");
}

/* What execve(2) allows for strings and pointers of the environment here, less a reserve; 0: not even
 * argv fits. */
static size_t
environment_budget(char *const *argv)
{
	struct rlimit stack;
	size_t budget = ENVIRONMENT_MAX;

	if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur != RLIM_INFINITY &&
		stack.rlim_cur / 4 < budget)
		budget = (size_t)stack.rlim_cur / 4;
	budget = budget > 2 * ENVIRONMENT_RESERVE ? budget - ENVIRONMENT_RESERVE : budget / 2;
	for (; *argv != NULL; argv++) {
		size_t cost = strlen(*argv) + 1 + sizeof *argv;
		budget -= cost < budget ? cost : budget;
	}
	return budget;
}

static bool
environment_append(struct environment *env, struct slice name, struct slice value)
{
	struct buf *text = &env->text;
	size_t at = text->len;

	if (!buf_reserve(text, name.len + value.len + 2))
		return false;
	memcpy(text->data + at, name.data, name.len);
	text->data[at + name.len] = '=';
	if (value.len > 0)
		memcpy(text->data + at + name.len + 1, value.data, value.len);
	text->len += name.len + value.len + 2;
	text->data[text->len - 1] = '\0';
	if (env->count == env->size) {
		env->size = env->size == 0 ? 64 : env->size * 2;
		env->variables = xreallocarray(env->variables, env->size, sizeof *env->variables);
	}
	env->variables[env->count++] =
		(struct variable){ at, (unsigned)name.len, (unsigned)(text->len - at), false };
	return true;
}

/* Add NAME=value; it is left out later if the name is taken. */
static void
environment_add(struct environment *env, struct slice name, struct slice value)
{
	if (name.len + 1 + value.len >= STRING_MAX ||
		(value.len > 0 && memchr(value.data, '\0', value.len) != NULL) ||
		!environment_append(env, name, value))
		env->truncated = true;
}

/* By name, and of one name the first first. Not alphabetical: only equality counts. */
static int
compare_variables(const void *a, const void *b, void *text)
{
	const struct variable *left = *(struct variable *const *)a;
	const struct variable *right = *(struct variable *const *)b;
	const char *bytes = text;

	if (left->name_len != right->name_len)
		return left->name_len < right->name_len ? -1 : 1;
	int order = memcmp(bytes + left->at, bytes + right->at, left->name_len);
	return order != 0 ? order : (left->at > right->at) - (left->at < right->at);
}

/* Find the variables whose name one before them has. */
static void
environment_mark_taken(struct environment *env)
{
	struct variable **order = xcalloc(env->count, sizeof(struct variable *));
	const char *text = env->text.data;

	for (size_t i = 0; i < env->count; i++)
		order[i] = &env->variables[i];
	qsort_r(order, env->count, sizeof(struct variable *), compare_variables, env->text.data);
	for (size_t i = 1; i < env->count; i++)
		order[i]->taken = order[i]->name_len == order[i - 1]->name_len &&
				  memcmp(text + order[i]->at, text + order[i - 1]->at,
					  order[i]->name_len) == 0;
	free(order);
}

/* The strings that execve(2) gets: those whose name was free, as far as they fit. The first is the
 * mark that something was left out. The memory of the text goes along. */
static struct handler_environment
environment_finish(struct environment *env, size_t budget)
{
	struct handler_environment out = { xcalloc(env->count + 1, sizeof(char *)), NULL };
	size_t count = 0;

	environment_mark_taken(env);
	out.text = buf_take(&env->text);
	for (size_t i = 1; i < env->count; i++) {
		const struct variable *variable = &env->variables[i];
		size_t cost = variable->len + sizeof(char *);
		if (variable->taken)
			continue;
		if (cost > budget) {
			env->truncated = true;
			continue;
		}
		budget -= cost;
		out.strings[count++] = out.text + variable->at;
	}
	if (env->truncated)
		out.strings[count++] = out.text;
	free(env->variables);
	return out;
}

static void
environment_add_text(struct environment *env, const char *name, const char *value)
{
	environment_add(env, slice_of(name), slice_of(value));
}

/* Upper case, every other character than A-Z and 0-9 as "_", appended. */
static bool
append_name(struct buf *out, struct slice text)
{
	if (!buf_reserve(out, text.len))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
			c = '_';
		out->data[out->len++] = c;
	}
	return true;
}

static void
add_header(struct environment *env, const struct message *message, const char *header)
{
	char *variable = message_header_variable(header);
	struct slice value;
	if (message_header(message, variable, &value) == MESSAGE_FOUND) {
		struct buf name;
		buf_init(&name, 512);
		if (buf_append_text(&name, "HOOK_HEADER_") && append_name(&name, slice_of(header)))
			environment_add(env, buf_slice(&name), value);
		buf_free(&name);
	}
	free(variable);
}

static void
add_event(struct environment *env, const struct handler_event *event)
{
	const struct message *message = event->message;
	const struct provider *provider = event->endpoint->provider;
	char number[32];
	struct buf time;

	environment_add(env, slice_of("HOOK_ENDPOINT"), slice_of(event->endpoint->name));
	environment_add(env, slice_of("HOOK_PROVIDER"), slice_of(provider->name));
	environment_add(env, slice_of("HOOK_EVENT"), message->event);
	environment_add(env, slice_of("HOOK_ID"), message->id);
	environment_add(env, slice_of("HOOK_KEY"), message->key);
	snprintf(number, sizeof number, "%u", event->attempt);
	environment_add_text(env, "HOOK_ATTEMPT", number);
	snprintf(number, sizeof number, "%lld", (long long)event->delivery);
	environment_add_text(env, "HOOK_DELIVERY", number);
	buf_init(&time, 64);
	if (text_format_time(TEXT_TIME_RFC3339, event->received_ms, &time))
		environment_add(env, slice_of("HOOK_RECEIVED_AT"), buf_slice(&time));
	buf_free(&time);
	environment_add_text(env, "HOOK_REMOTE_ADDR",
		event->remote_address != NULL ? event->remote_address : "");
	const char *type = message_variable(message, "CONTENT_TYPE");
	environment_add_text(env, "HOOK_CONTENT_TYPE", type != NULL ? type : "");
	for (size_t i = 0; i < provider->header_count; i++)
		add_header(env, message, provider->headers[i]);
	for (size_t i = 0; i < event->endpoint->header_count; i++)
		add_header(env, message, event->endpoint->headers[i]);
}

/* The user's own mappings. One whose template finds nothing is left out. */
static void
add_mappings(struct environment *env, const struct handler_event *event)
{
	for (size_t i = 0; i < event->endpoint->env_count; i++) {
		const struct config_env *mapping = &event->endpoint->env[i];
		struct buf value;
		buf_init(&value, STRING_MAX);
		switch (template_text(mapping->value, event->message, &value)) {
		case TEMPLATE_OK:
			environment_add(env, slice_of(mapping->name), buf_slice(&value));
			break;
		case TEMPLATE_TOO_LONG: env->truncated = true; break;
		case TEMPLATE_ABSENT:
		case TEMPLATE_REPEATED: break;
		}
		buf_free(&value);
	}
}

/*
 * Each leaf as HOOK_DATA_PATH. A path over PATH_LEN_MAX is left out before its name
 * is made: a hundred thousand leaves below one long name would otherwise cost
 * the product of the two.
 */
static void
add_leaves(struct environment *env, struct message *message)
{
	const struct leaves *leaves = message_leaves(message);
	struct buf path, name;
	size_t cursor = 0;
	struct leaf leaf;

	buf_init(&path, message->body.len + LEAF_DEPTH_MAX * 12);
	buf_init(&name, PATH_LEN_MAX + 16);
	while (leaves != NULL && !leaves_at_end(leaves, cursor)) {
		if (!leaves_next(leaves, &cursor, &path, &leaf) || path.len > PATH_LEN_MAX) {
			env->truncated = true;
			continue;
		}
		if (path.len == 0 || leaf.kind == LEAF_OBJECT || leaf.kind == LEAF_ARRAY)
			continue;
		buf_clear(&name);
		if (buf_append_text(&name, "HOOK_DATA_") && append_name(&name, buf_slice(&path)))
			environment_add(env, buf_slice(&name), leaf.value);
		else
			env->truncated = true;
	}
	buf_free(&path);
	buf_free(&name);
}

/* No strings: no memory. */
static struct handler_environment
build_environment(const struct handler_event *event, size_t budget)
{
	struct environment env = { .truncated = false };

	pthread_once(&home_once, find_home);
	buf_init(&env.text, ENVIRONMENT_MAX);
	/* First: its name and room are taken, whatever the mappings and leaves are called and use up. */
	if (!buf_reserve(&env.text, ENVIRONMENT_USUAL) ||
		!environment_append(&env, slice_of("HOOK_DATA_TRUNCATED"), slice_of("1")))
		return (struct handler_environment){ NULL, NULL };
	environment_add_text(&env, "PATH", HANDLER_PATH);
	environment_add_text(&env, "HOME", home);
	environment_add_text(&env, "LANG", HANDLER_LANG);
	const char *zone =
		getenv("TZ"); /* the host's choice; absent, handlers follow /etc/localtime */
	if (zone != NULL)
		environment_add_text(&env, "TZ", zone);
	add_event(&env, event);
	add_mappings(&env, event);
	add_leaves(&env, event->message);
	return environment_finish(&env, budget);
}

static void
free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

/* Is what the sender wrote at the front of this argument, where a "-" would make it an option? */
static bool
begins_with_reference(const struct template *argument)
{
	return argument->count > 0 && argument->parts[0].kind != TEMPLATE_LITERAL;
}

/* One argv element; NULL and a reason when it cannot be made. */
static char *
build_argument(const struct template *argument, struct message *message, char reason_out[256])
{
	char *made = NULL;
	const char *fault = NULL;
	struct buf value;
	buf_init(&value, STRING_MAX - 1);
	switch (template_text(argument, message, &value)) {
	case TEMPLATE_OK:
		if (value.len > 0 && memchr(value.data, '\0', value.len) != NULL)
			fault = "holds a NUL byte";
		else if (value.len > 0 && value.data[0] == '-' && begins_with_reference(argument))
			fault = "begins with \"-\": hand it over by env or read it from stdin";
		else
			made = xstrdup(buf_text(&value));
		break;
	case TEMPLATE_ABSENT: fault = "refers to something this event does not have"; break;
	case TEMPLATE_REPEATED: fault = "refers to something this request has twice"; break;
	case TEMPLATE_TOO_LONG: fault = "is too long for an argument: hand it over by stdin"; break;
	}
	if (fault != NULL)
		snprintf(reason_out, 256, "argument \"%.100s\" %s", argument->source, fault);
	buf_free(&value);
	return made;
}

static char **
build_argv(const struct handler_event *event, char reason_out[256])
{
	const struct config_run *run = event->run;
	char **argv = xcalloc(run->argc + 1, sizeof *argv);
	for (size_t i = 0; i < run->argc; i++) {
		argv[i] = build_argument(run->argv[i], event->message, reason_out);
		if (argv[i] == NULL) {
			free_strings(argv);
			return NULL;
		}
	}
	return argv;
}

/* What goes to standard input. A form is written as JSON into made; anything
 * else is borrowed: the raw body, or the JSON that a field of it holds. false: no memory. */
static bool
choose_input(const struct handler_event *event, struct buf *made, struct slice *out)
{
	struct message *message = event->message;
	enum message_body kind = message_body(message);

	switch (event->endpoint->stdin_kind) {
	case CONFIG_STDIN_NONE: *out = slice_of(""); return true;
	case CONFIG_STDIN_RAW: *out = message->body; return true;
	case CONFIG_STDIN_JSON: break;
	}
	if (kind != MESSAGE_BODY_FORM && kind != MESSAGE_BODY_MULTIPART) {
		*out = message_document(message);
		return true;
	}
	/* JSON can need six bytes for one ("\u0001"), and quotes and commas besides; a file's part
	 * is longer than what is told of it. */
	buf_init(made, 8 * message->body.len + 1024);
	if (!leaves_write_json(message_leaves(message), made))
		return false;
	*out = buf_slice(made);
	return true;
}

enum handler_result
handler_prepare(const struct handler_event *event, struct handler_call *out, char reason_out[256])
{
	struct message *message = event->message;
	switch (message_body(message)) {
	case MESSAGE_BODY_INVALID:
		snprintf(reason_out, 256, "%s", message->reason);
		return HANDLER_UNUSABLE;
	case MESSAGE_BODY_UNREAD:
	case MESSAGE_BODY_NO_MEMORY: return HANDLER_NO_MEMORY;
	case MESSAGE_BODY_JSON:
	case MESSAGE_BODY_FORM:
	case MESSAGE_BODY_MULTIPART:
	case MESSAGE_BODY_OPAQUE: break;
	}
	(void)buf_lacked_memory();
	struct handler_call call = { .argv = build_argv(event, reason_out) };
	if (call.argv == NULL)
		return buf_lacked_memory() ? HANDLER_NO_MEMORY : HANDLER_UNUSABLE;
	size_t budget = environment_budget(call.argv);
	if (budget == 0) {
		snprintf(reason_out, 256,
			"the arguments of run are longer than this system takes: hand the values "
			"over by env or read them from stdin");
		handler_call_free(&call);
		return HANDLER_UNUSABLE;
	}
	struct slice input;
	bool chosen = choose_input(event, &call.input, &input);
	if (chosen)
		call.environment = build_environment(event, budget);
	/* What is left out for that is not to be had by an event that is run once. */
	if (!chosen || call.environment.strings == NULL || buf_lacked_memory()) {
		handler_call_free(&call);
		return HANDLER_NO_MEMORY;
	}
	call.spec = (struct run_spec){
		.argv = call.argv,
		.envp = call.environment.strings,
		.directory = event->endpoint->directory,
		.input = input,
		.input_fd = -1,
		.timeout_ms = event->endpoint->timeout_ms,
		.grace_ms = event->endpoint->grace_ms,
	};
	*out = call;
	return HANDLER_READY;
}

void
handler_call_free(struct handler_call *call)
{
	free_strings(call->argv);
	free(call->environment.strings);
	free(call->environment.text);
	buf_free(&call->input);
	memset(call, 0, sizeof *call);
}
