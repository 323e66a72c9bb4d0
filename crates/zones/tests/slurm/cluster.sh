#!/bin/sh
# cluster.sh FOLDER COMMAND...: a Slurm controller and node of its own, for as long as a command
# runs. Needs root and Debian's slurmctld, slurmd, slurm-client, munge.
set -eu
dir=$1
shift
if [ "${IN_CLUSTER:-}" != yes ]; then
	IN_CLUSTER=yes exec unshare --net --uts --mount --propagation private "$0" "$dir" "$@"
fi
mkdir -p "$dir/state" "$dir/spool" "$dir/munge"
hostname matrixnode
ip link set lo up
ip address add 10.215.0.1/32 dev lo
printf '127.0.0.1 localhost\n10.215.0.1 matrixnode\n' > "$dir/hosts"
mount --bind "$dir/hosts" /etc/hosts
cat > "$dir/slurm.conf" <<CONF
ClusterName=matrix
SlurmctldHost=matrixnode(10.215.0.1)
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
SlurmUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
SchedulerParameters=sched_min_interval=0
NodeName=matrixnode NodeAddr=10.215.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=matrixnode Default=YES State=UP
CONF
printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' > "$dir/cgroup.conf"
export SLURM_CONF="$dir/slurm.conf"
chmod 700 "$dir/munge"
dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 2> /dev/null
chmod 400 "$dir/munge/key"
munged --force --foreground --socket="$dir/munge/socket" --key-file="$dir/munge/key" \
	--pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" > "$dir/munge/out" 2>&1 &
munge=$!
slurmctld=
slurmd=
trap 'kill $slurmd $slurmctld $munge 2> /dev/null || true; wait' EXIT
tries=0
until [ -S "$dir/munge/socket" ]; do
	tries=$((tries + 1))
	[ $tries -lt 100 ]
	sleep 0.1
done
slurmctld -D -f "$SLURM_CONF" > "$dir/ctld.out" 2>&1 &
slurmctld=$!
slurmd -D -f "$SLURM_CONF" > "$dir/slurmd.out" 2>&1 &
slurmd=$!
tries=0
until [ "$(sinfo --noheader --format=%t 2> /dev/null)" = idle ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { echo "the node does not come up" >&2; cat "$dir/slurmctld.log" "$dir/slurmd.log" >&2; exit 1; }
	sleep 0.1
done
"$@"
