//! Threads that work on the same product: they start together and wait for each other after every run, as layers of a network have to.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
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

/// Parts of one piece of work: the first on the caller's thread, each other one on a thread that lives as long as the team. A thread that is made for a few
/// milliseconds of work often starts on the core of the one that made it and shares it until the system moves one of them; one that sleeps in between is
/// woken on a core that is free.
pub(crate) struct Team<P> {
    first: P,
    gate: Arc<Gate>,
    orders: Vec<Sender<usize>>,
}

impl<P: FnMut() + Send + 'static> Team<P> {
    /// A team for at least one part.
    pub(crate) fn new(parts: Vec<P>) -> Self {
        let (arrived, opened) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let gate = Arc::new(Gate { members: parts.len(), arrived, opened });
        let mut parts = parts.into_iter();
        let first = parts.next().expect("a part");
        let orders = parts.map(|part| hire(part, Arc::clone(&gate))).collect();
        Team { first, gate, orders }
    }

    /// Seconds that every part takes to run `repeats` times.
    pub(crate) fn run(&mut self, repeats: usize) -> f64 {
        for order in &self.orders {
            order.send(repeats).expect("a thread that waits for orders");
        }
        work(&mut self.first, &self.gate, repeats)
    }
}

/// A thread that does its part whenever it is told how often, until the team is gone.
fn hire(mut part: impl FnMut() + Send + 'static, gate: Arc<Gate>) -> Sender<usize> {
    let (order, orders) = channel();
    thread::spawn(move || {
        while let Ok(repeats) = orders.recv() {
            work(&mut part, &gate, repeats);
        }
    });
    order
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
