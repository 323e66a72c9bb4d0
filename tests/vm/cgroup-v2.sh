#!/usr/bin/env bash
# One zone on a host that has cgroup v2 alone and an older kernel: Debian's cloud kernel under qemu
# (TCG, no KVM needed), half a minute once the kernel is there. Needs the packages qemu-system-x86,
# cpio and busybox-static.
#
# usage: tests/vm/cgroup-v2.sh ZONES-BINARY [FOLDER-FOR-THE-KERNEL]
set -eu
binary=$(realpath "$1")
cache=${2:-$(dirname "$0")/../../target/vm}
mkdir -p "$cache"
cache=$(realpath "$cache")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The kernel, by the host's own apt sources; kept for the next run.
kernel=$(apt-cache depends linux-image-cloud-amd64 | grep -o 'linux-image-[0-9][^ ]*' | head -n 1)
if [ ! -e "$cache/$kernel/boot" ]; then
    (cd "$work" && apt-get -q download "$kernel")
    mkdir -p "$cache/$kernel"
    dpkg-deb -x "$work/$kernel"_*.deb "$cache/$kernel"
fi

# A root of busybox, and a smaller one of it as the zone's archive.
root=$work/root
mkdir -p "$root"/{bin,lib,proc,sys,dev,run,mnt} "$work"/zone/{bin,etc,root,tmp,usr}
cp /bin/busybox "$root/bin/"
cp /bin/busybox "$work/zone/bin/"
for name in sh mount umount mkdir cat ls echo insmod sleep cp ip poweroff timeout sed switch_root; do
    ln -s busybox "$root/bin/$name"
done
for name in sh cat ls id dd echo mkdir sleep test head wc; do
    ln -s busybox "$work/zone/bin/$name"
done
echo 'root:x:0:0::/root:/bin/sh' > "$work/zone/etc/passwd"
tar -C "$work/zone" --owner 0 --group 0 -cf "$root/zone.tar" .
cp "$binary" "$root/bin/zones"
find "$cache/$kernel" -name 'virtio*.ko' -exec cp {} "$root/lib/" \;

cat > "$root/init" <<'INIT'
#!/bin/sh
export PATH=/bin
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk; do
    if [ -e /lib/$module.ko ]; then insmod /lib/$module.ko; fi
done
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 50 ]; do sleep 0.2; tries=$((tries + 1)); done
mount -t ext4 /dev/vda /mnt
cp -a /bin /lib /zone.tar /main /mnt/
mkdir -p /mnt/proc /mnt/sys /mnt/dev /mnt/run /mnt/z/zones
umount /sys /dev /proc
exec switch_root /mnt /bin/sh /main
INIT
cat > "$root/main" <<'MAIN'
export PATH=/bin
mount -t proc p /proc
mount -t sysfs s /sys
mount -t devtmpfs d /dev
mkdir -p /dev/pts
mount -t devpts d /dev/pts
mount -t tmpfs t /run
mount -t cgroup2 c /sys/fs/cgroup
adm() { zones zoneadm -R /z "$@"; }
login() { zones zlogin -R /z v2 "$@"; }
zones zonecfg -R /z -z v2 "create -t SYSlx; set zonepath=/z/zones/v2; set max-lwps=100; \
set cpu-shares=3; add capped-cpu; set ncpus=0.5; end; add capped-memory; set physical=64m; \
set swap=64m; end"
adm -z v2 install -a /zone.tar
adm -z v2 boot
group=$(ls -d /sys/fs/cgroup/zones*/v2)
for file in cpu.max cpu.weight memory.max memory.swap.max pids.max; do
    echo "CHECK $file $(cat "$group/$file")"
done
login 'echo CHECK group $(cat /proc/self/cgroup)'
login 'echo CHECK init $(cat /proc/1/cgroup)'
# What an init such as systemd does: everybody into groups, then the controllers for these.
login 'cd /sys/fs/cgroup; mkdir svc; for p in $(cat cgroup.procs); do echo $p > svc/cgroup.procs; done
echo "+memory +pids" > cgroup.subtree_control; echo 33554432 > svc/memory.max
echo CHECK delegated $(cat cgroup.subtree_control) $(cat svc/memory.max)'
login 'echo $$ > /sys/fs/cgroup/svc/cgroup.procs; echo CHECK moved $(cat /proc/self/cgroup)'
login 'echo max > /sys/fs/cgroup/memory.max; echo CHECK top-limit $?'
login 'echo 1 > /sys/fs/cgroup/zlogin/cgroup.kill; echo CHECK kill $?'
sched=$(sed -n 's/.*"sched":{"pid":\([0-9]*\).*/\1/p' /z/run/zones/v2/state)
kill -9 "$sched"
sleep 1
login 'echo CHECK renewed $(cat /proc/self/cgroup)'
login 'dd if=/dev/zero of=/dev/null bs=200M count=1'
echo "CHECK over-memory $?"
login 'echo CHECK device $(head -c 1 /dev/zero | wc -c)'
timeout 8 zones zlogin -R /z v2 'while :; do :; done' &
used() { sed -n 's/^usage_usec //p' "$group/cpu.stat"; }
sleep 1
before=$(used)
sleep 5
echo "CHECK cpu $((($(used) - before) / 50000))"
login 'i=0; while test $i -lt 150; do sleep 60 & i=$((i+1)); done; echo all'
echo "CHECK over-processes $?"
adm -z v2 halt
echo "CHECK left $(ls -d /sys/fs/cgroup/zones* 2>/dev/null)"
poweroff -f
MAIN
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) > "$work/initramfs"
truncate -s 128M "$work/disk"
mkfs.ext4 -q -F "$work/disk"

timeout 300 qemu-system-x86_64 -M q35 -cpu max -m 1024 -smp 2 -nographic -no-reboot \
    -kernel "$cache/$kernel"/boot/vmlinuz-* -initrd "$work/initramfs" \
    -append "console=ttyS0 quiet panic=-1" \
    -drive "file=$work/disk,if=virtio,format=raw" < /dev/null | tr -d '\r' > "$work/log"

failed=0
passed=0
expect() {
    if grep -Eq "^CHECK $1\$" "$work/log"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "missing: CHECK $1"
    fi
}
expect 'cpu.max 50000 100000'
expect 'cpu.weight 300'
expect 'memory.max 67108864'
expect 'memory.swap.max 0'
expect 'pids.max 100'
expect 'group 0::/zlogin'
expect 'init 0::/'
expect 'delegated memory pids 33554432'
expect 'moved 0::/svc'
expect 'top-limit 1'
expect 'kill 1'
expect 'renewed 0::/zlogin'
expect 'over-memory 137'
expect 'over-processes [1-9][0-9]*'
expect 'device 1'
expect 'cpu (4[7-9]|5[0-3])'
expect 'left '
if [ $failed -gt 0 ]; then cat "$work/log"; fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
