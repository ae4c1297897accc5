# SPDX-License-Identifier: BSD-3-Clause
"""Clients of mofkactl serve, well-behaved and hostile.
   clients.py get PORT PATH [HEADER: VALUE...]     print the body; exit code 1 and the status if it is not 200
   clients.py status PORT METHOD PATH [HEADER: VALUE...]   print the status
   clients.py headers PORT METHOD PATH             print the status and the headers
   clients.py malformed|large|slow|many|often PORT  see below"""
import http.client
import re
import select
import socket
import sys
import time

LIMIT_S = 60  # for what must end
IDLE_MAX = 32  # connections of one address


def ask(port, method, path, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    connection.request(method, path, headers=dict(header.split(": ", 1) for header in headers))
    answer = connection.getresponse()
    return answer, answer.read()


def still_answers(port):
    answer, body = ask(port, "GET", "/metrics")
    assert answer.status == 200 and body.endswith(b"# EOF\n"), answer.status


def answers_again(port):
    """The server counts a connection for a moment after its client has seen the end."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            return still_answers(port)
        except ConnectionError:
            assert time.monotonic() < end, "connections are refused"
            time.sleep(0.05)


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)


def exchange(port, data):
    """Send all, as far as the server takes it; what it answers until it closes."""
    client, got = connect(port), b""
    try:
        client.sendall(data)
    except OSError:
        pass  # it was refused before it had come
    try:
        while len(got) < 1 << 22:
            more = client.recv(65536)
            if not more:
                break
            got += more
    except ConnectionResetError:
        pass
    client.close()
    return got


def refused(port, data):
    """Not answered, or with an error; the answer is small."""
    got = exchange(port, data)
    status = re.match(rb"HTTP/1\.[01] ([0-9]{3}) ", got)
    assert not got or (status and 400 <= int(status[1]) <= 599), (data[:60], got[:200])
    assert len(got) < 2000, (data[:60], len(got))
    return int(status[1]) if status else 0


HOST = b"Host: localhost\r\n"


def malformed(port):
    for data in (
        b"\r\n\r\n\r\n\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",  # TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff\xfe / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /%2e%2e/metrics HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff\x1b[2J HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET http://other/metrics HTTP/1.1\r\n" + HOST + b"\r\n",
    ):
        refused(port, data)
    # What has a body is answered before it comes.
    for method in (b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"XYZ"):
        status = refused(port, method + b" / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000000\r\n\r\n" + b"x" * 1000)
        assert status == 405, (method, status)
    # One request for each connection.
    got = exchange(port, 3 * (b"GET /stats.json HTTP/1.1\r\n" + HOST + b"\r\n"))
    assert got.count(b"HTTP/1.1 200") == 1, got[:300]
    still_answers(port)


def large(port):
    for data in (
        b"GET /" + b"a" * 10000000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 10000000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + 100000 * b"X: a\r\n" + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Authorization: Basic " + b"a" * 100000 + b"\r\n\r\n",
        b"G" * 10000000,
    ):
        refused(port, data)
    exchange(port, b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"ffffff\r\n" + b"x" * 10000000)
    still_answers(port)


def slow(port):
    """A client that sends a byte now and then is not kept for ever; others are answered meanwhile."""
    client, end = connect(port), time.monotonic() + LIMIT_S
    data = b"GET / HTTP/1.1\r\nX: " + b"a" * 100000
    for sent in range(len(data)):
        assert time.monotonic() < end, "the connection stays open"
        try:
            client.send(data[sent : sent + 1])
        except OSError:
            break
        if select.select([client], [], [], 0.2)[0] and not client.recv(1000):
            break
        if sent == 3:
            still_answers(port)
    still_answers(port)


def many(port):
    """Only so many connections of one address stay; when their time is over there is room again."""
    clients = [connect(port) for _ in range(IDLE_MAX + 20)]
    open_, end = list(clients), time.monotonic() + LIMIT_S
    least = None
    while open_:
        assert time.monotonic() < end, f"{len(open_)} connections stay open"
        for client in select.select(open_, [], [], 1)[0]:
            try:
                if client.recv(1000) == b"":
                    open_.remove(client)
            except OSError:
                open_.remove(client)
        if least is None and len(open_) <= IDLE_MAX:
            least = len(open_)
    assert least == IDLE_MAX, least
    answers_again(port)


def often(port):
    """More than 100 requests in a second wait."""
    begin = time.monotonic()
    for _ in range(350):
        still_answers(port)
    assert time.monotonic() - begin > 2


def main():
    case, port, rest = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if case == "get":
        answer, body = ask(port, "GET", rest[0], rest[1:])
        sys.stdout.buffer.write(body)
        sys.exit(0 if answer.status == 200 else f"status {answer.status}")
    elif case == "status":
        print(ask(port, rest[0], rest[1], rest[2:])[0].status)
    elif case == "headers":
        answer, body = ask(port, rest[0], rest[1], rest[2:])
        print(answer.status, len(body))
        print(answer.headers)
    else:
        {"malformed": malformed, "large": large, "slow": slow, "many": many, "often": often}[case](port)


main()
