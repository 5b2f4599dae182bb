//! Sound, network paths and hostile packets for tests, examples and fuzz targets; not compiled into the programs.

pub mod hostile_packet;
pub mod real_packets;
pub mod simulated_path;
pub mod synthetic_sound;
