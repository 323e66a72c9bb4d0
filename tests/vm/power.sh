# Writing commands until the power fails, and what must be true afterwards. The harness gives the
# file system to look at in CHECK, the one to write to in WRITE (or `setup`), a seed in SEED, and in
# the file `model` what it heard before: file system, object, acknowledged value, value being written.
fs=

# A line for the harness that has left the guest when this returns: stty waits for that.
say() {
    echo "$*"
    stty -F /dev/ttyS1 raw -echo
}

adm() { zoneadm -R /z "$@"; }
cfg() { zonecfg -R /z "$@"; }
be() { beadm -R /z "$@"; }
image() { pkg -R /z/image "$@"; }

device() {
    case $1 in ext4) echo /dev/vdc ;; xfs) echo /dev/vdd ;; btrfs) echo /dev/vde ;; zfs) echo /dev/vdf ;; esac
}

# Runs a command among the files of a zone that is down, wherever its driver keeps them.
inside() {
    adm -z "$1" mount > /dev/null || return
    ZONES_ROOT=/z zlogin -S "$1" "$2"
    inside_status=$?
    adm -z "$1" unmount > /dev/null || return
    return $inside_status
}

# Mounts the file system, which replays its journal. What is running does not survive a reboot.
open() {
    fs=$1
    mkdir -p /z
    if [ "$fs" = zfs ]; then
        # A guest that was saved knows the disk as it was then.
        blockdev --rereadpt /dev/vdf
        udevadm settle --timeout 20
        zpool import -f -d /dev tank || return
    else
        mount -t "$fs" "$(device "$fs")" /z || return
    fi
    mkdir -p /z/run
    mount -t tmpfs run /z/run
}

# Unmounts it and lets its own checker read it.
close() {
    umount /z/run
    if [ "$fs" = zfs ]; then
        zpool scrub -w tank
        matches 'zfs: clean' '.*is healthy' "$(zpool status -x tank)"
        check 'zfs: export' zpool export tank
        return
    fi
    check "$fs: unmounted" umount /z
    case $fs in
        ext4) check 'ext4: clean' e2fsck -f -n /dev/vdc ;;
        xfs) check 'xfs: clean' xfs_repair -n /dev/vdd ;;
        btrfs) check 'btrfs: clean' btrfs check --readonly /dev/vde ;;
    esac
}

# A package in two versions.
publish() {
    pkgrepo create /tmp/repo
    pkgrepo set -s /tmp/repo publisher/prefix=test
    for version in 1.0 2.0; do
        mkdir -p /tmp/proto/usr/share/app
        manifest="set name=pkg.fmri value=pkg://test/app@$version
dir path=usr owner=root group=root mode=0755
dir path=usr/share owner=root group=root mode=0755
dir path=usr/share/app owner=root group=root mode=0755"
        for number in 1 2 3 4 5 6 7 8; do
            echo "$version $number" > "/tmp/proto/usr/share/app/$number"
            manifest="$manifest
file usr/share/app/$number path=usr/share/app/$number owner=root group=root mode=0644"
        done
        echo "$manifest" > /tmp/manifest
        pkgsend -s /tmp/repo publish -d /tmp/proto /tmp/manifest
    done
}

setup() {
    check 'publish' publish
    mkfs.ext4 -q -F /dev/vdc
    mkfs.xfs -q -f /dev/vdd
    mkfs.btrfs -q -f /dev/vde
    mkdir -p /z
    zpool create -f -m /z tank /dev/vdf
    zfs create tank/zones
    zpool export tank
    for system in ext4 xfs btrfs zfs; do
        check "$system: mounted" open $system
        mkdir -p /z/zones
        cp -a /tmp/repo /z/repo
        check "$fs: image" pkg image-create -F -p test=/z/repo /z/image
        check "$fs: zonecfg" cfg -z keep "create -t SYSlx; set zonepath=/z/zones/keep; \
set max-lwps=1000"
        check "$fs: install" adm -z keep install -a /share/zone.tar
        check "$fs: environment" be -z keep create other
        cfg -z hold "create -t SYSlx; set zonepath=/z/zones/hold"
        check "$fs: second install" adm -z hold install -a /share/zone.tar
        check "$fs: mark" write_mark old
        check "$fs: snapshot" adm -z hold snapshot base
        for object in zone/t1 zone/t2 config/keep be/keep pkg/app snapshot/hold mark/hold \
            place/hold; do
            echo "is $fs $object $(see $object)"
        done
        close
    done
    sync
}

