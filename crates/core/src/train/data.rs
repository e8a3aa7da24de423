//! A data set as the trainer uses it: equal inputs merged with a count, distinct (token, position) pairs found.

use std::collections::BTreeMap;

use crate::error::{CoreError, Result, codes};
use crate::program::Program;
use crate::program::check::{check_targets, check_tokens};
use crate::program::exec::Distinct;

/// A prepared data set. The loss is the mean over the examples it was made from; `weights` carries their counts.
#[derive(Debug, Clone)]
pub struct Data {
    /// Sequence length T.
    pub seq: usize,
    /// Tokens `[N, T]` of the merged examples.
    pub tokens: Vec<u32>,
    /// Targets, one an output row.
    pub targets: Vec<i32>,
    /// Weight of each output row: its count over the number of all counted rows.
    pub weights: Vec<f32>,
    /// Examples each merged one stands for.
    pub counts: Vec<u32>,
    /// Number of original output rows that count.
    pub total: usize,
    /// Distinct row of each position `[N, T]`.
    pub index: Vec<u32>,
    /// The distinct rows.
    pub distinct: Distinct,
}

impl Data {
    /// Checks and prepares `tokens` `[rows, T]` and `targets`.
    ///
    /// The distinct rows are found unless they are more than `most_distinct` (there is none then, and no index): a table of them would cost more than
    /// it saves. Examples with equal tokens and target are merged when `merge`; where the program does not depend on the order of the tokens
    /// before the last one, examples that differ only in it are equal.
    ///
    /// # Errors
    /// `E_SHAPE` for lengths that do not fit or an empty set, `E_RANGE` for a token or target outside its range.
    pub fn new(
        program: &Program,
        tokens: &[i32],
        targets: &[i32],
        merge: bool,
        most_distinct: usize,
    ) -> Result<Self> {
        let per_row = program.is_last[program.spec.output];
        let seq = sequence(program, tokens.len(), targets.len(), per_row)?;
        let tokens = check_tokens(tokens, program.spec.vocab)?;
        check_targets(targets, targets.len(), program.cols[program.spec.output])?;
        let total = targets.iter().filter(|&&t| t >= 0).count();
        if total == 0 {
            return Err(CoreError::new(codes::SHAPE, "the data set is empty")
                .expected("at least one row with a target", 0));
        }
        let mut data = Self {
            seq,
            tokens,
            targets: targets.to_vec(),
            weights: Vec::new(),
            counts: Vec::new(),
            total,
            index: Vec::new(),
            distinct: Distinct::default(),
        };
        data.counts = vec![1; data.examples()];
        if merge && per_row {
            data.merge(program.is_order_invariant());
        }
        let outputs = data.outputs();
        let counts = data.counts.iter().flat_map(|&c| std::iter::repeat_n(c, outputs));
        data.weights = counts.map(|c| (f64::from(c) / total as f64) as f32).collect();
        data.find_distinct(program.uses_positions(), most_distinct);
        Ok(data)
    }

    /// Output rows of an example.
    pub fn outputs(&self) -> usize {
        self.targets.len() / self.examples()
    }

    /// Distinct rows of a range of positions; empty where they were not looked for.
    pub fn distinct_rows(&self, positions: std::ops::Range<usize>) -> &[u32] {
        if self.index.is_empty() { &[] } else { &self.index[positions] }
    }

    /// Number of merged examples N.
    pub fn examples(&self) -> usize {
        self.tokens.len() / self.seq
    }

    fn merge(&mut self, any_order: bool) {
        let mut seen: BTreeMap<(Vec<u32>, i32), usize> = BTreeMap::new();
        let (mut tokens, mut targets, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for (example, &target) in self.tokens.chunks_exact(self.seq).zip(&self.targets) {
            let mut key = example.to_vec();
            if any_order {
                key[..self.seq - 1].sort_unstable();
            }
            let next = counts.len();
            match *seen.entry((key, target)).or_insert(next) {
                at if at == next => {
                    tokens.extend_from_slice(example);
                    targets.push(target);
                    counts.push(1);
                }
                at => counts[at] += 1,
            }
        }
        (self.tokens, self.targets, self.counts) = (tokens, targets, counts);
        self.sort();
    }

    /// Examples in the order of their tokens, so that neighbours read the same distinct rows while these are in the cache.
    fn sort(&mut self) {
        let mut order: Vec<usize> = (0..self.examples()).collect();
        let example = |i: usize| &self.tokens[i * self.seq..(i + 1) * self.seq];
        order.sort_by(|&a, &b| example(a).cmp(example(b)));
        let tokens = order.iter().flat_map(|&i| example(i)).copied().collect();
        self.targets = order.iter().map(|&i| self.targets[i]).collect();
        self.counts = order.iter().map(|&i| self.counts[i]).collect();
        self.tokens = tokens;
    }

    fn find_distinct(&mut self, positions: bool, most: usize) {
        let mut rows: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        let key = |i: usize, t: u32| (t, if positions { (i % self.seq) as u32 } else { 0 });
        for (i, &t) in self.tokens.iter().enumerate() {
            rows.insert(key(i, t), 0);
            if rows.len() > most {
                return;
            }
        }
        for (row, ((token, position), at)) in rows.iter_mut().enumerate() {
            *at = row as u32;
            self.distinct.tokens.push(*token);
            self.distinct.positions.push(*position);
        }
        self.index = self.tokens.iter().enumerate().map(|(i, &t)| rows[&key(i, t)]).collect();
    }
}

/// Sequence length, from the numbers of tokens and targets.
fn sequence(program: &Program, tokens: usize, targets: usize, per_row: bool) -> Result<usize> {
    let seq = if per_row { tokens.checked_div(targets).unwrap_or(0) } else { program.spec.ctx };
    let fits = if per_row { seq * targets == tokens } else { tokens == targets };
    if seq == 0 || seq > program.spec.ctx || !fits || !tokens.is_multiple_of(seq.max(1)) {
        let expected = if per_row {
            format!("rows x seq tokens and rows targets, seq <= {}", program.spec.ctx)
        } else {
            format!("as many targets as tokens, rows of {}", program.spec.ctx)
        };
        return Err(CoreError::new(codes::SHAPE, "tokens and targets do not fit")
            .expected(expected, format!("{tokens} tokens, {targets} targets")));
    }
    Ok(seq)
}
