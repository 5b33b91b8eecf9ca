//! Where a component keeps its one plugin between calls. Every kind's exports go through here.

use std::any::Any;
use std::cell::RefCell;

use serde::de::DeserializeOwned;

thread_local! {
    static PLUGIN: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Makes the plugin from the operator's configuration and keeps it: the `init` of every kind.
pub fn start<C: DeserializeOwned, T: 'static>(
    config_json: &str,
    init: fn(C) -> Result<T, String>,
) -> Result<(), String> {
    let plugin = init(crate::config::read(config_json)?)?;
    PLUGIN.with_borrow_mut(|slot| *slot = Some(Box::new(plugin)));
    Ok(())
}

/// The host calls `init` before anything else; a host that does not is wrong, and the trap says so.
pub fn with<T: 'static, R>(call: impl FnOnce(&mut T) -> R) -> R {
    PLUGIN.with_borrow_mut(|slot| {
        let plugin = slot.as_mut().and_then(|plugin| plugin.downcast_mut::<T>());
        call(plugin.expect("the host called `init` first"))
    })
}

/// What every kind's export macro expands to: the parts of a world that its component exports.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty => $component:ident, $($part:ident),+) => {
        const _: () = {
            #[allow(dead_code)]
            type Exported = $crate::glue::$component<$plugin>;
            $(
                #[cfg(target_family = "wasm")]
                $crate::bindings::$part::export!(Exported with_types_in $crate::bindings::$part);
            )+
        };
    };
}

/// `describe` and `init` of one kind: they are the same for all but for the trait's name.
macro_rules! lifecycle {
    ($kind:ident) => {
        impl<T: $kind> $crate::bindings::life::exports::weir::plugin::lifecycle::Guest for Component<T> {
            fn describe() -> $crate::Manifest {
                T::manifest()
            }

            fn init(config_json: String) -> Result<(), String> {
                $crate::slot::start(&config_json, T::init)
            }
        }
    };
}

pub(crate) use lifecycle;
