#!/usr/bin/env python3
"""faults.py - full, read-only and damaged disks, locks, signals, little memory: nothing that was answered 200 is lost

    faults.py SCENARIO      one of those at the end of this file; TORTURE=1: more of everything

Each scenario runs the real program in a folder of its own, does the damage while events come, and
compares what senders were told with what is there afterwards. Its last line says what was
covered. Exit status: 0 good, 1 a promise was broken, 77 it cannot run here (the last line says why).

Mounts are made in a mount namespace of the scenario's own, so nothing of them can stay behind. The
scenario is the subreaper of all that it starts, and ends it.
"""
import collections
import ctypes
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import fcgi_client  # noqa: E402  the FastCGI records of the other tests

HOOKCGI = os.environ.get("HOOKCGI", str(HERE.parent.parent / "build/hookcgi"))
TORTURE = os.environ.get("TORTURE", "0") not in ("", "0")
SECRET = "0123456789abcdef0123456789abcdef"
SKIP = 77
LONGEST_S = 3600 if TORTURE else 240  # a scenario that takes longer hangs
HANG_S = 20  # nobody waits as long as that for an answer, on any machine
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
libc = ctypes.CDLL(None, use_errno=True)
labs = []


class Skip(Exception):
    """The scenario cannot run here."""


def quick_or_torture(quick, torture):
    """The size of a scenario in the tier that runs."""
    return torture if TORTURE else quick


def wait_for(seconds, condition):
    """Poll until it is true. False: it was not within that time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# --- processes -------------------------------------------------------------------


def with_parent(umask=0o022):
    """In a child before it becomes the program: it ends with the scenario, and in a group of its own."""
    os.setsid()
    os.umask(umask)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def parents():
    """{pid: pid of its parent} of all processes."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text(errors="replace")
        except OSError:
            continue
        found[int(entry)] = int(stat[stat.rindex(")") + 2:].split()[1])
    return found


def tree(pid):
    """The process and all below it."""
    of, found = parents(), [pid]
    for one in found:
        found += [child for child, parent in of.items() if parent == one]
    return found


def name_of(pid):
    """The name of a process, "" when it has ended."""
    try:
        return pathlib.Path("/proc", str(pid), "comm").read_text().strip()
    except OSError:
        return ""


def memory_of(pid):
    """The size of a process in bytes; 0: it has ended."""
    try:
        size = re.search(r"VmSize:\s+(\d+)", pathlib.Path("/proc", str(pid), "status").read_text())
    except OSError:
        size = None
    return int(size.group(1)) * 1024 if size else 0


def programs():
    """All processes of the program that this one has started and that live; the nursery is below no other of them."""
    return [pid for pid in tree(os.getpid())[1:] if name_of(pid).startswith("hookcgi") and memory_of(pid)]


