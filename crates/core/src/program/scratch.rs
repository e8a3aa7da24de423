//! Memory that nodes share, so that no step allocates.

use crate::error::{CoreError, Result, zeros};
use crate::ops::linear;
use crate::ops::rotary::Angles;
use crate::packed::quantize_activations;
use crate::program::compile::Program;
use crate::program::fold::Role;
use crate::program::plan::Plan;
use crate::program::spec::{ActQuant, NodeSpec};
use crate::stored::StoredScratch;

/// Memory for one node at a time.
#[derive(Debug, Default)]
pub struct Scratch {
    /// int8 activation quantisers: codes, scales and the values they stand for.
    codes: Vec<i8>,
    scales: Vec<f32>,
    values: Vec<f32>,
    /// A pattern that is computed again, or two heads' scores in blocks.
    pub(super) pattern: Vec<f32>,
    /// Rows of a folded table.
    pub(super) rows: Vec<u32>,
    /// Angles of every position, for each kind of rotary node.
    angles: Vec<Angles>,
    /// Products with stored matrices.
    pub(super) stored: StoredScratch,
    /// Integer sums of a tap.
    pub(super) sums: Vec<i32>,
    /// The first product that failed (no memory); its results are NaN.
    pub(super) failed: Option<CoreError>,
}

impl Scratch {
    /// Room for the largest node of a plan of each kind.
    pub fn new(program: &Program, plan: &Plan) -> Result<Self> {
        let quantised = |n: &&NodeSpec| {
            n.is_tap()
                || matches!(n, NodeSpec::Linear { act_quant, .. } if *act_quant != ActQuant::None)
        };
        let inputs = program.spec.nodes.iter().filter(quantised).map(|n| n.inputs()[0]);
        let (mut len, mut rows) = (0, 0);
        for i in inputs {
            len = len.max(plan.nodes[i].len);
            rows = rows.max(plan.nodes[i].len / program.cols[i]);
        }
        let mut table = Vec::new();
        table.reserve_exact(folded_rows(program, plan));
        Ok(Self {
            codes: zeros(len)?,
            scales: zeros(rows)?,
            values: zeros(len)?,
            pattern: zeros(pattern(program, plan))?,
            rows: table,
            angles: angles(program, plan.seq),
            stored: StoredScratch::default(),
            sums: Vec::new(),
            failed: None,
        })
    }

    /// The angles of rotary node `i`.
    pub(super) fn angles(&self, program: &Program, i: usize) -> Option<&Angles> {
        let turn = program.spec.nodes[i].turn()?;
        self.angles.iter().find(|a| a.is_of(&turn))
    }

    /// int8 codes of `x` (rows of `cols`) and their scales; a row that holds NaN or infinity has a scale of NaN.
    pub(super) fn codes(&mut self, x: &[f32], cols: usize) -> (&[i8], &[f32], &mut StoredScratch) {
        let (codes, scales) = (&mut self.codes[..x.len()], &mut self.scales[..x.len() / cols]);
        quantize_activations(x, cols, codes, scales);
        (codes, scales, &mut self.stored)
    }

    /// `x` (rows of `cols`) as the int8 codes stand for it.
    pub(super) fn quantise<'s>(&'s mut self, x: &[f32], cols: usize) -> &'s [f32] {
        let rows = x.len() / cols;
        let (codes, scales) = (&mut self.codes[..x.len()], &mut self.scales[..rows]);
        linear::fake_quant_int8(x, cols, codes, scales, &mut self.values[..x.len()]);
        &self.values[..x.len()]
    }
}

/// The largest pattern of a softmax node, or that of two heads of an attention in blocks.
fn pattern(program: &Program, plan: &Plan) -> usize {
    let of = |i: usize| match (&program.spec.nodes[i], plan.roles[i]) {
        (_, Role::Attention(_)) => 2 * plan.seq * plan.seq,
        (NodeSpec::Softmax { .. }, Role::Plain) => plan.nodes[i].len,
        _ => 0,
    };
    (0..plan.nodes.len()).map(of).max().unwrap_or(0)
}

/// Rows of the largest folded table that a tile mixes.
fn folded_rows(program: &Program, plan: &Plan) -> usize {
    let of = |role: &Role| match role {
        Role::Folded(fold) => match program.spec.nodes[fold.mix] {
            NodeSpec::Mix { heads, .. } => plan.examples * plan.seq * heads,
            _ => 0,
        },
        _ => 0,
    };
    plan.roles.iter().map(of).max().unwrap_or(0)
}

/// One table of `seq` positions for each kind of rotary node.
pub(crate) fn angles(program: &Program, seq: usize) -> Vec<Angles> {
    let mut tables: Vec<Angles> = Vec::new();
    for turn in program.spec.nodes.iter().filter_map(NodeSpec::turn) {
        if !tables.iter().any(|a| a.is_of(&turn)) {
            tables.push(Angles::new(turn, seq));
        }
    }
    tables
}
