//! Stands in for KumoMTA's kumod and follows its rule: KUMO_AVAILABLE_PARALLELISM, else what Rust's
//! standard library says. https://docs.kumomta.com/reference/kumo/available_parallelism/
//!
//! kumod       asked by the only thread
//! kumod pin   asked by a thread pinned to one CPU, beside one that is not

use std::{env, thread, time::Duration};

extern "C" {
    fn sched_getcpu() -> i32;
    fn sched_setaffinity(pid: i32, size: usize, mask: *const u64) -> i32;
}

fn pin() {
    let mut mask = [0u64; 128];
    let cpu = unsafe { sched_getcpu() } as usize;
    mask[cpu / 64] = 1 << (cpu % 64);
    let failed = unsafe { sched_setaffinity(0, std::mem::size_of_val(&mask), mask.as_ptr()) };
    assert_eq!(failed, 0, "sched_setaffinity failed");
}

fn main() {
    if env::args().nth(1).as_deref() == Some("pin") {
        thread::spawn(|| thread::sleep(Duration::from_secs(3600)));
        pin();
    }
    let count = match env::var("KUMO_AVAILABLE_PARALLELISM") {
        Ok(text) => text.parse().expect("KUMO_AVAILABLE_PARALLELISM is not a number"),
        Err(_) => thread::available_parallelism().expect("no answer").get(),
    };
    println!("{count}");
}
