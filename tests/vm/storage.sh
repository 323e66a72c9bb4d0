# The storage drivers' contract on every file system that has a driver or a way of its own.
# ZONES_TEST_STORAGE has the folders; a test prints SKIP when it can do nothing there.
mkfs.ext4 -q -F /dev/vdc
mkfs.xfs -q -f /dev/vdd
mkfs.btrfs -q -f /dev/vde
mkdir -p /t/ext4 /t/xfs /t/btrfs
check 'mount ext4' mount /dev/vdc /t/ext4
check 'mount xfs' mount /dev/vdd /t/xfs
check 'mount btrfs' mount /dev/vde /t/btrfs
check 'zpool create' zpool create -f -O mountpoint=/t/zfs tank /dev/vdf
export RUST_BACKTRACE=0

# One row of the test runner, as a check of ours.
row() {
    case $1 in
        "test "*" ... ok") name=${1#test } && ok "$fs ${name% ... ok}" ;;
        "test "*" ... FAILED") name=${1#test } && bad "$fs ${name% ... FAILED}" ;;
        "SKIP "*) skip "$fs ${1#SKIP }" 'said by the test' ;;
        *) echo "$1" ;;
    esac
}

# What a file system is made for.
made_for() {
    case $1 in ext4 | xfs) echo overlay ;; *) echo "$1" ;; esac
}

# Limits by project quotas and groups, on images that the tests make and mount themselves.
fs=limits
mkdir -p "$TEST_TMPDIR"
mount --bind /t/ext4 "$TEST_TMPDIR"
./limits --show-output --test-threads 2 > /tmp/limits 2>&1
status=$?
while IFS= read -r line; do row "$line"; done < /tmp/limits
equal 'limits: all tests' 0 $status
equal 'limits: nothing left' '' "$(ls /t/ext4 | grep -v lost+found)$(losetup -l -n -O NAME)"
umount "$TEST_TMPDIR"

for fs in ext4 xfs btrfs zfs; do
    mkdir -p "$TEST_TMPDIR"
    mount --bind "/t/$fs" "$TEST_TMPDIR"
    # What the file system is made for, and plain folders on it. The tests for images of their own
    # need no guest.
    ZONES_TEST_STORAGE=/t/$fs ./contract --show-output --test-threads 2 given:: dir:: \
        > "/tmp/$fs" 2>&1
    status=$?
    while IFS= read -r line; do row "$line"; done < "/tmp/$fs"
    picked=$(sed -n "s:^GIVEN /t/$fs ::p" "/tmp/$fs" | sort -u)
    echo "note $fs: driver $picked"
    equal "$fs: driver" "$(made_for $fs)" "$picked"
    equal "$fs: all tests" 0 $status
    equal "$fs: nothing left" '' "$(ls "/t/$fs" | grep -v lost+found)"
    umount "$TEST_TMPDIR"
done
equal 'zfs: no dataset left' 'tank tank/zones-roots' "$(zfs list -H -o name -t all -r tank | xargs)"
check 'zpool scrub' zpool scrub -w tank
matches 'zfs: clean' '.*is healthy' "$(zpool status -x tank)"
check 'zpool destroy' zpool destroy tank
