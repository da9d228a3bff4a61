#!/usr/bin/env python3
"""The first server of this project's history: a pool of Python threads, and a connection for each request.

What it is: a thread accepts connections and puts them into a queue; N worker threads take them out, answer one request
each, and close. With --processes, N processes share the listener instead; each accepts and answers by itself. Nothing
else differs, so what threads of one interpreter share, its lock above all, is the difference between the two.

Who uses this: every tutorial on thread pools; gunicorn's and uWSGI's synchronous workers are the second form.

What an idle connection costs: a worker, until REQUEST_SECONDS are over. There is none after an answer.

Where it breaks: N clients that send nothing stop it for REQUEST_SECONDS. Under an interpreter with a global lock, threads
run in turn, however many CPUs there are; handing the lock around costs switches that grow with N.

It answers GET and HEAD with files beneath its root, and is as correct as that needs; for anything else, see the other
servers of this project. Standard library only; Python 3.8 or later; Linux.
"""

import argparse
import mimetypes
import os
import queue
import signal
import socket
import stat
import sys
import threading
import time
from email.utils import formatdate
from urllib.parse import unquote_to_bytes

REQUEST_SECONDS = 5.0
LONGEST_HEAD = 16 * 1024
PIECE = 256 * 1024
BACKLOG = 1024

REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    505: "HTTP Version Not Supported",
}


class Refusal(Exception):
    """A request that is answered with an error page."""

    def __init__(self, status):
        super().__init__(status)
        self.status = status


# --- main -------------------------------------------------------------------------------------------------------------


def main():
    arguments = parse_arguments()
    root = os.path.realpath(arguments.root)
    if not os.path.isdir(root):
        sys.exit(f"httpd.py: the root {arguments.root} is no folder; name another with -r")
    try:
        listener = socket.create_server(("127.0.0.1", arguments.port), backlog=BACKLOG)
    except OSError as error:
        sys.exit(f"httpd.py: cannot listen on port {arguments.port}: {error.strerror}; choose another")
    site = Site(root, quiet=arguments.quiet)
    kind = "process" if arguments.processes else "thread"
    workers = f"{arguments.workers} {kind}{'' if arguments.workers == 1 else 'es' if arguments.processes else 's'}"
    port = listener.getsockname()[1]
    # Whoever is told to stop ends at once: no answer of this server is longer than a moment.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    print(f"listening on http://127.0.0.1:{port} (python, {workers}, {interpreter_lock()})", flush=True)
    if arguments.processes:
        serve_with_processes(listener, site, arguments.workers)
    else:
        serve_with_threads(listener, site, arguments.workers)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Serves files with a pool of threads or processes.")
    parser.add_argument("-w", dest="workers", type=int, default=1, metavar="WORKERS", help="threads or processes")
    parser.add_argument("-r", dest="root", default=".", metavar="ROOT", help="the document root")
    parser.add_argument("-q", dest="quiet", action="store_true", help="write no access log")
    parser.add_argument("--processes", action="store_true", help="processes instead of threads")
    parser.add_argument("port", type=int, metavar="PORT", help="the port on 127.0.0.1; 0 takes a free one")
    arguments = parser.parse_args()
    if not 1 <= arguments.workers <= 1000:
        parser.error("-w takes 1 to 1000 workers")
    if not 0 <= arguments.port <= 65535:
        parser.error("PORT is between 0 and 65535")
    return arguments


def interpreter_lock():
    """Whether threads of this interpreter run one at a time, which only 3.13 and later can tell to be otherwise."""
    is_on = getattr(sys, "_is_gil_enabled", lambda: True)()
    return "with the global interpreter lock" if is_on else "without a global interpreter lock"


# --- accepting --------------------------------------------------------------------------------------------------------


def serve_with_threads(listener, site, workers):
    """One thread accepts; the others wait at a queue."""
    waiting = queue.SimpleQueue()

    def work():
        while True:
            serve(waiting.get(), site)

    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    while True:
        waiting.put(accept(listener))


def serve_with_processes(listener, site, workers):
    """Processes that were forked accept from one listener: its queue is shared, so none waits while another is busy, as
    it would with a listener for each."""
    children = []
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            while True:
                serve(accept(listener), site)
        children.append(child)
    listener.close()

    def stop(*_):
        for child in children:
            os.kill(child, signal.SIGKILL)
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # A worker that ends by itself is a fault, and then this server is none any more.
    os.wait()
    for child in children:
        os.kill(child, signal.SIGKILL)
    sys.exit("httpd.py: a worker process has ended by itself")


