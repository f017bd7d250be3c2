#!/usr/bin/env python3
"""inject.py - kill the program at each system call, fail each call, fail each allocation

    inject.py SCENARIO...                 all points, or in the quick tier a sample of them
    inject.py --point POINT SCENARIO      one point, with all that it finds
    inject.py --list

A scenario is a prepared store and a run of the program on it: a request as CGI or
FastCGI, a worker, a command. A point is one place in that run where it is disturbed. After
each, whatever came of the run, the same must hold: what was answered 200 is stored once and
whole, sending again is answered 200 and makes no second one, a worker without faults brings
every event to its end, no handler runs twice at once, and the database is sound.

Kills are done with ptrace(2) from here: strace counts `when=N` for each call name and each
process on its own, cannot kill several processes at one moment, and as an ordinary user cannot
be attached to a program that made itself undumpable. Errors and delays are strace's.

Environment: HOOKCGI (the program), CRASH_BUILD (malloc_preload.so), TORTURE=1 (every point), CRASH_SEED
(sizes and the sample; printed), CRASH_JOBS (processes at once, default 2).
Exit status: 0 all held, 1 something did not, 2 usage.
"""
import argparse
import ctypes
import errno
import glob
import hashlib
import hmac
import json
import multiprocessing
import os
import random
import re
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

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import fcgi_client  # pylint: disable=wrong-import-position

TOP = os.path.dirname(os.path.dirname(HERE))
HOOKCGI = os.environ.get("HOOKCGI", TOP + "/build/hookcgi")
PRELOAD = os.environ.get("CRASH_BUILD", TOP + "/build/crash") + "/malloc_preload.so"
TORTURE = os.environ.get("TORTURE", "") not in ("", "0")
JOBS = int(os.environ.get("CRASH_JOBS", "2"))
SEED = int(os.environ.get("CRASH_SEED") or random.randrange(1 << 30))
HANG_S = 30  # nothing here takes a second, but where the program itself waits for one or two
RECOVER_S = 10  # a FastCGI process is as it was before, when what failed does not any more
STATES = ("queued", "running", "done", "dead")
OUR_SIGNALS = ("SIGKILL", "SIGTERM")

CONFIG = """\
store = "sqlite:store/hookcgi.db"
worker = "WORKER"
runners = 2
log = "file:log"
endpoint "orders" { provider = "idfy" secret = "s3cret" run = {"./handler", "0"} }
endpoint "waits" { provider = "idfy" secret = "s3cret" run = {"./handler", "0"} mode = "wait" }
endpoint "fails" { provider = "idfy" secret = "s3cret" run = {"./handler", "1"} backoff = "1s" }
endpoint "dies" { provider = "idfy" secret = "s3cret" run = {"./handler", "100"} }
"""
# The line in the middle wakes the runner, so that it makes calls while the handler is at work; for
# that it takes some milliseconds where a file says so, without a process more.
HANDLER = """\
#!/bin/sh
# Notes its start and end. $1: what a first attempt ends with.
echo "start $HOOK_DELIVERY $HOOK_ATTEMPT $$" >>notes
echo working
i=0
while [ -e slow ] && [ "$i" -lt 2500 ]; do i=$((i + 1)); done
[ "$HOOK_ATTEMPT" -gt 1 ] || code=$1
echo "end $HOOK_DELIVERY $HOOK_ATTEMPT $$" >>notes
exit "${code:-0}"
"""

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Hang(Exception):
    """What should have ended long ago did not."""


def on_alarm(_number, _frame):
    """So that a wait for a process ends."""
    raise Hang


# --- events, and a folder with everything the program needs ---------------------------------


class Event:
    """What a sender sends: the number makes it one of its own."""

    def __init__(self, number, endpoint="orders", size=60):
        self.number, self.endpoint = number, endpoint
        self.body = json.dumps({"id": "evt_%d" % number, "type": "document_signed",
                                "payload": {"n": number, "pad": "x" * size}}).encode()

    def variables(self, lab, method="POST"):
        """The request's variables (RFC 3875), signed."""
        mac = hmac.new(b"s3cret", self.body, hashlib.sha256).hexdigest()
        return {"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
                "REQUEST_METHOD": method, "SCRIPT_NAME": "/hooks",
                "PATH_INFO": "/" + self.endpoint, "CONTENT_LENGTH": str(len(self.body)),
                "REMOTE_ADDR": "192.0.2.1", "HTTP_X_IDFY_SIGNATURE": mac,
                "HOOKCGI_CONFIG": lab.config}


class Lab:
    """A folder with configuration, handler and store."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder + "/hookcgi.conf"
        self.database = folder + "/store/hookcgi.db"
        self.notes = folder + "/notes"

    def make(self, worker="off"):
        """Begin with no store."""
        os.mkdir(self.folder, 0o700)
        self.write("hookcgi.conf", CONFIG.replace("WORKER", worker), 0o600)
        self.write("handler", HANDLER, 0o755)
        return self

    def write(self, name, text, mode=0o600):
        """A file of the folder."""
        with open(self.folder + "/" + name, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.folder + "/" + name, mode)

    def copy_of(self, template):
        """Make this folder what the template is."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(template.folder, self.folder)
        return self

    def run(self, argv, env=None, stdin=b"", before=()):
        """Run to the end: exit status (negative: signal) and standard output."""
        self.write("stderr", "")
        with open(self.folder + "/stderr", "wb") as err:
            done = subprocess.run(list(before) + argv, input=stdin, stdout=subprocess.PIPE,
                                  stderr=err, env=env or {"PATH": "/usr/bin:/bin"}, check=False,
                                  cwd=self.folder, timeout=HANG_S)
        return done.returncode, done.stdout

    def cgi(self, event, more=None, before=()):
        """One request as CGI."""
        return self.run([HOOKCGI], {**event.variables(self), **(more or {})}, event.body, before)

    def command(self, *words, more=None, before=()):
        """A command of the program."""
        return self.run([HOOKCGI, "-c", self.config, *words],
                        {"PATH": "/usr/bin:/bin", **(more or {})}, b"", before)

    def note(self, text):
        """A line of ours among the handlers' notes."""
        with open(self.notes, "a", encoding="ascii") as file:
            file.write(text + "\n")

    def read_notes(self):
        """The notes as lists of words."""
        try:
            with open(self.notes, encoding="ascii") as file:
                return [line.split() for line in file]
        except FileNotFoundError:
            return []

    def alter(self, sql):
        """Change the database behind the program's back."""
        database = sqlite3.connect(self.database)
        database.executescript(sql)
        database.close()