# The value of an object, as the commands tell it.
see() {
    value_seen=$(look "$1")
    echo "${value_seen:-none}"
}

look() {
    case $1 in
        zone/*)
            state=$(adm list -cp | awk -F : -v name="${1#zone/}" '$2 == name { print $3 }')
            echo "${state:-absent}"
            ;;
        config/*) cfg -z "${1#config/}" info max-lwps | sed 's/[^0-9]//g' ;;
        snapshot/*) adm -z "${1#snapshot/}" list-snapshots -p | sed -n 's/^\(more\):.*/\1/p' ;;
        mark/*) inside "${1#mark/}" 'cat /root/mark' ;;
        place/*) place=$(zonepath "${1#place/}") && echo "${place##*/}" ;;
        be/*) be -z "${1#be/}" list -H | awk -F ';' '$3 ~ /R/ { print $1 }' ;;
        pkg/*)
            version=$(image list -H "${1#pkg/}" 2> /dev/null | awk '{ print $2 }')
            echo "${version:-absent}"
            ;;
    esac
}

zonepath() { adm list -cp | awk -F : -v name="$1" '$2 == name { print $4 }'; }

# One command that writes, between its two lines. Its object's value is in `now` afterwards.
attempt() {
    object=$1
    now=$2
    shift 2
    say "try $fs $object $now"
    if "$@" > /tmp/out 2>&1 < /dev/null; then
        say "ack $fs $object $now"
    else
        cat /tmp/out
        bad "$fs: $object to $now: $*"
        now=$(see "$object")
        say "is $fs $object $now"
    fi
}

random() {
    SEED=$(((SEED * 1103515245 + 12345) % 2147483648))
    drawn=$(((SEED / 65536) % $1))
}

# The next step of the life of zone $1, which is $2.
live() {
    case $2 in
        absent) attempt "zone/$1" configured cfg -z "$1" "create -t SYSlx; set zonepath=/z/zones/$1" ;;
        configured)
            random 6
            case $drawn in
                0) attempt "zone/$1" absent cfg -z "$1" delete -F ;;
                1) attempt "zone/$1" installed adm -z "$1" install -a /share/zone.tar ;;
                2) attempt "zone/$1" installed adm -z "$1" clone -s base hold ;;
                3) attempt "zone/$1" installed take "$1" ;;
                *) attempt "zone/$1" installed adm -z "$1" clone keep ;;
            esac
            ;;
        installed) attempt "zone/$1" configured adm -z "$1" uninstall -F ;;
        *) bad "$fs: $1 is $2" ;;
    esac
}

# By a stream of another zone's snapshot.
take() { adm -z hold export -s base /tmp/stream && adm -z "$1" import /tmp/stream; }

software() {
    random 2
    case $1/$drawn in
        absent/0) attempt pkg/app 1.0 image install app@1.0 ;;
        absent/1) attempt pkg/app 2.0 image install app@2.0 ;;
        1.0/0) attempt pkg/app 2.0 image update ;;
        *) attempt pkg/app absent image uninstall app ;;
    esac
}

environment() {
    if [ "$1" = zbe ]; then other=other; else other=zbe; fi
    attempt be/keep $other be -z keep activate $other
}

keep_more() {
    case $1 in
        none) attempt snapshot/hold more adm -z hold snapshot more ;;
        *) attempt snapshot/hold none adm -z hold destroy-snapshot more ;;
    esac
}

write_mark() { inside hold "echo $1 > /root/mark && sync"; }

place() {
    case $1 in
        hold) attempt place/hold moved adm -z hold move /z/zones/moved ;;
        *) attempt place/hold hold adm -z hold move /z/zones/hold ;;
    esac
}

roll() {
    case $1 in
        old) attempt mark/hold new write_mark new ;;
        *) attempt mark/hold old adm -z hold rollback base ;;
    esac
}

# Renames without a sync, beside the commands: they show that a cut loses what it should.
unsynced() {
    number=0
    while :; do
        number=$((number + 1))
        echo $number > /z/lazy.new
        mv /z/lazy.new /z/lazy
        echo "lazy $fs said $number"
        sleep 0.3
    done
}

write() {
    rm -f /z/lazy
    t1=$(see zone/t1) t2=$(see zone/t2) app=$(see pkg/app)
    number=$(see config/keep) active=$(see be/keep)
    more=$(see snapshot/hold) written=$(see mark/hold) at=$(see place/hold)
    unsynced &
    say writing
    while :; do
        random 10
        case $drawn in
            0) live t1 "$t1" && t1=$now ;;
            1) live t2 "$t2" && t2=$now ;;
            2 | 3) attempt config/keep $((number + 1)) cfg -z keep "set max-lwps=$((number + 1))" && number=$now ;;
            4) software "$app" && app=$now ;;
            5) environment "$active" && active=$now ;;
            6) keep_more "$more" && more=$now ;;
            7 | 8) roll "$written" && written=$now ;;
            9) place "$at" && at=$now ;;
        esac
    done
}

# What an object is, against what it may be.
judge() {
    seen=$(see "$1")
    case $1/$seen in
        zone/*/incomplete)
            if [ -n "$3" ]; then ok "$fs: $1 incomplete"; else bad "$fs: $1 incomplete, was $2"; fi
            check "$fs: repair of $1" adm -z "${1#zone/}" uninstall -F
            seen=$(see "$1")
            equal "$fs: $1 repaired" configured "$seen"
            ;;
        *)
            if [ "$seen" = "$2" ] || [ "$seen" = "$3" ]; then
                ok "$fs: $1 $seen"
            else
                bad "$fs: $1: acknowledged \`$2', being written \`$3', seen \`$seen'"
            fi
            ;;
    esac
    case $1 in
        zone/*) whole "${1#zone/}" "$seen" ;;
        be/*) whole keep installed ;;
        mark/* | place/*) whole hold installed ;;
        pkg/*) check "$fs: verify" image verify ;;
    esac
    echo "is $fs $1 $seen"
}

# An installed zone has all its files, any other one has none.
whole() {
    case $2 in
        installed)
            check "$fs: $1 verifies" adm -z "$1" verify
            equal "$fs: files of $1" "$(cd /tmp/zone && eval "$tree")" \
                "$(inside "$1" "cd / && $tree")"
            ;;
        *) equal "$fs: no files of $1" '' "$(ls -A "/z/zones/$1" 2> /dev/null)" ;;
    esac
}

# All but what a clone or a test changes.
tree='find bin sbin usr lib* -type l -o -type f 2> /dev/null | LC_ALL=C sort |
    while read -r it; do if [ -L "$it" ]; then readlink "$it"; else sha256sum "$it"; fi; done |
    sha256sum'

# Removes all zones; nothing of them stays.
raze() {
    for zone in $(adm list -cp | awk -F : '$2 != "global" && $3 == "installed" { print $2 }'); do
        check "$fs: uninstall of $zone" adm -z "$zone" uninstall -F
    done
    sleep 2
    equal "$fs: nothing below zones" '' "$(ls -A /z/zones | grep -v '^.zones-layers$')"
    equal "$fs: no layers" '' "$(ls -A /z/zones/.zones-layers 2> /dev/null)"
    if [ "$fs" = zfs ]; then
        equal 'zfs: no dataset' 'tank tank/zones' "$(zfs list -H -o name -t all -r tank | xargs)"
    fi
}

judge_all() {
    mkdir -p /tmp/zone
    tar -xf /share/zone.tar -C /tmp/zone
    check "$1: mounted again" open "$1"
    lazy=$(cat /z/lazy 2> /dev/null)
    echo "lazy $fs seen ${lazy:-0}"
    check "$fs: list" adm list -cv
    while read -r system object value trying; do
        if [ "$system" = "$fs" ]; then judge "$object" "$value" "$trying" < /dev/null; fi
    done < ./model
    ls -lA /z /z/zones /z/etc/zones
    if [ -z "$WRITE" ]; then raze; fi
    close
}

if [ -n "$CHECK" ]; then judge_all "$CHECK"; fi
case $WRITE in
    '') ;;
    setup) setup ;;
    *)
        open "$WRITE"
        write
        ;;
esac
