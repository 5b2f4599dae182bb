//! The arithmetic on samples that the codec and whoever plays its sound share.

pub mod fade;
pub mod level_meter;
pub mod mid_side;
