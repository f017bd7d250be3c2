#!/usr/bin/env python3
"""start.py - what starting costs: a CGI request from spawn to exit, FastCGI from exec to the first answer

Each program takes turns, ROUNDS times; printed are median and 95th percentile in
milliseconds, and resident memory of the FastCGI process after its first answer.

build/bench/hookcgi-five is the static program with five providers built in instead of all: what a provider
costs that no endpoint names.

"durable" is the static program with a store: the event is on disk when the process ends. Once
while a worker is alive (which runs the event meanwhile; goal: 3 ms), once where none is, so
that the process is the last one that closes the database. What each of the two syncs is counted by strace in
a run of its own. The store lies in a folder under $TMPDIR (else /tmp), which should be on a disk.

    make bench && bench/start.py [ROUNDS]
"""
import hashlib, hmac, os, shutil, signal, socket, statistics, struct, subprocess, sys, tempfile, time

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECRET = b"0123456789abcdef"
lab = tempfile.mkdtemp(prefix="hookcgi-start.")
body = b'{"type":"push","id":"evt_1","pad":"' + b"x" * 2000 + b'"}'
signature = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
with open(lab + "/secret", "wb") as file:
    os.chmod(lab + "/secret", 0o600)
    file.write(SECRET)
with open(lab + "/hookcgi.conf", "w") as file:
    file.write('store = "none"\n')
    file.write('log = "file:%s/log"\n' % lab)
    for name in "idfy", "sixpark", "wootric", "digivault", "webconnex":
        file.write('endpoint "%s" { provider = "%s" secret = "file:secret" events = {"nothing"} run = {"/bin/true"} }\n'
                   % (name, name))
with open(lab + "/body", "wb") as file:
    file.write(body)
# Two stores: a worker has one of them, nobody the other. Each request is an event of its own.
for name in "alive", "alone":
    os.mkdir("%s/%s" % (lab, name), 0o700)
    with open("%s/%s.conf" % (lab, name), "w") as file:
        file.write('store = "sqlite:%s/%s/hookcgi.db"\nworker = "off"\nlog = "file:%s/log"\n' % (lab, name, lab))
        file.write('endpoint "idfy" { provider = "idfy" secret = "file:secret" run = {"/bin/true"} dedupe = "off" }\n')

PARAMS = {
    "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/hooks", "PATH_INFO": "/idfy", "CONTENT_LENGTH": str(len(body)),
    "CONTENT_TYPE": "application/json", "HTTP_X_IDFY_SIGNATURE": signature, "HOOKCGI_CONFIG": lab + "/hookcgi.conf",
    "REMOTE_ADDR": "127.0.0.1",
}


def cgi(program, config="hookcgi"):
    environment = dict(PARAMS, GATEWAY_INTERFACE="CGI/1.1", HOOKCGI_CONFIG="%s/%s.conf" % (lab, config))
    actions = [(os.POSIX_SPAWN_OPEN, 0, lab + "/body", os.O_RDONLY, 0),
               (os.POSIX_SPAWN_OPEN, 1, lab + "/answer", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    begin = time.perf_counter()
    pid = os.posix_spawn(program, [program], environment, file_actions=actions)
    os.waitpid(pid, 0)
    end = time.perf_counter()
    if "hookcgi" in program:
        with open(lab + "/answer", "rb") as answer:
            assert b"Status: 200" in answer.read()
    return (end - begin) * 1000


def record(kind, data):
    return struct.pack(">BBHHBx", 1, kind, 1, len(data), 0) + data


def length(text):
    return struct.pack(">B", len(text)) if len(text) < 128 else struct.pack(">I", len(text) | 0x80000000)


def fastcgi(program):
    path = lab + "/socket"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    params = b"".join(length(k) + length(v) + k.encode() + v.encode() for k, v in PARAMS.items())
    request = record(1, struct.pack(">HB5x", 1, 0)) + record(4, params) + record(4, b"") + record(5, body) + record(5, b"")
    begin = time.perf_counter()
    process = subprocess.Popen([program], stdin=listener, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={"HOOKCGI_CONFIG": lab + "/hookcgi.conf"}, close_fds=False)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.sendall(request)
    answer = client.recv(65536)
    end = time.perf_counter()
    assert b"200" in answer, answer
    with open("/proc/%d/status" % process.pid) as status:
        rss = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
    process.kill()
    process.wait()
    listener.close()
    os.unlink(path)
    return (end - begin) * 1000, rss


def show(name, values, more=""):
    values = sorted(values)
    print("%-44s median %.2f ms   p95 %.2f ms%s" % (name, statistics.median(values), values[int(len(values) * 0.95)], more))


def syncs(config):
    """What strace counts of one request: "1 fdatasync"."""
    if not shutil.which("strace"):
        return "not counted: there is no strace"
    environment = dict(PARAMS, GATEWAY_INTERFACE="CGI/1.1", HOOKCGI_CONFIG="%s/%s.conf" % (lab, config))
    with open(lab + "/body", "rb") as request:
        run = subprocess.run(["strace", "-f", "-c", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", lab + "/strace", static],
                             env=environment, stdin=request, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if b"Status: 200" not in run.stdout:
        return "not counted: " + run.stderr.decode(errors="replace").strip()
    with open(lab + "/strace") as table:
        rows = [line.split() for line in table]
    counts = ["%s %s" % (row[3], row[-1]) for row in rows if row and row[-1] in ("fsync", "fdatasync", "sync_file_range")]
    return ", ".join(counts) or "none"


def durable(config):
    """The event is run meanwhile, if anybody does; the next program waits until that is over."""
    took = cgi(static, config)
    time.sleep(0.02)
    return took


def main():
    times = {name: [] for name in ("/bin/true", static, five, dynamic, "alive", "alone")}
    for _ in range(ROUNDS):
        for program in times:
            times[program].append(durable(program) if program in ("alive", "alone") else cgi(program))
    for program, values in times.items():
        if program in ("alive", "alone"):
            what = "CGI, durable, " + ("a worker is alive" if program == "alive" else "no worker")
            show(what, values, "   syncs: " + syncs(program))
        else:
            show("CGI, spawn to exit: " + os.path.relpath(program, TOP) if "hookcgi" in program else "floor: /bin/true", values)
    starts = [fastcgi(dynamic) for _ in range(min(ROUNDS, 50))]
    show("FastCGI, exec to first answer", [s[0] for s in starts], "   %.1f MB resident" % statistics.median(s[1] for s in starts))


static, dynamic = TOP + "/build/hookcgi-static", TOP + "/build/hookcgi"
five = TOP + "/build/bench/hookcgi-five"
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("ended by signal %d" % number))
worker = subprocess.Popen([static, "-c", lab + "/alive.conf", "worker"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
try:
    for config in "alive", "alone":
        cgi(static, config)  # makes the database
    time.sleep(1.5)
    assert worker.poll() is None, "the worker has ended"
    main()
finally:
    worker.terminate()
    worker.wait()
    subprocess.run(["rm", "-rf", lab], check=True)
