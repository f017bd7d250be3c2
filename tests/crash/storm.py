#!/usr/bin/env python3
"""storm.py - kill, crowd and starve the real program, and then account for every event

    storm.py storm|same|workers|clocks|clock_set|poison|limit|scarce

Each scenario has a folder with a configuration, a store and one handler. FastCGI processes
get listening sockets of ours, as from a web server, so a request to one that was killed waits
for the next one, and only what the killed one had is unanswered. CGI processes, workers and
handlers are the real ones too.

The ledger is one file outside of the store, to which everybody appends whole lines:

    S DELIVERY ATTEMPT PID PARENT ENDPOINT ID UPTIME    a handler began
    E DELIVERY ATTEMPT PID STATUS UPTIME                and is about to exit with that
    K KIND PID UPTIME                                   this process is killed now, or kills itself

The order of its lines is the order of things; no clock is compared. A run that has no E line
must have a K line. At the end the store, the ledger
and what senders were told must agree to the last event: the check_ functions below.

Status 0: all is accounted for, and the last line says how much that was; 1: it is not, and what is
missing is said. TORTURE=1 makes everything longer; STORM_SECONDS is how long the storm lasts.
"""
import collections
import ctypes
import dataclasses
import datetime
import hashlib
import hmac
import json
import mmap
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import struct
import sys
import tempfile
import threading
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
sys.dont_write_bytecode = True
import fcgi_client  # noqa: E402

HOOKCGI = os.path.abspath(os.environ.get("HOOKCGI", os.path.join(TOP, "build", "hookcgi")))
CRASH_BUILD = os.path.abspath(os.environ.get("CRASH_BUILD", os.path.join(TOP, "build", "crash")))
TORTURE = os.environ.get("TORTURE") == "1"
RUNNERS_MAX = 6  # of a worker, in any of these scenarios
HANG_S = 30  # whoever waits longer than that for something has found a hang
YEAR_S = 365 * 24 * 3600
SECRET = "0123456789abcdef0123456789abcdef01234567"

# A plan is the event's type. "read" and "echo" are builtins, and each echo is one write(2).
HANDLER = """#!/bin/sh
note() {
	read -r now _ </proc/uptime
	echo "$* $now" >>"%(ledger)s"
}
end() {
	note E "$HOOK_DELIVERY" "$HOOK_ATTEMPT" $$ "$1"
	exit "$1"
}
first() { [ "$HOOK_ATTEMPT" -eq 1 ]; }
note S "$HOOK_DELIVERY" "$HOOK_ATTEMPT" $$ $PPID "$HOOK_ENDPOINT" "$HOOK_ID"
case $HOOK_EVENT in
good) end 0 ;;
slow) sleep 0.05; end 0 ;;
long) sleep 1; end 0 ;;
late) first && end 1; end 0 ;;
tardy) sleep 1; first && end 1; end 0 ;;
gone) first && end 100; end 0 ;;
never) end 1 ;;
crash) note K handler $$; kill -KILL $$ ;;
hang) trap 'note K handler $$; exit 9' TERM; sleep 60 & wait ;;
esac
"""


class Fault(Exception):
    """The program did not do what it promises, or the scenario did not do what it should."""


def must(condition, text):
    """As assert, also under -O."""
    if not condition:
        raise Fault(text)


def wait_until(condition, what, seconds=HANG_S):
    """Poll until it is true. The bound is for hangs and nothing else."""
    end = time.monotonic() + seconds
    while not condition():
        must(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.005)


# --- processes -------------------------------------------------------------------

Process = collections.namedtuple("Process", "pid name state parent start")