# --- what is in a store -------------------------------------------------------------------

# Each of these finds nothing in a store that is whole.
FLAWS = (
    ("an event without its detail or key", "SELECT e.id FROM event e LEFT JOIN detail d ON"
     " d.event = e.id LEFT JOIN key k ON k.endpoint = e.endpoint AND k.event = e.id"
     " WHERE d.event IS NULL OR k.event IS NULL OR k.key <> d.key"),
    ("an event without its body", "SELECT e.id FROM event e JOIN detail d ON d.event = e.id"
     " LEFT JOIN body b ON b.event = e.id"
     " WHERE (b.event IS NULL) <> (d.body_len < 0) OR length(b.body) <> d.body_len"),
    ("rows without an event", "SELECT event FROM (SELECT event FROM detail UNION SELECT event FROM"
     " body UNION SELECT event FROM attempt UNION SELECT event FROM key WHERE gone = 0)"
     " WHERE event NOT IN (SELECT id FROM event)"),
    ("counts that are wrong", "SELECT name FROM endpoint p WHERE"
     " queued <> (SELECT count(*) FROM event WHERE endpoint = p.id AND state = 0) OR"
     " running <> (SELECT count(*) FROM event WHERE endpoint = p.id AND state = 1) OR"
     " done <> (SELECT count(*) FROM event WHERE endpoint = p.id AND state = 2) OR"
     " dead <> (SELECT count(*) FROM event WHERE endpoint = p.id AND state = 3) OR"
     " attempts <> (SELECT count(*) FROM attempt a JOIN event e ON e.id = a.event"
     " WHERE e.endpoint = p.id)"),
)


def read_store(lab, problems):
    """The events of the store as {body: [row]}, read from a copy; what is wrong, into problems."""
    rows = {}
    if not os.path.exists(lab.database):
        return rows
    copy = tempfile.mkdtemp(prefix="copy", dir=lab.folder)
    # without the index of the log (-shm), as after a restart of the machine
    for suffix in ("", "-wal", "-journal"):
        if os.path.exists(lab.database + suffix):
            shutil.copy(lab.database + suffix, copy + "/db" + suffix)
    database = sqlite3.connect(copy + "/db")
    try:
        verdict = database.execute("PRAGMA integrity_check").fetchall()
        if verdict != [("ok",)]:
            problems.append("integrity_check: %s" % verdict[:3])
        if not database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'event'").fetchall():
            return rows
        for flaw, sql in FLAWS:
            found = database.execute(sql).fetchall()
            if found:
                problems.append("%s: %s" % (flaw, found[:5]))
        for number, state, attempts, body, digest, reason, numbers in database.execute(
                "SELECT e.id, e.state, e.attempts, b.body, d.digest, d.reason, (SELECT group_concat(number)"
                " FROM attempt WHERE event = e.id) FROM event e LEFT JOIN body b ON b.event = e.id"
                " LEFT JOIN detail d ON d.event = e.id ORDER BY e.id"):
            if body is not None and hashlib.sha256(body).digest() != digest:
                problems.append("event %d: its body is not what was accepted" % number)
            listed = sorted(int(word) for word in (numbers or "").split(",") if word)
            begun = attempts - (state == STATES.index("running"))
            if listed != list(range(1, begun + 1)):
                problems.append("event %d is %s after %d attempts, and those that are kept are %s"
                                % (number, STATES[state], attempts, listed))
            rows.setdefault(body, []).append({"id": number, "state": STATES[state],
                                              "reason": reason})
    except sqlite3.DatabaseError as error:
        problems.append("the database cannot be read: %s" % error)
    finally:
        database.close()
        shutil.rmtree(copy)
    return rows


def judge_notes(lab, problems, overlap_allowed=False):
    """What the handlers noted: none twice at once, no attempt twice. The events that ended."""
    running, seen, ended = set(), set(), set()
    for words in lab.read_notes():
        if words[0] == "killed":
            running.clear()
        elif len(words) == 4 and words[0] == "start":
            number, attempt = int(words[1]), int(words[2])
            if number in running and not overlap_allowed:
                problems.append("event %d: two handlers at once" % number)
            if (number, attempt) in seen:
                problems.append("event %d: attempt %d began twice" % (number, attempt))
            running.add(number)
            seen.add((number, attempt))
        elif len(words) == 4 and words[0] == "end":
            running.discard(int(words[1]))
            ended.add(int(words[1]))
    return ended


def starts_after_kill(lab):
    """The events whose handlers began after the disturbed run."""
    numbers = set()
    for words in lab.read_notes():
        if words[0] in ("killed", "over"):
            numbers = set()
        elif words[0] == "start":
            numbers.add(int(words[1]))
    return numbers


# --- a run under ptrace -------------------------------------------------------------------

PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SEIZE, PTRACE_SYSCALL_INFO = 7, 24, 0x4206, 0x420E
# syscall stops are marked; fork, vfork, clone and exec are followed; all die with this process
PTRACE_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000
EVENT_EXEC, EVENT_STOP = 4, 128
WALL = 0x40000000


