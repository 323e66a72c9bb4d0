#!/bin/sh
# cluster.sh FOLDER SECONDS COMMAND...: a Slurm controller and node of its own, for as long as a
# command runs, at most so many seconds. Nothing of it outlives the call: it has a process
# namespace. Needs root and Debian's slurmctld, slurmd, slurm-client, munge.
# Status 75: this machine's Slurm does not run even a job that does nothing.
set -eu
dir=$1
limit=$2
if [ "${IN_CLUSTER:-}" != yes ]; then
	IN_CLUSTER=yes exec unshare --net --uts --mount --propagation private --pid --fork \
		--kill-child=KILL --mount-proc "$0" "$@"
fi
shift 2
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
	--pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed" \
	> "$dir/munge/out" 2>&1 &
# Process 1 of the namespace: when it ends, the kernel ends everything else.
why() {
	echo "--- $1" >&2
	squeue --all --long >&2 || true
	scontrol show job >&2 || true
	scontrol show node >&2 || true
	ps -e -o pid,ppid,stat,etimes,wchan:24,args >&2 || true
	for log in "$dir"/*.log "$dir"/*.out "$dir"/munge/log "$dir"/munge/out; do
		echo "--- $log" >&2
		tail -n 60 "$log" >&2 || true
	done
}
tries=0
until [ -S "$dir/munge/socket" ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { why "munge does not come up"; exit 75; }
	sleep 0.1
done
slurmctld -D -f "$SLURM_CONF" > "$dir/ctld.out" 2>&1 &
slurmd -D -f "$SLURM_CONF" > "$dir/slurmd.out" 2>&1 &
tries=0
until [ "$(timeout 5 sinfo --noheader --format=%t 2> /dev/null)" = idle ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { why "the node does not come up"; exit 75; }
	sleep 0.1
done
timeout -k 5 60 sbatch --quiet --wait --output="$dir/probe" --wrap true < /dev/null || {
	why "a job that does nothing does not end"
	exit 75
}
status=0
timeout -k 5 "$limit" "$@" || status=$?
[ $status = 0 ] || why "status $status (124: not done after $limit s)"
exit $status
