//! Keeps what a panic said. After a panic the instance is lost (WebAssembly here is built with panic = abort), but one last call can read it.

use std::cell::RefCell;

thread_local! {
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Sets the hook that keeps the message and the place of a panic.
pub(crate) fn keep_message() {
    std::panic::set_hook(Box::new(|info| MESSAGE.set(Some(info.to_string()))));
}

/// The message of the panic that ended this instance.
pub(crate) fn message() -> Option<String> {
    MESSAGE.take()
}
