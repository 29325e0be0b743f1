//! Text from Kafka that may be no text.
//!
//! Kafka looks neither at the names of headers nor at a commit's metadata, so another program may have
//! written any bytes there. rdkafka panics on those that are not UTF-8, and offers no other safe way to
//! them.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether this thread is reading text that may be none.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// What `read` gives, or `None` where rdkafka panics on its text. Nothing of that panic is printed: such
/// bytes can come with every record.
pub(in crate::kafka) fn readable<T>(read: impl FnOnce() -> T) -> Option<T> {
    static SILENCED: Once = Once::new();
    SILENCED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !READING.get() {
                usual(info);
            }
        }));
    });
    READING.set(true);
    let text = panic::catch_unwind(AssertUnwindSafe(read));
    READING.set(false);
    text.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_none_is_told_from_text() {
        assert_eq!(readable(|| "text"), Some("text"));
        let bytes = vec![0xff];
        assert_eq!(readable(|| String::from_utf8(bytes).expect("what rdkafka expects")), None);
        assert_eq!(readable(|| "text again"), Some("text again"));
    }
}
