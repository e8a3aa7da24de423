//! Checks the operations of a Spec one by one and finds the columns of each.

use crate::error::{CoreError, Result};
use crate::program::compile::bad;
use crate::program::spec::{NodeSpec, Spec};

/// Checks one node after another and returns their columns.
pub(super) fn infer_cols(spec: &Spec) -> Result<Vec<usize>> {
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
