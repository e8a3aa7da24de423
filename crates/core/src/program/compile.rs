//! Checks a Spec and infers the width of every node. What passes here cannot panic later.

use crate::error::{CoreError, Result, codes};
use crate::program::params::{ParamPlace, Params};
use crate::program::spec::{Dim, Init, NodeSpec, Spec};
use crate::quant::Quant;

/// Most nodes, sites or parameters of a Spec: far above any model, far below what would make a hostile Spec expensive.
const MAX_ENTRIES: usize = 100_000;

/// Largest number of elements of any one tensor or arena: offsets stay exact in u32 and in JavaScript.
pub const MAX_ELEMENTS: usize = 1 << 30;

/// A compiled Spec.
#[derive(Debug, Clone)]
pub struct Program {
    /// The checked Spec.
    pub spec: Spec,
    /// Columns of each node's rows; for scores and pattern 0, since they depend on the sequence.
    pub cols: Vec<usize>,
    /// Whether a node's rows are one a sequence (after `last`) instead of one a position.
    pub is_last: Vec<bool>,
    /// Parameters.
    pub params: Params,
    /// Sites of each node, in firing order.
    pub sites_of: Vec<Vec<u32>>,
}

impl Program {
    /// Parses and checks a Spec.
    ///
    /// # Errors
    /// `E_SPEC` with what is wrong and where; `E_MEMORY` when the parameters do not fit.
    pub fn compile(json: &str) -> Result<Self> {
        let spec = Spec::from_json(json)?;
        check_sizes(&spec)?;
        check_params(&spec)?;
        let is_last = infer_last(&spec)?;
        let cols = infer_cols(&spec)?;
        check_sites(&spec)?;
        check_taps(&spec)?;
        check_stored(&spec)?;
        if spec.output >= spec.nodes.len() || cols[spec.output] == 0 {
            return Err(bad("output", "a node with rows", spec.output));
        }
        let mut sites_of = vec![Vec::new(); spec.nodes.len()];
        for (i, site) in spec.sites.iter().enumerate() {
            sites_of[site.node].push(i as u32);
        }
        let params = Params::new(ParamPlace::lay_out(&spec.params))?;
        Ok(Self { spec, cols, is_last, params, sites_of })
    }

    /// Whether permuting all tokens but the last leaves the output as it is: no positions, no mask, read-out at the last position.
    pub fn is_order_invariant(&self) -> bool {
        let last = matches!(self.spec.nodes[self.spec.output], NodeSpec::Last { .. })
            || self.spec.nodes.iter().any(|n| matches!(n, NodeSpec::Last { .. }));
        last && !self.spec.nodes.iter().any(|n| {
            matches!(
                n,
                NodeSpec::Pos { .. }
                    | NodeSpec::Rotary { .. }
                    | NodeSpec::Scores { causal: true, .. }
            )
        })
    }

    /// Whether any node depends on the position.
    pub fn uses_positions(&self) -> bool {
        self.spec.nodes.iter().any(|n| matches!(n, NodeSpec::Pos { .. } | NodeSpec::Rotary { .. }))
    }
}

fn bad(what: &str, expected: impl std::fmt::Display, found: impl std::fmt::Display) -> CoreError {
    CoreError::new(codes::SPEC, format!("{what} is not valid")).expected(expected, found)
}

fn check_sizes(spec: &Spec) -> Result<()> {
    let most = spec.nodes.len().max(spec.sites.len()).max(spec.params.len());
    if most > MAX_ENTRIES {
        return Err(bad("number of entries", format!("at most {MAX_ENTRIES}"), most));
    }
    Ok(())
}

