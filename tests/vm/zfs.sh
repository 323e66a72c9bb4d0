# A zone's life on ZFS: datasets for zonepath and roots, snapshots, clones, boot environments,
# streams to and from another file system, delegated datasets; and nothing left of it at the end.
mkfs.ext4 -q -F /dev/vdc
mkdir -p /t/ext4
check 'mount ext4' mount /dev/vdc /t/ext4
check 'zpool create' zpool create -f -O mountpoint=/t/zfs tank /dev/vdf
check 'zfs create' zfs create tank/zones

state() { zoneadm list -cp | awk -F : -v name="$1" '$2 == name { print $3 }'; }
names() { zfs list -H -o name -t all -r "$1" 2> /dev/null | sed 's/-[0-9a-f]\{16\}$//' | sort | xargs; }
# All but what a clone or a boot changes, of a zone that runs.
tree() {
    zlogin "$1" 'cd / && find bin sbin usr lib* -xdev \( -type f -o -type l \) 2> /dev/null | sort |
        while read -r it; do if [ -L "$it" ]; then readlink "$it"; else sha256sum "$it"; fi; done |
        sha256sum'
}
make() { zonecfg -z "$1" "create -t SYSlx; set zonepath=$2/$1; ${3:-}"; }
healthy() {
    check "scrub $1" zpool scrub -w tank
    matches "clean $1" '.*is healthy' "$(zpool status -x tank)"
}

at=/t/zfs/zones
check 'zonecfg' make web $at
check 'install' zoneadm -z web install -a /share/zone.tar
equal 'driver' zfs "$(zoneadm list -ic -p -o zonename,driver | sed -n 's/^web://p')"
equal 'datasets' 'tank/zones tank/zones/web tank/zones/web/ROOT tank/zones/web/ROOT/zbe' \
    "$(names tank/zones)"
equal 'zonepath dataset' "$at/web" "$(zfs get -H -o value mountpoint tank/zones/web)"
equal 'mode of the zonepath' 700 "$(stat -c %a $at/web)"
check 'boot' zoneadm -z web boot
equal 'running' running "$(state web)"
matches 'mapped' ' *0 +[1-9][0-9]* +65536' "$(zlogin web cat /proc/self/uid_map)"
equal 'root owns its files' 0 "$(zlogin web stat -c %u /bin)"
equal 'a file of its own' 0 "$(zlogin web 'echo one > /root/mark; stat -c %u /root/mark')"
note_shift=$(ls /var/lib/zones/owners 2> /dev/null)
equal 'nothing is shifted' '' "$note_shift"
before=$(tree web)

# Snapshot of a running zone, break it, roll back.
check 'snapshot' zoneadm -z web snapshot good
zlogin web 'echo two > /root/mark; rm -rf /usr /bin/*' > /dev/null 2>&1
check 'halt of the broken' zoneadm -z web halt
check 'snapshot of the broken' zoneadm -z web snapshot bad
check 'rollback' zoneadm -z web rollback good
equal 'both snapshots stay' 'bad good' "$(zoneadm -z web list-snapshots -p | cut -d : -f 1 | sort | xargs)"
check 'boot after rollback' zoneadm -z web boot
equal 'mark of then' one "$(zlogin web cat /root/mark)"
equal 'tree of then' "$before" "$(tree web)"
check 'halt' zoneadm -z web halt