def kill_below():
    """End all that this process has started, also what lost its parent."""
    for pid in tree(os.getpid())[1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        while os.waitpid(-1, 0):
            pass
    except ChildProcessError:
        pass


def in_namespace():
    """Go on in a mount namespace of our own; skip where there is none.

    Not in a user namespace: root's folders belong to nobody there, and the program refuses a configuration below them."""
    if os.environ.get("FAULTS_NAMESPACE"):
        return
    probe = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"]
    if os.geteuid() != 0 or subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        raise Skip("only root can mount a small disk")
    os.execvpe("unshare", ["unshare", "-m", sys.executable] + sys.argv, {**os.environ, "FAULTS_NAMESPACE": "1"})


# --- the lab ---------------------------------------------------------------------


class Answer:
    """What a sender got; whole only when all of it came."""

    def __init__(self, raw, whole):
        head, _, body = raw.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1")
        match = re.match(r"Status: (\d+)", self.head)
        self.status = int(match.group(1)) if whole and match else 0
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = {}
        self.id = self.json.get("id", 0)

    def __repr__(self):
        return "%s %s" % (self.status, self.json)


class Lab:
    """A folder with a configuration, a handler and a store, and the processes on it."""

    def __init__(self, disk=None, options="", top="", run=None):
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hookcgi-faults.", dir=place))
        labs.append(self)
        for name in ("etc", "handlers", "out", "log", "disk"):
            (self.dir / name).mkdir(mode=0o700)
        self.disk = self.dir / "disk"
        if disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=" + disk, "none", self.disk],
                           check=True)
        self.db = self.disk / "data" / "hookcgi.db"
        self.log = self.dir / "log" / "log"
        self.socket = self.dir / "s"
        self.processes = {}
        self.number, self.serial = len(labs), itertools.count(1)
        (self.dir / "etc/secret").write_text(SECRET)
        (self.dir / "etc/secret").chmod(0o600)
        record = self.dir / "handlers/record"
        record.write_text('#!/bin/sh\necho "$HOOK_KEY $HOOK_HEADER_X_MARK" >>"${0%/handlers/*}/out/runs"\n')
        record.chmod(0o700)
        self.configure(options, top, run or [record])

    def configure(self, options="", top="", run=(), db=None):
        """Write the configuration: one endpoint "h", signed as idfy does."""
        self.conf = self.dir / "etc/hookcgi.conf"
        self.conf.write_text(
            'store = "sqlite:%s"\nlog = "file:%s"\nworker = "off"\n%s\n' % (db or self.db, self.log, top)
            + 'endpoint "h" {\nprovider = "idfy"\nsecret = "file:secret"\nheaders = {"X-Mark"}\n'
            + "run = {%s}\nconcurrency = 4\n%s\n}\n" % (", ".join('"%s"' % word for word in run), options))
        self.conf.chmod(0o600)

    def start(self, name, *arguments, before=None, umask=0o022):
        """Start the program in the background."""
        def prepare():
            with_parent(umask)
            if before:
                before()
        with open(self.dir / "log" / name, "ab") as out:
            self.processes[name] = subprocess.Popen(
                [HOOKCGI, "-c", self.conf, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=prepare, env={"PATH": "/usr/bin:/bin"})
        return self.processes[name]

    def serve(self, **how):
        """Start the FastCGI server and wait until it listens."""
        process = self.start("serve", "serve", "--listen", "unix:%s" % self.socket, **how)

        self.wait_for_server(process)
        return process

    def wait_for_server(self, process):
        """Until it listens."""
        def listens():
            assert process.poll() is None, "the server ended with %s" % process.returncode
            return self.listens()
        assert wait_for(HANG_S, listens), "the server does not listen"

    def listens(self):
        """Does anybody, on the server's socket?"""
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self.socket)) == 0

    def work(self, *arguments, **how):
        """Start a worker."""
        return self.start("worker", "worker", *arguments, **how)

    def stop(self, name, number=signal.SIGTERM):
        """End a process; TERM must be enough."""
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if number == signal.SIGKILL:
            for pid in tree(process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:  # also what it left, had it died before
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        elif process.poll() is None:
            process.send_signal(number)
        try:
            status = process.wait(60)
            # A nursery that has just been started has the listening socket for a moment longer.
            assert name != "serve" or wait_for(HANG_S, lambda: not self.listens()), "somebody still listens"
            return status
        except subprocess.TimeoutExpired:
            raise AssertionError("%s does not end on signal %d" % (name, number)) from None

    def close(self):
        """Leave nothing behind."""
        if os.path.ismount(self.disk):
            subprocess.run(["umount", "-l", self.disk], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)

    def cli(self, *arguments, config=None):
        """The command line: (exit status, standard output, standard error). It never crashes."""
        done = subprocess.run([HOOKCGI, "-c", config or self.conf, *map(str, arguments)], timeout=60, check=False,
                              capture_output=True, stdin=subprocess.DEVNULL)
        assert done.returncode >= 0, "hookcgi %s: signal %d" % (arguments, -done.returncode)
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def events(self):
        """{key: event} of all that the command line lists; None: it cannot."""
        status, out, _ = self.cli("list", "--json", "--limit", "0")
        if status != 0:
            return None
        return {event["key"]: event for event in map(json.loads, out.splitlines())}

    def runs(self):
        """{key: how often its handler ran}."""
        try:
            lines = (self.dir / "out/runs").read_text().splitlines()
        except FileNotFoundError:
            lines = []
        return collections.Counter(line.split(" ")[0] for line in lines)

    def body(self, key, size=0):
        """A body that belongs to this key alone."""
        filler = hashlib.sha256(key.encode()).hexdigest() * (size // 64 + 1)
        return json.dumps({"id": key, "type": "t", "payload": filler[:size]}).encode()

    def variables(self, body, mark):
        """The request's variables, signed."""
        signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        return {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "POST",
                "SCRIPT_NAME": "/hooks", "PATH_INFO": "/h", "REMOTE_ADDR": "192.0.2.1",
                "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)),
                "HTTP_X_IDFY_SIGNATURE": signature, "HTTP_X_MARK": mark}

    def fastcgi(self, body, mark=""):
        """One request to the server."""
        pairs = b"".join(fcgi_client.pair(name.encode(), value.encode())
                         for name, value in self.variables(body, mark).items())
        begin = fcgi_client.record(fcgi_client.BEGIN, struct.pack(">HB5x", 1, 0))
        parts = (begin, fcgi_client.stream(fcgi_client.PARAMS, pairs), fcgi_client.record(fcgi_client.PARAMS),
                 fcgi_client.stream(fcgi_client.STDIN, body), fcgi_client.record(fcgi_client.STDIN))
        try:
            with fcgi_client.connect(str(self.socket), HANG_S) as sock:
                try:
                    sock.sendall(b"".join(parts))
                except (BrokenPipeError, ConnectionResetError):
                    pass
                out, _, whole = fcgi_client.receive(sock)
                return Answer(out, whole)
        except socket.timeout:
            raise AssertionError("no answer within %d s" % HANG_S) from None
        except OSError:
            return Answer(b"", False)

    def cgi(self, body, mark="", before=None):
        """One request to a CGI process, which must not crash."""
        env = {**self.variables(body, mark), "HOOKCGI_CONFIG": str(self.conf), "PATH": "/usr/bin:/bin"}
        done = subprocess.run([HOOKCGI], input=body, env=env, timeout=HANG_S, capture_output=True, check=False,
                              preexec_fn=before)
        assert done.returncode >= 0, "a CGI process died of signal %d" % -done.returncode
        return Answer(done.stdout, done.returncode == 0)

    def key(self):
        """One that was not there before."""
        return "evt_%d_%d" % (self.number, next(self.serial))

    def accept(self, count, size=0, send=None, mark=""):
        """Send so many events, which must all be accepted. {key: number}"""
        acked = {}
        for _ in range(count):
            key = self.key()
            answer = (send or self.fastcgi)(self.body(key, size), mark)
            assert answer.status == 200 and answer.json["status"] == "accepted", answer
            acked[key] = answer.id
        return acked

    def recovers(self, send=None):
        """Events are taken again by themselves. ({key: number}, seconds that took)"""
        began, acked = time.monotonic(), {}

        def taken():
            key = self.key()
            answer = (send or self.fastcgi)(self.body(key))
            if answer.status == 200:
                acked[key] = answer.id
            return answer.status == 200
        assert wait_for(HANG_S, taken), "it does not recover: %s" % self.tail()
        return acked, time.monotonic() - began

    def check_whole(self):
        """integrity_check by another SQLite than the program's."""
        with sqlite3.connect("file:%s?mode=ro" % self.db, uri=True, timeout=HANG_S) as database:
            found = database.execute("PRAGMA integrity_check").fetchone()[0]
        database.close()
        assert found == "ok", found

    def check_stored(self, acked):
        """All that was acknowledged is there, under its number."""
        events = self.events()
        assert events is not None, "the command line cannot read the store"
        lost = [key for key, number in acked.items() if key not in events or events[key]["id"] != number]
        assert not lost, "%d of %d acknowledged events are lost: %s" % (len(lost), len(acked), lost[:5])
        return events

    def drain(self, acked, seconds=120):
        """The worker brings all of them to an end."""
        def over():
            assert self.processes["worker"].poll() is None, "the worker ended: %s" % self.tail()
            events = self.events()
            return events is not None and all(
                event["state"] not in ("queued", "running") for event in events.values())
        assert wait_for(seconds, over), "the queue does not drain: %s" % self.tail()
        events, runs = self.check_stored(acked), self.runs()
        wrong = [events[key] for key in acked if events[key]["state"] != "done" or runs[key] < 1]
        assert not wrong, "not run: %s" % wrong[:3]
        return runs

    def log_lines(self, *words):
        """How many lines of the log hold all of these words."""
        try:
            text = self.log.read_text(errors="replace")
        except FileNotFoundError:
            return 0
        return sum(all(word in line for word in words) for line in text.splitlines())

    def check_no_crash(self):
        """No runner ended by itself, and nobody had to be started again."""
        assert self.log_lines("ended by itself") == 0, self.tail()
        for name, process in self.processes.items():
            assert process.poll() is None, "%s ended with %s: %s" % (name, process.returncode, self.tail())

    def tail(self):
        """The last lines of all logs."""
        lines = []
        for path in sorted((self.dir / "log").iterdir()):
            lines += path.read_text(errors="replace").splitlines()[-4:]
        return "\n".join(line[:300] for line in lines)


class Load:
    """Senders in threads, each event new, until stop(). What they were told is in acked and statuses."""

    def __init__(self, lab, threads=4, size=200, cgi=False, pause=0.0, until=None):
        self.lab, self.size, self.pause, self.until = lab, size, pause, until
        self.send = lab.cgi if cgi else lab.fastcgi
        self.acked, self.statuses, self.wrong = {}, collections.Counter(), []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        """One sender."""
        while not self.over.is_set():
            key = self.lab.key()
            try:
                answer = self.send(self.lab.body(key, self.size))
            except AssertionError as error:
                self.wrong.append(str(error))
                return
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.acked[key] = answer.id
                if answer.json.get("status") != "accepted":
                    self.wrong.append("%s: %r" % (key, answer))
            elif answer.status == 503 and not re.search(r"Retry-After: \d", answer.head):
                self.wrong.append("503 without Retry-After: %s" % answer.head)
            elif answer.status not in (0, 503):
                self.wrong.append(repr(answer))
            if self.until is not None and self.statuses[self.until] >= len(self.threads):
                self.over.set()
            if self.pause or answer.status == 0:
                time.sleep(self.pause or 0.01)

    def stop(self, whole=True):
        """End it. whole: every request must have been answered."""
        self.over.set()
        for thread in self.threads:
            thread.join(2 * HANG_S)
        assert not self.wrong, self.wrong[:3]
        assert not whole or self.statuses[0] == 0, "%d requests had no answer" % self.statuses[0]
        return self.acked

    def wait_until(self, status, count, since=None):
        """So many answers more with this status; since: than that many."""
        wanted = (self.statuses[status] if since is None else since) + count
        assert wait_for(HANG_S, lambda: self.statuses[status] >= wanted or self.wrong), \
            "no %d any more: %s, %s" % (status, dict(self.statuses), self.lab.tail())
        assert not self.wrong, self.wrong[:3]


# --- no room on the disk -----------------------------------------------------------


def fill(lab, pages):
    """Leave so many pages on the small disk."""
    ballast = lab.disk / "ballast"
    ballast.touch()
    os.truncate(ballast, 0)
    with open(ballast, "r+b") as file:
        for _ in range(1000):
            status = os.statvfs(lab.disk)
            try:
                os.posix_fallocate(file.fileno(), 0, max(1, status.f_bavail - pages) * status.f_bsize)
                return
            except OSError:
                continue  # the worker has just taken some
    raise AssertionError("the disk cannot be filled")


def make_room(lab):
    """Take the ballast away."""
    os.truncate(lab.disk / "ballast", 0)


def full_round(lab, load):
    """With the disk as it is: accept until 503, then make room; the next events are taken."""
    assert wait_for(HANG_S, lambda: load.over.is_set() or load.wrong), \
        "the disk never became full: %s" % dict(load.statuses)
    acked = dict(load.stop())
    make_room(lab)
    more, seconds = lab.recovers(load.send)
    acked.update(more)
    return acked, load.statuses[503], seconds


def disk_full():
    """FastCGI and a worker on a small disk that is filled at many points, also before the first event."""
    in_namespace()
    fills = quick_or_torture(25, 200)
    acked_all = refused = 0
    slowest = 0.0
    points = random.Random(8)
    for first in range(0, fills, 13):
        lab = Lab(disk="20m")
        acked = {}
        for number in range(first, min(first + 13, fills)):
            if number == first or number % 4 == 0:  # opened while there is no room
                lab.stop("serve", signal.SIGKILL)
                fill(lab, points.choice((0, 1, 2, 8, 40, 129, 140, 150, 170)))
                lab.serve()
            else:
                fill(lab, points.randrange(130))
            more, count, seconds = full_round(lab, Load(lab, size=6000, until=503))
            acked.update(more)
            refused += count
            slowest = max(slowest, seconds)
            if "worker" not in lab.processes:
                lab.work()
        fill(lab, 0)  # what is queued waits for room, or finds some
        lab.check_whole()
        make_room(lab)
        lab.drain(acked)
        lab.check_no_crash()
        lab.stop("worker")
        lab.stop("serve")
        lab.check_whole()
        acked_all += len(acked)
    assert refused > 0 and acked_all > 0
    return "full disk, FastCGI: %d fill points, %d acknowledged, %d answered 503, 0 lost, all run; again 200 " \
        "after %.2f s at most" % (fills, acked_all, refused, slowest)


def disk_full_cgi():
    """The same with a process for each request."""
    in_namespace()
    fills = quick_or_torture(25, 200)
    points = random.Random(9)
    acked, refused, total, slowest = {}, 0, 0, 0.0
    lab = None
    for number in range(fills):
        if number % 12 == 0:
            if lab is not None:
                lab.check_stored(acked)
                lab.check_whole()
            lab, acked = Lab(disk="12m"), {}
        fill(lab, points.randrange(60) if number % 12 else 2 * (number // 12))
        more, count, seconds = full_round(lab, Load(lab, threads=2, size=20000, cgi=True, until=503))
        acked.update(more)
        total += len(more)
        refused += count
        slowest = max(slowest, seconds)
    lab.check_stored(acked)
    lab.check_whole()
    lab.work()
    lab.drain(acked)
    assert refused >= fills and total > 0
    return "full disk, CGI: %d fill points, %d acknowledged, %d answered 503, 0 lost; again 200 after %.2f s at most" % (
        fills, total, refused, slowest)


def file_size():
    """RLIMIT_FSIZE in the server, its nursery and the worker is a full disk, and nobody's death."""
    lab = Lab()
    limit = 900 * 1024  # the tally is half a megabyte
    everything = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    lab.serve(before=limited)
    lab.work(before=limited)
    load = Load(lab, size=6000)
    load.wait_until(503, quick_or_torture(50, 2000))
    load.stop()
    key = lab.key()
    assert lab.cgi(lab.body(key, 6000), before=limited).status == 503, "a CGI process within the limit"
    acked = dict(load.acked)
    lab.check_no_crash()
    lab.check_stored(acked)
    for pid in programs():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, everything)
    more, seconds = lab.recovers()
    acked.update(more)
    lab.drain(acked)
    lab.check_no_crash()
    lab.check_whole()
    return "RLIMIT_FSIZE: %d acknowledged, %d answered 503, no SIGXFSZ; again 200 after %.2f s" % (
        len(acked), load.statuses[503], seconds)


# --- the disk cannot be written ------------------------------------------------------


def read_only():
    """A file system that becomes read-only, and writable again, under CGI load and at the start of a server."""
    in_namespace()
    lab = Lab(disk="64m")
    acked, turns, refused = lab.accept(3, send=lab.cgi), 0, 0
    for _ in range(quick_or_torture(4, 60)):
        load = Load(lab, threads=2, cgi=True)
        load.wait_until(200, 5)

        # It is refused while a process has a file open for writing.
        def remounted():
            return subprocess.run(["mount", "-o", "remount,ro", lab.disk], capture_output=True,
                                  check=False).returncode == 0
        assert wait_for(HANG_S, remounted), "the file system is in use all the time"
        load.wait_until(503, 5)
        lab.serve()
        worker = lab.work()
        for _ in range(5):
            assert lab.fastcgi(lab.body(lab.key())).status == 503
        assert worker.wait(HANG_S) == 1, "a worker on a read-only file system"
        subprocess.run(["mount", "-o", "remount,rw", lab.disk], check=True)
        load.wait_until(200, 5)
        acked.update(lab.recovers()[0])
        acked.update(load.stop())
        refused += load.statuses[503] + 5
        turns += 1
        lab.stop("serve")
        del lab.processes["worker"]
    requests = lab.log_lines("status=503")
    others = lab.log_lines(" error ") + lab.log_lines("worker:")
    assert requests <= refused + 100, "%d lines for %d requests" % (requests, refused)
    lab.check_stored(acked)
    lab.check_whole()
    lab.work()
    lab.drain(acked)
    return "read-only file system: %d times and back, %d acknowledged, %d answered 503, 0 lost, %d other lines" % (
        turns, len(acked), refused, others)


def writes_fail():
    """EROFS from all that writes the database that is open (a file system after an error), and back."""
    if os.geteuid() != 0:
        raise Skip("only root may trace a process that protects its memory")
    if shutil.which("strace") is None:
        raise Skip("there is no strace")
    lab = Lab()
    lab.serve()
    lab.work()
    acked, turns, refused = lab.accept(3), 0, 0
    calls = "pwrite64,ftruncate,fdatasync,fsync,fallocate"
    for _ in range(quick_or_torture(2, 40)):
        load = Load(lab, pause=0.002)
        load.wait_until(200, 20)
        victims = programs()
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + calls,
             "-e", "inject=%s:error=EROFS" % calls, *["-p%d" % pid for pid in victims]],
            preexec_fn=with_parent, stderr=subprocess.DEVNULL)
        load.wait_until(503, 50)
        time.sleep(quick_or_torture(0.5, 3))  # no condition: the worker is to meet it, too
        tracer.terminate()
        tracer.wait(HANG_S)
        load.wait_until(200, 20)
        acked.update(load.stop())
        refused += load.statuses[503]
        turns += 1
    complaints = lab.log_lines("cannot be recorded") + lab.log_lines("can be claimed")
    assert complaints <= 8, "%d lines of the worker about the same" % complaints
    assert lab.log_lines("status=503") <= refused
    lab.drain(acked)
    lab.check_no_crash()
    lab.check_whole()
    return "writes fail with EROFS: %d times and back, %d acknowledged, %d answered 503, 0 lost, no crash, " \
        "%d complaints of the worker" % (turns, len(acked), refused, complaints)


# --- another file in its place --------------------------------------------------------


def moved():
    """The database renamed, removed, hard-linked and replaced while a server, CGI processes and a worker use it."""
    lab, other = Lab(), Lab()
    lab.serve()
    lab.work()
    away, kept = lab.disk / "away.db", lab.disk / "kept.db"
    acked = lab.accept(5)
    turns = refused = 0

    for how in ("renamed", "removed") * quick_or_torture(2, 30):
        load = Load(lab, pause=0.002)
        load.wait_until(200, 20)
        if how == "renamed":
            os.rename(lab.db, away)
        else:
            os.link(lab.db, away)  # so that it can come back at all
            os.unlink(lab.db)
        load.wait_until(503, 5 * len(load.threads))  # those that were under way may still be 200
        before = load.statuses[200]
        load.wait_until(503, 30)
        assert load.statuses[200] == before, "answered 200 without a database"
        assert not lab.db.exists(), "a new one was begun in its place"
        if how == "renamed":
            os.rename(away, lab.db)
        else:
            os.link(away, lab.db)
            os.unlink(away)
        load.wait_until(200, 20)
        acked.update(load.stop())
        refused += load.statuses[503]
        turns += 1

    os.link(lab.db, kept)  # a second name changes nothing
    acked.update(lab.accept(5))
    acked.update(lab.accept(2, send=lab.cgi))
    os.unlink(kept)

    # Another one of ours: 503 at first, then it is used, and what was in the first one stays there.
    other.serve()
    swapped = other.accept(3)
    other.stop("serve")  # its database is whole without a log, which CGI processes leave
    lab.stop("worker")
    load = Load(lab, pause=0.002)
    load.wait_until(200, 20)
    before = load.statuses[503]  # they may be over when the other one is there
    for suffix in ("", "-wal", "-shm"):
        os.rename(str(lab.db) + suffix, str(away) + suffix)
    shutil.copy(other.db, kept)
    os.rename(kept, lab.db)
    load.wait_until(503, 1, before)
    load.wait_until(200, 20)
    both = load.stop()
    lab.stop("serve")
    second = lab.events()
    lab.check_whole()
    assert all(key in second for key in swapped), "what the second one held is lost"
    acked.update({key: number for key, number in both.items() if key not in second})
    assert set(both) & set(second) and set(both) - set(second)
    os.rename(lab.db, kept)
    for suffix in ("-wal", "-shm", ""):
        os.rename(str(away) + suffix, str(lab.db) + suffix)
    lab.serve()
    acked.update(lab.accept(3))
    lab.check_stored(acked)
    lab.check_whole()

    # Something else: never taken for ours.
    foreign = {"text": b"This is no database.\n" * 300, "a page of zeros": bytes(4096)}
    lab.stop("serve")
    for what, content in foreign.items():
        lab.serve()
        acked.update(lab.accept(2))
        os.rename(lab.db, away)
        lab.db.write_bytes(content)
        for send in (lab.fastcgi, lab.fastcgi, lab.fastcgi, lab.cgi):
            answer = send(lab.body(lab.key()))
            assert answer.status == 503, "%s in its place: %r" % (what, answer)
        assert lab.db.read_bytes() == content, "%s was written to" % what
        os.rename(away, lab.db)
        acked.update(lab.recovers()[0])
        lab.stop("serve")
        turns += 1
    lab.serve()
    lab.work()
    lab.drain(acked)
    lab.check_no_crash()
    lab.check_whole()
    return "moved away and replaced: %d times, %d acknowledged, %d answered 503, %d went into the second database, " \
        "0 lost" % (turns + 1, len(acked), refused, len(set(both) & set(second)))


def swapped_alone():
    """Another database in the place of the open one, whose log still lies there and does not belong to it."""
    counts, wrong = collections.Counter(), []
    for held in (1, 3, 30, 300):
        lab, other = Lab(), Lab()
        other.serve()
        swapped = other.accept(held)
        other.stop("serve")
        lab.serve()
        lab.accept(30)
        lab.stop("serve")  # the database is whole, and the log new
        lab.serve()
        lab.accept(5)
        os.rename(lab.db, lab.disk / "away.db")
        shutil.copy(other.db, lab.db)
        statuses = [lab.fastcgi(lab.body(lab.key())).status for _ in range(10)]
        counts.update(statuses)
        lab.stop("serve", signal.SIGKILL)
        if 200 not in statuses:
            if lab.db.read_bytes() != other.db.read_bytes():
                wrong.append("one of %d events: answered 503, and it was written to" % held)
            continue
        events = lab.events() or {}
        gone = sum(key not in events for key in swapped)
        if gone:
            wrong.append("one of %d events: answered 200, and %d of its events are gone" % (held, gone))
    assert not wrong, wrong
    return "swapped under its log: %d answered 200, %d answered 503, the second database unharmed" % (
        counts[200], counts[503])


def emptied():
    """A file of nothing in the place of a database that had events is no new database."""
    lab = Lab()
    lab.serve()
    lab.accept(20)
    lab.stop("serve")
    content = lab.db.read_bytes()
    wrong = []
    for what in ("in a process that had it open", "at the start"):
        if what == "at the start":
            lab.stop("serve")
            lab.db.write_bytes(b"")
            lab.serve()
        else:
            lab.serve()
            lab.accept(1)
            os.rename(lab.db, lab.disk / "away.db")
            lab.db.write_bytes(b"")
        answers = [send(lab.body(lab.key())) for send in (lab.fastcgi, lab.fastcgi, lab.cgi)]
        if any(answer.status != 503 for answer in answers) or lab.db.stat().st_size > 0:
            wrong.append("%s: %s" % (what, answers))
    lab.stop("serve", signal.SIGKILL)
    for suffix in ("-wal", "-shm"):
        pathlib.Path(str(lab.db) + suffix).unlink(missing_ok=True)
    lab.db.write_bytes(content)
    assert not wrong, "an empty database was begun where 20 events were: %s" % wrong
    return "emptied database: answered 503 by servers and CGI"


# --- damage ---------------------------------------------------------------------------


def copy_store(lab, target):
    """The store's files as they lie, into another lab."""
    shutil.rmtree(target.db.parent, ignore_errors=True)
    shutil.copytree(lab.db.parent, target.db.parent, ignore=lambda _, names: [n for n in names if "-wake" in n])


def flip(path, offset, bit=0):
    """One bit of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def places_of(content, what):
    """All places where these bytes are."""
    return [match.start() for match in re.finditer(re.escape(what), content)]


def says_lost(lab):
    """Do `check` and `stats` say that acknowledged events are missing? They agree."""
    status, _, said = lab.cli("check")
    stats, out, _ = lab.cli("stats", "--json")
    by_check = status == 78 and "were acknowledged" in said
    by_stats = stats == 1 and json.loads(out.splitlines()[-1])["lost"] > 0
    assert by_check == by_stats, "check: %s, stats: %s" % (by_check, by_stats)
    return by_check


def killed_with_log():
    """A lab whose server was killed: some events are in the database, more in the write-ahead log."""
    lab = Lab()
    lab.serve()
    acked = lab.accept(10)
    lab.stop("serve")
    lab.serve()
    acked.update(lab.accept(30))
    lab.work()  # so that the end of the log is no event, but what became of some
    assert wait_for(HANG_S, lambda: len(lab.runs()) > 20)
    lab.stop("worker", signal.SIGKILL)
    lab.stop("serve", signal.SIGKILL)
    assert pathlib.Path(str(lab.db) + "-wal").stat().st_size > 30 * 4096
    return lab, acked


def lost_of(lab, acked):
    """How many of these the store does not have any more."""
    events = lab.events()
    return len(acked) if events is None else sum(key not in events for key in acked)


def log_damaged():
    """One flipped bit in the write-ahead log, and the log removed: a loss is said, by the tally."""
    lab, acked = killed_with_log()
    target = Lab()
    log, tally = (pathlib.Path(str(target.db) + suffix) for suffix in ("-wal", "-tally"))
    size = pathlib.Path(str(lab.db) + "-wal").stat().st_size
    flips = quick_or_torture(60, 1500)
    offsets = list(range(0, 32, 4)) + [32 + number * (size - 33) // (flips - 9) for number in range(flips - 8)]
    kinds = collections.Counter()
    lossy = []
    for number, offset in enumerate(offsets):
        copy_store(lab, target)
        flip(log, offset, number % 8)
        said = says_lost(target)
        lost = lost_of(target, acked)
        kinds["whole" if lost == 0 else "said" if said else "silent"] += 1
        assert said == (lost > 0), "offset %d: %d lost, said: %s" % (offset, lost, said)
        if lost:
            lossy.append((offset, number % 8, lost))
    copy_store(lab, target)
    log.unlink()
    assert says_lost(target) and lost_of(target, acked) == 30, "the log was removed"
    # Without the tally nobody knows: else this would prove nothing.
    for offset, bit, lost in lossy[:: max(1, len(lossy) // 5)]:
        copy_store(lab, target)
        flip(log, offset, bit)
        tally.unlink()
        assert not says_lost(target), "said without a tally"
        assert lost_of(target, acked) == lost
        kinds["control"] += 1
    assert kinds["said"] > 0 and kinds["control"] > 0 and kinds["silent"] == 0
    return "flipped bits in the log: %d offsets, %d without loss, %d with a loss that is said, 0 silent; log removed: " \
        "said; %d controls without a tally: not said" % (
            len(offsets), kinds["whole"], kinds["said"], kinds["control"])


def loss_stays_said():
    """What was lost is said also when as many new events have come since."""
    lab, acked = killed_with_log()
    pathlib.Path(str(lab.db) + "-wal").unlink()
    lab.serve()
    lab.accept(40)
    lost = lost_of(lab, acked)
    assert lost == 30
    said = says_lost(lab) or lab.log_lines("acknowledged") > 0
    assert said, "%d acknowledged events are lost; neither check nor stats nor the log says so after 40 new ones" % lost
    return "a loss of %d is still said after 40 new events" % lost


def body_damaged():
    """One flipped bit in a stored body: not run, dead, with its reason. And in what has no hash: what happens."""
    lab = Lab()
    lab.serve()
    acked, bad = {}, []
    for _ in range(quick_or_torture(20, 200)):
        acked.update(lab.accept(1, size=random.Random(len(acked)).choice((64, 512, 9000)), mark="mark"))
    lab.stop("serve")
    content = lab.db.read_bytes()
    for number, (key, delivery) in enumerate(acked.items()):
        if number % 2:
            continue
        filler = hashlib.sha256(key.encode()).hexdigest().encode()
        places = places_of(content, b'"payload": "' + filler[:32])
        assert places, "the body is not where it was"
        for at in places:  # a page that was divided may still hold an old copy
            flip(lab.db, at + 12 + number % 32, 1)
        bad.append((key, delivery))
    status, _, _ = lab.cli("show", bad[0][1])
    assert status == 1, "show of a damaged body"
    assert json.loads(lab.cli("show", bad[0][1], "--json")[1])["body_damaged"] is True
    lab.check_whole()  # SQLite sees nothing
    assert lab.work("--once").wait(60) == 0
    events, runs = lab.events(), lab.runs()
    for key, _ in bad:
        assert events[key]["state"] == "dead" and events[key]["reason"] and runs[key] == 0, events[key]
    good = [key for key in acked if (key, acked[key]) not in bad]
    assert all(events[key]["state"] == "done" and runs[key] == 1 for key in good)
    return "flipped bits in bodies: %d dead and not run (%s), %d others run" % (
        len(bad), events[bad[0][0]]["reason"], len(good))


def rest_damaged():
    """One flipped bit in kept variables and in the keys, which have no hash: what happens is said, and no crash."""
    said = []
    lab = Lab()
    lab.serve()
    acked = lab.accept(6, mark="MARKMARK")
    lab.stop("serve")

    # Kept variables: they have no hash.
    for at in places_of(lab.db.read_bytes(), b"HTTP_X_MARK=MARKMARK"):
        flip(lab.db, at + 14, 1)
    assert lab.work("--once").wait(60) == 0
    events, runs = lab.events(), lab.runs()
    assert all(key in events for key in acked)
    ran_wrong = (lab.dir / "out/runs").read_text().count("MARKMARK") == 0 and sum(runs.values()) == 6
    said.append("kept variable: %s" % ("handler runs with it, not noticed" if ran_wrong else "noticed"))

    # A key: found no more, so a second delivery is a second event; nothing else changes.
    lab = Lab()
    lab.serve()
    acked = lab.accept(6)
    lab.stop("serve")
    key = list(acked)[3]
    content = lab.db.read_bytes()
    with sqlite3.connect(lab.db) as database:
        page = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'key'").fetchone()[0]
        page_size = database.execute("PRAGMA page_size").fetchone()[0]
    database.close()
    flip(lab.db, content.index(key.encode(), (page - 1) * page_size) + len(key) - 1, 6)
    answer = lab.cgi(lab.body(key))
    assert answer.status in (200, 503), answer
    said.append("key: second delivery %s" % (answer.json.get("status") or answer.status))
    if answer.status == 200:
        assert lab.cli("show", answer.id)[0] == 0
    return "; ".join(said)


def counters_damaged():
    """One flipped bit in an endpoint's counters: what was acknowledged is run all the same."""
    said, wrong = [], []
    for column, bit in (("queued", 1), ("queued", 40), ("running", 2), ("running", 40), ("refusing", 0)):
        lab = Lab()
        lab.serve()
        lab.accept(4)
        lab.stop("serve")
        with sqlite3.connect(lab.db) as database:
            database.execute("UPDATE endpoint SET %s = %s + %d" % (column, column, 1 << bit))
        database.close()
        assert lab.work("--once").wait(60) == 0
        answer = lab.cgi(lab.body(lab.key()))
        assert answer.status in (200, 503), answer
        states = collections.Counter(event["state"] for event in lab.events().values())
        said.append("%s + 2^%d: %d run, next event %s" % (
            column, bit, states["done"], answer.json.get("status")))
        if states["done"] != 4:
            wrong.append("never run: " + said[-1])
        if answer.status != 200:
            wrong.append("refused for ever: " + said[-1])
    assert not wrong, wrong
    return "flipped bits in counters: " + "; ".join(said)


def damage(path, what, number, source):
    """Noise over 512 bytes, or an end too early."""
    if what == "noise":
        with open(path, "r+b") as file:
            file.seek(number)
            file.write(source.randbytes(512))
    else:
        os.truncate(path, number)


def noise():
    """Random bytes over parts of the database, and a file that is cut: no crash, no false 200, no empty one."""
    lab, target = Lab(), Lab()
    lab.serve()
    acked = lab.accept(40, size=1500)
    lab.stop("serve")
    lab.work("--once").wait(60)
    lab.processes.clear()
    lab.serve()
    acked.update(lab.accept(4, size=300))
    lab.stop("serve")
    size = lab.db.stat().st_size
    source = random.Random(15)
    count = quick_or_torture(40, 200)
    cases = [("noise", 0), ("noise", 100), ("noise", 4096)]
    cases += [("noise", source.randrange(size - 512)) for _ in range(count - len(cases))]
    cuts = {1, 15, 16, 99, 100, 512, 4095, 4096, 4097, 8192, size // 2, size // 2 // 4096 * 4096, size - 4096, size - 1}
    cases += [("cut to", length) for length in sorted(cuts)]
    kinds, wrong = collections.Counter(), []
    for what, number in cases:
        copy_store(lab, target)
        damage(target.db, what, number, source)
        label = "%s %d" % (what, number)
        before = target.cli("check")[0] if what == "cut to" else None
        key = target.key()
        answer = target.cgi(target.body(key, 700))
        events = target.events()
        after, _, said = target.cli("check")
        unreadable = [one for one in acked if events is None or one not in events]
        if answer.status == 200:
            status, body, complaint = target.cli("show", answer.id, "--body")
            if status != 0 and "the database is damaged" in complaint:
                kinds["kept on a damaged page, which is said"] += 1  # SQLite did not look at what it put it beside
            elif status != 0 or body.encode() != target.body(key, 700):
                wrong.append("%s: 200 and cannot be read back: %s %s" % (label, status, complaint))
            if events is not None and answer.id <= max(acked.values()) and answer.json["status"] == "accepted":
                wrong.append("%s: the number %d was given twice" % (label, answer.id))
        elif answer.status != 503:
            wrong.append("%s: %r" % (label, answer))
        elif after == 0:
            kinds["503 and check says nothing"] += 1
        if unreadable and after == 0:
            kinds["unreadable and check says nothing"] += 1
        if target.db.stat().st_size < min(size, number if what == "cut to" else size):
            wrong.append("%s: made smaller" % label)
        if what == "cut to" and number <= size - 4096 and answer.status == 200 and before == after == 0:
            wrong.append("%s: 200, and check says nothing" % label)
        target.log.unlink(missing_ok=True)
        kinds[answer.status] += 1
        kinds["check says so"] += after != 0
        if after != 0 and not said:
            wrong.append("%s: check fails and says nothing" % label)
        kinds["places"] += 1
        if kinds["places"] % 2 and not TORTURE:
            continue
        worker = target.work("--once")

        # It tries on while it cannot record an attempt, and for some seconds to claim; TERM ends it.
        def ended_or_stuck():
            return worker.poll() is not None or target.log_lines("can be claimed") > 0 \
                or target.log_lines("cannot be recorded") > 0
        assert wait_for(60, ended_or_stuck), "the worker hangs: %s" % label
        kinds["stuck"] += worker.poll() is None
        assert target.stop("worker") >= 0, "the worker died: %s" % label
        assert target.log_lines("ended by itself") == 0, "a runner died: %s" % label
        target.log.unlink(missing_ok=True)
    assert not wrong, "%d of %d: %s" % (len(wrong), len(cases), wrong[:5])
    assert kinds[503] > 0 and kinds["check says so"] > 0
    return "noise and cuts: %d places, %d answered 503, %d answered 200 and read back, check says so %d times; " \
        "silent: %d of those 503, %d of those with events that cannot be listed; kept on a damaged page: %d" % (
            len(cases), kinds[503], kinds[200], kinds["check says so"], kinds["503 and check says nothing"],
            kinds["unreadable and check says nothing"], kinds["kept on a damaged page, which is said"])


# --- others on the database ------------------------------------------------------------


def descriptors():
    """A handler has 0, 1 and 2; nobody inherits a descriptor of the database through a fork."""
    lab = Lab(run=["/bin/ls", "-l", "/proc/self/fd"])
    lab.serve()
    lab.work()
    acked = lab.accept(3)

    def over():
        return all(event["state"] == "done" for event in lab.events().values())
    assert wait_for(HANG_S, over), lab.tail()
    for number in acked.values():
        listed = dict(re.findall(r" (\d+) -> (.*)", lab.cli("show", number, "--output", 1)[1]))
        own = [fd for fd, path in listed.items() if re.fullmatch(r"/proc/\d+/fd", path)]  # ls's own
        assert set(listed) - set(own) == {"0", "1", "2"} and len(own) == 1, listed
    lab.stop("worker")
    lab.stop("serve")
    if os.geteuid() != 0 or shutil.which("strace") is None:
        return "descriptors: %d handlers had 0, 1, 2 (the forks need root and strace)" % len(acked)

    # A server that starts a worker itself; each fork of it, of the nursery, supervisor and runners is looked at.
    record = lab.dir / "handlers/record"
    lab.configure(run=[record], options="retries = 0")
    lab.conf.write_text(lab.conf.read_text().replace('worker = "off"', 'worker = "auto"'))
    trace = lab.dir / "trace"
    process = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", trace, "-e", "trace=openat,close,close_range,dup,dup2,dup3,fcntl,clone,clone3,"
         "fork,vfork,execve", HOOKCGI, "-c", lab.conf, "serve", "--listen", "unix:%s" % lab.socket],
        preexec_fn=with_parent, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})
    lab.processes["serve"] = process
    lab.wait_for_server(process)
    acked = lab.accept(10)
    ours = [pid for pid in tree(process.pid)[1:] if "hookcgi" in name_of(pid)]
    nursery = [pid for pid in ours if name_of(pid) not in ("hookcgi-worker", "hookcgi-runner")]
    assert wait_for(HANG_S, lambda: all(lab.runs()[key] for key in acked)), "not run: %s" % lab.tail()
    holders = collections.Counter()
    for pid in tree(os.getpid()):
        if not name_of(pid).startswith("hookcgi"):
            continue
        for fd in os.listdir("/proc/%d/fd" % pid):
            path = os.readlink("/proc/%d/fd/%s" % (pid, fd))
            holders[name_of(pid)] += re.search(r"hookcgi\.db(-wal|-shm|-lock)?$", path) is not None
    workers = [pid for pid in tree(os.getpid()) if name_of(pid) == "hookcgi-worker"]
    runner_count = sum(name_of(pid) == "hookcgi-runner" for pid in tree(os.getpid()))
    for pid in workers:
        os.kill(pid, signal.SIGTERM)
    for pid in ours[:1]:
        os.kill(pid, signal.SIGTERM)
    process.wait(60)
    forks, carried, opens = read_trace(trace.read_text(errors="replace"))
    assert forks >= 6 and opens >= 4 and runner_count > 0 and workers and nursery, \
        (forks, opens, runner_count, workers, nursery)
    assert not carried, "descriptors of the database cross a fork: %s" % carried[:5]
    return "descriptors: %d handlers had 0, 1, 2; %d forks, %d opened databases, none carried on (held by %s)" % (
        3, forks, opens, dict(holders))


