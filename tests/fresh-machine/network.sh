# What makes the fresh machine reach the network, and have Rust, as this one does: a machine behind a
# mirror or a proxy has settings for it, which are no part of what is tried.

copy_network() {
    local machine=$1 suite=$2 file
    cp /etc/resolv.conf /etc/hosts "$machine/etc/"
    # Debian's own sources, for the suite that was asked for.
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
        [ -s "$file" ] || continue
        rm -f "$machine/etc/apt/sources.list"
        sed -E "s/\b(bookworm|trixie)\b/$suite/g" "$file" >"$machine$file"
    done
    # Of apt's settings, those about fetching.
    for file in /etc/apt/apt.conf.d/*; do
        if grep -q '^ *Acquire::' "$file" && ! grep -qE 'Acquire::(IndexTargets|GzipIndexes|Languages)' "$file"; then
            cp "$file" "$machine/etc/apt/apt.conf.d/"
        fi
    done
    # Authorities that a company's proxy signs with; installing ca-certificates picks them up.
    mkdir -p "$machine/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$machine/usr/local/share/ca-certificates/" 2>/dev/null || true
    for file in /etc/pip.conf /etc/npmrc; do
        [ ! -e "$file" ] || cp "$file" "$machine$file"
    done
    mapfile -t network_variables < <(env | grep -iE \
        '^(https?_proxy|no_proxy|SSL_CERT_(FILE|DIR)|PIP_(CERT|INDEX_URL|DEFAULT_TIMEOUT)|NODE_EXTRA_CA_CERTS|CARGO_HTTP_[A-Z]*|NPM_CONFIG_REGISTRY)=')
}

# Cargo, and nothing of what rustup or an editor adds to it.
copy_rust() {
    local machine=$1 toolchain
    toolchain=$(rustc --print sysroot)
    mkdir -p "$machine/usr/local/bin" "$machine/usr/local/lib" "$machine/usr/local/libexec"
    cp -a "$toolchain/bin/." "$machine/usr/local/bin/"
    cp -a "$toolchain/lib/." "$machine/usr/local/lib/"
    [ ! -d "$toolchain/libexec" ] || cp -a "$toolchain/libexec/." "$machine/usr/local/libexec/"
}
