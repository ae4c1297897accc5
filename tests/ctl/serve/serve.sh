# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# serve over HTTP. Cases of ctl_test.sh.

http() { python3 "$here/serve/clients.py" "$@"; }
grammar() { python3 "$here/serve/grammar.py" "$@" || fail "grammar of $*"; }

# A job of a topic whose producer waits for the file `done`, and of serve with the given options. The port is in
# $port, the job in $job, the process of serve in serve.pid. TOPIC and CONSUMER have what must be escaped.
# `stored`: options of a store and of the topic's storage.
topic="a\"<b>&amp;\\{},='" consumer="c\"<i>'\\" stored=()
serve_begin() {
    mkfifo in
    printf '{"n":%d}\n' $(seq 50) >n.ndjson
    (cat n.ndjson; until [ -e done ]; do sleep 0.1; done) >in &
    timeout 250 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic "$topic" --create --topic.partitions 2 \
        ${stored[@]+"${stored[@]}"} in : \
        -n 1 "$ctl" consume --topic "$topic" --count 10 --name "$consumer" : \
        -n 1 sh -c "$(traced serve.pid)" "$ctl" serve --interval 50 "$@" </dev/null >serve.out 2>serve.err &
    job=$!
    for _ in $(seq 400); do ! grep -q 'listening on http' serve.err || break; sleep 0.05; done
    port=$(sed -n 's,.*listening on http://.*:\([0-9]*\)/$,\1,p' serve.err)
    [ -n "$port" ] || fail "no port"
}
serve_end() {
    touch done
    wait "$job" || fail "exit code $?"
}
# Wait until the topic's numbers are final, so that what is fetched can be compared.
serve_until_read() {
    for _ in $(seq 400); do
        http get "$port" /stats.json >stats.json
        ! jq -e '.topics[0].tail_events == 50 and .topics[0].consumers[0].lag == 40' stats.json >/dev/null || return 0
        sleep 0.05
    done
    fail "statistics: $(cat stats.json)"
}
promtool_check() { # FILE
    if command -v promtool >/dev/null; then
        promtool check metrics <"$1" >promtool.out 2>&1 || fail "promtool: $(cat promtool.out)"
        [ ! -s promtool.out ] || fail "promtool: $(cat promtool.out)"
    else
        echo "skipped: promtool is not installed (Debian: prometheus)"
    fi
}
# No control character but newlines, and none that is not UTF-8.
clean() { ! LC_ALL=C grep -q '[[:cntrl:]]' "$1" && iconv -f UTF-8 "$1" >/dev/null || fail "control characters in $1"; }

case_serve() {
    export MOFKA_STATS_FILE=$work/rank-%r.prom MOFKA_STATS_FORMAT=prometheus MOFKA_STATS_INTERVAL_MS=50
    serve_begin --listen 127.0.0.1:0
    unset MOFKA_STATS_FILE MOFKA_STATS_FORMAT MOFKA_STATS_INTERVAL_MS
    serve_until_read
    jq -e --arg t "$topic" --arg c "$consumer" '.size == 3 and .topics[0].name == $t and
        .topics[0].consumers[0].name == $c and (.topics[0].partitions | length) == 2 and
        (.topics[0].events_per_s | type) == "number"' stats.json >/dev/null || fail "stats: $(cat stats.json)"
    http get "$port" /metrics >text.prom
    http get "$port" /metrics 'Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5' >open.prom
    grammar text.prom
    grammar --openmetrics open.prom
    promtool_check text.prom
    says text.prom 'mofka_topic_info{topic="a\"<b>&amp;\\{},='"'"'",retention="acknowledged"} 1'
    says text.prom 'consumer="c\"<i>'"'"'\\"'
    [ "$(awk '/^mofka_partition_appended_events_total/ { n += $NF } END { print n }' text.prom)" = 50 ] || fail "events"
    [ "$(awk '/^mofka_partition_consumer_lag_events/ { n += $NF } END { print n }' text.prom)" = 40 ] || fail "lag"
    says open.prom "# TYPE mofka_partition_appended_events counter"
    http get "$port" / >page.html
    http get "$port" /part >part.html
    says page.html '<h2>a&quot;&lt;b&gt;&amp;amp;\{},=&#39;</h2>'
    says page.html 'c&quot;&lt;i&gt;&#39;\</th><td>40</td>'
    says part.html '<polyline points="'
    silent page.html "<b>&"
    silent page.html "http://"
    silent page.html "https://"
    for file in stats.json text.prom open.prom page.html part.html; do clean "$file"; done
    http headers "$port" GET / >headers
    for line in '^200 ' '^Connection: close' '^Cache-Control: no-store' '^X-Content-Type-Options: nosniff' \
        "^Content-Security-Policy: default-src 'none'; style-src 'nonce-"; do
        grep -q "$line" headers || fail "no header $line: $(cat headers)"
    done
    http headers "$port" HEAD /metrics >head
    grep -q '^200 0$' head && grep -q '^Content-Length: [1-9]' head || fail "HEAD: $(cat head)"
    [ "$(http status "$port" GET /nothing)" = 404 ] && [ "$(http status "$port" POST /metrics)" = 405 ] || fail "statuses"
    # A page whose name was made to resolve to 127.0.0.1 is not answered.
    [ "$(http status "$port" GET / 'Host: attacker.example:80')" = 403 ] || fail "another host"
    [ "$(http status "$port" GET / "Host: [::1]:$port")$(http status "$port" GET / 'Host: LOCALHOST')" = 200200 ] ||
        fail "loopback hosts"
    # The port is taken: that rank ends, and the job goes on.
    job taken -n 1 "$ctl" topic create "${driver[@]}" t : -n 1 "$ctl" serve --listen "127.0.0.1:$port"
    want 1
    says taken.err "cannot listen on http://127.0.0.1:$port/: Address already in use"
    # Nobody waits for serve, and it does not wait for a request.
    kill -INT "$(cat serve.pid)"
    for _ in $(seq 200); do [ "$(http status "$port" GET / 2>/dev/null)" = 200 ] || break; sleep 0.05; done
    kill -0 "$job" || fail "the job ended with serve"
    serve_end
    # The files of the ranks: the topics are in that of rank 0 alone.
    for file in rank-0.prom rank-1.prom rank-2.prom; do
        grammar "$file"
        clean "$file"
        promtool_check "$file"
    done
    [ "$(cat rank-?.prom | grep -c '^mofka_topic_info')$(ls | grep -c '\.tmp$' || true)" = 10 ] || fail "$(ls)"
    says rank-0.prom 'mofka_producer_stored_events_total{rank="0"} 50'
    says rank-1.prom 'mofka_consumer_pulled_events_total{rank="1"} 10'
}