def accept(listener):
    """The next connection. Without descriptors there is none for a moment."""
    while True:
        try:
            connection, _ = listener.accept()
            return connection
        except OSError:
            time.sleep(0.01)


# --- serving one connection -------------------------------------------------------------------------------------------


def serve(connection, site):
    """Answers one request and closes."""
    try:
        with connection:
            connection.settimeout(REQUEST_SECONDS)
            answer(connection, site)
            # Closing with unread input would reset the connection and could destroy the answer on its way.
            connection.shutdown(socket.SHUT_WR)
    except OSError:
        # The client has gone, or does not read.
        pass


def answer(connection, site):
    line = b"-"
    try:
        head = read_head(connection)
        if not head:
            return
        line = head.split(b"\r\n", 1)[0]
        method, target = parse(line, head)
        path, length = site.find(target)
    except Refusal as refusal:
        status, body = refusal.status, error_page(refusal.status)
        sent = 0 if line.startswith(b"HEAD ") else len(body)
        send(connection, status, "text/html", len(body), body[:sent])
    else:
        status = 200
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        sent = send_file(connection, path, kind, length, method)
    if not site.quiet:
        print(f'127.0.0.1 - - [{time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())}] '
              f'"{line.decode("latin-1").encode("unicode_escape").decode()}" {status} {sent}', flush=True)


def read_head(connection):
    """The head of the request; empty if the client left without one."""
    head = b""
    deadline = time.monotonic() + REQUEST_SECONDS
    while b"\r\n\r\n" not in head:
        if len(head) > LONGEST_HEAD:
            raise Refusal(431)
        try:
            piece = connection.recv(LONGEST_HEAD)
        except socket.timeout:
            raise Refusal(408) from None
        if not piece:
            if head:
                raise Refusal(400)
            return b""
        head += piece
        if time.monotonic() > deadline:
            raise Refusal(408)
    return head[: head.index(b"\r\n\r\n") + 2]


def parse(line, head):
    """Method and target of a request."""
    parts = line.split(b" ")
    if len(parts) != 3 or not parts[1].startswith(b"/"):
        raise Refusal(400)
    method, target, version = parts
    if not version.startswith(b"HTTP/1.") or len(version) != 8:
        raise Refusal(505 if version.startswith(b"HTTP/") else 400)
    if version == b"HTTP/1.1" and b"\nhost:" not in head.lower():
        raise Refusal(400)
    if method not in (b"GET", b"HEAD"):
        raise Refusal(405)
    return method.decode(), target


class Site:
    """The files beneath the root."""

    def __init__(self, root, quiet):
        self.root = os.fsencode(root)
        self.quiet = quiet

    def find(self, target):
        """The file that a target names, and its length; a folder's is its index.html."""
        path = unquote_to_bytes(target.split(b"?", 1)[0])
        if b"\0" in path:
            raise Refusal(400)
        if b".." in path.split(b"/"):
            raise Refusal(404)
        file = os.path.join(self.root, path.lstrip(b"/"))
        if path.endswith(b"/"):
            file = os.path.join(file, b"index.html")
        try:
            # Links that lead out of the root are as good as not there.
            real = os.path.realpath(file)
            if os.path.commonpath([real, self.root]) != self.root:
                raise Refusal(404)
            found = os.stat(real)
        except PermissionError:
            raise Refusal(403) from None
        except (OSError, ValueError):
            raise Refusal(404) from None
        if not stat.S_ISREG(found.st_mode):
            raise Refusal(404)
        return os.fsdecode(real), found.st_size


def send_file(connection, path, kind, length, method):
    """Sends a file; small ones together with their head, in one piece."""
    try:
        with open(path, "rb", buffering=0) as file:
            first = file.read(min(length, PIECE)) if method == "GET" else b""
            send(connection, 200, kind, length, first)
            sent = len(first)
            while method == "GET" and sent < length:
                piece = file.read(min(length - sent, PIECE))
                if not piece:
                    # It has shrunk meanwhile: what was announced cannot be sent, and closing says so.
                    return sent
                connection.sendall(piece)
                sent += len(piece)
            return sent
    except PermissionError:
        body = error_page(403)
        send(connection, 403, "text/html", len(body), body)
        return len(body)


def send(connection, status, kind, length, body):
    allow = "Allow: GET, HEAD\r\n" if status == 405 else ""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nServer: httpd.py\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"Connection: close\r\n{allow}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )
    connection.sendall(head.encode("latin-1") + body)


def error_page(status):
    title = f"{status} {REASONS[status]}"
    return f"<!DOCTYPE html>\n<html lang=\"en\">\n<title>{title}</title>\n<h1>{title}</h1>\n</html>\n".encode()


if __name__ == "__main__":
    main()
