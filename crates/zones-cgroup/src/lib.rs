//! Control groups of a zone on cgroup v1, hybrid and v2.
