#!/usr/bin/env bash
# What a person does on the fresh machine: inside.sh REPOSITORY all|up|test. Called by run.sh.
set -euo pipefail
cd "$1"
only=$2
log=$(mktemp -d)

say() { printf 'fresh-machine: %s\n' "$*"; }
die() { say "$*"; exit 1; }

# Beside the clock, which depends on what else the machine does: two processors work two seconds in one.
TIMEFORMAT='fresh-machine: processors worked %U s for it, and the system %S s'

now() { echo "${EPOCHREALTIME/./}"; }
seconds() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f s", (to - from) / 1e6 }'; }

# Shows what comes by, and keeps it in a file with the time before each line.
stamped() {
    local line
    while IFS= read -r line; do
        printf '%s\t%s\n' "$(now)" "$line" >>"$1"
        printf '%s\n' "$line"
    done
}

# When the first line was printed that matches.
time_of() { awk -F '\t' -v pattern="$2" '$2 ~ pattern { print $1; exit }' "$1"; }

# The lines to paste of a section: those indented by four blanks.
section() { cut -f 2- "$log/up" | awk -v head="$1" '$0 == head { on = 1; next } on && !/^    / { exit } on { print substr($0, 5) }'; }

paste() {
    say "pasting: $1"
    bash -c "$1" </dev/null >"$log/pasted" 2>&1 || { cat "$log/pasted"; die "that failed"; }
    tail -n 1 "$log/pasted" | grep . || true
}

# Waits for a line in a file, as long as the process that writes it lives.
wait_for() {
    local file=$1 words=$2 writer=$3
    until grep -q "$words" "$file"; do
        kill -0 "$writer" 2>/dev/null || { cat "$file"; die "it ended without saying: $words"; }
        sleep 0.05
    done
}

# A subscriber in one terminal, a publisher in another.
paste_language() {
    local name=$1 line subscribe='' publish='' subscriber began
    began=$(now)
    local lines
    mapfile -t lines < <(section "$name:")
    [ ${#lines[@]} -ge 3 ] || die "./dev up printed nothing to paste for $name"
    for line in "${lines[@]}"; do
        case $line in
        *subscribe.*) subscribe=$line ;;
        *publish.*) publish=$line ;;
        *) paste "$line" ;;
        esac
    done
    say "its client was installed in $(seconds "$began" "$(now)")"
    say "pasting: $subscribe"
    bash -c "exec $subscribe" >"$log/$name" 2>&1 &
    subscriber=$!
    wait_for "$log/$name" '^listening' "$subscriber"
    paste "$publish"
    wait_for "$log/$name" '^greetings.hello: Hello from ' "$subscriber"
    : "${first_message:=$(now)}"
    say "the subscriber said: $(tail -n 1 "$log/$name")"
    kill "$subscriber"
    wait "$subscriber" 2>/dev/null || true
}

# The README's tour between start and end, as printed. The line that listens goes on for ever: it has the
# time in which somebody publishes to the other account.
paste_tour() {
    local tour=$log/tour.sh
    awk '/^## A tour/ { tour = 1; next } /^## / { tour = 0 } tour && /^```sh/ { on = 1; next } /^```/ { on = 0 } tour && on' README.md |
        sed -e '/^\.\/dev /d' -e 's/^[^ ]*python [^ ]*subscribe.py .*/& > mine.log \& listener=$!/' >"$tour"
    grep -q 'listener=' "$tour" || die "the tour has no line that listens"
    cat >>"$tour" <<'PUBLISH'
until grep -q '^listening' mine.log; do kill -0 $listener || exit 1; sleep 0.1; done
$DATA/demo/python/bin/python $DATA/demo/publish.py nats://127.0.0.1:4222 $DATA/demo/orders.creds
$DATA/demo/python/bin/python $DATA/demo/publish.py nats://127.0.0.1:4222 mine.creds
until grep -q '^greetings' mine.log; do kill -0 $listener || exit 1; sleep 0.1; done
kill $listener
[ "$(grep -c '^greetings' mine.log)" = 1 ] || { cat mine.log; exit 1; }
PUBLISH
    say "pasting the README's tour"
    (cd "$log" && bash -eu "$tour") >"$log/pasted" 2>&1 || { cat "$log/pasted"; die "the tour failed"; }
    grep -q '"messages_in"' "$log/pasted" || { cat "$log/pasted"; die "the tour showed no usage"; }
}