# What differs, by the pool's own word and by a walk through all files, is the same and has a line.
differs() {
    name=$1
    line=$2
    shift 2
    if zoneadm -z web diff --verify-diff "$@" > /tmp/diff 2>&1 &&
        ! grep -q 'knows nothing' /tmp/diff && grep -Fxq -e "$line" /tmp/diff; then
        ok "$name"
    else
        bad "$name: no line \`$line' in: $(head -c 600 /tmp/diff | xargs -0)"
    fi
}
# Runs a command among the files of the zone, which is down.
inside() {
    zoneadm -z web mount > /dev/null
    zlogin -S web "$1"
    zoneadm -z web unmount > /dev/null
}
left=$(names tank/zones)
inside 'mkdir /root/new; mv /root/mark /root/new/moved; ln /root/new/moved /root/linked'
differs 'a file that moved' '- /root/mark' good
differs 'a file that has a second name' '+ /root/linked' good
check 'snapshot of names' zoneadm -z web snapshot named
inside 'rm /root/new/moved'
differs 'a name that went' '- /root/new/moved' named
check 'snapshot of one name' zoneadm -z web snapshot single
inside 'echo more >> /root/linked'
differs 'a file that lost the folder it was linked into' 'M /root/linked (size, content)' single
check 'boot to differ' zoneadm -z web boot
zlogin web 'echo one > /root/mark; rm -r /root/linked /root/new'
differs 'a zone that runs' '- /root/new/' single
differs 'between snapshots' '- /root/new/moved' named single
check 'halt of what differs' zoneadm -z web halt
for name in named single; do check "no snapshot $name" zoneadm -z web destroy-snapshot $name; done
equal 'no dataset of a diff' "$left" "$(names tank/zones)"
equal 'no pointer of a diff' '' "$(ls -A $at/web/snap $at/web | grep -e '^[.]root' -e '^[.]new')"

# kill -9 in the middle of a command: the next one repairs, and nothing is left.
now() { sed 's/ .*//; s/[.]//' /proc/uptime; }
# Runs a command to its end and keeps its time, in hundredths of a second.
timed() {
    began=$(now)
    "$@" > /tmp/timed 2>&1 || cat /tmp/timed
    took=$(($(now) - began))
}
# killed NAME AFTER COMMAND...: kills the command at moments spread over its time; AFTER goes on as an
# administrator would and has all be as before.
killed() {
    name=$1
    after=$2
    shift 2
    timed "$@"
    $after
    for round in 0 1 2 3 4 5 6; do
        moment=$((took * (2 * round + 1) / 14))
        "$@" > /tmp/killed 2>&1 &
        pid=$!
        sleep "$((moment / 100)).$(printf %02d $((moment % 100)))"
        kill -9 $pid 2> /dev/null
        wait $pid 2> /dev/null
        $after
        equal "$name, killed after $moment of $took: datasets" "$left" "$(names tank/zones)"
        equal "$name, killed after $moment of $took: files" '' \
            "$(ls -A $at $at/web $at/web/snap $at/web/be 2> /dev/null | grep -E '^[.](new|gone|root|import)')"
        equal "$name, killed after $moment of $took: mounts" '' \
            "$(grep -o ' /t/zfs/zones/[^ ]*/[^ ]* ' /proc/mounts)"
    done
}
taken() { zoneadm -z web list-snapshots -p | grep -q '^k:'; }
after_snapshot() {
    taken || check 'snapshot after a kill' zoneadm -z web snapshot k
    check 'its end' zoneadm -z web destroy-snapshot k
}
after_destroy() {
    if taken; then check 'destroy after a kill' zoneadm -z web destroy-snapshot k; fi
    check 'a new one' zoneadm -z web snapshot k
}
known() { beadm -z web list -H | grep -q '^k;'; }
after_create() {
    known || check 'environment after a kill' beadm -z web create k
    check 'its end' beadm -z web destroy -F k
}
after_rollback() {
    check 'rollback after a kill' zoneadm -z web rollback good
    check 'it verifies' zoneadm -z web verify
}
after_clone() {
    case $(state victim) in
        incomplete) refused 'no boot of half a clone' zoneadm -z victim boot ;;
        installed) check 'a whole clone verifies' zoneadm -z victim verify ;;
    esac
    zoneadm -z victim uninstall -F > /tmp/out 2>&1
    equal 'configured after a kill' configured "$(state victim)"
    sleep 1
}
killed snapshot after_snapshot zoneadm -z web snapshot k
killed 'beadm create' after_create beadm -z web create k
check 'snapshot to destroy' zoneadm -z web snapshot k
left=$(names tank/zones)
killed destroy-snapshot after_destroy zoneadm -z web destroy-snapshot k
check 'no snapshot k' zoneadm -z web destroy-snapshot k
check 'rollback before the kills' zoneadm -z web rollback good
left=$(names tank/zones)
killed rollback after_rollback zoneadm -z web rollback good
check 'zonecfg victim' make victim $at
killed clone after_clone zoneadm -z victim clone web
check 'delete victim' zonecfg -z victim delete -F
healthy 'after kills'

