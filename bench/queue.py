#!/usr/bin/env python3
"""queue.py - the queue at work: handlers a second, an idle worker, a start with a backlog, how soon a handler runs

  backlog   N events of /bin/true, put through FastCGI while no worker runs; then `hookcgi worker` with its
            RUNNERS runners works them off: events a second, from the first attempt's start to the last
            one's end in the ledger, with build/bench/spawn --floor before and after; goal: 0.80 of it
  idle      a worker that has run 200 events and has nothing to do for 10 s: context switches that each
            of its processes asked for, a second (goal: 1 at most), and their private memory (goal: 2 MB a runner)
  start     100,000 queued events, the worker and the FastCGI process killed with -9 at their work, both
            started again: until the first handler runs (goal: 1 s), and from exec to the first answer,
            200 for a new event (goal: 100 ms)
  latency   an idle worker: from the 200 to the first instruction of the handler

    make bench && bench/queue.py [CASE...]      default: all
    RUNNERS=8 ROUNDS=5 N=2000 SECONDS_IDLE=10 QUEUED=100000 REQUESTS=300

The store lies in a folder under $TMPDIR (else /tmp), which should be on a disk. All that was started is ended, by its
process id, and the folder removed.
"""
import hashlib, hmac, json, os, signal, socket, sqlite3, statistics, struct, subprocess, sys, tempfile, time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOOKCGI, SPAWN, STORE = (TOP + "/build/" + name for name in ("hookcgi", "bench/spawn", "bench/store"))
SECRET = b"0123456789abcdef"
PATIENCE = 120  # seconds; what takes longer has failed


def setting(name, default):
    return int(os.environ.get(name, default))


RUNNERS = setting("RUNNERS", 8)


class Lab:
    """A folder with a configuration and a store, and the processes that were started there."""

    def __init__(self, run):
        self.folder = tempfile.mkdtemp(prefix="hookcgi-queue.")
        LABS.append(self)
        self.processes = []
        self.sent = 0
        self.config, self.database = self.folder + "/hookcgi.conf", self.folder + "/store/hookcgi.db"
        os.mkdir(self.folder + "/store", 0o700)
        with open(self.folder + "/secret", "wb") as file:
            os.chmod(file.name, 0o600)
            file.write(SECRET)
        with open(self.config, "w") as file:
            file.write('''store = "sqlite:%s"
worker = "off"
runners = %d
log = "file:%s/log"
endpoint "bench" {
    provider = "github" secret = "file:secret" run = {"%s"} dedupe = "off"
    concurrency = %d queue_limit = 100000000
}
''' % (self.database, RUNNERS, self.folder, run, RUNNERS))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.folder + "/socket")
        self.listener.listen(64)

    def start(self, arguments, **more):
        process = subprocess.Popen([HOOKCGI, *arguments], env={"HOOKCGI_CONFIG": self.config, "PATH": os.environ["PATH"]},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, **more)
        self.processes.append(process)
        return process

    def worker(self):
        return self.start(["worker"], stdin=subprocess.DEVNULL)

    def server(self):
        return self.start([], stdin=self.listener)

    def post(self):
        """One new event; returns when its 200 is there."""
        self.sent += 1
        body = json.dumps({"type": "push", "number": self.sent, "pad": "x" * 2000}).encode()
        params = {"REQUEST_METHOD": "POST", "SCRIPT_NAME": "/hooks", "PATH_INFO": "/bench",
                  "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json", "HTTP_X_GITHUB_EVENT": "push",
                  "HTTP_X_HUB_SIGNATURE_256": "sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
                  "REMOTE_ADDR": "127.0.0.1"}
        request = (record(1, struct.pack(">HB5x", 1, 0)) + record(4, b"".join(map(pair, params.items()))) + record(4, b"") +
                   record(5, body) + record(5, b""))
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(self.folder + "/socket")
            client.sendall(request)
            answer = client.recv(65536)
        assert b"Status: 200" in answer, answer

    def ask(self, sql, *values):
        """The first row of an answer of the database."""
        with sqlite3.connect("file:%s?mode=ro" % self.database, uri=True, timeout=10) as database:
            row = database.execute(sql, values).fetchone()
        database.close()
        return row

    def wait_until_done(self):
        self.wait_for("SELECT sum(queued + running) = 0 FROM endpoint")

    def wait_for(self, sql, *values):
        end = time.monotonic() + PATIENCE
        while not self.ask(sql, *values)[0]:
            assert time.monotonic() < end, "not within %d s: %s" % (PATIENCE, sql)
            time.sleep(0.2)

    def stop(self, process):
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            kill(process)
        self.processes.remove(process)

    def kill(self, process):
        kill(process)
        self.processes.remove(process)

    def close(self):
        for process in self.processes:
            kill(process)
        self.listener.close()
        subprocess.run(["rm", "-rf", self.folder], check=True)


