"""Callers of the Workload API that Node cannot be: many users, many processes, one that takes another's number.

callers.py MODE SOCKET CALL …: CALL is a file with the bytes of one FetchX509SVID call. An answer is the list
of the IDs that came, or null for a refusal. One JSON line of results on stdout.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time

ID = re.compile(rb"spiffe://[A-Za-z0-9._/-]+")
DATA, HEADERS, RST_STREAM, GOAWAY = 0, 1, 3, 7
END_STREAM = 1
# Who waits longer than that waits for ever.
PATIENCE_SECONDS = 300


def dial(path):
    channel = socket.socket(socket.AF_UNIX)
    channel.settimeout(PATIENCE_SECONDS)
    channel.connect(path)
    return channel


def exactly(channel, count):
    got = b""
    while len(got) < count:
        more = channel.recv(count - len(got))
        if not more:
            raise ConnectionError("closed")
        got += more
    return got


def answer(channel):
    """The IDs of the first message, or None where the call ends without one."""
    try:
        while True:
            head = exactly(channel, 9)
            body = exactly(channel, int.from_bytes(head[:3], "big"))
            if head[3] == DATA and body:
                return sorted({one.decode() for one in ID.findall(body)})
            if head[3] in (RST_STREAM, GOAWAY) or (head[3] == HEADERS and head[4] & END_STREAM):
                return None
    except (ConnectionError, OSError):
        return None


def ask(path, call, channel=None):
    channel = channel or dial(path)
    try:
        channel.sendall(call)
    except OSError:
        return None
    return answer(channel)


def become(uid, groups=()):
    os.setgroups(list(groups))
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def forked(work):
    """Runs `work` in a process of its own; the file that its result can be read from, and its number."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            os.write(writing, json.dumps(work()).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    return os.fdopen(reading), pid


def users(path, call, first, count):
    """What each of many users sees, all at once."""

    def as_user(uid):
        become(uid)
        return ask(path, call)

    running = {uid: forked(lambda uid=uid: as_user(uid))[0] for uid in range(first, first + count)}
    return {uid: json.load(result) for uid, result in running.items()}


def ask_until(path, call, wanted):
    """Asks again while this ID is not among the answers: a program that took too long to read is read on."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        if wanted in (ask(path, call) or []):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(random.random())


def crowd(path, call, count, wanted):
    """How many of many processes get this ID."""
    running = [forked(lambda: ask_until(path, call, wanted))[0] for _ in range(count)]
    return sum(json.load(result) for result in running)


def reused(path, call, rounds):
    """A caller ends, one of its children holds the connection, and the victim gets its number."""
    uid, group = 20001, 777
    same = leaked = served = 0
    for at in range(rounds):
        reading, writing = os.pipe()
        answers, told = os.pipe()
        attacker = os.fork()
        if attacker == 0:
            become(uid)
            channel = dial(path)
            if os.fork() == 0:
                os.read(reading, 1)
                os.write(told, json.dumps(ask(path, call, channel)).encode())
            os._exit(0)
        os.waitpid(attacker, 0)
        with open("/proc/sys/kernel/ns_last_pid", "w") as last:
            last.write(str(attacker - 1))
        victim = os.fork()
        if victim == 0:
            become(uid, [group])
            if at % 100 == 0:
                os.write(told, b"+" if ask(path, call) else b"-")
            signal.pause()
        if at % 100 == 0:
            served += os.read(answers, 1) == b"+"
        same += victim == attacker
        os.write(writing, b"g")
        leaked += json.loads(os.read(answers, 100_000)) is not None
        os.kill(victim, signal.SIGKILL)
        for one in (reading, writing, answers, told):
            os.close(one)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
    return {"same": same, "leaked": leaked, "served": served}


def swapped(path, call_file, folder, seconds):
    """Programs at one path, swapped all the while; some change into the other one after they have connected."""
    program = os.path.join(folder, "program")
    end = time.monotonic() + seconds
    over = threading.Event()
    env = {**os.environ, "PYTHONHOME": sys.base_prefix}

    def swap():
        while not over.is_set():
            new = os.path.join(folder, "new")
            os.link(os.path.join(folder, random.choice("ab")), new)
            os.rename(new, program)
            if os.path.exists(new):
                # It was the same file already, of which rename leaves both names.
                os.unlink(new)
            time.sleep(random.random() / 100)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = []
    while time.monotonic() < end or len(seen) < 30:
        mode = random.choice(["seen", "seen", "exec"])
        command = [program, os.path.abspath(__file__), mode, path, call_file, folder]
        done = subprocess.run(command, env=env, capture_output=True, check=True)
        seen.append(json.loads(done.stdout))
    over.set()
    swapping.join()
    return seen


def running():
    """The size of the program that runs, which tells the two apart."""
    return os.stat("/proc/self/exe").st_size


def seen(path, call):
    return {"runs": running(), "ids": ask(path, call), "changed": False}


def changing(path, call_file, folder):
    """Connects, and sends from another program in the same process."""
    channel = dial(path)
    os.set_inheritable(channel.fileno(), True)
    programs = [os.path.join(folder, name) for name in "ab"]
    other = next(one for one in programs if os.stat(one).st_size != running())
    arguments = [other, os.path.abspath(__file__), "changed", path, call_file, str(channel.fileno())]
    os.execv(other, arguments)


def namespaced(node, script, path, arguments):
    """A server with numbers of its own for processes: it is started here, and asked from outside."""
    server = subprocess.Popen([node, script, path, *arguments], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    server.stdout.readline()
    return server


def main():
    mode, path, call_file, *rest = sys.argv[1:]
    with open(call_file, "rb") as file:
        call = file.read()
    if mode == "users":
        result = users(path, call, int(rest[0]), int(rest[1]))
    elif mode == "crowd":
        result = crowd(path, call, int(rest[0]), rest[1])
    elif mode == "swapped":
        result = swapped(path, call_file, rest[0], float(rest[1]))
    elif mode == "seen":
        result = seen(path, call)
    elif mode == "exec":
        result = changing(path, call_file, rest[0])
    elif mode == "changed":
        channel = socket.socket(fileno=int(rest[0]))
        result = {"runs": running(), "ids": ask(path, call, channel), "changed": True}
    elif mode == "reused":
        rounds, node, script, *arguments = rest
        namespaced(node, script, path, arguments)
        result = reused(path, call, int(rounds))
    elif mode == "serve":
        node, script, *arguments = rest
        server = namespaced(node, script, path, arguments)
        print("{}", flush=True)
        sys.stdin.read()
        server.kill()
        result = None
    else:
        result = ask(path, call)
    print(json.dumps(result), flush=True)


main()
