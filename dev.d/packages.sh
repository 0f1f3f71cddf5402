# What the system has to have. What is missing comes from Debian packages where there are such;
# nothing that was there is touched.

# The oldest PostgreSQL that the migrations are written for.
postgres_oldest=15

# Tollway is made for Linux. Elsewhere nothing is installed, but what is there may be enough.
say_what_another_system_needs() {
    [ "$(uname -s)" = Linux ] ||
        say "this is $(uname -s), where Tollway is not tested; it needs cargo, a C compiler, the programs of" \
            "PostgreSQL $postgres_oldest or newer, and for the tests Python 3 with venv, Node $node_oldest with npm, Chromium"
}

need_cargo() {
    # Where rustup puts it, when the shell was not told yet.
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    local needed found
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version 2>/dev/null | cut -d' ' -f2) || true
    command -v cargo >/dev/null && [ -n "$found" ] ||
        die "cargo is not on PATH: install Rust $needed or newer, for instance with rustup"
    [ "$(printf '%s\n' "$needed" "$found" | sort -V | head -n 1)" = "$needed" ] ||
        die "Rust $found is too old: install $needed or newer, for instance with rustup"
}

# For the few crates with C in them, for linking, and for downloading.
need_build_packages() {
    local missing=()
    c_compiler_works || missing+=(gcc libc6-dev)
    [ -e "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" ] || [ "$(uname -s)" != Linux ] ||
        missing+=(ca-certificates)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}" || die "$not_installed"
}

c_compiler_works() {
    echo 'int main(void) { return 0; }' | cc -xc -o /dev/null - 2>/dev/null
}

# Only the server's programs: Debian's package would also make a cluster that starts with the machine and
# takes port 5432, which nobody asked for. The setting that prevents it is put back, so that whoever
# installs another version some day gets what Debian gives.
need_postgres() {
    postgres_is_there && return
    local settings=/etc/postgresql-common/createcluster.conf
    [ -e "$settings" ] || install_packages postgresql-common || die "PostgreSQL is missing: $not_installed"
    # shellcheck disable=SC2064 # the name is this function's, and gone when the shell ends
    trap "as_root mv $settings.before-tollway $settings" EXIT
    as_root sh -c 'cp -p "$1" "$1.before-tollway" && echo "create_main_cluster = false" >>"$1"' sh "$settings"
    install_packages postgresql || die "PostgreSQL is missing: $not_installed"
    as_root mv "$settings.before-tollway" "$settings"
    trap - EXIT
    postgres_is_there ||
        die "this system's PostgreSQL is older than $postgres_oldest: install a newer one, or set DATABASE_URL to one"
}

postgres_is_there() {
    local server version
    for server in /usr/lib/postgresql/*/bin/postgres "$(command -v postgres || true)"; do
        version=$("$server" --version 2>/dev/null | sed -n 's/.*PostgreSQL) \([0-9]*\).*/\1/p') || true
        [ "${version:-0}" -lt "$postgres_oldest" ] || return 0
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Fails with a sentence in not_installed.
install_packages() {
    if ! command -v apt-get >/dev/null; then
        not_installed="apt-get is not here: install what this system calls $*"
        return 1
    elif [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        not_installed="installing packages takes root, and sudo is not here: as root, run apt-get install $*"
        return 1
    fi
    say "installing Debian packages: $*"
    local log
    log=$(mktemp -t tollway-apt.XXXXXX)
    # Lists that cannot be fetched are no failure yet: those of yesterday may do.
    if [ -z "${lists_are_fresh:-}" ] && as_root apt-get update -qq >"$log" 2>&1; then lists_are_fresh=1; fi
    # Another installation may be running: its lock is waited for. Services of others are not restarted.
    if as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
        apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1; then
        rm "$log"
    else
        not_installed="apt-get could not install $*: $(why_apt_failed "$log") (all it said is in $log)"
        return 1
    fi
}

why_apt_failed() {
    if grep -qiE 'no space left|enough free space' "$1"; then
        echo "the disk is full, free some space"
    elif grep -qE '^sudo:|sudoers' "$1"; then
        echo "sudo refused, run this as root or as a user who may use sudo"
    elif grep -qiE 'could not resolve|temporary failure|failed to fetch|could not connect' "$1"; then
        echo "the package server cannot be reached, is the network there?"
    elif grep -qiE 'unable to locate|no installation candidate' "$1"; then
        echo "this release of the system does not have it"
    else
        grep -E '^(E|dpkg|sudo):' "$1" | tail -n 1 | grep . || echo "it gave no reason"
    fi
}