# Clones, and their source goes.
check 'zonecfg copy' make copy $at
check 'clone' zoneadm -z copy clone web
equal 'a clone in ZFS' 1 "$(zfs list -H -o origin -r tank/zones/copy | grep -c @zones-)"
check 'zonecfg old' make old $at
check 'clone of a snapshot' zoneadm -z old clone -s good web
check 'uninstall of the source' zoneadm -z web uninstall -F
equal 'configured' configured "$(state web)"
equal 'no dataset of the source' '' "$(names tank/zones/web)"
equal 'no folder of the source' "copy old" "$(ls $at | xargs)"
for zone in copy old; do
    check "boot $zone" zoneadm -z $zone boot
    equal "mark of $zone" one "$(zlogin $zone cat /root/mark)"
    equal "tree of $zone" "$before" "$(tree $zone)"
done
check 'halt old' zoneadm -z old halt
check 'uninstall old' zoneadm -z old uninstall -F
check 'delete old' zonecfg -z old delete -F
# A command of ZFS that outlives the uninstall that started it is waited for.
check 'zonecfg late' make late $at
check 'install late' zoneadm -z late install -a /share/zone.tar
mv /usr/sbin/zfs /usr/sbin/zfs.real
cat > /usr/sbin/zfs << 'end'
#!/bin/sh
[ "$*" = 'destroy tank/zones/late' ] || exec /usr/sbin/zfs.real "$@"
touch /tmp/late-begun
sleep 3
/usr/sbin/zfs.real "$@"
touch /tmp/late-done
end
chmod 755 /usr/sbin/zfs
zoneadm -z late uninstall -F > /tmp/out 2>&1 &
pid=$!
for round in $(seq 600); do [ -e /tmp/late-begun ] || sleep 0.1; done
kill -9 $pid
wait $pid 2> /dev/null
check 'a destroy that outlives it' test -e /tmp/late-begun
check 'uninstall after it' zoneadm -z late uninstall -F
check 'it was waited for' test -e /tmp/late-done
mv /usr/sbin/zfs.real /usr/sbin/zfs
equal 'no dataset of it' '' "$(names tank/zones/late)"
check 'delete late' zonecfg -z late delete -F
healthy 'after clones'

# Boot environments.
check 'beadm create' beadm -z copy create next
zlogin copy 'echo three > /root/mark'
check 'beadm activate' beadm -z copy activate next
check 'reboot' zoneadm -z copy reboot
equal 'mark of next' one "$(zlogin copy cat /root/mark)"
check 'halt copy' zoneadm -z copy halt
check 'boot -B' zoneadm -z copy boot -B zbe
equal 'mark of zbe' three "$(zlogin copy cat /root/mark)"
check 'halt again' zoneadm -z copy halt
mkdir -p /tmp/be
check 'beadm mount' beadm -z copy mount next /tmp/be
equal 'mounted mark' one "$(cat /tmp/be/root/mark)"
refused 'a dataset in use' beadm -z copy destroy -F next
check 'beadm unmount' beadm -z copy unmount next
check 'beadm destroy' beadm -z copy destroy -F next
check 'snapshot to send' zoneadm -z copy snapshot sent