def read_trace(text):
    """From a trace: (forks, those that carried a descriptor of the database into a process that goes on, opens)."""
    groups, held, forks, carried, opens = {}, collections.defaultdict(dict), 0, [], 0
    pending, born = {}, {}
    for line in text.splitlines():
        pid, _, call = line.partition(" ")
        pid, call = int(pid), call.strip()
        if call.endswith("<unfinished ...>"):
            pending[pid] = call[:-len("<unfinished ...>")].rstrip()
            if re.match(r"(clone3?|v?fork)\(", call) and "CLONE_THREAD" not in call:
                born[pid] = dict(held[groups.get(pid, pid)])
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        if resumed:
            call = pending.pop(pid, "") + resumed.group(1)
        group = groups.get(pid, pid)
        match = re.match(r'openat\([^,]+, "([^"]*hookcgi\.db(?:-wal|-shm|-lock|))", ([^)]*)\)\s+= (\d+)', call)
        if match:
            opens += 1
            assert "O_CLOEXEC" in match.group(2), call
            held[group][int(match.group(3))] = match.group(1)
            continue
        match = re.match(r"close\((\d+)\)\s+= 0", call)
        if match:
            held[group].pop(int(match.group(1)), None)
            continue
        match = re.match(r"(clone3?|v?fork)\((.*)\)\s+= (\d+)$", call)
        if match:
            child = int(match.group(3))
            if "CLONE_THREAD" in match.group(2):
                groups[child] = group
                continue
            forks += 1
            snapshot = born.pop(pid, None) or dict(held[group])
            # vfork: the child becomes a handler's program at once, and O_CLOEXEC closes them.
            if snapshot and "CLONE_VFORK" not in match.group(2) and match.group(1) != "vfork":
                carried.append((pid, child, sorted(snapshot.values())))
    return forks, carried, opens


