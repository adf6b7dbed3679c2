//! Tests that take a while, and print how many of them ran at once so far.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::{thread, time::Duration};

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn job() {
    let now = NOW.fetch_add(1, SeqCst) + 1;
    MOST.fetch_max(now, SeqCst);
    thread::sleep(Duration::from_millis(400));
    NOW.fetch_sub(1, SeqCst);
    println!("at once: {}", MOST.load(SeqCst));
}

macro_rules! jobs {
    ($($name:ident)*) => { $(#[test] fn $name() { job() })* };
}

jobs!(a b c d e f);
