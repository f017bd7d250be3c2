/* test_learn.c - a secret that is learned is kept once, whole, and for its owner alone */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "learn.h"

static char folder[64], path[PATH_MAX];

static int
setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/hookcgi-learn-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/learned", folder);
	return 0;
}

static int
teardown(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static enum learn_result
learn(const char *secret, const char *reason_piece)
{
	char reason[LEARN_REASON_MAX];
	enum learn_result result = learn_secret(path, slice_of(secret), reason);
	if (strstr(reason, reason_piece) == NULL)
		fail_msg("%s", reason);
	assert_null(strstr(reason, "s3cret"));
	return result;
}

static void
expect_content(const char *text)
{
	char there[2048] = "";
	struct stat status;
	int fd = open(path, O_RDONLY);
	assert_true(fd != -1);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_nlink, 1);
	assert_true(read(fd, there, sizeof there - 1) >= 0);
	close(fd);
	assert_string_equal(there, text);
}

/* Nothing is left beside the file. */
static size_t
files(void)
{
	size_t count = 0;
	DIR *open_folder = opendir(folder);
	assert_non_null(open_folder);
	for (struct dirent *entry; (entry = readdir(open_folder)) != NULL;)
		count += entry->d_name[0] != '.';
	closedir(open_folder);
	return count;
}

static void
put(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
a_secret_is_learned_once(void **state)
{
	(void)state;
	assert_int_equal(learn("s3cret", ""), LEARN_DONE);
	expect_content("s3cret");
	assert_int_equal(learn("s3cret", ""), LEARN_DONE);
	assert_int_equal(learn("other-s3cret", "another secret was learned before"), LEARN_OTHER);
	assert_int_equal(learn("s3cre", "another secret"), LEARN_OTHER);
	expect_content("s3cret");
	assert_int_equal(files(), 1);
}

static void
what_is_there_is_compared_as_the_configuration_reads_it(void **state)
{
	(void)state;
	put("s3cret\n", 0600);
	assert_int_equal(learn("s3cret", ""), LEARN_DONE);
	put("s3cret\r\n", 0600);
	assert_int_equal(learn("s3cret", ""), LEARN_DONE);
	put("s3cret\n\n", 0600);
	assert_int_equal(learn("s3cret", "another secret"), LEARN_OTHER);
	put("", 0600);
	assert_int_equal(learn("s3cret", "another secret"), LEARN_OTHER);
	put("s3cret", 0644);
	assert_int_equal(learn("s3cret", "others can read"), LEARN_FAILED);
	assert_int_equal(files(), 1);
}

static void
nothing_is_learned_where_others_could_change_it(void **state)
{
	(void)state;
	assert_int_equal(chmod(folder, 0777), 0);
	assert_int_equal(learn("s3cret", "others can write the folder"), LEARN_FAILED);
	assert_int_equal(files(), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(symlink("elsewhere", path), 0);
	assert_int_equal(learn("s3cret", "does not exist"), LEARN_FAILED);
	assert_int_equal(files(), 1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(learn("s3cret", "is a folder"), LEARN_FAILED);
	snprintf(path, sizeof path, "%s/no/learned", folder);
	assert_int_equal(learn("s3cret", "creating"), LEARN_FAILED);
}

/* Sixteen processes, all at once; half of them bring another secret. */
static void
of_many_at_once_one_wins(void **state)
{
	enum { PROCESSES = 16 };
	pid_t children[PROCESSES];
	int gate[2];
	int done = 0;
	int other = 0;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			char reason[LEARN_REASON_MAX], byte;
			close(gate[1]);
			if (read(gate[0], &byte, 1) != 0)
				_exit(9);
			_exit((int)learn_secret(
				path, slice_of(i % 2 == 0 ? "even" : "odd"), reason));
		}
		assert_true(children[i] > 0);
	}
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_true(WIFEXITED(status));
		done += WEXITSTATUS(status) == LEARN_DONE;
		other += WEXITSTATUS(status) == LEARN_OTHER;
	}
	assert_int_equal(done, PROCESSES / 2);
	assert_int_equal(other, PROCESSES / 2);
	assert_int_equal(files(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_secret_is_learned_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_there_is_compared_as_the_configuration_reads_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nothing_is_learned_where_others_could_change_it, setup, teardown),
		cmocka_unit_test_setup_teardown(of_many_at_once_one_wins, setup, teardown),
	};

	return cmocka_run_group_tests_name("learn", tests, NULL, NULL);
}
