//! Where a component keeps its one plugin between calls. Every kind's exports go through here.

use std::any::Any;
use std::cell::RefCell;

thread_local! {
    static PLUGIN: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Keeps the plugin that `init` made.
pub fn put<T: 'static>(plugin: T) {
    PLUGIN.with_borrow_mut(|slot| *slot = Some(Box::new(plugin)));
}

/// The host calls `init` before anything else; a host that does not is wrong, and the trap says so.
pub fn with<T: 'static, R>(call: impl FnOnce(&mut T) -> R) -> R {
    PLUGIN.with_borrow_mut(|slot| {
        let plugin = slot.as_mut().and_then(|plugin| plugin.downcast_mut::<T>());
        call(plugin.expect("the host called `init` first"))
    })
}
