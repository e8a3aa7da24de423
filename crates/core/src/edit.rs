//! Interventions as data: they run inside the core, so a sweep crosses the boundary once a run.
//!
//! Wire form: twelve integers an edit, `[site, kind, lo0, hi0, lo1, hi1, lo2, hi2, lo3, hi3, offset, length]`. The half-open ranges choose a
//! box of the site's axes (unused axes: 0, 0), `offset` and `length` a slice of the floats.

use ndarray::{ArrayView4, ArrayViewMut4, Axis, Slice, Zip};

use crate::error::{CoreError, Result, codes};

/// Integers of one edit.
pub const RECORD: usize = 12;

/// What happens to the chosen box. The gradient of a box that was overwritten is zero; that of the others is the transpose of the edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditKind {
    /// x = 0.
    Zero,
    /// x = mean of x over the batch (axis 0).
    Mean,
    /// x = data: one number, one box, or one box without the batch axis.
    Set,
    /// x += data, of the same lengths.
    Add,
    /// x *= one number.
    Scale,
    /// x -= (x.u) u along the last axis, u = data / |data|.
    Project,
    /// x = the same box of data, which has the shape of the whole site (or of one example). Read as [`EditKind::Set`].
    Patch,
    /// x = what the plain run has there; in sweeps only.
    Freeze,
}

impl EditKind {
    const ALL: [Self; 8] = [
        Self::Zero,
        Self::Mean,
        Self::Set,
        Self::Add,
        Self::Scale,
        Self::Project,
        Self::Patch,
        Self::Freeze,
    ];
}

/// One checked edit.
#[derive(Debug, Clone)]
pub struct Edit {
    /// Site index.
    pub site: usize,
    /// What happens.
    pub kind: EditKind,
    /// Half-open ranges of the site's axes.
    pub ranges: Vec<(usize, usize)>,
    data: Vec<f32>,
}

impl Edit {
    /// Reads and checks all edits; `shape_of` gives the shape of a site, or `None` for an unknown one.
    ///
    /// # Errors
    /// `E_NAME` for an unknown site or kind, `E_RANGE` for a box outside the site, `E_SHAPE` for data that do not fit the box, `E_MODE` for a kind that only
    /// sweeps know.
    pub fn parse_all(
        ints: &[i32],
        floats: &[f32],
        shape_of: impl Fn(usize) -> Option<Vec<usize>>,
    ) -> Result<Vec<Self>> {
        let edits = Self::parse_sweep(ints, floats, shape_of)?;
        if edits.iter().any(|e| e.kind == EditKind::Freeze) {
            return Err(CoreError::new(codes::MODE, "a single run has nothing to freeze")
                .expected("a sweep", "an edit of kind freeze"));
        }
        Ok(edits)
    }

    /// As [`Edit::parse_all`], with the kinds that only sweeps know.
    ///
    /// # Errors
    /// As [`Edit::parse_all`], without `E_MODE`.
    pub fn parse_sweep(
        ints: &[i32],
        floats: &[f32],
        shape_of: impl Fn(usize) -> Option<Vec<usize>>,
    ) -> Result<Vec<Self>> {
        if !ints.len().is_multiple_of(RECORD) {
            return Err(CoreError::new(codes::SHAPE, "edits have the wrong length")
                .expected(format!("a multiple of {RECORD}"), ints.len()));
        }
        ints.chunks_exact(RECORD).map(|r| Self::parse(r, floats, &shape_of)).collect()
    }

    fn parse(
        r: &[i32],
        floats: &[f32],
        shape_of: &impl Fn(usize) -> Option<Vec<usize>>,
    ) -> Result<Self> {
        let site = usize::try_from(r[0]).unwrap_or(usize::MAX);
        let shape = shape_of(site)
            .ok_or_else(|| CoreError::new(codes::NAME, format!("no site has index {}", r[0])))?;
        let kind = usize::try_from(r[1])
            .ok()
            .and_then(|k| EditKind::ALL.get(k).copied())
            .ok_or_else(|| CoreError::new(codes::NAME, format!("no edit has kind {}", r[1])))?;
        let ranges = shape
            .iter()
            .enumerate()
            .map(|(axis, &size)| range(r[2 + 2 * axis], r[3 + 2 * axis], size, axis))
            .collect::<Result<Vec<_>>>()?;
        let data = slice(floats, r[10], r[11])?;
        let mut edit = Self { site, kind, ranges, data: Vec::new() };
        edit.check_data(&shape, data.len())?;
        if kind == EditKind::Patch {
            edit.kind = EditKind::Set;
            edit.data = edit.cut(&shape, data);
        } else {
            edit.data = data.to_vec();
        }
        Ok(edit)
    }