def process(pid):
    """What /proc says of it; None: it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read().decode("latin-1")
    except OSError:
        return None
    name, _, rest = text[text.index("(") + 1:].rpartition(") ")
    fields = rest.split()
    return Process(int(pid), name, fields[0], int(fields[1]), fields[19])


def family():
    """All living descendants of this process, whoever started them."""
    children = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit() and (one := process(name)):
            children[one.parent].append(one)
    found, todo = [], [os.getpid()]
    while todo:
        for child in children[todo.pop()]:
            todo.append(child.pid)
            if child.state not in "ZX":
                found.append(child)
    return found


def kill(victim, number=signal.SIGKILL):
    """Signal that process and no other that has its number by now. False: it had ended."""
    try:
        descriptor = os.pidfd_open(victim.pid)
    except OSError:
        return False
    try:
        now = process(victim.pid)
        if now is None or (now.start, now.name) != (victim.start, victim.name) or now.state in "ZX":
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


class Children:
    """Starts processes, and waits for all of them, also for those whose parent was killed:
    this process is their subreaper, so that nothing escapes it."""

    def __init__(self):
        must(ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0, "PR_SET_CHILD_SUBREAPER")
        self.changed = threading.Condition()
        self.alive = set()
        self.status = {}
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, 0)
            except ChildProcessError:
                time.sleep(0.01)
                continue
            with self.changed:
                if pid in self.alive:
                    self.alive.discard(pid)
                    self.status[pid] = os.waitstatus_to_exitcode(status)
                    self.changed.notify_all()

    def start(self, argv, environment, descriptors):
        """descriptors: what becomes 0, 1 and 2."""
        actions = [(os.POSIX_SPAWN_DUP2, fd, i) for i, fd in enumerate(descriptors)]
        with self.changed:
            pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions,
                                 setsigdef=[signal.SIGPIPE])
            self.alive.add(pid)
            self.status.pop(pid, None)
        return pid

    def wait(self, pid, seconds=None):
        """Its exit status, or minus the signal; None: it has not ended in time."""
        with self.changed:
            if not self.changed.wait_for(lambda: pid in self.status, seconds):
                return None
            return self.status.pop(pid)


class Kept:
    """A process that is started again whenever it has ended, until the lab is closed."""

    def __init__(self, lab, start):
        self.lab, self.start, self.pid, self.starts = lab, start, 0, 0
        self.paused = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.lab.closing.is_set():
            if self.paused.is_set():
                self.lab.closing.wait(0.02)
                continue
            self.pid = self.start()
            self.starts += 1
            if self.lab.children.wait(self.pid) >= 0:  # by itself: another one has the lock
                self.lab.closing.wait(0.1)
            self.pid = 0


# --- the lab ---------------------------------------------------------------------

Answer = collections.namedtuple("Answer", "status word number head")
NO_ANSWER = Answer(0, "", 0, "")


def parse_answer(raw):
    """Answered is who got the headers: a web server passes them on at once."""
    head, blank, text = raw.decode("latin-1").partition("\r\n\r\n")
    status = re.match(r"Status: (\d+)", head)
    if not blank or not status:
        return NO_ANSWER
    word = re.search(r'"status":"([a-z_]+)"', text)
    number = re.search(r'"id":(\d+)', text)
    return Answer(int(status[1]), word[1] if word else "", int(number[1]) if number else 0, head)


class Event:
    """One event of a sender: the same bytes each time that it is sent."""

    def __init__(self, endpoint, name, plan):
        self.endpoint, self.name, self.plan = endpoint, name, plan
        self.body = json.dumps({"id": name, "type": plan, "payload": {"n": 7}}).encode()
        self.signature = hmac.new(SECRET.encode(), self.body, hashlib.sha256).hexdigest()

    @property
    def key(self):
        """What the ledger and the store know it by."""
        return self.endpoint, self.name

    def variables(self):
        """The request as CGI has it."""
        return {
            "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1",
            "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/hooks", "REMOTE_ADDR": "192.0.2.1",
            "PATH_INFO": "/" + self.endpoint, "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(self.body)), "HTTP_X_IDFY_SIGNATURE": self.signature,
        }

    def records(self):
        """The request as FastCGI has it, without its last record."""
        pairs = b"".join(fcgi_client.pair(name.encode(), value.encode())
                         for name, value in self.variables().items())
        return (fcgi_client.record(fcgi_client.BEGIN, struct.pack(">HB5x", 1, 0))
                + fcgi_client.stream(fcgi_client.PARAMS, pairs)
                + fcgi_client.record(fcgi_client.PARAMS)
                + fcgi_client.stream(fcgi_client.STDIN, self.body))


LAST_RECORD = fcgi_client.record(fcgi_client.STDIN)


class Lab:
    """A folder with all that an installation has, and the processes that work on it."""

    def __init__(self, children, endpoints, top="worker = \"off\"\nrunners = 4", user=None):
        """endpoints: {name: options}. user: all of it belongs to this number."""
        self.children = children
        self.closing = threading.Event()
        self.as_user = [] if user is None else [
            shutil.which("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        self.folder = tempfile.mkdtemp(prefix="hookcgi-storm.")
        self.ledger_path = self.path("ledger")
        self.config = self.path("hookcgi.conf")
        self.sockets, self.kept, self.removed = [], [], False
        self._write("handler", HANDLER % {"ledger": self.ledger_path}, 0o700)
        self._write("secret", SECRET, 0o600)
        self._write("ledger", "", 0o600)
        self._write("log", "", 0o600)
        self._write("hookcgi.conf", "\n".join(
            [f'log = "file:{self.path("log")}"', f'store = "sqlite:{self.path("store/db")}"', top]
            + [f'endpoint "{name}" {{ provider = "idfy" secret = "file:secret"\n'
               f'run = {{ "{self.path("handler")}" }}\n{options}\n}}'
               for name, options in endpoints.items()]) + "\n", 0o600)
        if user is not None:
            for name in ["", "handler", "secret", "ledger", "log", "hookcgi.conf"]:
                os.chown(self.path(name), user, user)
        self.log = os.open(self.path("log"), os.O_WRONLY | os.O_APPEND)
        self.ledger = os.open(self.ledger_path, os.O_WRONLY | os.O_APPEND)
        self.null = os.open("/dev/null", os.O_RDWR)

    def path(self, name):
        """Of a file of the lab."""
        return os.path.join(self.folder, name)

    def _write(self, name, text, mode):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def start(self, arguments, descriptors, environment=None):
        """The program. Returns its process number."""
        must(not self.removed, "the scenario has ended")
        argv = self.as_user + [HOOKCGI] + arguments
        return self.children.start(argv, {"PATH": "/usr/bin:/bin", "LANG": "C",
                                          "HOOKCGI_CONFIG": self.config, **(environment or {})},
                                   descriptors)

    def keep_server(self, environment=None):
        """A FastCGI process; its number is the index of its socket."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path(f"socket.{len(self.sockets)}"))
        listener.listen(1024)
        self.sockets.append(listener)
        self.kept.append(Kept(self, lambda: self.start(
            [], [listener.fileno(), self.log, self.log], environment)))
        return self.kept[-1]

    def keep_worker(self, environment=None, options=()):
        """A worker; one that finds another one there asks again and again."""
        self.kept.append(Kept(self, lambda: self.start(
            ["worker", *options], [self.null, self.log, self.log], environment)))
        return self.kept[-1]

    def command(self, *arguments, environment=None):
        """The command line: its exit status and what it printed. What it complains of is logged."""
        reader, writer = os.pipe()
        pid = self.start(list(arguments), [self.null, writer, self.log], environment)
        os.close(writer)
        with open(reader, encoding="utf-8", errors="replace") as file:
            text = file.read()
        return self.children.wait(pid), text

    # Requests.

    def connect(self, server, event):
        """A connection that has all of the request but its end."""
        sock = fcgi_client.connect(self.path(f"socket.{server}"), HANG_S)
        try:
            sock.sendall(event.records())
        except (BrokenPipeError, ConnectionResetError):
            pass
        return sock

    @staticmethod
    def finish(sock):
        """Send the end."""
        try:
            sock.sendall(LAST_RECORD)
        except (BrokenPipeError, ConnectionResetError):
            pass

    @staticmethod
    def answer(sock):
        """What came, in the end."""
        try:
            with sock:
                return parse_answer(fcgi_client.receive(sock)[0])
        except TimeoutError as error:
            raise Fault(f"no answer and no end within {HANG_S} s") from error

    def post(self, event, server=0):
        """One request."""
        sock = self.connect(server, event)
        self.finish(sock)
        return self.answer(sock)

    def cgi(self, event):
        """A CGI process that waits for its body: (pid, where to write that, where it answers)."""
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        pid = self.start([], [theirs_in, theirs_out, self.log], event.variables())
        os.close(theirs_in)
        os.close(theirs_out)
        return pid, ours_in, ours_out

    def post_cgi(self, event, started=None):
        """One request to a CGI process. started: called with its number."""
        pid, ours_in, ours_out = self.cgi(event)
        if started:
            started(pid)
        self.finish_cgi(event, ours_in)
        return self.answer_cgi(pid, ours_out)

    @staticmethod
    def finish_cgi(event, ours_in):
        """Write the body."""
        try:
            os.write(ours_in, event.body)
        except BrokenPipeError:
            pass
        os.close(ours_in)

    def answer_cgi(self, pid, ours_out):
        """What came, in the end."""
        with open(ours_out, "rb") as file:
            raw = file.read()
        must(self.children.wait(pid, HANG_S) is not None, "a CGI process does not end")
        return parse_answer(raw)

    def post_all(self, events, threads=8, servers=1):
        """Send each until it is answered 200, by several senders. Returns {key: number}."""
        left, numbers = collections.deque(events), {}
        end = time.monotonic() + 4 * HANG_S

        def send(index):
            while True:
                try:
                    event = left.popleft()
                except IndexError:
                    return
                while (answer := self.post(event, index % servers)).status != 200:
                    must(time.monotonic() < end, f"{event.name} is not taken: {answer}")
                    time.sleep(0.01)
                numbers[event.key] = answer.number

        run_threads([lambda i=i: send(i) for i in range(threads)])
        must(len(numbers) == len(events), "a sender has failed")
        return numbers

    # What is there.

    def rows(self, *filters):
        """The store's events, as the command line says."""
        status, text = self.command("list", "--json", "--limit", "0", *filters)
        must(status == 0, f"list: {text[-300:]}")
        return [json.loads(line) for line in text.splitlines()]

    def counts(self):
        """{state: how many}, of stats; "lost" and "stored" too."""
        status, text = self.command("stats", "--json")
        must(status == 0, f"stats: {text[-300:]}")
        counts = collections.Counter()
        for line in map(json.loads, text.splitlines()):
            if line["endpoint"] is None:
                counts["lost"] = line["lost"]
            else:
                counts.update({state: line[state]["events"]
                               for state in ("queued", "running", "done", "dead")})
                counts["attempts"] += line["attempts"]
        return counts

    def drain(self, seconds=HANG_S):
        """Wait until nothing is queued or running."""
        wait_until(lambda: not (now := self.counts())["queued"] and not now["running"],
                   "all events are done or dead", seconds)

    def lines(self):
        """The ledger."""
        with open(self.ledger_path, encoding="ascii") as file:
            return [line.split() for line in file]

    def logged(self, text):
        """How many lines of the log have it."""
        with open(self.path("log"), encoding="utf-8", errors="replace") as file:
            return sum(text in line for line in file)

    def note(self, text):
        """A line of ours in the ledger."""
        with open("/proc/uptime", encoding="ascii") as file:
            os.write(self.ledger, f"{text} {file.read().split()[0]}\n".encode())

    def attempts(self):
        """{delivery: [(number, end, code)]}: of each event; `show` would be a process for each."""
        found = collections.defaultdict(list)
        with sqlite3.connect(self.path("store/db")) as database:
            must(database.execute("PRAGMA integrity_check").fetchall() == [("ok",)], "integrity")
            for delivery, number, end, code, reason in database.execute(
                    "SELECT event, number, end, code, reason FROM attempt ORDER BY event, number"):
                found[delivery].append((number, end, code, reason))
        database.close()
        return found

    def stop(self):
        """End all that works, as an administrator would. Nothing may be left."""
        self.closing.set()
        end = time.monotonic() + HANG_S
        while (left := family()) and time.monotonic() < end:
            for one in left:
                if one.name in ("hookcgi", "hookcgi-worker"):
                    kill(one, signal.SIGTERM)
            time.sleep(0.05)
        for kept in self.kept:
            kept.thread.join(HANG_S)
        must(not left, f"these did not end: {left}")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Leave nothing behind, whatever has happened."""
        if kind is not None:
            with open(self.path("log"), encoding="utf-8", errors="replace") as file:
                print("The end of the log:", *list(file)[-20:], sep="\n", file=sys.stderr)
        self.removed = True
        self.closing.set()
        end = time.monotonic() + HANG_S
        # Until nobody is left who may start one more.
        while (left := family()) or any(kept.thread.is_alive() for kept in self.kept):
            if time.monotonic() > end:
                break
            for one in left:
                kill(one)
            time.sleep(0.02)
        for sock in self.sockets:
            sock.close()
        for descriptor in (self.log, self.ledger, self.null):
            os.close(descriptor)
        shutil.rmtree(self.folder, ignore_errors=True)


def run_threads(functions):
    """Run them all at once; the first exception of one is ours."""
    failed = []

    def run(function):
        try:
            function()
        except BaseException as error:  # pylint: disable=broad-except
            failed.append(error)

    threads = [threading.Thread(target=run, args=(one,), daemon=True) for one in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


# --- accounting ------------------------------------------------------------------

@dataclasses.dataclass
class Account:
    """What is compared at the end."""
    rows: list  # of the store
    attempts: dict  # {delivery: [(number, end, code, reason)]}
    lines: list  # of the ledger
    acknowledged: set  # keys
    unanswered: list = dataclasses.field(default_factory=list)  # (key, whom, from, until)
    kills: list = dataclasses.field(default_factory=list)  # (whom, from, until it was gone)
    waits: tuple = ()  # endpoints whose sender waits
    in_order: tuple = ()  # endpoints with concurrency 1
    retries: int = 8
    starved: bool = False  # handlers may have been impossible to start


@dataclasses.dataclass
class Run:
    """One run of a handler. Times are line numbers of the ledger."""
    delivery: int
    attempt: int
    pid: str
    parent: str
    endpoint: str
    start: int
    end: int = None
    code: int = None
    killed: int = None

    def over(self):
        """When it had ended for certain."""
        return min((at for at in (self.end, self.killed) if at is not None), default=sys.maxsize)


def runs_of(lines):
    """All runs, and {pid: [when]} of the killed processes."""
    runs, by_pid, killed = [], {}, collections.defaultdict(list)
    for at, fields in enumerate(lines):
        if fields[0] == "S":
            runs.append(Run(int(fields[1]), int(fields[2]), fields[3], fields[4], fields[5], at))
            by_pid[fields[3]] = runs[-1]
            if any(at - when < 100 for when in killed[fields[3]][-1:]):
                runs[-1].killed = at  # it could just say this before the signal came
        elif fields[0] == "E":
            run = by_pid[fields[3]]
            run.end, run.code = at, int(fields[4])
        else:
            killed[fields[2]].append(at)
            # Whatever it was taken for: a runner's child is named so until it is the handler.
            if fields[2] in by_pid and by_pid[fields[2]].killed is None:
                by_pid[fields[2]].killed = at
    return runs, killed


def check_stored(account):
    """Nothing that was acknowledged is lost, nothing is there twice or from nowhere."""
    keys = collections.Counter((row["endpoint"], row["event_id"]) for row in account.rows)
    for key in account.acknowledged - keys.keys():
        yield f"LOST: {key} was acknowledged"
    for key in (key for key, times in keys.items() if times > 1):
        yield f"{key} is stored {keys[key]} times"
    unsure = {key for key, *_ in account.unanswered}
    for key in keys.keys() - account.acknowledged - unsure:
        yield f"{key} is stored, but its sender was told that it is not"
    if len(keys.keys() - account.acknowledged) > len(account.unanswered):
        yield "more is stored and not acknowledged than was in flight"
    by_victim = collections.defaultdict(list)
    for whom, begun, ended in account.kills:
        by_victim[whom].append((begun, ended))
    for key, whom, since, until in account.unanswered:
        if not any(since <= ended and begun <= until for begun, ended in by_victim[whom]):
            yield f"{key}: no answer from {whom}, which nobody had killed"


def stated(account, row, attempts):
    """Is it dead for the reason that it says?"""
    reason = row["reason"] or ""
    last = attempts[-1][1:3] if attempts else None
    if row["endpoint"] in account.waits:
        return reason != ""
    if reason.startswith("handler exited with 100"):
        return last == ("exit", 100)
    if reason.endswith(", the last)"):
        return len([1 for _, end, _, _ in attempts if end != "lost"]) > account.retries
    if reason.startswith("the process that runs the handler was killed each time"):
        return [end for _, end, _, _ in attempts[-11:-1]] == ["lost"] * 10
    return False


def check_states(account, runs):
    """Each event is done, or dead for a stated reason, and its handler did run to an end."""
    ended = {(run.delivery, run.attempt): run.code for run in runs if run.end is not None}
    for row in account.rows:
        attempts = account.attempts.get(row["id"], [])
        if row["state"] == "done":
            if not attempts or attempts[-1][1:3] != ("exit", 0):
                yield f"event {row['id']} is done without a good end: {attempts}"
            elif ended.get((row["id"], attempts[-1][0])) != 0:
                yield f"event {row['id']} is done, but its handler did not say so"
        elif row["state"] != "dead":
            yield f"event {row['id']} is still {row['state']}"
        elif not stated(account, row, attempts):
            yield f"event {row['id']} is dead without a reason: {row['reason']} {attempts}"


def check_attempts(account, runs):
    """The attempts of the store are those of the ledger."""
    by_attempt = {}
    for run in runs:
        if (run.delivery, run.attempt) in by_attempt:
            yield f"attempt {run.attempt} of event {run.delivery} ran twice"
        by_attempt[run.delivery, run.attempt] = run
    lost = unseen = 0
    for row in account.rows:
        attempts = account.attempts.get(row["id"], [])
        if [number for number, *_ in attempts] != list(range(1, row["attempts"] + 1)):
            yield f"event {row['id']} has {row['attempts']} attempts, and these: {attempts}"
        for number, end, code, reason in attempts:
            run = by_attempt.pop((row["id"], number), None)
            what = f"attempt {number} of event {row['id']} ({end} {code} {reason})"
            waits = row["endpoint"] in account.waits
            if end == "exit" and (run is None or run.code != code):
                yield f"{what}: the handler says otherwise: {run}"
            elif end == "signal" and run is None:
                unseen += 1
            elif end == "signal" and run.killed is None:
                yield f"{what}: nobody had killed it: {run}"
            elif end == "timeout" and row["event"] != "hang":
                yield f"{what}: it had no reason to take so long"
            elif end == "not started" and not waits and not account.starved and (
                    "killed each time" not in (reason or "")):
                yield f"{what}: there was room"
            elif end == "lost" and not waits:
                lost += 1
    for run in by_attempt.values():
        yield f"the store knows nothing of {run}"
    shots = collections.Counter(fields[1] for fields in account.lines if fields[0] == "K")
    # A worker that is killed may have claimed an event for each runner, and not yet handed it over.
    if lost > shots["runner"] + RUNNERS_MAX * shots["worker"]:
        yield f"{lost} lost attempts, but only {shots['runner']} killed runners"
    if unseen > shots["handler"] + shots["runner"]:
        yield f"{unseen} handlers died before they said a word, and nobody had killed so many"


def check_overlaps(account, runs, killed):
    """Two runs of one event at a time: only where the runner of the first had been killed alone,
    and its handler lived on (hookcgi-handler(7)), or the process that had the sender."""
    by_delivery = collections.defaultdict(list)
    ends = {(row, number): end for row, attempts in account.attempts.items()
            for number, end, *_ in attempts}
    for run in runs:
        by_delivery[run.delivery].append(run)
    for group in by_delivery.values():
        for i, first in enumerate(group):
            for second in group[i + 1:]:
                older, newer = sorted((first, second), key=lambda run: run.attempt)
                if older.over() < newer.start:
                    continue
                # A handler whose runner was killed may say so a little later; numbers come again.
                shot = older.parent == str(os.getpid()) or any(
                    older.start - 500 < at < newer.start for at in killed[older.parent])
                was_lost = ends.get((older.delivery, older.attempt)) == "lost"
                if older.endpoint in account.waits:
                    allowed = shot or was_lost
                else:
                    allowed = shot and was_lost
                if not allowed:
                    yield f"two runs at once: {older} and {newer}"


def check_order(account, runs):
    """First attempts that nothing has interrupted began in the order of arrival."""
    ends = {delivery: attempts[0][1] for delivery, attempts in account.attempts.items()}
    for endpoint in account.in_order:
        last = 0
        for run in runs:
            if run.endpoint != endpoint or run.attempt != 1 or ends[run.delivery] != "exit":
                continue
            if run.delivery < last:
                yield f"{endpoint}: event {run.delivery} began after event {last}"
            last = max(last, run.delivery)


def faults_of(account):
    """All that does not agree."""
    runs, killed = runs_of(account.lines)
    return [*check_stored(account), *check_states(account, runs), *check_attempts(account, runs),
            *check_overlaps(account, runs, killed), *check_order(account, runs)]


def check_controls(account):
    """The accounting would have noticed: an account that is wrong in one place has a fault."""
    done = next(row for row in account.rows if row["state"] == "done"
                and (row["endpoint"], row["event_id"]) in account.acknowledged
                and row["attempts"] == 1)
    at = next(i for i, line in enumerate(account.lines)
              if line[0] == "S" and line[1] == str(done["id"]))
    start = account.lines[at]
    second = ["S", start[1], "2", "0", *start[4:]]
    ordered = [i for i, line in enumerate(account.lines)
               if line[0] == "S" and line[2] == "1" and line[5] in account.in_order
               and account.attempts[int(line[1])][0][1] == "exit"]
    swapped = list(account.lines)
    for i, j in zip(ordered[:1], ordered[-1:]):
        swapped[i] = [*swapped[i][:1], account.lines[j][1], *swapped[i][2:]]
        swapped[j] = [*swapped[j][:1], account.lines[i][1], *swapped[j][2:]]
    recorded = {**account.attempts,
                done["id"]: [*account.attempts[done["id"]], (2, "exit", 0, None)]}
    again = [{**row, "attempts": 2} if row is done else row for row in account.rows]
    replace = dataclasses.replace
    wrong = {
        "LOST": replace(account, rows=[row for row in account.rows if row is not done]),
        "stored 2 times": replace(account, rows=[*account.rows, {**done, "id": 10**9}]),
        "still running": replace(account, rows=[{**row, "state": "running"} if row is done else row
                                                for row in account.rows]),
        "ran twice": replace(account, lines=[*account.lines[:at], start, *account.lines[at:]]),
        "two runs at once": replace(account, rows=again, attempts=recorded, lines=[
            *account.lines[:at + 1], second, *account.lines[at + 1:]]),
        "did not say so": replace(account, lines=[
            line for line in account.lines if line[:2] != ["E", start[1]]]),
        "began after": replace(account, lines=swapped),
        "nobody had killed": replace(account, unanswered=[
            *account.unanswered, (("x", "y"), "server 0", -2, -1)]),
    }
    if len(ordered) < 2:
        del wrong["began after"]
    for fault, one in wrong.items():
        must(any(fault in text for text in faults_of(one)),
             f"the accounting does not notice this: {fault}")


def settle_accounts(lab, account):
    """The end of a scenario: nothing works any more."""
    lab.stop()
    account.lines, account.rows = lab.lines(), lab.rows()
    account.attempts = lab.attempts()
    faults = faults_of(account)
    counts = lab.counts()
    states = collections.Counter(row["state"] for row in account.rows)
    if {state: counts[state] for state in states} != dict(states):
        faults.append(f"stats says {dict(counts)}, the list {dict(states)}")
    if counts["lost"] != 0:
        faults.append(f"stats reports {counts['lost']} lost events")
    if counts["attempts"] != sum(map(len, account.attempts.values())):
        faults.append("stats counts other attempts than there are")
    status, text = lab.command("check")
    if status != 0:
        faults.append(f"check: {text[-300:]}")
    must(not faults, "\n".join([f"{len(faults)} faults, of them:", *faults[:20]]))
    check_controls(account)
    return states


# --- the storm ---------------------------------------------------------------------

SHARES = {"one": 30, "four": 40, "shaky": 20, "waits": 10}  # of the events, in percent
VICTIMS = {"server": 3, "nursery": 1, "worker": 1, "runner": 3, "cgi": 3, "handler": 3}
BACKLOG = 2000 if TORTURE else 150  # of one endpoint: what waits for it has to be worked off


class Storm:
    """What senders and the killer share."""

    def __init__(self, lab):
        self.lab = lab
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.made = collections.Counter()
        self.acknowledged, self.unanswered, self.kills = set(), [], []
        self.requests = self.answers = 0
        self.finished = collections.Counter()  # by endpoint
        self.cgi_pids = set()

    # Senders.

    def new_event(self, rng):
        """The next event of an endpoint that is not behind; None: all are."""
        endpoint = rng.choices(list(SHARES), SHARES.values())[0]
        with self.lock:
            if self.made[endpoint] - self.finished[endpoint] > BACKLOG:
                return None
            self.made[endpoint] += 1
            number = self.made[endpoint]
        plan = "slow" if number % 4 == 0 else "good"
        if endpoint in ("shaky", "waits") and number % 5 == 0:
            plan = "late"
        elif endpoint == "shaky" and number % 7 == 0:
            plan = "gone"
        return Event(endpoint, f"{endpoint}-{number}", plan)

    def note(self, event, whom, since, answer):
        """What came of one request."""
        with self.lock:
            self.requests += 1
            if answer.status == 200:
                self.answers += 1
                self.acknowledged.add(event.key)
            elif answer.status == 0:
                self.unanswered.append((event.key, whom, since, time.monotonic()))

    def send(self, event, servers):
        """Send it to these servers at once. Returns the statuses."""
        since = time.monotonic()
        socks = [self.lab.connect(server, event) for server in servers]
        for sock in socks:
            self.lab.finish(sock)
        answers = [self.lab.answer(sock) for sock in socks]
        for server, answer in zip(servers, answers):
            self.note(event, f"server {server}", since, answer)
        return [answer.status for answer in answers]

    def send_cgi(self, event):
        """By a process of its own."""
        pids, since = [], time.monotonic()

        def started(pid):
            pids.append(pid)
            self.cgi_pids.add(pid)

        answer = self.lab.post_cgi(event, started)
        self.cgi_pids.discard(pids[0])
        self.note(event, f"cgi {pids[0]}", since, answer)
        return [answer.status]

    def sender(self, number):
        """Number 8 speaks CGI."""
        rng = random.Random(number)
        while not self.over.is_set():
            event = self.new_event(rng)
            if event is None:
                time.sleep(0.01)
                continue
            end = time.monotonic() + 4 * HANG_S
            gives_up = rng.random() < 0.1  # when it gets no answer
            doubled = rng.random()
            while True:
                if number == 8:
                    statuses = self.send_cgi(event)
                elif doubled < 0.025:
                    statuses = self.send(event, [0, 1])
                else:
                    statuses = self.send(event, [rng.randrange(2)])
                if 200 in statuses or (gives_up and 0 in statuses):
                    break
                must(time.monotonic() < end, f"{event.name} is never taken: {statuses}")
                time.sleep(0.002)
            if 0.025 <= doubled < 0.05:
                self.send(event, [rng.randrange(2)])

    # The killer.

    def victims(self):
        """{kind: processes} of all that may be killed now."""
        found = collections.defaultdict(list)
        servers = {kept.pid for kept in self.lab.kept}
        names = {"hookcgi-nursery": "nursery", "hookcgi-worker": "worker",
                 "hookcgi-runner": "runner", "handler": "handler"}
        for one in family():
            if one.name in names:
                found[names[one.name]].append(one)
            elif one.name == "hookcgi" and one.pid in self.cgi_pids:
                found["cgi"].append(one)
            elif one.name == "hookcgi" and one.pid in servers:
                found["server"].append(one)
        return found

    def name_of(self, kind, victim):
        """As senders call it."""
        for number, kept in enumerate(self.lab.kept[:2]):
            if kept.pid == victim.pid:
                return f"server {number}"
        return f"{kind} {victim.pid}"

    def kill_one(self, rng):
        """One of a kind by chance."""
        found = self.victims()
        if not found:
            return
        kind = rng.choices(list(found), [VICTIMS[kind] for kind in found])[0]
        victim = rng.choice(found[kind])
        whom, when = self.name_of(kind, victim), time.monotonic()
        self.lab.note(f"K {kind} {victim.pid}")  # before: whoever is told of its end comes later
        if kill(victim):
            # It lives for a moment longer, and may take one more connection.
            while kind in ("server", "cgi") and (now := process(victim.pid)) and (
                    now.start == victim.start):
                time.sleep(0.0005)
            self.kills.append((whom, when, time.monotonic()))

    def killer(self, seconds):
        """Until the time is up."""
        rng = random.Random(0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.002, 0.040))
            self.kill_one(rng)
        # A worker waits longer and longer before it replaces a runner that dies again and again:
        # what is left is for a new one.
        for worker in self.victims()["worker"]:
            self.lab.note(f"K worker {worker.pid}")
            kill(worker)

    def reader(self):
        """Read the ledger as it grows, to know how far the handlers are."""
        keys, ended, rest = {}, set(), ""
        with open(self.lab.ledger_path, encoding="ascii") as file:
            while not self.over.is_set():
                *lines, rest = (rest + file.read()).split("\n")
                for fields in map(str.split, lines):
                    if fields[0] == "S":
                        keys[fields[1]] = fields[5]
                    elif fields[0] == "E" and fields[4] != "1" and fields[1] not in ended:
                        ended.add(fields[1])
                        self.finished[keys[fields[1]]] += 1
                time.sleep(0.05)


def scenario_storm(children):
    """Kill everything all the time, and account for every event."""
    seconds = float(os.environ.get("STORM_SECONDS", 1800 if TORTURE else 15))
    with Lab(children, {
        "one": 'concurrency = 1 backoff = "1s"',
        "four": 'concurrency = 4 backoff = "1s"',
        "shaky": 'concurrency = 2 backoff = "1s"',
        "waits": 'mode = "wait"',
    }, top='worker = "auto"\nrunners = 4') as lab:
        storm = Storm(lab)
        for _ in range(2):
            lab.keep_server()
        for _ in range(2):
            lab.keep_worker()
        threads = [threading.Thread(target=storm.reader, daemon=True)]
        threads[0].start()

        def kill_and_end():
            try:
                storm.killer(seconds)
            finally:
                storm.over.set()

        run_threads([lambda i=i: storm.sender(i) for i in range(9)] + [kill_and_end])
        lab.drain(600 if TORTURE else 60)
        account = Account([], {}, [], storm.acknowledged, storm.unanswered, storm.kills,
                          ("waits",), ("one",))
        states = settle_accounts(lab, account)
        shots = collections.Counter(whom.split()[0] for whom, *_ in storm.kills)
        must(set(shots) == set(VICTIMS), f"some were never killed: {dict(shots)}")
        must(len(storm.kills) > seconds * 10, f"only {len(storm.kills)} kills")
        must(len(storm.acknowledged) > seconds * 10, "hardly anything was acknowledged")
        must(storm.unanswered, "no request was in flight at a kill")
        lost = sum(end == "lost" for one in account.attempts.values() for _, end, *_ in one)
        return (f"{seconds:.0f} s, {len(storm.kills)} kills "
                f"({', '.join(f'{count} {kind}' for kind, count in sorted(shots.items()))}), "
                f"{storm.requests} requests, {storm.answers} answered 200, "
                f"{len(storm.unanswered)} in flight at a kill; "
                f"{len(storm.acknowledged)} events acknowledged, {len(account.rows)} stored, "
                f"0 lost, 0 twice; {dict(states)}, "
                f"{sum(map(len, account.attempts.values()))} attempts, {lost} of them lost")


# --- the others ----------------------------------------------------------------------

def sixteen(lab, event, rng):
    """Eight FastCGI connections and eight CGI processes, ready but for the end of the request, get
    it within a moment."""
    socks = [lab.connect(i % 2, event) for i in range(8)]
    processes = [lab.cgi(event) for _ in range(8)]
    for pid, *_ in processes:
        wait_until(lambda p=pid: (one := process(p)) and one.name == "hookcgi"
                   and one.state == "S", "a CGI process waits for its body")
    ends = ([lambda s=sock: lab.finish(s) for sock in socks]
            + [lambda w=ours_in: lab.finish_cgi(event, w) for _, ours_in, _ in processes])
    rng.shuffle(ends)
    for end in ends:
        end()
    return ([lab.answer(sock) for sock in socks]
            + [lab.answer_cgi(pid, ours_out) for pid, _, ours_out in processes])


def scenario_same(children):
    """Sixteen deliveries of one event at the same moment: one row, sixteen 200s, one run. And of
    one that is dead: one requeue, one run."""
    rounds = 500 if TORTURE else 30
    rng = random.Random(16)
    with Lab(children, {"fresh": "concurrency = 4", "dead": "concurrency = 4"}) as lab:
        for _ in range(2):
            lab.keep_server()
        lab.keep_worker()
        dead = [Event("dead", f"dead-{i}", "gone") for i in range(rounds)]
        lab.post_all(dead, servers=2)
        wait_until(lambda: lab.counts()["dead"] == rounds, "all are dead")
        by_cgi = 0  # rounds that a CGI process has won
        for i in range(rounds):
            fresh = Event("fresh", f"fresh-{i}", "good")
            for event, new in (fresh, "accepted"), (dead[i], "requeued"):
                answers = sixteen(lab, event, rng)
                must({one.status for one in answers} == {200}, f"{event.name}: {answers}")
                must(len({one.number for one in answers}) == 1, f"two numbers: {answers}")
                words = collections.Counter(one.word for one in answers)
                must(words == {new: 1, "duplicate": 15}, f"{event.name}: {dict(words)}")
                by_cgi += new in [one.word for one in answers[8:]]
        lab.drain()
        account = Account([], {}, [], {(e, f"{e}-{i}") for e in ("fresh", "dead")
                                       for i in range(rounds)})
        settle_accounts(lab, account)
        for row in account.rows:
            must(row["state"] == "done" and row["attempts"] == 1 + (row["endpoint"] == "dead"),
                 f"not one run: {row}")
        return (f"{rounds} new and {rounds} dead events, each delivered by 16 at once: "
                f"{rounds * 32} answers 200 ({by_cgi} times CGI was first), {rounds} rows and "
                f"runs, {rounds} requeues and runs")


def scenario_workers(children):
    """Two to eight workers at once, which come and go: each event runs once."""
    seconds = 60 if TORTURE else 1.2
    rng = random.Random(8)
    with Lab(children, {"one": "concurrency = 1", "four": "concurrency = 4"}) as lab:
        lab.keep_server()
        events, ends = [], collections.Counter()
        for count in (2, 5, 8):
            more = [Event(("one", "four")[i % 2], f"{count}-{i}", "slow" if i % 5 == 0 else "good")
                    for i in range(1000 if TORTURE else 60)]
            lab.post_all(more)
            events += more
            while len(lab.kept) < 1 + count:
                lab.keep_worker(options=("--once",) if len(lab.kept) == 4 else ())
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(rng.uniform(0.01, 0.06))
                found = [one for one in family() if one.name == "hookcgi-worker"]
                # Runners and handlers live on: then each event runs once, and not only at least.
                if not found:
                    continue
                victim, number = rng.choice(found), rng.choice((signal.SIGTERM, signal.SIGKILL))
                if number == signal.SIGKILL:
                    lab.note(f"K worker {victim.pid}")
                if kill(victim, number):
                    ends[number.name] += 1
        lab.drain(300 if TORTURE else HANG_S)
        account = Account([], {}, [], {event.key for event in events}, in_order=("one",))
        settle_accounts(lab, account)
        # What a killed worker had claimed and not handed over is an attempt that is lost, and no run.
        runs = {row["id"]: sum(end != "lost" for _, end, *_ in account.attempts[row["id"]])
                for row in account.rows}
        must(all(row["state"] == "done" and runs[row["id"]] == 1 for row in account.rows),
             f"not one run: {[row for row in account.rows if runs[row['id']] != 1][:5]}")
        taken = lab.logged("runners for")
        starts = sum(kept.starts for kept in lab.kept[1:])
        must(taken >= 5 and ends["SIGKILL"] >= 5 and ends["SIGTERM"] >= 5,
             f"too little happened: {taken} {dict(ends)}")
        return (f"2, 5 and 8 workers: {starts} started, {taken} times one had the store, "
                f"{ends['SIGTERM']} got TERM, {ends['SIGKILL']} KILL; "
                f"{len(account.rows)} events, each run once, 0 at once")


class Clock:
    """The wall clock of the processes that are started with its environment."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(bytes(16))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 16)
        self.environment = {"STORM_CLOCK": path,
                            "LD_PRELOAD": os.path.join(CRASH_BUILD, "clock_preload.so")}

    def set(self, offset_s):
        """None: it stands still from now on."""
        if offset_s is None:
            self.memory[8:16] = struct.pack("q", time.time_ns())
        else:
            self.memory[:] = struct.pack("qq", offset_s * 10**9, 0)