def write_lock():
    """Somebody else holds the write lock: 503 in time, and the worker waits."""
    lab = Lab()
    lab.serve()
    lab.work()
    acked = lab.accept(3)
    rounds, times = quick_or_torture(1, 10), []
    for _ in range(rounds):
        holder = subprocess.Popen(
            [sys.executable, "-c", "import sqlite3, sys\n"
             "c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n"
             "c.execute('BEGIN EXCLUSIVE')\nprint('held', flush=True)\nsys.stdin.read()\nc.execute('ROLLBACK')", lab.db],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=with_parent)
        assert holder.stdout.readline() == b"held\n"
        answers = {}

        def ask(name, send):
            began = time.monotonic()
            answers[name] = (send(lab.body(lab.key())).status, time.monotonic() - began)
        senders = [threading.Thread(target=ask, args=pair)
                   for pair in (("FastCGI", lab.fastcgi), ("FastCGI too", lab.fastcgi), ("CGI", lab.cgi))]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(2 * HANG_S)
        assert {status for status, _ in answers.values()} == {503}, answers
        times += [seconds for _, seconds in answers.values()]
        holder.stdin.close()
        assert holder.wait(HANG_S) == 0
        holder.stdout.close()
        acked.update(lab.recovers()[0])
        acked.update(lab.recovers(lab.cgi)[0])
    assert max(times) < 10, times
    lab.drain(acked)
    lab.check_no_crash()
    return "a held write lock: %d answers 503 after %.1f to %.1f s, then 200; the worker went on" % (
        len(times), min(times), max(times))


