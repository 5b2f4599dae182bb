//! Windows' access control lists, as far as a private folder needs them.

use std::{io, iter, os::windows::ffi::OsStrExt, path::Path, ptr};

use windows_sys::Win32::{
    Foundation::{ERROR_SUCCESS, LocalFree},
    Security::{
        Authorization::{
            ConvertStringSecurityDescriptorToSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1,
            SE_FILE_OBJECT,
        },
        DACL_SECURITY_INFORMATION, GetSecurityDescriptorControl, PSECURITY_DESCRIPTOR, SE_DACL_PROTECTED,
        SECURITY_ATTRIBUTES,
    },
    Storage::FileSystem::CreateDirectoryW,
};

/// Nothing inherited (`P`); everything for the owner, the system and administrators, here and in what is put inside
/// (Security Descriptor Definition Language).
const OWNER_ALONE: &str = "D:P(A;OICI;FA;;;OW)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)";

/// A security descriptor that Windows allocated.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: Windows allocated it with LocalAlloc, and it is freed once.
        unsafe {
            LocalFree(self.0);
        }
    }
}

/// Makes one folder with that list from its first moment on.
pub fn make_for_owner(folder: &Path) -> io::Result<()> {
    let descriptor = owner_alone()?;
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    let name = wide(folder.as_os_str().encode_wide());
    // SAFETY: the name ends with a zero; it and the descriptor outlive the call.
    match unsafe { CreateDirectoryW(name.as_ptr(), &attributes) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Whether a folder's list is its own, with nothing inherited.
pub fn is_protected(folder: &Path) -> io::Result<bool> {
    let name = wide(folder.as_os_str().encode_wide());
    let mut descriptor = ptr::null_mut();
    // SAFETY: the name ends with a zero; what is not asked for may be null, and the descriptor is freed below.
    let code = unsafe {
        GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            DACL_SECURITY_INFORMATION,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &mut descriptor,
        )
    };
    if code != ERROR_SUCCESS {
        return Err(io::Error::from_raw_os_error(code as i32));
    }
    let descriptor = Descriptor(descriptor);
    let (mut control, mut revision) = (0, 0);
    // SAFETY: the descriptor is Windows' own and lives until the end of this function.
    match unsafe { GetSecurityDescriptorControl(descriptor.0, &mut control, &mut revision) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(control & SE_DACL_PROTECTED != 0),
    }
}

fn owner_alone() -> io::Result<Descriptor> {
    let text = wide(OWNER_ALONE.encode_utf16());
    let mut descriptor = ptr::null_mut();
    // SAFETY: the text ends with a zero; the size is not asked for; what is allocated is freed by `Descriptor`.
    let made = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &mut descriptor,
            ptr::null_mut(),
        )
    };
    if made == 0 { Err(io::Error::last_os_error()) } else { Ok(Descriptor(descriptor)) }
}

fn wide(text: impl Iterator<Item = u16>) -> Vec<u16> {
    text.chain(iter::once(0)).collect()
}
