# Running the tests: the runner's summary is the last thing on the screen, and above it what was skipped.

run_tests() {
    if [ ${#skipped[@]} -eq 0 ]; then
        exec cargo nextest run "$@"
    fi
    # The runner sees a pipe; people still get its colours.
    [ ! -t 2 ] || export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}
    local status=0
    cargo nextest run "$@" 2>&1 | skipped_before_summary >&2 || status=${PIPESTATUS[0]}
    exit "$status"
}

# Passes lines through, and tells what was skipped before the summary.
skipped_before_summary() {
    # A Ctrl-C is for the runner, whose last words still have to come through.
    trap '' INT
    local line
    while IFS= read -r line; do
        [[ $line != *Summary*\[*run:* ]] || printf '%s\n' "${skipped[@]}"
        printf '%s\n' "$line"
    done
}