def signals():
    """A storm of signals that mean nothing: every call may end with EINTR, and nothing is lost or run twice."""
    lab = Lab()
    lab.serve()
    lab.work()
    load = Load(lab, threads=6)
    load.wait_until(200, 20)
    sent, end = 0, time.monotonic() + quick_or_torture(1.2, 300)
    choice = random.Random(31)
    while time.monotonic() < end:
        victims = programs()
        for _ in range(200):
            pid = choice.choice(victims)
            number = choice.choice((signal.SIGCHLD, signal.SIGWINCH, signal.SIGCONT, signal.SIGURG, signal.SIGSTOP))
            try:
                os.kill(pid, number)
                sent += 1
                if number == signal.SIGSTOP:
                    time.sleep(choice.random() * 0.003)
                    os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    acked = load.stop()
    runs = lab.drain(acked)
    lab.check_no_crash()
    twice = [key for key in acked if runs[key] != 1]
    assert not twice, "run twice without a crash: %s" % twice[:5]
    assert sent > 100 and len(acked) > 50
    lab.check_whole()
    return "signals: %d sent, %d acknowledged, 0 lost, each run once" % (sent, len(acked))


# --- memory -----------------------------------------------------------------------------


def go_on(lab, acked):
    """After a death or not: what was acknowledged is there, and a new server goes on."""
    lab.stop("serve", signal.SIGKILL)
    lab.check_stored(acked)
    lab.check_whole()
    lab.serve()
    acked.update(lab.accept(1))


