# A zone's life on a host with systemd and the whole of cgroup v2, and what zones.service does when
# the host starts and stops. The second boot is that of the reboot which the first one ends with.
zone() { zoneadm list -cp | awk -F : -v name="$1" '$2 == name { print $3 }'; }

first() {
    cp -a /share/usr/local/. /usr/local/
    systemctl daemon-reload
    mkdir -p /zones
    for name in web batch; do
        check "zonecfg $name" zonecfg -z $name "create -t SYSlx; set zonepath=/zones/$name"
        check "install $name" zoneadm -z $name install -a /share/zone.tar
    done
    check 'autoboot' zonecfg -z web 'set autoboot=true; set max-lwps=100'
    refused 'install twice' zoneadm -z web install -a /share/zone.tar

    check 'boot' zoneadm -z batch boot
    equal 'running' running "$(zone batch)"
    equal 'zlogin' 'batch 0' "$(zlogin batch 'echo $(hostname) $(id -u)')"
    check 'reboot' zoneadm -z batch reboot
    equal 'running again' running "$(zone batch)"
    check 'shutdown' zoneadm -z batch shutdown
    equal 'installed again' installed "$(zone batch)"
    check 'boot of what stays' zoneadm -z batch boot
    check 'halt' zoneadm -z batch halt
    check 'uninstall' zoneadm -z batch uninstall -F
    equal 'configured again' configured "$(zone batch)"
    check 'delete' zonecfg -z batch delete -F
    equal 'no zone' '' "$(zone batch)"

    # A zone that somebody boots by hand from inside of a service must outlive that service.
    check 'enable' systemctl enable --now zones.service
    equal 'autoboot zone' running "$(zone web)"
    equal 'service' active "$(systemctl is-active zones.service)"
    zlogin web 'echo first > /root/mark'
    check 'stop of the service' systemctl stop zones.service
    equal 'shut down by it' installed "$(zone web)"
    check 'start of the service' systemctl start zones.service
    equal 'up again' running "$(zone web)"
    daemon=$(pgrep -f 'zoneadmd.*web' | head -n 1)
    matches 'group of zoneadmd' '0::/.*zones.*' "$(cat "/proc/$daemon/cgroup")"
    systemctl restart zones.service
    equal 'after a restart' running "$(zone web)"
    check 'systemd-run' systemd-run --quiet --wait -p MemoryMax=256M zlogin web true
    # The guest's own weekly look at xfs, due when its clock is set, finds none to look at.
    equal 'failed units' '' "$(systemctl --failed --no-legend --plain | grep -v '^xfs_scrub')"
}

second() {
    equal 'service came up' active "$(systemctl is-active zones.service)"
    equal 'autoboot zone came up' running "$(zone web)"
    equal 'its files' first "$(zlogin web 'cat /root/mark')"
    equal 'its limit' 100 "$(cat /sys/fs/cgroup/zones*/web/pids.max)"
    journalctl --no-pager -o cat -u zones.service
    check 'shutdown' zoneadm -z web shutdown
    check 'uninstall' zoneadm -z web uninstall -F
    check 'delete' zonecfg -z web delete -F
    equal 'nothing below /zones' '' "$(ls /zones)"
    equal 'no group' '' "$(ls -d /sys/fs/cgroup/zones*/web 2> /dev/null)"
}

if [ "$BOOT" = 1 ]; then first; else second; fi