/// Which nodes come after `last`; refuses nodes that mix both kinds of rows.
fn infer_last(spec: &Spec) -> Result<Vec<bool>> {
    let mut out: Vec<bool> = Vec::with_capacity(spec.nodes.len());
    for (i, node) in spec.nodes.iter().enumerate() {
        let inputs = node.inputs();
        if let Some(&late) = inputs.iter().find(|&&k| k >= i) {
            let what = format!("node {i}: input");
            return Err(bad(&what, format!("a node before {i}"), late));
        }
        let any = inputs.iter().any(|&k| out[k]);
        let all = inputs.iter().all(|&k| out[k]);
        let attention = matches!(
            node,
            NodeSpec::Scores { .. } | NodeSpec::Mix { .. } | NodeSpec::Rotary { .. }
        );
        if any && (!all || attention) {
            let what = format!("node {i}: input");
            return Err(bad(&what, "rows of all positions", "rows after `last`"));
        }
        out.push(matches!(node, NodeSpec::Last { .. }) || (any && !inputs.is_empty()));
    }
    Ok(out)
}

fn check_params(spec: &Spec) -> Result<()> {
    if spec.vocab == 0 || spec.ctx == 0 {
        return Err(bad("vocab or ctx", "at least 1", "0"));
    }
    let mut names = std::collections::BTreeSet::new();
    let mut total = 0usize;
    for p in &spec.params {
        if !names.insert(p.name.as_str()) {
            return Err(bad("parameter name", "unique names", &p.name));
        }
        let len = p.shape.iter().try_fold(1usize, |a, &d| a.checked_mul(d)).unwrap_or(usize::MAX);
        // Stored matrices take no part in the flat vector; how large they may be is up to their format.
        total = if p.stored { total } else { total.saturating_add(len) };
        if len == 0 || total > MAX_ELEMENTS || len > u32::MAX as usize {
            let what = format!("shape of {}", p.name);
            return Err(bad(&what, "1 to 2^30 elements in all", format!("{:?}", p.shape)));
        }
        let number = match p.init {
            Init::Normal { std: v } | Init::Uniform { bound: v } | Init::Constant { value: v } => v,
        };
        if !number.is_finite() {
            return Err(bad(&format!("init of {}", p.name), "a finite number", number));
        }
    }
    Ok(())
}

/// Taps are looked at by listeners alone.
fn check_taps(spec: &Spec) -> Result<()> {
    let read = |i: usize| spec.nodes.iter().any(|n| n.inputs().contains(&i)) || spec.output == i;
    match spec.nodes.iter().enumerate().find(|(i, n)| n.is_tap() && read(*i)) {
        Some((i, _)) => Err(bad(&format!("node {i}"), "a tap that nothing reads", "a reader")),
        None => Ok(()),
    }
}

/// Stored parameters are matrices that embeddings and linear layers read, without a quantiser of their own.
fn check_stored(spec: &Spec) -> Result<()> {
    for p in spec.params.iter().filter(|p| p.stored) {
        if p.shape.len() != 2 || p.quant != Quant::None {
            let what = format!("stored parameter {}", p.name);
            return Err(bad(&what, "2 axes and quant none", format!("{:?}", p.shape)));
        }
    }
    for (i, node) in spec.nodes.iter().enumerate() {
        let matrix =
            matches!(node, NodeSpec::Embed { .. } | NodeSpec::Pos { .. } | NodeSpec::Acc { .. });
        let [w, b] = node.params();
        let whole = [w.filter(|_| !matrix && !matches!(node, NodeSpec::Linear { .. })), b];
        if let Some(p) = whole.into_iter().flatten().find(|&p| spec.params[p].stored) {
            let what = format!("node {i}: parameter {}", spec.params[p].name);
            return Err(bad(&what, "a parameter that is not stored", "a stored one"));
        }
        if let NodeSpec::Acc { w, .. } = *node
            && !spec.params[w].stored
            && spec.params[w].quant == Quant::None
        {
            return Err(bad(
                &format!("node {i}"),
                "a quantised or stored weight",
                "full precision",
            ));
        }
    }
    Ok(())
}

fn check_sites(spec: &Spec) -> Result<()> {
    let mut names = std::collections::BTreeSet::new();
    for s in &spec.sites {
        if s.node >= spec.nodes.len() {
            return Err(bad(&format!("node of site {}", s.name), spec.nodes.len(), s.node));
        }
        if !names.insert(s.name.as_str()) {
            return Err(bad("site name", "unique names", &s.name));
        }
        if s.shape.is_empty() || s.shape.len() > 4 {
            return Err(bad(&format!("shape of site {}", s.name), "1 to 4 axes", s.shape.len()));
        }
        for d in &s.shape {
            if let Dim::Name(n) = d
                && !["batch", "seq", "keys"].contains(&n.as_str())
            {
                let what = format!("axis of site {}", s.name);
                return Err(bad(&what, "batch, seq or keys", n));
            }
        }
    }
    Ok(())
}