def little_memory():
    """RLIMIT_AS of a server, its worker and CGI processes: they may end, and never say what is not so."""
    lab = Lab(options='body_limit = "4M"\nbackoff = "1s"')  # a handler may have no memory either
    acked, deaths, statuses = {}, 0, collections.Counter()
    steps = quick_or_torture((0, 1, 2, 4, 8, 16), tuple(range(0, 64)))
    for megabytes in steps:
        server = lab.serve()
        lab.work()
        acked.update(lab.accept(2))
        for pid in programs():
            resource.prlimit(pid, resource.RLIMIT_AS, (memory_of(pid) + (megabytes << 20),) * 2)
        load = Load(lab, threads=8, size=300000)
        wait_for(0.3 if not TORTURE else 2, lambda: sum(load.statuses.values()) > 60)
        acked.update(load.stop(whole=False))
        statuses.update(load.statuses)
        deaths += server.poll() is not None
        lab.stop("worker", signal.SIGKILL)
        go_on(lab, acked)
        lab.stop("serve")
    for megabytes in quick_or_torture(range(8, 40, 4), range(4, 64)):
        limit = megabytes << 20
        key = lab.key()
        answer = lab.cgi(lab.body(key, 300000), before=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
        statuses[answer.status] += 1
        if answer.status == 200:
            acked[key] = answer.id
    lab.check_stored(acked)
    lab.serve()
    lab.work()
    lab.drain(acked)
    assert statuses[503] + statuses[0] + deaths > 0, "no limit was ever reached: %s" % statuses
    return "address space: %d limits, %d acknowledged, %d answered 503, %d without an answer, %d servers ended, 0 lost" % (
        len(steps), len(acked), statuses[503], statuses[0], deaths)


def memory_group(limit):
    """A control group with so much memory: (folder, file of the limit). Skip where none can be made."""
    first, second = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
    for parent, file in ((first, "memory.limit_in_bytes"), (second, "memory.max")):
        folder = parent / ("hookcgi-faults-%d" % os.getpid())
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / file).exists():
            (folder / file).write_text(str(limit))
            for swap in ("memory.swappiness", "memory.swap.max"):
                if (folder / swap).exists():
                    (folder / swap).write_text("0")
            return folder
        folder.rmdir()
    raise Skip("no control group for memory can be made here")


