#!/usr/bin/env python3
"""fcgi_client.py - one FastCGI request against a socket, also a broken one

Sends the parameters and body that are asked for, with faults if wanted, and
prints the answer: what came on standard output (Status line, headers, body) to
standard output, what came on the error stream to standard error.

    fcgi_client.py /run/hookcgi.sock PATH_INFO=/orders HTTP_X_SIGNATURE=abc --body event.json
    fcgi_client.py 127.0.0.1:9000 --data hello --fault cut-body
    fcgi_client.py SOCKET --body - --length none --count 100

Exit status: 0 a whole answer, 1 no whole answer, 2 usage, 3 nothing came in time.
"""
import argparse
import random
import socket
import struct
import sys
import time

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR, GET_VALUES = 1, 2, 3, 4, 5, 6, 7, 9
ROLES = {"responder": 1, "authorizer": 2, "filter": 3}
FAULTS = {
    "cut-params": "close after half of the parameters",
    "cut-body": "close after half of the body",
    "no-end": "send all of the body but not its end, then close",
    "abort": "send FCGI_ABORT_REQUEST after half of the body",
    "other-version": "send a record of another version after half of the body",
    "late-body": "send the body --pause seconds after the parameters",
    "slow-params": "send the parameters one byte each --pause seconds",
    "slow-body": "send the body one byte each --pause seconds",
    "stall-params": "stop after half of the parameters and wait",
    "stall-body": "stop after half of the body and wait",
    "silent": "connect and send nothing",
    "garbage": "send an HTTP request instead of records",
    "gone": "close after the request without reading the answer",
}


def record(kind, content=b"", padding=0, version=1):
    """One record (FastCGI specification 3.3)."""
    return struct.pack(">BBHHBx", version, kind, 1, len(content), padding) + content + bytes(padding)


def stream(kind, content, size=0xFFF8, padded=False):
    """The content as records, without the empty one that ends the stream; padded: as if at random."""
    return b"".join(record(kind, content[at:at + size], padding=at * 37 % 256 if padded else 0)
                    for at in range(0, len(content), size))


def pair(name, value):
    """A name-value pair (3.4)."""
    def length(n):
        return bytes([n]) if n < 128 else struct.pack(">I", n | 0x80000000)
    return length(len(name)) + length(len(value)) + name + value


def connect(where, timeout):
    """A connected socket for a path or HOST:PORT."""
    host, colon, port = where.rpartition(":")
    if colon and "/" not in where:
        return socket.create_connection((host.strip("[]"), int(port)), timeout)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    sock.connect(where)
    return sock


def receive(sock):
    """All records until the peer closes: standard output, errors, and was it ended by END_REQUEST?"""
    raw = b""
    try:
        while piece := sock.recv(65536):
            raw += piece
    except ConnectionResetError:
        pass
    out, err, ended = b"", b"", False
    while len(raw) >= 8:
        _, kind, _, length, padding = struct.unpack(">BBHHBx", raw[:8])
        content, raw = raw[8:8 + length], raw[8 + length + padding:]
        if kind == STDOUT:
            out += content
        elif kind == STDERR:
            err += content
        elif kind == END:
            ended = len(content) == 8 and content[4] == 0
    return out, err, ended and not raw


def parameters(args, body):
    """The variables of the request, defaults first, the given ones over them."""
    variables = [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("REQUEST_METHOD", args.method),
        ("SCRIPT_NAME", "/hooks"),
        ("REMOTE_ADDR", "192.0.2.1"),
    ]
    length = str(len(body)) if args.length is None else args.length
    if length != "none":
        variables.append(("CONTENT_LENGTH", length))
    given = [tuple(text.split("=", 1)) for text in args.variable]
    names = {name for name, _ in given}
    # a name that is given twice is sent twice, as lighttpd and nginx do
    return [v for v in variables if v[0] not in names] + given


def send_slowly(sock, data, pause):
    """One byte at a time, until all is sent or nobody takes it any more."""
    for at in range(len(data)):
        sock.sendall(data[at:at + 1])
        time.sleep(pause)


def send_cut(sock, data, cuts):
    """Cut at random places."""
    ends = sorted(random.sample(range(1, len(data)), cuts)) + [len(data)]
    for at, end in zip([0] + ends, ends):
        sock.sendall(data[at:end])
        time.sleep(random.choice((0, 0, 0.001)))


