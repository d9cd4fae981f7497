//! Between a running host and whoever asks it something on the same machine: the socket that it
//! opens, how it is found, and asking.

mod client;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod server;

pub(crate) use client::{Asked, Host, Method, runtime};
#[cfg(unix)]
pub(crate) use server::{Socket, open};
