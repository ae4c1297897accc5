# SPDX-License-Identifier: BSD-3-Clause
"""The page of mofkactl serve in Chromium, driven over its pipe for debugging.
   browser.py CHROMIUM URL DIRECTORY TOPIC
Looked at are: the page on a phone, its tables and graphs, that it renews itself, that it loads nothing from
elsewhere, that nothing is wider than the screen, and the page without scripts. DIRECTORY gets screenshots, as
the page is seen, and the text of the page after it renewed itself."""
import base64
import fcntl
import json
import os
import subprocess
import sys
import time

LIMIT_S = 120
chromium, url, directory, topic = sys.argv[1:]


class Browser:
    """One page of a Chromium."""

    def __init__(self):
        # Its ends are 3 and 4, so none of these may be one of them.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (*os.pipe(), *os.pipe())]
        to_read, self.to, self.out, from_write = ends
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec 3<&{to_read} 4>&{from_write}; exec "$@"', "bash", chromium, "--headless",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
             f"--user-data-dir={directory}/profile", "about:blank"],
            pass_fds=(to_read, from_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.rest, self.last, self.requests, self.errors, self.session = b"", 0, [], [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.out, 1 << 16)
            assert more, "Chromium ended"
            self.rest += more
        one, self.rest = self.rest.split(b"\0", 1)
        one = json.loads(one)
        if one.get("method") == "Network.requestWillBeSent":
            self.requests.append(one["params"]["request"]["url"])
        if one.get("method") in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.errors.append(one["params"])
        return one

    def call(self, method, **params):
        self.last += 1
        call = {"id": self.last, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        os.write(self.to, json.dumps(call).encode() + b"\0")
        while (answer := self.message()).get("id") != self.last:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression):
        end = time.monotonic() + LIMIT_S
        while not self.value(expression):
            assert time.monotonic() < end, f"not in time: {expression}\n{self.value('document.body.innerText')}"
            time.sleep(0.1)

    def screenshot(self, name):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(f"{directory}/{name}.png", "wb") as file:
            file.write(base64.b64decode(data))

    def show(self, width, height, scripts=True):
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2,
                  mobile=width < 600)
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && document.querySelectorAll('section').length > 0")

    def end(self):
        self.call("Browser.close")
        self.process.wait(LIMIT_S)


POINTS = "document.querySelector('polyline').getAttribute('points').trim().split(' ').length"
EVENTS = "Number(document.querySelector('.sum td:nth-child(3)').innerText)"

browser = Browser()
browser.show(390, 844)
assert browser.value("document.querySelector('h2').firstChild.textContent") .strip() == topic
assert browser.value("document.querySelectorAll('b b, i, img').length") == 0, "names are not escaped"
before = browser.value(EVENTS)
browser.until(f"{EVENTS} > {before} && {POINTS} > 4")  # it renews itself, and its graphs grow
assert browser.value("document.querySelectorAll('svg').length") == 5
assert browser.value("document.documentElement.scrollWidth <= window.innerWidth"), "wider than the screen"
browser.screenshot("phone")
with open(f"{directory}/page.html", "w", encoding="utf-8") as file:
    file.write(browser.value("document.documentElement.outerHTML"))
browser.show(1280, 900)
browser.screenshot("desktop")
browser.show(390, 844, scripts=False)
before = browser.value(EVENTS)
assert browser.value("document.querySelectorAll('tbody tr').length") >= 4
browser.screenshot("without_scripts")
browser.until(f"document.querySelector('.sum') && {EVENTS} > {before}")  # it is loaded again
others = [request for request in browser.requests if not request.startswith((url, "data:", "about:"))]
assert not others, others
assert not browser.errors, browser.errors
browser.end()
print(f"{len(browser.requests)} requests, none to others; screenshots in {directory}")