LABS = []


def floor():
    return float(subprocess.run([SPAWN, "--floor", "1000"], check=True, capture_output=True).stdout.split()[0])


def record(kind, data):
    return struct.pack(">BBHHBx", 1, kind, 1, len(data), 0) + data


def pair(item):
    def length(text):
        return struct.pack(">B", len(text)) if len(text) < 128 else struct.pack(">I", len(text) | 0x80000000)
    return length(item[0]) + length(item[1]) + item[0].encode() + item[1].encode()


def children(pid):
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % entry) as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def kill(process):
    """With -9, and its runners, so that nobody does what a killed machine could not."""
    process.send_signal(signal.SIGSTOP)
    runners = children(process.pid)
    process.kill()
    for pid in runners:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()
    end = time.monotonic() + 10
    while any(is_hookcgi(pid) for pid in runners) and time.monotonic() < end:
        time.sleep(0.001)


def is_hookcgi(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid) == HOOKCGI
    except OSError:
        return False


def number_of(pid, file, names):
    """The sum of these lines of a file in /proc, of all threads for a status."""
    paths = ["/proc/%d/%s" % (pid, file)]
    if file == "status":
        paths = ["/proc/%d/task/%s/status" % (pid, task) for task in os.listdir("/proc/%d/task" % pid)]
    total = 0
    for path in paths:
        with open(path) as lines:
            total += sum(int(line.split()[1]) for line in lines if line.split(":")[0] in names)
    return total


def quantile(values, part):
    return sorted(values)[int((len(values) - 1) * part)]


def backlog():
    rounds, n = setting("ROUNDS", 5), setting("N", 2000)
    lab = Lab("/bin/true")
    rates, floors, ratios = [], [], []
    for _ in range(rounds):
        server = lab.server()
        lab.post()
        last = lab.ask("SELECT max(id) FROM event")[0] - 1
        for _ in range(n - 1):
            lab.post()
        lab.stop(server)
        before = floor()
        worker = lab.worker()
        lab.wait_until_done()
        lab.stop(worker)
        floors.append((before + floor()) / 2)
        count, begin, end, good = lab.ask("SELECT count(*), min(started), max(started + duration / 1000),"
                                          " sum(end = 'exit' AND code = 0) FROM attempt WHERE event > ?", last)
        assert count == good == n, (count, good, n)
        rates.append(n * 1000 / (end - begin))
        ratios.append(rates[-1] / floors[-1])
    print("backlog: %d events of /bin/true, %d runners" % (n, RUNNERS))
    print("  floor    %6.0f /s" % statistics.median(floors))
    print("  worker   %6.0f /s   %.2f of the floor (%.2f to %.2f)   goal 0.80"
          % (statistics.median(rates), statistics.median(ratios), min(ratios), max(ratios)))


def idle():
    seconds = setting("SECONDS_IDLE", 10)
    lab = Lab("/bin/true")
    server, worker = lab.server(), lab.worker()
    for _ in range(200):
        lab.post()
    lab.wait_until_done()
    lab.stop(server)
    time.sleep(8)  # after the look for what is over its time that follows a start; the next is a minute later
    print("idle: %d s after 200 events; goal: 1 wake-up a second, 2 MB a runner" % seconds)
    pids = [worker.pid] + children(worker.pid)
    before = [number_of(pid, "status", ["voluntary_ctxt_switches"]) for pid in pids]
    time.sleep(seconds)
    after = [number_of(pid, "status", ["voluntary_ctxt_switches"]) for pid in pids]
    for pid, first, last in zip(pids, before, after):
        private = number_of(pid, "smaps_rollup", ["Private_Clean", "Private_Dirty"])
        print("  %-10s   %5.2f wake-ups a second   %.2f MB private"
              % ("supervisor" if pid == worker.pid else "runner", (last - first) / seconds, private / 1024))


