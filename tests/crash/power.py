#!/usr/bin/env python3
"""power.py - power losses: record what the program does to its disk, then play back what a disk may keep

    power.py SCENARIO...

Each scenario starts the real program in a new folder under power_record_preload.so, sends it
events, and hands the recording to power_replay, which builds the states that a disk may be in when
the power fails at any time, and looks for all that was acknowledged. Prints a line of figures for
each. The mutants must lose something, everything else must not.

From the environment: HOOKCGI the program, CRASH_BUILD where the helpers are built,
TORTURE=1 for the long run, POWER_STATES how many states all scenarios have together.
"""
import collections
import concurrent.futures
import hashlib
import hmac
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))
import fcgi_client  # noqa: E402

HOOKCGI = os.path.abspath(os.environ.get("HOOKCGI", os.path.join(TOP, "build", "hookcgi")))
BUILD = os.path.abspath(os.environ.get("CRASH_BUILD", os.path.join(TOP, "build", "crash")))
TORTURE = os.environ.get("TORTURE", "") not in ("", "0")
STATES = int(os.environ.get("POWER_STATES", "1000000" if TORTURE else "45000"))
SECRET = b"a secret of the power test"
ROUND = 25000  # states that one recording is good for
SYNC_US = 1000  # what a sync takes; the requests that come meanwhile are the next group

HANDLER = """# The first attempt at every fifth event fails.
[ $((HOOK_DELIVERY % 5)) -ne 0 ] || [ "$HOOK_ATTEMPT" -gt 1 ] || exit 1
echo "$HOOK_DELIVERY" >>"$1" && sync "$1"
"""

CONFIG = """log = "file:{lab}/log"
store = "sqlite:{disk}/data/hookcgi.db"
worker = "off"
threads = 32
runners = 3
endpoint "power" {{
    provider = "idfy"
    secret = "file:secret"
    run = {{ "/bin/sh", "{lab}/handler", "{lab}/handled" }}
    concurrency = 3
    backoff = "1s"
    stdin = "none"
}}
"""