# Another place in the pool, and another name of the pool's part.
check 'move' zoneadm -z copy move $at/moved
equal 'moved' "$at/moved" "$(zoneadm list -cp | awk -F : '$2 == "copy" { print $4 }')"
matches 'dataset moved' '.*tank/zones/moved .*' "$(names tank/zones)"
check 'boot of the moved' zoneadm -z copy boot
equal 'mark of the moved' three "$(zlogin copy cat /root/mark)"
moved=$(tree copy)
check 'halt of the moved' zoneadm -z copy halt

check 'zonepath unmounted' zfs unmount tank/zones/moved
equal 'nothing is seen' '' "$(ls $at/moved 2> /dev/null)"
check 'boot mounts it' zoneadm -z copy boot
equal 'mark after that' three "$(zlogin copy cat /root/mark)"
check 'halt after that' zoneadm -z copy halt

# To another file system and back.
check 'move to ext4' zoneadm -z copy move /t/ext4/copy
equal 'no dataset stays' tank/zones "$(names tank/zones)"
check 'boot on ext4' zoneadm -z copy boot
equal 'tree on ext4' "$moved" "$(tree copy)"
check 'halt on ext4' zoneadm -z copy halt
check 'move back' zoneadm -z copy move $at/moved
equal 'snapshots moved along' 'sent' "$(zoneadm -z copy list-snapshots -p | cut -d : -f 1 | xargs)"
check 'boot back again' zoneadm -z copy boot
equal 'tree back again' "$moved" "$(tree copy)"
check 'halt back again' zoneadm -z copy halt

# What somebody else hangs on a dataset is never removed.
root=$(zfs list -H -o name -t filesystem -r tank/zones/moved/ROOT | grep /zbe- | head -n 1)
check 'a snapshot of somebody' zfs snapshot "$root@mine"
refused 'uninstall refuses it' zoneadm -z copy uninstall -F
check 'it is there' zfs list "$root@mine"
check 'it goes' zfs destroy "$root@mine"
equal 'incomplete' incomplete "$(state copy)"
check 'uninstall goes on' zoneadm -z copy uninstall -F
equal 'no dataset of the moved' tank/zones "$(names tank/zones)"

# By stream to layers and back.
check 'install again' zoneadm -z web install -a /share/zone.tar
check 'snapshot first' zoneadm -z web snapshot first
check 'export' sh -c 'zoneadm -z web export > /tmp/stream'
check 'import on ext4' sh -c 'zoneadm -z there import -d /t/ext4/there /tmp/stream'
check 'boot there' zoneadm -z there boot
equal 'tree there' "$before" "$(tree there)"
check 'halt there' zoneadm -z there halt
check 'snapshot there' zoneadm -z there snapshot second
check 'export there' sh -c 'zoneadm -z there export > /tmp/stream'
check 'import on ZFS' sh -c "zoneadm -z back import -d $at/back /tmp/stream"
check 'boot back' zoneadm -z back boot
equal 'tree back' "$before" "$(tree back)"
equal 'snapshots back' 'first second' \
    "$(zoneadm -z back list-snapshots -p | cut -d : -f 1 | sort | xargs)"
check 'halt back' zoneadm -z back halt
matches 'dataset back' '.*tank/zones/back/ROOT/snap.*' "$(names tank/zones)"
for zone in there back web; do
    check "uninstall $zone" zoneadm -z $zone uninstall -F
    check "delete $zone" zonecfg -z $zone delete -F
done
equal 'no dataset left' tank/zones "$(names tank/zones)"
equal 'no folder left' '' "$(ls $at)"