# A topic with storage: metrics and page have its log. The dashboard asks for metrics of that, too.
case_serve_log() {
    export MOFKA_STATS_FILE=$work/rank-%r.prom MOFKA_STATS_FORMAT=prometheus
    stored=(--driver.store "$work/s" --topic.storage.sync_ms 50)
    serve_begin --listen 127.0.0.1:0
    unset MOFKA_STATS_FILE MOFKA_STATS_FORMAT
    for _ in $(seq 400); do
        http get "$port" /stats.json >stats.json
        ! jq -e '[.topics[0].partitions[] | .synced_events] | add == 50' stats.json >/dev/null || break
        sleep 0.05
    done
    http get "$port" /metrics >text.prom
    grammar text.prom
    promtool_check text.prom
    [ "$(awk '/^mofka_partition_log_(written|synced)_events_total/ { n += $NF } END { print n }' text.prom)" = 100 ] ||
        fail "events of the log"
    http get "$port" /part >part.html
    clean part.html
    says part.html '<figcaption>to write <b>0</b></figcaption>'
    # A row for each partition: what is written is on disk, nothing waits, and times and bytes are there.
    local row='<th scope="row">[01]</th><td>\([0-9]*\)</td><td>\1</td><td>0</td><td>0</td><td>\([1-9][0-9.k]*\)</td>'
    row="$row<td>\\2</td><td>1</td><td>[1-9][0-9.k]*</td>\\(<td>[0-9.]*</td>\\)\\{4\\}<td class=\"text\">good</td>"
    [ "$(grep -c "$row" part.html)" = 2 ] || fail "rows of the log: $(grep -A3 'log of' part.html)"
    serve_end
    python3 "$here/serve/dashboard.py" "$here/../../mpi/ctl/serve/grafana.json" rules.yml rank-?.prom text.prom ||
        fail "the dashboard"
    if command -v promtool >/dev/null; then
        promtool check rules rules.yml >promtool.out 2>&1 || fail "promtool: $(cat promtool.out)"
    fi
}

# When the other ranks are done, serve ends. The pattern chooses topics, for Prometheus, too.
case_serve_ends() {
    serve_begin --listen '[::1]:0' --topic 'none*'
    says serve.err "listening on http://[::1]:"
    python3 - "$port" <<'END'
import sys, urllib.request
body = urllib.request.urlopen(f"http://[::1]:{sys.argv[1]}/metrics").read()
assert b"mofka_job_ranks 3" in body and b"partition" not in body, body
END
    serve_end
    job limit -n 1 "$ctl" serve "${driver[@]}" --listen localhost:0 --for 0.3
    want 0
}

