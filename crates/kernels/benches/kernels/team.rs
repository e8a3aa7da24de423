//! Threads that work on the same product: they start together and wait for each other after every run, as layers of a network have to.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::host::now;

/// Where `members` threads wait until all have come. They spin: a product takes tens of microseconds, waking a thread about as long.
struct Gate {
    members: usize,
    arrived: AtomicUsize,
    opened: AtomicUsize,
}

impl Gate {
    fn wait(&self) {
        let turn = self.opened.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.members {
            self.arrived.store(0, Ordering::Release);
            self.opened.store(turn + 1, Ordering::Release);
            return;
        }
        let mut spins = 0_u32;
        while self.opened.load(Ordering::Acquire) == turn {
            spins += 1;
            // On a machine with fewer cores than members, the last one needs this core.
            if spins.is_multiple_of(16_384) { thread::yield_now() } else { spin_loop() }
        }
    }
}

/// Seconds that every part takes to run `repeats` times, one thread a part.
pub(crate) fn run<P: FnMut() + Send>(parts: &mut [P], repeats: usize) -> f64 {
    let gate =
        Gate { members: parts.len(), arrived: AtomicUsize::new(0), opened: AtomicUsize::new(0) };
    let Some((first, rest)) = parts.split_first_mut() else { return 0.0 };
    if rest.is_empty() {
        return work(first, &gate, repeats);
    }
    thread::scope(|scope| {
        for part in rest {
            scope.spawn(|| work(part, &gate, repeats));
        }
        work(first, &gate, repeats)
    })
}

fn work(part: &mut impl FnMut(), gate: &Gate, repeats: usize) -> f64 {
    gate.wait();
    let start = now();
    for _ in 0..repeats {
        part();
        gate.wait();
    }
    now() - start
}
