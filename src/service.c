/* service.c - the configuration in force, with every key scheduled
 *
 * Requests look at the files themselves, at most twice a second in a process,
 * instead of a watcher thread or inotify: it works the same in sixteen
 * processes, in one that has slept for a day, and on network file systems. Only
 * one thread loads; the others go on with the snapshot they have. A failed
 * load is remembered too, so that a broken file is read once and not at every
 * look.
 */
#include "service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "alloc.h"
#include "log.h"

#define LOAD_AGAIN_MS 5000 /* a configuration that is of no use, or not all of it */
/* Half of the second in which a change takes effect. */
#define LOOK_INTERVAL_MS 500

struct snapshot {
	unsigned references; /* under the service's lock */
	struct service *service;
	struct config *config; /* may be one that is not usable */
	bool usable;
	struct verifier **verifiers; /* one for each endpoint, NULL: see reasons */
	char (*reasons)[256];
	atomic_uint *running; /* handlers of each endpoint, for snapshot_enter() */
};

/* One configuration file. A server may name one for each request (SetEnv in different
 * places); clients cannot, so the list is as long as the server's configuration makes it. */
struct service {
	struct service *next;
	pthread_mutex_t lock;
	char *path;
	struct snapshot *current; /* what requests get */
	struct snapshot *failed;  /* the newest load, when it was not usable; else NULL */
	int64_t looked_ms;
	int64_t loaded_ms;
	bool loading; /* one thread is at it, outside the lock */
};

static struct service *services;  /* never freed */
static struct service *log_owner; /* the first that was usable says where this process logs */
static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t parser_lock = PTHREAD_MUTEX_INITIALIZER; /* config_load() wants one caller */
static const char *given_path;
static bool only_one;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char *log_in_force;              /* what log_open() took last; NULL: nothing yet */
static struct service *default_service; /* for requests that name no file */
static pthread_once_t default_once = PTHREAD_ONCE_INIT;

static int64_t
now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
snapshot_free(struct snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	for (size_t i = 0; i < snapshot->config->endpoint_count; i++)
		verifier_free(snapshot->verifiers[i]);
	free(snapshot->verifiers);
	free(snapshot->reasons);
	free(snapshot->running);
	config_free(snapshot->config);
	free(snapshot);
}

/* Schedule the keys of one endpoint, or note why that is not possible. */
static void
prepare_endpoint(struct snapshot *snapshot, size_t i)
{
	const struct config_endpoint *endpoint = &snapshot->config->endpoints[i];
	if (endpoint->unusable != NULL || endpoint->provider == NULL ||
		config_awaits_secret(endpoint))
		return;
	snapshot->verifiers[i] = verifier_new(endpoint->provider, endpoint->secrets,
		endpoint->secret_count, snapshot->reasons[i]);
}

/* A name that no endpoint can have makes config_load() compile none. */
static const char no_endpoint[] = "-";

static struct snapshot *
snapshot_load(struct service *service, struct slice endpoint)
{
	struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
	char *name = only_one ? xmemdup0(endpoint.data, endpoint.len) : NULL;
	const char *only = name;
	if (name != NULL && !text_is_name(endpoint))
		only = no_endpoint;

	pthread_mutex_lock(&parser_lock);
	snapshot->config = config_load(service->path, only, &snapshot->usable);
	pthread_mutex_unlock(&parser_lock);
	snapshot->service = service;
	size_t count = snapshot->config->endpoint_count;
	snapshot->verifiers = xcalloc(count, sizeof *snapshot->verifiers);
	snapshot->reasons = xcalloc(count, sizeof *snapshot->reasons);
	snapshot->running = xcalloc(count, sizeof *snapshot->running);
	for (size_t i = 0; snapshot->usable && i < count; i++)
		if (only == NULL || slice_is(endpoint, snapshot->config->endpoints[i].name))
			prepare_endpoint(snapshot, i);
	free(name);
	return snapshot;
}