/// Checks one node after another and returns their columns.
fn infer_cols(spec: &Spec) -> Result<Vec<usize>> {
    let mut cols: Vec<usize> = Vec::with_capacity(spec.nodes.len());
    for (i, node) in spec.nodes.iter().enumerate() {
        let check = NodeCheck { spec, cols: &cols, node, index: i };
        check.inputs_exist()?;
        cols.push(check.cols()?);
    }
    Ok(cols)
}

struct NodeCheck<'a> {
    spec: &'a Spec,
    cols: &'a [usize],
    node: &'a NodeSpec,
    index: usize,
}

impl NodeCheck<'_> {
    fn bad(
        &self,
        what: &str,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> CoreError {
        bad(&format!("node {}: {what}", self.index), expected, found)
    }

    fn inputs_exist(&self) -> Result<()> {
        for &i in self.node.inputs() {
            if i >= self.index {
                return Err(self.bad("input", format!("a node before {}", self.index), i));
            }
        }
        for p in self.node.params().into_iter().flatten() {
            if p >= self.spec.params.len() {
                let expected = format!("a parameter below {}", self.spec.params.len());
                return Err(self.bad("parameter", expected, p));
            }
        }
        Ok(())
    }

    /// Columns of a row-shaped input.
    fn input(&self, k: usize) -> Result<usize> {
        let i = self.node.inputs()[k];
        if self.cols[i] == 0 {
            return Err(self.bad("input", "a node with rows", "attention scores or pattern"));
        }
        Ok(self.cols[i])
    }

    fn attention_input(&self, k: usize) -> Result<()> {
        let i = self.node.inputs()[k];
        match self.spec.nodes[i] {
            NodeSpec::Scores { .. } | NodeSpec::Softmax { .. } => Ok(()),
            _ => Err(self.bad("input", "attention scores or pattern", format!("node {i}"))),
        }
    }

    fn shape(&self, param: usize, expected: &[usize]) -> Result<()> {
        let p = &self.spec.params[param];
        if p.shape.iter().product::<usize>() == expected.iter().product::<usize>() {
            return Ok(());
        }
        let what = format!("shape of {}", p.name);
        Err(self.bad(&what, format!("{expected:?}"), format!("{:?}", p.shape)))
    }

    fn optional_vector(&self, param: Option<usize>, len: usize) -> Result<()> {
        param.map_or(Ok(()), |p| self.shape(p, &[len]))
    }

    fn matrix(&self, w: usize, rows: Option<usize>, cols: Option<usize>) -> Result<[usize; 2]> {
        let p = &self.spec.params[w];
        let [r, c] = p.shape[..] else {
            return Err(self.bad(
                &format!("shape of {}", p.name),
                "2 axes",
                format!("{:?}", p.shape),
            ));
        };
        if rows.is_some_and(|x| x != r) || cols.is_some_and(|x| x != c) {
            let expected = format!("[{}, {}]", show(rows), show(cols));
            let what = format!("shape of {}", p.name);
            return Err(self.bad(&what, expected, format!("{:?}", p.shape)));
        }
        Ok([r, c])
    }

    fn divides(&self, what: &str, parts: usize, whole: usize) -> Result<usize> {
        if parts == 0 || !whole.is_multiple_of(parts) {
            return Err(self.bad(what, format!("a divisor of {whole}"), parts));
        }
        Ok(whole / parts)
    }

    fn equal(&self, what: &str, expected: usize, found: usize) -> Result<()> {
        if expected == found { Ok(()) } else { Err(self.bad(what, expected, found)) }
    }

    fn finite(&self, what: &str, x: f32) -> Result<()> {
        if x.is_finite() { Ok(()) } else { Err(self.bad(what, "a finite number", x)) }
    }

    fn cols(&self) -> Result<usize> {
        match *self.node {
            NodeSpec::Embed { w } => Ok(self.matrix(w, Some(self.spec.vocab), None)?[1]),
            NodeSpec::Pos { w } => Ok(self.matrix(w, Some(self.spec.ctx), None)?[1]),
            NodeSpec::Add { .. } => self.same_inputs(),
            NodeSpec::NormScale { eps, floor, heads, .. } => {
                self.finite("eps", eps)?;
                self.finite("floor", floor)?;
                self.divides("heads", heads, self.input(0)?)?;
                Ok(heads)
            }
            NodeSpec::NormApply { w, b, heads, .. } => {
                let d = self.input(0)?;
                let vector = self.divides("heads", heads, d)?;
                self.equal("columns of the scale", heads, self.input(1)?)?;
                self.optional_vector(w, vector)?;
                self.optional_vector(b, vector)?;
                Ok(d)
            }
            NodeSpec::Gain { w, heads, .. } => {
                let d = self.input(0)?;
                self.optional_vector(Some(w), self.divides("heads", heads, d)?)?;
                Ok(d)
            }
            NodeSpec::CodeScale { .. } => self.input(0).map(|_| 1),
            NodeSpec::Acc { w, .. } => Ok(self.matrix(w, None, Some(self.input(0)?))?[0]),
            NodeSpec::Linear { w, b, .. } => {
                let [out, _] = self.matrix(w, None, Some(self.input(0)?))?;
                self.optional_vector(b, out)?;
                Ok(out)
            }
            NodeSpec::Rotary { heads, dim, base, ref freqs, scale, .. } => {
                let d = self.input(0)?;
                let head = self.divides("heads", heads, d)?;
                if dim > head || dim % 2 == 1 {
                    return Err(self.bad("dim", format!("even, at most {head}"), dim));
                }
                if !freqs.is_empty() {
                    self.equal("number of freqs", dim / 2, freqs.len())?;
                }
                freqs.iter().chain([&base, &scale]).try_for_each(|&x| self.finite("number", x))?;
                Ok(d)
            }
            NodeSpec::Glu { b, .. } => {
                let d = self.same_inputs()?;
                self.optional_vector(b, d)?;
                Ok(d)
            }
            NodeSpec::Act { .. }
            | NodeSpec::Last { .. }
            | NodeSpec::Copy { .. }
            | NodeSpec::Codes { .. } => self.input(0),
            NodeSpec::Scores { heads, kv_heads, scale, .. } => self.scores(heads, kv_heads, scale),
            NodeSpec::Softmax { .. } => self.attention_input(0).map(|()| 0),
            NodeSpec::Mix { heads, kv_heads, .. } => {
                self.attention_input(0)?;
                self.divides("kvHeads", kv_heads, heads)?;
                self.equal("heads", self.heads_of(self.node.inputs()[0]), heads)?;
                Ok(heads * self.divides("kvHeads", kv_heads, self.input(1)?)?)
            }
        }
    }

    fn same_inputs(&self) -> Result<usize> {
        let d = self.input(0)?;
        self.equal("columns of the second input", d, self.input(1)?)?;
        Ok(d)
    }

    fn scores(&self, heads: usize, kv_heads: usize, scale: f32) -> Result<usize> {
        self.finite("scale", scale)?;
        self.divides("kvHeads", kv_heads, heads)?;
        let dq = self.divides("heads", heads, self.input(0)?)?;
        let dk = self.divides("kvHeads", kv_heads, self.input(1)?)?;
        self.equal("head size of k", dq, dk)?;
        Ok(0)
    }

    fn heads_of(&self, mut node: usize) -> usize {
        // A loop, not recursion: the depth is the caller's data.
        loop {
            match &self.spec.nodes[node] {
                NodeSpec::Scores { heads, .. } => return *heads,
                NodeSpec::Softmax { input } => node = input[0],
                _ => return 0,
            }
        }
    }
}

fn show(x: Option<usize>) -> String {
    x.map_or_else(|| String::from("any"), |v| v.to_string())
}
