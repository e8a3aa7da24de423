//! The flat parameter vector of a program, with its quantised matrices kept beside it.

use crate::error::{Result, check_len, zeros};
use crate::program::refresh::Matrices;
use crate::program::spec::{Init, ParamSpec};
use crate::quant::Quant;
use crate::rng::Rng;

/// Where one parameter lies in the flat vector.
#[derive(Debug, Clone)]
pub struct ParamPlace {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// First element.
    pub offset: usize,
    /// Number of elements.
    pub len: usize,
    /// Initial values.
    pub init: Init,
    /// Quantiser.
    pub quant: Quant,
}

impl ParamPlace {
    /// Lays parameters out one after another.
    pub fn lay_out(specs: &[ParamSpec]) -> Vec<Self> {
        let mut offset = 0;
        specs
            .iter()
            .map(|s| {
                let len = s.shape.iter().product();
                let place = Self {
                    name: s.name.clone(),
                    shape: s.shape.clone(),
                    offset,
                    len,
                    init: s.init,
                    quant: s.quant,
                };
                offset += len;
                place
            })
            .collect()
    }

    /// Range in the flat vector.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.len
    }
}

/// Latent parameters, the codes and effective matrices of the quantised ones. Codes and effective values are brought up to date by
/// [`Params::refresh`]; every writer marks them stale.
#[derive(Debug, Clone)]
pub struct Params {
    places: Vec<ParamPlace>,
    latent: Vec<f32>,
    effective: Vec<f32>,
    codes: Vec<i8>,
    scales: Vec<f32>,
    /// Effective matrices as `[in, out]`, for those in `transposable`.
    transposed: Vec<f32>,
    transposable: Vec<bool>,
    stale: bool,
}

impl Params {
    /// Zeroed parameters.
    pub fn new(places: Vec<ParamPlace>) -> Result<Self> {
        let len = places.last().map_or(0, |p| p.offset + p.len);
        let any = places.iter().any(|p| p.quant != Quant::None);
        let quantised = if any { len } else { 0 };
        Ok(Self {
            scales: vec![1.0; places.len()],
            latent: zeros(len)?,
            effective: zeros(quantised)?,
            codes: zeros(quantised)?,
            transposed: Vec::new(),
            transposable: Vec::new(),
            places,
            stale: true,
        })
    }

    /// All places.
    pub fn places(&self) -> &[ParamPlace] {
        &self.places
    }

    /// The flat latent vector.
    pub fn latent(&self) -> &[f32] {
        &self.latent
    }

    /// The flat latent vector for writing; marks the effective matrices stale.
    pub fn latent_mut(&mut self) -> &mut [f32] {
        self.stale = true;
        &mut self.latent
    }

    /// Overwrites one parameter.
    pub fn write(&mut self, index: usize, data: &[f32]) -> Result<()> {
        let range = self.places[index].range();
        check_len(&format!("data for {}", self.places[index].name), range.len(), data.len())?;
        self.latent_mut()[range].copy_from_slice(data);
        Ok(())
    }

    /// Fills every parameter as its `init` says; stream i of `seed` belongs to parameter i.
    pub fn init(&mut self, seed: u64) {
        for i in 0..self.places.len() {
            let place = self.places[i].clone();
            let rng = Rng::new(seed, i as u64);
            for (j, x) in self.latent_mut()[place.range()].iter_mut().enumerate() {
                *x = match place.init {
                    Init::Normal { std } => (std * rng.normal(j as u64)) as f32,
                    Init::Uniform { bound } => (bound * (2.0 * rng.uniform(j as u64) - 1.0)) as f32,
                    Init::Constant { value } => value as f32,
                };
            }
        }
    }

    /// Quantises what changed since the last call.
    pub fn refresh(&mut self) {
        if !self.stale {
            return;
        }
        let whole = Matrices {
            places: &self.places,
            latent: &self.latent,
            effective: &mut self.effective,
            codes: &mut self.codes,
            scales: &mut self.scales,
            transposed: &mut self.transposed,
            transposable: &self.transposable,
        };
        whole.refresh();
        self.stale = false;
    }

    /// From now on keeps `[in, out]` copies of these matrices as well: the trainer's products read them many times a step, and the library
    /// would otherwise rearrange them each time.
    ///
    /// # Errors
    /// `E_MEMORY` when they do not fit.
    pub fn keep_transposed(&mut self, matrices: Vec<usize>) -> Result<()> {
        self.transposed = zeros(self.latent.len())?;
        self.transposable = vec![false; self.places.len()];
        for i in matrices {
            self.transposable[i] = true;
        }
        self.stale = true;
        Ok(())
    }

    /// Turns the flat gradient of the effective matrices into that of the latent ones, in place.
    pub fn differentiate_quantisers(&self, grad: &mut [f32]) {
        for place in &self.places {
            place.quant.backward(&mut grad[place.range()]);
        }
    }

    /// The effective matrix as `[in, out]`, when it is kept.
    pub fn transposed(&self, index: usize) -> Option<&[f32]> {
        let kept = self.transposable.get(index) == Some(&true);
        kept.then(|| &self.transposed[self.places[index].range()])
    }

    /// The matrix the forward pass multiplies with, as of the last [`Params::refresh`].
    pub fn effective(&self, index: usize) -> &[f32] {
        let place = &self.places[index];
        let all = if place.quant == Quant::None { &self.latent } else { &self.effective };
        &all[place.range()]
    }

    /// Codes and scale of a quantised parameter, as of the last [`Params::refresh`]; `None` when it is not quantised.
    pub fn codes(&self, index: usize) -> Option<(&[i8], f32)> {
        let place = &self.places[index];
        (place.quant != Quant::None).then(|| (&self.codes[place.range()], self.scales[index]))
    }
}