def memory_limit():
    """A control group that is too small: the kernel kills the server, or one of its processes, in the middle."""
    folder = memory_group(64 << 20)
    try:
        # In /dev/shm the files count, too, and cannot be given back: so the limit is always met.
        lab = Lab(options='body_limit = "4M"')
        acked, deaths = {}, 0
        for _ in range(quick_or_torture(3, 60)):
            server = lab.serve(before=lambda: (folder / "cgroup.procs").write_text(str(os.getpid())))
            acked.update(lab.accept(2))
            load = Load(lab, threads=12, size=1000000)
            wait_for(HANG_S, lambda: load.statuses[200] >= 3 or server.poll() is not None)
            used = folder / "memory.usage_in_bytes"
            used = used if used.exists() else folder / "memory.current"
            file = next(folder / name for name in ("memory.limit_in_bytes", "memory.max") if (folder / name).exists())
            try:  # less than it needs, now
                file.write_text(str(max(3 << 20, int(used.read_text()) // 3)))
            except OSError:
                pass
            wait_for(5, lambda: server.poll() is not None)
            acked.update(load.stop(whole=False))
            deaths += server.poll() is not None
            lab.stop("serve", signal.SIGKILL)
            file.write_text(str(64 << 20))
            go_on(lab, acked)
            lab.stop("serve")
        lab.serve()
        lab.work()
        lab.drain(acked)
        assert deaths > 0, "nobody was ever killed"
        return "memory limit of a control group: %d servers killed, %d acknowledged, 0 lost" % (deaths, len(acked))
    finally:
        kill_below()
        wait_for(5, lambda: not (folder / "cgroup.procs").read_text())
        folder.rmdir()


# --- the life of a store ------------------------------------------------------------------


def newer():
    """A database of a newer version is refused, and not touched."""
    lab = Lab()
    lab.serve()
    acked = lab.accept(3)
    lab.stop("serve")
    with sqlite3.connect(lab.db) as database:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        database.execute("PRAGMA user_version = %d" % (version + 1))
    database.close()
    content = lab.db.read_bytes()
    lab.serve()
    for send in (lab.fastcgi, lab.cgi):
        assert send(lab.body(lab.key())).status == 503
    assert lab.work().wait(HANG_S) == 1
    said = (lab.dir / "log/worker").read_text().splitlines()
    assert len(said) == 1 and "newer" in said[0], said
    status, _, said = lab.cli("check")
    assert status == 78 and len(said.splitlines()) == 1 and "newer" in said, said
    for command in ("list", "stats", "prune"):
        status, _, said = lab.cli(command)
        assert status != 0 and len(said.splitlines()) == 1 and "newer" in said, (command, said)
    assert lab.db.read_bytes() == content, "it was written to"
    with sqlite3.connect(lab.db) as database:
        database.execute("PRAGMA user_version = %d" % version)
    database.close()
    acked.update(lab.recovers()[0])
    lab.check_stored(acked)
    return "newer version: refused by server, CGI, worker and 4 commands, each with one line; not touched"


def restore(copy, lab):
    """Put a copy in the place of a store that nobody uses."""
    shutil.rmtree(lab.db.parent, ignore_errors=True)
    lab.db.parent.mkdir(mode=0o700)
    shutil.copy(copy, lab.db)
    lab.db.chmod(0o600)
    lab.check_whole()


def backup():
    """`.backup` and VACUUM INTO while events come and are run: the copy has all that was acknowledged before."""
    lab, restored = Lab(), Lab()
    lab.serve()
    lab.work()
    acked = lab.accept(50, size=2000)
    load = Load(lab, size=1000, pause=quick_or_torture(0.004, 0.001))
    copies = []
    for number in range(quick_or_torture(4, 60)):
        load.wait_until(200, 20)
        before, copy = {**acked, **load.acked}, lab.disk / ("copy-%d" % number)
        # The first begins anew with each event that comes meanwhile: only while the store is small.
        command = (".backup '%s'" if number in (0, 2) else "VACUUM INTO '%s'") % copy
        subprocess.run(["sqlite3", lab.db, ".timeout 10000", command], check=True, timeout=60, capture_output=True)
        copies.append((copy, before))
    # The last copy takes one event more below: the store itself must know more than that.
    load.wait_until(200, 20)
    acked.update(load.stop())
    lab.drain(acked)
    lab.stop("worker")
    for copy, before in copies:
        restore(copy, restored)
        restored.check_stored(before)
        assert restored.cli("check")[0] == 0
        before.update(restored.accept(1, send=restored.cgi))
        assert restored.work("--once").wait(120) == 0
        events = restored.check_stored(before)
        assert all(event["state"] == "done" for event in events.values()), "the copy does not run to its end"
    # Put in the place of a store whose tally knows more: that is said.
    shutil.copy(str(lab.db) + "-tally", str(restored.db) + "-tally")
    assert says_lost(restored), "an older copy was restored, and check says nothing"
    pathlib.Path(str(restored.db) + "-tally").unlink()
    assert not says_lost(restored)
    return "backup: %d copies under load, each whole, with all acknowledged before, and run; %d acknowledged" % (
        len(copies), len(acked))


def files_private():
    """umask 000: whatever the program makes is for its owner alone."""
    lab = Lab()
    server = lab.serve(umask=0)
    worker = lab.work(umask=0)
    lab.accept(3)

    def cgi_before():
        os.umask(0)
    answer = lab.cgi(lab.body(lab.key()), before=cgi_before)
    assert answer.status == 200
    before = os.umask(0)
    lab.cli("list")
    os.umask(before)
    assert wait_for(HANG_S, lambda: len(lab.runs()) == 4)
    seen = {}
    for path in [lab.db.parent, lab.log, *lab.db.parent.iterdir()]:
        mode = path.stat().st_mode & 0o7777
        seen[path.name] = mode
        assert mode == (0o700 if path.is_dir() else 0o600), "%s has the mode %o" % (path, mode)
    assert server.poll() is None and worker.poll() is None
    for suffix in ("", "-wal", "-shm", "-tally", "-lock", "-wake", "-worker"):
        assert "hookcgi.db" + suffix in seen, "there is no " + suffix
    return "umask 000: %d files and folders are 0600 and 0700" % len(seen)


# --- power loss, block by block -----------------------------------------------------------


FLUSH = (1 << 64) - 1


def read_record(path):
    """What blockdev.c wrote: (position in the log, offset or FLUSH, data) of each."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        offset, length = struct.unpack_from("=QQ", data, at)
        at += 16 + length
        yield at, offset, data[at - length:at]


def after_power_loss(durable, pending, choice):
    """A disk as it may be: of what was not flushed nothing, all, or each sector as chance has it."""
    disk, kind = bytearray(durable), choice.randrange(5)
    if kind == 0:
        return disk
    likely = (1.0, 1.0, 0.5, 0.1, 0.9)[kind]
    if kind == 1:
        pending = pending[:choice.randrange(len(pending) + 1)]  # in order, to some point
    for offset, data in pending:
        for at in range(0, len(data), 512):
            if choice.random() < likely:
                disk[offset + at:offset + at + 512] = data[at:at + 512]
    return disk


def mount_image(image, folder):
    """As a start of the system does it: mended by fsck where it must be (a torn superblock)."""
    mount = ["mount", "-o", "loop", image, folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        return True
    subprocess.run(["e2fsck", "-fy", image], capture_output=True, check=False)
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def losses(lab, record, acked, first, states, lies, choice):
    """Make disks as power losses leave them, and look. Those that are not as they should be, by what is wrong.

    lies: how many flushes at the end did nothing: 0, or a disk that must be found out."""
    entries = [entry for entry in read_record(record)]
    places = [number for number, (at, _, _) in enumerate(entries) if at > first]
    cuts = sorted(choice.choice(places) for _ in range(states))
    flushes = [number for number, (_, offset, _) in enumerate(entries) if offset == FLUSH]
    image, durable, applied, bad = lab.dir / "image", bytearray(lab.size), 0, collections.Counter()
    for cut in cuts:
        before = [number for number in flushes if number <= cut]
        last = before[-1 - lies]
        for _, offset, data in entries[applied:last]:
            if offset != FLUSH:
                durable[offset:offset + len(data)] = data
        applied = max(applied, last)
        pending = [(offset, data) for _, offset, data in entries[last:cut + 1] if offset != FLUSH]
        image.write_bytes(after_power_loss(durable, pending, choice))
        known = {key: number for key, (number, at) in acked.items() if at <= entries[cut][0]}
        if not mount_image(image, lab.disk):
            bad["file system"] += 1
            continue
        try:
            lab.check_stored(known)
            lab.check_whole()
        except (AssertionError, sqlite3.Error) as error:
            bad["lost" if "are lost" in str(error) else "damaged"] += 1
            if not lies:
                print("power lost after entry %d: %s" % (cut, error))
        finally:
            subprocess.run(["umount", lab.disk], check=True, timeout=60)
    return bad


def power_loss():
    """The power fails at many moments: what the disk had flushed holds all that was acknowledged, on ext4."""
    if not TORTURE:
        raise Skip("only with TORTURE=1")
    in_namespace()
    program = pathlib.Path(os.environ.get("CRASH_BUILD", HERE.parent.parent / "build/crash"), "blockdev")
    lab = Lab()
    lab.size = 24 << 20
    served, record = lab.dir / "served", lab.dir / "record"
    served.mkdir()
    if not program.exists() or shutil.which("mkfs.ext4") is None:
        raise Skip("there is no %s, or no mkfs.ext4" % program)
    disk = subprocess.Popen([program, served, str(lab.size >> 20), record], preexec_fn=with_parent)
    if not wait_for(HANG_S, lambda: disk.poll() is not None or os.path.ismount(served)) or disk.poll() is not None:
        raise Skip("there is no FUSE here")
    subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0", served / "disk"], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", served / "disk", lab.disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        raise Skip("there is no loop device here: %s" % mounted.stderr.decode().strip())
    lab.disk.chmod(0o700)
    lab.serve()
    lab.work()
    acked, first = {}, None
    for _ in range(int(os.environ.get("TORTURE_EVENTS", "150"))):
        for key, number in lab.accept(1, size=500).items():
            acked[key] = (number, record.stat().st_size)
            first = first or record.stat().st_size
    lab.stop("worker", signal.SIGKILL)
    lab.stop("serve", signal.SIGKILL)
    end = lab.dir / "record.end"
    shutil.copy(record, end)  # the umount is none of it
    subprocess.run(["umount", lab.disk], check=True)
    subprocess.run(["umount", served], check=True)
    assert disk.wait(HANG_S) == 0
    states, choice = int(os.environ.get("TORTURE_STATES", "5000")), random.Random(5)
    bad = losses(lab, end, acked, first, states, 0, choice)
    assert not bad, "%s of %d states" % (dict(bad), states)
    lied = losses(lab, end, acked, first, 40, 6, choice)
    assert lied["lost"] > 0, "a disk that lies about flushes is not found out: this proves nothing"
    return "power loss on ext4: %d acknowledged, %d states, 0 bad; 40 of a disk that lies: %s" % (
        len(acked), states, dict(lied))


def retention():
    """Thousands of old events go while new ones come: what is queued or running stays, and so do events under load."""
    lab = Lab(top='keep = "1h"\nkeep_body = "1h"', options='retries = 5\nbackoff = "1h"')
    waits = lab.dir / "handlers/waits"
    waits.write_text('#!/bin/sh\ncase $HOOK_HEADER_X_MARK in\nlater) [ -e "${0%/*}/go" ] || exit 1 ;;\n'
                     'hold) until [ -e "${0%/*}/go" ]; do sleep 0.1; done ;;\nesac\n'
                     'echo "$HOOK_KEY" >>"${0%/handlers/*}/out/runs"\n')
    waits.chmod(0o700)
    lab.configure('retries = 5\nbackoff = "1h"\ntimeout = "1h"', 'keep = "1h"\nkeep_body = "1h"\nrunners = 2', [waits])
    lab.serve()
    old_count = quick_or_torture(1500, 20000)
    load = Load(lab, threads=4)
    load.wait_until(200, old_count)
    old = load.stop()
    # They become done here, not by thousands of handlers, in one transaction that keeps the books.
    with sqlite3.connect(lab.db, timeout=HANG_S) as database:
        database.execute("UPDATE event SET state = 2, attempts = 1")
        database.execute("UPDATE endpoint SET done = queued, queued = 0")
    database.close()
    kept = lab.accept(30, mark="later")
    held = lab.accept(1, mark="hold")
    lab.work()

    def states():
        return collections.Counter(lab.events()[key]["state"] for key in held)
    assert wait_for(HANG_S, lambda: states()["running"] == 1), lab.tail()
    with sqlite3.connect(lab.db, timeout=HANG_S) as database:
        database.execute("UPDATE clock SET wall = wall - 4 * 3600 * 1000")  # nothing happened for four hours
    database.close()
    load = Load(lab, threads=3, pause=0.002)
    load.wait_until(200, 20)
    rounds = 0
    if TORTURE:  # by itself: 200 rows a second
        def gone():
            return not old.keys() & lab.events().keys()
        assert wait_for(900, gone), "the worker does not remove what is over its time"
    else:
        # The resident worker begins after some seconds; here both at once: its steps, and the command's.
        assert lab.cli("prune", "--keep", "2h")[0] == 0
        rounds = 1
    load.wait_until(200, 20)
    new = load.stop()
    events = lab.events()
    assert not old.keys() & events.keys(), "%d old ones are left" % len(old.keys() & events.keys())
    everything = {**kept, **held, **new}
    lost = [key for key in everything if key not in events]
    assert not lost, "%d that were queued, running or new are gone" % len(lost)
    assert all(events[key]["state"] in ("queued", "running") for key in {**kept, **held})
    # The keys of what was done stay.
    again = lab.fastcgi(lab.body(next(iter(old)), 200))
    assert again.json.get("status") == "duplicate", again
    (lab.dir / "handlers/go").touch()
    for number in kept.values():
        assert lab.cli("replay", number)[0] in (0, 1)  # 1: it is running just now
    runs = lab.drain(everything)
    assert all(runs[key] == 1 for key in held)
    lab.check_whole()
    lab.check_no_crash()
    return "retention under load: %d old events removed%s while %d were acknowledged; %d queued and running untouched" % (
        len(old), "" if rounds else " by the worker itself", len(new), len(kept) + len(held))


SCENARIOS = {
    "disk-full": disk_full, "disk-full-cgi": disk_full_cgi, "file-size": file_size, "read-only": read_only,
    "writes-fail": writes_fail, "moved": moved, "swapped-alone": swapped_alone, "emptied": emptied,
    "log-damaged": log_damaged, "loss-stays-said": loss_stays_said, "body-damaged": body_damaged,
    "rest-damaged": rest_damaged, "counters-damaged": counters_damaged, "noise": noise,
    "descriptors": descriptors, "write-lock": write_lock, "signals": signals, "little-memory": little_memory,
    "memory-limit": memory_limit, "newer": newer, "backup": backup, "files-private": files_private,
    "retention": retention, "power-loss": power_loss,
}


def too_long(number, _):
    """The scenario hangs, or somebody does not want to wait: clean up."""
    raise AssertionError("told to end" if number == signal.SIGTERM else "not over after %d s" % LONGEST_S)


def main():
    """Run one scenario."""
    if len(sys.argv) != 2 or sys.argv[1] not in SCENARIOS:
        print("usage: faults.py %s" % "|".join(SCENARIOS), file=sys.stderr)
        return 2
    os.umask(0o022)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, too_long)
    signal.alarm(LONGEST_S)
    try:
        print(SCENARIOS[sys.argv[1]]())
        return 0
    except Skip as reason:
        print(reason)
        return SKIP
    except Exception:  # pylint: disable=broad-except  every failure is shown with the logs
        traceback.print_exc(file=sys.stdout)
        for lab in labs[-2:]:
            print(lab.tail())
        return 1
    finally:
        kill_below()
        for lab in labs:
            lab.close()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a sender's thread may wait for an answer that never comes