    /// The box of a whole site, or of a whole example.
    fn cut(&self, shape: &[usize], whole: &[f32]) -> Vec<f32> {
        let mut shape = shape.to_vec();
        let mut ranges = self.ranges.clone();
        if whole.len() != shape.iter().product::<usize>() {
            (shape[0], ranges[0]) = (1, (0, 1));
        }
        let Some(mut view) = ArrayView4::from_shape(four(&shape, 1), whole).ok() else {
            return Vec::new();
        };
        let places = four(&(0..shape.len()).collect::<Vec<_>>(), usize::MAX);
        for (axis, place) in places.into_iter().enumerate() {
            if let Some(&(lo, hi)) = ranges.get(place) {
                view.slice_axis_inplace(Axis(axis), Slice::from(lo..hi));
            }
        }
        view.iter().copied().collect()
    }

    /// What the edit does to example `b` alone, of which positions from `lo` on (along `axis`) are at hand; `None` when that is nothing. The box has to lie within these.
    pub fn of_example(&self, b: usize, axis: usize, lo: usize) -> Option<Self> {
        let (first, last) = self.ranges[0];
        if b < first || b >= last {
            return None;
        }
        let mut one = self.clone();
        one.ranges[0] = (0, 1);
        one.ranges[axis] = (self.ranges[axis].0 - lo, self.ranges[axis].1 - lo);
        let size: usize = self.sizes()[1..].iter().product();
        let whole = matches!(self.kind, EditKind::Set | EditKind::Add)
            && last - first > 1
            && self.data.len() == size * (last - first);
        if whole {
            one.data = self.data[(b - first) * size..][..size].to_vec();
        }
        Some(one)
    }

    fn sizes(&self) -> Vec<usize> {
        self.ranges.iter().map(|(lo, hi)| hi - lo).collect()
    }

    fn check_data(&self, shape: &[usize], found: usize) -> Result<()> {
        let sizes = self.sizes();
        let whole: usize = sizes.iter().product();
        let one: usize = sizes[1..].iter().product();
        let allowed: Vec<usize> = match self.kind {
            EditKind::Zero | EditKind::Mean | EditKind::Freeze => vec![0],
            EditKind::Set | EditKind::Add => vec![1, one, whole],
            EditKind::Scale => vec![1],
            EditKind::Project => vec![*sizes.last().unwrap_or(&0)],
            EditKind::Patch => vec![shape.iter().product(), shape[1..].iter().product()],
        };
        if allowed.contains(&found) {
            return Ok(());
        }
        Err(CoreError::new(codes::SHAPE, format!("data of a {:?} edit do not fit", self.kind))
            .expected(format!("{allowed:?} numbers"), found))
    }

    fn box_of<'a>(&self, shape: &[usize], x: &'a mut [f32]) -> Option<ArrayViewMut4<'a, f32>> {
        let mut view = ArrayViewMut4::from_shape(four(shape, 1), x).ok()?;
        let places = four(&(0..shape.len()).collect::<Vec<_>>(), usize::MAX);
        for (axis, place) in places.into_iter().enumerate() {
            if let Some(&(lo, hi)) = self.ranges.get(place) {
                view.slice_axis_inplace(Axis(axis), Slice::from(lo..hi));
            }
        }
        Some(view)
    }

    /// The box of `x` becomes that of `from`, which has the same shape.
    pub fn copy_box(&self, shape: &[usize], from: &[f32], x: &mut [f32]) {
        let whole = self.cut(shape, from);
        let Some(mut view) = self.box_of(shape, x) else { return };
        view.iter_mut().zip(whole).for_each(|(x, y)| *x = y);
    }

    /// Applies the edit to an activation of the given shape.
    pub fn apply(&self, shape: &[usize], x: &mut [f32]) {
        let Some(mut x) = self.box_of(shape, x) else { return };
        match self.kind {
            EditKind::Zero => scale(&mut x, None),
            EditKind::Mean => spread_mean(&mut x),
            EditKind::Set => self.write(&mut x, false),
            EditKind::Add => self.write(&mut x, true),
            EditKind::Scale => scale(&mut x, Some(self.data[0])),
            EditKind::Project => self.project(&mut x),
            EditKind::Patch | EditKind::Freeze => {}
        }
    }

    /// Turns the gradient after the edit into the one before it.
    pub fn apply_to_gradient(&self, shape: &[usize], grad: &mut [f32]) {
        let Some(mut g) = self.box_of(shape, grad) else { return };
        match self.kind {
            EditKind::Zero | EditKind::Set => scale(&mut g, None),
            EditKind::Mean => spread_mean(&mut g),
            EditKind::Add | EditKind::Patch | EditKind::Freeze => {}
            EditKind::Scale => scale(&mut g, Some(self.data[0])),
            EditKind::Project => self.project(&mut g),
        }
    }

    /// Sets or adds the data, spread over the box.
    fn write(&self, x: &mut ArrayViewMut4<'_, f32>, add: bool) {
        let sizes = self.sizes();
        let whole: usize = sizes.iter().product();
        let shape = match self.data.len() {
            1 => [1; AXES],
            n if n == whole => four(&sizes, 1),
            _ => four(&[&[1], &sizes[1..]].concat(), 1),
        };
        let data = ArrayView4::from_shape(shape, &self.data)
            .unwrap_or_else(|_| unreachable!("check_data proved the length"));
        Zip::from(x).and_broadcast(&data).for_each(|x, &d| *x = if add { *x + d } else { d });
    }

    fn project(&self, x: &mut ArrayViewMut4<'_, f32>) {
        let norm2: f64 = self.data.iter().map(|&u| f64::from(u) * f64::from(u)).sum();
        if norm2 == 0.0 {
            return;
        }
        // The last axis stays the last one among four, unless it is the first as well.
        let last = if self.ranges.len() == 1 { 0 } else { AXES - 1 };
        for mut lane in x.lanes_mut(Axis(last)) {
            let dot: f64 =
                lane.iter().zip(&self.data).map(|(&a, &u)| f64::from(a) * f64::from(u)).sum();
            let factor = (dot / norm2) as f32;
            lane.iter_mut().zip(&self.data).for_each(|(a, &u)| *a -= factor * u);
        }
    }
}