# What the clocks of two servers and of the worker are, one after the other.
JUMPS = [
    (0, 0, 0),
    (YEAR_S, YEAR_S, YEAR_S),
    (-YEAR_S, -YEAR_S, -YEAR_S),
    (None, None, None),
    (YEAR_S, -YEAR_S, 0),
    (0, 0, YEAR_S),
    (0, 0, None),
]


def jumps():
    """Those, and in the long tier many more; the clocks are right at the end."""
    rng = random.Random(29)
    offsets = [0, None, YEAR_S, -YEAR_S, 10 * YEAR_S, -10 * YEAR_S]
    more = [tuple(rng.choice(offsets) for _ in range(3)) for _ in range(100 if TORTURE else 0)]
    return JUMPS + more + [(0, 0, 0)]


def kill_worker(lab, kept):
    """The worker with its runners, all at once; their handlers live on."""
    kept.paused.set()
    found = [one for one in family() if one.pid == kept.pid or one.parent == kept.pid]
    for one in found:
        lab.note(f"K {'worker' if one.pid == kept.pid else 'runner'} {one.pid}")
        kill(one)
    wait_until(lambda: not any(process(one.pid) == one for one in found), "the worker has ended")


def clock_events(turn):
    """What comes while the clocks stand so."""
    plans = {"one": ["good"] * 10, "four": ["long"] + ["good"] * 9,
             "retried": ["late"] * 5 + ["never"] * 3}
    return [Event(endpoint, f"{turn}-{i}-{endpoint}", plan)
            for endpoint, some in plans.items() for i, plan in enumerate(some)]


