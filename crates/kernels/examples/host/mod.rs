//! What a program asks of the machine around it: arguments, lines in and out, a clock. WebAssembly has none of its own; `run-wasm.mjs` gives them.
#![allow(dead_code, reason = "no program that shares this file uses all of it")]

#[cfg(target_family = "wasm")]
mod imported {
    #[link(wasm_import_module = "host")]
    unsafe extern "C" {
        pub(super) safe fn now() -> f64;
        pub(super) unsafe fn say(text: *const u8, len: usize);
        pub(super) unsafe fn read(what: u32, into: *mut u8, len: usize) -> i32;
    }

    /// The arguments, a line each (0), or the next line of input (1); `None` at its end.
    pub(super) fn text(what: u32) -> Option<String> {
        let mut bytes = vec![0; 4096];
        // SAFETY: the host writes at most `len` bytes at the pointer before it returns, and keeps nothing.
        let len = unsafe { read(what, bytes.as_mut_ptr(), bytes.len()) };
        bytes.truncate(usize::try_from(len).ok()?);
        String::from_utf8(bytes).ok()
    }
}

/// Writes a line for people: stderr natively, the console in WebAssembly.
pub(crate) fn say(line: &str) {
    #[cfg(target_family = "wasm")]
    answer(line);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{line}");
}

/// Writes a line to stdout.
pub(crate) fn answer(line: &str) {
    #[cfg(target_family = "wasm")]
    // SAFETY: the host reads `len` bytes at the pointer before it returns, and keeps nothing.
    unsafe {
        imported::say(line.as_ptr(), line.len());
    }
    #[cfg(not(target_family = "wasm"))]
    {
        use std::io::Write;
        let mut out = std::io::stdout().lock();
        // Whoever asked may have gone; there is nobody left to tell.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

/// The next line of input; `None` at its end.
pub(crate) fn line() -> Option<String> {
    #[cfg(target_family = "wasm")]
    return imported::text(1);
    #[cfg(not(target_family = "wasm"))]
    {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).ok()?;
        (read > 0).then_some(line)
    }
}

/// The words after the program's name; cargo's own `--bench` is not one of them.
pub(crate) fn arguments() -> Vec<String> {
    #[cfg(target_family = "wasm")]
    let words: Vec<String> =
        imported::text(0).unwrap_or_default().lines().map(String::from).collect();
    #[cfg(not(target_family = "wasm"))]
    let words: Vec<String> = std::env::args().skip(1).collect();
    words.into_iter().filter(|word| !word.starts_with('-')).collect()
}

/// Seconds since some moment.
pub(crate) fn now() -> f64 {
    #[cfg(target_family = "wasm")]
    return imported::now() / 1e3;
    #[cfg(not(target_family = "wasm"))]
    {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
    }
}
