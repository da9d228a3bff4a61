#!/usr/bin/env python3
"""# Thread pool, in Python

A fixed number of worker threads; one more thread accepts and puts connections into a queue; each worker takes one,
answers one request, says `Connection: close`, and closes. It is the *bounded thread pool* of `servers/thread-pool`
(which says where the literature has it) in its plainest form, and the server with which this project began.

Who uses it: `socketserver` and `http.server` with a pool around them, gunicorn's gthread workers, waitress, and most
servers that somebody wrote in an afternoon. With `--processes` it is *prefork*: Apache's prefork MPM, gunicorn's sync
workers, PostgreSQL.

An idle connection costs a worker, but not for long: there is no second request, so nobody idles between two, and who
sends nothing is sent away after `HEAD_TIMEOUT`. The price is a new connection for every request.

Where it breaks: Python runs the code of one thread at a time in each process, the one that holds the global interpreter
lock (GIL). Threads wait for sockets side by side, but parse, look up and build answers one after the other, and each
blocking call lets the lock go and has to win it back. A thread that comes back from a call while another computes waits
for up to 5 ms (`sys.getswitchinterval`) before it may ask for the lock (Beazley, "Understanding the Python GIL", PyCon
2010). So more workers should not make this server faster, and more CPUs not help; whether that is so, the suite `gil`
measures. An interpreter that was built without the lock (PEP 703; `python3.13t`, `python3.14t`) is the same model
without that; the ready line says which of the two it is. Nor does a process each share a lock, for the price of an
interpreter's memory for each worker.

With `--processes` there is no thread that accepts and no queue but the kernel's: all workers wait in `accept` on the
one listener that they inherited, and the kernel wakes one of them for each connection, the one that has waited longest.
That is what keeps it fair: whoever is free takes the next connection, as in the pool. With a listener for each process
(SO_REUSEPORT) the kernel chooses by a hash of the addresses before it knows who is busy, and connections queue behind
one slow client while other workers idle.

Hostile clients: one that is slow or silent holds a worker for `HEAD_TIMEOUT`, one that does not read for
`SEND_TIMEOUT`, and one that reads slowly but steadily for good. Everybody else waits in the queue.

What it does not have, beside the servers in Rust: kept connections, a cache, ranges, conditional requests.
"""

import argparse
import ctypes
import errno
import os
import queue
import re
import resource
import signal
import socket
import stat
import struct
import sys
import threading
import time
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

# For the whole head of a request to come, for a client to take something of its answer, for it to notice that it was
# refused, and for all of them once the server is to stop; in seconds.
HEAD_TIMEOUT = 10.0
SEND_TIMEOUT = 30.0
LINGER_TIMEOUT = 1.0
GRACE = 3
# Python's handler of a signal runs between two steps of the program. One that comes after the last step before a call
# that waits does not end that call, so accepting never waits for longer than this, in seconds.
LONGEST_WAIT = 1.0

LONGEST_HEAD = 16 * 1024  # bytes
LARGEST_COPY = 64 * 1024  # bytes; longer files go from the page cache to the socket without a way through Python
BACKLOG = 1024  # connections that the kernel keeps until they are accepted
MOST_WORKERS = 4096

NAME = "httpd.py"

TYPES = {
    b".css": b"text/css",
    b".gif": b"image/gif",
    b".html": b"text/html",
    b".htm": b"text/html",
    b".ico": b"image/x-icon",
    b".jpeg": b"image/jpeg",
    b".jpg": b"image/jpeg",
    b".js": b"text/javascript",
    b".json": b"application/json",
    b".pdf": b"application/pdf",
    b".png": b"image/png",
    b".svg": b"image/svg+xml",
    b".txt": b"text/plain",
    b".wasm": b"application/wasm",
    b".webp": b"image/webp",
    b".xml": b"text/xml",
}

REASONS = {
    200: b"OK",
    301: b"Moved Permanently",
    400: b"Bad Request",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}


def main():
    options = parse_options()
    site = Site(options.root)
    log = Log(options.quiet)
    allow_many_descriptors()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Otherwise connections of a server that ended a moment ago would keep the port.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", options.port))
        listener.listen(BACKLOG)
    except OSError as error:
        fail(1, f"cannot listen on 127.0.0.1:{options.port}: {error.strerror}; choose another port, or 0 for a free one")
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(LONGEST_WAIT))
    run = run_processes if options.processes else run_threads
    sys.exit(run(listener, options.workers, lambda connection, client: serve(connection, client, site, log)))


