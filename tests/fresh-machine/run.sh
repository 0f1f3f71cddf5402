#!/usr/bin/env bash
# Holds the promise of the README: on a fresh Debian with nothing but cargo, `./dev up` and `./dev test`
# work as printed, and so does each line that `./dev up` prints for pasting. Says how long it took from
# nothing to the first message, and with what.
#
#   tests/fresh-machine/run.sh [--user] [--suite bookworm] [--only up|test] [--keep]
#
#   --user    as an ordinary user with sudo, instead of root
#   --suite   the Debian release
#   --only    one of the two commands
#   --keep    leave the machine's folder for a look afterwards
#
# The machine is a minimal Debian in a folder, with this machine's network and Rust, in namespaces of its
# own: mounts and processes are gone when the script ends, however it ends. It needs root, debootstrap and
# 8 GiB below TMPDIR (/var/tmp unless set), and builds with all processors.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

say() { printf 'fresh-machine: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

user=root
suite=bookworm
only=all
keep=
while [ $# -gt 0 ]; do
    case $1 in
    --user) user=tester ;;
    --suite) suite=${2:?--suite wants a name}; shift ;;
    --only) only=${2:?--only wants up or test}; shift ;;
    --keep) keep=1 ;;
    *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
    esac
    shift
done

[ "$(id -u)" = 0 ] || die "making a machine takes root"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
command -v rustc >/dev/null || die "cargo is not on PATH"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/tollway-fresh.XXXXXX")
machine=$work/machine
chmod 755 "$work"
namespace=
tidy_up() {
    # Its first process dies with it, and with that one all that was started inside.
    [ -z "$namespace" ] || { kill -KILL "$namespace" && wait "$namespace"; } 2>/dev/null || true
    if [ -z "$keep" ]; then rm -rf --one-file-system "$work"; else say "the machine is in $machine"; fi
}
trap tidy_up EXIT
trap 'say "interrupted"; exit 130' INT
trap 'say "told to end"; exit 143' TERM HUP

say "making a minimal Debian ($suite)"
debootstrap --variant=minbase "$suite" "$machine" >"$work/debootstrap.log" 2>&1 ||
    die "debootstrap failed: $(tail -n 1 "$work/debootstrap.log")"
. "$here/network.sh"
copy_network "$machine" "$suite"
copy_rust "$machine"

home=/root
if [ "$user" != root ]; then
    home=/home/$user
    say "adding the user $user with sudo"
    chroot "$machine" sh -c '
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends sudo
        useradd --create-home --shell /bin/bash "$1"
        echo "$1 ALL=(ALL) NOPASSWD: ALL" >"/etc/sudoers.d/$1"' sh "$user" >"$work/sudo.log" 2>&1 ||
        die "adding the user failed: $(tail -n 1 "$work/sudo.log")"
fi
git clone --quiet --no-hardlinks "$here/../.." "$machine/srv/tollway"
install -m 755 "$here/inside.sh" "$machine/usr/local/bin/inside.sh"
chroot "$machine" chown -R "$user:" /srv/tollway

# The first process of the namespace stays root's: it would not die with its parent after becoming another
# user, and everything inside dies with it.
# shellcheck disable=SC2016 # expanded inside
unshare --mount --propagation private --pid --fork --kill-child sh -c '
    machine=$1 user=$2 home=$3 only=$4
    shift 4
    mount -t proc proc "$machine/proc"
    mount -t sysfs -o ro sysfs "$machine/sys"
    mount --rbind /dev "$machine/dev"
    mount -t tmpfs tmpfs "$machine/run"
    mount -t tmpfs -o mode=1777 tmpfs "$machine/tmp"
    # A disk that is nearly full.
    mount -t tmpfs -o mode=1777,size=64m tmpfs "$machine/mnt"
    chroot --userspec="$user:$user" "$machine" env -i "$@" HOME="$home" USER="$user" LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin inside.sh /srv/tollway "$only"
    exit $?
' sh "$machine" "$user" "$home" "$only" "${network_variables[@]}" &
namespace=$!
wait "$namespace" || die "failed"
namespace=
say "passed"