# Something of everything, by streams from btrfs to layers, ZFS and plain folders.
mkfs.btrfs -q -f /dev/vde
mkfs.xfs -q -f /dev/vdd
mkdir -p /t/btrfs /t/xfs
check 'mount btrfs' mount /dev/vde /t/btrfs
check 'mount xfs' mount /dev/vdd /t/xfs
# Runs a function among the files of a copy of a zone, with the tools of the guest.
among() {
    beadm -z "$1" create look && beadm -z "$1" mount look /tmp/be && (cd /tmp/be && $2)
    beadm -z "$1" unmount look && beadm -z "$1" destroy -F look
}
rich() {
    mkdir -p opt/rich/given && cd opt/rich || return
    echo tool > tool && ln tool two && ln tool three && chmod 4755 tool
    ln -s nowhere link && chown -h 5:6 link
    mkfifo -m 620 fifo && mknod null c 1 3 && chmod 666 null
    head -c 3000000 /dev/urandom > noise && echo own > owned && chown 101:102 owned
    setfattr -n user.note -v value tool && setfacl -m u:7:r owned && setfacl -d -m g:9:rx given
    cp tool capable && setcap cap_net_raw+ep capable && chmod 1700 given
    touch -h -d '2001-09-09 01:46:40.123456789' link noise given
}
# Names, kinds, modes, owners, lengths, times and links; files that are one; content; attributes, and
# so access lists and capabilities. A folder has a length and links of its file system's liking.
listing() {
    find . -xdev -type d -printf '%p %y %m %U %G %T@\n' -o -printf '%p %y %m %U %G %s %T@ %n %l\n' |
        LC_ALL=C sort
    find . -xdev -type f -links +1 -printf '%i %p\n' | LC_ALL=C sort -k 2 |
        awk '{ if (!($1 in first)) first[$1] = $2; print $2, "is", first[$1] }'
    find . -xdev -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    # xfs shows access lists twice.
    find . -xdev -print0 | LC_ALL=C sort -z | xargs -0 getfattr -h -d -m - -e hex |
        grep -v '^trusted.SGI_ACL_'
}
blocks() { stat -c %b opt/rich/holes; }
check 'zonecfg rich' make rich /t/btrfs
mkdir -p /t/ext4/tree
check 'tree' tar -xf /share/zone.tar -C /t/ext4/tree
(cd /t/ext4/tree && rich)
check 'archive of it' tar --xattrs --xattrs-include='*' --acls -C /t/ext4/tree -cf /tmp/rich.tar .
rm -rf /t/ext4/tree
check 'install rich' zoneadm -z rich install -a /tmp/rich.tar
check 'boot rich' zoneadm -z rich boot
zlogin rich 'cd /opt/rich && truncate -s 64M holes &&
    echo end | dd of=holes bs=1 seek=60000000 conv=notrunc' 2> /dev/null
check 'halt rich' zoneadm -z rich halt
among rich listing > /tmp/listing
for it in 'security.capability=' 'system.posix_acl_access=' 'system.posix_acl_default=' \
    'user.note=' './opt/rich/two is ./opt/rich/three' '1000000000.1234567890'; do
    check "rich has $it" grep -qF -e "$it" /tmp/listing
done
check 'export rich' sh -c 'zoneadm -z rich export > /tmp/stream'
check 'zonecfg in layers' make layers /t/ext4
check 'zonecfg in datasets' make datasets $at
check 'zonecfg in folders' make folders /t/xfs \
    'add attr; set name=storage; set type=string; set value=dir; end'
for zone in layers datasets folders; do
    check "import in $zone" zoneadm -z $zone import /tmp/stream
    among $zone listing > /tmp/listing.$zone
    check "the same in $zone" cmp /tmp/listing /tmp/listing.$zone
    diff /tmp/listing /tmp/listing.$zone | head -n 20
    found=$(among $zone blocks)
    check "holes in $zone: $found blocks" test "$found" -lt 4000
    check "boot in $zone" zoneadm -z $zone boot
    equal "tree in $zone" "$before" "$(tree $zone)"
    check "halt in $zone" zoneadm -z $zone halt
done
equal 'drivers' 'dir overlay zfs' "$(zoneadm list -ic -p -o zonename,driver |
    sed -n 's/^\(layers\|datasets\|folders\)://p' | sort | xargs)"
for zone in rich layers datasets folders; do
    check "uninstall $zone" zoneadm -z $zone uninstall -F
    check "delete $zone" zonecfg -z $zone delete -F
done

