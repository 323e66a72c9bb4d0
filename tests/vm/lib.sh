# Sourced before every script of this folder, in the guest. A check is a line that the harness
# counts: `ok N name`, `not ok N name`, `skip N name: reason`; `note text` is shown in the summary.
# All else is a log, shown when a check failed.
PATH=/share/usr/local/sbin:/share/usr/local/bin:$PATH
export PATH
checks=0

ok() {
    checks=$((checks + 1))
    echo "ok $checks $1"
}

bad() {
    checks=$((checks + 1))
    echo "not ok $checks $1"
}

skip() {
    checks=$((checks + 1))
    echo "skip $checks $1: $2"
}

# check NAME COMMAND...: the command succeeds.
check() {
    check_name=$1
    shift
    if "$@"; then ok "$check_name"; else bad "$check_name: status $? of: $*"; fi
}

# refused NAME COMMAND...: the command fails by itself, not by a signal.
refused() {
    check_name=$1
    shift
    "$@"
    check_status=$?
    if [ $check_status -gt 0 ] && [ $check_status -lt 126 ]; then
        ok "$check_name"
    else
        bad "$check_name: status $check_status of: $*"
    fi
}

# equal NAME WANTED SEEN
equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else bad "$1: wanted \`$2', seen \`$3'"; fi
}

# matches NAME PATTERN SEEN: the whole of it, by an extended regular expression.
matches() {
    if printf '%s\n' "$3" | grep -Exq "$2"; then ok "$1"; else bad "$1: wanted \`$2', seen \`$3'"; fi
}
