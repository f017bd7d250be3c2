/* records.c - a request as records on a connection: how much has come, and its body
 *
 * libfcgi reads 8 KiB at once and copies out of that, so a body of 1 MB takes
 * it 130 reads. Here the content of a record goes from the socket to where it stays, and the same
 * read takes the next record's header along.
 */
#include "records.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <fastcgi.h>

struct header {
	int type;
	int request_id;
	unsigned content;
	unsigned padding;
};

/* false: another version. */
static bool
parse_header(const unsigned char bytes[FCGI_HEADER_LEN], struct header *out)
{
	*out = (struct header){
		.type = bytes[1],
		.request_id = bytes[2] << 8 | bytes[3],
		.content = (unsigned)bytes[4] << 8 | bytes[5],
		.padding = bytes[6],
	};
	return bytes[0] == FCGI_VERSION_1;
}

/* What is anything else than a request is left to libfcgi. */
enum records_arrival
records_look(int fd, size_t *head_len_out)
{
	unsigned char data[RECORDS_LOOK_MAX];
	struct header begin = { 0 };
	enum records_arrival arrival = RECORDS_PART;
	ssize_t len = recv(fd, data, sizeof data, MSG_PEEK | MSG_DONTWAIT);

	*head_len_out = 0;
	for (ssize_t at = 0; at + FCGI_HEADER_LEN <= len;) {
		struct header header;
		bool known = parse_header(data + at, &header);
		if (at == 0)
			begin = header;
		if (!known || header.request_id != begin.request_id ||
			(at == 0) != (header.type == FCGI_BEGIN_REQUEST))
			break;
		at += FCGI_HEADER_LEN + (ssize_t)(header.content + header.padding);
		if (at > len)
			break;
		if (header.type == FCGI_PARAMS && header.content == 0 && arrival == RECORDS_PART) {
			arrival = RECORDS_HEAD;
			*head_len_out = (size_t)at;
		} else if (header.type == FCGI_STDIN && header.content == 0 &&
			   arrival == RECORDS_HEAD) {
			return RECORDS_WHOLE;
		}
	}
	return arrival;
}

void
records_init(struct records *records, int fd, int request_id)
{
	*records = (struct records){
		.fd = fd,
		.request_id = request_id,
		.between = FCGI_HEADER_LEN,
	};
}

bool
records_ended(const struct records *records)
{
	return !records->broken && records->last && records->ahead_len == records->between;
}

/* All that was between two records has come: go on to the next one. */
static void
begin_record(struct records *records)
{
	struct header header;
	bool known = parse_header(records->ahead + records->between - FCGI_HEADER_LEN, &header);

	records->broken =
		!known || header.type != FCGI_STDIN || header.request_id != records->request_id;
	records->last = header.content == 0;
	records->content = header.content;
	records->between = header.padding + (records->last ? 0 : FCGI_HEADER_LEN);
	records->ahead_len = 0;
}

/* One read: content as far as there is room, and what is between when that is all of it. */
static ssize_t
receive(const struct records *records, char *data, size_t len)
{
	struct iovec parts[] = {
		{ data, len },
		{ (void *)(records->ahead + records->ahead_len),
			records->between - records->ahead_len },
	};
	struct msghdr message = {
		.msg_iov = len > 0 ? parts : parts + 1,
		.msg_iovlen = len > 0 && len == records->content ? 2 : 1,
	};
	return recvmsg(records->fd, &message, MSG_DONTWAIT);
}

enum records_result
records_read(struct records *records, char *data, size_t size, size_t *len_out)
{
	*len_out = 0;
	while (!records->broken && !records_ended(records)) {
		size_t room = MIN(size, records->content);
		ssize_t len = receive(records, data, room);
		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			return RECORDS_LATER;
		if (len <= 0) {
			records->broken = true;
			break;
		}
		size_t content = MIN((size_t)len, room);
		records->content -= (unsigned)content;
		records->ahead_len += (unsigned)((size_t)len - content);
		if (records->ahead_len == records->between && !records->last)
			begin_record(records);
		if (content > 0) {
			*len_out = content;
			return RECORDS_OK;
		}
	}
	return records->broken ? RECORDS_BROKEN : RECORDS_OK;
}
