//! The memory of a libopus state.

use std::ffi::c_int;

/// Sixteen bytes, aligned as `malloc` aligns: libopus asks for no more.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Unit([u8; 16]);

/// Memory for one state of libopus. libopus keeps no pointers into it, so that a copy of it is a copy of the state.
#[derive(Clone, Debug)]
pub struct StateMemory(Box<[Unit]>);

impl StateMemory {
    /// Zeroed memory of at least `bytes`, as one of libopus's `get_size` functions says.
    pub fn of_size(bytes: c_int) -> Self {
        let units = usize::try_from(bytes).unwrap_or(0).div_ceil(size_of::<Unit>());
        Self(vec![Unit([0; 16]); units].into_boxed_slice())
    }

    /// The state to change.
    pub fn as_mut_ptr<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }

    /// The state to read.
    pub fn as_ptr<T>(&self) -> *const T {
        self.0.as_ptr().cast()
    }

    /// Takes over the contents of another state. Allocates if that is of another size.
    pub fn copy_from(&mut self, other: &Self) {
        self.0.clone_from(&other.0);
    }
}
