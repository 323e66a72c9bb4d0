//! The system call filter of a zone: rules as data, written as BPF for every architecture a kernel runs.