def parse_options():
    parser = argparse.ArgumentParser(prog=NAME, description="A static file server with a pool of workers, in Python")
    parser.add_argument("port", nargs="?", type=number(0, 65535), default=8080, help="port of 127.0.0.1; 0 takes a free one")
    parser.add_argument("-r", "--root", metavar="DIR", default="www", help="document root (default: www)")
    parser.add_argument(
        "-w",
        "--workers",
        metavar="N",
        type=number(1, MOST_WORKERS),
        default=len(os.sched_getaffinity(0)),
        help="workers (default: the CPUs available)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no access log on standard output")
    parser.add_argument("--processes", action="store_true", help="workers are processes, not threads")
    options = parser.parse_args()
    if not os.path.isdir(options.root):
        fail(2, f"the document root {options.root} is no directory; name another with --root")
    return options


def number(least, most):
    def parse(text):
        if not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is no number from {least} to {most}")
        return int(text)

    return parse


def say_ready(listener, model, workers):
    lock = "GIL on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "GIL off"
    version = "Python %d.%d.%d" % sys.version_info[:3]
    plural = "worker" if workers == 1 else "workers"
    port = listener.getsockname()[1]
    line = f"listening on http://127.0.0.1:{port} ({model}, {workers} {plural}, {version}, {lock})\n"
    try:
        os.write(1, line.encode())
    except OSError:
        pass  # Nobody reads it, which is no reason not to serve.


# Accepting: one thread accepts and queues; or each process accepts when it is free.


def run_threads(listener, workers, serve_one):
    waiting = queue.SimpleQueue()

    def work():
        while True:
            accepted = waiting.get()
            if accepted is None:
                return
            serve_one(*accepted)

    stop = Stop(listener)
    threads = [threading.Thread(target=work, name=f"worker-{place}", daemon=True) for place in range(workers)]
    try:
        for thread in threads:
            thread.start()
    except RuntimeError as error:
        fail(1, f"cannot start {workers} workers: {error}; ask for fewer with --workers")
    say_ready(listener, "python-threads", workers)

    for accepted in accept(listener, stop):
        waiting.put(accepted)

    listener.close()
    for _ in threads:
        waiting.put(None)
    for thread in threads:
        thread.join()
    return 0


def run_processes(listener, workers, serve_one):
    stop = Stop(listener)
    parent = os.getpid()
    # A signal that came between a fork and the next line would find the child with its parent's duties. The parent keeps
    # them blocked: it waits for them, too.
    signals = (*stop.SIGNALS, signal.SIGCHLD)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    for _ in range(workers):
        try:
            child = os.fork()
        except OSError as error:
            stop.end_children()
            fail(1, f"cannot start {workers} workers: {error.strerror}; ask for fewer with --workers")
        if child == 0:
            stop.children.clear()
            end_with(parent)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
            for connection, client in accept(listener, stop):
                serve_one(connection, client)
            os._exit(0)
        stop.children.add(child)
    say_ready(listener, "python-processes", workers)

    code = 0
    while stop.children:
        if signal.sigwaitinfo(signals).si_signo != signal.SIGCHLD:
            stop.ask()
            continue
        # One SIGCHLD may stand for several children.
        for child in list(stop.children):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended == 0:
                continue
            stop.children.discard(child)
            if status != 0:
                complain(f"worker {child} ended with the wait status {status}; the others are stopped")
                code = 1
                stop.ask()
    return code


def accept(listener, stop):
    """Yields connections with their clients' addresses, until the server is to stop and nobody waits any more."""
    left = BACKLOG
    while left > 0:
        try:
            yield listener.accept()
        except BlockingIOError:
            if stop.asked:
                return
            continue
        except OSError as error:
            # Out of descriptors or memory, which comes back when connections end. All else concerns one client that
            # is gone already.
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                time.sleep(0.01)
        if stop.asked:
            left -= 1  # Who came before the signal is still answered, but newcomers must not keep us for ever.


# Serving one connection.

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST = re.compile(
    rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/([0-9])\.([0-9])\r\n((?:" + TOKEN + rb":[^\r\n\0]*\r\n)*)"
)
FIELDS_THAT_MATTER = re.compile(rb"(?mi)^(host|content-length|transfer-encoding):")
BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Refusal(Exception):
    """An answer other than the file."""

    def __init__(self, status, field=b""):
        super().__init__(status)
        self.status = status
        self.field = field


def serve(connection, client, site, log):
    """Answers one request and closes the connection, whatever happens."""
    try:
        with connection:
            converse(connection, client, site, log)
    except OSError:
        pass  # The client is gone, or does not read: there is nobody left to tell.
    except Exception as error:  # A mistake in here must cost one connection and not a worker.
        complain(f"a connection ended with a mistake of the server's: {error!r}")


