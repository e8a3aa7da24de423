//! Turns the two ways a call can fail, an error and a panic, into the one kind of error that JavaScript sees.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::{Error, Result, Status};
use tritlens_core::error::{CoreError, codes};

/// Runs `body`; an error or a panic becomes a JavaScript error whose message is the core's wire format.
///
/// Asserting unwind safety is sound in the sense that matters here: whatever state a panic leaves lies behind the surface's handle tables,
/// which hand out nothing that was being changed when the panic happened.
pub(crate) fn guard<T>(body: impl FnOnce() -> std::result::Result<T, CoreError>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|panic| Err(CoreError::new(codes::PANIC, said(&*panic))))
        .map_err(|error| to_js(&error))
}

/// The JavaScript error of a core error.
pub(crate) fn to_js(error: &CoreError) -> Error {
    Error::new(Status::GenericFailure, error.to_wire())
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| String::from("a panic without a message"))
}

#[cfg(test)]
mod tests {
    use super::{codes, guard};

    #[test]
    fn a_panic_becomes_a_typed_error() {
        let error = guard::<()>(|| panic!("broken {}", 7)).expect_err("must fail");
        assert!(error.reason.starts_with(codes::PANIC), "{}", error.reason);
        assert!(error.reason.contains("broken 7"), "{}", error.reason);
    }
}
