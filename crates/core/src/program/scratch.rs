//! Memory that linear layers with quantised activations share.

use crate::error::{Result, zeros};
use crate::ops::linear;
use crate::program::compile::Program;
use crate::program::plan::Plan;
use crate::program::spec::{ActQuant, NodeSpec};

/// Memory of the int8 activation quantisers: codes, scales and the values they stand for, for one layer at a time.
#[derive(Debug, Default)]
pub struct Scratch {
    codes: Vec<i8>,
    scales: Vec<f32>,
    values: Vec<f32>,
}

impl Scratch {
    /// Room for the largest quantised input of a plan.
    pub fn new(program: &Program, plan: &Plan) -> Result<Self> {
        let quantised = |n: &&NodeSpec| matches!(n, NodeSpec::Linear { act_quant, .. } if *act_quant != ActQuant::None);
        let inputs = program.spec.nodes.iter().filter(quantised).map(|n| n.inputs()[0]);
        let (mut len, mut rows) = (0, 0);
        for i in inputs {
            len = len.max(plan.nodes[i].len);
            rows = rows.max(plan.nodes[i].len / program.cols[i]);
        }
        Ok(Self { codes: zeros(len)?, scales: zeros(rows)?, values: zeros(len)? })
    }

    /// `x` (rows of `cols`) as the int8 codes stand for it.
    pub(super) fn quantise<'s>(&'s mut self, x: &[f32], cols: usize) -> &'s [f32] {
        let rows = x.len() / cols;
        let (codes, scales) = (&mut self.codes[..x.len()], &mut self.scales[..rows]);
        linear::fake_quant_int8(x, cols, codes, scales, &mut self.values[..x.len()]);
        &self.values[..x.len()]
    }
}
