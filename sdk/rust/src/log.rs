//! Lines for the host's log, the one thing that a plugin reaches outside itself. In native tests they go to
//! the standard error stream. The host limits lines and bytes, and never a value of the data belongs in them.

#[cfg(target_arch = "wasm32")]
use crate::bindings::malla::plugin::log as host;

/// For whoever develops the plugin.
pub fn debug(message: impl AsRef<str>) {
    write(Level::Debug, message.as_ref());
}

/// Worth knowing.
pub fn info(message: impl AsRef<str>) {
    write(Level::Info, message.as_ref());
}

/// Odd, and the step went on.
pub fn warn(message: impl AsRef<str>) {
    write(Level::Warn, message.as_ref());
}

/// Wrong, and somebody should look.
pub fn error(message: impl AsRef<str>) {
    write(Level::Error, message.as_ref());
}

use crate::bindings::malla::plugin::log::Level;

#[cfg(target_arch = "wasm32")]
fn write(level: Level, message: &str) {
    host::write(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// Makes a panic tell the host its message and place before the trap.
#[cfg(target_arch = "wasm32")]
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        host::panicked(message, &place);
    }));
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn report_panics() {}