/* Tell the operator what is wrong with a configuration that was just loaded. */
static void
report_faults(const struct snapshot *snapshot, bool has_old)
{
	const struct config *config = snapshot->config;
	for (size_t i = 0; i < config->fault_count; i++) {
		const struct config_fault *fault = &config->faults[i];
		if (fault->severity == CONFIG_WARNING)
			continue;
		const struct log_field line = LOG_NUMBER("line", fault->line);
		const struct log_field message = LOG_TEXT("message", fault->message);
		const struct log_field fields[] = {
			LOG_TEXT("file", fault->file),
			fault->line > 0 ? line : message,
			message,
		};
		log_record(LOG_LEVEL_ERROR, "config", fields, fault->line > 0 ? 3 : 2);
	}
	for (size_t i = 0; snapshot->usable && i < config->endpoint_count; i++)
		if (snapshot->reasons[i][0] != '\0')
			log_message(LOG_LEVEL_ERROR, "config", "%s:%u: endpoint %s: %s",
				config->path, config->endpoints[i].line, config->endpoints[i].name,
				snapshot->reasons[i]);
	if (!snapshot->usable)
		log_message(LOG_LEVEL_ERROR, "config", "%s cannot be used; %s", config->path,
			has_old ? "the one before it stays in force"
				: "every request is answered 503 until it is mended");
}

/* Open the log that a fresh configuration names. The one open before stays where that fails. */
static void
apply_log(struct service *service, const struct config *config)
{
	char reason[256];
	pthread_mutex_lock(&log_lock);
	if (log_owner == NULL)
		log_owner = service;
	if (log_owner != service) {
		/* One process, one log: a tenant's lines must not wander with another's reload. */
	} else if (log_open(config->log, config->log_json, reason)) {
		free(log_in_force);
		log_in_force = xstrdup(config->log);
	} else {
		const char *instead = log_in_force != NULL ? log_in_force : "stderr";
		log_message(LOG_LEVEL_ERROR, "config",
			"%s: the log cannot be opened: %s; lines go to %s instead", config->path,
			reason,
			strcmp(instead, "stderr") == 0 ? "standard error, the web server's log,"
						       : instead);
	}
	pthread_mutex_unlock(&log_lock);
}

/* Put a fresh snapshot into the service (its lock is held); what it replaces is returned. */
static struct snapshot *
exchange(struct service *service, struct snapshot *fresh)
{
	struct snapshot *old = NULL;
	snapshot_free(service->failed); /* never handed out */
	service->failed = NULL;
	if (fresh->usable || service->current == NULL) {
		old = service->current;
		service->current = fresh;
		fresh->references = 1;
	} else {
		service->failed = fresh;
	}
	return old;
}

/* Endpoints that cannot serve; more than any of them: none can. */
static size_t
useless(const struct snapshot *snapshot)
{
	size_t count = 0;
	if (!snapshot->usable)
		return SIZE_MAX;
	for (size_t i = 0; i < snapshot->config->endpoint_count; i++)
		count += snapshot->config->endpoints[i].unusable != NULL ||
			 snapshot->reasons[i][0] != '\0';
	return count;
}

/* before: what was useless in the load before of the same files; 0: they have changed. */
static void
load(struct service *service, struct slice endpoint, size_t before)
{
	/* Nobody else loads: loading is true. Holding no lock, so requests go on. */
	struct snapshot *fresh = snapshot_load(service, endpoint);
	if (before > 0 && useless(fresh) >= before) {
		/* It was said before. */
		snapshot_free(fresh);
		pthread_mutex_lock(&service->lock);
		service->loading = false;
		service->loaded_ms = now_ms();
		pthread_mutex_unlock(&service->lock);
		return;
	}
	if (fresh->usable && fresh->config->endpoint_count == 0 &&
		service->current->config->endpoint_count > 0) {
		log_message(
			LOG_LEVEL_ERROR, "config", "%s names no endpoint any more", service->path);
		fresh->usable = false;
	}
	if (fresh->usable)
		apply_log(service, fresh->config);
	report_faults(fresh, service->current != NULL && service->current->usable);
	if (service->current != NULL && fresh->usable)
		log_message(LOG_LEVEL_INFO, "config", "%s is in force", fresh->config->path);

	pthread_mutex_lock(&service->lock);
	struct snapshot *old = exchange(service, fresh);
	service->looked_ms = service->loaded_ms = now_ms();
	service->loading = false;
	pthread_mutex_unlock(&service->lock);
	if (old != NULL)
		service_release(old);
}