def send(sock, args, params, content):
    """Send the request with its fault. False: do not wait for an answer."""
    fault = args.fault
    body = stream(STDIN, content, args.record, args.padded)
    begin = record(BEGIN, struct.pack(">HB5x", ROLES[args.role], int(args.keep)))
    params_end, body_end = record(PARAMS), record(STDIN)
    half_params, half_body = params[:len(params) // 2], body[:len(body) // 2]
    if fault == "abort":  # between records
        half_body = stream(STDIN, content[:len(content) // 2], args.record)
    if fault == "other-version":
        half = len(content) // 2
        body = stream(STDIN, content[:half]) + record(STDIN, b" ", version=2) + stream(STDIN, content[half:])
    if fault == "silent":
        return True
    if fault == "garbage":
        sock.sendall(b"POST /hooks/x HTTP/1.1\r\nHost: example.org\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        return True
    if args.cuts:
        send_cut(sock, begin + params + params_end + body + body_end, args.cuts)
        return True
    sock.sendall(begin)
    if fault in ("cut-params", "stall-params"):
        sock.sendall(half_params)
        if fault == "cut-params":
            sock.shutdown(socket.SHUT_WR)
        return True
    if fault == "slow-params":
        send_slowly(sock, params, args.pause)
    else:
        sock.sendall(params)
    sock.sendall(params_end)
    if fault == "late-body":
        time.sleep(args.pause)
    if fault in ("cut-body", "stall-body", "abort"):
        sock.sendall(half_body)
        if fault == "abort":
            sock.sendall(record(ABORT))
        elif fault == "cut-body":
            sock.shutdown(socket.SHUT_WR)
        return True
    if fault == "slow-body":
        send_slowly(sock, body, args.pause)
    else:
        sock.sendall(body)
    if fault == "no-end":
        sock.shutdown(socket.SHUT_WR)
        return True
    sock.sendall(body_end)
    return fault != "gone"


def request(args, body):
    """One request. Returns the exit status."""
    params = stream(PARAMS, b"".join(
        pair(name.encode(), value.encode("utf-8", "surrogateescape"))
        for name, value in parameters(args, body)))
    with connect(args.socket, args.timeout) as sock:
        try:
            if not send(sock, args, params, body):
                return 0
        except (BrokenPipeError, ConnectionResetError):
            pass  # an early answer may be there all the same
        try:
            out, err, ended = receive(sock)
        except socket.timeout:
            print("fcgi_client.py: nothing came in time", file=sys.stderr)
            return 3
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
    sys.stderr.buffer.write(err)
    sys.stderr.buffer.flush()
    return 0 if ended else 1


def main():
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="faults:\n" + "\n".join("  %-13s %s" % item for item in FAULTS.items()))
    parser.add_argument("socket", help="path of a Unix socket, or HOST:PORT")
    parser.add_argument("variable", nargs="*", help="NAME=value; the same name may come twice")
    parser.add_argument("--method", default="POST")
    parser.add_argument("--body", metavar="FILE", help="the body; - is standard input")
    parser.add_argument("--data", metavar="TEXT", help="the body itself")
    parser.add_argument("--length", help="another CONTENT_LENGTH; 'none' for no such variable")
    parser.add_argument("--role", choices=ROLES, default="responder")
    parser.add_argument("--keep", action="store_true", help="set FCGI_KEEP_CONN")
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--record", type=int, default=0xFFF8, metavar="SIZE", help="of a record of the body")
    parser.add_argument("--padded", action="store_true", help="pad the records of the body")
    parser.add_argument("--cuts", type=int, default=0, metavar="N", help="cut the request at N random places")
    parser.add_argument("--pause", type=float, default=0.05)
    parser.add_argument("--timeout", type=float, default=30, help="seconds without a byte")
    parser.add_argument("--count", type=int, default=1, help="send it so many times")
    args = parser.parse_intermixed_args()
    if any("=" not in text for text in args.variable):
        parser.error("variables are NAME=value")
    body = (args.data or "").encode("utf-8", "surrogateescape")
    if args.body == "-":
        body = sys.stdin.buffer.read()
    elif args.body:
        with open(args.body, "rb") as file:
            body = file.read()
    return max(request(args, body) for _ in range(args.count))


if __name__ == "__main__":
    sys.exit(main())