/// Most axes of a site. Views of a fixed number of axes are a tenth of the code of those of any number.
const AXES: usize = 4;

/// A list with one entry an axis as a list of four: `filler` goes between the first entry (the batch) and the others.
fn four(entries: &[usize], filler: usize) -> [usize; AXES] {
    let mut out = [filler; AXES];
    if let Some((&first, others)) = entries.split_first() {
        out[0] = first;
        out[AXES - others.len()..].copy_from_slice(others);
    }
    out
}

/// x times a factor; exactly 0 without one, whatever x was.
fn scale(x: &mut ArrayViewMut4<'_, f32>, factor: Option<f32>) {
    x.map_inplace(|x| *x = factor.map_or(0.0, |factor| *x * factor));
}

/// Every example becomes the mean over the batch.
fn spread_mean(x: &mut ArrayViewMut4<'_, f32>) {
    for mut lane in x.lanes_mut(Axis(0)) {
        let mean = lane.iter().sum::<f32>() / lane.len() as f32;
        lane.iter_mut().for_each(|x| *x = mean);
    }
}

fn range(lo: i32, hi: i32, size: usize, axis: usize) -> Result<(usize, usize)> {
    match (usize::try_from(lo), usize::try_from(hi)) {
        (Ok(l), Ok(h)) if l < h && h <= size => Ok((l, h)),
        _ => Err(CoreError::new(codes::RANGE, format!("edit is outside axis {axis}"))
            .expected(format!("0 <= lo < hi <= {size}"), format!("{lo}..{hi}"))),
    }
}

fn slice(floats: &[f32], offset: i32, len: i32) -> Result<&[f32]> {
    let (offset, len) = (usize::try_from(offset).ok(), usize::try_from(len).ok());
    offset
        .zip(len)
        .and_then(|(o, l)| floats.get(o..o.checked_add(l)?))
        .ok_or_else(|| CoreError::new(codes::SHAPE, "an edit's data lie outside the floats"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(kind: i32, box_: [i32; 4], data: &[f32]) -> Result<Edit> {
        let mut r = vec![0, kind, box_[0], box_[1], box_[2], box_[3]];
        r.extend([0, 0, 0, 0, 0, data.len() as i32]);
        Ok(Edit::parse_all(&r, data, |s| (s == 0).then(|| vec![2, 3]))?.remove(0))
    }

    fn after(kind: i32, box_: [i32; 4], data: &[f32]) -> Vec<f32> {
        let mut x = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        edit(kind, box_, data).unwrap().apply(&[2, 3], &mut x);
        x
    }

    #[test]
    fn changes_the_box_and_nothing_else() {
        assert_eq!(after(0, [0, 1, 1, 3], &[]), [1.0, 0.0, 0.0, 4.0, 5.0, 6.0]);
        assert_eq!(after(1, [0, 2, 0, 3], &[]), [2.5, 3.5, 4.5, 2.5, 3.5, 4.5]);
        assert_eq!(after(2, [0, 2, 0, 2], &[7.0, 8.0]), [7.0, 8.0, 3.0, 7.0, 8.0, 6.0]);
        assert_eq!(after(3, [1, 2, 0, 3], &[1.0]), [1.0, 2.0, 3.0, 5.0, 6.0, 7.0]);
        assert_eq!(after(4, [0, 2, 2, 3], &[-1.0]), [1.0, 2.0, -3.0, 4.0, 5.0, -6.0]);
        assert_eq!(after(5, [0, 2, 0, 3], &[0.0, 2.0, 0.0]), [1.0, 0.0, 3.0, 4.0, 0.0, 6.0]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(edit(0, [0, 3, 0, 3], &[]).unwrap_err().code, codes::RANGE);
        assert_eq!(edit(0, [1, 1, 0, 3], &[]).unwrap_err().code, codes::RANGE);
        assert_eq!(edit(9, [0, 2, 0, 3], &[]).unwrap_err().code, codes::NAME);
        assert_eq!(edit(2, [0, 2, 0, 3], &[1.0, 2.0]).unwrap_err().code, codes::SHAPE);
        assert!(Edit::parse_all(&[1, 2], &[], |_| None).is_err());
    }
}