still_running() {
    local process name
    for process in /proc/[0-9]*; do
        name=$(cat "$process/comm" 2>/dev/null) || continue
        case $name in tollway* | postgres*) echo "$name"; return 0 ;; esac
    done
    return 1
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# What a person is told when something is missing: one line, after the lines that say what was going on.
refused() {
    local sentence=$1 output
    shift
    # Nothing that is refused takes this long; something that is not would go on for ever.
    output=$(timeout 120 "$@" 2>&1) && die "this should have been refused: $*"
    [[ $(tail -n 1 <<<"$output") == *"$sentence"* ]] || die "$* said: $output"
    say "refused as it should be: $(tail -n 1 <<<"$output")"
}

try_without() {
    refused "cargo is not on PATH" env PATH=/usr/sbin:/usr/bin:/sbin:/bin ./dev up
    # A proxy that is not there is a network that is not there.
    local nowhere=/etc/apt/apt.conf.d/00nowhere
    as_root sh -c "echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' >$nowhere"
    refused "is the network there?" ./dev up
    as_root rm "$nowhere"
    if [ "$(id -u)" = 0 ]; then
        refused "sudo is not here" setpriv --reuid=nobody --clear-groups env HOME=/nonexistent ./dev up
    fi
}

try_up() {
    local began
    began=$(now)
    time ./dev up --detach 2>&1 | stamped "$log/up"
    say "all of it ran after $(seconds "$began" "$(now)")"

    paste_language Python
    say "FIRST MESSAGE after $(seconds "$began" "$first_message"), of which"
    local apt crates build start
    apt=$(time_of "$log/up" '^dev: installing Debian')
    build=$(time_of "$log/up" '^dev: building')
    crates=$(time_of "$log/up" '^dev: downloading crates')
    start=$(time_of "$log/up" '^Tollway [0-9]')
    say "  Debian packages $(seconds "${apt:-$began}" "${crates:-$build}")"
    say "  crates          $(seconds "${crates:-$build}" "$build")"
    say "  compiling       $(seconds "$build" "$start")"
    say "  starting        $(seconds "$start" "$(time_of "$log/up" '^Tollway runs')")"
    say "  first client    $(seconds "$(time_of "$log/up" '^Tollway runs')" "$first_message")"
    paste_language Node

    local line
    while IFS= read -r line; do
        case $line in
        *subscribe* | *publish* | *venv* | "npm "* | *"install "*nodejs*) ;; # pasted above
        "nats "*) say "not pasted, the nats command is in no package: $line" ;;
        *" down "*) ;; # at the end
        http*) paste "python3 -c 'import sys, urllib.request as r; sys.exit(r.urlopen(\"$line\").status != 200)'" ;;
        *) paste "$line" ;;
        esac
    done < <(cut -f 2- "$log/up" | sed -n 's/^    //p')

    paste_tour

    refused "MiB free" env CARGO_TARGET_DIR=/mnt/target ./dev up

    local creds before
    creds=$(cut -f 2- "$log/up" | grep -o '[^ ]*/orders\.creds' | head -n 1)
    before=$(cat "$creds")
    ./dev down
    ! still_running || die "$(still_running) was left running"

    say "a second time, resuming and in the foreground, then Ctrl-C"
    began=$(now)
    set -m
    ./dev up >"$log/second" 2>&1 &
    local second=$!
    set +m
    wait_for "$log/second" '^Tollway runs' "$second"
    say "it ran after $(seconds "$began" "$(now)")"
    [ "$before" = "$(cat "$creds")" ] || die "the second start has other credentials"
    kill -INT -- "-$second"
    wait "$second" || { cat "$log/second"; die "Ctrl-C ended it with $?"; }
    ! still_running || die "$(still_running) was left running"
}

try_test() {
    local began
    began=$(now)
    time ./dev test 2>&1 | stamped "$log/test"
    say "./dev test took $(seconds "$began" "$(now)")"
    local skipped
    if skipped=$(cut -f 2- "$log/test" | grep '^SKIPPED'); then
        die "a fresh Debian has everything, yet: $skipped"
    fi
}

if [ "$only" != test ]; then
    try_without
    try_up
fi
if [ "$only" != up ]; then
    try_test
fi
