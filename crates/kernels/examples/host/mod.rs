//! What a program asks of the machine around it: a line of output and a clock. WebAssembly has neither of its own; `run-wasm.mjs` gives them.

#[cfg(target_family = "wasm")]
mod imported {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        pub(super) safe fn now() -> f64;
        pub(super) unsafe fn say(text: *const u8, len: usize);
    }
}

/// Writes a line.
pub(crate) fn say(line: &str) {
    #[cfg(target_family = "wasm")]
    // SAFETY: the host reads `len` bytes at the pointer before it returns, and keeps nothing.
    unsafe {
        imported::say(line.as_ptr(), line.len());
    }
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{line}");
}

/// Seconds since some moment.
#[allow(dead_code, reason = "one of the programs that share this file does not measure")]
pub(crate) fn now() -> f64 {
    #[cfg(target_family = "wasm")]
    return imported::now() / 1e3;
    #[cfg(not(target_family = "wasm"))]
    {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
    }
}
