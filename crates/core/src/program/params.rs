//! The flat parameter vector of a program, with its quantised matrices kept beside it.

use std::sync::Arc;

use crate::error::{CoreError, Result, check_len, codes, zeros};
use crate::program::refresh::Matrices;
use crate::program::spec::{Init, ParamSpec};
use crate::quant::Quant;
use crate::rng::Rng;
use crate::stored::Stored;

/// Where one parameter lies in the flat vector.
#[derive(Debug, Clone)]
pub struct ParamPlace {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// First element.
    pub offset: usize,
    /// Number of elements in the flat vector: none when stored.
    pub len: usize,
    /// Whether it is a matrix of a checkpoint.
    pub stored: bool,
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
                let len = if s.stored { 0 } else { s.shape.iter().product() };
                let place = Self {
                    name: s.name.clone(),
                    shape: s.shape.clone(),
                    offset,
                    len,
                    stored: s.stored,
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
    /// The matrices of a checkpoint, where a parameter is one and it has been loaded.
    stored: Vec<Option<Arc<Stored>>>,
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
            stored: vec![None; places.len()],
            places,
            stale: true,
        })
    }

    /// All places.
    pub fn places(&self) -> &[ParamPlace] {
        &self.places
    }

    /// Bytes of all parameters with what is kept beside them.
    pub fn bytes(&self) -> usize {
        let floats = self.latent.len() + self.effective.len() + self.transposed.len();
        let stored: usize = self.stored.iter().flatten().map(|m| m.info().bytes).sum();
        floats * size_of::<f32>() + self.codes.len() + stored
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

    /// The stored matrix of a parameter, when it is one and has been loaded.
    pub fn stored(&self, index: usize) -> Option<&Arc<Stored>> {
        self.stored[index].as_ref()
    }

    /// Puts a matrix in place.
    ///
    /// # Errors
    /// `E_SPEC` when the parameter is not a stored one, `E_SHAPE` for another shape.
    pub fn store(&mut self, index: usize, matrix: Stored) -> Result<()> {
        let place = self.stored_place(index)?;
        check_len(&format!("rows of {}", place.name), place.shape[0], matrix.rows())?;
        check_len(&format!("columns of {}", place.name), place.shape[1], matrix.cols())?;
        self.stored[index] = Some(Arc::new(matrix));
        Ok(())
    }

    /// The place of a stored parameter.
    ///
    /// # Errors
    /// `E_SPEC` when the parameter is not a stored one.
    pub fn stored_place(&self, index: usize) -> Result<&ParamPlace> {
        let place = &self.places[index];
        if place.stored {
            return Ok(place);
        }
        Err(CoreError::new(codes::SPEC, format!("parameter {} is not stored", place.name))
            .expected("a parameter whose Spec says stored", "a latent one"))
    }

    /// Refuses to run while a stored parameter is empty.
    ///
    /// # Errors
    /// `E_SPEC` naming it.
    pub fn check_loaded(&self) -> Result<()> {
        let empty = |(place, matrix): &(&ParamPlace, &Option<Arc<Stored>>)| {
            place.stored && matrix.is_none()
        };
        match self.places.iter().zip(&self.stored).find(empty) {
            None => Ok(()),
            Some((place, _)) => {
                Err(CoreError::new(codes::SPEC, format!("parameter {} is empty", place.name))
                    .expected("a matrix loaded by openStored, writeStored, finishStored", "none"))
            }
        }
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