# Delegated datasets. The zone gets the programs of the guest beside its own.
check 'zfs create data' zfs create tank/data
check 'zfs create other' zfs create tank/other
libraries=/host/usr/lib/x86_64-linux-gnu
inner() {
    zone=$1
    shift
    zlogin "$zone" $libraries/ld-linux-x86-64.so.2 --library-path $libraries \
        /host/usr/sbin/zfs "$@"
}
given='add fs; set dir=/host/usr; set special=/usr; set type=lofs; add options ro; end
add dataset; set name=tank/data; end'
check 'zonecfg data' make data $at "$given"
check 'zonecfg rival' make rival $at 'add dataset; set name=tank/data/inner; end'
check 'zonecfg lost' make lost $at 'add dataset; set name=tank/none; end'
check 'install data' zoneadm -z data install -a /share/zone.tar
refused 'verify of a dataset that is not' zoneadm -z lost verify
equal 'no warning' '' "$(zoneadm -z data boot 2>&1)"
equal 'only its own' 'tank tank/data' "$(inner data list -H -o name | xargs)"
check 'a child' inner data create -o canmount=off tank/data/inner
check 'a snapshot' inner data snapshot tank/data/inner@one
equal 'both are seen' 'tank tank/data tank/data/inner tank/data/inner@one' \
    "$(inner data list -H -t all -o name | xargs)"
refused 'no other dataset' inner data snapshot tank/other@no
refused 'no other pool' inner data create tank/mine
check 'the host sees it' zfs list tank/data/inner@one
refused 'verify of one in use' zoneadm -z rival verify
check 'halt data' zoneadm -z data halt
check 'verify of one that is free' zoneadm -z rival verify
check 'boot data again' zoneadm -z data boot
equal 'it has it again' 'tank tank/data tank/data/inner' "$(inner data list -H -o name | xargs)"
check 'reboot data' zoneadm -z data reboot
check 'and after a reboot' inner data list tank/data/inner
check 'halt data again' zoneadm -z data halt
check 'uninstall data' zoneadm -z data uninstall -F
check 'its data stays' zfs list tank/data/inner@one
for zone in data rival lost; do check "delete $zone" zonecfg -z $zone delete -F; done

# A brand whose hook fills the root, by its path.
mkdir -p /usr/lib/brand/hooked
cat > /usr/lib/brand/hooked/brand.toml << 'end'
name = "hooked"
init = []
[hooks]
install = "fill %R"
end
cat > /usr/lib/brand/hooked/fill << 'end'
#!/bin/sh
tar -xf /share/zone.tar -C "$1/root" && echo hook > "$1/root/root/filled"
end
chmod 755 /usr/lib/brand/hooked/fill
check 'zonecfg hooked' zonecfg -z hooked "create -b; set brand=hooked; set zonepath=$at/hooked"
check 'install by a hook' zoneadm -z hooked install
equal 'nothing is mounted by it' '' "$(grep "$at/hooked/root" /proc/mounts)"
check 'boot hooked' zoneadm -z hooked boot
equal 'its file' hook "$(zlogin hooked cat /root/filled)"
equal 'tree hooked' "$before" "$(tree hooked)"
check 'halt hooked' zoneadm -z hooked halt
check 'uninstall hooked' zoneadm -z hooked uninstall -F

# A zonepath where no dataset can be.
mkdir -p /t/zfs/plain/deep
check 'zonecfg deep' make deep /t/zfs/plain/deep
check 'install deep' zoneadm -z deep install -a /share/zone.tar
equal 'dataset deep' 'tank/zones-roots tank/zones-roots/zbe' "$(names tank/zones-roots)"
check 'boot deep' zoneadm -z deep boot
equal 'tree deep' "$before" "$(tree deep)"
check 'halt deep' zoneadm -z deep halt
check 'uninstall deep' zoneadm -z deep uninstall -F
equal 'no dataset deep' '' "$(names tank/zones-roots)"
healthy 'at the end'
check 'zpool export' zpool export tank