def converse(connection, client, site, log):
    # Not settimeout, with which Python would ask poll() before every recv and send.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(HEAD_TIMEOUT))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval(SEND_TIMEOUT))
    line, unread, with_body = b"-", True, True
    try:
        head, unread = receive_head(connection)
        if head is None:
            return
        line = head.partition(b"\r\n")[0]
        with_body = not line.startswith(b"HEAD ")
        target, announced = parse(head)
        unread = unread or announced
        descriptor, size, kind = site.find(target)
        try:
            status, sent = 200, send_file(connection, descriptor, size, kind, with_body)
        finally:
            os.close(descriptor)
    except Refusal as refusal:
        status, sent = refusal.status, send_refusal(connection, refusal, with_body)
    log.write(client[0], line, status, sent)
    if unread:
        linger(connection)


def receive_head(connection):
    """The head of the request with the last of its line ends, and whether bytes came behind it. (None, False) if the
    client says nothing."""
    deadline = time.monotonic() + HEAD_TIMEOUT
    received = b""
    while True:
        try:
            piece = connection.recv(LONGEST_HEAD)
        except BlockingIOError:  # What a socket with SO_RCVTIMEO says when the time is over.
            piece = None
        if not piece:
            if not received:
                return None, False
            raise Refusal(400 if piece == b"" else 408)
        # The end may lie across two pieces; what was searched before is not searched again, however small they are.
        searched = max(len(received) - 3, 0)
        received += piece
        end = received.find(b"\r\n\r\n", searched)
        if 0 <= end <= LONGEST_HEAD - 4:
            return received[: end + 2], len(received) > end + 4
        if len(received) >= LONGEST_HEAD:
            raise Refusal(431)
        left = deadline - time.monotonic()
        if left <= 0:
            raise Refusal(408)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(left))


def parse(head):
    """The target of a request, and whether a body is announced (RFC 9112)."""
    request = REQUEST.fullmatch(head)
    if request is None:
        raise Refusal(400)
    method, target, major, minor, fields = request.groups()
    if major != b"1":
        raise Refusal(505)
    names = FIELDS_THAT_MATTER.findall(fields)
    hosts = sum(len(name) == 4 for name in names)
    if hosts > 1 or (hosts == 0 and minor != b"0"):
        raise Refusal(400)
    if method not in (b"GET", b"HEAD"):
        raise Refusal(405, b"Allow: GET, HEAD\r\n")
    if target[:1] != b"/":
        if target[:7].lower() != b"http://":
            raise Refusal(400)
        target = b"/" + target[7:].partition(b"/")[2]
    return target, len(names) > hosts


class Site:
    """The document root. Every answer is of the disk: there is no cache but the kernel's."""

    FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK  # a FIFO must not make a worker wait

    def __init__(self, root):
        self.root = os.path.realpath(os.fsencode(root))
        self.beneath = self.root.rstrip(b"/") + b"/"

    def find(self, target):
        """An open descriptor of the file that a target names, its length in bytes and its type."""
        path, _, query = target.partition(b"?")
        name = path
        if b"%" in path:
            if BAD_ESCAPE.search(path):
                raise Refusal(400)
            name = unquote_to_bytes(path)
            if b"\0" in name:
                raise Refusal(400)
            if b"%2f" in path.lower():
                raise Refusal(404)  # No file has a slash in its name.
        # Neither `..` nor what is hidden.
        if b"/." in name:
            raise Refusal(404)
        if name[-1:] == b"/":
            name += b"index.html"
        try:
            descriptor = os.open(self.root + name, self.FLAGS)
        except OSError as error:
            scarce = error.errno in (errno.EMFILE, errno.ENFILE)
            raise Refusal(503 if scarce else 403 if error.errno == errno.EACCES else 404) from None
        try:
            found = os.fstat(descriptor)
            # Where the file is that was opened, after all symbolic links: asking before would be asking about another
            # one, if somebody changed a link in between.
            if not (os.readlink(b"/proc/self/fd/%d" % descriptor) + b"/").startswith(self.beneath):
                raise Refusal(404)
            if stat.S_ISDIR(found.st_mode):
                # With one slash in front, or `//host` would lead to another server.
                place = b"/" + path.strip(b"/") + b"/" + (b"?" + query if query else b"")
                raise Refusal(301, b"Location: %s\r\n" % place)
            if not stat.S_ISREG(found.st_mode):
                raise Refusal(404)
            return descriptor, found.st_size, TYPES.get(os.path.splitext(name)[1].lower(), b"application/octet-stream")
        except BaseException:
            os.close(descriptor)
            raise