case_serve_token() {
    local token=0123456789abcdef+/ basic
    refuse() { # TEXT: the token file is refused
        job refuse -n 1 "$ctl" serve "${driver[@]}" --listen 127.0.0.1:0 --token token
        want 1
        says refuse.err "the token file 'token' is refused: $1"
        silent refuse.err "$token"
    }
    refuse "No such file"
    echo $token >token
    for mode in 640 604 660 602; do
        chmod $mode token
        refuse "other users can read or write it; chmod 600 prevents that"
    done
    chmod 600 token
    if [ "$(id -u)" = 0 ]; then
        chown 1 token
        refuse "another user owns it"
        chown 0 token
    fi
    echo short >token
    refuse "a token has 16 to 256 characters"
    head -c 300 /dev/zero | tr '\0' x >token
    refuse "a token has 16 to 256 characters"
    printf '%s\n%s\n' $token $token >token
    refuse "a token is one line of printable ASCII characters without spaces"
    rm token; mkfifo -m 600 token
    refuse "it is not a regular file"
    rm token; (umask 077; echo $token >token)
    serve_begin --listen 0.0.0.0:0 --token token
    basic=$(printf 'mofka:%s' $token | base64)
    status() { http status "$port" GET "$@"; }
    for path in / /metrics /stats.json /part /nothing; do
        [ "$(status $path)" = 401 ] || fail "$path without a token"
    done
    http headers "$port" GET / >headers
    says headers 'WWW-Authenticate: Basic realm="mofka"'
    for wrong in "Bearer ${token}x" "Bearer ${token%?}" "Bearer 1${token#?}" "Bearer" "Bearer " "$token" "Basic $token" \
        "Basic ${basic}x" "Basic $(printf 'other:%s' $token | base64)" "Bearer $basic"; do
        [ "$(status / "Authorization: $wrong")" = 401 ] || fail "$wrong"
    done
    [ "$(status "/?token=$token")" = 401 ] || fail "a token in the address"
    [ "$(status / "Authorization: Bearer $token")" = 200 ] && [ "$(status / "Authorization: basic $basic")" = 200 ] &&
        [ "$(status /metrics "authorization: bearer $token" 'Host: node7:9464')" = 200 ] || fail "the token"
    serve_end
    silent serve.err $token
}

case_serve_usage() {
    for address in '' 9464 127.0.0.1:65536 example.org:80; do # test_serve has more
        refuses "--listen cannot be '$address': it must be ADDRESS:PORT" serve --listen "$address"
    done
    for address in 0.0.0.0:0 '[2001:db8::1]:80'; do
        refuses "--listen $address can be reached from other nodes: it needs a --token FILE" serve --listen "$address"
    done
    refuses "--interval cannot be '1': it must be a whole number from 10" serve --interval 1
    refuses "unknown argument 'x'" serve x
    (umask 077; echo 0123456789abcdef >token)
    job other -n 1 "$ctl" serve "${driver[@]}" --listen 192.0.2.1:0 --token token
    want 1
    says other.err "cannot listen on http://192.0.2.1:0/: Cannot assign requested address"
}

case_serve_hostile() {
    serve_begin --listen 127.0.0.1:0
    local before after case peak rest
    http get "$port" / >page.html
    for case in malformed large slow many often; do http $case "$port" || fail "$case"; done
    read -r peak rest < <(awk '/^VmHWM/ { peak = $2 } /^VmRSS/ { rest = $2 } END { print peak, rest }' \
        "/proc/$(cat serve.pid)/status")
    [ "$peak" -lt $((rest + 32 * 1024)) ] || fail "a peak of $peak KiB, and now $rest"
    # Asleep when nobody asks: ticks of the CPU in 3 s.
    ticks() { awk '{ print $14 + $15 }' "/proc/$(cat serve.pid)/stat"; }
    before=$(ticks)
    sleep 3
    after=$(ticks)
    [ $((after - before)) -le $(($(getconf CLK_TCK) / 5)) ] || fail "$((after - before)) ticks while nobody asks"
    serve_end
}

# The page in a real browser. MOFKA_SCREENSHOTS names a folder that keeps what is seen.
case_serve_browser() {
    local chromium
    chromium=$(command -v chromium) || { echo "skipped: chromium is not installed"; exit 77; }
    local shots=${MOFKA_SCREENSHOTS:-$work/shots}
    unset MOFKA_SCREENSHOTS # the library knows no such variable
    mkdir -p "$shots"
    mkfifo in
    (for n in $(seq 100000); do [ ! -e done ] || break; printf '{"n":%d}\n' "$n"; sleep 0.01; done) >in &
    timeout 250 "${launch[@]}" -n 1 "$ctl" produce "${driver[@]}" --topic "$topic" --create --topic.partitions 3 \
        --batch-size 1 in : -n 1 "$ctl" consume --topic "$topic" --name "$consumer" --count 100 : \
        -n 1 "$ctl" serve --listen 127.0.0.1:0 </dev/null >serve.out 2>serve.err &
    job=$!
    for _ in $(seq 400); do ! grep -q 'listening on http' serve.err || break; sleep 0.05; done
    python3 "$here/serve/browser.py" "$chromium" "$(sed -n 's,.*listening on ,,p' serve.err)" "$shots" "$topic" ||
        fail "the page in a browser"
    rm -rf "$shots/profile"
    serve_end
}

# Built without libmicrohttpd.
case_serve_without() {
    refuses "this mofkactl was built without libmicrohttpd, which serve needs" serve
}
