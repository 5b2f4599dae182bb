//! An interface whose cable is a file (Documentation/networking/tuntap.rst of the kernel).

use std::{fs::File, io};

use rustix::ioctl::{self, Opcode, Updater, opcode};

/// `TUNSETIFF`, linux/if_tun.h.
const SET_INTERFACE: Opcode = opcode::write::<i32>(b'T', 202);
/// `IFF_TUN | IFF_NO_PI`, linux/if_tun.h: bare IP packets.
const BARE_PACKETS: u16 = 0x0001 | 0x1000;
const NAME_BYTES: usize = 16;

/// `struct ifreq` with its flags used (netdevice(7)): 40 bytes where pointers have eight.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_BYTES],
    flags: u16,
    unused: [u8; 22],
}

/// Makes an interface of this name in the calling thread's network namespace. Each read gives a packet that was sent
/// into it, each write makes one arrive. The interface goes when the file is closed.
///
/// # Errors
/// When /dev/net/tun is not there, or making interfaces is not allowed.
pub fn open(name: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = InterfaceRequest { name: [0; NAME_BYTES], flags: BARE_PACKETS, unused: [0; 22] };
    // The last byte stays zero.
    for (to, from) in request.name[..NAME_BYTES - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, for which `request` has the layout and the room.
    unsafe { ioctl::ioctl(&file, Updater::<SET_INTERFACE, InterfaceRequest>::new(&mut request)) }?;
    Ok(file)
}
