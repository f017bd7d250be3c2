/* multipart.h - a multipart/form-data body becomes leaves (RFC 7578, RFC 2046 section 5.1)
 *
 * A part without a filename is a field: its bytes are the value as they are, its name nests
 * as in form.h. A part with a filename is a file: it becomes NAME.filename, NAME.type (its
 * Content-Type, "text/plain" without one, RFC 7578 4.4) and NAME.size, and its bytes stay in the
 * body. The last of a repeated name wins, as there.
 *
 * Read strictly, since two readers that split a body differently are two opinions on what was
 * signed: lines end in CRLF; a line that begins with the boundary is one (RFC 2046 5.1.1), so
 * more text on it makes the body invalid; no folded header lines; each part has one
 * Content-Disposition, form-data, with one name; no Content-Transfer-Encoding that would have to be
 * undone; the closing boundary must be there. What stands in front of the first and behind the
 * closing boundary is passed over. In quoted parameters both ways to write a quote are read: \"
 * (RFC 9110 5.6.4; a backslash in front of anything but " and \ is a letter, as in the file names
 * of Windows) and %22, with %0D and %0A, as browsers do (HTML, "multipart form data").
 * filename* (RFC 8187) is forbidden by RFC 7578 4.2 and sent all the same, by .NET beside
 * filename: it counts where it stands alone, and then must be UTF-8.
 */
#ifndef HOOKCGI_MULTIPART_H
#define HOOKCGI_MULTIPART_H

#include <stdbool.h>

#include "buf.h"
#include "leaf.h"

#define MULTIPART_BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */
#define MULTIPART_PARTS_MAX 1000
#define MULTIPART_HEADERS_MAX 8192 /* bytes of one part's, with the empty line */

enum multipart_result {
	MULTIPART_OK,
	MULTIPART_INVALID,
	MULTIPART_TOO_LARGE, /* over a limit above or in leaf.h */
	MULTIPART_NO_MEMORY,
};

/*
 * Parse body into an empty tree (its root is an object). content_type is the request's, with
 * the boundary. reason_out (may be NULL) as json_parse(); on anything but MULTIPART_OK the
 * tree must only be freed. A NUL or invalid UTF-8 in a name, a field's value, a filename or a
 * type makes the body invalid; a file's bytes may be any.
 */
enum multipart_result multipart_parse(struct slice body, const char *content_type,
	struct leaves *out, char *reason_out) __attribute__((warn_unused_result));

/*
 * The bytes of the first field with exactly this name, borrowed from body. false: there is none, or
 * it is a file, or multipart_parse() would refuse the body or the value.
 * *repeated_out (may be NULL): more than one part, field or file, has the name.
 */
bool multipart_find(struct slice body, const char *content_type, const char *name,
	struct slice *out, bool *repeated_out) __attribute__((warn_unused_result));

#endif
