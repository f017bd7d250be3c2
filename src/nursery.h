/* nursery.h - the process that forks runners, and those runners
 *
 * Three kinds of process. The endpoint (threaded, large) never forks after nursery_start(). The
 * nursery, forked from it while it was small, does nothing but fork runners. A runner does nothing but run one
 * handler at a time: job_receive(), run_handler(), job_send_result().
 *
 * Everything ends by end of file: a runner finishes its handler and ends when its endpoint is gone, also by
 * kill -9; the nursery ends at once. They are in a session of their own and ignore the signals with which web
 * servers and terminals end a process group, so that a restart does not cut a handler. The nursery is
 * forked twice and ignores SIGCHLD: nobody has to wait for anybody.
 */
#ifndef HOOKCGI_NURSERY_H
#define HOOKCGI_NURSERY_H

#include <stdbool.h>

/* Something that runs on its own, such as the worker; what it returns is its exit status. */
typedef int nursery_detached(const char *argument);

/* What is run in nursery_detach(). Before nursery_start(), which hands it on. */
void nursery_set_detached(nursery_detached *function);

/* Fork it, while single-threaded. Its socket, close-on-exec, the caller's; -1: it could not be started (logged). */
int nursery_start(void);

/*
 * Ask for a runner at the other end of this socket. The fork needs no answer: the first job waits in the socket
 * until the runner reads it, and a fork that failed is an end of file there. false: the nursery is gone.
 */
bool nursery_fork_runner(int nursery, int socket);

/* Ask it to run the detached function with this argument (shorter than PATH_MAX); nursery -1: fork from here, for
 * which the process must be single-threaded. false: errno. */
bool nursery_detach(int nursery, const char *argument);

#endif
