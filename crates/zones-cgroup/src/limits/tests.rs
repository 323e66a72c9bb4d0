use super::*;

fn all(version: Version, limits: &Limits) -> Vec<String> {
    [
        Controller::Cpu,
        Controller::Memory,
        Controller::Pids,
        Controller::Cpuset,
        Controller::Io,
    ]
    .into_iter()
    .flat_map(|controller| settings(version, controller, limits))
    .filter(|setting| !setting.reset)
    .map(|setting| format!("{}={}", setting.files[0], setting.value))
    .collect()
}

const GIB: u64 = 1 << 30;

#[test]
fn limits_become_the_values_of_the_kernel() {
    let none = Limits::default;
    let cases: &[(Limits, &[&str], &[&str])] = &[
        (none(), &[], &[]),
        (
            Limits {
                cpu_cap_percent: Some(150),
                ..none()
            },
            &["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000"],
            &["cpu.max=150000 100000"],
        ),
        (
            Limits {
                cpu_cap_percent: Some(1),
                ..none()
            },
            &["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=1000"],
            &["cpu.max=1000 100000"],
        ),
        (
            Limits {
                cpu_shares: Some(3),
                ..none()
            },
            &["cpu.shares=3072"],
            &["cpu.weight=300"],
        ),
        (
            Limits {
                cpu_shares: Some(70_000),
                ..none()
            },
            &["cpu.shares=262144"],
            &["cpu.weight=10000"],
        ),
        (
            Limits {
                cpu_shares: Some(0),
                ..none()
            },
            &["cpu.shares=2"],
            &["cpu.idle=1"],
        ),
        (
            Limits {
                memory: Some(GIB),
                ..none()
            },
            &[],
            &["memory.high=1006632960", "memory.max=1073741824"],
        ),
        (
            Limits {
                memory: Some(GIB),
                swap: Some(3 * GIB),
                ..none()
            },
            &[],
            &[
                "memory.swap.max=2147483648",
                "memory.high=1006632960",
                "memory.max=1073741824",
            ],
        ),
        (
            Limits {
                swap: Some(GIB),
                ..none()
            },
            &[],
            &["memory.swap.max=0", "memory.max=1073741824"],
        ),
        (
            Limits {
                memory: Some(GIB),
                memory_policy: MemoryPolicy::Soft,
                ..none()
            },
            &[],
            &["memory.high=1073741824"],
        ),
        (
            Limits {
                pids: Some(100),
                cpus: Some("0-1".into()),
                io_priority: Some(5),
                ..none()
            },
            &["pids.max=100", "cpuset.cpus=0-1", "blkio.weight=500"],
            &["pids.max=100", "cpuset.cpus=0-1", "io.weight=default 500"],
        ),
    ];
    for (limits, v1, v2) in cases {
        // Memory on v1 is written in an order of its own and tested on a tree.
        let got: Vec<_> = all(Version::V1, limits);
        let got: Vec<_> = got
            .iter()
            .filter(|line| !line.starts_with("memory"))
            .collect();
        assert_eq!(got, v1.iter().collect::<Vec<_>>(), "v1 {limits:?}");
        assert_eq!(all(Version::V2, limits), *v2, "v2 {limits:?}");
    }
}
