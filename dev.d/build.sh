# Building the programs of `./dev up`.

# Ready soonest while the nodes still run fast; Cargo.toml says how.
default_profile=quick

# Sets `target` and `programs`, the folder of what the profile builds.
find_programs() {
    local profile=${TOLLWAY_PROFILE:-$default_profile}
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    # Whatever else tells cargo where to build, we have to find it.
    export CARGO_TARGET_DIR=$target
    programs=$target/$profile
    [ "$profile" != dev ] || programs=$target/debug
}

build_programs() {
    find_programs
    [ -x "$programs/tollway" ] || need_space "$build_mib"
    download_crates
    say "building tollway and tollway-node, profile ${TOLLWAY_PROFILE:-$default_profile} (minutes when nothing is built yet)"
    local quiet=--quiet
    # Whoever watches sees how far it is.
    [ ! -t 2 ] || quiet=
    cargo build $quiet --locked --profile "${TOLLWAY_PROFILE:-$default_profile}" -p tollway -p tollway-node || build_failed
}

# A step of its own, because it fails for reasons of its own.
download_crates() {
    local host
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo fetch --quiet --locked --offline --target "$host" 2>/dev/null && return
    say "downloading crates"
    cargo fetch --quiet --locked --target "$host" || {
        need_space 100
        die "could not download the crates: is the network there?"
    }
}

# What a build takes, measured and rounded up; with release it is less.
build_mib=2500

# Dies when the target folder's disk has less than so many MiB free.
need_space() {
    local free
    mkdir -p "$target" || die "cannot write to $target"
    free=$(($(df -Pk "$target" | awk 'NR == 2 { print $4 }') / 1024))
    [ "$free" -ge "$1" ] ||
        die "the disk is too full: $target needs $1 MiB free and has $free; free some, or set CARGO_TARGET_DIR to another disk"
}

build_failed() {
    need_space 100
    die "the build failed; the compiler says above why"
}