def scratch():
    """A new folder, in memory where there is room: a state is some files, thousands of times."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK):
        room = os.statvfs(memory)
        if room.f_bavail * room.f_frsize > 512 << 20:
            return tempfile.mkdtemp(prefix="hookcgi-power.", dir=memory)
    return os.path.realpath(tempfile.mkdtemp(prefix="hookcgi-power."))


class Lab:
    """A folder with a configuration, and the program in it, recorded."""

    def __init__(self, mutant="", seed=0):
        self.path, self.mutant, self.seed = scratch(), mutant, seed
        self.disk, self.config = self.path + "/disk", self.path + "/hookcgi.conf"
        self.socket, self.log = self.path + "/socket", self.path + "/recording"
        self.events = {}  # number: (key, body)
        self.gone = {}  # number: record from which on it may be missing
        self.numbers = iter(range(1, 1000000))
        self.lock = threading.Lock()
        self.server = None
        os.mkdir(self.disk)
        for name, text, mode in (("handler", HANDLER, 0o600), ("handled", "", 0o600),
                                 ("secret", SECRET.decode(), 0o600),
                                 ("hookcgi.conf", CONFIG.format(lab=self.path, disk=self.disk), 0o600)):
            with open(f"{self.path}/{name}", "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(f"{self.path}/{name}", mode)
        self.environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LD_PRELOAD": f"{BUILD}/power_mutant_preload.so {BUILD}/power_record_preload.so",
            "POWER_LOG": self.log, "POWER_ROOT": self.disk, "POWER_MUTANT": mutant,
            "POWER_SYNC_US": str(SYNC_US), "HOOKCGI_CONFIG": self.config,
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.serve_end()
        finally:
            shutil.rmtree(self.path)

    def event(self, size):
        """A new event as the variables of a request and a body of about that size."""
        with self.lock:
            key = f"evt_{next(self.numbers)}"
        filling = random.Random(f"{self.seed} {key}").randbytes(size).hex()[:size]
        body = json.dumps({"id": key, "type": "signed", "payload": filling}).encode()
        return key, body, {
            "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "/hooks", "PATH_INFO": "/power", "REMOTE_ADDR": "192.0.2.1",
            "CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)),
            "HTTP_X_IDFY_SIGNATURE": hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
        }

    def answered(self, key, body, answer):
        """Note what was acknowledged; anything but 200 is a failure of the test."""
        number = re.search(rb'"id":(\d+)', answer)
        if not answer.startswith(b"Status: 200") or not number:
            raise RuntimeError(f"{key}: answered {answer[:200]!r}\n{self.tail()}")
        with self.lock:
            self.events[int(number[1])] = (key, body)

    def tail(self):
        """The end of the program's log."""
        try:
            with open(self.path + "/log", encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-5:])
        except FileNotFoundError:
            return ""

    def cgi(self, size):
        """One event through a CGI process."""
        key, body, variables = self.event(size)
        done = subprocess.run([HOOKCGI], input=body, env={**self.environment, **variables},
                              stdout=subprocess.PIPE, timeout=60, check=False)
        self.answered(key, body, done.stdout)

    def serve(self):
        """Start a FastCGI process."""
        self.server = subprocess.Popen([HOOKCGI, "serve", "--listen", "unix:" + self.socket],
                                       env=self.environment, stdin=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while not os.path.exists(self.socket):
            if self.server.poll() is not None or time.monotonic() > until:
                raise RuntimeError("hookcgi serve does not start\n" + self.tail())
            time.sleep(0.01)

    def serve_end(self):
        """End it, and let it finish."""
        if self.server is not None:
            server, self.server = self.server, None
            server.terminate()
            try:
                if server.wait(30) != 0:
                    raise RuntimeError("hookcgi serve ended with an error")
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
                raise

    def fastcgi(self, size):
        """One event through the FastCGI process."""
        key, body, variables = self.event(size)
        pairs = b"".join(fcgi_client.pair(n.encode(), v.encode()) for n, v in variables.items())
        with fcgi_client.connect(self.socket, 60) as sock:
            sock.sendall(fcgi_client.record(fcgi_client.BEGIN, struct.pack(">HB5x", 1, 0)) +
                         fcgi_client.stream(fcgi_client.PARAMS, pairs) +
                         fcgi_client.record(fcgi_client.PARAMS) +
                         fcgi_client.stream(fcgi_client.STDIN, body) +
                         fcgi_client.record(fcgi_client.STDIN))
            out, err, ended = fcgi_client.receive(sock)
        if not ended:
            raise RuntimeError(f"{key}: no whole answer: {err!r}")
        self.answered(key, body, out)

    def fastcgi_many(self, lengths, clients=6):
        """Events from several clients at once."""
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            for _ in pool.map(self.fastcgi, lengths):
                pass

    def lengths(self, count, largest):
        """Lengths of bodies: most are short, some span several pages."""
        draw = random.Random(f"{self.seed} {count}")
        return [int(20 * (largest / 20) ** draw.random() ** 2) for _ in range(count)]

    def command(self, *arguments):
        """What a command prints; it must succeed."""
        return subprocess.run([HOOKCGI, "-c", self.config, *arguments], env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=120,
                              check=True).stdout.decode()

    def handled(self):
        """The numbers of the events whose handler has run to its end."""
        with open(self.path + "/handled", encoding="ascii") as file:
            return collections.Counter(int(line) for line in file)

    def prune(self):
        """Remove what is done, and note from when on it may be missing."""
        with open(self.log, "rb") as file:
            _, count = struct.unpack("<QQ", file.read(16))
        with self.lock:
            before = set(self.events)
        self.command("prune", "--keep", "0")
        listed = self.command("list", "--json", "--limit", "100000")
        left = {json.loads(line)["id"] for line in listed.splitlines()}
        for number in before - left - set(self.gone):
            self.gone[number] = count

    def replay(self, states):
        """What power_replay says, as numbers."""
        handled = self.handled()
        with open(self.path + "/expected", "wb") as file:
            for number, (key, body) in sorted(self.events.items()):
                file.write(b"%d %s %d %d %d\n%s\n" % (number, key.encode(), number in handled,
                                                      self.gone.get(number, -1), len(body), body))
        folder = self.path + "/scratch"
        os.mkdir(folder)
        environment = dict(os.environ)
        if self.mutant == "nfs":  # it is still one after the power loss
            environment.update(POWER_MUTANT="nfs", LD_PRELOAD=BUILD + "/power_mutant_preload.so")
        done = subprocess.run(
            [BUILD + "/power_replay", self.log, self.disk, self.path + "/expected", folder,
             str(states), str(self.seed)],
            env=environment, stdout=subprocess.PIPE, timeout=1800, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"power_replay ended with {done.returncode}")
        figures = dict(part.split("=") for part in done.stdout.decode().split())
        return {name: int(value) for name, value in figures.items()}


def by_cgi(lab):
    """A new database, and one process after the other; each checkpoints when it ends."""
    for size in lab.lengths(30, 9000):
        lab.cgi(size)


def by_fastcgi(lab):
    """A new database, one process, group commits."""
    lab.serve()
    lab.fastcgi_many(lab.lengths(70, 9000))
    lab.serve_end()


def by_large(lab):
    """As by_fastcgi, with the checkpoints where the program has them."""
    lab.serve()
    lab.fastcgi_many([280000 + 9000 * (i % 7) for i in range(72)])
    lab.serve_end()


def by_worker(lab):
    """Events come, run, fail, run again and are removed, all at the same time."""
    lab.serve()
    sender = threading.Thread(target=lab.fastcgi_many, args=(lab.lengths(60, 5000), 3))
    sender.start()
    until = time.monotonic() + 120
    while sender.is_alive() or set(lab.handled()) != set(lab.events):
        if time.monotonic() > until:
            raise RuntimeError("the worker does not come to an end\n" + lab.tail())
        lab.command("worker", "--once")
        lab.prune()
        time.sleep(0.05)
    sender.join()
    lab.fastcgi_many(lab.lengths(12, 5000))
    lab.prune()
    lab.serve_end()
    if len(lab.gone) < 20:
        raise RuntimeError(f"only {len(lab.gone)} events were removed")


# name: what is done, the mutant, the share of all states, and must it lose something?
SCENARIOS = {
    "cgi": (by_cgi, "", 12, False),
    "cgi-checkpoints": (by_cgi, "small", 8, False),
    "fastcgi": (by_fastcgi, "small", 26, False),
    "large": (by_large, "", 1, False),
    "worker": (by_worker, "small", 27, False),
    "network-cgi": (by_cgi, "nfs", 9, False),
    "network-fastcgi": (by_fastcgi, "nfs", 9, False),
    "mutant-normal": (by_fastcgi, "small,normal", 2, True),
    "mutant-off": (by_fastcgi, "small,off", 2, True),
    "mutant-delete": (by_fastcgi, "delete", 2, True),
    "mutant-lie": (by_fastcgi, "small,lie", 2, True),
}


def run(name):
    """One scenario: a recording and its states, and another one until there are enough. True: as it should be."""
    work, mutant, share, must_lose = SCENARIOS[name]
    wanted = STATES * share // 100
    began = time.monotonic()
    total = collections.Counter()
    good = True
    for seed in range(1, 3 * (wanted // ROUND) + 2):
        with Lab(mutant, seed) as lab:
            work(lab)
            said = lab.replay(min(ROUND, wanted - total["states"]))
            said["acknowledged"] = len(lab.events)
        total.update(said)
        few = not must_lose and said["checkpoints"] < 3 and (mutant == "small" or name == "large")
        if said["answers"] < said["acknowledged"] or few:
            print(f"power {name}: too little happened: {said}", flush=True)
            good = False
        good = good and (said["lost"] > 0 if must_lose else said["lost"] + said["damaged"] == 0)
        if total["states"] >= wanted - 1 or not good:
            break
    print(f"power {name}: {seed} recordings, {total['acknowledged']} acknowledged, "
          f"{total['checkpoints']} checkpoints, {total['places']} of {total['records']} places, "
          f"{total['states']} states ({total['states'] * 1000 // max(total['ms'], 1)}/s, "
          f"{total['alike']} more were alike, {total['recovered']} with running events), "
          f"{total['lost']} losses, {total['damaged']} damaged, "
          f"{time.monotonic() - began:.1f} s", flush=True)
    if total["states"] < 100 or (name == "worker" and total["recovered"] == 0):
        print(f"power {name}: too little happened", flush=True)
        return False
    return good


def main():
    """The command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and leave nothing behind
    names = sys.argv[1:] or list(SCENARIOS)
    for path in (HOOKCGI, BUILD + "/power_replay", BUILD + "/power_record_preload.so",
                 BUILD + "/power_mutant_preload.so"):
        if not os.path.exists(path):
            sys.exit(f"power.py: {path} is not built")
    for name in names:
        if name not in SCENARIOS:
            sys.exit(f"power.py: no scenario {name}; there are {' '.join(SCENARIOS)}")
    sys.exit(0 if all([run(name) for name in names]) else 1)


if __name__ == "__main__":
    main()