/* The service of that file, made when it is new. */
static struct service *
service_of(const char *path)
{
	pthread_mutex_lock(&services_lock);
	struct service *service = services;
	while (service != NULL && strcmp(service->path, path) != 0)
		service = service->next;
	if (service == NULL) {
		service = xcalloc(1, sizeof *service);
		pthread_mutex_init(&service->lock, NULL);
		service->path = xstrdup(path);
		service->next = services;
		services = service;
	}
	pthread_mutex_unlock(&services_lock);
	return service;
}

static void
find_default(void)
{
	char *path = config_path(given_path, NULL);
	default_service = service_of(path);
	free(path);
}

/* -c and the process's own environment go before what a request names. */
static struct service *
find_service(const char *requested)
{
	if (given_path == NULL && getenv("HOOKCGI_CONFIG") == NULL && requested != NULL &&
		requested[0] != '\0')
		return service_of(requested);
	pthread_once(&default_once, find_default);
	return default_service;
}

void
service_open(const char *given, bool only)
{
	given_path = given;
	only_one = only;
}

struct snapshot *
service_acquire(const char *requested, struct slice endpoint)
{
	struct service *service = find_service(requested);

	pthread_mutex_lock(&service->lock);
	bool first = service->current == NULL;
	if (first) {
		/* The first request loads under the lock: others have nothing to serve from. */
		struct snapshot *fresh = snapshot_load(service, endpoint);
		if (fresh->usable)
			apply_log(service, fresh->config);
		report_faults(fresh, false);
		(void)exchange(service, fresh);
		service->looked_ms = service->loaded_ms = now_ms();
	} else if (!service->loading && now_ms() - service->looked_ms >= LOOK_INTERVAL_MS) {
		const struct snapshot *newest =
			service->failed != NULL ? service->failed : service->current;
		service->looked_ms = now_ms();
		bool changed = config_changed(newest->config) && config_has_settled(newest->config);
		/* What could not be read for want of descriptors or memory has not changed. */
		size_t before = !changed && now_ms() - service->loaded_ms >= LOAD_AGAIN_MS
					? useless(newest)
					: 0;
		if (changed || before > 0) {
			service->loading = true;
			pthread_mutex_unlock(&service->lock);
			load(service, endpoint, before);
			pthread_mutex_lock(&service->lock);
		}
	}
	struct snapshot *snapshot = service->current;
	snapshot->references++;
	pthread_mutex_unlock(&service->lock);
	return snapshot;
}

void
service_look_again(struct snapshot *snapshot)
{
	struct service *service = snapshot->service;
	pthread_mutex_lock(&service->lock);
	service->looked_ms = now_ms() - LOOK_INTERVAL_MS;
	pthread_mutex_unlock(&service->lock);
}

void
service_release(struct snapshot *snapshot)
{
	struct service *service = snapshot->service;
	pthread_mutex_lock(&service->lock);
	bool last = --snapshot->references == 0;
	pthread_mutex_unlock(&service->lock);
	if (last)
		snapshot_free(snapshot);
}

const struct config *
snapshot_config(const struct snapshot *snapshot)
{
	return snapshot->usable ? snapshot->config : NULL;
}

const struct verifier *
snapshot_verifier(const struct snapshot *snapshot, const struct config_endpoint *endpoint,
	const char **reason_out)
{
	size_t i = (size_t)(endpoint - snapshot->config->endpoints);
	*reason_out = endpoint->unusable != NULL ? endpoint->unusable : snapshot->reasons[i];
	return snapshot->verifiers[i];
}

bool
snapshot_enter(struct snapshot *snapshot, const struct config_endpoint *endpoint)
{
	size_t i = (size_t)(endpoint - snapshot->config->endpoints);
	unsigned limit = snapshot->config->threads > 1 ? snapshot->config->threads / 2 : 1;
	if (atomic_fetch_add(&snapshot->running[i], 1) < limit)
		return true;
	snapshot_leave(snapshot, endpoint);
	return false;
}

void
snapshot_leave(struct snapshot *snapshot, const struct config_endpoint *endpoint)
{
	atomic_fetch_sub(&snapshot->running[endpoint - snapshot->config->endpoints], 1);
}