def scenario_clocks(children):
    """Clocks that jump, stand still and differ: all drains after the last jump, order is
    kept, no duplicate is taken for new, nothing is retried more often or removed early."""
    must(os.path.exists(os.path.join(CRASH_BUILD, "clock_preload.so")),
         f"{CRASH_BUILD}/clock_preload.so is missing")
    with Lab(children, {
        "one": "concurrency = 1",
        "retried": 'concurrency = 4 backoff = "1s" retries = 3',
        "four": "concurrency = 4",
    }, top='worker = "off"\nrunners = 6') as lab:
        clocks = [Clock(lab.path(f"clock.{i}")) for i in range(3)]
        for i in range(2):
            lab.keep_server(clocks[i].environment)
        worker = lab.keep_worker(clocks[2].environment)
        events, again = [], 0
        for turn, jump in enumerate(jumps()):
            for clock, offset in zip(clocks, jump):
                clock.set(offset)
            if turn % 4 == 2:
                worker.paused.clear()
            before = len(lab.lines())
            more = clock_events(turn)
            for i, event in enumerate(more):
                must(lab.post(event, i % 2).word == "accepted", f"{event.name} is not new")
            events += more
            for event in random.Random(turn).sample(events, 20):
                if event.plan != "never":  # which may be dead, and then rightly runs again
                    answer = lab.post(event, turn % 2)
                    must(answer.word == "duplicate", f"{event.name} is forgotten: {answer}")
                    again += 1
            wait_until(lambda: len(lab.lines()) > before + 20, "events are run in each setting")
            # While something is running, and the clock is about to go back. Not too often:
            # after ten lost attempts in a row an event is dead.
            if turn in (1, 5) or turn % 20 == 1:
                kill_worker(lab, worker)
            if turn < 6:  # each takes a day for gone at most, and bodies are kept for seven
                status, text = lab.command("prune", "--json", environment=clocks[2].environment)
                must(status == 0 and json.loads(text) == {"removed": 0}, f"prune: {text}")
        worker.paused.clear()
        lab.drain(300 if TORTURE else 60)
        for event in events:
            if event.plan != "never":
                must(lab.post(event).word == "duplicate", f"{event.name} is forgotten")
                again += 1
        account = Account([], {}, [], {event.key for event in events}, in_order=("one",),
                          retries=3)
        settle_accounts(lab, account)
        lost = 0
        for row in account.rows:
            ends = [end for _, end, *_ in account.attempts[row["id"]]]
            lost += ends.count("lost")
            wanted = {"never": 4, "late": 2}.get(row["event"], 1)
            must(len(ends) - ends.count("lost") <= wanted, f"retried too often: {row} {ends}")
            must(row["body_bytes"] is not None, f"its body was removed: {row}")
        years = [sorted({row[name][:4] for row in account.rows})
                 for name in ("received_at", "changed_at")]
        must(all(len(some) >= 3 for some in years), f"the program's clock did not change: {years}")
        return (f"{len(jumps())} settings of 3 clocks (years {years[0]}), "
                f"{len(events)} events, {again} delivered again and known, "
                f"{sum(map(len, account.attempts.values()))} attempts, {lost} of them lost with a "
                "worker; 0 events lost or forgotten")


