# What the verbs of a zone on ZFS take beside the commands of ZFS and cp(1), with 1,000 to 100,000
# files. Nothing is held against a limit here, for a guest that is emulated has no clock worth it:
# the figures are notes, and the checks say that what was measured did what it should.
sizes='1000 10000 100000'
rounds=3
mkdir -p /tmp/ms
check 'zpool create' zpool create -f -O mountpoint=/t/zfs tank /dev/vdf
check 'zfs create' zfs create tank/zones
at=/t/zfs/zones

make() { zonecfg -z "$1" "create -t SYSlx; set zonepath=$at/$1"; }
# timed NAME COMMAND...: one more time of it, in milliseconds.
timed() {
    timed_name=$1
    shift
    sync
    timed_from=$(date +%s%N)
    "$@" > /tmp/out 2>&1 || bad "$timed_name: $(head -c 300 /tmp/out | xargs -0)"
    echo $((($(date +%s%N) - timed_from) / 1000000)) >> "/tmp/ms/$timed_name-$size"
}
median() { sort -n "$1" | sed -n "$((($(wc -l < "$1") + 1) / 2))p"; }
files() { find "$1/usr/files" -type f | wc -l; }

for size in $sizes; do
    check "zonecfg base, $size files" make base
    check "install, $size files" zoneadm -z base install -a /share/zone.tar
    check "boot, $size files" zoneadm -z base boot
    zlogin base "for number in \$(seq 100 100 $size); do
        mkdir -p /usr/files/\$number && cd /usr/files/\$number || exit
        for it in \$(seq 100); do echo text \$it > \$it; done
    done"
    check "halt, $size files" zoneadm -z base halt
    root=$(zfs list -H -o name -t filesystem -r tank/zones/base/ROOT | grep /zbe)
    for round in $(seq $rounds); do
        make one
        timed 'zoneadm clone' zoneadm -z one clone base
        timed 'zoneadm snapshot' zoneadm -z one snapshot now
        timed 'zoneadm diff' zoneadm -z one diff now
        timed 'zoneadm rollback' zoneadm -z one rollback now
        if [ $round = 1 ]; then
            zoneadm -z one mount > /dev/null
            equal "files of the clone, $size" $size "$(zlogin -S one 'find /usr/files -type f | wc -l')"
            zoneadm -z one unmount > /dev/null
        fi
        timed 'zoneadm uninstall' zoneadm -z one uninstall -F
        zonecfg -z one delete -F
        timed 'zfs snapshot' zfs snapshot "$root@bare"
        timed 'zfs clone' zfs clone -o mountpoint=/t/zfs/bare "$root@bare" tank/bare
        if [ $round = 1 ]; then
            equal "files of the bare clone, $size" $size "$(files /t/zfs/bare)"
            timed 'cp -a' cp -a /t/zfs/bare /t/zfs/copy
            equal "files of the copy, $size" $size "$(files /t/zfs/copy)"
            rm -rf /t/zfs/copy
        fi
        timed 'zfs snapshot of the clone' zfs snapshot tank/bare@now
        timed 'zfs diff' zfs diff tank/bare@now
        timed 'zfs rollback' zfs rollback tank/bare@now
        timed 'zfs destroy' zfs destroy -r tank/bare
        zfs destroy "$root@bare"
    done
    check "uninstall base, $size" zoneadm -z base uninstall -F
    check "delete base, $size" zonecfg -z base delete -F
done
echo "note speed: ms in an emulated guest for $sizes files, medians of $rounds (cp -a: once)"
for name in 'zoneadm clone' 'zoneadm snapshot' 'zoneadm diff' 'zoneadm rollback' \
    'zoneadm uninstall' 'zfs snapshot' 'zfs clone' 'zfs snapshot of the clone' 'zfs diff' \
    'zfs rollback' 'zfs destroy' 'cp -a'; do
    line=
    for size in $sizes; do line="$line $(median "/tmp/ms/$name-$size")"; done
    echo "note speed: $name:$line"
done
equal 'no dataset left' tank/zones "$(zfs list -H -o name -t all -r tank/zones | xargs)"
check 'zpool export' zpool export tank
