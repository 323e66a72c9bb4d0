# One zone on a host that has cgroup v2 alone: its limits, what it may do with its own groups, what
# holds when something of it is killed.
mkfs.ext4 -q -F /dev/vdc
mkdir -p /z
mount /dev/vdc /z
mkdir -p /z/zones
adm() { zoneadm -R /z "$@"; }
login() { zlogin -R /z v2 "$@"; }
zonecfg -R /z -z v2 "create -t SYSlx; set zonepath=/z/zones/v2; set max-lwps=100; \
set cpu-shares=3; add capped-cpu; set ncpus=0.5; end; add capped-memory; set physical=64m; \
set swap=64m; end"
check 'install' adm -z v2 install -a /share/zone.tar
check 'boot' adm -z v2 boot
group=$(ls -d /sys/fs/cgroup/zones*/v2)
limit() { equal "$1" "$2" "$(cat "$group/$1")"; }
limit cpu.max '50000 100000'
limit cpu.weight 300
limit memory.max 67108864
limit memory.swap.max 0
limit pids.max 100

equal 'group of a session' '0::/zlogin' "$(login 'cat /proc/self/cgroup')"
equal 'group of init' '0::/' "$(login 'cat /proc/1/cgroup')"
# What an init such as systemd does: everybody into groups, then the controllers for these.
equal 'delegation' 'memory pids 33554432' "$(login 'cd /sys/fs/cgroup; mkdir svc
for p in $(cat cgroup.procs); do echo $p > svc/cgroup.procs; done
echo "+memory +pids" > cgroup.subtree_control; echo 33554432 > svc/memory.max
echo $(cat cgroup.subtree_control) $(cat svc/memory.max)')"
equal 'moved' '0::/svc' "$(login 'echo $$ > /sys/fs/cgroup/svc/cgroup.procs; cat /proc/self/cgroup')"
equal 'own limit refused' 1 "$(login 'echo max > /sys/fs/cgroup/memory.max; echo $?' 2> /dev/null)"
equal 'kill refused' 1 "$(login 'echo 1 > /sys/fs/cgroup/zlogin/cgroup.kill; echo $?' 2> /dev/null)"
sched=$(sed -n 's/.*"sched":{"pid":\([0-9]*\).*/\1/p' /z/run/zones/v2/state)
kill -9 "$sched"
sleep 1
equal 'after a killed zsched' '0::/zlogin' "$(login 'cat /proc/self/cgroup')"
login 'dd if=/dev/zero of=/dev/null bs=200M count=1'
equal 'over memory' 137 $?
equal 'device' 1 "$(login 'head -c 1 /dev/zero | wc -c')"

timeout 8 zlogin -R /z v2 'while :; do :; done' &
used() { sed -n 's/^usage_usec //p' "$group/cpu.stat"; }
# Hundredths of a second; a slow guest does not sleep for as long as it is told.
now() { sed 's/ .*//; s/[.]//' /proc/uptime; }
sleep 1
before=$(used) began=$(now)
sleep 5
after=$(used) ended=$(now)
# A guest that gets too little of the host's own CPU is let run again too late, so this may be less.
percent=$(((after - before) / 100 / (ended - began)))
echo "note cgroup-v2: a loop took $percent percent of a CPU, of 50"
matches 'percent of a CPU' '[1-4]?[0-9]|5[0-4]' "$percent"
matches 'periods without a CPU' '[1-9][0-9]*' "$(sed -n 's/^nr_throttled //p' "$group/cpu.stat")"
login 'i=0; while test $i -lt 150; do sleep 60 & i=$((i+1)); done; echo all'
matches 'over processes' '[1-9][0-9]*' $?
check 'halt' adm -z v2 halt
equal 'left' '' "$(ls -d /sys/fs/cgroup/zones* 2> /dev/null)"