class Trace:
    """
    Runs a program and kills it, and all that it started, before its system call number `at`.

    Counted are the calls of all its processes and threads in the order in which they come, while
    `counting` is set, but for those of programs that it executes (handlers).
    alone: only the process that makes the call is killed.
    idle_s: the run is over when there was no call for so long.
    """

    def __init__(self, argv, env, stdin, stdout, cwd, at=None, alone=False, idle_s=None):
        self.at, self.alone, self.idle_s = at, alone, idle_s
        self.count, self.counting, self.fired, self.call = 0, True, False, None
        self.status, self.alive, self.others = None, True, set()
        ready, release = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(release)
                os.dup2(stdin, 0)
                os.dup2(stdout, 1)
                os.dup2(os.open(cwd + "/stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
                os.chdir(cwd)
                os.read(ready, 1)
                os.closerange(3, 100)
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                os.execve(argv[0], argv, env)
            finally:
                os._exit(127)
        os.close(ready)
        self.tids = {self.pid}
        self.ptrace(PTRACE_SEIZE, self.pid, PTRACE_OPTIONS)
        os.close(release)

    @staticmethod
    def ptrace(request, pid, data, address=0):
        """False: it has been killed meanwhile."""
        if libc.ptrace(request, pid, address, data) >= 0:
            return True
        if ctypes.get_errno() == errno.ESRCH:
            return False
        raise OSError(ctypes.get_errno(), "ptrace")

    def kill_all(self):
        """At one moment, as far as one process can."""
        for pid in self.tids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def at_call(self, pid):
        """A system call begins or ends. True: the program was killed instead."""
        info = ctypes.create_string_buffer(88)
        if not self.ptrace(PTRACE_SYSCALL_INFO, pid, ctypes.addressof(info), 88):
            return True
        if info.raw[0] != 1 or not self.counting:  # 1: it begins
            return False
        self.count += 1
        if self.count != self.at:
            return False
        self.fired, self.call = True, struct.unpack_from("Q", info.raw, 24)[0]
        if self.alone:
            os.kill(pid, signal.SIGKILL)
        else:
            self.kill_all()
        return True

    def at_stop(self, pid, status):
        """Let a process that stopped go on."""
        number, event, go_on = os.WSTOPSIG(status), status >> 16, 0
        if number == signal.SIGTRAP | 0x80:
            if self.at_call(pid):
                return
        elif event == EVENT_EXEC and pid != self.pid:
            self.others.add(pid)
        elif event == 0:
            go_on = number  # a signal to it
        elif event == EVENT_STOP and pid not in self.tids:
            self.tids.add(pid)
            if self.fired and not self.alone:  # it was being born
                os.kill(pid, signal.SIGKILL)
                return
        self.ptrace(PTRACE_CONT if pid in self.others else PTRACE_SYSCALL, pid, go_on)

    def run(self):
        """To the end of the last process. Raises Hang after killing them."""
        try:
            while True:
                if self.idle_s:
                    signal.setitimer(signal.ITIMER_REAL, self.idle_s)
                pid, status = os.waitpid(-1, WALL)
                if os.WIFSTOPPED(status):
                    self.at_stop(pid, status)
                else:
                    self.tids.discard(pid)
                    self.others.discard(pid)
                    if pid == self.pid:
                        self.alive, self.status = False, os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            pass
        except Hang:
            self.end()
            if not self.idle_s:
                raise
        if self.idle_s:
            signal.alarm(2 * HANG_S)  # there is one timer for both
        return self

    def end(self):
        """Kill and collect what is left."""
        self.kill_all()
        try:
            while True:
                pid, status = os.waitpid(-1, WALL)
                if os.WIFSTOPPED(status):
                    os.kill(pid, signal.SIGKILL)
        except ChildProcessError:
            pass


def collect_strays():
    """Kill and count the processes that a run left behind: this process is their subreaper."""
    count = 0
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return count
        if pid == 0:
            count += 1
            for path in glob.glob("/proc/self/task/*/children"):
                with open(path, encoding="ascii") as file:
                    for child in file.read().split():
                        os.kill(int(child), signal.SIGKILL)
            os.waitpid(-1, 0)


# --- FastCGI ---------------------------------------------------------------------------------


def fcgi_send(lab, event, method="POST"):
    """Send a request; the connection."""
    sock = fcgi_client.connect(lab.folder + "/sock", HANG_S)
    params = b"".join(fcgi_client.pair(name.encode(), value.encode())
                      for name, value in event.variables(lab, method).items())
    sock.sendall(
        fcgi_client.record(fcgi_client.BEGIN, struct.pack(">HB5x", 1, 0)) +
        fcgi_client.stream(fcgi_client.PARAMS, params) + fcgi_client.record(fcgi_client.PARAMS) +
        fcgi_client.stream(fcgi_client.STDIN, event.body) + fcgi_client.record(fcgi_client.STDIN))
    return sock


def fcgi_answers(lab, events, method="POST"):
    """Send all at once, and what comes back for each; b"" for nothing."""
    socks, answers = [], []
    for event in events:
        try:
            socks.append(fcgi_send(lab, event, method))
        except OSError:
            socks.append(None)
    for sock in socks:
        answer = b""
        if sock is not None:
            with sock:
                try:
                    answer = fcgi_client.receive(sock)[0]
                except OSError:
                    pass
        answers.append(answer)
    return answers


def fcgi_listener(lab):
    """The socket that the program gets as descriptor 0."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(lab.folder + "/sock")
    listener.listen(16)
    return listener


class FastCGI:
    """The program as FastCGI without ptrace: started, asked, ended."""

    def __init__(self, lab, more=None, before=()):
        self.lab = lab
        with fcgi_listener(lab) as listener, open(lab.folder + "/stderr", "wb") as err:
            self.process = subprocess.Popen(
                [*before, HOOKCGI], stdin=listener, stdout=err, stderr=err, cwd=lab.folder,
                env={"HOOKCGI_CONFIG": lab.config, "PATH": "/usr/bin:/bin", **(more or {})})

    def __enter__(self):
        return self

    def program(self):
        """Its process, which may be strace's child."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open("/proc/%d/comm" % self.process.pid, encoding="ascii") as file:
            if file.read() != "strace\n":
                return self.process.pid
        with open(path, encoding="ascii") as file:
            return int(file.read().split()[0])

    def __exit__(self, *_):
        try:
            os.kill(self.program(), signal.SIGTERM)
        except (OSError, IndexError):
            pass  # it has ended
        try:
            self.status = self.process.wait(timeout=HANG_S)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.wait()
            raise Hang from error


# --- scenarios: what is there, and what is run on it ------------------------------------------


class Scenario:
    """
    template: the store to begin with. kind: cgi, fastcgi or command; what: the events that are
    sent, or the words of the command. stride: of the quick tier, where that is not 1.
    """

    def __init__(self, name, template, kind, what, stride=1, alone=False, idle_s=None):
        self.name, self.template, self.kind, self.what = name, template, kind, what
        self.stride, self.alone, self.idle_s = stride, alone, idle_s

    def events(self, size):
        """What is sent."""
        if self.kind == "command":
            return []
        return [Event(number, endpoint, size) for number, endpoint in self.what]


KILLS = [
    # the new events have numbers from 100 on
    Scenario("cgi-first", "empty", "cgi", [(100, "orders")], stride=3),
    Scenario("cgi-new", "used", "cgi", [(100, "orders")]),
    Scenario("cgi-duplicate", "used", "cgi", [(2, "orders")], stride=3),
    Scenario("cgi-dead", "dead", "cgi", [(3, "dies")], stride=2),
    Scenario("cgi-wait", "used", "cgi", [(100, "waits")], stride=5),
    Scenario("cgi-auto", "auto", "cgi", [(100, "orders")], stride=12, idle_s=0.8),
    Scenario("fastcgi-first", "empty", "fastcgi", [(100, "orders")], stride=4),
    Scenario("fastcgi-new", "used", "fastcgi", [(100, "orders")]),
    Scenario("fastcgi-batch", "used", "fastcgi",
             [(100, "orders"), (101, "fails"), (2, "orders")], stride=3),
    Scenario("fastcgi-wait", "used", "fastcgi", [(100, "waits")], stride=8),
    Scenario("worker-one", "one", "command", ["worker", "--once"], stride=6),
    Scenario("worker-three", "three", "command", ["worker", "--once"], stride=10),
    Scenario("worker-fails", "fails", "command", ["worker", "--once"], stride=10),
    Scenario("worker-dies", "dies", "command", ["worker", "--once"], stride=10),
    Scenario("worker-retry", "retry", "command", ["worker", "--once"], stride=10),
    Scenario("worker-alone", "one", "command", ["worker", "--once"], stride=15, alone=True),
    Scenario("create", "empty", "command", ["worker", "--once"], stride=12),
    Scenario("replay", "dead", "command", ["replay", "3"], stride=3),
    Scenario("prune", "over", "command", ["prune"], stride=2),
]
SCENARIOS = {scenario.name: scenario for scenario in KILLS}
SCENARIOS["list"] = Scenario("list", "used", "command", ["list"])


def make_templates(folder, size):
    """Prepared stores, made by the program itself."""
    def template(name, worker="off"):
        made[name] = Lab(folder + "/" + name).make(worker)
        return made[name]

    def put(lab, *events):
        for number, endpoint in events:
            _, answer = lab.cgi(Event(number, endpoint, size))
            assert b"Status: 200" in answer, answer

    def work(lab):
        assert lab.command("worker", "--once")[0] == 0
        os.unlink(lab.database + "-wake")  # a FIFO cannot be copied

    made = {}
    template("empty")
    put(template("one"), (1, "orders"))
    put(template("three"), (1, "orders"), (2, "dies"), (3, "orders"))
    put(template("fails"), (1, "fails"))
    put(template("dies"), (1, "dies"))
    used = template("used")
    put(used, (1, "orders"))
    work(used)
    put(used, (2, "orders"))
    auto = template("auto", "auto").copy_of(used)
    auto.write("hookcgi.conf", CONFIG.replace("WORKER", "auto"))
    dead = template("dead")
    put(dead, (1, "orders"), (2, "orders"), (3, "dies"))
    work(dead)
    # events that were done and dead for a year of use, one without its body, and one to stay
    over = template("over").copy_of(dead)
    over.alter("UPDATE event SET age = age - 31536000000; UPDATE key SET age = age - 31536000000;")
    put(over, (4, "orders"))
    retry = template("retry")
    put(retry, (1, "fails"))
    work(retry)
    retry.alter("UPDATE event SET due = 2")  # the second that it had to wait is over
    for lab in made.values():
        for name in ("log", "stderr"):
            if os.path.exists(lab.folder + "/" + name):
                os.unlink(lab.folder + "/" + name)
    return made


# --- what must hold after a disturbed run --------------------------------------------------------


class Outcome:
    """What one point came to."""

    def __init__(self):
        self.fired = False
        self.calls = 0  # that a run of the whole has
        self.problems = []
        self.figures = {}

    def add(self, name, number=1):
        """Count something."""
        self.figures[name] = self.figures.get(name, 0) + int(number)

    def check(self, good, problem):
        """A claim."""
        if not good:
            self.problems.append(problem)
        return good


def is_200(answer):
    """Also when it was cut after that."""
    return b"Status: 200" in answer


def expect_stored(outcome, lab, events, when, least=1):
    """Each event is there at least `least` times and at most once. The rows."""
    rows = read_store(lab, outcome.problems)
    for event, acknowledged in events:
        found = len(rows.get(event.body, ()))
        outcome.check(found <= 1, "%s: event %d is stored %d times" % (when, event.number, found))
        outcome.check(found >= 1 or not acknowledged or least == 0,
                      "%s: event %d was answered 200 and is LOST" % (when, event.number))
    return rows


def send_again(outcome, lab, events, when="sent again"):
    """Without faults it is taken, or known."""
    for event in events:
        status, answer = lab.cgi(event)
        outcome.check(status == 0 and is_200(answer), "%s: event %d is answered %d %r"
                      % (when, event.number, status, answer[:120]))
        outcome.add("sent again")
    return expect_stored(outcome, lab, [(event, True) for event in events], when)


def settle_all(outcome, lab):
    """Run workers until every event is at its end; the rows."""
    rows = {}
    for _ in range(4):
        status, _ = lab.command("worker", "--once")
        outcome.check(status == 0, "the worker afterwards ended with %d" % status)
        rows = read_store(lab, outcome.problems)
        waiting = [row["id"] for found in rows.values() for row in found
                   if row["state"] in ("queued", "running")]
        if not waiting or outcome.problems:
            return rows
        for number in waiting:  # a failed one waits for its time: not here
            lab.command("replay", str(number))
    outcome.check(False, "events %s come to no end" % waiting)
    return rows


def finish(outcome, lab, scenario, events, before, check=True, overlap_allowed=False):
    """Bring all to its end, and look at how it came there. before: the rows at the kill."""
    done_before = {row["id"] for found in before.values() for row in found
                   if row["state"] == "done"}
    rows = settle_all(outcome, lab)
    again = [event for event in events for row in rows.get(event.body, ())
             if event.endpoint == "waits" and row["state"] == "dead"]
    if again:  # its sender was not answered, so it comes again, and that delivery runs it
        rows = send_again(outcome, lab, again, "sent again to a dead one")
    ended = judge_notes(lab, outcome.problems, overlap_allowed)
    if scenario.template != "over":
        for found in rows.values():
            for row in found:
                outcome.check(row["id"] in ended,
                              "event %(id)d is %(state)s (%(reason)s), and no handler came to "
                              "its end" % row)
    if scenario.name != "replay":
        twice = done_before & starts_after_kill(lab)
        outcome.check(not twice, "events %s were done and ran again" % twice)
    for event in events:
        for row in rows.get(event.body, ()):
            outcome.check(row["state"] == "done" or event.endpoint == "dies",
                          "event %d is %s in the end" % (row["id"], row["state"]))
    if check:
        status, _ = lab.command("check")
        with open(lab.folder + "/stderr", encoding="utf-8", errors="replace") as file:
            outcome.check(status == 0, "check ends with %d: %s" % (status, file.read()[:300]))
        outcome.add("checked")
    left = collect_strays()
    outcome.check(left == 0, "%d processes are left" % left)


def finish_command(outcome, lab, scenario, output):
    """What a command said it did is done; and it can be given again."""
    rows = read_store(lab, outcome.problems)
    if scenario.name == "replay":
        state = [row["state"] for found in rows.values() for row in found if row["id"] == 3]
        outcome.check(state in (["dead"], ["queued"]), "the replayed one is %s" % state)
        outcome.check(b"queued" not in output or state == ["queued"], "it said %r" % output)
        if state == ["dead"]:
            outcome.check(lab.command("replay", "3")[0] == 0, "replay again")
    elif scenario.name == "prune":
        outcome.check(lab.command("prune")[0] == 0, "prune again")
        left = sorted(row["id"] for found in read_store(lab, outcome.problems).values()
                      for row in found)
        outcome.check(left == [4], "prune left %s" % left)
    return rows


# --- kills ---------------------------------------------------------------------------------------


def traced(lab, scenario, events, at):
    """Run the scenario under ptrace: the trace and the answers or the output."""
    # a worker that waits for work makes a call now and then: each point is reached in the end
    common = {"cwd": lab.folder, "at": at, "alone": scenario.alone,
              "idle_s": scenario.idle_s if at is None else None}
    if scenario.kind == "fastcgi":
        return traced_fastcgi(lab, events, common)
    if scenario.kind == "cgi":
        argv, env, body = [HOOKCGI], events[0].variables(lab), events[0].body
    else:
        argv, env, body = [HOOKCGI, "-c", lab.config, *scenario.what], {"PATH": "/bin"}, b""
    with tempfile.TemporaryFile(dir=lab.folder) as stdin, \
            tempfile.TemporaryFile(dir=lab.folder) as stdout:
        stdin.write(body)
        stdin.seek(0)
        trace = Trace(argv, env, stdin.fileno(), stdout.fileno(), **common).run()
        stdout.seek(0)
        return trace, [stdout.read()]


def traced_fastcgi(lab, events, common):
    """As traced(). Counted from the request to the end of the process."""
    answers = []
    with fcgi_listener(lab) as listener, open(os.devnull, "wb") as null:
        trace = Trace([HOOKCGI], {"HOOKCGI_CONFIG": lab.config, "PATH": "/bin"},
                      listener.fileno(), null.fileno(), **common)
    trace.counting = False

    def client():
        fcgi_answers(lab, events[:1], "GET")  # answered without the store: it has started
        trace.counting = True
        answers.extend(fcgi_answers(lab, events))
        try:
            os.kill(trace.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it was killed

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    trace.run()
    thread.join()
    return trace, answers


def kill_point(lab, template, scenario, at, size):
    """Kill at call `at` (0: never, only count), and see."""
    outcome = Outcome()
    events = scenario.events(size)
    lab.copy_of(template)
    if scenario.kind == "command":
        lab.write("slow", "")
    trace, answers = traced(lab, scenario, events, at or None)
    outcome.fired, outcome.calls = trace.fired, trace.count
    outcome.check(trace.fired or trace.idle_s or trace.status in (0, None),
                  "without a kill it ends with %s" % trace.status)
    if not scenario.alone:
        begun = [words[0] for words in lab.read_notes() if words[0] in ("start", "end")]
        outcome.add("handlers cut", begun.count("start") - begun.count("end"))
    lab.note("over" if scenario.alone else "killed")
    lab.write("hookcgi.conf", CONFIG.replace("WORKER", "off"))  # all workers from here on are ours
    if os.path.exists(lab.folder + "/slow"):
        os.unlink(lab.folder + "/slow")
    acknowledged = [(event, is_200(answer)) for event, answer in zip(events, answers)]
    rows = expect_stored(outcome, lab, acknowledged, "after the kill")
    for event, known in acknowledged:
        outcome.add("acknowledged", known)
        outcome.add("stored only", not known and event.body in rows)
    before = rows
    if scenario.kind == "command":
        rows = finish_command(outcome, lab, scenario, answers[0])
    elif events[0].endpoint != "waits":
        before = send_again(outcome, lab, events)
    finish(outcome, lab, scenario, events, rows, TORTURE or at % 4 == 0, scenario.alone)
    if scenario.kind != "command" and events[0].endpoint == "waits":
        send_again(outcome, lab, events, "sent again after a worker")
    if outcome.problems and trace.fired:
        outcome.problems.append("(killed before call %d, number %d of the kernel's)"
                                % (at, trace.call))
    return outcome


# --- errors: strace ------------------------------------------------------------------------------

ERRORS = {
    "fdatasync": ("EIO", "ENOSPC"), "fsync": ("EIO",), "pwrite64": ("EIO", "ENOSPC"),
    "write": ("EIO", "ENOSPC", "EINTR"), "writev": ("EIO", "EINTR"), "ftruncate": ("EIO", "ENOSPC"),
    "openat": ("ENOSPC", "EMFILE", "EACCES"), "mmap": ("ENOMEM",), "fcntl": ("ENOLCK", "EINTR"),
    "fork": ("EAGAIN",), "vfork": ("EAGAIN",), "clone": ("EAGAIN",), "clone3": ("EAGAIN",),
    "pipe2": ("EMFILE",), "poll": ("EINTR",), "ppoll": ("EINTR",), "epoll_wait": ("EINTR",),
    "epoll_pwait": ("EINTR",), "read": ("EINTR",), "pread64": ("EIO",), "fallocate": ("ENOSPC",),
    "unlink": ("EIO",), "mkdir": ("ENOSPC",), "mknodat": ("ENOSPC",), "accept4": ("EMFILE", "EINTR"),
}
ERROR_RUNS = {"cgi-first": 5, "cgi-new": 2, "fastcgi-new": 7, "worker-one": 10, "replay": 7,
              "prune": 7}


def strace(log, inject=None, calls=None):
    """In front of a command: trace these calls into the log, but not those of handlers (-b)."""
    words = ["strace", "-f", "-b", "execve", "-o", log]
    words += ["-e", "trace=" + ",".join("?" + call for call in calls or ERRORS)]
    words += ["-e", "signal=none"] if inject is None else ["-e", "inject=?" + inject]
    return words


LINE = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)$")


def calls_of(log):
    """The finished calls of a log, in order: (process, name, text with arguments and result)."""
    begun = {}
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = LINE.match(line)
            if match is None:
                continue
            pid, name, text = match.groups()
            if text.endswith("<unfinished ...>"):
                begun[pid] = text[:-len("<unfinished ...>")]
                continue
            yield int(pid), name, begun.pop(pid, "") + text


def judge_syncs(log, problems):
    """
    No file is synced again after a sync that failed, unless it was opened anew: for an answer of 200.
    (SQLite rolls back what failed, and syncs that.)
    """
    opened, failed = {}, set()
    for pid, name, text in calls_of(log):
        result = text.rpartition(" = ")[2]
        if name == "openat" and result[:1].isdigit():
            if '"' not in text:  # not root: strace may not read an undumpable program's memory
                return
            path = (pid, text.split('"')[1])
            opened[pid, int(result.split()[0])] = path
            failed.discard(path)
        elif name in ("fsync", "fdatasync"):
            path = opened.get((pid, int(text.split(")")[0])))
            if path in failed:
                problems.append("%s is synced again after an error" % path[1])
            if result.startswith("-1") and path is not None:
                failed.add(path)


def count_calls(log):
    """How often each call is made by the process that makes it most."""
    each = {}
    for pid, name, _ in calls_of(log):
        each.setdefault(name, {}).setdefault(pid, 0)
        each[name][pid] += 1
    return {name: max(counts.values()) for name, counts in each.items()}


def has_ended(process):
    """Or was there no room for the answer alone, and it goes on?"""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return False
    return True


def disturbed(outcome, lab, scenario, events, more=None, before=(), then=()):
    """Run the scenario with a fault: the answers. `then` is sent to the same FastCGI process."""
    answers = []
    if scenario.kind == "fastcgi":
        with FastCGI(lab, more, before) as server:
            answers = fcgi_answers(lab, events)
            later = fcgi_answers(lab, then)
            # this may be the one that the fault met; and files are looked at twice a second
            end = time.monotonic() + RECOVER_S
            while not all(map(is_200, later)) and time.monotonic() < end:
                if b"" in later and has_ended(server.process):
                    break
                time.sleep(0.1)
                later = fcgi_answers(lab, then)
            if then and server.process.poll() is None:
                outcome.check(all(map(is_200, later)), "the next request is answered %r" % later)
                outcome.add("went on")
        status = server.status
    elif scenario.kind == "cgi":
        status, answer = lab.cgi(events[0], more, before)
        answers = [answer]
    else:
        status, answer = lab.command(*scenario.what, more=more, before=before)
        answers = [answer]
    outcome.check(status >= 0, "it died of signal %d" % -status)
    return answers


def after_fault(outcome, lab, scenario, events, answers, then):
    """What must hold when the fault is over."""
    for answer in answers if scenario.kind != "command" else ():
        word = answer[:11].decode("latin-1")
        outcome.check(word in ("", "Status: 200") or word.startswith("Status: 5"),
                      "answered %r" % answer[:60])
        outcome.add("answered %s" % (word[8:11] or "nothing"))
    collect_strays()  # of a supervisor that failed: its runners end when they see it
    lab.note("over")
    acknowledged = [(event, is_200(answer)) for event, answer in zip(events, answers)]
    rows = expect_stored(outcome, lab, acknowledged, "after the fault")
    if scenario.kind == "command":
        rows = finish_command(outcome, lab, scenario, answers[0])
    send_again(outcome, lab, events + then, "without the fault")
    finish(outcome, lab, scenario, events, rows, False, True)


def error_point(lab, template, scenario, point, size):
    """point: "CALL:ERROR:WHEN"."""
    call, error, when = point.split(":")
    outcome = Outcome()
    events, then = scenario.events(size), [Event(200)]
    lab.copy_of(template)
    log = lab.folder + "/strace"
    calls = {call, "openat", "fsync", "fdatasync"}
    inject = "%s:error=%s:when=%s" % (call, error, when)
    answers = disturbed(outcome, lab, scenario, events, None, strace(log, inject, calls), then)
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    outcome.fired = "(INJECTED)" in text
    for death in re.findall(r"\+\+\+ killed by (\w+)", text):
        outcome.check(death in OUR_SIGNALS, "a process died of %s" % death)
    if any(map(is_200, answers)):
        judge_syncs(log, outcome.problems)
    after_fault(outcome, lab, scenario, events, answers, then)
    return outcome


def error_points(lab, template, scenario, size):
    """All points of a scenario: how often each call is made, less what a bare start makes."""
    log = lab.folder + "/strace"
    lab.copy_of(template)
    disturbed(Outcome(), lab, scenario, scenario.events(size), None, strace(log), [Event(200)])
    whole = count_calls(log)
    lab.command("--version", before=strace(log))
    start = count_calls(log)
    if TORTURE:  # but for what the dynamic loader itself dies of
        start = {"mmap": start["mmap"]}
    return ["%s:%s:%d" % (call, error, when) for call, errors in ERRORS.items()
            for error in errors for when in range(start.get(call, 0) + 1, whole.get(call, 0) + 1)]


# --- syncs: the answer comes after them --------------------------------------------------------------


def unsynced_point(lab, template, scenario, point, size):
    """
    A process is killed, or told EIO, at a sync, and what it wrote can be seen: who answers the
    sender's next delivery must have synced it first, since 200 means that it is on disk.
    point: "KILL:N" or "EIO:N".
    """
    fault, when = point.split(":")
    outcome = Outcome()
    event = scenario.events(size)[0]
    lab.copy_of(template)
    log = lab.folder + "/strace"
    inject = "fdatasync:%s:when=%s" % ("signal=KILL" if fault == "KILL" else "error=EIO", when)
    _, answer = lab.cgi(event, before=strace(log, inject, ["openat", "fdatasync"]))
    with open(log, encoding="utf-8", errors="replace") as file:
        outcome.fired = ("killed by SIGKILL" if fault == "KILL" else "(INJECTED)") in file.read()
    rows = expect_stored(outcome, lab, [(event, is_200(answer))], "after the fault")
    if is_200(answer) or event.body not in rows:
        return outcome
    outcome.add("stored and not synced")
    _, answer = lab.cgi(event, before=strace(log, None, ["openat", "pwrite64", "fdatasync",
                                                         "writev"]))
    outcome.check(is_200(answer), "sent again: answered %r" % answer[:60])
    opened, synced, written = {}, set(), set()
    for _, name, text in calls_of(log):
        result = text.rpartition(" = ")[2]
        if name == "openat" and result[:1].isdigit():
            opened[result.split()[0]] = os.path.basename(text.split('"')[1])
        elif name == "pwrite64":
            written.add(opened.get(text.split(",")[0]))
        elif name == "fdatasync" and not result.startswith("-1"):
            synced.add(opened.get(text.split(")")[0]))
        elif name == "writev" and "Status: 200" in text:
            break
    outcome.check(synced & {"hookcgi.db", "hookcgi.db-wal"},
                  "200 for what a process wrote that was stopped at its sync, without a sync")
    if fault == "EIO":
        outcome.check("hookcgi.db" in synced and "hookcgi.db" in written,
                      "200 for what could not be synced, and it was not written anew")
    return outcome


def pending_point(lab, template, scenario, point, size):
    """
    A sync takes long, and meanwhile the event is delivered a second time: that is not answered 200 before
    the sync has ended. point: which sync of the process it is.
    """
    outcome = Outcome()
    event = scenario.events(size)[0]
    lab.copy_of(template)
    log = lab.folder + "/strace"
    inject = "fdatasync:delay_enter=500000:when=%s" % point
    env = {**event.variables(lab)}
    words = strace(log, inject, ["fdatasync", "writev"])
    with open(lab.folder + "/body", "wb") as body:
        body.write(event.body)

    def text():
        try:
            with open(log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    with open(lab.folder + "/body", "rb") as body, \
            subprocess.Popen([*words, HOOKCGI], stdin=body, stdout=subprocess.PIPE, env=env,
                             cwd=lab.folder) as first:
        # strace writes the beginning of a call before it waits
        while text().count("fdatasync(") < int(point) and first.poll() is None:
            time.sleep(0.002)
        begun = text()
        _, second = lab.cgi(event)
        ended = text()
        answer = first.stdout.read()
    lab.note("over")
    pending = begun.count("fdatasync(") == int(point) and not begun.endswith("\n")
    if pending and "writev(1," not in begun:
        outcome.fired = True
        outcome.add("second deliveries while it was pending")
        synced = len(re.findall(r"fdatasync\(\d+\) += 0", ended))
        outcome.check(not is_200(second) or synced >= int(point),
                      "200 while the sync of the first delivery was pending: %s" % ended)
    outcome.check(is_200(answer), "the first is answered %r" % answer[:60])
    rows = expect_stored(outcome, lab, [(event, True)], "in the end")
    finish(outcome, lab, scenario, [event], rows, False)
    return outcome


# --- allocations -------------------------------------------------------------------------------------

NOTE = "qqq64s"  # struct note of malloc_preload.c
# Libraries that use memory which they were not given. The process dies, the web server answers 500.
CARELESS = ("libconfuse", "libcrypto", "libfcgi")
MALLOC_RUNS = {"cgi-first": 60, "cgi-new": 40, "fastcgi-new": 160, "worker-one": 240, "list": 80,
               "replay": 80, "prune": 80}


def malloc_point(lab, template, scenario, point, size):
    """point: the number of the allocation that fails; negative: and all after it; 0: none."""
    outcome = Outcome()
    events, then = scenario.events(size), [Event(200)]
    lab.copy_of(template)
    note = lab.folder + "/note"
    with open(note, "wb") as file:
        file.write(struct.pack(NOTE, int(point), 0, 0, b""))
    more = {"LD_PRELOAD": PRELOAD, "MALLOC_FAIL_NOTE": note}
    if scenario.kind == "fastcgi" and int(point) < 0:
        answers = disturbed(outcome, lab, scenario, events, more)
    else:
        answers = disturbed(outcome, lab, scenario, events, more, (), then)
    with open(note, "rb") as file:
        _, outcome.calls, failed, died_in = struct.unpack(NOTE, file.read())
    outcome.fired = failed > 0
    library = died_in.rstrip(b"\0").decode().partition(".")[0]
    if library:
        outcome.add("died in " + library)
        if library in CARELESS:
            outcome.problems = [text for text in outcome.problems if "died of signal" not in text]
        else:
            outcome.check(False, "a process died of a signal in " + library)
    after_fault(outcome, lab, scenario, events, answers, then)
    return outcome


# --- controls: what must be found ----------------------------------------------------------------------

CONTROLS = {
    "a lost event": "DELETE FROM event WHERE id = 3; DELETE FROM detail WHERE event = 3;"
                    "DELETE FROM body WHERE event = 3; DELETE FROM key WHERE event = 3;"
                    "UPDATE endpoint SET queued = 1",
    "a second row of one event": "INSERT INTO event SELECT id + 1, endpoint, state, due, attempts,"
                                 " failed, changed, age, owner, lease, waited FROM event WHERE id = 3;"
                                 "INSERT INTO body SELECT 4, variables, body FROM body WHERE event = 3;"
                                 "INSERT INTO detail SELECT 4, provider, type, sender_id, x'00', remote,"
                                 " received, reason, digest, body_len FROM detail WHERE event = 3;"
                                 "INSERT INTO key SELECT endpoint, x'00', 4, age, 0 FROM key"
                                 " WHERE event = 3; UPDATE endpoint SET queued = 3",
    "half an event": "DELETE FROM body WHERE event = 3",
    "another body": "UPDATE body SET body = x'30' WHERE event = 3",
    "an event that runs for ever": "UPDATE event SET state = 1, attempts = 1, lease = 1 << 50,"
                                   " owner = 'x' WHERE id = 3;"
                                   "UPDATE endpoint SET queued = 1, running = 1",
}


def control_point(lab, template, scenario, point, size):
    """
    A store, a disk or a program that does wrong. fired: the checks above have noticed it.
    point: one of CONTROLS, "a disk that lies" or "a program that lies".
    """
    outcome, found = Outcome(), Outcome()
    event = Event(100, "orders", size)
    lab.copy_of(template)
    if point == "a disk that lies":
        # the frames of a commit are written at once: that is said to be done and is not
        log = lab.folder + "/strace"
        lab.cgi(event, before=strace(log, None, ["pwrite64"]))
        first, text = next((n, text) for n, (_, _, text) in enumerate(calls_of(log), 1)
                           if re.search(r", \d{4,}, \d+\)", text))
        lab.copy_of(template)
        _, answer = lab.cgi(event, before=strace(
            log, "pwrite64:retval=%s:when=%d" % (re.search(r", (\d+), \d+\)", text).group(1), first),
            ["pwrite64"]))
    elif point == "a program that lies":
        answer = b"Status: 200 OK\r\n\r\n"
    else:
        _, answer = lab.cgi(event)
        lab.alter(CONTROLS[point])
    outcome.check(is_200(answer), "answered %r: nothing to be found" % answer[:60])
    rows = expect_stored(found, lab, [(event, True)], "control")
    if not found.problems:
        finish(found, lab, scenario, [event], rows)
    collect_strays()
    outcome.fired = bool(found.problems)
    outcome.check(found.problems, "%s was NOT noticed" % point)
    return outcome


# --- all points of what is asked for --------------------------------------------------------------------

KINDS = {"kill": kill_point, "error": error_point, "unsynced": unsynced_point,
         "pending": pending_point, "malloc": malloc_point, "control": control_point}
TASKS = (["kill:" + scenario.name for scenario in KILLS] + ["error:" + name for name in ERROR_RUNS] +
         ["unsynced:cgi-first", "unsynced:cgi-new", "pending:cgi-first", "pending:cgi-new"] +
         ["malloc:" + name for name in MALLOC_RUNS] + ["control:cgi-new"])


class Bench:
    """The prepared stores, and a folder to run in for each process."""

    def __init__(self, folder):
        self.folder = folder
        self.size = random.Random(SEED).choice((10, 60, 900, 3000, 9000))
        self.templates = make_templates(folder, self.size)

    def point(self, task, point):
        """Run one point, whatever happens."""
        kind, _, name = task.partition(":")
        scenario = SCENARIOS[name]
        lab = Lab("%s/run.%d" % (self.folder, os.getpid()))
        signal.signal(signal.SIGALRM, on_alarm)
        signal.alarm(2 * HANG_S)
        try:
            return KINDS[kind](lab, self.templates[scenario.template], scenario, point, self.size)
        except (Hang, subprocess.TimeoutExpired):
            outcome = Outcome()
            outcome.problems.append("it did not end within %d s" % HANG_S)
            return outcome
        except Exception:  # pylint: disable=broad-except
            outcome = Outcome()
            outcome.problems.append(traceback.format_exc())
            return outcome
        finally:
            signal.alarm(0)
            collect_strays()

    def points(self, task):
        """The points of a task, in the quick tier a sample."""
        kind, _, name = task.partition(":")
        scenario = SCENARIOS[name]
        template = self.templates[scenario.template]
        lab = Lab("%s/run.%d" % (self.folder, os.getpid()))
        first = 1
        if kind == "kill":
            whole = self.point(task, 0)
            assert not whole.problems, whole.problems
            if not TORTURE and scenario.kind != "fastcgi":
                start = Scenario("version", "empty", "command", ["--version"])
                first = traced(lab.copy_of(template), start, [], None)[0].count - 10
            points, stride = list(range(first, whole.calls + 1)), scenario.stride
        elif kind == "malloc":
            whole = self.point(task, 0)
            assert not whole.problems, whole.problems
            numbers = range(1, whole.calls + 1)
            points, stride = [*numbers, *(-n for n in numbers)], MALLOC_RUNS[name]
        elif kind == "error":
            points, stride = error_points(lab, template, scenario, self.size), ERROR_RUNS[name]
        elif kind == "unsynced":
            points, stride = ["%s:%d" % (fault, n) for fault in ("KILL", "EIO")
                              for n in range(1, 13)], 1
        elif kind == "pending":
            points, stride = [str(n) for n in range(1, 9)], 1
        else:
            points, stride = [*CONTROLS, "a disk that lies", "a program that lies"], 1
        if TORTURE:
            stride = 1
        # what a sync that fails leaves is never left out
        always = [point for point in points if str(point).startswith(("fdatasync", "fsync"))]
        sample = points[random.Random("%d %s" % (SEED, task)).randrange(stride)::stride]
        return always + [point for point in sample if point not in always], len(points)


BENCH = None  # of this process and those that are forked from it


def begin_process():
    """One that runs points: what they leave behind comes to it."""
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_point(job):
    """In one of the processes."""
    task, point = job
    return point, BENCH.point(task, point)


def report(task, jobs, total, outcomes, seconds):
    """One line of what was covered, and what was found: how many fired, was all well, figures."""
    figures = {}
    fired = bad = 0
    for point, outcome in outcomes:
        fired += outcome.fired
        for name, number in outcome.figures.items():
            figures[name] = figures.get(name, 0) + number
        if outcome.problems:
            bad += 1
            if bad <= 5:
                print("%s --point %s: CRASH_SEED=%d" % (task, point, SEED))
                for problem in outcome.problems[:6]:
                    print("    " + problem.strip().replace("\n", "\n    "))
    print("# %s: %d of %d points, %d fired; %s%d bad; %.1f s" % (
        task, jobs, total, fired,
        "".join("%s %d, " % item for item in sorted(figures.items()) if item[1]), bad, seconds))
    sys.stdout.flush()
    return fired, bad == 0, figures


def enough(task, fired, jobs, figures):
    """A sweep that disturbs nothing proves nothing."""
    if task == "kill:worker-three" and not figures.get("handlers cut"):
        return False
    if task.startswith("kill:fastcgi") and not figures.get("acknowledged"):
        return False
    if task.startswith("control:"):
        return fired == jobs
    if task.startswith(("kill:", "malloc:", "error:")):
        return fired * 10 >= jobs * 6  # threads make more calls in one run than in another
    return fired > 0


def sweep(task):
    """All points of one task on all processes: how many fired, and was all well."""
    began = time.monotonic()
    points, total = BENCH.points(task)
    # those that wait for the program's own pauses cost no processor
    jobs = JOBS * (4 if task in ("error:worker-one", "malloc:worker-one", "kill:worker-alone",
                                 "kill:cgi-auto") else 1)
    with multiprocessing.get_context("fork").Pool(jobs, begin_process) as pool:
        outcomes = list(pool.imap_unordered(run_point, [(task, point) for point in points]))
    fired, good, figures = report(task, len(points), total, outcomes, time.monotonic() - began)
    if not enough(task, fired, len(points), figures):
        print("%s: %d of %d points did what they should" % (task, fired, len(points)))
        good = False
    return fired, good


def main():
    """The command line."""
    global BENCH  # pylint: disable=global-statement
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("task", nargs="*", help="KIND:SCENARIO, or KIND for all of a kind")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--point", help="this one only")
    args = parser.parse_args()
    if args.list:
        print("\n".join(TASKS))
        return 0
    tasks = [task for word in args.task for task in TASKS
             if task == word or task.startswith(word + ":") or task.startswith(word + "-")]
    if not tasks:
        parser.error("no such scenario; --list names them")
    libc.prctl(36, 1, 0, 0, 0)  # what the processes that run points leave when they are ended
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    scratch = tempfile.mkdtemp(prefix="hookcgi-inject.",
                               dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    print("# seed %d" % SEED)
    total, good = 0, True
    try:
        BENCH = Bench(scratch)
        for task in tasks:
            if args.point is not None:
                number = re.fullmatch(r"-?\d+", args.point) and not task.startswith("pending")
                point = int(args.point) if number else args.point
                fired, fine, _ = report(task, 1, 1, [(point, BENCH.point(task, point))], 0)
            else:
                fired, fine = sweep(task)
            total += fired
            good = good and fine
    finally:
        collect_strays()
        shutil.rmtree(scratch, ignore_errors=True)
    print("# %d points fired" % total)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