def send_file(connection, descriptor, size, kind, with_body):
    """Sends the answer; the number of bytes of its body."""
    if not with_body:
        connection.sendall(render(200, kind, size))
        return 0
    if size <= LARGEST_COPY:
        # Read first, so that the length is that of what was read, and head and body are one call.
        body = os.read(descriptor, size)
        connection.sendall(render(200, kind, len(body)) + body)
        return len(body)
    connection.sendall(render(200, kind, size), socket.MSG_MORE)
    sent = 0
    while sent < size:
        count = os.sendfile(connection.fileno(), descriptor, sent, size - sent)
        if count == 0:
            break  # The file shrank. That the connection ends early tells the client.
        sent += count
    return sent


def send_refusal(connection, refusal, with_body):
    text = b"%d %s" % (refusal.status, REASONS[refusal.status])
    body = b"<!doctype html><title>%s</title><h1>%s</h1>\n" % (text, text)
    head = render(refusal.status, b"text/html", len(body), refusal.field)
    connection.sendall(head + body if with_body else head)
    return len(body) if with_body else 0


def render(status, kind, length, field=b""):
    return (
        b"HTTP/1.1 %d %s\r\nDate: %s\r\nServer: httpd.py\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s"
        b"Connection: close\r\n\r\n"
    ) % (status, REASONS[status], clock.date(), kind, length, field)


class Clock:
    """The date as HTTP and as the access log write it, made anew once a second."""

    def __init__(self):
        self.made = (0, b"", b"")

    def date(self):
        return self.now()[1]

    def now(self):
        second = int(time.time())
        # One read and one write of the whole, so that threads without a lock never see half of it.
        made = self.made
        if made[0] != second:
            http = formatdate(second, usegmt=True)
            log = time.strftime("%d/", time.gmtime(second)) + http[8:11] + time.strftime("/%Y:%H:%M:%S +0000", time.gmtime(second))
            made = self.made = (second, http.encode(), log.encode())
        return made


clock = Clock()


class Log:
    """The access log on standard output, in the Common Log Format."""

    UNPRINTABLE = re.compile(rb'[^\x20-\x7e]|["\\]')
    LONGEST_LINE = 2048  # bytes; a pipe does not mix what is shorter than 4 KiB

    def __init__(self, quiet):
        self.quiet = quiet

    def write(self, client, line, status, length):
        if self.quiet:
            return
        shown = self.UNPRINTABLE.sub(lambda byte: b"\\x%02x" % ord(byte.group()), line[: self.LONGEST_LINE // 4])
        text = b'%s - - [%s] "%s" %d %d\n' % (client.encode(), clock.now()[2], shown, status, length)
        try:
            # At once, as one call for each line: workers that are processes have no buffer in common.
            os.write(1, text)
        except OSError:
            pass  # Nobody reads it, or the disk is full: a line is lost, and no request.


# Waiting: a worker waits in recv and send, and is missed.


def timeval(seconds):
    """A time as SO_RCVTIMEO and SO_SNDTIMEO want it; 0 would be for ever."""
    return struct.pack("ll", int(seconds), max(int(seconds % 1 * 1e6), 1))


def linger(connection):
    """Reads for a moment what the client still sends. To close with bytes unread is to reset the connection, and a reset
    may overtake the answer (RFC 9112, section 9.6)."""
    connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + LINGER_TIMEOUT
    for _ in range(64):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval(left))
        if not connection.recv(LONGEST_HEAD):
            return


# Stopping: what is queued or in flight is finished, within GRACE.


class Stop:
    """SIGTERM or SIGINT. Who has connected by then is answered; GRACE seconds later the process ends in any case."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, listener):
        self.listener = listener
        self.asked = False
        self.children = set()
        for each in self.SIGNALS:
            signal.signal(each, lambda *_: self.ask())
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))

    def ask(self):
        if not self.asked:
            self.asked = True
            signal.alarm(GRACE)
            # Python repeats an accept that a signal interrupted. This time it does not wait.
            self.listener.setblocking(False)
        self.end_children()

    def end_children(self):
        for child in self.children:
            os.kill(child, signal.SIGTERM)


def end_with(parent):
    """Has the kernel kill this process when its parent ends, however that ends: nobody else would know of it."""
    set_parent_death_signal = 1  # prctl(2): PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def allow_many_descriptors():
    """A descriptor for each connection that waits in the queue."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # Then the limit stays, and accepting pauses when it is reached.


def complain(text):
    try:
        os.write(2, f"{NAME}: {text}\n".encode())
    except OSError:
        pass


def fail(code, text):
    complain(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