def scenario_clock_set(children):
    """Somebody sets the clock while retries wait: they wait as long as without it."""
    must(os.path.exists(os.path.join(CRASH_BUILD, "clock_preload.so")),
         f"{CRASH_BUILD}/clock_preload.so is missing")
    hour_s = 3600
    with Lab(children, {
        "far": 'backoff = "3h" retries = 3',
        "near": 'backoff = "8s" retries = 3',
        "hour": 'backoff = "1h" retries = 3',
    }, top='worker = "off"\nrunners = 4') as lab:
        clock = Clock(lab.path("clock"))
        lab.keep_server(clock.environment)
        worker = lab.keep_worker(clock.environment)
        events = [Event("far", f"far-{i}", "late") for i in range(20)]
        events += [Event("near", f"near-{i}", "late") for i in range(5)]
        for event in events:
            must(lab.post(event).word == "accepted", f"{event.name} is not new")

        def dues(endpoint):
            """When its retries are due, in seconds of the clock as it is set."""
            status, text = lab.command("list", "--endpoint", endpoint, "--state=queued", "--json",
                                       "--limit=1000", environment=clock.environment)
            must(status == 0, f"list: {text}")
            rows = [json.loads(line) for line in text.splitlines()]
            return {row["id"]: datetime.datetime.fromisoformat(row["due_at"]).timestamp()
                    for row in rows if row["attempts"] == 1}

        wait_until(lambda: len(dues("far")) == 20 and len(dues("near")) == 5, "all have failed once")
        before, moved = dues("far"), 0
        # Back by so much that the near ones would wait for an hour, ahead by so little that the far
        # ones do not come, and to where it was.
        for offset_s in (-hour_s, hour_s // 2, 0):
            clock.set(offset_s)
            wait_until(lambda: all(abs(due - before[one] - offset_s) < 2  # pylint: disable=W0640
                                   for one, due in dues("far").items()),
                       f"retries are due {offset_s} s later by a clock that is ahead by that")
            moved += 20
            must(len(dues("far")) == 20, "a clock that is set makes no retry come early")
            if offset_s < 0:
                wait_until(lambda: not dues("near"), "what is due runs, also by a clock set back")
        # While a handler's end is on its way, or was recorded a moment ago.
        for i in range(8):
            event, before = Event("hour", f"hour-{i}", "late"), len(lab.lines())
            must(lab.post(event).word == "accepted", f"{event.name} is not new")
            wait_until(lambda: any(fields[0] == "E"
                                   for fields in lab.lines()[before:]),  # pylint: disable=W0640
                       "its handler has failed")
            time.sleep(i * 0.0007)
            offset_s = -5 * hour_s * ((i + 1) % 2)
            clock.set(offset_s)
            wait_until(lambda: len(dues("hour")) == i + 1, f"{event.name} waits")
            wait_until(lambda: all(2600 < due - time.time() - offset_s < 4600
                                   for due in dues("hour").values()),  # pylint: disable=W0640
                       f"all wait for an hour, when the clock was set to {offset_s} s")
            moved += i + 1

        def keep_waits(offset_s, before, when):
            """Cron's worker runs nothing, and all wait as long as they did."""
            status, _ = lab.command("worker", "--once", environment=clock.environment)
            must(status == 0, f"worker --once exited with {status}")
            now = {**dues("hour"), **dues("far")}
            must(now.keys() == before.keys() and all(
                abs(due - before[one] - offset_s) < 2 for one, due in now.items()),
                f"all wait as long when the clock was set {when}")
            return len(now)

        # While there is no worker: cron starts one each minute, or somebody an hour later. The first of them finds a
        # clock that nobody has kept.
        worker.paused.set()
        os.kill(worker.pid, signal.SIGTERM)
        wait_until(lambda: worker.pid == 0, "the worker has ended")
        with sqlite3.connect(lab.path("store/db")) as database:
            database.execute("DELETE FROM boot")
        database.close()
        last_s, before, due_before = 0, len(lab.lines()), {**dues("hour"), **dues("far")}
        for offset_s in (0, -13 * hour_s, 0, -hour_s // 2, -40 * hour_s, 0):
            clock.set(offset_s)
            kept = keep_waits(offset_s, due_before, f"from {last_s} to {offset_s} s without a worker")
            must(len(lab.lines()) == before, "a clock that is set makes no retry come early")
            moved += kept if offset_s != last_s else 0
            last_s = offset_s

        # While a worker that is to stop waits for a handler; and while its runner does after it was killed.
        for event, number, offset_s in (("long", signal.SIGTERM, -24 * hour_s),
                                        ("tardy", signal.SIGKILL, -29 * hour_s)):
            before, due_before = len(lab.lines()), {**dues("hour"), **dues("far")}
            was_s, clock_s = last_s, time.time()
            worker.paused.clear()
            wait_until(lambda: worker.pid != 0, "the worker is there again")
            must(lab.post(Event("hour", f"hour-{event}", event)).word == "accepted", "it is new")
            wait_until(lambda: len(lab.lines()) > before, "its handler runs")  # pylint: disable=W0640
            worker.paused.set()
            os.kill(worker.pid, number)
            clock.set(offset_s)
            wait_until(lambda: worker.pid == 0, "the worker has ended")
            wait_until(lambda: any(fields[0] == "E" for fields in lab.lines()[before:]),  # pylint: disable=W0640
                       "its handler has ended")
            if event == "tardy":
                wait_until(lambda: dues("hour").keys() - due_before.keys(),  # pylint: disable=W0640
                           "its runner has recorded it")
                one, = dues("hour").keys() - due_before.keys()
                must(2600 < dues("hour")[one] - clock_s - offset_s < 4600, "it waits for an hour")
                due_before[one] = dues("hour")[one] - offset_s + was_s
            moved += keep_waits(offset_s - was_s, due_before, f"when a worker got {number}")
            last_s = offset_s
        return f"{moved} retries kept their waits when the clock was set"


def most_at_once(lines):
    """Of the ledger's runs, how many at the same time."""
    now = most = 0
    for fields in lines:
        now += {"S": 1, "E": -1}.get(fields[0], 0)
        most = max(most, now)
    return most


def scenario_poison(children):
    """Events whose handler fails, crashes or hangs hold up no others; and 2,000 that are due at
    once after an outage run so many at a time as the endpoint says."""
    count = 1000 if TORTURE else 120
    with Lab(children, {
        "mixed": 'concurrency = 6 backoff = "1s" retries = 2 timeout = "1s" grace = "1s"',
        "burst": "concurrency = 3",
    }, top='worker = "off"\nrunners = 6') as lab:
        lab.keep_server()
        plans = {3: "never", 13: "crash", 23: "hang"}  # of each 30
        events = [Event("mixed", f"mixed-{i}", plans.get(i % 30, "good")) for i in range(count)]
        numbers = lab.post_all(events, threads=1)
        worker = lab.keep_worker()
        lab.drain(120)
        mixed = lab.lines()
        runs, _ = runs_of(mixed)
        poison = {numbers[event.key] for event in events if event.plan != "good"}
        last_start = {run.delivery: run.start for run in runs}
        ended = {run.delivery: run.end for run in runs}
        for number in poison:
            after = next(i for i in range(number + 1, number + 9) if i not in poison)
            must(ended[after] < last_start[number],
                 f"event {after} waited for all attempts of event {number}")
        # The outage.
        kill_worker(lab, worker)
        burst = [Event("burst", f"burst-{i}", "slow" if i % 100 < 6 else "good")
                 for i in range(20000 if TORTURE else 2000)]
        lab.post_all(burst)
        must(lab.counts()["queued"] == len(burst), "not all of them wait")
        worker.paused.clear()
        lab.drain(600 if TORTURE else 120)
        most = most_at_once(lab.lines()[len(mixed):])
        must(most == 3, f"{most} handlers at once, not 3")
        account = Account([], {}, [], {event.key for event in events + burst}, retries=2)
        settle_accounts(lab, account)
        for row in account.rows:
            wanted = ("dead", 3) if row["event"] in plans.values() else ("done", 1)
            must((row["state"], row["attempts"]) == wanted, f"not {wanted}: {row}")
        return (f"{count} events, {len(poison)} of them poison: each of those dead after 3 "
                f"attempts, the others done meanwhile; {len(burst)} due at once: "
                f"{most} handlers at a time, all done")


def scenario_limit(children):
    """Without a worker the queue fills up, refuses, and takes again when a quarter is worked
    off."""
    limit = 1000
    with Lab(children, {"one": f"queue_limit = {limit} concurrency = 4"}) as lab:
        lab.keep_server()
        taken, refused = set(), []

        def send(index):
            for i in range(index, limit + 80, 8):
                event = Event("one", f"one-{i}", "good")
                answer = lab.post(event)
                if answer.status == 200:
                    taken.add(event.key)
                else:
                    refused.append(answer)

        run_threads([lambda i=i: send(i) for i in range(8)])
        must(len(taken) == limit, f"{len(taken)} were taken, not {limit}")
        must({(one.status, one.word) for one in refused} == {(503, "queue_full")}
             and all("Retry-After: " in one.head for one in refused), f"refused: {refused[0]}")
        known = Event("one", sorted(taken)[0][1], "good")
        must(lab.post(known).word == "duplicate", "one that is stored is refused")
        lab.keep_worker()
        event = Event("one", "one-more", "good")
        wait_until(lambda: lab.post(event).status == 200, "events are taken again")
        begun = sum(line[0] == "S" for line in lab.lines())
        taken.add(event.key)
        # Those that were claimed, but whose handler has not said so yet, are 4 at most.
        must(limit // 4 - 4 <= begun < limit, f"taken again after {begun} of {limit} were begun")
        lab.drain(60)
        account = Account([], {}, [], taken)
        settle_accounts(lab, account)
        must(all((row["state"], row["attempts"]) == ("done", 1) for row in account.rows), "runs")
        return (f"{limit} taken, {len(refused)} answered 503 with Retry-After, taken again after "
                f"{begun} had begun; {len(account.rows)} stored, 0 lost")


def limit_all(lab, option, soft):
    """Set a limit of all that runs but handlers, which could not say then how they end; as its user:
    root may lack the right to."""
    for one in family():
        if not one.name.startswith("hookcgi"):
            continue
        pid = lab.children.start(lab.as_user + [shutil.which("prlimit"), f"--pid={one.pid}",
                                                f"--{option}={soft}:"], {}, [lab.null] * 3)
        must(lab.children.wait(pid, HANG_S) == 0 or process(one.pid) is None,
             f"prlimit --{option}={soft} for {one}")


def scenario_scarce(children):
    """Too few descriptors, then no new process or thread: nothing is lost, and when there is
    room again all goes on by itself."""
    # The limit of processes is by user, and root has none: a number that nobody else has.
    user = 61234 if os.geteuid() == 0 else None
    with Lab(children, {"four": 'concurrency = 4 backoff = "1s" retries = 1000'}, user=user) as lab:
        events = [Event("four", f"four-{i}", "slow" if i % 9 == 0 else "good") for i in range(200)]
        turned_away = collections.Counter()
        taken = set()
        end = time.monotonic() + 2 * HANG_S

        def send(index):
            """Each until it is taken."""
            for event in events[index::20]:
                while event.key not in taken:
                    must(time.monotonic() < end, f"{event.name} is not taken: {turned_away}")
                    answer = lab.post(event)
                    turned_away[answer.status] += 1
                    if answer.status == 200:
                        taken.add(event.key)
                    else:
                        time.sleep(0.02)

        server = lab.keep_server()
        wait_until(lambda: server.pid and any(
            one.name == "hookcgi-nursery" for one in family()), "the server is there")

        def relieve_server():
            wait_until(lambda: turned_away[503] >= 20, "requests are refused for want of a thread")
            limit_all(lab, "nofile", 3)
            limit_all(lab, "nproc", 4000)
            wait_until(lambda: lab.logged("Too many open files"), "no connection can be had")
            for limit in range(10, 26):  # somewhere there one can be had, and not the store
                limit_all(lab, "nofile", limit)
                time.sleep(0.05)
            limit_all(lab, "nofile", 1024)

        limit_all(lab, "nproc", 1)
        run_threads([lambda i=i: send(i) for i in range(20)] + [relieve_server])
        must(len(taken) == len(events), f"only {len(taken)} of {len(events)} were taken")
        return scarce_worker(lab, events, turned_away)


def scarce_worker(lab, events, turned_away):
    """The second half: what a worker does when it has too little."""
    lab.keep_worker()
    wait_until(lambda: len([one for one in family() if one.name == "hookcgi-runner"]) == 4
               and any(line[0] == "E" for line in lab.lines()), "the worker is there")
    limit_all(lab, "nproc", 1)
    wait_until(lambda: lab.logged("no room for another process") >= 4, "no process is had")
    runner = next(one for one in family() if one.name == "hookcgi-runner")
    lab.note(f"K runner {runner.pid}")
    kill(runner)
    wait_until(lambda: lab.logged("a runner cannot be started") >= 1, "no runner is had")
    limit_all(lab, "nproc", 4000)
    more = [Event("four", f"more-{i}", "good") for i in range(20)]
    lab.post_all(more)
    limit_all(lab, "nofile", 3)
    wait_until(lambda: lab.logged("no descriptor is left") >= 4, "no descriptor is had")
    limit_all(lab, "nofile", 1024)
    lab.drain(60)
    account = Account([], {}, [], {event.key for event in events + more}, starved=True,
                      retries=1000)
    settle_accounts(lab, account)
    must(all(row["state"] == "done" for row in account.rows), "not all are done")
    failed = collections.Counter(end for one in account.attempts.values() for _, end, *_ in one)
    return (f"{len(account.rows)} events taken after {turned_away[503]} answers 503 and "
            f"{turned_away[0]} without an answer; all done, {failed['not started']} attempts could "
            "not be started, 0 lost")


# --- the command line ------------------------------------------------------------------

def main():
    """One scenario."""
    scenarios = {name[len("scenario_"):]: function for name, function in globals().items()
                 if name.startswith("scenario_")}
    if len(sys.argv) != 2 or sys.argv[1] not in scenarios:
        sys.exit(__doc__)

    def end(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: what follows cleans up
        sys.exit("ended by TERM")

    signal.signal(signal.SIGTERM, end)
    sys.setswitchinterval(0.0005)  # the killer is not to wait for the senders
    try:
        print(scenarios[sys.argv[1]](Children()))
    except Fault as fault:
        sys.exit(f"{sys.argv[1]}: {fault}")


if __name__ == "__main__":
    main()
