//! What this machine can do at most: short loops without anything around them. A kernel's speed is read as a share of the loop that bounds it.
//!
//! Every loop does nothing but the instructions of its name, on registers or on data of the stated size. Work is counted as the kernels count it: one product of a
//! weight and an activation; bytes for reading.

#[cfg(target_arch = "x86_64")]
mod decode;
#[cfg(target_arch = "x86_64")]
mod read;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::case::Case;
use super::inputs::aligned;
use super::request::Request;
use super::team::Team;

/// A loop of `iterations` steps, or one pass over memory.
///
/// The functions are `unsafe` for one reason: they need the instruction set that the list was made for.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    /// Work of one iteration, and the loop.
    Compute(f64, unsafe fn(usize)),
    /// Reads all of the bytes.
    Read(unsafe fn(&[u8])),
}

/// A loop that runs on this machine.
#[derive(Clone, Copy)]
pub(crate) struct Loop {
    pub(crate) name: &'static str,
    body: Body,
}

/// Iterations of one run, so that starting it and waiting for each other at its end cost nothing.
const ITERATIONS: usize = 100_000;
/// Bytes that one run reads, for the same reason; a smaller place is read again and again.
const READ_AT_LEAST: usize = 4 << 20;
/// What `read` reads when nothing else is said: fits a second-level cache.
const READ_BYTES: usize = 512 << 10;

/// Every loop that this machine and build can run.
pub(crate) fn loops() -> Vec<Loop> {
    #[cfg(target_arch = "x86_64")]
    return x86::loops();
    #[cfg(target_arch = "wasm32")]
    return wasm::loops();
    #[cfg(not(any(target_arch = "x86_64", target_arch = "wasm32")))]
    return vec![Loop { name: "read", body: Body::Read(read_words) }];
}

/// Reads with whatever the compiler makes of it.
#[cfg(not(target_arch = "x86_64"))]
unsafe fn read_words(bytes: &[u8]) {
    let mut sums = [0_u64; 16];
    for chunk in bytes.as_chunks::<8>().0.chunks_exact(16) {
        for (sum, &word) in sums.iter_mut().zip(chunk) {
            *sum |= u64::from_ne_bytes(word);
        }
    }
    std::hint::black_box(sums);
}

/// The loop on so many threads, each with data of its own.
pub(crate) fn case(known: Loop, threads: usize) -> Case {
    sized(known, threads, READ_BYTES)
}

fn sized(known: Loop, threads: usize, bytes: usize) -> Case {
    match known.body {
        Body::Compute(work, run) => {
            // SAFETY: `loops` lists what this machine can run.
            let part = |_| move || unsafe { run(ITERATIONS) };
            let mut team = Team::new((0..threads).map(part).collect());
            let work = work * ITERATIONS as f64 * threads as f64;
            Case::new(work, move |repeats| team.run(repeats))
        }
        Body::Read(run) => {
            let passes = READ_AT_LEAST.div_ceil(bytes);
            let part = |_| {
                let data = aligned(&vec![1; bytes]);
                move || {
                    for _ in 0..passes {
                        // SAFETY: `loops` lists what this machine can run.
                        unsafe { run(std::hint::black_box(&data[..])) }
                    }
                }
            };
            let mut team = Team::new((0..threads).map(part).collect());
            Case::new((bytes * passes * threads) as f64, move |repeats| team.run(repeats))
        }
    }
}

/// Opens `{"name":"limit","loop","threads","bytes"}`; bytes (a thread's) matter to `read` alone.
pub(crate) fn open(request: &Request) -> Result<Case, String> {
    let name = request.text("loop")?;
    let found = loops().into_iter().find(|known| known.name == name);
    let known = found.ok_or(format!("this machine or build has no loop {name}"))?;
    let bytes = request.number("bytes").unwrap_or(READ_BYTES).max(1);
    Ok(sized(known, request.count("threads")?, bytes))
}
