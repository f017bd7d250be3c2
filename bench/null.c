/* null.c - the least a libfcgi program can do: the floor that benchmarks compare with
 *
 * Four threads in the accept loop of the library's own examples; each reads the
 * body and answers 200. No check, no time limit, no orderly stop.
 *
 * build: cc -O2 -pthread -o null bench/null.c -lfcgi
 * run:   spawn-fcgi -n -s SOCKET -- ./null, or as "bin-path" of lighttpd
 */
#include <pthread.h>

#include <fcgiapp.h>

#define THREADS 4

static void *
serve(void *unused)
{
	static const char answer[] = "Status: 200 OK\r\n"
				     "Content-Type: text/plain\r\n"
				     "Content-Length: 3\r\n"
				     "\r\n"
				     "ok\n";
	char body[16384];
	FCGX_Request request;

	FCGX_InitRequest(&request, 0, 0);
	while (FCGX_Accept_r(&request) == 0) {
		while (FCGX_GetStr(body, sizeof body, request.in) == (int)sizeof body)
			continue;
		FCGX_PutStr(answer, sizeof answer - 1, request.out);
		FCGX_Finish_r(&request);
	}
	return unused;
}

int
main(void)
{
	pthread_t threads[THREADS];

	FCGX_Init();
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
