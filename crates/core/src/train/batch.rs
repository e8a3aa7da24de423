//! Mini-batches: which examples a step takes, and the memory that holds them.
//!
//! The examples of all epochs form one endless row: epoch after epoch, each a permutation of the whole set. Step k takes places k B to (k + 1) B
//! of it. So a step's batch depends on (seed, k) alone: a resumed run needs no state, every batch is full, and each epoch sees every example once.

use crate::error::{CoreError, Result, codes};
use crate::rng::Rng;
use crate::train::data::Data;

/// Streams from here on belong to the epochs; parameters use those from 0 on.
const FIRST_STREAM: u64 = 1 << 63;

/// The batch of one step at a time.
pub(super) struct Batch {
    /// Its examples, laid out like a data set; distinct rows are those of the whole set.
    pub(super) data: Data,
    seed: u64,
    order: Vec<u32>,
    /// The epoch that `order` is of.
    epoch: Option<u64>,
}

impl Batch {
    /// Room for batches of `size` examples of a set.
    ///
    /// # Errors
    /// `E_RANGE` when the set has fewer examples.
    pub(super) fn new(all: &Data, size: usize, seed: u64) -> Result<Self> {
        if size > all.examples() {
            return Err(CoreError::new(codes::RANGE, "batchSize is out of range")
                .expected(format!("1 to the {} training examples", all.examples()), size));
        }
        let (positions, outputs) = (size * all.seq, size * all.outputs());
        let data = Data {
            seq: all.seq,
            tokens: all.tokens[..positions].to_vec(),
            targets: all.targets[..outputs].to_vec(),
            weights: vec![0.0; outputs],
            counts: vec![1; size],
            total: 0,
            index: all.distinct_rows(0..positions).to_vec(),
            distinct: crate::program::exec::Distinct::default(),
        };
        let order = (0..all.examples() as u32).collect();
        Ok(Self { data, seed, order, epoch: None })
    }

    /// Copies the examples of step `step` here. The loss is the mean over the batch's rows that have a target; without any it is 0.
    pub(super) fn choose(&mut self, all: &Data, step: u64) {
        let (size, n) = (self.data.counts.len(), self.order.len() as u128);
        for i in 0..size {
            let place = u128::from(step) * size as u128 + i as u128;
            self.turn_to((place / n) as u64);
            let example = self.order[(place % n) as usize] as usize;
            self.copy(all, example, i);
        }
        self.data.total = self.data.targets.iter().filter(|&&t| t >= 0).count();
        let weight = (1.0 / self.data.total.max(1) as f64) as f32;
        self.data.weights.fill(weight);
    }

    fn copy(&mut self, all: &Data, from: usize, to: usize) {
        let (seq, outputs) = (all.seq, all.outputs());
        let place = |i: usize, len: usize| i * len..(i + 1) * len;
        self.data.tokens[place(to, seq)].copy_from_slice(&all.tokens[place(from, seq)]);
        self.data.targets[place(to, outputs)].copy_from_slice(&all.targets[place(from, outputs)]);
        if !all.index.is_empty() {
            self.data.index[place(to, seq)].copy_from_slice(&all.index[place(from, seq)]);
        }
    }

    /// Shuffles the order of an epoch (Fisher and Yates, from the sorted order, so that it depends on seed and epoch only).
    fn turn_to(&mut self, epoch: u64) {
        if self.epoch == Some(epoch) {
            return;
        }
        let rng = Rng::new(self.seed, FIRST_STREAM.wrapping_add(epoch));
        self.order.iter_mut().enumerate().for_each(|(i, x)| *x = i as u32);
        for i in (1..self.order.len()).rev() {
            let other = (rng.uniform(i as u64) * (i + 1) as f64) as usize;
            self.order.swap(i, other);
        }
        self.epoch = Some(epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five examples of one token each, which is the example's number, and its target.
    fn set() -> Data {
        Data {
            seq: 1,
            tokens: (0..5).collect(),
            targets: (0..5).collect(),
            weights: vec![0.2; 5],
            counts: vec![1; 5],
            total: 5,
            index: Vec::new(),
            distinct: crate::program::exec::Distinct::default(),
        }
    }

    #[test]
    fn every_epoch_takes_every_example_once_in_an_order_of_its_own() {
        let all = set();
        let mut batch = Batch::new(&all, 3, 7).unwrap();
        let mut taken = Vec::new();
        for step in 0..10 {
            batch.choose(&all, step);
            assert_eq!(
                batch.data.targets,
                batch.data.tokens.iter().map(|&t| t as i32).collect::<Vec<_>>()
            );
            taken.extend_from_slice(&batch.data.tokens);
        }
        let epochs: Vec<&[u32]> = taken.chunks(5).collect();
        for epoch in &epochs {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(epochs.iter().any(|e| *e != epochs[0]), "epochs differ: {epochs:?}");
    }

    #[test]
    fn a_batch_depends_on_seed_and_step_alone() {
        let all = set();
        let tokens = |seed: u64, steps: &[u64]| {
            let mut batch = Batch::new(&all, 3, seed).unwrap();
            for &step in steps {
                batch.choose(&all, step);
            }
            batch.data.tokens
        };
        assert_eq!(tokens(7, &[0, 1, 2, 3, 4]), tokens(7, &[9, 4]));
        let orders: Vec<_> = (0..8).map(|seed| tokens(seed, &[0])).collect();
        assert!(orders.iter().any(|o| *o != orders[0]));
        assert_eq!(Batch::new(&all, 6, 0).err().unwrap().code, codes::RANGE);
    }

    #[test]
    fn rows_without_a_target_do_not_count() {
        let mut all = set();
        all.targets[..4].fill(-1);
        let mut batch = Batch::new(&all, 5, 1).unwrap();
        batch.choose(&all, 0);
        assert_eq!((batch.data.total, batch.data.weights[0]), (1, 1.0));
        all.targets.fill(-1);
        batch.choose(&all, 0);
        assert_eq!((batch.data.total, batch.data.weights[0]), (0, 1.0));
    }
}
