use crate::complain;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Does the work of one connection. A panic in it is a defect of ours, which is told of as `whose` and ends here; then
/// there is no result, and whatever the work had in its hands may be half done: it is to be thrown away.
pub fn contain<T>(whose: &str, work: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(work));
    result.inspect_err(|_| complain(format_args!("{whose} panicked, and its connection is closed"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_goes_no_further() {
        assert_eq!(contain("this test", || 1), Some(1));
        assert_eq!(contain("this test", || panic!("on purpose")), None::<()>);
    }
}
