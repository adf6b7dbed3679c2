//! Prints what Rust's standard library takes for the available parallelism.
//!
//! probe               asked by the only thread
//! probe pin CPU       asked by a thread pinned to CPU, beside one that is not
//! probe threaded DIR  asked by a second thread, after it moved itself into the cgroup DIR

use std::{env, fs, thread, time::Duration};

extern "C" {
    fn sched_setaffinity(pid: i32, size: usize, mask: *const u64) -> i32;
}

fn ask() -> usize {
    thread::available_parallelism().expect("no answer").get()
}

fn pin(cpu: u32) {
    let mask: u64 = 1 << cpu;
    let failed = unsafe { sched_setaffinity(0, std::mem::size_of::<u64>(), &mask) };
    assert_eq!(failed, 0, "sched_setaffinity failed");
}

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["pin", cpu] => {
            thread::spawn(|| thread::sleep(Duration::from_secs(3600)));
            pin(cpu.parse().expect("a CPU number"));
            ask()
        }
        ["threaded", dir] => {
            let file = format!("{dir}/cgroup.threads");
            thread::spawn(move || {
                fs::write(file, "0").expect("cannot move the thread");
                ask()
            })
            .join()
            .expect("the thread failed")
        }
        _ => ask(),
    };
    println!("{answer}");
}