def start():
    rounds, queued = setting("ROUNDS", 5), setting("QUEUED", 100000)
    lab = Lab("/bin/true")
    subprocess.run([STORE, "fill", lab.database, str(queued), "bench", "github"], check=True)
    server, worker = lab.server(), lab.worker()
    runs, answers = [], []
    for _ in range(rounds):
        begin = time.time() * 1000
        lab.post()
        lab.wait_for("SELECT count(*) >= 50 FROM attempt WHERE started >= ?", begin)
        lab.kill(server)
        lab.kill(worker)
        wall, begin = time.time() * 1000, time.perf_counter()
        worker = lab.worker()
        exec_at = time.perf_counter()
        server = lab.server()
        lab.post()
        answers.append((time.perf_counter() - exec_at) * 1000)
        first = "SELECT min(started) FROM attempt WHERE end != 'lost' AND started >= ?"
        lab.wait_for(first, wall - 1)
        runs.append(lab.ask(first, wall - 1)[0] - wall)
    left, lost = lab.ask("SELECT sum(queued) FROM endpoint")[0], lab.ask("SELECT count(*) FROM attempt WHERE end = 'lost'")[0]
    print("start: with %d queued events (%d at the end), worker and server killed %d times; %d attempts were lost"
          % (queued, left, rounds, lost))
    print("  first handler runs after       median %6.1f ms   longest %6.1f ms   goal 1000" % (statistics.median(runs), max(runs)))
    print("  FastCGI, exec to first answer  median %6.1f ms   longest %6.1f ms   goal 100" % (statistics.median(answers), max(answers)))


HANDLER = r"""
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
int
main(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	long long ns = now.tv_sec * 1000000000LL + now.tv_nsec;
	int fd = open(FIFO, O_WRONLY);
	return write(fd, &ns, sizeof ns) != sizeof ns;
}
"""


def latency():
    requests = setting("REQUESTS", 300)
    lab = Lab("./handler")
    fifo = lab.folder + "/fifo"
    os.mkfifo(fifo, 0o600)
    subprocess.run(["cc", "-O2", "-static", "-DFIFO=\"%s\"" % fifo, "-x", "c", "-o", lab.folder + "/handler", "-"],
                   input=HANDLER.encode(), check=True)
    reader = os.open(fifo, os.O_RDWR)
    server, worker = lab.server(), lab.worker()
    time.sleep(1)
    times = []
    for i in range(requests + 10):
        lab.post()
        answered = time.monotonic_ns()
        signal.alarm(PATIENCE)
        started = struct.unpack("q", os.read(reader, 8))[0]
        signal.alarm(0)
        if i >= 10:
            times.append((started - answered) / 1e6)
        time.sleep(0.03)
    os.close(reader)
    print("latency: from the 200 to the handler, idle worker, %d requests" % requests)
    print("  p50 %.2f ms   p99 %.2f ms   longest %.2f ms" % (quantile(times, 0.5), quantile(times, 0.99), max(times)))


CASES = {"backlog": backlog, "idle": idle, "start": start, "latency": latency}


def main():
    wanted = sys.argv[1:] or list(CASES)
    if any(name not in CASES for name in wanted):
        sys.exit("usage: queue.py [%s]..." % "|".join(CASES))
    for number in signal.SIGTERM, signal.SIGHUP, signal.SIGALRM:
        signal.signal(number, lambda number, frame: sys.exit("ended by signal %d" % number))
    for name in wanted:
        try:
            CASES[name]()
            sys.stdout.flush()
        finally:
            while LABS:
                LABS.pop().close()


main()
