//! Being found and reached where no address leads: passages between a house and its guests, through the routers of both
//! where they let it, through a gate where they do not.
#![forbid(unsafe_code)]
